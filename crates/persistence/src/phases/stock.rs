//! Stock: taken when an order is placed, given back when it ends unpaid.
//!
//! Products are locked in the order of their ids, so that no two phases wait for each other.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::ProductId;

use super::super::dialect::{Conn, for_update};
use super::rows::{Hold, parse};
use super::schema::products;
use crate::Error;

/// How many of each product, by its id.
pub(crate) type Counts = BTreeMap<String, i64>;

/// What became of the wish to take from the stock.
pub(super) enum Taken {
    /// All of it was taken.
    All {
        /// What was counted of it.
        holds: Vec<Hold>,
        /// Products of which nothing is left now.
        emptied: Vec<String>,
    },
    /// There were too few of these, with what is left of them; nothing was taken.
    Short(BTreeMap<String, i64>),
}

/// So many of a product in its place: lines of one product add up.
pub(super) fn count(counts: &mut Counts, product_id: &ProductId, number: i64) {
    *counts.entry(product_id.to_string()).or_default() += number;
}

/// What these holds are of each product.
pub(super) fn counts_of(holds: &[Hold]) -> Counts {
    let mut counts = Counts::new();
    for hold in holds {
        count(&mut counts, &hold.product_id, hold.quantity);
    }
    counts
}

/// How many there are of those products that are counted, which stay as they are until the transaction ends.
pub(super) async fn counted(
    conn: &mut Conn,
    returned: &Counts,
    wanted: &Counts,
) -> Result<Vec<(String, i64)>, Error> {
    let ids: Vec<&String> = returned.keys().chain(wanted.keys()).collect();
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

/// Of which products too few are left, and how many there are.
pub(super) fn shortage(
    counted: &[(String, i64)],
    returned: &Counts,
    wanted: &Counts,
) -> BTreeMap<String, i64> {
    let available = |(id, stock): &(String, i64)| stock + number(returned, id);
    let is_short = |product: &&(String, i64)| available(product) < number(wanted, &product.0);
    counted.iter().filter(is_short).map(|product| (product.0.clone(), available(product))).collect()
}

fn number(counts: &Counts, id: &String) -> i64 {
    counts.get(id).copied().unwrap_or(0)
}

/// Takes all that is wanted, or nothing; `returned` is given back before. What is not counted can always be had.
pub(super) async fn exchange(conn: &mut Conn, returned: &Counts, wanted: &Counts) -> Result<Taken, Error> {
    let counted = counted(conn, returned, wanted).await?;
    let short = shortage(&counted, returned, wanted);
    if !short.is_empty() {
        return Ok(Taken::Short(short));
    }
    let (mut holds, mut emptied) = (Vec::new(), Vec::new());
    for (id, stock) in &counted {
        let quantity = number(wanted, id);
        let left = stock + number(returned, id) - quantity;
        if left != *stock {
            diesel::update(products::table.find(id))
                .set(products::stock.eq(Some(left)))
                .execute(conn)
                .await?;
        }
        if quantity > 0 {
            holds.push(Hold { product_id: parse("product", id)?, quantity });
        }
        if left == 0 && *stock > 0 {
            emptied.push(id.clone());
        }
    }
    Ok(Taken::All { holds, emptied })
}

/// Gives back what ended orders had taken.
pub(super) async fn give_back(conn: &mut Conn, returned: &Counts) -> Result<(), Error> {
    for (id, number) in returned {
        diesel::update(products::table.find(id).filter(products::stock.is_not_null()))
            .set(products::stock.eq(products::stock + Some(*number)))
            .execute(conn)
            .await?;
    }
    Ok(())
}
