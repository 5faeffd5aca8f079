//! Writers, which commit batches and isolate events that fail.

use std::fmt::Write as _;
use std::sync::Arc;

use quittance_crash_points::CrashPoint;
use quittance_domain::event::{EventContent, EventOutcome};
use quittance_domain::payment::Account;
use quittance_persistence::{Delivery, Error, Store};

use crate::queue::{QueueReceiver, QueuedEvent};
use crate::{ReceiveError, metrics};

/// The state of the writers. [`run`](Self::run) may run several times concurrently.
pub(crate) struct Writer {
    pub(crate) store: Store,
    pub(crate) queue: QueueReceiver,
    pub(crate) on_applied: Box<dyn Fn() + Send + Sync>,
}

impl Writer {
    /// Writes batches until the queue is closed and empty.
    pub(crate) async fn run(&self) {
        while let Some(mut batch) = self.queue.next_batch().await {
            metrics::record_batch(batch.len());
            // A fixed order prevents deadlocks between two writers with the same events.
            batch.sort_by(|a, b| a.delivery.event.id.cmp(&b.delivery.event.id));
            self.write(batch).await;
        }
    }

    /// Writes a batch. If an event's data is invalid, the batch is split in halves until that event is alone.
    async fn write(&self, batch: Vec<QueuedEvent>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let deliveries = part.iter().map(|queued| queued.delivery.clone()).collect();
            match self.store.apply(deliveries).await {
                Ok(outcomes) => self.acknowledge(part, outcomes),
                Err(error) if !error.is_data_error() => {
                    // The other parts would fail too, and their callers would wait longer.
                    return reject(parts.into_iter().flatten().chain(part).collect(), error);
                }
                Err(_) if part.len() > 1 => {
                    let second_half = part.split_off(part.len() / 2);
                    parts.extend([second_half, part]);
                }
                Err(error) => {
                    for event in part {
                        self.store_failed(event, &error).await;
                    }
                }
            }
        }
    }

    /// Acknowledges committed events.
    fn acknowledge(&self, part: Vec<QueuedEvent>, outcomes: Vec<EventOutcome>) {
        debug_assert_eq!(part.len(), outcomes.len(), "each event has an outcome");
        CrashPoint::EventsApplied.reach();
        if outcomes.contains(&EventOutcome::Applied) {
            (self.on_applied)();
        }
        for (queued, outcome) in part.into_iter().zip(outcomes) {
            let event = &queued.delivery.event;
            metrics::count_event(event, outcome);
            if let (EventContent::Unreadable(reason), EventOutcome::Failed) = (&event.content, outcome) {
                tracing::warn!(
                    stripe.event.id = event.id,
                    stripe.event.type = event.kind,
                    %reason,
                    "failed to read event; it is stored as failed, and `quittance replay` applies it once a version \
                     can read it"
                );
            }
            tracing::debug!(
                stripe.event.id = event.id,
                stripe.event.type = event.kind,
                outcome = outcome.as_str(),
                reason = outcome.reason(),
                "committed event"
            );
            queued.complete(Ok(outcome));
        }
    }

    /// Stores the bytes of an event that can't be applied.
    async fn store_failed(&self, queued: QueuedEvent, error: &Error) {
        let reason = with_sources(error);
        let event = &queued.delivery.event;
        let mut stored = self.store.record_failed_event(queued.delivery.clone(), reason.clone()).await;
        if stored.as_ref().is_err_and(Error::is_data_error) {
            // The database accepts any bytes, but PostgreSQL rejects NUL characters in text.
            stored =
                self.store.record_failed_event(without_nul(queued.delivery.clone()), reason.clone()).await;
        }
        match stored {
            Ok(()) => {
                tracing::error!(
                    stripe.event.id = event.id,
                    stripe.event.type = event.kind,
                    %reason,
                    "failed to apply event; it is stored as failed. Once the cause is fixed, run `quittance replay`"
                );
                metrics::count_event(event, EventOutcome::Failed);
                CrashPoint::EventsApplied.reach();
                queued.complete(Ok(EventOutcome::Failed));
            }
            Err(error) => reject(vec![queued], error),
        }
    }
}

/// Rejects events whose commit failed or is uncertain. Stripe must send them again.
fn reject(events: Vec<QueuedEvent>, error: Error) {
    tracing::error!(
        events = events.len(),
        error = &error as &dyn std::error::Error,
        "failed to store events; Stripe retries them"
    );
    let error = Arc::new(error);
    for queued in events {
        queued.complete(Err(ReceiveError::Unavailable(Arc::clone(&error))));
    }
}

/// Formats an error and its sources as one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// Replaces NUL characters in a delivery's text fields, because PostgreSQL can't store them.
fn without_nul(mut delivery: Delivery) -> Delivery {
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let event = &mut delivery.event;
    event.id = clean(&event.id);
    event.kind = clean(&event.kind);
    if event.account != Account::own() {
        event.account = Account::connected(clean(event.account.as_str()));
    }
    delivery
}
