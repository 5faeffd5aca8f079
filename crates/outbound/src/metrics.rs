//! The crate's metrics.

use chrono::{DateTime, Utc};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use quittance_domain::outbound::DisabledReason;

use crate::sender::DeliveryResponse;

const ATTEMPTS: &str = "quittance_outbound_attempts_total";
const ATTEMPT_SECONDS: &str = "quittance_outbound_attempt_seconds";
const BACKLOG: &str = "quittance_outbound_backlog";
const OLDEST: &str = "quittance_outbound_oldest_undelivered_seconds";
const LEASES_LOST: &str = "quittance_outbound_leases_lost_total";
const ENDPOINTS_DISABLED: &str = "quittance_outbound_endpoints_disabled_total";

/// Registers the descriptions shown on `/metrics`.
pub(crate) fn describe() {
    describe_counter!(ATTEMPTS, "Attempts to deliver messages to your endpoints, by outcome");
    describe_histogram!(ATTEMPT_SECONDS, Unit::Seconds, "Duration of delivery attempts");
    describe_gauge!(BACKLOG, "Pending deliveries to enabled endpoints");
    describe_gauge!(OLDEST, Unit::Seconds, "Age of the oldest pending delivery");
    describe_counter!(
        LEASES_LOST,
        "Delivery attempts that ended after their lease; their messages were sent again"
    );
    describe_counter!(
        ENDPOINTS_DISABLED,
        "Endpoints disabled because they failed for days or returned 410, by reason"
    );
}

pub(crate) fn count_attempt(response: &DeliveryResponse) {
    counter!(ATTEMPTS, "outcome" => response.outcome.as_str()).increment(1);
    histogram!(ATTEMPT_SECONDS).record(response.duration);
}

pub(crate) fn count_lost_leases(count: usize) {
    counter!(LEASES_LOST).increment(u64::try_from(count).unwrap_or_default());
}

pub(crate) fn count_disabled_endpoint(reason: DisabledReason) {
    counter!(ENDPOINTS_DISABLED, "reason" => reason.as_str()).increment(1);
}

/// Updates the gauges of pending deliveries. `oldest` is the time of the oldest one.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a floating-point number")]
pub(crate) fn set_backlog(pending: i64, oldest: Option<DateTime<Utc>>) {
    let age_ms = oldest.map_or(0, |oldest| (Utc::now() - oldest).num_milliseconds().max(0));
    gauge!(BACKLOG).set(pending as f64);
    gauge!(OLDEST).set(age_ms as f64 / 1000.0);
}
