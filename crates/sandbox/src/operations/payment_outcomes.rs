//! Changes that several payment outcomes share.

use crate::objects::charge::Charge;
use crate::objects::payment_intent::{PaymentIntent, SetupFutureUsage, Status};
use crate::objects::payment_method::PaymentMethod;
use crate::state::Tx;

/// Ends a failed attempt. The PaymentIntent requires a new payment method.
pub(crate) fn fail_attempt(tx: &mut Tx<'_>, mut intent: PaymentIntent) -> PaymentIntent {
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.next_action = None;
    tx.put(intent.clone());
    tx.emit("payment_intent.payment_failed", intent.render());
    intent
}

/// Attaches the payment method to the customer if the payment sets it up.
pub(crate) fn save_for_later(
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

pub(crate) fn latest_charge(tx: &Tx<'_>, intent: &PaymentIntent) -> Option<Charge> {
    tx.get::<Charge>(intent.latest_charge.as_ref()?).cloned()
}
