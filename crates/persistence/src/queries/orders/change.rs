//! Changing orders.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::super::Database;
use super::super::catalog::stock::{self, StockOutcome};
use super::super::columns::{document, instant};
use super::super::dialect::Conn;
use super::super::rows::orders::OrderRow;
use super::super::rows::stock::quantities_of;
use super::super::schema::orders;
use super::locked_order::{LockedOrder, LockedOrders};
use super::pricing::{Items, price_items, shortages};
use crate::Error;
use crate::model::{ChangeOrderOutcome, CustomerChange, OrderChange};

impl Database {
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
                    // Items without a price or stock close no attempt.
                    if let Err(refused) = check_items(conn, &locked, items).await? {
                        return Ok(refused);
                    }
                    locked.abandon(&live);
                    locked.commit(conn, &limits, change.now).await?;
                    return Ok(ChangeOrderOutcome::CloseFirst(locked.pending_attempt(&live, &limits)?));
                }
                if let Err(refused) = change_items(conn, &mut locked, items).await? {
                    return Ok(refused);
                }
            }
            set_details(&mut locked.order, &change, changes_details)?;
            store_details(conn, &locked.order).await?;
            Ok(ChangeOrderOutcome::Done(locked.commit(conn, &limits, change.now).await?))
        })
        .await
    }
}

/// Checks whether the order can have these items now.
async fn check_items(
    conn: &mut Conn,
    locked: &LockedOrder,
    items: &Items,
) -> Result<Result<(), ChangeOrderOutcome>, Error> {
    let priced = match price_items(conn, items).await? {
        Ok(priced) => priced,
        Err(error) => return Ok(Err(ChangeOrderOutcome::PricingFailed(error))),
    };
    let released = quantities_of(&locked.order.held_stock()?);
    let counted = stock::lock_counted(conn, &released, &priced.wanted).await?;
    let left = stock::find_shortages(&counted, &released, &priced.wanted);
    Ok(if left.is_empty() { Ok(()) } else { Err(ChangeOrderOutcome::OutOfStock(shortages(items, &left))) })
}

/// Prices the new items, and exchanges the held stock.
async fn change_items(
    conn: &mut Conn,
    locked: &mut LockedOrder,
    items: &Items,
) -> Result<Result<(), ChangeOrderOutcome>, Error> {
    let priced = match price_items(conn, items).await? {
        Ok(priced) => priced,
        Err(error) => return Ok(Err(ChangeOrderOutcome::PricingFailed(error))),
    };
    let released = quantities_of(&locked.order.held_stock()?);
    let order = &mut locked.order;
    match stock::exchange(conn, &released, &priced.wanted).await? {
        StockOutcome::Short(left) => return Ok(Err(ChangeOrderOutcome::OutOfStock(shortages(items, &left)))),
        StockOutcome::Taken { held_stock, sold_out } => {
            order.held_stock = document("order", &held_stock)?;
            locked.sold_out.extend(sold_out);
        }
    }
    order.lines = document("order", &priced.lines)?;
    order.amount_total = priced.total.minor();
    order.currency = priced.total.currency().to_string();
    order.set_seller_terms(priced.seller_terms.as_ref());
    Ok(Ok(()))
}

fn set_details(order: &mut OrderRow, change: &OrderChange, changes_details: bool) -> Result<(), Error> {
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

/// Writes the columns that only a change of the order touches.
async fn store_details(conn: &mut Conn, order: &OrderRow) -> Result<(), Error> {
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
            orders::held_stock.eq(&order.held_stock),
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
