//! Updates of a Checkout Session that follow its PaymentIntent.

use crate::http::error::ApiError;
use crate::objects::checkout_session::{CheckoutSession, PaymentStatus, SessionStatus};
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::objects::payment_method::PaymentMethod;
use crate::state::Tx;

/// Updates a Session from the state of its PaymentIntent.
pub(crate) fn sync_with_intent(tx: &mut Tx<'_>, intent: &PaymentIntent) {
    let session = intent.checkout_session.as_ref().and_then(|id| tx.get::<CheckoutSession>(id));
    let Some(mut session) = session.cloned() else { return };
    let is_complete = session.status == SessionStatus::Complete;
    let was_processing = is_complete && session.payment_status == PaymentStatus::Unpaid;
    let event = match intent.status {
        Status::Succeeded | Status::RequiresCapture | Status::Processing | Status::RequiresAction
            if !is_complete =>
        {
            "checkout.session.completed"
        }
        // A Session with a manual capture was completed at the authorization, so the capture emits no event.
        Status::Succeeded if was_processing && !intent.has_manual_capture() => {
            "checkout.session.async_payment_succeeded"
        }
        Status::Succeeded => "",
        Status::RequiresPaymentMethod if was_processing => "checkout.session.async_payment_failed",
        _ => return,
    };
    if intent.status == Status::Succeeded {
        session.payment_status = PaymentStatus::Paid;
    }
    if !is_complete {
        session.status = SessionStatus::Complete;
        let method = intent.payment_method().and_then(|id| tx.get::<PaymentMethod>(id));
        session.customer_details = method.map(|method| method.billing_details.clone());
    }
    tx.put(session.clone());
    if !event.is_empty() {
        tx.emit(event, session.render(&tx.settings.public_url));
    }
}

/// Rejects changes of a PaymentIntent whose Session is open. Only the Session's page may change it.
pub(crate) fn reject_if_open(tx: &Tx<'_>, intent: &PaymentIntent) -> Result<(), ApiError> {
    let session = intent.checkout_session.as_ref().and_then(|id| tx.get::<CheckoutSession>(id));
    match session {
        Some(session) if session.status == SessionStatus::Open => Err(intent.unexpected_state(
            "You cannot perform this action on PaymentIntents created by Checkout. Try expiring the Checkout \
             Session instead.",
        )),
        _ => Ok(()),
    }
}
