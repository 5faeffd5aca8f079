//! The payment that a transfer creates on the destination account: a charge without a customer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::objects::address::BillingDetails;
use crate::objects::transfer::TransferRequest;
use crate::storage::ids;
use crate::storage::table::Resource;

/// A payment from the platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DestinationPayment {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) application_fee: Option<String>,
    pub(crate) application_fee_amount: Option<i64>,
    pub(crate) balance_transaction: Option<String>,
    pub(crate) currency: String,
    pub(crate) source_transfer: String,
    pub(crate) transfer_group: String,
}

impl Resource for DestinationPayment {
    const KIND: &'static str = "destination_payment";

    fn id(&self) -> &str {
        &self.id
    }
}

impl DestinationPayment {
    pub(crate) fn new(transfer: &str, request: &TransferRequest<'_>, created: i64) -> Self {
        Self {
            id: ids::object("py"),
            created,
            amount: request.amount,
            amount_refunded: 0,
            application_fee: None,
            application_fee_amount: Some(request.application_fee).filter(|fee| *fee > 0),
            balance_transaction: None,
            currency: request.currency.to_owned(),
            source_transfer: transfer.to_owned(),
            transfer_group: request.transfer_group.to_owned(),
        }
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
