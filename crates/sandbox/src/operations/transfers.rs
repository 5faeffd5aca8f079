//! Transfers to connected accounts and their reversals. Destination charges create them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::objects::balance_transaction::BalanceTransactionType;
use crate::objects::destination_payment::DestinationPayment;
use crate::objects::transfer::{Reversal, Transfer, TransferRequest};
use crate::operations::application_fees::{self, FeeSource};
use crate::operations::balance::{self, BalanceChange};
use crate::state::Tx;
use crate::storage::ids;
use crate::storage::table::Account;

/// A new transfer's ID and its fee's ID.
pub(crate) struct TransferIds {
    pub(crate) transfer: String,
    pub(crate) application_fee: Option<String>,
}

/// Transfers a charge's funds and collects the platform's fee.
pub(crate) fn create(tx: &mut Tx<'_>, request: &TransferRequest<'_>) -> TransferIds {
    let id = ids::object("tr");
    let mut payment = DestinationPayment::new(&id, request, tx.now.seconds());
    let application_fee = (request.application_fee > 0).then(|| {
        let source = FeeSource {
            account: request.destination,
            charge: &payment.id,
            originating_transaction: Some(request.charge),
            currency: request.currency,
        };
        application_fees::collect(tx, &source, request.application_fee)
    });
    payment.application_fee.clone_from(&application_fee);
    let destination_payment = payment.id.clone();
    tx.on_account(Account(request.destination.to_owned()), |tx| credit_destination_payment(tx, payment));
    let change = BalanceChange {
        type_: BalanceTransactionType::Transfer,
        reporting_category: "transfer",
        source: &id,
        amount: -request.amount,
        fee: 0,
        currency: request.currency,
        description: None,
        pends_for: Duration::ZERO,
    };
    let transfer = Transfer {
        id: id.clone(),
        created: tx.now.seconds(),
        amount: request.amount,
        amount_reversed: 0,
        balance_transaction: balance::record(tx, change),
        currency: request.currency.to_owned(),
        description: None,
        destination: request.destination.to_owned(),
        destination_payment,
        metadata: BTreeMap::new(),
        source_transaction: request.charge.to_owned(),
        group: request.transfer_group.to_owned(),
    };
    tx.put(transfer.clone());
    tx.emit("transfer.created", render(tx, &transfer));
    TransferIds { transfer: id, application_fee }
}

/// The options of a reversal.
#[derive(Default)]
pub(crate) struct ReversalOptions {
    pub(crate) metadata: BTreeMap<String, String>,
    /// The refund that causes the reversal.
    pub(crate) source_refund: Option<String>,
}

/// Reverses a part of the transfer. `amount` must not exceed the remaining amount.
pub(crate) fn reverse(
    tx: &mut Tx<'_>,
    mut transfer: Transfer,
    amount: i64,
    options: ReversalOptions,
) -> Reversal {
    let id = ids::object("trr");
    let change = BalanceChange {
        type_: BalanceTransactionType::TransferRefund,
        reporting_category: "transfer_reversal",
        source: &id,
        amount,
        fee: 0,
        currency: &transfer.currency,
        description: None,
        pends_for: Duration::ZERO,
    };
    let reversal = Reversal {
        id: id.clone(),
        created: tx.now.seconds(),
        amount,
        balance_transaction: balance::record(tx, change),
        currency: transfer.currency.clone(),
        metadata: options.metadata,
        source_refund: options.source_refund,
        transfer: transfer.id.clone(),
    };
    tx.on_account(Account(transfer.destination.clone()), |tx| {
        debit_destination_payment(tx, &transfer.destination_payment, &id, amount);
    });
    transfer.amount_reversed += amount;
    tx.put(reversal.clone());
    tx.put(transfer.clone());
    tx.emit("transfer.reversed", render(tx, &transfer));
    reversal
}

pub(crate) fn reversals_for<'a>(tx: &'a Tx<'_>, transfer: &str) -> Vec<&'a Reversal> {
    tx.newest_first::<Reversal>().filter(|reversal| reversal.transfer == transfer).collect()
}

/// Credits the destination account with the payment, less the platform's fee.
fn credit_destination_payment(tx: &mut Tx<'_>, mut payment: DestinationPayment) {
    let change = BalanceChange {
        type_: BalanceTransactionType::Payment,
        reporting_category: "charge",
        source: &payment.id,
        amount: payment.amount,
        fee: 0,
        currency: &payment.currency,
        description: None,
        pends_for: balance::PENDING_TIME,
    };
    let fee = payment.application_fee_amount.unwrap_or(0);
    payment.balance_transaction = Some(balance::record_with_fee(tx, change, fee));
    tx.put(payment);
}

/// Debits the destination account for a reversal.
fn debit_destination_payment(tx: &mut Tx<'_>, id: &str, reversal: &str, amount: i64) {
    let Some(mut payment) = tx.get::<DestinationPayment>(id).cloned() else { return };
    let change = BalanceChange {
        type_: BalanceTransactionType::PaymentRefund,
        reporting_category: "refund",
        source: reversal,
        amount: -amount,
        fee: 0,
        currency: &payment.currency,
        description: None,
        pends_for: Duration::ZERO,
    };
    balance::record(tx, change);
    payment.amount_refunded += amount;
    tx.emit("charge.refunded", payment.render());
    tx.put(payment);
}

pub(crate) fn render(tx: &Tx<'_>, transfer: &Transfer) -> Value {
    transfer.render(&reversals_for(tx, &transfer.id))
}
