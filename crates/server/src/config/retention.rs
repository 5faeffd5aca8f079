//! Retention settings.

use chrono::Duration;

use crate::error::Error;

/// Longer than messages are retried, and longer than Stripe retries an event automatically.
const RETENTION_MIN: Duration = Duration::days(4);

/// A hundred years.
const RETENTION_MAX: Duration = Duration::days(36_500);

/// Parses a retention in days (`90d`) or hours (`200h`).
pub(super) fn retention(variable: &'static str, text: &str) -> Result<Duration, Error> {
    let parsed = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(days), _) => days.parse().ok().and_then(Duration::try_days),
        (_, Some(hours)) => hours.parse().ok().and_then(Duration::try_hours),
        _ => None,
    };
    parsed.filter(|time| (RETENTION_MIN..=RETENTION_MAX).contains(time)).ok_or_else(|| {
        let problem = "must be at least four days, in days or hours, such as 90d or 200h";
        Error::setting(variable, problem)
    })
}
