//! The state of an order in Stripe's objects. Every order must end in this state.

use serde_json::Value;

use crate::client::Client;
use crate::environment::Environment;
use crate::storefront::{AMOUNT, Storefront};

/// Stripe's objects, oldest first.
pub(crate) struct StripeObjects {
    intents: Vec<Value>,
    charges: Vec<Value>,
    refunds: Vec<Value>,
    disputes: Vec<Value>,
    /// The platform's fees from sellers' orders.
    fees: Vec<Value>,
    /// The transfers to sellers.
    transfers: Vec<Value>,
}

/// Stripe's objects of one order.
#[derive(Debug)]
pub(crate) struct OrderObjects<'a> {
    pub(crate) intents: Vec<&'a Value>,
    pub(crate) charges: Vec<&'a Value>,
    pub(crate) refunds: Vec<&'a Value>,
    disputes: Vec<&'a Value>,
    fees: Vec<&'a Value>,
    transfers: Vec<&'a Value>,
}

impl StripeObjects {
    /// Reads the objects of a shop's orders: payments on the account that charges the customers, and fees and transfers
    /// on the platform's account.
    pub(crate) async fn read(env: &Environment<'_>, shop: &Storefront) -> Self {
        let list = async |stripe: &Client, path| {
            let mut list = stripe.list(path).await;
            list.reverse();
            list
        };
        Self {
            intents: list(&shop.stripe, "/v1/payment_intents").await,
            charges: list(&shop.stripe, "/v1/charges").await,
            refunds: list(&shop.stripe, "/v1/refunds").await,
            disputes: list(&shop.stripe, "/v1/disputes").await,
            fees: list(&env.stripe, "/v1/application_fees").await,
            transfers: list(&env.stripe, "/v1/transfers").await,
        }
    }

    pub(crate) fn for_order(&self, order_id: &str) -> OrderObjects<'_> {
        let ours = |intent: &&Value| intent["metadata"]["order_id"] == order_id;
        let intents: Vec<&Value> = self.intents.iter().filter(ours).collect();
        let of_ours = |list: &'_ [Value]| -> Vec<usize> {
            let is_ours =
                |object: &Value| intents.iter().any(|intent| intent["id"] == object["payment_intent"]);
            (0..list.len()).filter(|place| is_ours(&list[*place])).collect()
        };
        let charges: Vec<&Value> =
            of_ours(&self.charges).into_iter().map(|place| &self.charges[place]).collect();
        let of_charges = |fields: &[&str], object: &Value| {
            fields.iter().any(|field| charges.iter().any(|charge| charge["id"] == object[*field]))
        };
        // The fee of a destination charge belongs to the payment on the seller's account, which originates from the
        // charge.
        let of_fees = ["charge", "originating_transaction"];
        OrderObjects {
            fees: self.fees.iter().filter(|fee| of_charges(&of_fees, fee)).collect(),
            transfers: self
                .transfers
                .iter()
                .filter(|transfer| of_charges(&["source_transaction"], transfer))
                .collect(),
            charges,
            refunds: of_ours(&self.refunds).into_iter().map(|place| &self.refunds[place]).collect(),
            disputes: of_ours(&self.disputes).into_iter().map(|place| &self.disputes[place]).collect(),
            intents,
        }
    }
}

impl OrderObjects<'_> {
    /// Returns the amount received.
    pub(crate) fn received(&self) -> i64 {
        self.intents.iter().map(|intent| amount(&intent["amount_received"])).sum()
    }

    /// Returns the amount refunded, including pending refunds.
    pub(crate) fn refunded(&self) -> i64 {
        let came_to_nothing =
            |refund: &&&Value| refund["status"] == "failed" || refund["status"] == "canceled";
        self.refunds
            .iter()
            .filter(|refund| !came_to_nothing(refund))
            .map(|refund| amount(&refund["amount"]))
            .sum()
    }

    /// Returns the platform's fee after refunds.
    pub(crate) fn fee(&self) -> i64 {
        self.fees.iter().map(|fee| amount(&fee["amount"]) - amount(&fee["amount_refunded"])).sum()
    }

    /// Returns the amount transferred to the seller after reversals.
    pub(crate) fn transferred(&self) -> i64 {
        let left = |transfer: &&Value| amount(&transfer["amount"]) - amount(&transfer["amount_reversed"]);
        self.transfers.iter().map(left).sum()
    }

    /// Returns the number of successful payments.
    pub(crate) fn successes(&self) -> usize {
        self.charges.iter().filter(|charge| charge["status"] == "succeeded").count()
    }

    /// Returns the order status that follows from these objects. Stripe doesn't know whether an unpaid order has ended:
    /// that is `unpaid`.
    pub(crate) fn status(&self) -> &'static str {
        let any = |statuses: &[&str]| {
            let is = |dispute: &Value| statuses.iter().any(|status| dispute["status"] == *status);
            self.disputes.iter().any(|dispute| is(dispute))
        };
        let is_any = |status: &str| self.intents.iter().any(|intent| intent["status"] == status);
        let is_declined = self.charges.last().is_some_and(|charge| charge["status"] == "failed");
        if is_any("succeeded") {
            return if any(&["lost"]) {
                "charged_back"
            } else if any(&[
                "needs_response",
                "under_review",
                "warning_needs_response",
                "warning_under_review",
            ]) {
                "disputed"
            } else if self.refunded() >= AMOUNT {
                "refunded"
            } else if self.refunded() > 0 {
                "partially_refunded"
            } else {
                "paid"
            };
        }
        match () {
            () if is_any("requires_capture") => "authorized",
            () if is_any("processing") => "processing",
            () if is_declined => "payment_failed",
            () => "unpaid",
        }
    }
}

fn amount(value: &Value) -> i64 {
    value.as_i64().expect("an amount")
}
