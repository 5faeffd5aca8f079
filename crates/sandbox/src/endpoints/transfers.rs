//! Transfers and their reversals: <https://docs.stripe.com/api/transfers>.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::endpoints::route::{Call, Route};
use crate::http::amounts::format_amount;
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::params::MAX_TEXT_CHARS;
use crate::objects::application_fee::ApplicationFee;
use crate::objects::destination_payment::DestinationPayment;
use crate::objects::transfer::{Reversal, Transfer};
use crate::operations::application_fees;
use crate::operations::connect::prorate;
use crate::operations::transfers::{self, ReversalOptions, reversals_for, reverse};
use crate::storage::table::Account;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/transfers", list),
    Route::get("/v1/transfers/{id}", retrieve),
    Route::post("/v1/transfers/{id}", update),
    Route::post("/v1/transfers/{id}/reversals", create_reversal),
    Route::get("/v1/transfers/{id}/reversals", list_reversals),
    Route::get("/v1/transfers/{id}/reversals/{child}", retrieve_reversal),
    Route::post("/v1/transfers/{id}/reversals/{child}", update_reversal),
];

fn find(call: &Call<'_, '_>) -> Result<Transfer, ApiError> {
    let transfer = call.tx.get::<Transfer>(call.id).cloned();
    transfer.ok_or_else(|| ApiError::not_found("transfer", call.id, "id"))
}

fn find_reversal(call: &Call<'_, '_>) -> Result<Reversal, ApiError> {
    let transfer = find(call)?;
    let reversal = call.tx.get::<Reversal>(call.child).filter(|one| one.transfer == transfer.id);
    reversal.cloned().ok_or_else(|| ApiError::not_found("transfer reversal", call.child, "id"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let transfer = find(call)?;
    Ok(transfers::render(call.tx, &transfer))
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let description = params.text("description", MAX_TEXT_CHARS)?;
    let metadata = params.metadata()?;
    params.finish()?;
    let mut transfer = find(call)?;
    description.apply(&mut transfer.description);
    if let Some(change) = metadata {
        change.apply(&mut transfer.metadata)?;
    }
    let rendered = transfers::render(call.tx, &transfer);
    call.tx.put(transfer);
    call.tx.emit("transfer.updated", rendered.clone());
    Ok(rendered)
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let destination = params.string("destination")?;
    let transfer_group = params.string("transfer_group")?;
    params.finish()?;
    let tx = &*call.tx;
    let transfers: Vec<&Transfer> = tx
        .newest_first::<Transfer>()
        .filter(|transfer| created.contains(&transfer.created))
        .filter(|transfer| destination.as_ref().is_none_or(|id| transfer.destination == *id))
        .filter(|transfer| transfer_group.as_ref().is_none_or(|group| transfer.group == *group))
        .collect();
    page.render(
        &transfers,
        "transfer",
        "/v1/transfers",
        |transfer| &transfer.id,
        |transfer| transfers::render(tx, transfer),
    )
}

fn create_reversal(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let amount = params.integer("amount")?;
    let change = params.metadata()?;
    let is_fee_refunded = params.boolean("refund_application_fee")?.unwrap_or(false);
    params.reject_unsupported(&["description"])?;
    if amount.is_some_and(|amount| amount < 1) {
        return Err(params
            .invalid("amount", "This value must be greater than or equal to 1.")
            .with_code("parameter_invalid_integer"));
    }
    params.finish()?;
    let transfer = find(call)?;
    let (whole, remaining) = (transfer.amount, transfer.remaining());
    if remaining == 0 {
        return Err(ApiError::refused(format!("Transfer {} is already fully reversed.", transfer.id)));
    }
    let amount = amount.unwrap_or(remaining);
    if amount > remaining {
        return Err(ApiError::refused(format!(
            "Reversal amount ({}) is greater than unreversed amount on transfer ({})",
            format_amount(amount, &transfer.currency),
            format_amount(remaining, &transfer.currency)
        ))
        .with_param("amount"));
    }
    let mut metadata = BTreeMap::new();
    if let Some(change) = change {
        change.apply(&mut metadata)?;
    }
    let fee = find_fee(call, &transfer);
    if is_fee_refunded && fee.is_none() {
        return Err(ApiError::refused(format!(
            "Attempting to refund_application_fee on {}, but it has no application fee",
            transfer.id
        ))
        .with_param("refund_application_fee"));
    }
    let reversal = reverse(call.tx, transfer, amount, ReversalOptions { metadata, source_refund: None });
    if let Some(fee) = fee.filter(|_| is_fee_refunded) {
        let back = prorate(fee.amount, amount, whole).min(fee.remaining());
        if back > 0 {
            application_fees::refund_fee(call.tx, fee, back, BTreeMap::new());
        }
    }
    Ok(reversal.render())
}

/// Finds the platform's fee of a transfer.
fn find_fee(call: &Call<'_, '_>, transfer: &Transfer) -> Option<ApplicationFee> {
    let account = Account(transfer.destination.clone());
    let payment = call.tx.state.table::<DestinationPayment>().get(&account, &transfer.destination_payment)?;
    application_fees::find_on_platform(call.tx, payment.application_fee.as_ref()?)
}

fn list_reversals(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    params.finish()?;
    let transfer = find(call)?;
    let reversals = reversals_for(call.tx, &transfer.id);
    let url = format!("/v1/transfers/{}/reversals", transfer.id);
    page.render(&reversals, "transfer reversal", &url, |reversal| &reversal.id, |reversal| reversal.render())
}

fn retrieve_reversal(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find_reversal(call).map(|reversal| reversal.render())
}

fn update_reversal(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let metadata = params.metadata()?;
    params.finish()?;
    let mut reversal = find_reversal(call)?;
    if let Some(change) = metadata {
        change.apply(&mut reversal.metadata)?;
    }
    call.tx.put(reversal.clone());
    Ok(reversal.render())
}
