//! Application fees and their refunds: <https://docs.stripe.com/api/application_fees>. Both belong to the platform.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::storage::table::Resource;

/// The platform's fee for one payment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ApplicationFee {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) account: String,
    pub(crate) application: String,
    pub(crate) amount: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) balance_transaction: String,
    pub(crate) charge: String,
    pub(crate) currency: String,
    pub(crate) originating_transaction: Option<String>,
}

impl Resource for ApplicationFee {
    const KIND: &'static str = "application_fee";

    fn id(&self) -> &str {
        &self.id
    }
}

/// A full or partial refund of a fee to the account that paid it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FeeRefund {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) balance_transaction: String,
    pub(crate) currency: String,
    pub(crate) fee: String,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Resource for FeeRefund {
    const KIND: &'static str = "fee_refund";

    fn id(&self) -> &str {
        &self.id
    }
}

impl ApplicationFee {
    /// Returns the amount that hasn't been refunded.
    pub(crate) fn remaining(&self) -> i64 {
        self.amount - self.amount_refunded
    }

    pub(crate) fn render(&self, refunds: &[&FeeRefund]) -> Value {
        let shown: Vec<Value> = refunds.iter().take(10).map(|refund| refund.render()).collect();
        json!({
            "id": self.id,
            "object": "application_fee",
            "account": self.account,
            "amount": self.amount,
            "amount_refunded": self.amount_refunded,
            "application": self.application,
            "balance_transaction": self.balance_transaction,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "fee_source": { "charge": self.charge, "type": "charge" },
            "livemode": false,
            "originating_transaction": self.originating_transaction,
            "refunded": self.remaining() == 0,
            "refunds": {
                "object": "list",
                "data": shown,
                "has_more": refunds.len() > 10,
                "url": format!("/v1/application_fees/{}/refunds", self.id),
            },
        })
    }
}

impl FeeRefund {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "fee_refund",
            "amount": self.amount,
            "balance_transaction": self.balance_transaction,
            "created": self.created,
            "currency": self.currency,
            "fee": self.fee,
            "metadata": self.metadata,
        })
    }
}
