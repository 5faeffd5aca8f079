//! Rows of `products`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::catalog::Product;
use serde_json::Value;

use super::super::columns::{document, money, parse, read};
use super::super::dialect::Db;
use super::super::schema::products;
use crate::Error;

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = products, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct ProductRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) unit_amount: i64,
    pub(crate) currency: String,
    pub(crate) active: bool,
    pub(crate) stock: Option<i64>,
    pub(crate) seller_id: Option<String>,
    pub(crate) metadata: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ProductRow {
    pub(crate) fn from_product(product: &Product) -> Result<Self, Error> {
        Ok(Self {
            id: product.id.to_string(),
            name: product.name.clone(),
            description: product.description.clone(),
            unit_amount: product.unit_price.minor(),
            currency: product.unit_price.currency().to_string(),
            active: product.active,
            stock: product.stock.map(i64::from),
            seller_id: product.seller_id.as_ref().map(ToString::to_string),
            metadata: document("product", &product.metadata)?,
            created_at: product.created_at,
            updated_at: product.updated_at,
        })
    }

    pub(crate) fn read(self) -> Result<Product, Error> {
        Ok(Product {
            id: parse("product", &self.id)?,
            name: self.name,
            description: self.description,
            unit_price: money("product", self.unit_amount, &self.currency)?,
            active: self.active,
            // Released stock may add up to more than an order can hold.
            stock: self.stock.map(|left| u32::try_from(left).unwrap_or(u32::MAX)),
            seller_id: self.seller_id.as_deref().map(|id| parse("product", id)).transpose()?,
            metadata: read("product", self.metadata)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
