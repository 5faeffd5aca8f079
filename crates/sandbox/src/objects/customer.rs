//! Customers: <https://docs.stripe.com/api/customers>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::objects::address::{Address, Shipping};
use crate::storage::table::Resource;

/// A customer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) address: Option<Address>,
    pub(crate) description: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) shipping: Option<Shipping>,
    pub(crate) is_deleted: bool,
}

impl Resource for Customer {
    const KIND: &'static str = "customer";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Customer {
    pub(crate) fn render(&self) -> Value {
        if self.is_deleted {
            return json!({ "id": self.id, "object": "customer", "deleted": true });
        }
        json!({
            "id": self.id,
            "object": "customer",
            "address": self.address,
            "balance": 0,
            "created": self.created,
            "currency": null,
            "customer_account": null,
            "default_source": null,
            "delinquent": false,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_prefix": self.id[4..12].to_ascii_uppercase(),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": null,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": 1,
            "phone": self.phone,
            "preferred_locales": [],
            "shipping": self.shipping,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }
}
