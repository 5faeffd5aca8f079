//! The onboarding page of an Account Link, where a person submits the details or leaves.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::objects::account::ConnectedAccount;
use crate::operations::account_links::{self, LinkAccess};
use crate::pages::connect::{Outcome, internal_error_page, page};
use crate::pages::html::{escape, see_other};
use crate::state::{Origin, Store, TxOutcome};
use crate::storage::table::Account;

/// Adds the page's routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/setup/s/{account}/{secret}").route(web::get().to(show)).route(web::post().to(submit)),
    );
}

#[derive(Debug, Deserialize)]
struct Submission {
    outcome: Outcome,
    business_name: Option<String>,
}

fn not_found() -> HttpResponse {
    page(
        404,
        "Link not found",
        "<p>This link does not exist. Please return to the platform and try again.</p>",
    )
}

/// Opens the link, which can be used once. The page continues with a session secret.
async fn show(store: web::Data<Store>, path: web::Path<(String, String)>) -> HttpResponse {
    let (id, secret) = path.into_inner();
    let platform = Account::platform();
    let access = store.transact(&platform, Origin::default(), |tx| {
        (account_links::open(tx, &id, &secret), TxOutcome::Commit)
    });
    match access.await {
        Ok(Some(LinkAccess::Granted(account, session))) => form(&account, &session),
        Ok(Some(LinkAccess::Expired { refresh_url })) => see_other(&refresh_url),
        Ok(None) => not_found(),
        Err(error) => {
            tracing::error!(%error, "failed to store the visit of an account link; the browser gets an error page");
            internal_error_page()
        }
    }
}

fn form(account: &ConnectedAccount, session: &str) -> HttpResponse {
    let rendered = account.requirements.render();
    let due = rendered["currently_due"].as_array().into_iter().flatten();
    let due: Vec<String> = due
        .filter_map(|field| field.as_str())
        .map(|field| format!("<li><code>{}</code></li>", escape(field)))
        .collect();
    let due = if due.is_empty() {
        "<p>No information is missing.</p>".to_owned()
    } else {
        format!("<h2>Missing information</h2><ul>{}</ul>", due.concat())
    };
    let content = format!(
        "<p>Account <code>{id}</code></p>{due}\
         <form method=\"post\" action=\"/setup/s/{id}/{session}\">\
         <label>Business name<input type=\"text\" name=\"business_name\" value=\"{name}\" maxlength=\"200\" \
         autocomplete=\"organization\"></label>\
         <button name=\"outcome\" value=\"complete\">Submit everything</button>\
         <button class=\"plain\" name=\"outcome\" value=\"pending\">Submit with verification pending</button>\
         <button class=\"plain\" name=\"outcome\" value=\"incomplete\">Submit with a document missing</button>\
         <button class=\"plain\" name=\"outcome\" value=\"leave\">Leave for now</button></form>",
        id = escape(&account.id),
        session = escape(session),
        name = escape(account.business_name().map_or("", String::as_str)),
    );
    page(200, "Set up payments", &content)
}

async fn submit(
    store: web::Data<Store>,
    path: web::Path<(String, String)>,
    form: web::Form<Submission>,
) -> HttpResponse {
    let (id, session) = path.into_inner();
    let name = form.business_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let platform = Account::platform();
    let redirect = store.transact(&platform, Origin::default(), |tx| {
        (
            account_links::finish_onboarding(tx, &id, &session, name, form.outcome.onboarding()),
            TxOutcome::Commit,
        )
    });
    match redirect.await {
        Ok(Some(url)) => see_other(&url),
        Ok(None) => not_found(),
        Err(error) => {
            tracing::error!(%error, "failed to store an onboarding; the browser gets an error page");
            internal_error_page()
        }
    }
}
