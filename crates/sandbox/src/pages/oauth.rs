//! The page on which the owner of an account lets a platform act for it, as at connect.stripe.com.
//! <https://docs.stripe.com/connect/oauth-reference#get-authorize>

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use crate::http::form;
use crate::http::params::Params;
use crate::http::url::is_http_url;
use crate::objects::account::{self, AccountType, ConnectedAccount, Connection};
use crate::operations::oauth::issue_code;
use crate::operations::{account_lookup, accounts};
use crate::pages::connect::{Outcome, failed, page};
use crate::pages::html::{escape, see_other};
use crate::state::{Keep, Origin, Store, Tx};
use crate::storage::ids::is_client_id;
use crate::storage::table::Account;

/// The longest name or address that is taken from the page.
const MAX_CHARS: usize = 200;

/// Adds the page's routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/oauth/authorize").route(web::get().to(show)).route(web::post().to(submit)));
}

/// What a platform sends an owner here with.
#[derive(Debug, Deserialize)]
struct Question {
    client_id: String,
    redirect_uri: String,
    scope: Option<String>,
    state: Option<String>,
}

/// What the platform already knows of an owner who has no account yet.
#[derive(Debug, Default)]
struct Prefill {
    name: String,
    email: String,
    country: String,
}

impl Question {
    fn is_read_only(&self) -> bool {
        self.scope.as_deref() != Some("read_write")
    }

    /// Back to the platform, with the state exactly as it was given.
    fn answer(&self, pairs: &[(&str, &str)]) -> HttpResponse {
        let Ok(mut url) = reqwest::Url::parse(&self.redirect_uri) else {
            return refused("Invalid redirect URI.");
        };
        url.query_pairs_mut().extend_pairs(pairs);
        if let Some(state) = &self.state {
            url.query_pairs_mut().append_pair("state", state);
        }
        see_other(url.as_str())
    }

    fn error(&self, error: &str, description: &str) -> HttpResponse {
        self.answer(&[("error", error), ("error_description", description)])
    }

    /// What is wrong with the application or its address: nothing may be sent there.
    fn problem(&self) -> Option<&'static str> {
        if !is_client_id(&self.client_id) {
            Some("No application matches the supplied client identifier.")
        } else if is_http_url(&self.redirect_uri) {
            None
        } else {
            Some("Invalid redirect URI: the sandbox needs an absolute http or https URL in redirect_uri.")
        }
    }
}

fn refused(text: &str) -> HttpResponse {
    page(400, "This link cannot be used", &format!("<p>{}</p>", escape(text)))
}

/// The question of a query, or the answer if it is none.
fn read(query: &str) -> Result<(Question, Prefill), Box<HttpResponse>> {
    let entries = form::parse(query.as_bytes()).map_err(|error| Box::new(refused(error.message())))?;
    let mut params = Params::new(entries);
    let mut text = |name: &str| params.string(name).ok().flatten();
    let question = Question {
        client_id: text("client_id").unwrap_or_default(),
        redirect_uri: text("redirect_uri").unwrap_or_default(),
        scope: text("scope"),
        state: text("state"),
    };
    let response_type = text("response_type");
    if let Some(problem) = question.problem() {
        return Err(Box::new(refused(problem)));
    }
    if response_type.as_deref() != Some("code") {
        return Err(Box::new(question.error("unsupported_response_type", "The only response type is code.")));
    }
    if question.scope.as_deref().is_some_and(|scope| !matches!(scope, "read_write" | "read_only")) {
        return Err(Box::new(question.error("invalid_scope", "The scope is read_write or read_only.")));
    }
    // As at Stripe, what is wrong in it is passed over.
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
    Ok((question, prefill))
}

async fn show(store: web::Data<Store>, request: HttpRequest) -> HttpResponse {
    match read(request.query_string()) {
        Ok((question, prefill)) => store.peek(|tx| form_page(tx, &question, &prefill)),
        Err(answer) => *answer,
    }
}

fn hidden(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
    })
}

/// The accounts whose owners may let a platform in.
fn own_accounts<'a>(tx: &'a Tx<'_>, platform: &Account) -> Vec<&'a ConnectedAccount> {
    let all = tx.state.of::<ConnectedAccount>().newest_first(platform);
    all.filter(|account| account.connection != Connection::Controlled).collect()
}

fn form_page(tx: &Tx<'_>, question: &Question, prefill: &Prefill) -> HttpResponse {
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
    let access = if question.is_read_only() { "see" } else { "see and change" };
    let country = if prefill.country.is_empty() { "US" } else { &prefill.country };
    let content = format!(
        "<p>The application <code>{client}</code> asks to {access} the data of your account.</p>\
         <form method=\"post\" action=\"/oauth/authorize\">{hidden}\
         <fieldset><legend>Your account</legend>{choices}\
         <label class=\"choice\"><input type=\"radio\" name=\"account\" value=\"new\" checked>\
         <span>A new account</span></label>\
         <label>Business name<input type=\"text\" name=\"business_name\" value=\"{name}\" maxlength=\"200\" \
         autocomplete=\"organization\"></label>\
         <label>Email<input type=\"email\" name=\"email\" value=\"{email}\" maxlength=\"200\" autocomplete=\"email\"></label>\
         <label>Country (two letters)<input type=\"text\" name=\"country\" value=\"{country}\" maxlength=\"2\" \
         autocomplete=\"country\"></label>\
         <label>Its details<select name=\"outcome\"><option value=\"complete\">are complete</option>\
         <option value=\"pending\">are being verified</option><option value=\"incomplete\">lack a document</option>\
         <option value=\"leave\">are not submitted yet</option></select></label></fieldset>\
         <button name=\"decision\" value=\"connect\">Connect my account</button>\
         <button class=\"plain\" name=\"decision\" value=\"deny\">Deny</button></form>",
        client = escape(&question.client_id),
        hidden = [
            hidden("client_id", Some(&question.client_id)),
            hidden("redirect_uri", Some(&question.redirect_uri)),
            hidden("scope", question.scope.as_deref()),
            hidden("state", question.state.as_deref()),
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

/// What the owner decides, with the question it is about.
#[derive(Debug, Deserialize)]
struct Submission {
    #[serde(flatten)]
    question: Question,
    decision: Decision,
    account: Option<String>,
    business_name: Option<String>,
    email: Option<String>,
    country: Option<String>,
    outcome: Option<Outcome>,
}

async fn submit(store: web::Data<Store>, form: web::Form<Submission>) -> HttpResponse {
    let submission = form.into_inner();
    let question = &submission.question;
    if let Some(problem) = question.problem() {
        return refused(problem);
    }
    if submission.decision == Decision::Deny {
        return question.error("access_denied", "The user denied your request");
    }
    let platform = Account::platform();
    let code = store.transact(&platform, Origin::default(), |tx| {
        let account = choose(tx, &submission);
        let code = account.map(|id| issue_code(tx, &id, &question.client_id, question.is_read_only()));
        (code, Keep::Changes)
    });
    match code.await {
        Ok(Some(code)) => {
            let scope = if question.is_read_only() { "read_only" } else { "read_write" };
            question.answer(&[("scope", scope), ("code", &code)])
        }
        Ok(None) => refused("There is no such account to connect."),
        Err(error) => {
            tracing::error!(%error, "An authorisation was not kept");
            failed()
        }
    }
}

/// The account that the owner has chosen, made if it is new; `None` if it can not be connected.
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
    account.settle_in(country.unwrap_or("US"));
    account.email = text(&submission.email);
    if let Some(name) = text(&submission.business_name) {
        account.set_business_name(&name);
    }
    account.require_details();
    account.request_usual(now);
    if let Some(how) = submission.outcome.unwrap_or(Outcome::Complete).onboarding() {
        account.onboard(how);
    }
    let id = account.id.clone();
    accounts::put(tx, account);
    Some(id)
}
