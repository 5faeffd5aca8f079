//! Placing, reading and changing orders.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Product;
use quittance_domain::id::OrderId;
use quittance_domain::money::Money;
use quittance_domain::order::{Line, Order, OrderStatus, price};

use super::super::dialect::{Conn, Db};
use super::super::{Database, batch};
use super::ledger::{Changes, Ledgers, created};
use super::replies::store_reply;
use super::rows::{OrderRow, PaymentRow, ProductRow, document, instant};
use super::schema::{orders, payments, products};
use crate::Error;
use crate::model::{
    Completion, Cursor, CustomerChange, NewOrder, OrderChange, OrderChanged, OrderFilter, Page, Placed, Pulse,
};

/// How long an unpaid order counts against the client that placed it.
const OPEN_ORDER_WINDOW: Duration = Duration::minutes(35);

type OrderWithPayment = (OrderRow, Option<PaymentRow>);

/// Orders, each with the payment that is current.
#[diesel::dsl::auto_type(no_type_alias)]
fn with_payment() -> _ {
    let select: diesel::dsl::AsSelect<OrderWithPayment, Db> = OrderWithPayment::as_select();
    orders::table
        .left_join(payments::table.on(orders::current_payment_id.eq(payments::id.nullable())))
        .select(select)
}

fn read((order, payment): OrderWithPayment) -> Result<Order, Error> {
    order.read(payment.as_ref())
}

impl Database {
    pub(crate) async fn place_order(
        &self,
        new: NewOrder,
        completion: Option<Completion<Order>>,
    ) -> Result<Placed, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            if let Some(address) = &new.client_address
                && open_orders(conn, address, new.now).await? >= limits.max_open_orders
            {
                return Ok(Placed::TooManyOpenOrders);
            }
            let mut catalogue = products_of(conn, &new).await?;
            let items: Vec<_> = new
                .items
                .iter()
                .map(|(id, quantity)| (catalogue.get_mut(id.as_str()).cloned(), *quantity))
                .collect();
            let (lines, total) = match price(&items) {
                Ok(priced) => priced,
                Err(error) => return Ok(Placed::Unpriced(error)),
            };
            let row = new_row(&new, &lines, total)?;
            diesel::insert_into(orders::table).values(row.clone()).execute(conn).await?;
            let told = Changes { outbox: vec![created(&new.id, new.now)], ..Changes::default() };
            batch::write(conn, told, Vec::new()).await?;
            let order = row.read(None)?;
            store_reply(conn, completion.as_ref(), &order).await?;
            Ok(Placed::Done(order))
        })
        .await
    }

    pub(crate) async fn order(&self, id: OrderId) -> Result<Option<Order>, Error> {
        let mut conn = self.reader().await?;
        with_payment()
            .filter(orders::id.eq(id.as_str()))
            .first::<OrderWithPayment>(&mut conn)
            .await
            .optional()?
            .map(read)
            .transpose()
    }

    pub(crate) async fn order_of_payment_intent(&self, id: String) -> Result<Option<Order>, Error> {
        let mut conn = self.reader().await?;
        let order_id: Option<String> = payments::table
            .filter(payments::payment_intent_id.eq(&id))
            .order(payments::account.asc())
            .select(payments::order_id)
            .first(&mut conn)
            .await
            .optional()?;
        drop(conn);
        match order_id {
            None => Ok(None),
            Some(id) => self.order(super::rows::parse("payment", &id)?).await,
        }
    }

    pub(crate) async fn orders(
        &self,
        filter: OrderFilter,
        cursor: Cursor<OrderId>,
    ) -> Result<Page<Order>, Error> {
        let mut query =
            with_payment().order(orders::id.desc()).limit(i64::from(cursor.limit) + 1).into_boxed();
        if let Some(status) = filter.status {
            query = query.filter(orders::status.eq(status.as_str()));
        }
        if let Some(after) = filter.created_after {
            query = query.filter(orders::created_at.gt(after));
        }
        if let Some(before) = filter.created_before {
            query = query.filter(orders::created_at.lt(before));
        }
        if let Some(email) = filter.customer_email {
            query = query.filter(orders::customer_email.eq(email));
        }
        if let Some(reference) = filter.customer_reference {
            query = query.filter(orders::customer_reference.eq(reference));
        }
        if let Some(id) = cursor.starting_after {
            query = query.filter(orders::id.lt(String::from(id)));
        }
        let mut conn = self.reader().await?;
        let rows: Vec<OrderWithPayment> = query.load(&mut conn).await?;
        Page::of(rows, cursor.limit, read)
    }

    pub(crate) async fn change_order(&self, change: OrderChange) -> Result<OrderChanged, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut ledger) = Ledgers::lock_one(conn, &change.id).await? else {
                return Ok(OrderChanged::NotFound);
            };
            let status = ledger.order.order_status()?;
            let changes_details = change.customer != CustomerChange::default() || change.shipping.is_some();
            if changes_details && !status.is_open() {
                return Ok(OrderChanged::NotOpen(status));
            }
            let order = &mut ledger.order;
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
            diesel::update(orders::table.find(change.id.as_str()))
                .set((
                    orders::customer_email.eq(&order.customer_email),
                    orders::customer_name.eq(&order.customer_name),
                    orders::customer_reference.eq(&order.customer_reference),
                    orders::shipping.eq(&order.shipping),
                    orders::metadata.eq(&order.metadata),
                    orders::details_version.eq(order.details_version),
                    orders::version.eq(order.version),
                    orders::updated_at.eq(instant(change.now)),
                ))
                .execute(conn)
                .await?;
            order.updated_at = instant(change.now);
            Ok(OrderChanged::Done(ledger.commit(conn, &limits, change.now).await?))
        })
        .await
    }

    pub(crate) async fn client_secret_hashes(&self, order_id: OrderId) -> Result<Vec<String>, Error> {
        let mut conn = self.reader().await?;
        let hashes = payments::table
            .filter(payments::order_id.eq(order_id.as_str()))
            .filter(payments::client_secret_hash.is_not_null())
            .select(payments::client_secret_hash.assume_not_null())
            .load(&mut conn)
            .await?;
        Ok(hashes)
    }

    pub(crate) async fn pulses(&self, order_ids: Vec<OrderId>) -> Result<Vec<Pulse>, Error> {
        let ids: Vec<&str> = order_ids.iter().map(OrderId::as_str).collect();
        let mut conn = self.reader().await?;
        let rows: Vec<(String, i64, i64)> = orders::table
            .filter(orders::id.eq_any(ids))
            .select((orders::id, orders::version, orders::settled_version))
            .load(&mut conn)
            .await?;
        rows.into_iter()
            .map(|(id, version, settled_version)| {
                Ok(Pulse { order_id: super::rows::parse("order", &id)?, version, settled_version })
            })
            .collect()
    }
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

async fn products_of(conn: &mut Conn, new: &NewOrder) -> Result<HashMap<String, Product>, Error> {
    let ids: Vec<&str> = new.items.iter().map(|(id, _)| id.as_str()).collect();
    let rows: Vec<ProductRow> =
        products::table.filter(products::id.eq_any(ids)).select(ProductRow::as_select()).load(conn).await?;
    rows.into_iter().map(|row| Ok((row.id.clone(), row.read()?))).collect()
}

fn new_row(new: &NewOrder, lines: &[Line], total: Money) -> Result<OrderRow, Error> {
    Ok(OrderRow {
        id: new.id.to_string(),
        lines: document("order", &lines)?,
        amount_total: total.minor(),
        currency: total.currency().to_string(),
        customer_email: new.customer.email.clone(),
        customer_name: new.customer.name.clone(),
        customer_reference: new.customer.reference.clone(),
        shipping: new.shipping.as_ref().map(|shipping| document("order", shipping)).transpose()?,
        metadata: document("order", &new.metadata)?,
        client_address: new.client_address.clone(),
        status: OrderStatus::Pending.as_str().to_owned(),
        review_reason: None,
        amount_paid: 0,
        current_payment_id: None,
        closing: None,
        version: 1,
        settled_version: 0,
        details_version: 1,
        created_at: instant(new.now),
        updated_at: instant(new.now),
    })
}

/// Orders by their ids, as they are now.
pub(super) async fn orders_by_id(conn: &mut Conn, ids: Vec<String>) -> Result<HashMap<String, Order>, Error> {
    let rows: Vec<OrderWithPayment> = with_payment().filter(orders::id.eq_any(ids)).load(conn).await?;
    rows.into_iter().map(|row| Ok((row.0.id.clone(), read(row)?))).collect()
}
