//! A fixed clock.

use chrono::{DateTime, Duration, Utc};

/// The Unix time of the fixed clock, in seconds: 2026-11-22, 12:00 UTC.
pub const NOW_S: i64 = 1_795_348_800;

/// Returns the time of the fixed clock. It has microseconds, which both databases store.
#[must_use]
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW_S, 123_456_000).expect("a time")
}

/// Returns the time this many seconds after [`now`], or before it if the number is negative.
///
/// ```
/// use quittance_test_support::{later, now};
///
/// assert_eq!(later(90) - now(), chrono::Duration::seconds(90));
/// ```
#[must_use]
pub fn later(seconds: i64) -> DateTime<Utc> {
    now() + Duration::seconds(seconds)
}
