//! Application fees: <https://docs.stripe.com/api/application_fees>.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::endpoints::route::{Call, Route};
use crate::http::amounts::format_amount;
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::objects::application_fee::{ApplicationFee, FeeRefund};
use crate::operations::application_fees::{self, refunds_for};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/application_fees", list),
    Route::get("/v1/application_fees/{id}", retrieve),
    Route::post("/v1/application_fees/{id}/refunds", create_refund),
    Route::get("/v1/application_fees/{id}/refunds", list_refunds),
    Route::get("/v1/application_fees/{id}/refunds/{child}", retrieve_refund),
    Route::post("/v1/application_fees/{id}/refunds/{child}", update_refund),
];

fn find(call: &Call<'_, '_>) -> Result<ApplicationFee, ApiError> {
    let fee = call.tx.get::<ApplicationFee>(call.id).cloned();
    fee.ok_or_else(|| ApiError::not_found("application fee", call.id, "id"))
}

fn find_refund(call: &Call<'_, '_>) -> Result<FeeRefund, ApiError> {
    let fee = find(call)?;
    let refund = call.tx.get::<FeeRefund>(call.child).filter(|refund| refund.fee == fee.id);
    refund.cloned().ok_or_else(|| ApiError::not_found("application fee refund", call.child, "id"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let fee = find(call)?;
    Ok(application_fees::render(call.tx, &fee))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let charge = params.string("charge")?;
    params.finish()?;
    let tx = &*call.tx;
    let fees: Vec<&ApplicationFee> = tx
        .newest_first::<ApplicationFee>()
        .filter(|fee| created.contains(&fee.created))
        .filter(|fee| {
            charge.as_ref().is_none_or(|charge| {
                fee.charge == *charge || fee.originating_transaction.as_ref() == Some(charge)
            })
        })
        .collect();
    page.render(
        &fees,
        "application fee",
        "/v1/application_fees",
        |fee| &fee.id,
        |fee| application_fees::render(tx, fee),
    )
}

fn create_refund(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let amount = params.integer("amount")?;
    let change = params.metadata()?;
    if amount.is_some_and(|amount| amount < 1) {
        return Err(params
            .invalid("amount", "This value must be greater than or equal to 1.")
            .with_code("parameter_invalid_integer"));
    }
    params.finish()?;
    let fee = find(call)?;
    if fee.remaining() == 0 {
        return Err(ApiError::refused(format!("Application fee {} has already been refunded.", fee.id)));
    }
    let amount = amount.unwrap_or_else(|| fee.remaining());
    if amount > fee.remaining() {
        return Err(ApiError::refused(format!(
            "Refund amount ({}) is greater than unrefunded amount on fee ({})",
            format_amount(amount, &fee.currency),
            format_amount(fee.remaining(), &fee.currency)
        ))
        .with_param("amount"));
    }
    let mut metadata = BTreeMap::new();
    if let Some(change) = change {
        change.apply(&mut metadata)?;
    }
    Ok(application_fees::refund_fee(call.tx, fee, amount, metadata).render())
}

fn list_refunds(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    params.finish()?;
    let fee = find(call)?;
    let refunds = refunds_for(call.tx, &fee.id);
    let url = format!("/v1/application_fees/{}/refunds", fee.id);
    page.render(&refunds, "application fee refund", &url, |refund| &refund.id, |refund| refund.render())
}

fn retrieve_refund(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find_refund(call).map(|refund| refund.render())
}

fn update_refund(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let metadata = params.metadata()?;
    params.finish()?;
    let mut refund = find_refund(call)?;
    if let Some(change) = metadata {
        change.apply(&mut refund.metadata)?;
    }
    call.tx.put(refund.clone());
    Ok(refund.render())
}
