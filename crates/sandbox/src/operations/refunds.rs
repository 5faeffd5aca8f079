//! Refunds and their outcomes.
//!
//! A refund counts in the charge's `amount_refunded` from its creation. If it fails or is canceled later, its amount can
//! be refunded again.

use serde_json::{Value, json};

use crate::objects::balance_transaction::BalanceTransactionType;
use crate::objects::charge::Charge;
use crate::objects::payment_method_type::PaymentMethodType;
use crate::objects::refund::{Refund, RefundFailure, RefundStatus};
use crate::operations::balance::{self, Movement};
use crate::operations::disputes;
use crate::state::Tx;
use crate::test_data::card_effects::Quirk;

/// Sends the money back, as the payment method has it.
pub(crate) fn start(tx: &mut Tx<'_>, mut charge: Charge, mut refund: Refund) -> Refund {
    let later = tx.now.after(tx.settings.refund_delay).0;
    let quirk = charge.payment_method.quirk;
    (refund.status, refund.planned) = match charge.payment_method.type_() {
        PaymentMethodType::Card if quirk == Quirk::RefundFails => {
            (RefundStatus::Succeeded, Some((RefundStatus::Failed, later)))
        }
        PaymentMethodType::Card if quirk != Quirk::RefundPends => (RefundStatus::Succeeded, None),
        PaymentMethodType::Card | PaymentMethodType::SepaDebit | PaymentMethodType::UsBankAccount => {
            (RefundStatus::Pending, Some((RefundStatus::Succeeded, later)))
        }
        // The customer has to say where the money should go.
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
    let movement = Movement {
        type_,
        reporting_category: if is_failure { "refund_failure" } else { "refund" },
        source: &refund.id,
        amount,
        fee: 0,
        currency: &refund.currency,
        description: Some(if is_failure { "REFUND FAILURE" } else { "REFUND FOR PAYMENT" }.to_owned()),
        pends_for: std::time::Duration::ZERO,
    };
    balance::record(tx, movement)
}

/// The bank has taken the money.
pub(crate) fn succeed(tx: &mut Tx<'_>, refund: Refund) -> Refund {
    let refund = Refund { status: RefundStatus::Succeeded, planned: None, ..refund };
    tx.put(refund.clone());
    emit_update(tx, &refund);
    refund
}

/// The bank has not taken the money: it is the shop's again.
pub(crate) fn fail(tx: &mut Tx<'_>, mut refund: Refund, reason: RefundFailure) -> Refund {
    refund.failure_reason = Some(reason);
    let refund = take_back(tx, refund, RefundStatus::Failed);
    emit_update(tx, &refund);
    tx.emit("refund.failed", refund.render());
    refund
}

pub(crate) fn take_back(tx: &mut Tx<'_>, mut refund: Refund, status: RefundStatus) -> Refund {
    let moved = move_balance(tx, &refund, BalanceTransactionType::RefundFailure, refund.amount);
    refund.failure_balance_transaction = Some(moved);
    refund.status = status;
    refund.planned = None;
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

/// The list of a charge's refunds that `expand[]=refunds` shows: the newest ten.
pub(crate) fn list_of_charge(tx: &Tx<'_>, charge: &str) -> Value {
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

/// Ends a refund as planned.
pub(crate) fn come_due(tx: &mut Tx<'_>, id: &str) {
    let Some(refund) = tx.get::<Refund>(id).cloned() else { return };
    match refund.planned {
        Some((RefundStatus::Failed, _)) => {
            fail(tx, refund, RefundFailure::ExpiredOrCanceledCard);
        }
        Some(_) => {
            succeed(tx, refund);
        }
        None => {}
    }
}
