//! What is counted.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use quittance_domain::event::{Event, EventContent, EventOutcome};
use quittance_stripe_gateway::signature::SignatureError;

use crate::ReceiveError;

const EVENTS: &str = "quittance_webhook_events_total";
const BATCH: &str = "quittance_webhook_batch_events";
const QUEUE: &str = "quittance_webhook_queue";
const REJECTED: &str = "quittance_webhook_rejected_total";

pub(crate) fn describe() {
    describe_counter!(
        EVENTS,
        Unit::Count,
        "Stripe's events that were taken in, by type and what became of them"
    );
    describe_histogram!(BATCH, Unit::Count, "How many events were committed together");
    describe_gauge!(QUEUE, Unit::Count, "Verified events that wait for their batch");
    describe_counter!(REJECTED, Unit::Count, "Deliveries that were turned away, by reason");
}

/// An event was committed. Types that we do not handle are counted together: Stripe has hundreds.
pub(crate) fn taken_in(event: &Event, outcome: EventOutcome) {
    let kind = match event.content {
        EventContent::Unhandled => "other".to_owned(),
        _ => event.kind.clone(),
    };
    counter!(EVENTS, "type" => kind, "outcome" => outcome.as_str()).increment(1);
}

/// So many events go into one transaction.
#[allow(clippy::cast_precision_loss, reason = "a batch has a few hundred events")]
pub(crate) fn batch(events: usize) {
    histogram!(BATCH).record(events as f64);
}

/// So many events wait.
#[allow(clippy::cast_precision_loss, reason = "the queue has room for some thousand events")]
pub(crate) fn queue(events: usize) {
    gauge!(QUEUE).set(events as f64);
}

pub(crate) fn rejected(error: &ReceiveError) {
    counter!(REJECTED, "reason" => reason(error)).increment(1);
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
