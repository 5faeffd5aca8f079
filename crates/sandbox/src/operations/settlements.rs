//! Payments with a later outcome: bank debits, and vouchers that customers pay at a bank.

use serde_json::{Value, json};

use crate::http::error::doc_url;
use crate::objects::charge::{Charge, ChargeFailure};
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::objects::payment_method::PaymentMethod;
use crate::objects::settlement::Settlement;
use crate::operations::payment_outcomes::{fail_attempt, save_for_later};
use crate::operations::{charges, checkout_completion};
use crate::state::Tx;
use crate::test_data::behavior::{DebitFailure, DebitSpeed};
use crate::test_data::vouchers::{VOUCHER_ENTITY, VOUCHER_LIFETIME, VoucherPlan, voucher_reference};

/// Starts a bank debit. Its outcome comes later.
pub(crate) fn debit(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    method: &PaymentMethod,
    fails_with: Option<DebitFailure>,
    speed: DebitSpeed,
) -> PaymentIntent {
    let charge = Charge::new(&intent, method, tx.now.seconds());
    let delay = match speed {
        DebitSpeed::Normal => Some(tx.settings.debit_delay),
        DebitSpeed::Delayed => Some(tx.settings.delayed_debit_delay),
        DebitSpeed::Never => None,
    };
    intent.latest_charge = Some(charge.id.clone());
    intent.status = Status::Processing;
    save_for_later(tx, &intent, method, false);
    tx.put(Settlement {
        id: intent.id.clone(),
        charge: Some(charge.id.clone()),
        fails_with,
        due_ms: delay.map(|delay| tx.now.after(delay).0),
    });
    tx.emit("charge.pending", charge.render());
    tx.put(charge);
    tx.put(intent.clone());
    tx.emit("payment_intent.processing", intent.render());
    checkout_completion::sync_with_intent(tx, &intent);
    intent
}

/// Issues a voucher.
pub(crate) fn issue_voucher(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    method: &PaymentMethod,
) -> PaymentIntent {
    let email = method.billing_details.email.as_deref().unwrap_or_default();
    let plan = VoucherPlan::for_email(email, tx.settings.debit_delay, tx.settings.delayed_debit_delay);
    intent.status = Status::RequiresAction;
    intent.next_action = Some(json!({
        "type": "multibanco_display_details",
        "multibanco_display_details": {
            "entity": VOUCHER_ENTITY,
            "expires_at": tx.now.after(VOUCHER_LIFETIME).seconds(),
            "hosted_voucher_url": null,
            "reference": voucher_reference(&intent.id),
        },
    }));
    tx.put(Settlement {
        id: intent.id.clone(),
        charge: None,
        fails_with: plan.fails_with,
        due_ms: Some(tx.now.after(plan.after).0),
    });
    tx.put(intent.clone());
    tx.emit("payment_intent.requires_action", intent.render());
    checkout_completion::sync_with_intent(tx, &intent);
    intent
}

/// The outcome of a debit or a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DebitOutcome {
    /// The outcome of the test account or of the customer's email address.
    PerTestData,
    Succeeded,
    Failed,
}

/// Settles a payment. Returns `None` if no outcome is pending.
pub(crate) fn settle(tx: &mut Tx<'_>, intent_id: &str, outcome: DebitOutcome) -> Option<PaymentIntent> {
    let settlement = tx.get::<Settlement>(intent_id)?.clone();
    let mut intent = tx.get::<PaymentIntent>(intent_id)?.clone();
    let method = intent.payment_method.as_ref().and_then(|id| tx.get::<PaymentMethod>(id)).cloned();
    let charge = settlement.charge.as_ref().and_then(|id| tx.get::<Charge>(id)).cloned();
    tx.delete::<Settlement>(intent_id);
    let default_failure =
        if charge.is_some() { DebitFailure::Declined } else { DebitFailure::VoucherExpired };
    let failure = match outcome {
        DebitOutcome::PerTestData => settlement.fails_with,
        DebitOutcome::Succeeded => None,
        DebitOutcome::Failed => Some(settlement.fails_with.unwrap_or(default_failure)),
    };
    let Some(failure) = failure else {
        let charge = match charge {
            Some(charge) => charge,
            None => Charge::new(&intent, &method?, tx.now.seconds()),
        };
        return Some(succeed(tx, intent, charge));
    };
    let (code, message) = failure.text();
    let mut error = json!({
        "type": if charge.is_some() { "card_error" } else { "invalid_request_error" },
        "code": code,
        "doc_url": doc_url(code),
        "message": message,
        "payment_method": method.as_ref().map_or(Value::Null, PaymentMethod::render),
    });
    if let Some(mut charge) = charge {
        error["charge"] = charge.id.as_str().into();
        charge.fail(ChargeFailure::Debit { code: code.to_owned(), message: message.to_owned() });
        tx.emit("charge.failed", charge.render());
        tx.put(charge);
    }
    intent.last_payment_error = Some(error);
    let intent = fail_attempt(tx, intent);
    checkout_completion::sync_with_intent(tx, &intent);
    Some(intent)
}

fn succeed(tx: &mut Tx<'_>, mut intent: PaymentIntent, mut charge: Charge) -> PaymentIntent {
    charges::capture(tx, &mut charge, intent.amount);
    intent.latest_charge = Some(charge.id.clone());
    intent.next_action = None;
    intent.status = Status::Succeeded;
    intent.amount_received = intent.amount;
    tx.emit("charge.succeeded", charge.render());
    tx.put(charge);
    tx.put(intent.clone());
    tx.emit("payment_intent.succeeded", intent.render());
    checkout_completion::sync_with_intent(tx, &intent);
    intent
}

/// Settles a payment with its scheduled outcome.
pub(crate) fn on_due(tx: &mut Tx<'_>, id: &str) {
    if settle(tx, id, DebitOutcome::PerTestData).is_none() {
        tx.delete::<Settlement>(id);
    }
}
