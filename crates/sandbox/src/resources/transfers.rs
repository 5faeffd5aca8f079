//! Transfers of the platform's money to connected accounts, and their reversals: <https://docs.stripe.com/api/transfers>.
//! Destination charges make them. What arrives on the account is a payment, in the module below.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids;
use crate::resources::application_fees::{self, FeeSource};
use crate::resources::balance_transactions::{self, BalanceTransactionType, Movement};
use crate::state::{Account, Resource, Tx};

mod endpoints;
mod payments;

pub(crate) use endpoints::ROUTES;
pub(crate) use payments::DestinationPayment;

/// Money sent to a connected account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    created: i64,
    pub(crate) amount: i64,
    amount_reversed: i64,
    balance_transaction: String,
    currency: String,
    description: Option<String>,
    destination: String,
    destination_payment: String,
    metadata: BTreeMap<String, String>,
    source_transaction: String,
    group: String,
}

impl Resource for Transfer {
    const KIND: &'static str = "transfer";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Money taken back from a connected account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reversal {
    pub(crate) id: String,
    created: i64,
    amount: i64,
    balance_transaction: String,
    currency: String,
    metadata: BTreeMap<String, String>,
    source_refund: Option<String>,
    transfer: String,
}

impl Resource for Reversal {
    const KIND: &'static str = "transfer_reversal";

    fn id(&self) -> &str {
        &self.id
    }
}

/// What a destination charge sends where.
pub(crate) struct Sending<'a> {
    /// The charge on the platform.
    pub(crate) charge: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) amount: i64,
    /// What the platform takes of it.
    pub(crate) application_fee: i64,
    pub(crate) currency: &'a str,
    pub(crate) transfer_group: &'a str,
}

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
    tx.on_account(Account(sending.destination.to_owned()), |tx| payment.arrive(tx));
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
        balance_transaction: balance_transactions::record(tx, moved),
        currency: sending.currency.to_owned(),
        description: None,
        destination: sending.destination.to_owned(),
        destination_payment,
        metadata: BTreeMap::new(),
        source_transaction: sending.charge.to_owned(),
        group: sending.transfer_group.to_owned(),
    };
    tx.put(transfer.clone());
    tx.emit("transfer.created", transfer.render(tx));
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
        balance_transaction: balance_transactions::record(tx, moved),
        currency: transfer.currency.clone(),
        metadata: wish.metadata,
        source_refund: wish.source_refund,
        transfer: transfer.id.clone(),
    };
    tx.on_account(Account(transfer.destination.clone()), |tx| {
        payments::take_back(tx, &transfer.destination_payment, &id, amount);
    });
    transfer.amount_reversed += amount;
    tx.put(reversal.clone());
    tx.put(transfer.clone());
    tx.emit("transfer.reversed", transfer.render(tx));
    reversal
}

impl Transfer {
    /// What has not been taken back.
    pub(crate) fn rest(&self) -> i64 {
        self.amount - self.amount_reversed
    }

    pub(crate) fn render(&self, tx: &Tx<'_>) -> Value {
        let reversals = reversals_of(tx, &self.id);
        let shown: Vec<Value> = reversals.iter().take(10).map(|reversal| reversal.render()).collect();
        json!({
            "id": self.id,
            "object": "transfer",
            "amount": self.amount,
            "amount_reversed": self.amount_reversed,
            "balance_transaction": self.balance_transaction,
            "created": self.created,
            "currency": self.currency,
            "description": self.description,
            "destination": self.destination,
            "destination_payment": self.destination_payment,
            "livemode": false,
            "metadata": self.metadata,
            "reversals": {
                "object": "list",
                "data": shown,
                "has_more": reversals.len() > 10,
                "url": format!("/v1/transfers/{}/reversals", self.id),
            },
            "reversed": self.rest() == 0,
            "source_transaction": self.source_transaction,
            "source_type": "card",
            "transfer_group": self.group,
        })
    }
}

impl Reversal {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "transfer_reversal",
            "amount": self.amount,
            "balance_transaction": self.balance_transaction,
            "created": self.created,
            "currency": self.currency,
            "destination_payment_refund": null,
            "metadata": self.metadata,
            "source_refund": self.source_refund,
            "transfer": self.transfer,
        })
    }
}

fn reversals_of<'a>(tx: &'a Tx<'_>, transfer: &str) -> Vec<&'a Reversal> {
    tx.newest_first::<Reversal>().filter(|reversal| reversal.transfer == transfer).collect()
}
