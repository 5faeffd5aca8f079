//! Payment attempts: charges, declines and 3D Secure. Outcomes that come later are in `settlements`.

use serde_json::json;

use crate::http::error::{ApiError, doc_url};
use crate::http::string_enum::StringEnum;
use crate::objects::challenge::Challenge;
use crate::objects::charge::{Charge, ChargeFailure};
use crate::objects::payment_intent::{CaptureMethod, PaymentIntent, RequestThreeDSecure, Status};
use crate::objects::payment_method::PaymentMethod;
use crate::objects::settlement::Settlement;
use crate::operations::payment_outcomes::{fail_attempt, save_for_later};
use crate::operations::{charges, checkout_completion, settlements};
use crate::state::Tx;
use crate::storage::ids;
use crate::test_data::behavior::{AfterAuthentication, Authentication, Behavior, Decline};

/// The options of a payment attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AttemptOptions {
    pub(crate) is_off_session: bool,
    /// Whether the attempt fails if the customer would have to authenticate.
    pub(crate) fails_on_action: bool,
    /// Whether Stripe.js shows the next action on the shop's page.
    pub(crate) uses_stripe_sdk: bool,
}

/// Attempts a payment with `method`. Returns the updated PaymentIntent, or the decline.
pub(crate) fn attempt(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    method: &PaymentMethod,
    options: AttemptOptions,
) -> Result<PaymentIntent, ApiError> {
    intent.payment_method = Some(method.id.clone());
    intent.next_action = None;
    intent.last_payment_error = None;
    tx.delete::<Challenge>(&intent.id);
    match method.behavior {
        Behavior::FailsOnceAttached if method.customer.is_some() => {
            Err(decline(tx, intent, method, Decline::Generic))
        }
        Behavior::Succeeds | Behavior::FailsOnceAttached => Ok(pay(tx, intent, method, false)),
        Behavior::Declines(reason) => Err(decline(tx, intent, method, reason)),
        Behavior::Debits { fails_with, speed } => {
            Ok(settlements::debit(tx, intent, method, fails_with, speed))
        }
        Behavior::AwaitsVoucher => Ok(settlements::issue_voucher(tx, intent, method)),
        Behavior::Authenticates { when, then } => {
            let is_requested = intent.request_three_d_secure != RequestThreeDSecure::Automatic;
            let is_off_session = options.is_off_session;
            let is_needed = match when {
                Authentication::Always => true,
                Authentication::UnlessSetUp => !(is_off_session && method.is_set_up),
                Authentication::OnSession => !is_off_session,
                Authentication::OnRequest => is_requested && !is_off_session,
            };
            match then {
                _ if !is_needed => Ok(pay(tx, intent, method, false)),
                _ if is_off_session || options.fails_on_action => {
                    Err(decline(tx, intent, method, Decline::AuthenticationRequired))
                }
                AfterAuthentication::LookupFails => Err(decline(tx, intent, method, Decline::Generic)),
                AfterAuthentication::Succeeds | AfterAuthentication::Declines(_) => {
                    Ok(challenge(tx, intent, then, options))
                }
            }
        }
    }
}

/// Starts a 3D Secure challenge.
fn challenge(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    then: AfterAuthentication,
    options: AttemptOptions,
) -> PaymentIntent {
    let token = ids::random(24);
    let url = format!("{}/3d_secure/{}/{token}", tx.settings.public_url, intent.id);
    intent.status = Status::RequiresAction;
    intent.next_action = Some(match &intent.return_url {
        Some(return_url) if !options.uses_stripe_sdk => json!({
            "type": "redirect_to_url",
            "redirect_to_url": { "return_url": return_url, "url": url },
        }),
        _ => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": { "type": "three_d_secure_redirect", "stripe_js": url },
        }),
    });
    tx.put(Challenge { id: intent.id.clone(), token, then });
    tx.put(intent.clone());
    tx.emit("payment_intent.requires_action", intent.render());
    intent
}

/// Ends a 3D Secure challenge. Returns the updated PaymentIntent.
pub(crate) fn finish_challenge(
    tx: &mut Tx<'_>,
    intent_id: &str,
    token: &str,
    passed: bool,
) -> Option<PaymentIntent> {
    let challenge = tx.get::<Challenge>(intent_id).filter(|challenge| challenge.token == token)?.clone();
    let mut intent = tx.get::<PaymentIntent>(intent_id)?.clone();
    let method = tx.get::<PaymentMethod>(intent.payment_method.as_ref()?)?.clone();
    tx.delete::<Challenge>(intent_id);
    intent.next_action = None;
    if !passed {
        return Some(fail_authentication(tx, intent, &method));
    }
    match challenge.then {
        AfterAuthentication::Succeeds => Some(pay(tx, intent, &method, true)),
        AfterAuthentication::Declines(reason) => {
            // The customer sees the decline on the merchant's page. No API request is waiting for it.
            decline(tx, intent, &method, reason);
            tx.get::<PaymentIntent>(intent_id).cloned()
        }
        AfterAuthentication::LookupFails => None,
    }
}

fn fail_authentication(tx: &mut Tx<'_>, mut intent: PaymentIntent, method: &PaymentMethod) -> PaymentIntent {
    let code = "payment_intent_authentication_failure";
    intent.last_payment_error = Some(json!({
        "type": "invalid_request_error",
        "code": code,
        "doc_url": doc_url(code),
        "message": "We are unable to authenticate your payment method. Please choose a different payment \
                    method and try again.",
        "payment_method": method.render(),
    }));
    fail_attempt(tx, intent)
}

/// Approves the payment: captures it, or authorizes it for a manual capture.
fn pay(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    method: &PaymentMethod,
    was_authenticated: bool,
) -> PaymentIntent {
    let mut charge = Charge::new(&intent, method, tx.now.seconds());
    if was_authenticated {
        charge = charge.with_authentication();
    }
    intent.latest_charge = Some(charge.id.clone());
    intent.last_payment_error = None;
    save_for_later(tx, &intent, method, was_authenticated);
    let event = if intent.capture_method == CaptureMethod::Manual {
        charge.authorize();
        intent.status = Status::RequiresCapture;
        intent.amount_capturable = intent.amount;
        "payment_intent.amount_capturable_updated"
    } else {
        charges::capture(tx, &mut charge, intent.amount);
        intent.status = Status::Succeeded;
        intent.amount_received = intent.amount;
        "payment_intent.succeeded"
    };
    tx.emit("charge.succeeded", charge.render());
    tx.put(charge);
    tx.put(intent.clone());
    tx.emit(event, intent.render());
    checkout_completion::sync_with_intent(tx, &intent);
    intent
}

/// Declines the payment and returns the error for the caller.
fn decline(tx: &mut Tx<'_>, mut intent: PaymentIntent, method: &PaymentMethod, reason: Decline) -> ApiError {
    let mut charge = Charge::new(&intent, method, tx.now.seconds());
    charge.fail(ChargeFailure::Card(reason));
    tx.emit("charge.failed", charge.render());
    intent.latest_charge = Some(charge.id.clone());
    let text = reason.text();
    let mut error = json!({
        "type": "card_error",
        "charge": charge.id,
        "code": text.code,
        "decline_code": text.decline_code,
        "doc_url": doc_url(text.code),
        "message": text.message,
        "payment_method": method.render(),
    });
    if let Some(advice) = text.advice_code {
        error["advice_code"] = advice.into();
    }
    if let Some(param) = text.param {
        error["param"] = param.into();
    }
    let error_response =
        decline_error(reason).with("charge", charge.id.as_str()).with("payment_method", method.render());
    tx.put(charge);
    intent.last_payment_error = Some(error);
    let intent = fail_attempt(tx, intent);
    error_response.with("payment_intent", intent.render())
}

/// Returns the error of a decline, without the objects involved.
pub(crate) fn decline_error(reason: Decline) -> ApiError {
    let text = reason.text();
    let mut error =
        ApiError::payment_failed(text.message).with_code(text.code).with("decline_code", text.decline_code);
    if let Some(advice) = text.advice_code {
        error = error.with("advice_code", advice);
    }
    match text.param {
        Some(param) => error.with_param(param),
        None => error,
    }
}

/// Makes a PaymentIntent succeed with `method` in any status, even if it is canceled. Tests use it to create a second
/// success of an order.
pub(crate) fn force_success(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    method: &PaymentMethod,
) -> PaymentIntent {
    tx.delete::<Challenge>(&intent.id);
    tx.delete::<Settlement>(&intent.id);
    intent.payment_method = Some(method.id.clone());
    intent.next_action = None;
    intent.canceled_at = None;
    intent.cancellation_reason = None;
    intent.capture_method = CaptureMethod::AutomaticAsync;
    intent.amount_capturable = 0;
    tx.put(method.clone());
    pay(tx, intent, method, false)
}

/// Rejects a payment method whose type or customer the PaymentIntent doesn't allow.
pub(crate) fn check_method(intent: &PaymentIntent, method: &PaymentMethod) -> Result<(), ApiError> {
    if !intent.payment_method_types.contains(&method.type_()) {
        let types: Vec<&str> = intent.payment_method_types.iter().map(|type_| type_.as_str()).collect();
        return Err(ApiError::refused(format!(
            "The PaymentMethod provided ({}) is not allowed for this PaymentIntent. Please attach a \
             PaymentMethod of one of the following types: {}.",
            method.type_().as_str(),
            types.join(", ")
        ))
        .with_code("payment_intent_incompatible_payment_method")
        .with("payment_intent", intent.render()));
    }
    match (&method.customer, &intent.customer) {
        (Some(owner), customer) if customer.as_ref() != Some(owner) => Err(ApiError::refused(
            "The provided PaymentMethod belongs to a customer. Please include that Customer in the `customer` \
             parameter on the PaymentIntent.",
        )
        .with_param("payment_method")),
        _ => Ok(()),
    }
}
