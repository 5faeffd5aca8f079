//! Captures of authorized payments.

use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::operations::payment_outcomes::latest_charge;
use crate::operations::{charges, checkout_completion};
use crate::state::Tx;

/// Captures `amount` of an authorized payment.
pub(crate) fn capture(tx: &mut Tx<'_>, mut intent: PaymentIntent, amount: i64) -> PaymentIntent {
    if let Some(mut charge) = latest_charge(tx, &intent) {
        charge.application_fee_amount = intent.application_fee_amount;
        charges::capture(tx, &mut charge, amount);
        tx.emit("charge.captured", charge.render());
        tx.put(charge);
    }
    intent.status = Status::Succeeded;
    intent.amount_capturable = 0;
    intent.amount_received = amount;
    tx.put(intent.clone());
    tx.emit("payment_intent.succeeded", intent.render());
    checkout_completion::sync_with_intent(tx, &intent);
    intent
}
