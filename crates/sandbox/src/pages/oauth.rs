//! The OAuth page, where an account holder authorizes a platform, as on connect.stripe.com.
//! <https://docs.stripe.com/connect/oauth-reference#get-authorize>

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use crate::http::form;
use crate::http::params::Params;
use crate::http::url::is_http_url;
use crate::objects::account::{self, AccountType, ConnectedAccount, Connection};
use crate::operations::oauth::issue_code;
use crate::operations::{account_lookup, accounts};
use crate::pages::connect::{Outcome, internal_error_page, page};
use crate::pages::html::{escape, see_other};
use crate::state::{Origin, Store, Tx, TxOutcome};
use crate::storage::ids::is_client_id;
use crate::storage::table::Account;

/// The maximum length of a name or an email address.
const MAX_CHARS: usize = 200;

/// Adds the page's routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/oauth/authorize").route(web::get().to(show)).route(web::post().to(submit)));
}

/// The parameters of an authorization request.
#[derive(Debug, Deserialize)]
struct AuthorizeRequest {
    client_id: String,
    redirect_uri: String,
    scope: Option<String>,
    state: Option<String>,
}

/// The details that prefill the form for a new account.
#[derive(Debug, Default)]
struct Prefill {
    name: String,
    email: String,
    country: String,
}

impl AuthorizeRequest {
    fn is_read_only(&self) -> bool {
        self.scope.as_deref() != Some("read_write")
    }

    /// Redirects to the platform with the unchanged `state`.
    fn redirect(&self, pairs: &[(&str, &str)]) -> HttpResponse {
        let Ok(mut url) = reqwest::Url::parse(&self.redirect_uri) else {
            return error_page("Invalid redirect URI.");
        };
        url.query_pairs_mut().extend_pairs(pairs);
        if let Some(state) = &self.state {
            url.query_pairs_mut().append_pair("state", state);
        }
        see_other(url.as_str())
    }

    fn error(&self, error: &str, description: &str) -> HttpResponse {
        self.redirect(&[("error", error), ("error_description", description)])
    }

    /// Returns the reason why the redirect URI can't be used.
    fn validation_error(&self) -> Option<&'static str> {
        if !is_client_id(&self.client_id) {
            Some("No application matches the supplied client identifier.")
        } else if is_http_url(&self.redirect_uri) {
            None
        } else {
            Some("Invalid redirect URI: redirect_uri must be an absolute http or https URL.")
        }
    }
}

fn error_page(text: &str) -> HttpResponse {
    page(400, "This link cannot be used", &format!("<p>{}</p>", escape(text)))
}

/// Parses an authorization request. Returns the response if it is invalid.
fn parse(query: &str) -> Result<(AuthorizeRequest, Prefill), Box<HttpResponse>> {
    let entries = form::parse(query.as_bytes()).map_err(|error| Box::new(error_page(error.message())))?;
    let mut params = Params::new(entries);
    let mut text = |name: &str| params.string(name).ok().flatten();
    let request = AuthorizeRequest {
        client_id: text("client_id").unwrap_or_default(),
        redirect_uri: text("redirect_uri").unwrap_or_default(),
        scope: text("scope"),
        state: text("state"),
    };
    let response_type = text("response_type");
    if let Some(message) = request.validation_error() {
        return Err(Box::new(error_page(message)));
    }
    if response_type.as_deref() != Some("code") {
        return Err(Box::new(request.error("unsupported_response_type", "response_type must be code.")));
    }
    if request.scope.as_deref().is_some_and(|scope| !matches!(scope, "read_write" | "read_only")) {
        return Err(Box::new(request.error("invalid_scope", "scope must be read_write or read_only.")));
    }
    // Like Stripe, ignores invalid prefill values.
    let mut user = params.nested("stripe_user").ok().flatten().unwrap_or_default();
    let mut prefilled = |name: &str| {
        let value = user.string(name).ok().flatten();
        value.filter(|value| value.chars().count() <= MAX_CHARS).unwrap_or_default()
    };
    let prefill = Prefill {
        name: prefilled("business_name"),
        email: prefilled("email"),
        country: Some(prefilled("country")).filter(|code| account::is_country(code)).unwrap_or_default(),
    };
    Ok((request, prefill))
}

async fn show(store: web::Data<Store>, http_request: HttpRequest) -> HttpResponse {
    match parse(http_request.query_string()) {
        Ok((request, prefill)) => store.run_in_memory(|tx| form_page(tx, &request, &prefill)),
        Err(response) => *response,
    }
}

fn hidden(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
    })
}

/// Returns the accounts that can be connected with OAuth.
fn own_accounts<'a>(tx: &'a Tx<'_>, platform: &Account) -> Vec<&'a ConnectedAccount> {
    let all = tx.state.table::<ConnectedAccount>().newest_first(platform);
    all.filter(|account| account.connection != Connection::Controlled).collect()
}

fn form_page(tx: &Tx<'_>, request: &AuthorizeRequest, prefill: &Prefill) -> HttpResponse {
    let platform = Account::platform();
    let choices = own_accounts(tx, &platform).into_iter().map(|account| {
        format!(
            "<label class=\"choice\"><input type=\"radio\" name=\"account\" value=\"{id}\"><span>{name} \
             <code>{id}</code></span></label>",
            id = escape(&account.id),
            name = escape(account.business_name().map_or("Unnamed", String::as_str)),
        )
    });
    let choices = choices.collect::<Vec<String>>().concat();
    let access = if request.is_read_only() { "view" } else { "view and change" };
    let country = if prefill.country.is_empty() { "US" } else { &prefill.country };
    let content = format!(
        "<p>The application <code>{client}</code> requests permission to {access} your account data.</p>\
         <form method=\"post\" action=\"/oauth/authorize\">{hidden}\
         <fieldset><legend>Your account</legend>{choices}\
         <label class=\"choice\"><input type=\"radio\" name=\"account\" value=\"new\" checked>\
         <span>A new account</span></label>\
         <label>Business name<input type=\"text\" name=\"business_name\" value=\"{name}\" maxlength=\"200\" \
         autocomplete=\"organization\"></label>\
         <label>Email<input type=\"email\" name=\"email\" value=\"{email}\" maxlength=\"200\" autocomplete=\"email\"></label>\
         <label>Country (two letters)<input type=\"text\" name=\"country\" value=\"{country}\" maxlength=\"2\" \
         autocomplete=\"country\"></label>\
         <label>Account details<select name=\"outcome\"><option value=\"complete\">Complete</option>\
         <option value=\"pending\">Verification pending</option><option value=\"incomplete\">Document missing</option>\
         <option value=\"leave\">Not submitted</option></select></label></fieldset>\
         <button name=\"decision\" value=\"connect\">Connect my account</button>\
         <button class=\"plain\" name=\"decision\" value=\"deny\">Deny</button></form>",
        client = escape(&request.client_id),
        hidden = [
            hidden("client_id", Some(&request.client_id)),
            hidden("redirect_uri", Some(&request.redirect_uri)),
            hidden("scope", request.scope.as_deref()),
            hidden("state", request.state.as_deref()),
        ]
        .concat(),
        name = escape(&prefill.name),
        email = escape(&prefill.email),
        country = escape(country),
    );
    page(200, "Connect your account", &content)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Connect,
    Deny,
}

/// The submitted form, with the authorization request.
#[derive(Debug, Deserialize)]
struct Submission {
    #[serde(flatten)]
    request: AuthorizeRequest,
    decision: Decision,
    account: Option<String>,
    business_name: Option<String>,
    email: Option<String>,
    country: Option<String>,
    outcome: Option<Outcome>,
}

async fn submit(store: web::Data<Store>, form: web::Form<Submission>) -> HttpResponse {
    let submission = form.into_inner();
    let request = &submission.request;
    if let Some(message) = request.validation_error() {
        return error_page(message);
    }
    if submission.decision == Decision::Deny {
        return request.error("access_denied", "The user denied your http_request");
    }
    let platform = Account::platform();
    let code = store.transact(&platform, Origin::default(), |tx| {
        let account = choose(tx, &submission);
        let code = account.map(|id| issue_code(tx, &id, &request.client_id, request.is_read_only()));
        (code, TxOutcome::Commit)
    });
    match code.await {
        Ok(Some(code)) => {
            let scope = if request.is_read_only() { "read_only" } else { "read_write" };
            request.redirect(&[("scope", scope), ("code", &code)])
        }
        Ok(None) => error_page("This account does not exist or cannot be connected."),
        Err(error) => {
            tracing::error!(%error, "failed to store an authorization; the browser gets an error page");
            internal_error_page()
        }
    }
}

/// Returns the chosen account's ID, and creates the account if it is new. Returns `None` if it can't be connected.
fn choose(tx: &mut Tx<'_>, submission: &Submission) -> Option<String> {
    if let Some(id) = submission.account.as_ref().filter(|id| *id != "new") {
        let own = account_lookup::find(tx, id).filter(|account| account.connection != Connection::Controlled);
        return own.map(|account| account.id.clone());
    }
    let text = |value: &Option<String>| {
        let value: Option<String> =
            value.as_ref().map(|value| value.trim().chars().take(MAX_CHARS).collect());
        value.filter(|value| !value.is_empty())
    };
    let now = tx.now.seconds();
    let mut account = ConnectedAccount::new(account::new_id(), AccountType::Standard, Connection::None, now);
    let country = submission.country.as_deref().filter(|code| account::is_country(code));
    account.set_country(country.unwrap_or("US"));
    account.email = text(&submission.email);
    if let Some(name) = text(&submission.business_name) {
        account.set_business_name(&name);
    }
    account.require_details();
    account.request_default_capabilities(now);
    if let Some(outcome) = submission.outcome.unwrap_or(Outcome::Complete).onboarding() {
        account.complete_onboarding(outcome);
    }
    let id = account.id.clone();
    accounts::put(tx, account);
    Some(id)
}
