//! Balance transactions: <https://docs.stripe.com/api/balance_transactions>.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::string_enum::string_enum;
use crate::storage::clock::Timestamp;
use crate::storage::table::Resource;

string_enum! {
    /// The type of a balance transaction.
    BalanceTransactionType {
        Adjustment = "adjustment",
        ApplicationFee = "application_fee",
        ApplicationFeeRefund = "application_fee_refund",
        Charge = "charge",
        Payment = "payment",
        PaymentRefund = "payment_refund",
        Refund = "refund",
        RefundFailure = "refund_failure",
        Transfer = "transfer",
        TransferRefund = "transfer_refund",
    }
}

/// A change of the balance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BalanceTransaction {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) available_on_ms: i64,
    pub(crate) amount: i64,
    /// The part of the amount that is the platform's fee.
    #[serde(default)]
    pub(crate) application_fee: i64,
    pub(crate) fee: i64,
    pub(crate) currency: String,
    pub(crate) description: Option<String>,
    pub(crate) reporting_category: String,
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) type_: BalanceTransactionType,
}

impl Resource for BalanceTransaction {
    const KIND: &'static str = "balance_transaction";

    fn id(&self) -> &str {
        &self.id
    }
}

impl BalanceTransaction {
    pub(crate) fn net(&self) -> i64 {
        self.amount - self.fee - self.application_fee
    }

    pub(crate) fn is_available(&self, now: Timestamp) -> bool {
        self.available_on_ms <= now.0
    }

    pub(crate) fn render(&self, now: Timestamp) -> Value {
        let stripe_fee = (self.fee != 0).then(|| {
            let is_dispute = self.type_ == BalanceTransactionType::Adjustment;
            json!({
                "amount": self.fee,
                "application": null,
                "currency": self.currency,
                "description": if is_dispute { "Dispute fee" } else { "Stripe processing fees" },
                "type": "stripe_fee",
            })
        });
        let application_fee = (self.application_fee != 0).then(|| {
            json!({
                "amount": self.application_fee,
                "application": null,
                "currency": self.currency,
                "description": "Application fee",
                "type": "application_fee",
            })
        });
        let fee_details: Vec<Value> = application_fee.into_iter().chain(stripe_fee).collect();
        json!({
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": Timestamp(self.available_on_ms).seconds(),
            "balance_type": "payments",
            "created": self.created,
            "currency": self.currency,
            "description": self.description,
            "exchange_rate": null,
            "fee": self.fee + self.application_fee,
            "fee_details": fee_details,
            "net": self.net(),
            "reporting_category": self.reporting_category,
            "source": self.source,
            "status": if self.is_available(now) { "available" } else { "pending" },
            "type": self.type_,
        })
    }
}
