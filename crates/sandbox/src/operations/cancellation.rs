//! Cancellation of PaymentIntents and expiry of authorizations.

use crate::objects::challenge::Challenge;
use crate::objects::charge::ChargeFailure;
use crate::objects::payment_intent::{CancellationReason, PaymentIntent, Status};
use crate::objects::settlement::Settlement;
use crate::operations::payment_outcomes::latest_charge;
use crate::state::Tx;

/// Cancels a PaymentIntent and its pending attempt.
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

/// Expires the authorization of a PaymentIntent and cancels it. Returns `None` if it has no authorization.
pub(crate) fn expire_authorization(tx: &mut Tx<'_>, intent_id: &str) -> Option<PaymentIntent> {
    let mut intent = tx.get::<PaymentIntent>(intent_id)?.clone();
    if intent.status != Status::RequiresCapture {
        return None;
    }
    let mut charge = latest_charge(tx, &intent)?;
    charge.release();
    tx.emit("charge.expired", charge.render());
    tx.put(charge);
    // The authorization is released already, so `cancel` must not release it again.
    intent.status = Status::RequiresPaymentMethod;
    Some(cancel(tx, intent, Some(CancellationReason::Automatic)))
}

/// Ends the pending attempt of a PaymentIntent.
pub(crate) fn abandon(tx: &mut Tx<'_>, intent: &PaymentIntent) {
    tx.delete::<Challenge>(&intent.id);
    tx.delete::<Settlement>(&intent.id);
    let Some(mut charge) = latest_charge(tx, intent) else { return };
    let event = match intent.status {
        Status::RequiresCapture => {
            charge.release();
            "charge.refunded"
        }
        Status::Processing => {
            charge.fail(ChargeFailure::Debit {
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
