//! Actions of customers and banks: payment, settlement, disputes, and expiry of authorizations.

use serde_json::{Value, json};

use crate::endpoints::payment_method_params::PaymentMethodParam;
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::string_enum::string_enum;
use crate::objects::charge::Charge;
use crate::objects::checkout_session::CheckoutSession;
use crate::objects::dispute::{Dispute, DisputeReason, DisputeStatus};
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::objects::payment_method::PaymentMethod;
use crate::objects::refund::{Refund, RefundFailure};
use crate::operations::checkout_sessions::{self, CheckoutPayment, NextStep};
use crate::operations::disputes::{self, DisputeClaim};
use crate::operations::settlements::{self, DebitOutcome};
use crate::operations::{attempts, cancellation, refunds};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/_sandbox/payment_intents/{id}/settle", settle),
    Route::post("/_sandbox/payment_intents/{id}/succeed", succeed),
    Route::post("/_sandbox/payment_intents/{id}/expire", expire_authorization),
    Route::post("/_sandbox/payment_intents/{id}/forget", forget_intent),
    Route::post("/_sandbox/checkout/sessions/{id}/forget", forget_session),
    Route::post("/_sandbox/checkout/sessions/{id}/pay", pay_session),
    Route::post("/_sandbox/checkout/sessions/{id}/succeed", succeed_session),
    Route::post("/_sandbox/refunds/{id}/settle", settle_refund),
    Route::post("/_sandbox/charges/{id}/dispute", dispute_charge),
    Route::post("/_sandbox/disputes/{id}/decide", decide),
];

string_enum! {
    /// The outcome of a pending payment or refund.
    Outcome { Succeeded = "succeeded", Failed = "failed" }
}

string_enum! {
    /// The bank's decision about a dispute.
    Decision { Won = "won", Lost = "lost", WarningClosed = "warning_closed" }
}

string_enum! {
    /// The kind of a dispute.
    DisputeKind { Chargeback = "chargeback", Inquiry = "inquiry" }
}

fn find_intent(call: &Call<'_, '_>) -> Result<PaymentIntent, ApiError> {
    let intent = call.tx.get::<PaymentIntent>(call.id).cloned();
    intent.ok_or_else(|| ApiError::not_found("payment_intent", call.id, "intent"))
}

fn find_session(call: &Call<'_, '_>) -> Result<CheckoutSession, ApiError> {
    let session = call.tx.get::<CheckoutSession>(call.id).cloned();
    session.ok_or_else(|| ApiError::not_found("checkout.session", call.id, "session"))
}

/// Settles a processing debit or an unpaid voucher, with its scheduled outcome or the given one.
fn settle(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let outcome = match params.enum_value::<Outcome>("outcome")? {
        None => DebitOutcome::PerTestData,
        Some(Outcome::Succeeded) => DebitOutcome::Succeeded,
        Some(Outcome::Failed) => DebitOutcome::Failed,
    };
    params.finish()?;
    find_intent(call)?;
    let intent = settlements::settle(call.tx, call.id, outcome);
    intent.map(|intent| intent.render()).ok_or_else(|| {
        ApiError::refused("This PaymentIntent has no bank debit in progress and no unpaid voucher.")
    })
}

/// Reads the payment method of a forced success. The default is `pm_card_visa`.
fn parse_method(call: &Call<'_, '_>, params: &mut Params) -> Result<PaymentMethod, ApiError> {
    let param = PaymentMethodParam::parse(params, call.tx.now.seconds())?;
    param.unwrap_or_else(|| PaymentMethodParam::Id("pm_card_visa".to_owned())).resolve(call.tx)
}

fn already_paid() -> ApiError {
    ApiError::refused("This PaymentIntent has already been paid.")
}

/// Makes a PaymentIntent succeed in any status, even if it is canceled.
fn succeed(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let method = parse_method(call, &mut params)?;
    params.finish()?;
    let intent = find_intent(call)?;
    if matches!(intent.status, Status::Succeeded | Status::RequiresCapture) {
        return Err(already_paid());
    }
    Ok(attempts::force_success(call.tx, intent, &method).render())
}

/// Expires the authorization of a payment, which Stripe then cancels.
fn expire_authorization(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find_intent(call)?;
    let expired = cancellation::expire_authorization(call.tx, call.id);
    let expired = expired.ok_or_else(|| ApiError::refused("This PaymentIntent has no authorization."))?;
    Ok(expired.render())
}

/// Deletes a PaymentIntent, as deleting all test data in the Dashboard does.
fn forget_intent(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let intent = find_intent(call)?;
    call.tx.delete::<PaymentIntent>(&intent.id);
    Ok(json!({ "id": intent.id, "object": "payment_intent", "deleted": true }))
}

/// Deletes a Checkout Session, as deleting all test data in the Dashboard does.
fn forget_session(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let session = find_session(call)?;
    call.tx.delete::<CheckoutSession>(&session.id);
    Ok(json!({ "id": session.id, "object": "checkout.session", "deleted": true }))
}

/// Pays a Session without a browser.
fn pay_session(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let email = params.string("email")?.unwrap_or_else(|| "jenny.rosen@example.com".to_owned());
    let method = parse_method(call, &mut params)?;
    params.finish()?;
    find_session(call)?;
    let payment = CheckoutPayment { method: Some(method), email: Some(email) };
    let next_step = checkout_sessions::pay(call.tx, call.id, payment)?;
    let mut rendered = find_session(call)?.render(&call.tx.settings.public_url);
    // The URL that the customer's browser would open.
    rendered["sandbox_next_url"] = match next_step {
        NextStep::Complete { success_url: url } | NextStep::Authenticate { url } => url.into(),
    };
    Ok(rendered)
}

/// Makes a Session's payment succeed in any status, even if the Session has expired.
fn succeed_session(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let method = parse_method(call, &mut params)?;
    params.finish()?;
    let session = find_session(call)?;
    let intent = session.payment_intent.as_ref().and_then(|id| call.tx.get::<PaymentIntent>(id));
    if intent.is_some_and(|intent| matches!(intent.status, Status::Succeeded | Status::RequiresCapture)) {
        return Err(already_paid());
    }
    if session.total() == 0 {
        return Err(ApiError::refused("This Checkout Session has a total of zero."));
    }
    checkout_sessions::force_success(call.tx, session, &method);
    Ok(find_session(call)?.render(&call.tx.settings.public_url))
}

/// Settles a refund. A refund that has succeeded can still fail.
fn settle_refund(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let outcome = params.enum_value::<Outcome>("outcome")?.ok_or_else(|| params.missing("outcome"))?;
    let reason = params.enum_value::<RefundFailure>("failure_reason")?;
    params.finish()?;
    let refund = call.tx.get::<Refund>(call.id).cloned();
    let refund = refund.ok_or_else(|| ApiError::not_found("refund", call.id, "id"))?;
    let refund = match outcome {
        Outcome::Succeeded if refund.is_open() => refunds::succeed(call.tx, refund),
        Outcome::Failed if refund.counts_as_refunded() => {
            refunds::fail(call.tx, refund, reason.unwrap_or(RefundFailure::Unknown))
        }
        _ => return Err(ApiError::refused("This refund has already ended.")),
    };
    Ok(refund.render())
}

/// Opens a dispute or an inquiry of a charge.
fn dispute_charge(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let reason = params.enum_value("reason")?.unwrap_or(DisputeReason::Fraudulent);
    let amount = params.integer("amount")?;
    let kind = params.enum_value("kind")?.unwrap_or(DisputeKind::Chargeback);
    params.finish()?;
    let charge = call.tx.get::<Charge>(call.id).cloned();
    let charge = charge.ok_or_else(|| ApiError::not_found("charge", call.id, "id"))?;
    let rest = if charge.is_captured() { disputes::disputable_amount(call.tx, &charge) } else { 0 };
    let amount = amount.unwrap_or(rest);
    if !(1..=rest).contains(&amount) {
        return Err(ApiError::refused(format!("The disputable amount of this charge is {rest}."))
            .with_param("amount"));
    }
    let claim = DisputeClaim { amount, reason, is_inquiry: kind == DisputeKind::Inquiry };
    let dispute = disputes::open(call.tx, &charge.id, &claim);
    let dispute = dispute.ok_or_else(|| ApiError::not_found("charge", call.id, "id"))?;
    Ok(disputes::render(call.tx, &dispute))
}

/// Decides a dispute.
fn decide(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let decision = params.enum_value::<Decision>("outcome")?.ok_or_else(|| params.missing("outcome"))?;
    params.finish()?;
    let dispute = call.tx.get::<Dispute>(call.id).cloned();
    let dispute = dispute.ok_or_else(|| ApiError::not_found("dispute", call.id, "dispute"))?;
    let outcome = match decision {
        Decision::Won => DisputeStatus::Won,
        Decision::Lost => DisputeStatus::Lost,
        Decision::WarningClosed => DisputeStatus::WarningClosed,
    };
    if dispute.status.is_closed() || dispute.status.is_inquiry() != outcome.is_inquiry() {
        return Err(ApiError::refused(
            "Only an open dispute can be won or lost, and only an open inquiry can be closed.",
        ));
    }
    let dispute = disputes::close(call.tx, dispute, outcome);
    Ok(disputes::render(call.tx, &dispute))
}
