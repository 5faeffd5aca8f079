//! The page of the card's bank, where the customer passes or fails 3D Secure.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::http::amounts::format_amount;
use crate::objects::challenge::Challenge;
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::operations::attempts::finish_challenge;
use crate::pages::palette::PALETTE;
use crate::state::{Origin, Store, TxOutcome};

const TEMPLATE: &str = include_str!("three_d_secure.html");

/// Adds the page's routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/3d_secure/{id}/{token}").route(web::get().to(show)).route(web::post().to(submit)),
    );
}

/// The customer's choice.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Complete,
    Fail,
}

#[derive(Debug, Deserialize)]
struct ChoiceForm {
    outcome: Choice,
}

/// The display mode of the page.
#[derive(Debug, Deserialize)]
struct Frame {
    /// Set if Stripe.js shows the page in a dialog. The page then notifies Stripe.js instead of redirecting.
    in_dialog: Option<String>,
}

/// Notifies the dialog that the challenge has ended. Contains no confidential data.
const DIALOG_MESSAGE: &str = "<p>You can continue now.</p><script>parent.postMessage({ quittanceSandbox: true, \
                           type: 'authenticated' }, '*')</script>";

fn page(status: u16, title: &str, content: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(
            TEMPLATE
                .replace("{{palette}}", PALETTE)
                .replace("{{title}}", title)
                .replace("{{content}}", content),
        )
}

fn closed_page() -> HttpResponse {
    page(
        404,
        "No authentication pending",
        "<p>This authentication has ended or does not exist. You can close this page.</p>",
    )
}

async fn show(store: web::Data<Store>, path: web::Path<(String, String)>) -> HttpResponse {
    let (id, token) = path.into_inner();
    let amount = store.run_in_memory(|tx| {
        let (account, challenge) = tx.state.table::<Challenge>().find(&id)?;
        let intent = tx.state.table::<PaymentIntent>().get(account, &id)?;
        (challenge.token == token).then(|| {
            format!("{} {}", format_amount(intent.amount, &intent.currency), intent.currency.to_uppercase())
        })
    });
    match amount {
        None => closed_page(),
        Some(amount) => page(
            200,
            "Confirm your payment",
            &format!(
                "<p>Your bank asks you to confirm a payment of <strong>{amount}</strong>.</p><form method=\"post\"><button name=\"outcome\" value=\"complete\">Complete \
                 authentication</button><button class=\"plain\" name=\"outcome\" value=\"fail\">Fail \
                 authentication</button></form>"
            ),
        ),
    }
}

async fn submit(
    store: web::Data<Store>,
    path: web::Path<(String, String)>,
    frame: web::Query<Frame>,
    form: web::Form<ChoiceForm>,
) -> HttpResponse {
    let (id, token) = path.into_inner();
    let passed = matches!(form.outcome, Choice::Complete);
    let account =
        store.run_in_memory(|tx| tx.state.table::<Challenge>().find(&id).map(|(account, _)| account.clone()));
    let Some(account) = account else { return closed_page() };
    let finished = store.transact(&account, Origin::default(), |tx| {
        (finish_challenge(tx, &id, &token, passed), TxOutcome::Commit)
    });
    let is_in_dialog = frame.in_dialog.is_some();
    match finished.await {
        Ok(Some(_)) if is_in_dialog => page(200, "Thank you", DIALOG_MESSAGE),
        Ok(Some(intent)) => finished_page(&intent),
        Ok(None) => closed_page(),
        Err(error) => {
            tracing::error!(%error, "failed to store a 3D Secure outcome; the browser gets an error page");
            page(500, "Something went wrong", "<p>The sandbox could not store the outcome.</p>")
        }
    }
}

fn finished_page(intent: &PaymentIntent) -> HttpResponse {
    let redirect_status = match intent.status {
        Status::Succeeded | Status::RequiresCapture => "succeeded",
        Status::Processing => "processing",
        _ => "failed",
    };
    let url = intent.return_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
    let Some(mut url) = url else {
        let content = if redirect_status == "failed" {
            "<p>The payment failed. You can close this page and try again.</p>"
        } else {
            "<p>The payment is authenticated. You can close this page.</p>"
        };
        return page(200, &format!("Authentication {redirect_status}"), content);
    };
    url.query_pairs_mut()
        .append_pair("payment_intent", &intent.id)
        .append_pair("payment_intent_client_secret", &intent.client_secret)
        .append_pair("redirect_status", redirect_status);
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, url.as_str()))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}
