//! Recomputing cached columns, and finding orders to compare with Stripe.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::OrderId;
use quittance_domain::order::OrderStatus;

use super::super::Database;
use super::super::columns::parse;
use super::super::schema::{orders, payments};
use super::locked_order::{LockedOrder, LockedOrders};
use crate::Error;
use crate::model::RecomputeOutcome;

impl Database {
    /// Reads without locks first. Only wrong orders are locked, checked again and repaired.
    pub(crate) async fn recompute(
        &self,
        after: Option<OrderId>,
        limit: u8,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> Result<RecomputeOutcome, Error> {
        let mut conn = self.reader().await?;
        let ids: Vec<String> = orders::table
            .filter(orders::id.gt(after.map(String::from).unwrap_or_default()))
            .order(orders::id.asc())
            .limit(i64::from(limit))
            .select(orders::id)
            .load(&mut conn)
            .await?;
        let locked_orders = LockedOrders::read(&mut conn, ids.clone()).await?;
        drop(conn);
        let mut done = RecomputeOutcome { checked_count: ids.len(), ..RecomputeOutcome::default() };
        for locked in locked_orders.into_orders().filter(LockedOrder::is_stale) {
            if dry_run || self.repair(&locked.order_id, now).await? {
                done.repaired.push(locked.order_id);
            }
        }
        let is_full = ids.len() == usize::from(limit);
        done.last = ids.last().filter(|_| is_full).map(|id| parse("order", id)).transpose()?;
        Ok(done)
    }

    /// Repairs one order, and returns whether it was wrong.
    async fn repair(&self, order_id: &OrderId, now: DateTime<Utc>) -> Result<bool, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = LockedOrders::lock_one(conn, order_id).await? else { return Ok(false) };
            let is_stale = locked.is_stale();
            if is_stale {
                locked.commit(conn, &limits, now).await?;
            }
            Ok(is_stale)
        })
        .await
    }

    pub(crate) async fn orders_to_reconcile(
        &self,
        since: DateTime<Utc>,
        after: Option<OrderId>,
        limit: u8,
    ) -> Result<Vec<OrderId>, Error> {
        let still_moving = OrderStatus::ALL.into_iter().filter(|status| {
            status.is_open() || matches!(status, OrderStatus::Disputed | OrderStatus::Review)
        });
        let mut conn = self.reader().await?;
        let ids: Vec<String> = orders::table
            .filter(orders::id.gt(after.map(String::from).unwrap_or_default()))
            .filter(
                orders::updated_at
                    .ge(since)
                    .or(orders::status.eq_any(still_moving.map(OrderStatus::as_str).collect::<Vec<_>>())),
            )
            .filter(diesel::dsl::exists(payments::table.filter(payments::order_id.eq(orders::id))))
            .order(orders::id.asc())
            .limit(i64::from(limit))
            .select(orders::id)
            .load(&mut conn)
            .await?;
        ids.iter().map(|id| parse("order", id)).collect()
    }
}

impl LockedOrder {
    /// Reports whether a decision is due, or the cached columns don't match the derived state.
    fn is_stale(&self) -> bool {
        let mut history = self.history.clone();
        !history.apply_decisions().is_empty()
            || history.needs_restock()
            || !self.cache_matches(&history.order_state())
    }
}
