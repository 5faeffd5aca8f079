//! Line items of Checkout Sessions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::objects::price::Price;

/// A product and the quantity to buy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LineItem {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) price: String,
    pub(crate) product: String,
    pub(crate) currency: String,
    pub(crate) unit_amount: i64,
    pub(crate) quantity: i64,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) images: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl LineItem {
    pub(crate) fn currency(&self) -> &str {
        &self.currency
    }

    pub(crate) fn total(&self) -> i64 {
        self.unit_amount.saturating_mul(self.quantity)
    }

    pub(crate) fn render(&self) -> Value {
        let amount = (self.currency.as_str(), self.unit_amount);
        let price = Price::for_line_item(&self.price, &self.product, self.created, amount);
        json!({
            "id": self.id,
            "object": "item",
            "adjustable_quantity": null,
            "amount_discount": 0,
            "amount_subtotal": self.total(),
            "amount_tax": 0,
            "amount_total": self.total(),
            "currency": self.currency,
            // Like Stripe, uses the product's name.
            "description": self.name,
            "metadata": {},
            "price": price.render(),
            "quantity": self.quantity,
        })
    }
}
