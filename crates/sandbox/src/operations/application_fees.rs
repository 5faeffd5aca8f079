//! Collection and refunds of application fees.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::objects::application_fee::{ApplicationFee, FeeRefund};
use crate::objects::balance_transaction::BalanceTransactionType;
use crate::operations::account_lookup;
use crate::operations::balance::{self, BalanceChange};
use crate::state::Tx;
use crate::storage::ids;
use crate::storage::table::Account;

/// The origin of a fee.
pub(crate) struct FeeSource<'a> {
    /// The account that pays the fee.
    pub(crate) account: &'a str,
    /// The charge on that account.
    pub(crate) charge: &'a str,
    /// The charge on the platform, for a destination charge.
    pub(crate) originating_transaction: Option<&'a str>,
    pub(crate) currency: &'a str,
}

fn balance_change<'a>(
    type_: BalanceTransactionType,
    category: &'a str,
    source: &'a str,
    amount: i64,
    currency: &'a str,
) -> BalanceChange<'a> {
    BalanceChange {
        type_,
        reporting_category: category,
        source,
        amount,
        fee: 0,
        currency,
        description: None,
        pends_for: Duration::ZERO,
    }
}

/// Collects the platform's fee and returns its ID.
pub(crate) fn collect(tx: &mut Tx<'_>, source: &FeeSource<'_>, amount: i64) -> String {
    let application =
        account_lookup::find(tx, source.account).map(|account| account.application().to_owned());
    let id = ids::object("fee");
    tx.on_account(Account::platform(), |tx| {
        let change = balance_change(
            BalanceTransactionType::ApplicationFee,
            "platform_earning",
            &id,
            amount,
            source.currency,
        );
        let fee = ApplicationFee {
            id: id.clone(),
            created: tx.now.seconds(),
            account: source.account.to_owned(),
            application: application.unwrap_or_default(),
            amount,
            amount_refunded: 0,
            balance_transaction: balance::record(tx, change),
            charge: source.charge.to_owned(),
            currency: source.currency.to_owned(),
            originating_transaction: source.originating_transaction.map(str::to_owned),
        };
        tx.put(fee.clone());
        tx.emit("application_fee.created", render(tx, &fee));
    });
    id
}

/// Refunds a part of the fee. `amount` must not exceed the remaining amount.
pub(crate) fn refund_fee(
    tx: &mut Tx<'_>,
    mut fee: ApplicationFee,
    amount: i64,
    metadata: BTreeMap<String, String>,
) -> FeeRefund {
    let id = ids::object("fr");
    let change = balance_change(
        BalanceTransactionType::Adjustment,
        "platform_earning_refund",
        &id,
        amount,
        &fee.currency,
    );
    tx.on_account(Account(fee.account.clone()), |tx| balance::record(tx, change));
    tx.on_account(Account::platform(), |tx| {
        let change = balance_change(
            BalanceTransactionType::ApplicationFeeRefund,
            "platform_earning_refund",
            &id,
            -amount,
            &fee.currency,
        );
        let refund = FeeRefund {
            id: id.clone(),
            created: tx.now.seconds(),
            amount,
            balance_transaction: balance::record(tx, change),
            currency: fee.currency.clone(),
            fee: fee.id.clone(),
            metadata,
        };
        fee.amount_refunded += amount;
        tx.put(refund.clone());
        tx.put(fee.clone());
        tx.emit("application_fee.refunded", render(tx, &fee));
        refund
    })
}

/// Finds a fee for a call of any account.
pub(crate) fn find_on_platform(tx: &Tx<'_>, id: &str) -> Option<ApplicationFee> {
    tx.state.table::<ApplicationFee>().get(&Account::platform(), id).cloned()
}

pub(crate) fn refunds_for<'a>(tx: &'a Tx<'_>, fee: &str) -> Vec<&'a FeeRefund> {
    tx.newest_first::<FeeRefund>().filter(|refund| refund.fee == fee).collect()
}

pub(crate) fn render(tx: &Tx<'_>, fee: &ApplicationFee) -> Value {
    fee.render(&refunds_for(tx, &fee.id))
}
