//! What a Checkout Session sells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::ids;
use crate::params::{Change, Params};
use crate::resources::address::MAX_TEXT_CHARS;
use crate::resources::prices::{self, Price};
use crate::resources::products;

/// The most line items a Session has, as at Stripe.
const MAX_LINE_ITEMS: usize = 100;
const MAX_QUANTITY: i64 = 999_999_999;

/// Some of one product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LineItem {
    pub(crate) id: String,
    created: i64,
    price: String,
    product: String,
    currency: String,
    pub(crate) unit_amount: i64,
    pub(crate) quantity: i64,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) images: Vec<String>,
    metadata: BTreeMap<String, String>,
}

impl LineItem {
    pub(super) fn currency(&self) -> &str {
        &self.currency
    }

    pub(crate) fn total(&self) -> i64 {
        self.unit_amount.saturating_mul(self.quantity)
    }

    pub(crate) fn render(&self) -> Value {
        let amount = (self.currency.as_str(), self.unit_amount);
        let price = Price::of_line(&self.price, &self.product, self.created, amount);
        json!({
            "id": self.id,
            "object": "item",
            "adjustable_quantity": null,
            "amount_discount": 0,
            "amount_subtotal": self.total(),
            "amount_tax": 0,
            "amount_total": self.total(),
            "currency": self.currency,
            // As at Stripe, the product's name.
            "description": self.name,
            "metadata": {},
            "price": price.render(),
            "quantity": self.quantity,
        })
    }
}

/// Reads `line_items`, all of one currency.
pub(super) fn parse(params: &mut Params, now_seconds: i64) -> Result<Vec<LineItem>, ApiError> {
    let given = params.objects("line_items")?.unwrap_or_default();
    if given.is_empty() {
        return Err(params.missing("line_items"));
    }
    if given.len() > MAX_LINE_ITEMS {
        return Err(
            params.invalid("line_items", format!("You may pass at most {MAX_LINE_ITEMS} line items."))
        );
    }
    let mut items: Vec<LineItem> = Vec::with_capacity(given.len());
    for one in given {
        let item = parse_one(one, now_seconds)?;
        if let Some(first) = items.first().filter(|first| first.currency != item.currency) {
            return Err(params.invalid(
                "line_items",
                format!(
                    "All line items must have the same currency. You passed {} and {}.",
                    first.currency, item.currency
                ),
            ));
        }
        items.push(item);
    }
    Ok(items)
}

fn parse_one(mut item: Params, now_seconds: i64) -> Result<LineItem, ApiError> {
    item.refuse_unsupported(&["adjustable_quantity", "dynamic_tax_rates", "metadata", "price", "tax_rates"])?;
    let mut price = item.nested("price_data")?.ok_or_else(|| item.missing("price_data"))?;
    let quantity = item.required_integer("quantity")?;
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        return Err(item
            .invalid("quantity", format!("This value must be between 1 and {MAX_QUANTITY}."))
            .with_code("parameter_invalid_integer"));
    }
    item.finish()?;
    price.refuse_unsupported(&["product", "recurring", "tax_behavior", "unit_amount_decimal"])?;
    let (currency, unit_amount) = prices::read_amount(&mut price)?;
    let mut product = price.nested("product_data")?.ok_or_else(|| price.missing("product_data"))?;
    price.finish()?;
    product.refuse_unsupported(&["tax_code", "tax_details", "unit_label"])?;
    let name = product.required_string("name")?;
    let mut description = None;
    product.text("description", MAX_TEXT_CHARS)?.apply(&mut description);
    let images = match products::read_images(&mut product)? {
        Change::Set(images) => images,
        Change::Keep | Change::Unset => Vec::new(),
    };
    let mut metadata = BTreeMap::new();
    if let Some(change) = product.metadata()? {
        change.apply(&mut metadata)?;
    }
    product.finish()?;
    Ok(LineItem {
        id: ids::object("li"),
        created: now_seconds,
        price: ids::object("price"),
        product: ids::object("prod"),
        currency,
        unit_amount,
        quantity,
        name,
        description,
        images,
        metadata,
    })
}
