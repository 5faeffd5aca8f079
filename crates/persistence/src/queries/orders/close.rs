//! Closing unpaid orders, on request or at expiry.

use chrono::{DateTime, Utc};
use quittance_domain::history::{CloseReason, Limits};
use quittance_domain::id::OrderId;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::Attempt;

use super::super::Database;
use super::super::dialect::Conn;
use super::locked_order::{LockedOrder, LockedOrders};
use crate::Error;
use crate::model::{CloseOutcome, CloseRequester};

impl Database {
    pub(crate) async fn request_close(
        &self,
        order_id: OrderId,
        reason: CloseReason,
        by: CloseRequester,
        now: DateTime<Utc>,
    ) -> Result<CloseOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = LockedOrders::lock_one(conn, &order_id).await? else {
                return Ok(CloseOutcome::NotFound);
            };
            let status = locked.order.order_status()?;
            let possible = match status {
                OrderStatus::Pending | OrderStatus::PaymentFailed | OrderStatus::Canceled => true,
                OrderStatus::Authorized => by == CloseRequester::Shop && !locked.is_capture_requested(),
                _ => false,
            };
            if !possible {
                return Ok(CloseOutcome::NotPossible(status));
            }
            if status != OrderStatus::Canceled {
                locked.history.closing = Some(reason);
            }
            close(conn, &mut locked, &limits, now).await
        })
        .await
    }

    pub(crate) async fn withdraw_close(&self, order_id: OrderId, now: DateTime<Utc>) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = LockedOrders::lock_one(conn, &order_id).await? else { return Ok(()) };
            if locked.history.decisions.closed.is_none() {
                locked.history.closing = None;
            }
            // Keep the attempt as well, because its payment is processing.
            for attempt in &mut locked.history.attempts {
                attempt.abandoned = false;
            }
            locked.commit(conn, &limits, now).await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn expire_order(
        &self,
        order_id: OrderId,
        now: DateTime<Utc>,
    ) -> Result<CloseOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = LockedOrders::lock_one(conn, &order_id).await? else {
                return Ok(CloseOutcome::NotFound);
            };
            let status = locked.order.order_status()?;
            let waits = matches!(status, OrderStatus::Pending | OrderStatus::PaymentFailed);
            let is_over = locked.order.expires_at <= now;
            let is_canceled = locked.history.closing == Some(CloseReason::Canceled);
            let is_paying = locked.history.attempts.iter().any(Attempt::is_processing);
            if !waits || !is_over || is_canceled || is_paying {
                return Ok(CloseOutcome::NotPossible(status));
            }
            locked.history.closing = Some(CloseReason::Expired);
            close(conn, &mut locked, &limits, now).await
        })
        .await
    }
}

/// Commits the close request. The order is then closed, or its live attempt must be closed at Stripe first.
async fn close(
    conn: &mut Conn,
    locked: &mut LockedOrder,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<CloseOutcome, Error> {
    let order = locked.commit(conn, limits, now).await?;
    let has_ended = locked.history.decisions.closed.is_some();
    match locked.history.live_attempt().filter(|_| !has_ended) {
        None => Ok(CloseOutcome::Done(order)),
        Some(live) => Ok(CloseOutcome::CloseFirst(locked.pending_attempt(&live.id, limits)?)),
    }
}
