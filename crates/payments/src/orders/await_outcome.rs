//! The status of a payment, by what is stored, and by asking Stripe where the webhook takes its time.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use quittance_crash_points::CrashPoint;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::order::Order;
use quittance_domain::payment::PaymentStatus;
use tokio::time::Instant;

use crate::{Error, Payments};

/// How often Stripe is asked about one PaymentIntent at most.
const REFRESH_PERIOD: Duration = Duration::from_secs(2);

/// How long the webhook has, before Stripe is asked for the first time. Stripe usually delivers within it.
const WEBHOOK_LEAD: Duration = Duration::from_secs(1);

/// How many reads of this kind a process sends to Stripe in a second; Stripe takes 100 (25 in test mode).
const REFRESHES_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

/// When so many attempts are remembered, those whose time is over are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// How long a caller waits for news of an order.
#[derive(Debug, Clone, Copy)]
pub struct LookupTimeout {
    /// How long at most.
    pub wait: Duration,
    /// The version of the order that the caller has seen: only what settles later is news.
    pub after_version: i64,
}

/// What limits the reads of waiting customers.
pub(crate) struct RefreshLimiter {
    of_one: DefaultKeyedRateLimiter<PaymentId>,
    of_all: DefaultDirectRateLimiter,
}

impl RefreshLimiter {
    pub(crate) fn new() -> Self {
        let once = Quota::with_period(REFRESH_PERIOD).expect("the period is not zero");
        Self {
            of_one: RateLimiter::keyed(once),
            of_all: RateLimiter::direct(Quota::per_second(REFRESHES_PER_SECOND)),
        }
    }

    fn allow(&self, payment_id: &PaymentId) -> bool {
        if self.of_one.len() > REMEMBERED_MAX {
            self.of_one.retain_recent();
        }
        self.of_one.check_key(payment_id).is_ok() && self.of_all.check().is_ok()
    }
}

impl Payments {
    /// The order, as soon as its payment is settled and newer than what the caller has seen; as it is when
    /// patience runs out. While it waits, Stripe is asked now and then: a webhook may be late.
    pub async fn await_outcome(&self, order_id: OrderId, patience: LookupTimeout) -> Result<Order, Error> {
        self.detached(async move |payments: Self| payments.settled(order_id, patience).await).await
    }

    async fn settled(&self, order_id: OrderId, patience: LookupTimeout) -> Result<Order, Error> {
        let deadline = Instant::now() + patience.wait;
        let mut refresh_at = Instant::now() + WEBHOOK_LEAD;
        loop {
            let order = self.store.order(order_id.clone()).await?.ok_or(Error::OrderNotFound)?;
            let news = order.has_outcome() && order.outcome_version > patience.after_version;
            if news || Instant::now() >= deadline {
                return Ok(order);
            }
            // What settles later has a higher version than this one.
            let seen = order.version.max(patience.after_version);
            let settled = self.waiting.outcome_after(order_id.clone(), seen);
            if tokio::time::timeout_at(refresh_at.min(deadline), settled).await.is_err()
                && Instant::now() >= refresh_at
            {
                self.refresh(&order).await;
                refresh_at = Instant::now() + REFRESH_PERIOD;
            }
        }
    }

    /// Asks Stripe how the order's payment stands, if it is open and was not asked just now, and takes the
    /// answer in as a webhook's. Two states of one second are told apart by the next read, a period later.
    async fn refresh(&self, order: &Order) {
        let Some(payment) = &order.payment else { return };
        if !matches!(payment.status, PaymentStatus::Open(_)) || !self.refreshes.allow(&payment.id) {
            return;
        }
        if let Err(error) = self.read_again(&payment.id).await {
            tracing::warn!(
                order.id = %order.id,
                error = &error as &dyn std::error::Error,
                "What Stripe says of a payment that a customer waits for could not be read or taken in; the webhook \
                 or the next read will tell."
            );
        }
    }

    async fn read_again(&self, payment_id: &PaymentId) -> Result<(), Error> {
        let Some(work) = self.store.attempt(payment_id.clone()).await? else { return Ok(()) };
        let Some(answer) = self.read_attempt(&work).await? else { return Ok(()) };
        CrashPoint::PaymentIntentRead.reach();
        metrics::counter!("quittance_payment_refreshes_total").increment(1);
        self.record(payment_id, &answer, None).await.map(drop)
    }
}
