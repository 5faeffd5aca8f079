//! The crate's metrics.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use quittance_domain::event::{Event, EventContent, EventOutcome};
use quittance_stripe_gateway::signature::SignatureError;

use crate::ReceiveError;

const EVENTS: &str = "quittance_webhook_events_total";
const BATCH: &str = "quittance_webhook_batch_events";
const QUEUE: &str = "quittance_webhook_queue";
const REJECTED: &str = "quittance_webhook_rejected_total";
const BACKFILL_RUNS: &str = "quittance_event_backfill_runs_total";
const BACKFILL_RECOVERED: &str = "quittance_event_backfill_recovered_total";

/// Registers the descriptions shown on `/metrics`.
pub(crate) fn describe() {
    describe_counter!(EVENTS, Unit::Count, "Stripe events received, by type and outcome");
    describe_histogram!(BATCH, Unit::Count, "Events committed per transaction");
    describe_gauge!(QUEUE, Unit::Count, "Verified events waiting to be committed");
    describe_counter!(REJECTED, Unit::Count, "Webhook deliveries rejected, by reason");
    describe_counter!(BACKFILL_RUNS, Unit::Count, "Event backfills of one account, by outcome");
    describe_counter!(BACKFILL_RECOVERED, Unit::Count, "Undelivered events recovered by backfills");
}

/// Counts a committed event. Unhandled types share one label, because Stripe has hundreds.
pub(crate) fn count_event(event: &Event, outcome: EventOutcome) {
    let kind = match event.content {
        EventContent::Unhandled => "other".to_owned(),
        _ => event.kind.clone(),
    };
    counter!(EVENTS, "type" => kind, "outcome" => outcome.as_str()).increment(1);
}

/// Records the number of events in a transaction.
#[allow(clippy::cast_precision_loss, reason = "a batch has a few hundred events")]
pub(crate) fn record_batch(events: usize) {
    histogram!(BATCH).record(events as f64);
}

/// Sets the number of waiting events.
#[allow(clippy::cast_precision_loss, reason = "the queue holds a few thousand events")]
pub(crate) fn set_queue(events: usize) {
    gauge!(QUEUE).set(events as f64);
}

pub(crate) fn count_rejection(error: &ReceiveError) {
    counter!(REJECTED, "reason" => reason(error)).increment(1);
}

pub(crate) fn count_backfill(recovered: usize) {
    counter!(BACKFILL_RUNS, "outcome" => "done").increment(1);
    counter!(BACKFILL_RECOVERED).increment(recovered as u64);
}

pub(crate) fn count_failed_backfill() {
    counter!(BACKFILL_RUNS, "outcome" => "failed").increment(1);
}

fn reason(error: &ReceiveError) -> &'static str {
    match error {
        ReceiveError::Signature(SignatureError::Malformed | SignatureError::NoTimestamp) => {
            "malformed_signature"
        }
        ReceiveError::Signature(SignatureError::Stale { .. }) => "stale_signature",
        ReceiveError::Signature(SignatureError::NoMatch) => "wrong_signature",
        ReceiveError::NotAnEvent(_) => "not_an_event",
        ReceiveError::Full => "full",
        ReceiveError::Unavailable(_) => "unavailable",
        ReceiveError::Closed => "closed",
    }
}
