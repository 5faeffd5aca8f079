//! Placing orders.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::order::{Order, OrderStatus};

use super::super::catalog::stock::{self, StockOutcome};
use super::super::changes::Changes;
use super::super::columns::{document, instant};
use super::super::dialect::{Conn, for_update};
use super::super::idempotency_keys::store_reply;
use super::super::rows::orders::OrderRow;
use super::super::rows::stock::{HeldStock, Quantities};
use super::super::schema::{address_locks, orders};
use super::super::{Database, batch};
use super::persist::order_created_events;
use super::pricing::{PricedItems, price_items, shortages};
use crate::Error;
use crate::model::{Completion, NewOrder, PlaceOrderOutcome};

/// The time for which an unpaid order counts against its client's limit.
const OPEN_ORDER_WINDOW: Duration = Duration::minutes(35);

/// The number of rows in `address_locks`.
const ADDRESS_LOCKS: u32 = 64;

impl Database {
    pub(crate) async fn place_order(
        &self,
        new: NewOrder,
        completion: Option<Completion<Order>>,
    ) -> Result<PlaceOrderOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            if let Some(address) = &new.client_address {
                lock_address(conn, address).await?;
                if count_open_orders(conn, address, new.now).await? >= limits.max_open_orders {
                    return Ok(PlaceOrderOutcome::TooManyOpenOrders);
                }
            }
            let priced = match price_items(conn, &new.items).await? {
                Ok(priced) => priced,
                Err(error) => return Ok(PlaceOrderOutcome::PricingFailed(error)),
            };
            let (held_stock, sold_out) =
                match stock::exchange(conn, &Quantities::new(), &priced.wanted).await? {
                    StockOutcome::Taken { held_stock, sold_out } => (held_stock, sold_out),
                    StockOutcome::Short(left) => {
                        return Ok(PlaceOrderOutcome::OutOfStock(shortages(&new.items, &left)));
                    }
                };
            let outbox = order_created_events(&new.id, sold_out, new.now);
            let version = outbox.last().map_or(1, |events| events.sequence);
            let row = OrderRow { version, ..new_row(&new, &priced, &held_stock)? };
            diesel::insert_into(orders::table).values(row.clone()).execute(conn).await?;
            batch::write(conn, Changes { outbox, ..Changes::default() }, Vec::new()).await?;
            let order = row.read(None)?;
            store_reply(conn, completion.as_ref(), &order).await?;
            Ok(PlaceOrderOutcome::Done(order))
        })
        .await
    }
}

/// Waits for other transactions that place orders from this address, so that each counts the orders of the previous
/// ones.
async fn lock_address(conn: &mut Conn, address: &str) -> Result<(), Error> {
    // FNV-1a, so that every process selects the same row.
    let hash = address
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let slot = i32::try_from(hash % ADDRESS_LOCKS).unwrap_or_default();
    let turn = for_update!(address_locks::table.find(slot).select(address_locks::slot));
    turn.first::<i32>(conn).await?;
    Ok(())
}

async fn count_open_orders(conn: &mut Conn, address: &str, now: DateTime<Utc>) -> Result<i64, Error> {
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

fn new_row(new: &NewOrder, priced: &PricedItems, held_stock: &[HeldStock]) -> Result<OrderRow, Error> {
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
        held_stock: document("order", &held_stock)?,
        expires_at: instant(new.expires_at),
        check_at: Some(instant(new.expires_at)),
        has_refunds_or_disputes: false,
        created_at: instant(new.now),
        updated_at: instant(new.now),
    };
    row.set_seller_terms(priced.seller_terms.as_ref());
    Ok(row)
}
