//! Stock: taken when an order is placed, released when it ends unpaid.
//!
//! Products are locked in ID order to avoid deadlocks.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::super::columns::parse;
use super::super::dialect::{Conn, for_update};
use super::super::rows::stock::{HeldStock, Quantities};
use super::super::schema::products;
use crate::Error;

/// The outcome of taking stock.
pub(crate) enum StockOutcome {
    /// All of the stock was taken.
    Taken {
        /// The quantities of counted products.
        held_stock: Vec<HeldStock>,
        /// Products with no stock left.
        sold_out: Vec<String>,
    },
    /// Nothing was taken. These products have too little stock; the values are the remaining stock.
    Short(BTreeMap<String, i64>),
}

/// Locks the products whose stock is counted, and returns their stock.
pub(crate) async fn lock_counted(
    conn: &mut Conn,
    released: &Quantities,
    wanted: &Quantities,
) -> Result<Vec<(String, i64)>, Error> {
    let ids: Vec<&String> = released.keys().chain(wanted.keys()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let counted = for_update!(
        products::table
            .filter(products::id.eq_any(ids))
            .filter(products::stock.is_not_null())
            .order(products::id.asc())
            .select((products::id, products::stock.assume_not_null()))
    )
    .load(conn)
    .await?;
    Ok(counted)
}

/// Returns the products with too little stock, and their remaining stock.
pub(crate) fn find_shortages(
    counted: &[(String, i64)],
    released: &Quantities,
    wanted: &Quantities,
) -> BTreeMap<String, i64> {
    let available = |(id, stock): &(String, i64)| stock + quantity_of(released, id);
    let is_short = |product: &&(String, i64)| available(product) < quantity_of(wanted, &product.0);
    counted.iter().filter(is_short).map(|product| (product.0.clone(), available(product))).collect()
}

fn quantity_of(quantities: &Quantities, id: &String) -> i64 {
    quantities.get(id).copied().unwrap_or(0)
}

/// Releases `released`, then takes all of `wanted` or nothing. Products without counted stock are always available.
pub(crate) async fn exchange(
    conn: &mut Conn,
    released: &Quantities,
    wanted: &Quantities,
) -> Result<StockOutcome, Error> {
    let counted = lock_counted(conn, released, wanted).await?;
    let short = find_shortages(&counted, released, wanted);
    if !short.is_empty() {
        return Ok(StockOutcome::Short(short));
    }
    let (mut held_stock, mut sold_out) = (Vec::new(), Vec::new());
    for (id, stock) in &counted {
        let quantity = quantity_of(wanted, id);
        let left = stock + quantity_of(released, id) - quantity;
        if left != *stock {
            diesel::update(products::table.find(id))
                .set(products::stock.eq(Some(left)))
                .execute(conn)
                .await?;
        }
        if quantity > 0 {
            held_stock.push(HeldStock { product_id: parse("product", id)?, quantity });
        }
        if left == 0 && *stock > 0 {
            sold_out.push(id.clone());
        }
    }
    Ok(StockOutcome::Taken { held_stock, sold_out })
}

/// Returns the stock of closed orders.
pub(crate) async fn release(conn: &mut Conn, released: &Quantities) -> Result<(), Error> {
    for (id, number) in released {
        diesel::update(products::table.find(id).filter(products::stock.is_not_null()))
            .set(products::stock.eq(products::stock + Some(*number)))
            .execute(conn)
            .await?;
    }
    Ok(())
}
