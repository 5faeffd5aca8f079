//! One-time prices of products: <https://docs.stripe.com/api/prices>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::string_enum::words;
use crate::storage::table::Resource;

words! {
    /// Whether taxes are part of a price.
    TaxBehavior { Exclusive = "exclusive", Inclusive = "inclusive", Unspecified = "unspecified" }
}

words! {
    /// Whether a price is paid once or again and again. Those of the sandbox are paid once.
    PriceType { OneTime = "one_time", Recurring = "recurring" }
}

words! {
    /// How a price grows with the quantity.
    BillingScheme { PerUnit = "per_unit", Tiered = "tiered" }
}

/// What one unit of a product costs.
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
    /// A price that Checkout makes of what one line costs: nobody else can use it.
    pub(crate) fn of_line(
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

    /// Whether it can be what `product` costs by default.
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
