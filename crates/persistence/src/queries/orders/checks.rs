//! Scheduled checks of orders: expiry, and comparison with Stripe.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::OrderId;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::Account;
use quittance_domain::refund::RefundStatus;

use super::super::Database;
use super::super::columns::{instant, parse};
use super::super::dialect::{for_update, for_update_skip_locked};
use super::super::schema::{orders, payments};
use super::locked_order::LockedOrders;
use super::persist::REFUND_CHECK_DELAY;
use crate::Error;
use crate::model::{OrderToCheck, WorkClaim};

/// The interval between checks of an order with a processing, authorized or awaited payment.
const OPEN_CHECK_DELAY: Duration = Duration::hours(1);

/// Returns when to check an order next, or `None` if no more changes are expected.
///
/// A payable order is checked when it expires. After that, it is checked as often as one with a processing or
/// authorized payment: it awaits a bank transfer, or its attempt couldn't be closed. A pending refund may take days.
fn next_check(
    status: OrderStatus,
    expires_at: DateTime<Utc>,
    has_open_refunds: bool,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let of_order = match status {
        OrderStatus::Pending | OrderStatus::PaymentFailed if expires_at > now => Some(expires_at),
        OrderStatus::Pending
        | OrderStatus::PaymentFailed
        | OrderStatus::Processing
        | OrderStatus::Authorized => Some(now + OPEN_CHECK_DELAY),
        _ => None,
    };
    let of_refunds = has_open_refunds.then(|| now + REFUND_CHECK_DELAY);
    of_order.into_iter().chain(of_refunds).min()
}

impl Database {
    pub(crate) async fn claim_checks(&self, claim: WorkClaim) -> Result<Vec<OrderId>, Error> {
        self.write(async |conn| {
            let due: Vec<String> = for_update_skip_locked!(
                orders::table
                    .filter(orders::check_at.is_not_null())
                    .filter(orders::check_at.le(claim.now))
                    .order(orders::check_at.asc())
                    .limit(i64::from(claim.limit))
                    .select(orders::id)
            )
            .load(conn)
            .await?;
            diesel::update(orders::table.filter(orders::id.eq_any(&due)))
                .set(orders::check_at.eq(Some(instant(claim.lease_until))))
                .execute(conn)
                .await?;
            due.iter().map(|id| parse("order", id)).collect()
        })
        .await
    }

    pub(crate) async fn schedule_unreachable_refresh(
        &self,
        account: Account,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write(async |conn| {
            let made =
                payments::payment_intent_id.is_not_null().or(payments::checkout_session_id.is_not_null());
            let given_up = payments::table
                .filter(payments::account.eq(account.as_str()))
                .filter(payments::refused.is_not_null())
                .filter(made)
                .select(payments::order_id);
            let locked: Vec<String> = for_update!(
                orders::table.filter(orders::id.eq_any(given_up)).order(orders::id.asc()).select(orders::id)
            )
            .load(conn)
            .await?;
            let now = instant(now);
            let later = orders::check_at.is_null().or(orders::check_at.gt(now));
            diesel::update(orders::table.filter(orders::id.eq_any(&locked)).filter(later))
                .set(orders::check_at.eq(Some(now)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn order_to_check(&self, id: OrderId) -> Result<Option<OrderToCheck>, Error> {
        let limits = self.limits;
        let mut conn = self.reader().await?;
        let locked_orders = LockedOrders::read(&mut conn, vec![id.to_string()]).await?;
        let Some(locked) = locked_orders.get(&id) else { return Ok(None) };
        let attempts = locked.history.attempts.iter();
        let attempts = attempts.map(|attempt| locked.pending_attempt(&attempt.id, &limits));
        Ok(Some(OrderToCheck {
            order: locked.read()?,
            attempts: attempts.collect::<Result<_, _>>()?,
            check_at: locked.order.check_at,
        }))
    }

    pub(crate) async fn record_check(&self, found: OrderToCheck, now: DateTime<Utc>) -> Result<(), Error> {
        let id = found.order.id;
        self.write(async |conn| {
            let Some(locked) = LockedOrders::lock_one(conn, &id).await? else { return Ok(()) };
            // Another check was scheduled after this one began. Keep it, even if clocks differ.
            if locked.order.check_at != found.check_at {
                return Ok(());
            }
            let open = |status| matches!(status, RefundStatus::Pending | RefundStatus::RequiresAction);
            let has_open_refunds = locked.history.refunds.iter().any(|refund| open(refund.status()));
            let (status, expires_at) = (locked.order.order_status()?, locked.order.expires_at);
            let next = next_check(status, expires_at, has_open_refunds, now);
            diesel::update(orders::table.find(id.as_str()))
                .set(orders::check_at.eq(next.map(instant)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }
}
