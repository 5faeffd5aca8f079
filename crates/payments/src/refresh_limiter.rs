//! The rate limit of reads from Stripe on behalf of waiting callers.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use quittance_domain::id::PaymentId;

/// The minimum time between two reads of one payment.
pub(crate) const REFRESH_PERIOD: Duration = Duration::from_secs(2);

/// The most reads per second of this process. Stripe allows 100 requests per second, or 25 in test mode.
const REFRESHES_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

/// The number of remembered payments above which expired ones are removed.
const REMEMBERED_MAX: usize = 10_000;

/// Limits the reads of each payment and of all payments together.
pub(crate) struct RefreshLimiter {
    per_payment: DefaultKeyedRateLimiter<PaymentId>,
    total: DefaultDirectRateLimiter,
}

impl RefreshLimiter {
    pub(crate) fn new() -> Self {
        let quota = Quota::with_period(REFRESH_PERIOD).expect("the period is not zero");
        Self {
            per_payment: RateLimiter::keyed(quota),
            total: RateLimiter::direct(Quota::per_second(REFRESHES_PER_SECOND)),
        }
    }

    /// Returns true if the payment may be read now, and counts the read.
    pub(crate) fn allows(&self, payment_id: &PaymentId) -> bool {
        if self.per_payment.len() > REMEMBERED_MAX {
            self.per_payment.retain_recent();
        }
        self.per_payment.check_key(payment_id).is_ok() && self.total.check().is_ok()
    }
}
