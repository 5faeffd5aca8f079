//! What happens when a PaymentIntent is confirmed: charges, declines, and 3D Secure. What takes longer is in
//! `settlements`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fields::Confirmation;
use super::settlements::{self, Settlement};
use super::{
    CancellationReason, CaptureMethod, PaymentIntent, RequestThreeDSecure, SetupFutureUsage, Status,
};
use crate::api_error::{ApiError, doc_url};
use crate::ids;
use crate::resources::charges::{Charge, Failure};
use crate::resources::checkout_sessions;
use crate::resources::payment_methods::PaymentMethod;
use crate::state::{Resource, Tx};
use crate::test_cards::{AfterAuthentication, Authentication, Behavior, Decline};

/// A 3D Secure authentication that waits for the customer. Its id is the PaymentIntent's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Challenge {
    id: String,
    /// Makes the page's address unguessable.
    pub(crate) token: String,
    then: AfterAuthentication,
}

impl Resource for Challenge {
    const KIND: &'static str = "challenge";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Tries to pay with `method` and returns the PaymentIntent as it is then, or the decline.
pub(crate) fn attempt(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    method: &PaymentMethod,
    confirmation: &Confirmation,
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
        Behavior::AwaitsVoucher => Ok(settlements::give_voucher(tx, intent, method)),
        Behavior::Authenticates { when, then } => {
            let is_requested = intent.request_three_d_secure != RequestThreeDSecure::Automatic;
            let is_off_session = confirmation.is_off_session;
            let is_needed = match when {
                Authentication::Always => true,
                Authentication::UnlessSetUp => !(is_off_session && method.is_set_up),
                Authentication::OnSession => !is_off_session,
                Authentication::OnRequest => is_requested && !is_off_session,
            };
            match then {
                _ if !is_needed => Ok(pay(tx, intent, method, false)),
                _ if is_off_session || confirmation.fails_on_action => {
                    Err(decline(tx, intent, method, Decline::AuthenticationRequired))
                }
                AfterAuthentication::LookupFails => Err(decline(tx, intent, method, Decline::Generic)),
                AfterAuthentication::Succeeds | AfterAuthentication::Declines(_) => {
                    Ok(challenge(tx, intent, then, confirmation))
                }
            }
        }
    }
}

/// Asks the customer to authenticate.
fn challenge(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    then: AfterAuthentication,
    confirmation: &Confirmation,
) -> PaymentIntent {
    let token = ids::random(24);
    let url = format!("{}/3d_secure/{}/{token}", tx.settings.public_url, intent.id);
    intent.status = Status::RequiresAction;
    intent.next_action = Some(match &intent.return_url {
        Some(return_url) if !confirmation.uses_stripe_sdk => json!({
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

/// The customer has passed or failed the authentication; returns the PaymentIntent as it is then.
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
            // The customer sees the decline on the merchant's page: there is no API request to answer.
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
    reopen(tx, intent)
}

/// Back to the start: the customer has to give another payment method.
pub(super) fn reopen(tx: &mut Tx<'_>, mut intent: PaymentIntent) -> PaymentIntent {
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.next_action = None;
    tx.put(intent.clone());
    tx.emit("payment_intent.payment_failed", intent.render());
    intent
}

/// The card's bank approves: the money is taken, or held for a manual capture.
fn pay(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    method: &PaymentMethod,
    was_authenticated: bool,
) -> PaymentIntent {
    let mut charge = Charge::new(&intent, method, tx.now.seconds());
    if was_authenticated {
        charge = charge.authenticated();
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
        charge.capture(tx, intent.amount);
        intent.status = Status::Succeeded;
        intent.amount_received = intent.amount;
        "payment_intent.succeeded"
    };
    tx.emit("charge.succeeded", charge.render());
    tx.put(charge);
    tx.put(intent.clone());
    tx.emit(event, intent.render());
    checkout_sessions::follow(tx, &intent);
    intent
}

/// Attaches the payment method to the customer if the payment was to set it up.
pub(super) fn save_for_later(
    tx: &mut Tx<'_>,
    intent: &PaymentIntent,
    method: &PaymentMethod,
    was_authenticated: bool,
) {
    let (Some(customer), Some(usage)) = (&intent.customer, intent.setup_future_usage) else { return };
    let mut saved = method.clone();
    let is_new = saved.customer.is_none();
    saved.customer = Some(customer.clone());
    saved.is_set_up |= was_authenticated && usage == SetupFutureUsage::OffSession;
    if is_new {
        tx.emit("payment_method.attached", saved.render());
    }
    tx.put(saved);
}

/// The card's bank declines. Returns the error for the caller.
fn decline(tx: &mut Tx<'_>, mut intent: PaymentIntent, method: &PaymentMethod, reason: Decline) -> ApiError {
    let mut charge = Charge::new(&intent, method, tx.now.seconds());
    charge.fail(Failure::Card(reason));
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
    let answer =
        decline_error(reason).with("charge", charge.id.as_str()).with("payment_method", method.render());
    tx.put(charge);
    intent.last_payment_error = Some(error);
    let intent = reopen(tx, intent);
    answer.with("payment_intent", intent.render())
}

/// The error of a decline, without the objects it was about.
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

/// The money comes, whatever has been said before: a PaymentIntent that was open, declined, or even canceled is paid
/// after all, with `method`. That is how an order gets a second success on another of its attempts.
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

/// Takes `amount` of what is held.
pub(super) fn capture(tx: &mut Tx<'_>, mut intent: PaymentIntent, amount: i64) -> PaymentIntent {
    if let Some(mut charge) = latest_charge(tx, &intent) {
        charge.application_fee_amount = intent.application_fee_amount;
        charge.capture(tx, amount);
        tx.emit("charge.captured", charge.render());
        tx.put(charge);
    }
    intent.status = Status::Succeeded;
    intent.amount_capturable = 0;
    intent.amount_received = amount;
    tx.put(intent.clone());
    tx.emit("payment_intent.succeeded", intent.render());
    checkout_sessions::follow(tx, &intent);
    intent
}

/// Cancels a PaymentIntent and what is under way for it.
pub(crate) fn cancel(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    reason: Option<CancellationReason>,
) -> PaymentIntent {
    abandon(tx, &intent);
    intent.status = Status::Canceled;
    intent.canceled_at = Some(tx.now.seconds());
    intent.cancellation_reason = reason;
    intent.next_action = None;
    intent.amount_capturable = 0;
    tx.put(intent.clone());
    tx.emit("payment_intent.canceled", intent.render());
    intent
}

/// The bank no longer holds the money of an authorised payment; `None` if it holds none.
pub(crate) fn expire_authorization(tx: &mut Tx<'_>, intent_id: &str) -> Option<PaymentIntent> {
    let mut intent = tx.get::<PaymentIntent>(intent_id)?.clone();
    if intent.status != Status::RequiresCapture {
        return None;
    }
    let mut charge = latest_charge(tx, &intent)?;
    charge.release();
    tx.emit("charge.expired", charge.render());
    tx.put(charge);
    // Nothing is held any more that canceling would release.
    intent.status = Status::RequiresPaymentMethod;
    Some(cancel(tx, intent, Some(CancellationReason::Automatic)))
}

/// Ends the attempt that is under way because the PaymentIntent is canceled.
pub(super) fn abandon(tx: &mut Tx<'_>, intent: &PaymentIntent) {
    tx.delete::<Challenge>(&intent.id);
    tx.delete::<Settlement>(&intent.id);
    let Some(mut charge) = latest_charge(tx, intent) else { return };
    let event = match intent.status {
        Status::RequiresCapture => {
            charge.release();
            "charge.refunded"
        }
        Status::Processing => {
            charge.fail(Failure::Debit {
                code: "payment_intent_canceled".to_owned(),
                message: "The debit was canceled before it was submitted to the bank.".to_owned(),
            });
            "charge.failed"
        }
        _ => return,
    };
    tx.emit(event, charge.render());
    tx.put(charge);
}

fn latest_charge(tx: &Tx<'_>, intent: &PaymentIntent) -> Option<Charge> {
    tx.get::<Charge>(intent.latest_charge.as_ref()?).cloned()
}
