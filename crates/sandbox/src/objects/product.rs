//! Products: <https://docs.stripe.com/api/products>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::string_enum::string_enum;
use crate::storage::ids;
use crate::storage::table::Resource;

string_enum! {
    /// The type of a product. `good` belonged to Stripe's former Orders API.
    ProductType { Good = "good", Service = "service" }
}

/// A product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) active: bool,
    pub(crate) default_price: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) images: Vec<String>,
    pub(crate) marketing_features: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) name: String,
    pub(crate) shippable: Option<bool>,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) tax_code: Option<String>,
    pub(crate) type_: ProductType,
    pub(crate) unit_label: Option<String>,
    pub(crate) url: Option<String>,
}

impl Resource for Product {
    const KIND: &'static str = "product";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Product {
    pub(crate) fn new(name: String, type_: ProductType, now_seconds: i64) -> Self {
        Self {
            id: format!("prod_{}", ids::random(14)),
            created: now_seconds,
            updated: now_seconds,
            active: true,
            default_price: None,
            description: None,
            images: Vec::new(),
            marketing_features: Vec::new(),
            metadata: BTreeMap::new(),
            name,
            shippable: None,
            statement_descriptor: None,
            tax_code: None,
            type_,
            unit_label: None,
            url: None,
        }
    }

    pub(crate) fn render(&self) -> Value {
        let features: Vec<Value> =
            self.marketing_features.iter().map(|name| json!({ "name": name })).collect();
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": self.default_price,
            "description": self.description,
            "images": self.images,
            "livemode": false,
            "marketing_features": features,
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": null,
            "shippable": self.shippable,
            "statement_descriptor": self.statement_descriptor,
            "tax_code": self.tax_code,
            "tax_details": null,
            "type": self.type_,
            "unit_label": self.unit_label,
            "updated": self.updated,
            "url": self.url,
        })
    }
}
