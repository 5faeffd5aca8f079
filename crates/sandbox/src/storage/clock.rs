//! The sandbox's clock: the system time plus the offset set through the control API.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    /// The machine's own time: what the signature of a webhook is dated with, because its receiver checks it
    /// against a clock that has not been moved.
    pub(crate) fn of_the_machine() -> Self {
        Self(0).after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Whole seconds since the epoch: the unit of every time in Stripe's objects.
    pub(crate) fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `delay` later.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long it is from `self` until `later`; zero if that has passed.
    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

/// Tells the time to everything in the sandbox, so that expiries and delayed payments can be tested
/// without waiting for them.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    advanced_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Moment {
        Moment::of_the_machine().after(self.advanced())
    }

    /// How far ahead of the machine's time this clock is.
    pub(crate) fn advanced(&self) -> Duration {
        Moment(0).until(Moment(self.advanced_ms.load(Ordering::SeqCst)))
    }

    /// Sets how far ahead of the machine's time this clock is.
    pub(crate) fn set_advanced(&self, by: Duration) {
        self.advanced_ms.store(Moment(0).after(by).0, Ordering::SeqCst);
    }
}
