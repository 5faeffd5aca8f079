//! Refunds: <https://docs.stripe.com/api/refunds>.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::endpoints::route::{Call, Route};
use crate::http::amounts::format_amount;
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::params::{MetadataChange, Params};
use crate::http::string_enum::StringEnum;
use crate::objects::charge::Charge;
use crate::objects::payment_intent::PaymentIntent;
use crate::objects::payment_method_type::PaymentMethodType;
use crate::objects::refund::{Refund, RefundReason, RefundStatus};
use crate::operations::connect::{self, RefundOptions};
use crate::operations::disputes;
use crate::operations::refunds::{emit_update, issue, list_url, return_to_balance};
use crate::state::Tx;
use crate::storage::ids;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/refunds", create),
    Route::get("/v1/refunds", list),
    Route::get("/v1/charges/{id}/refunds", list_for_charge),
    Route::get("/v1/refunds/{id}", retrieve),
    Route::post("/v1/refunds/{id}", update),
    Route::post("/v1/refunds/{id}/cancel", cancel),
];

/// The parameters of a new refund.
struct RefundParams {
    charge: Option<String>,
    payment_intent: Option<String>,
    amount: Option<i64>,
    instructions_email: Option<String>,
    metadata: Option<MetadataChange>,
    reason: Option<RefundReason>,
    options: RefundOptions,
}

impl RefundParams {
    fn parse(mut params: Params) -> Result<Self, ApiError> {
        let request = Self {
            charge: params.string("charge")?,
            payment_intent: params.string("payment_intent")?,
            amount: params.integer("amount")?,
            instructions_email: params.string("instructions_email")?,
            metadata: params.metadata()?,
            reason: params.enum_value("reason")?,
            options: RefundOptions::parse(&mut params)?,
        };
        params.reject_unsupported(&["currency", "customer", "origin"])?;
        if request.charge.is_some() && request.payment_intent.is_some() {
            return Err(params
                .invalid("charge", "You may only specify one of these parameters: charge, payment_intent."));
        }
        if request.amount.is_some_and(|amount| amount < 1) {
            return Err(params
                .invalid("amount", "This value must be greater than or equal to 1.")
                .with_code("parameter_invalid_integer"));
        }
        params.finish()?;
        Ok(request)
    }

    /// Finds the charge to refund.
    fn find_charge(&self, tx: &Tx<'_>) -> Result<Charge, ApiError> {
        let charge = match (&self.charge, &self.payment_intent) {
            (Some(id), _) => {
                tx.get::<Charge>(id).ok_or_else(|| ApiError::not_found("charge", id, "charge"))?
            }
            (None, Some(id)) => {
                let intent = tx.get::<PaymentIntent>(id);
                let intent =
                    intent.ok_or_else(|| ApiError::not_found("payment_intent", id, "payment_intent"))?;
                let charge = intent.latest_charge().and_then(|charge| tx.get::<Charge>(charge));
                charge.ok_or_else(|| no_refundable_charge(id))?
            }
            (None, None) => {
                return Err(ApiError::invalid(
                    "One of the following params should be provided for this request: payment_intent or charge.",
                )
                .with_code("parameter_missing"));
            }
        };
        if charge.is_captured() {
            Ok(charge.clone())
        } else {
            Err(no_refundable_charge(&charge.payment_intent))
        }
    }
}

impl RefundOptions {
    pub(crate) fn parse(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            reverses_transfer: params.boolean("reverse_transfer")?.unwrap_or(false),
            refunds_fee: params.boolean("refund_application_fee")?.unwrap_or(false),
        })
    }
}

fn no_refundable_charge(intent: &str) -> ApiError {
    ApiError::refused(format!("This PaymentIntent ({intent}) does not have a successful charge to refund."))
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let request = RefundParams::parse(std::mem::take(&mut call.params))?;
    let charge = request.find_charge(call.tx)?;
    let refundable = charge.refundable();
    if disputes::is_charged_back(call.tx, &charge.id) {
        return Err(ApiError::refused(format!(
            "Charge {} has been charged back; cannot issue a refund.",
            charge.id
        ))
        .with_code("charge_disputed"));
    }
    if refundable == 0 {
        return Err(ApiError::refused(format!("Charge {} has already been refunded.", charge.id))
            .with_code("charge_already_refunded"));
    }
    let amount = request.amount.unwrap_or(refundable);
    if amount > refundable {
        return Err(ApiError::refused(format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            format_amount(amount, &charge.currency),
            format_amount(refundable, &charge.currency)
        ))
        .with_param("amount"));
    }
    let mut metadata = BTreeMap::new();
    if let Some(change) = request.metadata {
        change.apply(&mut metadata)?;
    }
    let is_voucher = charge.payment_method.type_() == PaymentMethodType::Multibanco;
    let email = request.instructions_email.or_else(|| charge.payment_method.billing_details.email.clone());
    let id = ids::object(charge.id_prefix("re", "pyr"));
    let transfer_reversal = connect::reverse_shares(call.tx, &charge, &id, amount, request.options)?;
    let refund = Refund {
        id,
        created: call.tx.now.seconds(),
        amount,
        balance_transaction: None,
        charge: charge.id.clone(),
        currency: charge.currency.clone(),
        failure_balance_transaction: None,
        failure_reason: None,
        instructions_email: email.filter(|_| is_voucher),
        is_card_payment: charge.payment_method.type_() == PaymentMethodType::Card,
        metadata,
        payment_intent: charge.payment_intent.clone(),
        reason: request.reason,
        status: RefundStatus::Succeeded,
        transfer_reversal,
        scheduled_outcome: None,
    };
    Ok(issue(call.tx, charge, refund).render())
}

fn find(call: &Call<'_, '_>) -> Result<Refund, ApiError> {
    let refund = call.tx.get::<Refund>(call.id).cloned();
    refund.ok_or_else(|| ApiError::not_found("refund", call.id, "id"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find(call).map(|refund| refund.render())
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let metadata = params.metadata()?;
    params.finish()?;
    let mut refund = find(call)?;
    if let Some(change) = metadata {
        change.apply(&mut refund.metadata)?;
    }
    call.tx.put(refund.clone());
    emit_update(call.tx, &refund);
    Ok(refund.render())
}

fn cancel(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let refund = find(call)?;
    if refund.status != RefundStatus::RequiresAction {
        return Err(ApiError::refused(format!(
            "This refund could not be canceled because it has a status of {}. Only a refund with one of the \
             following statuses may be canceled: requires_action.",
            refund.status.as_str()
        )));
    }
    let refund = return_to_balance(call.tx, refund, RefundStatus::Canceled);
    emit_update(call.tx, &refund);
    Ok(refund.render())
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let charge = params.string("charge")?;
    let intent = params.string("payment_intent")?;
    list_page(call.tx, params, charge.as_deref(), intent.as_deref(), "/v1/refunds")
}

/// Lists a charge's refunds, at the URL in the charge's `refunds` list.
fn list_for_charge(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let params = std::mem::take(&mut call.params);
    if call.tx.get::<Charge>(call.id).is_none() {
        return Err(ApiError::not_found("charge", call.id, "id"));
    }
    list_page(call.tx, params, Some(call.id), None, &list_url(call.id))
}

fn list_page(
    tx: &Tx<'_>,
    mut params: Params,
    charge: Option<&str>,
    intent: Option<&str>,
    url: &str,
) -> Result<Value, ApiError> {
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    params.finish()?;
    let refunds: Vec<&Refund> = tx
        .newest_first::<Refund>()
        .filter(|refund| created.contains(&refund.created))
        .filter(|refund| charge.is_none_or(|charge| refund.charge == charge))
        .filter(|refund| intent.is_none_or(|intent| refund.payment_intent == intent))
        .collect();
    page.render(&refunds, "refund", url, |refund| &refund.id, |refund| refund.render())
}
