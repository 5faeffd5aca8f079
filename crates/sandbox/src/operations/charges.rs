//! Charges that receive funds.

use std::time::Duration;

use crate::objects::balance_transaction::BalanceTransactionType;
use crate::objects::charge::{Charge, ChargeStatus};
use crate::objects::payment_method_type::PaymentMethodType;
use crate::operations::balance::{self, BalanceChange};
use crate::operations::connect;
use crate::state::Tx;
use crate::test_data::card_effects::CardEffect;

/// Captures `amount` and releases the rest of the authorization.
pub(crate) fn capture(tx: &mut Tx<'_>, charge: &mut Charge, amount: i64) {
    charge.status = ChargeStatus::Succeeded;
    charge.captured = true;
    charge.amount_captured = amount;
    charge.amount_refunded = charge.amount - amount;
    let group = charge.transfer_group.clone().unwrap_or_else(|| format!("group_{}", charge.payment_intent));
    let shares = connect::distribute_funds(tx, charge, amount, &group);
    charge.application_fee = shares.application_fee;
    charge.transfer = shares.transfer;
    if charge.transfer.is_some() {
        charge.transfer_group = Some(group);
    }
    let effect = charge.payment_method.effect;
    let is_card = charge.payment_method.type_() == PaymentMethodType::Card;
    let balance_change = BalanceChange {
        type_: if is_card { BalanceTransactionType::Charge } else { BalanceTransactionType::Payment },
        reporting_category: "charge",
        source: &charge.id,
        amount,
        fee: balance::payment_fee(amount),
        currency: &charge.currency,
        description: charge.description.clone(),
        pends_for: match effect {
            CardEffect::BypassPending => Duration::ZERO,
            _ => balance::PENDING_TIME,
        },
    };
    charge.balance_transaction = Some(balance::record_with_fee(tx, balance_change, shares.fee_paid));
    charge.disputed_at_ms = effect.causes_dispute().then(|| tx.now.after(tx.settings.dispute_delay).0);
}
