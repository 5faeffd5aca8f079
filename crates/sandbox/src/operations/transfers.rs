//! Transfers to connected accounts and their reversals. Destination charges create them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::objects::balance_transaction::BalanceTransactionType;
use crate::objects::destination_payment::DestinationPayment;
use crate::objects::transfer::{Reversal, Sending, Transfer};
use crate::operations::application_fees::{self, FeeSource};
use crate::operations::balance::{self, Movement};
use crate::state::Tx;
use crate::storage::ids;
use crate::storage::table::Account;

/// What has come of a sending: the ids of the transfer and of the fee.
pub(crate) struct Sent {
    pub(crate) transfer: String,
    pub(crate) application_fee: Option<String>,
}

/// Sends a charge's money on, and takes the platform's fee of it.
pub(crate) fn send(tx: &mut Tx<'_>, sending: &Sending<'_>) -> Sent {
    let id = ids::object("tr");
    let mut payment = DestinationPayment::new(&id, sending, tx.now.seconds());
    let application_fee = (sending.application_fee > 0).then(|| {
        let source = FeeSource {
            account: sending.destination,
            charge: &payment.id,
            originating_transaction: Some(sending.charge),
            currency: sending.currency,
        };
        application_fees::collect(tx, &source, sending.application_fee)
    });
    payment.application_fee.clone_from(&application_fee);
    let destination_payment = payment.id.clone();
    tx.on_account(Account(sending.destination.to_owned()), |tx| arrive(tx, payment));
    let moved = Movement {
        type_: BalanceTransactionType::Transfer,
        reporting_category: "transfer",
        source: &id,
        amount: -sending.amount,
        fee: 0,
        currency: sending.currency,
        description: None,
        pends_for: Duration::ZERO,
    };
    let transfer = Transfer {
        id: id.clone(),
        created: tx.now.seconds(),
        amount: sending.amount,
        amount_reversed: 0,
        balance_transaction: balance::record(tx, moved),
        currency: sending.currency.to_owned(),
        description: None,
        destination: sending.destination.to_owned(),
        destination_payment,
        metadata: BTreeMap::new(),
        source_transaction: sending.charge.to_owned(),
        group: sending.transfer_group.to_owned(),
    };
    tx.put(transfer.clone());
    tx.emit("transfer.created", render(tx, &transfer));
    Sent { transfer: id, application_fee }
}

/// How a transfer is taken back.
#[derive(Default)]
pub(crate) struct Wish {
    pub(crate) metadata: BTreeMap<String, String>,
    /// The refund that it is for.
    pub(crate) source_refund: Option<String>,
}

/// Takes a part of a transfer back, of which that much is left.
pub(crate) fn reverse(tx: &mut Tx<'_>, mut transfer: Transfer, amount: i64, wish: Wish) -> Reversal {
    let id = ids::object("trr");
    let moved = Movement {
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
        balance_transaction: balance::record(tx, moved),
        currency: transfer.currency.clone(),
        metadata: wish.metadata,
        source_refund: wish.source_refund,
        transfer: transfer.id.clone(),
    };
    tx.on_account(Account(transfer.destination.clone()), |tx| {
        take_back(tx, &transfer.destination_payment, &id, amount);
    });
    transfer.amount_reversed += amount;
    tx.put(reversal.clone());
    tx.put(transfer.clone());
    tx.emit("transfer.reversed", render(tx, &transfer));
    reversal
}

pub(crate) fn reversals_of<'a>(tx: &'a Tx<'_>, transfer: &str) -> Vec<&'a Reversal> {
    tx.newest_first::<Reversal>().filter(|reversal| reversal.transfer == transfer).collect()
}

/// It is the account's now, but for the platform's fee.
fn arrive(tx: &mut Tx<'_>, mut payment: DestinationPayment) {
    let movement = Movement {
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
    payment.balance_transaction = Some(balance::record_with_fee(tx, movement, fee));
    tx.put(payment);
}

/// The platform takes a part back.
fn take_back(tx: &mut Tx<'_>, id: &str, reversal: &str, amount: i64) {
    let Some(mut payment) = tx.get::<DestinationPayment>(id).cloned() else { return };
    let movement = Movement {
        type_: BalanceTransactionType::PaymentRefund,
        reporting_category: "refund",
        source: reversal,
        amount: -amount,
        fee: 0,
        currency: &payment.currency,
        description: None,
        pends_for: Duration::ZERO,
    };
    balance::record(tx, movement);
    payment.amount_refunded += amount;
    tx.emit("charge.refunded", payment.render());
    tx.put(payment);
}

pub(crate) fn render(tx: &Tx<'_>, transfer: &Transfer) -> Value {
    transfer.render(&reversals_of(tx, &transfer.id))
}
