//! What a transfer is on the account that gets it: a charge that no customer made.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Sending;
use crate::ids;
use crate::resources::address::BillingDetails;
use crate::resources::balance_transactions::{self, BalanceTransactionType, Movement};
use crate::state::{Resource, Tx};

/// A payment by the platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DestinationPayment {
    pub(crate) id: String,
    pub(crate) created: i64,
    amount: i64,
    amount_refunded: i64,
    pub(crate) application_fee: Option<String>,
    application_fee_amount: Option<i64>,
    balance_transaction: Option<String>,
    currency: String,
    source_transfer: String,
    pub(crate) transfer_group: String,
}

impl Resource for DestinationPayment {
    const KIND: &'static str = "destination_payment";

    fn id(&self) -> &str {
        &self.id
    }
}

impl DestinationPayment {
    pub(super) fn new(transfer: &str, sending: &Sending<'_>, created: i64) -> Self {
        Self {
            id: ids::object("py"),
            created,
            amount: sending.amount,
            amount_refunded: 0,
            application_fee: None,
            application_fee_amount: Some(sending.application_fee).filter(|fee| *fee > 0),
            balance_transaction: None,
            currency: sending.currency.to_owned(),
            source_transfer: transfer.to_owned(),
            transfer_group: sending.transfer_group.to_owned(),
        }
    }

    /// It is the account's now, but for the platform's fee.
    pub(super) fn arrive(mut self, tx: &mut Tx<'_>) {
        let movement = Movement {
            type_: BalanceTransactionType::Payment,
            reporting_category: "charge",
            source: &self.id,
            amount: self.amount,
            fee: 0,
            currency: &self.currency,
            description: None,
            pends_for: balance_transactions::PENDING_TIME,
        };
        let fee = self.application_fee_amount.unwrap_or(0);
        self.balance_transaction = Some(balance_transactions::record_with_fee(tx, movement, fee));
        tx.put(self);
    }

    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount,
            "amount_refunded": self.amount_refunded,
            "application": null,
            "application_fee": self.application_fee,
            "application_fee_amount": self.application_fee_amount,
            "balance_transaction": self.balance_transaction,
            "billing_details": BillingDetails::default(),
            "calculated_statement_descriptor": null,
            "captured": true,
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "description": null,
            "disputed": false,
            "failure_balance_transaction": null,
            "failure_code": null,
            "failure_message": null,
            "fraud_details": {},
            "livemode": false,
            "metadata": {},
            "on_behalf_of": null,
            "outcome": null,
            "paid": true,
            "payment_intent": null,
            "payment_method": null,
            "payment_method_details": { "type": "stripe_account", "stripe_account": {} },
            "radar_options": {},
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": null,
            "refunded": self.amount_refunded == self.amount,
            "review": null,
            "shipping": null,
            "source": null,
            "source_transfer": self.source_transfer,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": "succeeded",
            "transfer_data": null,
            "transfer_group": self.transfer_group,
        })
    }
}

/// The platform takes a part back.
pub(super) fn take_back(tx: &mut Tx<'_>, id: &str, reversal: &str, amount: i64) {
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
    balance_transactions::record(tx, movement);
    payment.amount_refunded += amount;
    tx.emit("charge.refunded", payment.render());
    tx.put(payment);
}
