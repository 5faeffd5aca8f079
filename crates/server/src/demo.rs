//! Demo products for sandbox mode.

use chrono::Utc;
use quittance_domain::catalog::{Metadata, Product};
use quittance_domain::id::ProductId;
use quittance_domain::money::Money;
use quittance_persistence::{Cursor, ProductVisibility, Store};
use uuid::Uuid;

use crate::error::Error;

/// Name, description, price in cents and stock of each product. The counted stock is low enough for the demo shop to
/// show it.
const PRODUCTS: [(&str, &str, i64, Option<u32>); 4] = [
    ("Pour-over kettle", "Gooseneck, 0.9 l, brushed steel", 6_400, None),
    ("Ceramic dripper", "For one or two cups, matt white", 2_250, None),
    ("Paper filters", "100 pieces, unbleached", 490, None),
    ("Filter coffee, Huila", "250 g, roasted this week: panela, red apple", 1_180, Some(5)),
];

/// Adds the demo products to an empty catalog.
pub(crate) async fn seed(store: &Store) -> Result<(), Error> {
    let first = Cursor { limit: 1, starting_after: None };
    if !store.products(ProductVisibility::All, first).await?.data.is_empty() {
        return Ok(());
    }
    let eur = "eur".parse().expect("the euro is a supported currency");
    for (name, description, unit_amount, stock) in PRODUCTS.into_iter().rev() {
        let now = Utc::now();
        let product = Product {
            id: ProductId::from_uuid(Uuid::now_v7()),
            name: name.to_owned(),
            description: Some(description.to_owned()),
            unit_price: Money::new(unit_amount, eur).expect("demo prices are valid amounts"),
            active: true,
            stock,
            seller_id: None,
            metadata: Metadata::new(),
            created_at: now,
            updated_at: now,
        };
        store.insert_product(product, None).await?;
    }
    Ok(())
}
