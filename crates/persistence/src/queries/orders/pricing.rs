//! Pricing order items from the catalog.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Product;
use quittance_domain::id::{ProductId, SellerId};
use quittance_domain::money::Money;
use quittance_domain::order::{Line, PricingError, Quantity, price};
use quittance_domain::seller::SellerTerms;

use super::super::dialect::Conn;
use super::super::rows::products::ProductRow;
use super::super::rows::sellers::SellerRow;
use super::super::rows::stock::{Quantities, add_quantity};
use super::super::schema::{products, sellers};
use crate::Error;
use crate::model::Shortage;

/// Products and quantities.
pub(super) type Items = [(ProductId, Quantity)];

/// Priced items, their seller terms, and the quantities of products with counted stock.
pub(super) struct PricedItems {
    pub(super) lines: Vec<Line>,
    pub(super) total: Money,
    pub(super) seller_terms: Option<SellerTerms>,
    pub(super) wanted: Quantities,
}

pub(super) async fn price_items(
    conn: &mut Conn,
    items: &Items,
) -> Result<Result<PricedItems, PricingError>, Error> {
    let catalog = load_products(conn, items).await?;
    let items: Vec<_> =
        items.iter().map(|(id, quantity)| (catalog.get(id.as_str()).cloned(), *quantity)).collect();
    let mut wanted = Quantities::new();
    for (product, quantity) in &items {
        if let Some(product) = product.as_ref().filter(|product| product.stock.is_some()) {
            add_quantity(&mut wanted, &product.id, i64::from(quantity.get()));
        }
    }
    let (lines, total) = match price(&items) {
        Ok(priced) => priced,
        Err(error) => return Ok(Err(error)),
    };
    // All items have the same seller.
    let seller_id = items.iter().find_map(|(product, _)| product.as_ref()?.seller_id.as_ref());
    let seller_terms = match seller_id {
        Some(seller_id) => Some(seller_terms_for(conn, seller_id, total).await?),
        None => None,
    };
    Ok(Ok(PricedItems { lines, total, seller_terms, wanted }))
}

/// Returns the terms of a seller for this total.
async fn seller_terms_for(conn: &mut Conn, seller_id: &SellerId, total: Money) -> Result<SellerTerms, Error> {
    let row: SellerRow =
        sellers::table.find(seller_id.as_str()).select(SellerRow::as_select()).first(conn).await?;
    let seller = row.read()?;
    let account_id =
        seller.account_id.ok_or_else(|| Error::corrupt("product", "its seller has no account"))?;
    Ok(SellerTerms {
        application_fee: seller.fee.fee_for(total),
        charge_type: seller.charge_type,
        seller_id: seller.id,
        account_id,
    })
}

async fn load_products(conn: &mut Conn, items: &Items) -> Result<HashMap<String, Product>, Error> {
    let ids: Vec<&str> = items.iter().map(|(id, _)| id.as_str()).collect();
    let rows: Vec<ProductRow> =
        products::table.filter(products::id.eq_any(ids)).select(ProductRow::as_select()).load(conn).await?;
    rows.into_iter().map(|row| Ok((row.id.clone(), row.read()?))).collect()
}

/// Returns the products with too little stock, each at its first item.
pub(super) fn shortages(items: &Items, left: &BTreeMap<String, i64>) -> Vec<Shortage> {
    let mut left = left.clone();
    let short = |(line, (product_id, _)): (usize, &(ProductId, Quantity))| {
        let available = left.remove(product_id.as_str())?;
        let available = u32::try_from(available).unwrap_or(0);
        Some(Shortage { line, product_id: product_id.clone(), available })
    };
    items.iter().enumerate().filter_map(short).collect()
}
