//! Time limits that several use cases share.

use chrono::{DateTime, Duration, Utc};

/// The time that a request gets to complete its recorded work. After that, the worker resumes it.
pub(crate) const REQUEST_GRACE: Duration = Duration::seconds(30);

/// The time for which claimed work belongs to one worker. After that, any worker may retry it.
pub(crate) const WORK_LEASE: Duration = Duration::seconds(60);

/// The age from which a request isn't repeated but looked up. Stripe may forget an idempotency key after 24 hours. The
/// hour in between covers requests in flight.
pub(crate) const KEY_AGE_MAX: Duration = Duration::hours(23);

/// The most time by which this machine's clock may be ahead of Stripe's clock. Lookups by creation time allow for it.
pub(crate) const CLOCK_SKEW_MAX: Duration = Duration::minutes(10);

/// Returns the current time.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
