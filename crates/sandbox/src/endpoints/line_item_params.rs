//! Line items of new Checkout Sessions.

use std::collections::BTreeMap;

use crate::endpoints::{price_params, product_params};
use crate::http::error::ApiError;
use crate::http::params::{Change, MAX_TEXT_CHARS, Params};
use crate::objects::line_item::LineItem;
use crate::storage::ids;

/// The maximum number of line items, as in Stripe.
const MAX_LINE_ITEMS: usize = 100;

const MAX_QUANTITY: i64 = 999_999_999;

/// Reads `line_items`. All must have the same currency.
pub(crate) fn parse(params: &mut Params, now_seconds: i64) -> Result<Vec<LineItem>, ApiError> {
    let entries = params.objects("line_items")?.unwrap_or_default();
    if entries.is_empty() {
        return Err(params.missing("line_items"));
    }
    if entries.len() > MAX_LINE_ITEMS {
        return Err(
            params.invalid("line_items", format!("You may pass at most {MAX_LINE_ITEMS} line items."))
        );
    }
    let mut items: Vec<LineItem> = Vec::with_capacity(entries.len());
    for entry in entries {
        let item = parse_line_item(entry, now_seconds)?;
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

fn parse_line_item(mut item: Params, now_seconds: i64) -> Result<LineItem, ApiError> {
    item.reject_unsupported(&["adjustable_quantity", "dynamic_tax_rates", "metadata", "price", "tax_rates"])?;
    let mut price = item.nested("price_data")?.ok_or_else(|| item.missing("price_data"))?;
    let quantity = item.required_integer("quantity")?;
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        return Err(item
            .invalid("quantity", format!("This value must be between 1 and {MAX_QUANTITY}."))
            .with_code("parameter_invalid_integer"));
    }
    item.finish()?;
    price.reject_unsupported(&["product", "recurring", "tax_behavior", "unit_amount_decimal"])?;
    let (currency, unit_amount) = price_params::parse_amount(&mut price)?;
    let mut product = price.nested("product_data")?.ok_or_else(|| price.missing("product_data"))?;
    price.finish()?;
    product.reject_unsupported(&["tax_code", "tax_details", "unit_label"])?;
    let name = product.required_string("name")?;
    let mut description = None;
    product.text("description", MAX_TEXT_CHARS)?.apply(&mut description);
    let images = match product_params::parse_images(&mut product)? {
        Change::Set(images) => images,
        Change::Unchanged | Change::Unset => Vec::new(),
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
