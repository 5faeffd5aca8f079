//! Checkout Sessions: <https://docs.stripe.com/api/checkout/sessions>.

use serde_json::Value;

use crate::endpoints::checkout_session_params;
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::string_enum::StringEnum;
use crate::objects::checkout_session::{CheckoutSession, SessionStatus};
use crate::objects::line_item::LineItem;
use crate::operations::checkout_sessions::expire;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/checkout/sessions", create),
    Route::get("/v1/checkout/sessions", list),
    Route::get("/v1/checkout/sessions/{id}", retrieve),
    Route::post("/v1/checkout/sessions/{id}", update),
    Route::get("/v1/checkout/sessions/{id}/line_items", list_line_items),
    Route::post("/v1/checkout/sessions/{id}/expire", expire_session),
];

fn find(call: &Call<'_, '_>) -> Result<CheckoutSession, ApiError> {
    let session = call.tx.get::<CheckoutSession>(call.id).cloned();
    session.ok_or_else(|| ApiError::not_found("checkout.session", call.id, "session"))
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let session = checkout_session_params::parse(call.tx, std::mem::take(&mut call.params), call.version)?;
    call.tx.put(session.clone());
    Ok(session.render(&call.tx.settings.public_url))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let session = find(call)?;
    Ok(session.render(&call.tx.settings.public_url))
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let metadata = params.metadata()?;
    params.reject_unsupported(&["collected_information", "line_items", "shipping_options"])?;
    params.finish()?;
    let mut session = find(call)?;
    if let Some(change) = metadata {
        change.apply(&mut session.metadata)?;
    }
    call.tx.put(session.clone());
    Ok(session.render(&call.tx.settings.public_url))
}

fn list_line_items(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    params.finish()?;
    let session = find(call)?;
    let url = format!("/v1/checkout/sessions/{}/line_items", session.id);
    page.render(&session.line_items, "item", &url, |item| &item.id, LineItem::render)
}

fn expire_session(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let session = find(call)?;
    if session.status != SessionStatus::Open {
        return Err(ApiError::refused(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of \
             `{}`.",
            session.status.as_str()
        )));
    }
    let session = expire(call.tx, session);
    Ok(session.render(&call.tx.settings.public_url))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let customer = params.string("customer")?;
    let intent = params.string("payment_intent")?;
    let status = params.enum_value::<SessionStatus>("status")?;
    let email = match params.nested("customer_details")? {
        None => None,
        Some(mut details) => {
            let email = details.required_string("email")?;
            details.finish()?;
            Some(email)
        }
    };
    params.reject_unsupported(&["customer_account", "payment_link", "subscription"])?;
    params.finish()?;
    let tx = &*call.tx;
    let sessions: Vec<&CheckoutSession> = tx
        .newest_first::<CheckoutSession>()
        .filter(|session| created.contains(&session.created))
        .filter(|session| customer.is_none() || session.customer == customer)
        .filter(|session| intent.is_none() || session.payment_intent == intent)
        .filter(|session| status.is_none_or(|status| session.status == status))
        .filter(|session| {
            email.as_ref().is_none_or(|email| {
                session.render(&tx.settings.public_url)["customer_details"]["email"] == **email
            })
        })
        .collect();
    page.render(
        &sessions,
        "checkout.session",
        "/v1/checkout/sessions",
        |session| &session.id,
        |session| session.render(&tx.settings.public_url),
    )
}
