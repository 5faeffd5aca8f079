//! The sandbox's clock: the system time plus the offset set through the control API.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time in milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) i64);

impl Timestamp {
    /// Returns the system time. Webhook signatures use it, because receivers check them against their own clock.
    pub(crate) fn system_now() -> Self {
        Self(0).after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Returns whole seconds since the epoch, the unit of all times in Stripe's objects.
    pub(crate) fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the time after `delay`.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the duration until `later`, or zero if it has passed.
    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

/// The sandbox's clock. Tests advance it instead of waiting for expiries and delayed payments.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    advanced_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::system_now().after(self.advanced())
    }

    /// Returns the offset from the system time.
    pub(crate) fn advanced(&self) -> Duration {
        Timestamp(0).until(Timestamp(self.advanced_ms.load(Ordering::SeqCst)))
    }

    /// Sets the offset from the system time.
    pub(crate) fn set_advanced(&self, by: Duration) {
        self.advanced_ms.store(Timestamp(0).after(by).0, Ordering::SeqCst);
    }
}
