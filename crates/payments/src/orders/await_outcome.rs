//! Waits for a payment's outcome. If the webhook is late, the payment is read from Stripe.

use std::time::Duration;

use quittance_crash_points::CrashPoint;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::order::Order;
use quittance_domain::payment::PaymentStatus;
use tokio::time::Instant;

use crate::Error;
use crate::metrics;
use crate::refresh_limiter::REFRESH_PERIOD;
use crate::service::Payments;

/// The time before the first read from Stripe. Stripe usually delivers the webhook within it.
const WEBHOOK_LEAD: Duration = Duration::from_secs(1);

/// The limits of waiting for an outcome.
#[derive(Debug, Clone, Copy)]
pub struct LookupTimeout {
    /// The maximum time to wait.
    pub wait: Duration,
    /// The order version that the caller has seen. Only a later outcome ends the wait.
    pub after_version: i64,
}

impl Payments {
    /// Returns the order once its payment has an outcome that is newer than the seen version. After the timeout,
    /// returns the order in its current state. While it waits, the payment is read from Stripe from time to time.
    pub async fn await_outcome(&self, order_id: OrderId, timeout: LookupTimeout) -> Result<Order, Error> {
        self.detached(async move |payments: Self| payments.poll_outcome(order_id, timeout).await).await
    }

    async fn poll_outcome(&self, order_id: OrderId, timeout: LookupTimeout) -> Result<Order, Error> {
        let deadline = Instant::now() + timeout.wait;
        let mut refresh_at = Instant::now() + WEBHOOK_LEAD;
        loop {
            let order = self.store.order(order_id.clone()).await?.ok_or(Error::OrderNotFound)?;
            let has_new_outcome = order.has_outcome() && order.outcome_version > timeout.after_version;
            if has_new_outcome || Instant::now() >= deadline {
                return Ok(order);
            }
            // A later outcome has a higher version than the current one.
            let seen_version = order.version.max(timeout.after_version);
            let outcome = self.waiters.outcome_after(order_id.clone(), seen_version);
            if tokio::time::timeout_at(refresh_at.min(deadline), outcome).await.is_err()
                && Instant::now() >= refresh_at
            {
                self.refresh_open_payment(&order).await;
                refresh_at = Instant::now() + REFRESH_PERIOD;
            }
        }
    }

    /// Reads an open payment from Stripe, unless it was read just now, and records it like a webhook event. If the
    /// status changes twice within a second, the next read tells the two apart.
    async fn refresh_open_payment(&self, order: &Order) {
        let Some(payment) = &order.payment else { return };
        if !matches!(payment.status, PaymentStatus::Open(_)) || !self.refresh_limiter.allows(&payment.id) {
            return;
        }
        if let Err(error) = self.refresh_payment(&payment.id).await {
            tracing::warn!(
                order.id = %order.id,
                error = &error as &dyn std::error::Error,
                "failed to refresh a payment that a caller waits for; the webhook or the next read updates it"
            );
        }
    }

    async fn refresh_payment(&self, payment_id: &PaymentId) -> Result<(), Error> {
        let Some(work) = self.store.attempt(payment_id.clone()).await? else { return Ok(()) };
        let Some(object) = self.read_attempt(&work).await? else { return Ok(()) };
        CrashPoint::PaymentIntentRead.reach();
        metrics::count_refresh();
        self.record_object(payment_id, &object, None).await.map(drop)
    }
}
