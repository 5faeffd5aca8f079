//! Charges: <https://docs.stripe.com/api/charges>.

use serde_json::Value;

use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::params::MAX_TEXT_CHARS;
use crate::objects::address::Shipping;
use crate::objects::charge::Charge;
use crate::objects::destination_payment::DestinationPayment;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/charges", list),
    Route::get("/v1/charges/{id}", retrieve),
    Route::post("/v1/charges/{id}", update),
];

fn find<'a>(call: &'a Call<'_, '_>) -> Result<&'a Charge, ApiError> {
    call.tx.get::<Charge>(call.id).ok_or_else(|| ApiError::not_found("charge", call.id, "id"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    match call.tx.get::<DestinationPayment>(call.id) {
        Some(payment) => Ok(payment.render()),
        None => find(call).map(Charge::render),
    }
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let description = params.text("description", MAX_TEXT_CHARS)?;
    let receipt_email = params.text("receipt_email", MAX_TEXT_CHARS)?;
    let shipping = Shipping::parse(&mut params)?;
    let transfer_group = params.text("transfer_group", MAX_TEXT_CHARS)?;
    let metadata = params.metadata()?;
    params.reject_unsupported(&["customer", "fraud_details"])?;
    params.finish()?;
    let mut charge = find(call)?.clone();
    description.apply(&mut charge.description);
    receipt_email.apply(&mut charge.receipt_email);
    shipping.apply(&mut charge.shipping);
    transfer_group.apply(&mut charge.transfer_group);
    if let Some(change) = metadata {
        change.apply(&mut charge.metadata)?;
    }
    let rendered = charge.render();
    call.tx.put(charge);
    call.tx.emit("charge.updated", rendered.clone());
    Ok(rendered)
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let customer = params.string("customer")?;
    let intent = params.string("payment_intent")?;
    let transfer_group = params.string("transfer_group")?;
    params.finish()?;
    let charges = call
        .tx
        .newest_first::<Charge>()
        .filter(|charge| created.contains(&charge.created))
        .filter(|charge| customer.is_none() || charge.customer == customer)
        .filter(|charge| intent.as_ref().is_none_or(|intent| charge.payment_intent == *intent))
        .filter(|charge| transfer_group.is_none() || charge.transfer_group == transfer_group)
        .map(ChargeEntry::Charge);
    let payments = call
        .tx
        .newest_first::<DestinationPayment>()
        .filter(|payment| created.contains(&payment.created))
        .filter(|_| customer.is_none() && intent.is_none())
        .filter(|payment| transfer_group.as_ref().is_none_or(|group| payment.transfer_group == *group))
        .map(ChargeEntry::Payment);
    let mut entries: Vec<ChargeEntry<'_>> = charges.chain(payments).collect();
    entries.sort_by_key(|one| std::cmp::Reverse(one.created()));
    page.render(&entries, "charge", "/v1/charges", ChargeEntry::id, ChargeEntry::render)
}

/// An entry of an account's charges: a customer's charge or a payment from the platform.
enum ChargeEntry<'a> {
    Charge(&'a Charge),
    Payment(&'a DestinationPayment),
}

impl ChargeEntry<'_> {
    fn created(&self) -> i64 {
        match self {
            Self::Charge(charge) => charge.created,
            Self::Payment(payment) => payment.created,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Charge(charge) => &charge.id,
            Self::Payment(payment) => &payment.id,
        }
    }

    fn render(&self) -> Value {
        match self {
            Self::Charge(charge) => charge.render(),
            Self::Payment(payment) => payment.render(),
        }
    }
}
