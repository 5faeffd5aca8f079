//! Ending an order unpaid: by wish, or because its time is over.

use chrono::{DateTime, Utc};
use quittance_domain::history::{Closure, Limits};
use quittance_domain::id::OrderId;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::Attempt;

use super::super::Database;
use super::super::dialect::Conn;
use super::ledger::{Ledger, Ledgers};
use crate::Error;
use crate::model::{ClosureAsked, ClosureBy};

impl Database {
    pub(crate) async fn ask_closure(
        &self,
        order_id: OrderId,
        closure: Closure,
        by: ClosureBy,
        now: DateTime<Utc>,
    ) -> Result<ClosureAsked, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut ledger) = Ledgers::lock_one(conn, &order_id).await? else {
                return Ok(ClosureAsked::NotFound);
            };
            let status = ledger.order.order_status()?;
            let possible = match status {
                OrderStatus::Pending | OrderStatus::PaymentFailed | OrderStatus::Canceled => true,
                OrderStatus::Authorized => by == ClosureBy::Shop && !ledger.is_being_captured(),
                _ => false,
            };
            if !possible {
                return Ok(ClosureAsked::NotPossible(status));
            }
            if status != OrderStatus::Canceled {
                ledger.history.closing = Some(closure);
            }
            close(conn, &mut ledger, &limits, now).await
        })
        .await
    }

    pub(crate) async fn withdraw_closure(&self, order_id: OrderId, now: DateTime<Utc>) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut ledger) = Ledgers::lock_one(conn, &order_id).await? else { return Ok(()) };
            if ledger.history.decisions.closed.is_none() {
                ledger.history.closing = None;
            }
            // Nor does its attempt make room for another any more: its money is on the way.
            for attempt in &mut ledger.history.attempts {
                attempt.abandoned = false;
            }
            ledger.commit(conn, &limits, now).await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn expire_order(
        &self,
        order_id: OrderId,
        now: DateTime<Utc>,
    ) -> Result<ClosureAsked, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut ledger) = Ledgers::lock_one(conn, &order_id).await? else {
                return Ok(ClosureAsked::NotFound);
            };
            let status = ledger.order.order_status()?;
            let waits = matches!(status, OrderStatus::Pending | OrderStatus::PaymentFailed);
            let is_over = ledger.order.expires_at <= now;
            let is_canceled = ledger.history.closing == Some(Closure::Canceled);
            let is_paying = ledger.history.attempts.iter().any(Attempt::is_on_its_way);
            if !waits || !is_over || is_canceled || is_paying {
                return Ok(ClosureAsked::NotPossible(status));
            }
            ledger.history.closing = Some(Closure::Expired);
            close(conn, &mut ledger, &limits, now).await
        })
        .await
    }
}

/// Commits the wish: the order has ended, or its live attempt must be closed at Stripe first.
async fn close(
    conn: &mut Conn,
    ledger: &mut Ledger,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<ClosureAsked, Error> {
    let order = ledger.commit(conn, limits, now).await?;
    let has_ended = ledger.history.decisions.closed.is_some();
    match ledger.history.live_attempt().filter(|_| !has_ended) {
        None => Ok(ClosureAsked::Done(order)),
        Some(live) => Ok(ClosureAsked::CloseFirst(ledger.at_work(&live.id, limits)?)),
    }
}
