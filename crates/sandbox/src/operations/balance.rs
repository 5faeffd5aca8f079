//! Balance transactions, which record every change of an account's balance.

use std::time::Duration;

use crate::objects::balance_transaction::{BalanceTransaction, BalanceTransactionType};
use crate::state::Tx;
use crate::storage::ids;

/// Stripe's fee for a payment: 2.9% plus 30 of the currency's minor unit.
const FEE_PERMILLE: i64 = 29;

const FEE_FIXED: i64 = 30;

/// The fee of a dispute: 1500 of the currency's minor unit.
pub(crate) const DISPUTE_FEE: i64 = 1_500;

/// The time until a payment's funds are available.
pub(crate) const PENDING_TIME: Duration = Duration::from_hours(2 * 24);

/// A change of the balance.
pub(crate) struct BalanceChange<'a> {
    pub(crate) type_: BalanceTransactionType,
    pub(crate) reporting_category: &'a str,
    /// The charge, refund or dispute that causes the change, by ID.
    pub(crate) source: &'a str,
    /// The amount that is added, or removed if negative.
    pub(crate) amount: i64,
    pub(crate) fee: i64,
    pub(crate) currency: &'a str,
    pub(crate) description: Option<String>,
    /// The time until the funds are available.
    pub(crate) pends_for: Duration,
}

/// Returns Stripe's fee for a payment.
pub(crate) fn payment_fee(amount: i64) -> i64 {
    (amount * FEE_PERMILLE + 500) / 1_000 + FEE_FIXED
}

/// Changes the balance and returns the balance transaction's ID.
pub(crate) fn record(tx: &mut Tx<'_>, change: BalanceChange<'_>) -> String {
    record_with_fee(tx, change, 0)
}

/// Changes the balance like `record`, with a fee for the platform.
pub(crate) fn record_with_fee(tx: &mut Tx<'_>, change: BalanceChange<'_>, application_fee: i64) -> String {
    let id = ids::object("txn");
    let transaction = BalanceTransaction {
        id: id.clone(),
        created: tx.now.seconds(),
        available_on_ms: tx.now.after(change.pends_for).0,
        amount: change.amount,
        application_fee,
        fee: change.fee,
        currency: change.currency.to_owned(),
        description: change.description,
        reporting_category: change.reporting_category.to_owned(),
        source: change.source.to_owned(),
        type_: change.type_,
    };
    tx.put(transaction);
    id
}
