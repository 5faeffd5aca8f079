//! Balance transactions, which record every change of an account's balance.

use std::time::Duration;

use crate::objects::balance_transaction::{BalanceTransaction, BalanceTransactionType};
use crate::state::Tx;
use crate::storage::ids;

/// What Stripe takes of a payment here: 2.9 % and 30 of the currency's smallest unit.
const FEE_PERMILLE: i64 = 29;

const FEE_FIXED: i64 = 30;

/// What a dispute costs: 1500 of the currency's smallest unit.
pub(crate) const DISPUTE_FEE: i64 = 1_500;

/// How long the money of a payment is on its way.
pub(crate) const PENDING_TIME: Duration = Duration::from_hours(2 * 24);

/// What moves the balance.
pub(crate) struct Movement<'a> {
    pub(crate) type_: BalanceTransactionType,
    pub(crate) reporting_category: &'a str,
    /// The id of the charge, refund or dispute.
    pub(crate) source: &'a str,
    /// What comes in, or goes out if negative.
    pub(crate) amount: i64,
    pub(crate) fee: i64,
    pub(crate) currency: &'a str,
    pub(crate) description: Option<String>,
    /// How long the money is on its way.
    pub(crate) pends_for: Duration,
}

/// The fee of a payment.
pub(crate) fn payment_fee(amount: i64) -> i64 {
    (amount * FEE_PERMILLE + 500) / 1_000 + FEE_FIXED
}

/// Moves the balance; returns the id of the record of it.
pub(crate) fn record(tx: &mut Tx<'_>, movement: Movement<'_>) -> String {
    record_with_fee(tx, movement, 0)
}

/// As `record`, with what the platform takes of it besides.
pub(crate) fn record_with_fee(tx: &mut Tx<'_>, movement: Movement<'_>, application_fee: i64) -> String {
    let id = ids::object("txn");
    let transaction = BalanceTransaction {
        id: id.clone(),
        created: tx.now.seconds(),
        available_on_ms: tx.now.after(movement.pends_for).0,
        amount: movement.amount,
        application_fee,
        fee: movement.fee,
        currency: movement.currency.to_owned(),
        description: movement.description,
        reporting_category: movement.reporting_category.to_owned(),
        source: movement.source.to_owned(),
        type_: movement.type_,
    };
    tx.put(transaction);
    id
}
