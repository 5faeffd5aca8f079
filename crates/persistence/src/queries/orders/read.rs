//! Reading orders.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::OrderId;
use quittance_domain::order::Order;

use super::super::Database;
use super::super::columns::parse;
use super::super::dialect::{Conn, Db};
use super::super::rows::orders::OrderRow;
use super::super::rows::payments::PaymentRow;
use super::super::schema::{orders, payments};
use crate::Error;
use crate::model::{Cursor, OrderFilter, OrderVersion, Page, SessionLookup};

type OrderWithPayment = (OrderRow, Option<PaymentRow>);

/// Selects orders with their current payments.
#[diesel::dsl::auto_type(no_type_alias)]
fn with_payment() -> _ {
    let select: diesel::dsl::AsSelect<OrderWithPayment, Db> = OrderWithPayment::as_select();
    orders::table
        .left_join(payments::table.on(orders::current_payment_id.eq(payments::id.nullable())))
        .select(select)
}

fn read((order, payment): OrderWithPayment) -> Result<Order, Error> {
    order.read(payment.as_ref().map(PaymentRow::current).transpose()?)
}

impl Database {
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

    pub(crate) async fn order_by_payment_intent(&self, id: String) -> Result<Option<Order>, Error> {
        let mut conn = self.reader().await?;
        let found: Option<(OrderRow, PaymentRow)> = orders::table
            .inner_join(payments::table.on(payments::order_id.eq(orders::id)))
            .filter(payments::payment_intent_id.eq(&id))
            .order(payments::account.asc())
            .select((OrderRow::as_select(), PaymentRow::as_select()))
            .first(&mut conn)
            .await
            .optional()?;
        found.map(|(order, payment)| order.read(Some(payment.current()?))).transpose()
    }

    pub(crate) async fn session_lookup(&self, id: String) -> Result<Option<SessionLookup>, Error> {
        let mut conn = self.reader().await?;
        let row: Option<PaymentRow> = payments::table
            .filter(payments::checkout_session_id.eq(&id))
            .order(payments::account.asc())
            .select(PaymentRow::as_select())
            .first(&mut conn)
            .await
            .optional()?;
        drop(conn);
        let Some(row) = row else { return Ok(None) };
        let attempt = row.attempt()?;
        let found = self.order(parse("payment", &row.order_id)?).await?;
        Ok(found.map(|order| SessionLookup {
            order,
            status: attempt.facts.status(),
            is_over: attempt.is_closed(),
        }))
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
        if let Some(initial) = filter.created_before {
            query = query.filter(orders::created_at.lt(initial));
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
        Page::from_rows(rows, cursor.limit, read)
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

    pub(crate) async fn order_versions(&self, order_ids: Vec<OrderId>) -> Result<Vec<OrderVersion>, Error> {
        let ids: Vec<&str> = order_ids.iter().map(OrderId::as_str).collect();
        let mut conn = self.reader().await?;
        let rows: Vec<(String, i64, i64)> = orders::table
            .filter(orders::id.eq_any(ids))
            .select((orders::id, orders::version, orders::outcome_version))
            .load(&mut conn)
            .await?;
        rows.into_iter()
            .map(|(id, version, outcome_version)| {
                Ok(OrderVersion { order_id: parse("order", &id)?, version, outcome_version })
            })
            .collect()
    }
}

/// Returns orders by ID.
pub(crate) async fn orders_by_id(conn: &mut Conn, ids: Vec<String>) -> Result<HashMap<String, Order>, Error> {
    let rows: Vec<OrderWithPayment> = with_payment().filter(orders::id.eq_any(ids)).load(conn).await?;
    rows.into_iter().map(|row| Ok((row.0.id.clone(), read(row)?))).collect()
}
