//! Products and their prices.

use serde_json::Value;

use crate::objects::price::Price;
use crate::objects::product::Product;
use crate::state::Tx;

/// Returns the prices of a product, newest first.
pub(crate) fn prices_for_product<'a>(tx: &'a Tx<'_>, product: &str) -> impl Iterator<Item = &'a Price> {
    tx.newest_first::<Price>().filter(move |price| price.product == product)
}

/// Stores a new price and emits its event.
pub(crate) fn add_price(tx: &mut Tx<'_>, price: Price) {
    let rendered = price.render();
    tx.put(price);
    tx.emit("price.created", rendered);
}

pub(crate) fn add_product(tx: &mut Tx<'_>, product: Product) -> Value {
    let rendered = product.render();
    tx.put(product);
    tx.emit("product.created", rendered.clone());
    rendered
}
