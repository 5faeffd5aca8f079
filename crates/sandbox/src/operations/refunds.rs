//! Refunds and their outcomes.
//!
//! A refund counts in the charge's `amount_refunded` from its creation. If it fails or is canceled later, its amount
//! can be refunded again.

use serde_json::{Value, json};

use crate::objects::balance_transaction::BalanceTransactionType;
use crate::objects::charge::Charge;
use crate::objects::payment_method_type::PaymentMethodType;
use crate::objects::refund::{Refund, RefundFailure, RefundStatus};
use crate::operations::balance::{self, BalanceChange};
use crate::operations::disputes;
use crate::state::Tx;
use crate::test_data::card_effects::CardEffect;

/// Issues a refund. Its status depends on the payment method.
pub(crate) fn issue(tx: &mut Tx<'_>, mut charge: Charge, mut refund: Refund) -> Refund {
    let later = tx.now.after(tx.settings.refund_delay).0;
    let effect = charge.payment_method.effect;
    (refund.status, refund.scheduled_outcome) = match charge.payment_method.type_() {
        PaymentMethodType::Card if effect == CardEffect::RefundFailure => {
            (RefundStatus::Succeeded, Some((RefundStatus::Failed, later)))
        }
        PaymentMethodType::Card if effect != CardEffect::RefundPending => (RefundStatus::Succeeded, None),
        PaymentMethodType::Card | PaymentMethodType::SepaDebit | PaymentMethodType::UsBankAccount => {
            (RefundStatus::Pending, Some((RefundStatus::Succeeded, later)))
        }
        // The customer must provide bank details.
        PaymentMethodType::Multibanco => (RefundStatus::RequiresAction, None),
    };
    let type_ = match charge.payment_method.type_() {
        PaymentMethodType::Card => BalanceTransactionType::Refund,
        _ => BalanceTransactionType::PaymentRefund,
    };
    refund.balance_transaction = Some(move_balance(tx, &refund, type_, -refund.amount));
    charge.refund(refund.amount);
    tx.put(charge.clone());
    tx.put(refund.clone());
    tx.emit("refund.created", refund.render());
    tx.emit("charge.refunded", charge.render());
    if charge.refundable() == 0 {
        disputes::close_inquiries(tx, &charge.id);
    }
    refund
}

fn move_balance(tx: &mut Tx<'_>, refund: &Refund, type_: BalanceTransactionType, amount: i64) -> String {
    let is_failure = type_ == BalanceTransactionType::RefundFailure;
    let change = BalanceChange {
        type_,
        reporting_category: if is_failure { "refund_failure" } else { "refund" },
        source: &refund.id,
        amount,
        fee: 0,
        currency: &refund.currency,
        description: Some(if is_failure { "REFUND FAILURE" } else { "REFUND FOR PAYMENT" }.to_owned()),
        pends_for: std::time::Duration::ZERO,
    };
    balance::record(tx, change)
}

/// Marks a refund as succeeded.
pub(crate) fn succeed(tx: &mut Tx<'_>, refund: Refund) -> Refund {
    let refund = Refund { status: RefundStatus::Succeeded, scheduled_outcome: None, ..refund };
    tx.put(refund.clone());
    emit_update(tx, &refund);
    refund
}

/// Marks a refund as failed and returns its amount to the balance.
pub(crate) fn fail(tx: &mut Tx<'_>, mut refund: Refund, reason: RefundFailure) -> Refund {
    refund.failure_reason = Some(reason);
    let refund = return_to_balance(tx, refund, RefundStatus::Failed);
    emit_update(tx, &refund);
    tx.emit("refund.failed", refund.render());
    refund
}

pub(crate) fn return_to_balance(tx: &mut Tx<'_>, mut refund: Refund, status: RefundStatus) -> Refund {
    let transaction = move_balance(tx, &refund, BalanceTransactionType::RefundFailure, refund.amount);
    refund.failure_balance_transaction = Some(transaction);
    refund.status = status;
    refund.scheduled_outcome = None;
    if let Some(mut charge) = tx.get::<Charge>(&refund.charge).cloned() {
        charge.refund(-refund.amount);
        tx.put(charge);
    }
    tx.put(refund.clone());
    refund
}

pub(crate) fn emit_update(tx: &mut Tx<'_>, refund: &Refund) {
    tx.emit("refund.updated", refund.render());
    tx.emit("charge.refund.updated", refund.render());
}

pub(crate) fn list_url(charge: &str) -> String {
    format!("/v1/charges/{charge}/refunds")
}

/// Renders the ten newest refunds of a charge, as `expand[]=refunds` does.
pub(crate) fn render_list_for_charge(tx: &Tx<'_>, charge: &str) -> Value {
    let refunds: Vec<&Refund> =
        tx.newest_first::<Refund>().filter(|refund| refund.charge == charge).collect();
    let data: Vec<Value> = refunds.iter().take(10).map(|refund| refund.render()).collect();
    json!({
        "object": "list",
        "data": data,
        "has_more": refunds.len() > data.len(),
        "url": list_url(charge),
    })
}

/// Applies a refund's scheduled outcome.
pub(crate) fn on_due(tx: &mut Tx<'_>, id: &str) {
    let Some(refund) = tx.get::<Refund>(id).cloned() else { return };
    match refund.scheduled_outcome {
        Some((RefundStatus::Failed, _)) => {
            fail(tx, refund, RefundFailure::ExpiredOrCanceledCard);
        }
        Some(_) => {
            succeed(tx, refund);
        }
        None => {}
    }
}
