//! Placing orders, and changing what was placed.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Product;
use quittance_domain::id::{ProductId, SellerId};
use quittance_domain::money::Money;
use quittance_domain::order::{Line, Order, OrderStatus, PricingError, Quantity, price};
use quittance_domain::seller::SellerTerms;

use super::super::dialect::{Conn, for_update};
use super::super::{Database, batch};
use super::locked_order::{LockedOrder, LockedOrders};
use super::persist::{Changes, told_of_new};
use super::replies::store_reply;
use super::rows::{Hold, OrderRow, ProductRow, document, instant};
use super::schema::{address_locks, orders, products, sellers};
use super::seller_rows::SellerRow;
use super::stock::{self, Counts, Taken};
use crate::Error;
use crate::model::{
    ChangeOrderOutcome, Completion, CustomerChange, NewOrder, OrderChange, PlaceOrderOutcome, Shortage,
};

/// How long an unpaid order counts against the client that placed it.
const OPEN_ORDER_WINDOW: Duration = Duration::minutes(35);

/// How many rows there are of which an address takes one.
const ADDRESS_LOCKS: u32 = 64;

/// What is bought.
type Items = [(ProductId, Quantity)];

impl Database {
    pub(crate) async fn place_order(
        &self,
        new: NewOrder,
        completion: Option<Completion<Order>>,
    ) -> Result<PlaceOrderOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            if let Some(address) = &new.client_address {
                wait_for_turn(conn, address).await?;
                if open_orders(conn, address, new.now).await? >= limits.max_open_orders {
                    return Ok(PlaceOrderOutcome::TooManyOpenOrders);
                }
            }
            let priced = match price_of(conn, &new.items).await? {
                Ok(priced) => priced,
                Err(error) => return Ok(PlaceOrderOutcome::Unpriced(error)),
            };
            let (holds, emptied) = match stock::exchange(conn, &Counts::new(), &priced.wanted).await? {
                Taken::All { holds, emptied } => (holds, emptied),
                Taken::Short(left) => return Ok(PlaceOrderOutcome::OutOfStock(shortages(&new.items, &left))),
            };
            let outbox = told_of_new(&new.id, emptied, new.now);
            let version = outbox.last().map_or(1, |told| told.sequence);
            let row = OrderRow { version, ..new_row(&new, &priced, &holds)? };
            diesel::insert_into(orders::table).values(row.clone()).execute(conn).await?;
            batch::write(conn, Changes { outbox, ..Changes::default() }, Vec::new()).await?;
            let order = row.read(None)?;
            store_reply(conn, completion.as_ref(), &order).await?;
            Ok(PlaceOrderOutcome::Done(order))
        })
        .await
    }

    pub(crate) async fn change_order(&self, change: OrderChange) -> Result<ChangeOrderOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = LockedOrders::lock_one(conn, &change.id).await? else {
                return Ok(ChangeOrderOutcome::NotFound);
            };
            let status = locked.order.order_status()?;
            let changes_details = change.customer != CustomerChange::default() || change.shipping.is_some();
            if changes_details && !status.is_open() {
                return Ok(ChangeOrderOutcome::NotOpen(status));
            }
            if let Some(items) = &change.items {
                let is_closing = locked.history.closing.is_some();
                let live = locked.history.live_attempt();
                let is_fixed = live.is_some_and(|live| live.is_authorized() || live.is_processing());
                if !status.is_open() || is_closing || is_fixed {
                    return Ok(ChangeOrderOutcome::NotOpen(status));
                }
                if let Some(live) = live.map(|live| live.id.clone()) {
                    // What has no price, or is not left, closes no attempt.
                    if let Err(refused) = check_items(conn, &locked, items).await? {
                        return Ok(refused);
                    }
                    locked.abandon(&live);
                    locked.commit(conn, &limits, change.now).await?;
                    return Ok(ChangeOrderOutcome::CloseFirst(locked.at_work(&live, &limits)?));
                }
                if let Err(refused) = change_items(conn, &mut locked, items).await? {
                    return Ok(refused);
                }
            }
            change_words(&mut locked.order, &change, changes_details)?;
            store_words(conn, &locked.order).await?;
            Ok(ChangeOrderOutcome::Done(locked.commit(conn, &limits, change.now).await?))
        })
        .await
    }
}

/// Why the order can not have these items now, if it can not.
async fn check_items(
    conn: &mut Conn,
    locked: &LockedOrder,
    items: &Items,
) -> Result<Result<(), ChangeOrderOutcome>, Error> {
    let priced = match price_of(conn, items).await? {
        Ok(priced) => priced,
        Err(error) => return Ok(Err(ChangeOrderOutcome::Unpriced(error))),
    };
    let returned = stock::counts_of(&locked.order.holds()?);
    let counted = stock::counted(conn, &returned, &priced.wanted).await?;
    let left = stock::shortage(&counted, &returned, &priced.wanted);
    Ok(if left.is_empty() { Ok(()) } else { Err(ChangeOrderOutcome::OutOfStock(shortages(items, &left))) })
}

/// Prices the order anew, and takes what it now wants from the stock for what it had taken.
async fn change_items(
    conn: &mut Conn,
    locked: &mut LockedOrder,
    items: &Items,
) -> Result<Result<(), ChangeOrderOutcome>, Error> {
    let priced = match price_of(conn, items).await? {
        Ok(priced) => priced,
        Err(error) => return Ok(Err(ChangeOrderOutcome::Unpriced(error))),
    };
    let returned = stock::counts_of(&locked.order.holds()?);
    let order = &mut locked.order;
    match stock::exchange(conn, &returned, &priced.wanted).await? {
        Taken::Short(left) => return Ok(Err(ChangeOrderOutcome::OutOfStock(shortages(items, &left)))),
        Taken::All { holds, emptied } => {
            order.holds = document("order", &holds)?;
            locked.emptied.extend(emptied);
        }
    }
    order.lines = document("order", &priced.lines)?;
    order.amount_total = priced.total.minor();
    order.currency = priced.total.currency().to_string();
    order.sell_by(priced.seller_terms.as_ref());
    Ok(Ok(()))
}

fn change_words(order: &mut OrderRow, change: &OrderChange, changes_details: bool) -> Result<(), Error> {
    let customer = change.customer.clone();
    order.customer_email = customer.email.unwrap_or(order.customer_email.take());
    order.customer_name = customer.name.unwrap_or(order.customer_name.take());
    order.customer_reference = customer.reference.unwrap_or(order.customer_reference.take());
    if let Some(shipping) = &change.shipping {
        order.shipping = Some(document("order", shipping)?);
    }
    if let Some(metadata) = &change.metadata {
        order.metadata = document("order", metadata)?;
    }
    order.details_version += i64::from(changes_details);
    order.version += 1;
    order.updated_at = instant(change.now);
    Ok(())
}

/// Writes what only a change to the order's own words touches.
async fn store_words(conn: &mut Conn, order: &OrderRow) -> Result<(), Error> {
    diesel::update(orders::table.find(&order.id))
        .set((
            orders::lines.eq(&order.lines),
            orders::amount_total.eq(order.amount_total),
            orders::currency.eq(&order.currency),
            (
                orders::seller_id.eq(&order.seller_id),
                orders::seller_account.eq(&order.seller_account),
                orders::charge_type.eq(&order.charge_type),
                orders::application_fee.eq(order.application_fee),
            ),
            orders::holds.eq(&order.holds),
            orders::customer_email.eq(&order.customer_email),
            orders::customer_name.eq(&order.customer_name),
            orders::customer_reference.eq(&order.customer_reference),
            orders::shipping.eq(&order.shipping),
            orders::metadata.eq(&order.metadata),
            orders::details_version.eq(order.details_version),
            orders::version.eq(order.version),
            orders::updated_at.eq(order.updated_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// A basket with its price, through whom it is sold, and what it wants of the products that are counted.
struct Priced {
    lines: Vec<Line>,
    total: Money,
    seller_terms: Option<SellerTerms>,
    wanted: Counts,
}

async fn price_of(conn: &mut Conn, items: &Items) -> Result<Result<Priced, PricingError>, Error> {
    let catalogue = products_of(conn, items).await?;
    let items: Vec<_> =
        items.iter().map(|(id, quantity)| (catalogue.get(id.as_str()).cloned(), *quantity)).collect();
    let mut wanted = Counts::new();
    for (product, quantity) in &items {
        if let Some(product) = product.as_ref().filter(|product| product.stock.is_some()) {
            stock::count(&mut wanted, &product.id, i64::from(quantity.get()));
        }
    }
    let (lines, total) = match price(&items) {
        Ok(priced) => priced,
        Err(error) => return Ok(Err(error)),
    };
    // All of them are of one seller.
    let seller_id = items.iter().find_map(|(product, _)| product.as_ref()?.seller_id.as_ref());
    let seller_terms = match seller_id {
        Some(seller_id) => Some(terms_of(conn, seller_id, total).await?),
        None => None,
    };
    Ok(Ok(Priced { lines, total, seller_terms, wanted }))
}

/// On which terms a seller sells now something that costs this.
async fn terms_of(conn: &mut Conn, seller_id: &SellerId, total: Money) -> Result<SellerTerms, Error> {
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

async fn products_of(conn: &mut Conn, items: &Items) -> Result<HashMap<String, Product>, Error> {
    let ids: Vec<&str> = items.iter().map(|(id, _)| id.as_str()).collect();
    let rows: Vec<ProductRow> =
        products::table.filter(products::id.eq_any(ids)).select(ProductRow::as_select()).load(conn).await?;
    rows.into_iter().map(|row| Ok((row.id.clone(), row.read()?))).collect()
}

/// What there is too little of, each where it first stands.
fn shortages(items: &Items, left: &BTreeMap<String, i64>) -> Vec<Shortage> {
    let mut left = left.clone();
    let short = |(line, (product_id, _)): (usize, &(ProductId, Quantity))| {
        let available = left.remove(product_id.as_str())?;
        let available = u32::try_from(available).unwrap_or(0);
        Some(Shortage { line, product_id: product_id.clone(), available })
    };
    items.iter().enumerate().filter_map(short).collect()
}

/// Waits for others who place orders from this address, so that each counts what the one before placed.
async fn wait_for_turn(conn: &mut Conn, address: &str) -> Result<(), Error> {
    // FNV-1a: every process has to come to the same row.
    let hash = address
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let slot = i32::try_from(hash % ADDRESS_LOCKS).unwrap_or_default();
    let turn = for_update!(address_locks::table.find(slot).select(address_locks::slot));
    turn.first::<i32>(conn).await?;
    Ok(())
}

async fn open_orders(conn: &mut Conn, address: &str, now: DateTime<Utc>) -> Result<i64, Error> {
    let open = [OrderStatus::Pending, OrderStatus::PaymentFailed].map(OrderStatus::as_str);
    let count = orders::table
        .filter(orders::client_address.eq(address))
        .filter(orders::created_at.gt(now - OPEN_ORDER_WINDOW))
        .filter(orders::status.eq_any(open))
        .count()
        .get_result(conn)
        .await?;
    Ok(count)
}

fn new_row(new: &NewOrder, priced: &Priced, holds: &[Hold]) -> Result<OrderRow, Error> {
    let mut row = OrderRow {
        id: new.id.to_string(),
        lines: document("order", &priced.lines)?,
        amount_total: priced.total.minor(),
        currency: priced.total.currency().to_string(),
        seller_id: None,
        seller_account: None,
        charge_type: None,
        application_fee: None,
        customer_email: new.customer.email.clone(),
        customer_name: new.customer.name.clone(),
        customer_reference: new.customer.reference.clone(),
        shipping: new.shipping.as_ref().map(|shipping| document("order", shipping)).transpose()?,
        metadata: document("order", &new.metadata)?,
        client_address: new.client_address.clone(),
        status: OrderStatus::Pending.as_str().to_owned(),
        review_reason: None,
        amount_paid: 0,
        amount_refunded: 0,
        current_payment_id: None,
        closing: None,
        version: 1,
        outcome_version: 0,
        details_version: 1,
        holds: document("order", &holds)?,
        expires_at: instant(new.expires_at),
        check_at: Some(instant(new.expires_at)),
        has_refunds_or_disputes: false,
        created_at: instant(new.now),
        updated_at: instant(new.now),
    };
    row.sell_by(priced.seller_terms.as_ref());
    Ok(row)
}
