//! A few things to buy, for whoever tries the service out.

use chrono::Utc;
use quittance_domain::catalog::{Metadata, Product};
use quittance_domain::id::ProductId;
use quittance_domain::money::Money;
use quittance_persistence::{Cursor, Shelf, Store};
use uuid::Uuid;

use crate::error::Error;

/// Names, descriptions, prices in cents, and how many there are, where they are counted: so few that the shop says it.
const DEMO: [(&str, &str, i64, Option<u32>); 4] = [
    ("Pour-over kettle", "Gooseneck, 0.9 l, brushed steel", 6_400, None),
    ("Ceramic dripper", "For one or two cups, matt white", 2_250, None),
    ("Paper filters", "100 pieces, unbleached", 490, None),
    ("Filter coffee, Huila", "250 g, roasted this week: panela, red apple", 1_180, Some(5)),
];

/// Puts demo products into an empty catalogue.
pub(crate) async fn seed(store: &Store) -> Result<(), Error> {
    let any = Cursor { limit: 1, starting_after: None };
    if !store.products(Shelf::All, any).await?.data.is_empty() {
        return Ok(());
    }
    let eur = "eur".parse().expect("the euro is a currency");
    for (name, description, unit_amount, stock) in DEMO.into_iter().rev() {
        let now = Utc::now();
        let product = Product {
            id: ProductId::from_uuid(Uuid::now_v7()),
            name: name.to_owned(),
            description: Some(description.to_owned()),
            unit_price: Money::new(unit_amount, eur).expect("a demo price is a price"),
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
