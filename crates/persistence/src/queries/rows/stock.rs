//! Quantities of products whose stock is counted.

use std::collections::BTreeMap;

use quittance_domain::id::ProductId;
use serde::{Deserialize, Serialize};

/// The quantity of a counted product that an order holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldStock {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: i64,
}

/// Quantities by product ID.
pub(crate) type Quantities = BTreeMap<String, i64>;

/// Adds a quantity of a product.
pub(crate) fn add_quantity(quantities: &mut Quantities, product_id: &ProductId, number: i64) {
    *quantities.entry(product_id.to_string()).or_default() += number;
}

/// Sums the held quantities per product.
pub(crate) fn quantities_of(held_stock: &[HeldStock]) -> Quantities {
    let mut quantities = Quantities::new();
    for held in held_stock {
        add_quantity(&mut quantities, &held.product_id, held.quantity);
    }
    quantities
}
