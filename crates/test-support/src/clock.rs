//! A clock that stands still.

use chrono::{DateTime, Duration, Utc};

/// The second since 1970 at which the clock stands: 2026-11-22, 12:00 UTC.
pub const NOW_S: i64 = 1_795_348_800;

/// The time at which the clock stands, with microseconds, as both databases keep them.
#[must_use]
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW_S, 123_456_000).expect("a time")
}

/// So many seconds after [`now`], or before it.
#[must_use]
pub fn later(seconds: i64) -> DateTime<Utc> {
    now() + Duration::seconds(seconds)
}
