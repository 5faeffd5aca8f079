//! The hosted page of a Checkout Session. Its form is the Payment Element of Stripe.js, so cards are taken and refused
//! here as there.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::amounts::shown;
use crate::http::error::{ApiError, Stage};
use crate::http::string_enum::Word;
use crate::objects::checkout_session::{CheckoutSession, SessionStatus, SubmitType};
use crate::objects::line_item::LineItem;
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::objects::payment_method_type::PaymentMethodType;
use crate::operations::checkout_sessions::{self, Answer, Payment};
use crate::operations::payment_methods;
use crate::pages::html::{escape, see_other};
use crate::pages::palette::PALETTE;
use crate::pages::stripe_js::{JAVASCRIPT, answer, wrapped};
use crate::state::{Keep, Origin, Store, Tx};
use crate::storage::clock::Moment;
use crate::storage::ids;
use crate::storage::table::Account;

const TEMPLATE: &str = include_str!("checkout/checkout.html");
const STYLE: &str = include_str!("checkout/checkout.css");
const SCRIPT: &str = include_str!("checkout/checkout.js");

/// The page loads nothing from elsewhere but the pictures of products.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; frame-src 'self'; \
                      connect-src 'self'; img-src http: https: data:; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// The key that the page's own script calls the API with.
const PAGE_KEY: &str = "pk_test_checkout";

/// Adds the page's routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/c/checkout.css").route(web::get().to(style)))
        .service(web::resource("/c/checkout.js").route(web::get().to(script)))
        .service(web::resource("/c/pay/{id}").route(web::get().to(show)).route(web::post().to(submit)))
        .service(web::resource("/c/pay/{id}/return").route(web::get().to(come_back)));
}

async fn style() -> HttpResponse {
    answer("text/css; charset=utf-8", [PALETTE, STYLE].concat())
}

async fn script() -> HttpResponse {
    answer(JAVASCRIPT, wrapped(&[SCRIPT]))
}

fn page(status: u16, title: &str, content: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        // The content last: what a shop wrote must not be taken for a place in the template.
        .body(TEMPLATE.replace("{{title}}", &escape(title)).replace("{{content}}", content))
}

/// A page that says that there is nothing to pay here.
fn over(status: u16, title: &str, text: &str, back: Option<&str>) -> HttpResponse {
    let link =
        back.map_or_else(String::new, |url| format!("<a href=\"{}\">Back to the shop</a>", escape(url)));
    let content =
        format!("<main class=\"Over\"><h1>{}</h1><p>{}</p>{link}</main>", escape(title), escape(text));
    page(status, title, &content)
}

fn unknown() -> HttpResponse {
    over(
        404,
        "Nothing to pay here",
        "This page does not exist. Please go back to the shop and try again.",
        None,
    )
}

/// Looks a Session up, with what its page shows.
fn look<R>(
    store: &Store,
    id: &str,
    work: impl FnOnce(&Tx<'_>, &Account, &CheckoutSession) -> R,
) -> Option<R> {
    store.peek(|tx| {
        let (account, session) = tx.state.of::<CheckoutSession>().find(id)?;
        Some(work(tx, account, session))
    })
}

async fn show(store: web::Data<Store>, id: web::Path<String>) -> HttpResponse {
    look(&store, &id, |tx, account, session| match session.status {
        SessionStatus::Complete => over(
            200,
            "You\u{2019}re all done here",
            "This payment is complete. You can close this page.",
            None,
        ),
        SessionStatus::Open if session.is_open(tx.now) => {
            page(200, "Checkout", &open_page(tx, account, session))
        }
        SessionStatus::Open | SessionStatus::Expired => over(
            200,
            "This checkout has expired",
            "Nothing was charged. Please go back to the shop and try again.",
            session.cancel_url.as_deref(),
        ),
    })
    .unwrap_or_else(unknown)
}

/// Where the card's bank sends the customer: on to the shop, or back to the form.
async fn come_back(store: web::Data<Store>, id: web::Path<String>) -> HttpResponse {
    look(&store, &id, |tx, _, session| match session.status {
        SessionStatus::Complete => see_other(&session.success_url()),
        _ => see_other(&session.page_url(&tx.settings.public_url)),
    })
    .unwrap_or_else(unknown)
}

fn open_page(tx: &Tx<'_>, account: &Account, session: &CheckoutSession) -> String {
    let total = escape(&shown(session.total(), &session.currency));
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
        format!("<small>{} each</small>", escape(&shown(item.unit_amount, currency)))
    } else {
        String::new()
    };
    format!(
        "<li class=\"Item\">{picture}<div><b>{}</b>{description}{quantity}</div>\
         <div class=\"Amount\">{}{each}</div></li>",
        escape(&item.name),
        escape(&shown(item.total(), currency))
    )
}

/// The types of payment method that the form can take.
fn types_of_form(session: &CheckoutSession) -> String {
    let types = session.payment_method_types.iter().filter(|type_| **type_ != PaymentMethodType::Multibanco);
    let types: Vec<&str> = types.map(|type_| type_.as_str()).collect();
    if session.total() == 0 { String::new() } else { types.join(" ") }
}

fn form(tx: &Tx<'_>, account: &Account, session: &CheckoutSession) -> String {
    let types = types_of_form(session);
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
         <p class=\"Note\">This is the Quittance sandbox. No money moves; never enter a real card.</p></form>",
        id = escape(&session.id),
        account = escape(&account.0),
        amount = session.total(),
        currency = escape(&session.currency),
        problem = escape(&last_problem(tx, account, session)),
    )
}

/// Why the last try failed, for a customer who comes back from the card's bank.
fn last_problem(tx: &Tx<'_>, account: &Account, session: &CheckoutSession) -> String {
    let intent =
        session.payment_intent.as_ref().and_then(|id| tx.state.of::<PaymentIntent>().get(account, id));
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
    let Some(account) = look(&store, &id, |_, account, _| account.clone()) else {
        return told(&ApiError::missing("checkout.session", &id, "session"));
    };
    let Submission { email, payment_method } = form.into_inner();
    let paid = store.transact(&account, Origin::default(), |tx| {
        let paid = pay(tx, &id, email, payment_method.as_deref());
        match &paid {
            // A decline is an outcome, and is kept.
            Err(error) if error.stage != Stage::Outcome => (paid, Keep::Nothing),
            _ => (paid, Keep::Changes),
        }
    });
    match paid.await {
        Ok(Ok(Answer::Complete { success_url: url } | Answer::Authenticate { url })) => {
            HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({ "url": url }))
        }
        Ok(Err(error)) => told(&error),
        Err(error) => told(&ApiError::internal(format!("The sandbox failed: {error}."))),
    }
}

fn pay(
    tx: &mut Tx<'_>,
    id: &str,
    email: Option<String>,
    payment_method: Option<&str>,
) -> Result<Answer, ApiError> {
    let method = match payment_method {
        Some(method) => Some(payment_methods::resolve(tx, method)?),
        None => None,
    };
    let email = email.filter(|email| !email.is_empty());
    checkout_sessions::pay(tx, id, Payment { method, email })
}

fn told(error: &ApiError) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(error.status).unwrap_or_default();
    let mut body = error.body(&ids::request(), Moment::of_the_machine().seconds());
    // The customer's browser learns what it shows, and nothing that only the shop may know.
    if let Some(fields) = body["error"].as_object_mut() {
        fields.retain(|name, _| {
            matches!(name.as_str(), "type" | "code" | "decline_code" | "message" | "param")
        });
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(Value::clone(&body))
}
