//! Transfers from the platform to connected accounts, and their reversals: <https://docs.stripe.com/api/transfers>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::storage::table::Resource;

/// A transfer to a connected account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) amount_reversed: i64,
    pub(crate) balance_transaction: String,
    pub(crate) currency: String,
    pub(crate) description: Option<String>,
    pub(crate) destination: String,
    pub(crate) destination_payment: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) source_transaction: String,
    pub(crate) group: String,
}

impl Resource for Transfer {
    const KIND: &'static str = "transfer";

    fn id(&self) -> &str {
        &self.id
    }
}

/// A full or partial reversal of a transfer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reversal {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) balance_transaction: String,
    pub(crate) currency: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) source_refund: Option<String>,
    pub(crate) transfer: String,
}

impl Resource for Reversal {
    const KIND: &'static str = "transfer_reversal";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The transfer that a destination charge creates.
pub(crate) struct TransferRequest<'a> {
    /// The charge on the platform.
    pub(crate) charge: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) amount: i64,
    /// The platform's fee.
    pub(crate) application_fee: i64,
    pub(crate) currency: &'a str,
    pub(crate) transfer_group: &'a str,
}

impl Transfer {
    /// Returns the amount that hasn't been reversed.
    pub(crate) fn remaining(&self) -> i64 {
        self.amount - self.amount_reversed
    }

    pub(crate) fn render(&self, reversals: &[&Reversal]) -> Value {
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
            "reversed": self.remaining() == 0,
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
