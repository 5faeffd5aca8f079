//! One-time prices of products: <https://docs.stripe.com/api/prices>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::string_enum::string_enum;
use crate::storage::table::Resource;

string_enum! {
    /// Whether the price includes taxes.
    TaxBehavior { Exclusive = "exclusive", Inclusive = "inclusive", Unspecified = "unspecified" }
}

string_enum! {
    /// Whether a price recurs. The sandbox has one-time prices only.
    PriceType { OneTime = "one_time", Recurring = "recurring" }
}

string_enum! {
    /// The relation of price and quantity.
    BillingScheme { PerUnit = "per_unit", Tiered = "tiered" }
}

/// The price of one unit of a product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) active: bool,
    pub(crate) currency: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) nickname: Option<String>,
    pub(crate) product: String,
    pub(crate) tax_behavior: TaxBehavior,
    pub(crate) unit_amount: i64,
}

impl Resource for Price {
    const KIND: &'static str = "price";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Price {
    /// Creates the inactive price that Checkout makes for a line item.
    pub(crate) fn for_line_item(
        id: &str,
        product: &str,
        created: i64,
        (currency, unit_amount): (&str, i64),
    ) -> Self {
        Self {
            id: id.to_owned(),
            created,
            active: false,
            currency: currency.to_owned(),
            metadata: BTreeMap::new(),
            nickname: None,
            product: product.to_owned(),
            tax_behavior: TaxBehavior::Unspecified,
            unit_amount,
        }
    }

    /// Returns whether it can be the default price of `product`.
    pub(crate) fn is_offered_for(&self, product: &str) -> bool {
        self.active && self.product == product
    }

    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "billing_scheme": BillingScheme::PerUnit,
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": null,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": null,
            "tax_behavior": self.tax_behavior,
            "tiers_mode": null,
            "transform_quantity": null,
            "type": PriceType::OneTime,
            "unit_amount": self.unit_amount,
            "unit_amount_decimal": self.unit_amount.to_string(),
        })
    }
}
