//! The hosted page of a Checkout Session. Its form is the Payment Element of Stripe.js, with the same card
//! validation.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::amounts::format_price;
use crate::http::error::{ApiError, Stage};
use crate::http::string_enum::StringEnum;
use crate::objects::checkout_session::{CheckoutSession, SessionStatus, SubmitType};
use crate::objects::line_item::LineItem;
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::objects::payment_method_type::PaymentMethodType;
use crate::operations::checkout_sessions::{self, CheckoutPayment, NextStep};
use crate::operations::payment_methods;
use crate::pages::html::{escape, see_other};
use crate::pages::palette::PALETTE;
use crate::pages::stripe_js::{JAVASCRIPT, asset, wrap_scripts};
use crate::state::{Origin, Store, Tx, TxOutcome};
use crate::storage::clock::Timestamp;
use crate::storage::ids;
use crate::storage::table::Account;

const TEMPLATE: &str = include_str!("checkout/checkout.html");
const STYLE: &str = include_str!("checkout/checkout.css");
const SCRIPT: &str = include_str!("checkout/checkout.js");

/// The page loads only its own resources, and product images from anywhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; frame-src 'self'; \
                      connect-src 'self'; img-src http: https: data:; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// The API key of the page's script.
const PAGE_KEY: &str = "pk_test_checkout";

/// Adds the page's routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/c/checkout.css").route(web::get().to(style)))
        .service(web::resource("/c/checkout.js").route(web::get().to(script)))
        .service(web::resource("/c/pay/{id}").route(web::get().to(show)).route(web::post().to(submit)))
        .service(web::resource("/c/pay/{id}/return").route(web::get().to(return_from_bank)));
}

async fn style() -> HttpResponse {
    asset("text/css; charset=utf-8", [PALETTE, STYLE].concat())
}

async fn script() -> HttpResponse {
    asset(JAVASCRIPT, wrap_scripts(&[SCRIPT]))
}

fn page(status: u16, title: &str, content: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        // The content is inserted last, so that placeholders in the shop's texts aren't replaced.
        .body(TEMPLATE.replace("{{title}}", &escape(title)).replace("{{content}}", content))
}

/// Returns a page of a Session that can't be paid.
fn closed_page(status: u16, title: &str, text: &str, back: Option<&str>) -> HttpResponse {
    let link =
        back.map_or_else(String::new, |url| format!("<a href=\"{}\">Back to the shop</a>", escape(url)));
    let content =
        format!("<main class=\"Over\"><h1>{}</h1><p>{}</p>{link}</main>", escape(title), escape(text));
    page(status, title, &content)
}

fn not_found() -> HttpResponse {
    closed_page(
        404,
        "Page not found",
        "This page does not exist. Please return to the shop and try again.",
        None,
    )
}

/// Finds a Session and calls `work` with it.
fn find_session<R>(
    store: &Store,
    id: &str,
    work: impl FnOnce(&Tx<'_>, &Account, &CheckoutSession) -> R,
) -> Option<R> {
    store.run_in_memory(|tx| {
        let (account, session) = tx.state.table::<CheckoutSession>().find(id)?;
        Some(work(tx, account, session))
    })
}

async fn show(store: web::Data<Store>, id: web::Path<String>) -> HttpResponse {
    find_session(&store, &id, |tx, account, session| match session.status {
        SessionStatus::Complete => closed_page(
            200,
            "You\u{2019}re all done here",
            "This payment is complete. You can close this page.",
            None,
        ),
        SessionStatus::Open if session.is_open(tx.now) => {
            page(200, "Checkout", &open_page(tx, account, session))
        }
        SessionStatus::Open | SessionStatus::Expired => closed_page(
            200,
            "This checkout has expired",
            "Nothing was charged. Please return to the shop and try again.",
            session.cancel_url.as_deref(),
        ),
    })
    .unwrap_or_else(not_found)
}

/// Redirects a customer who returns from the bank's page: to the shop, or to the form.
async fn return_from_bank(store: web::Data<Store>, id: web::Path<String>) -> HttpResponse {
    find_session(&store, &id, |tx, _, session| match session.status {
        SessionStatus::Complete => see_other(&session.success_url()),
        _ => see_other(&session.page_url(&tx.settings.public_url)),
    })
    .unwrap_or_else(not_found)
}

fn open_page(tx: &Tx<'_>, account: &Account, session: &CheckoutSession) -> String {
    let total = escape(&format_price(session.total(), &session.currency));
    let back = session.cancel_url.as_ref().map_or_else(String::new, |url| {
        format!(
            "<a class=\"Back\" href=\"{}\"><span aria-hidden=\"true\">\u{2190}</span> Back to the shop</a>",
            escape(url)
        )
    });
    let items: String = session.line_items.iter().map(|item| item_row(item, &session.currency)).collect();
    format!(
        "<main class=\"Checkout\"><section class=\"Summary\" aria-label=\"Order summary\"><div>{back}\
         <h1 class=\"Total\">Amount to pay <span class=\"Badge\">Test mode</span> <strong>{total}</strong></h1>\
         <ul class=\"Items\">{items}</ul>\
         <p class=\"Sum\"><span>Total</span><span>{total}</span></p></div></section>\
         <section class=\"Payment\" aria-label=\"Payment\">{form}</section></main>\
         <noscript>This page needs JavaScript.</noscript>\
         <script src=\"/v3/\"></script><script src=\"/c/checkout.js\"></script>",
        form = form(tx, account, session)
    )
}

fn item_row(item: &LineItem, currency: &str) -> String {
    let picture = if let Some(url) = item.images.first() {
        format!("<img src=\"{}\" alt=\"\" referrerpolicy=\"no-referrer\">", escape(url))
    } else {
        let initial: String = item.name.chars().take(1).collect();
        format!("<i aria-hidden=\"true\">{}</i>", escape(&initial))
    };
    let description =
        item.description.as_ref().map_or_else(String::new, |text| format!("<small>{}</small>", escape(text)));
    let quantity =
        if item.quantity > 1 { format!("<small>Qty {}</small>", item.quantity) } else { String::new() };
    let each = if item.quantity > 1 {
        format!("<small>{} each</small>", escape(&format_price(item.unit_amount, currency)))
    } else {
        String::new()
    };
    format!(
        "<li class=\"Item\">{picture}<div><b>{}</b>{description}{quantity}</div>\
         <div class=\"Amount\">{}{each}</div></li>",
        escape(&item.name),
        escape(&format_price(item.total(), currency))
    )
}

/// Returns the payment method types that the form supports.
fn form_types(session: &CheckoutSession) -> String {
    let types = session.payment_method_types.iter().filter(|type_| **type_ != PaymentMethodType::Multibanco);
    let types: Vec<&str> = types.map(|type_| type_.as_str()).collect();
    if session.total() == 0 { String::new() } else { types.join(" ") }
}

fn form(tx: &Tx<'_>, account: &Account, session: &CheckoutSession) -> String {
    let types = form_types(session);
    let email = session
        .customer_email
        .as_ref()
        .map_or_else(String::new, |email| format!(" value=\"{}\" readonly", escape(email)));
    let payment = if types.is_empty() {
        ""
    } else {
        "<div class=\"Section\"><h2>Payment method</h2><div id=\"payment\"></div></div>"
    };
    let button = match session.submit_type {
        _ if session.total() == 0 => "Complete order",
        None | Some(SubmitType::Auto | SubmitType::Pay) => "Pay",
        Some(SubmitType::Book) => "Book",
        Some(SubmitType::Donate) => "Donate",
        Some(SubmitType::Subscribe) => "Subscribe",
    };
    format!(
        "<form method=\"post\" action=\"/c/pay/{id}\" novalidate data-key=\"{PAGE_KEY}\" data-account=\"{account}\" \
         data-amount=\"{amount}\" data-currency=\"{currency}\" data-types=\"{types}\"><div class=\"Section\">\
         <h2>Contact information</h2><label for=\"email\">Email</label><input id=\"email\" name=\"email\" type=\"email\" \
         autocomplete=\"email\" inputmode=\"email\" placeholder=\"you@example.com\" aria-describedby=\"email-error\" \
         aria-required=\"true\"{email}><p id=\"email-error\" class=\"Field-error\" role=\"alert\"></p></div>{payment}\
         <p id=\"error\" class=\"Alert\" role=\"alert\">{problem}</p>\
         <button class=\"Submit\" type=\"submit\" hidden>{button}</button>\
         <p class=\"Note\">This is the Quittance sandbox. No money is moved. Never enter a real card.</p></form>",
        id = escape(&session.id),
        account = escape(&account.0),
        amount = session.total(),
        currency = escape(&session.currency),
        problem = escape(&last_error_message(tx, account, session)),
    )
}

/// Returns the error of the last attempt, for a customer who returns from the bank's page.
fn last_error_message(tx: &Tx<'_>, account: &Account, session: &CheckoutSession) -> String {
    let intent =
        session.payment_intent.as_ref().and_then(|id| tx.state.table::<PaymentIntent>().get(account, id));
    let error = intent
        .filter(|intent| intent.status == Status::RequiresPaymentMethod)
        .and_then(|intent| intent.last_payment_error.as_ref());
    error.and_then(|error| error["message"].as_str()).unwrap_or_default().to_owned()
}

#[derive(Debug, Deserialize)]
struct Submission {
    email: Option<String>,
    payment_method: Option<String>,
}

async fn submit(store: web::Data<Store>, id: web::Path<String>, form: web::Form<Submission>) -> HttpResponse {
    let Some(account) = find_session(&store, &id, |_, account, _| account.clone()) else {
        return error_response(&ApiError::not_found("checkout.session", &id, "session"));
    };
    let Submission { email, payment_method } = form.into_inner();
    let result = store.transact(&account, Origin::default(), |tx| {
        let result = pay(tx, &id, email, payment_method.as_deref());
        match &result {
            // A decline is an outcome, so its changes are committed.
            Err(error) if error.stage != Stage::Outcome => (result, TxOutcome::RollBack),
            _ => (result, TxOutcome::Commit),
        }
    });
    match result.await {
        Ok(Ok(NextStep::Complete { success_url: url } | NextStep::Authenticate { url })) => {
            HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({ "url": url }))
        }
        Ok(Err(error)) => error_response(&error),
        Err(error) => error_response(&ApiError::internal(format!("The sandbox failed: {error}."))),
    }
}

fn pay(
    tx: &mut Tx<'_>,
    id: &str,
    email: Option<String>,
    payment_method: Option<&str>,
) -> Result<NextStep, ApiError> {
    let method = match payment_method {
        Some(method) => Some(payment_methods::resolve(tx, method)?),
        None => None,
    };
    let email = email.filter(|email| !email.is_empty());
    checkout_sessions::pay(tx, id, CheckoutPayment { method, email })
}

fn error_response(error: &ApiError) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(error.status).unwrap_or_default();
    let mut body = error.body(&ids::request(), Timestamp::system_now().seconds());
    // The customer's browser gets only the fields that it displays.
    if let Some(fields) = body["error"].as_object_mut() {
        fields.retain(|name, _| {
            matches!(name.as_str(), "type" | "code" | "decline_code" | "message" | "param")
        });
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(Value::clone(&body))
}
