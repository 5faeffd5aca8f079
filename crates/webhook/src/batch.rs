//! Writing batches, and finding the one event that spoils a batch.

use std::fmt::Write as _;
use std::sync::Arc;

use quittance_crash_points::CrashPoint;
use quittance_domain::event::{EventContent, EventOutcome};
use quittance_domain::payment::Account;
use quittance_persistence::{Delivery, Error, Store};

use crate::queue::{QueueReceiver, QueuedEvent};
use crate::{ReceiveError, figures};

/// What writers need. One or two run at once.
pub(crate) struct Writer {
    pub(crate) store: Store,
    pub(crate) exit: QueueReceiver,
    pub(crate) applied: Box<dyn Fn() + Send + Sync>,
}

impl Writer {
    /// Writes batch after batch until the queue is closed and empty.
    pub(crate) async fn run(&self) {
        while let Some(mut batch) = self.exit.next_batch().await {
            figures::batch(batch.len());
            // Two writers that hold the same event wait for each other in one order only.
            batch.sort_by(|a, b| a.delivery.event.id.cmp(&b.delivery.event.id));
            self.write(batch).await;
        }
    }

    /// Writes a batch. Where an event's data is at fault, halves are written, down to the event alone.
    async fn write(&self, batch: Vec<QueuedEvent>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let deliveries = part.iter().map(|queued| queued.delivery.clone()).collect();
            match self.store.apply(deliveries).await {
                Ok(outcomes) => self.acknowledge(part, outcomes),
                Err(error) if !error.is_data_error() => {
                    // Trying the other parts would keep everybody waiting for the same answer.
                    return refuse(parts.into_iter().flatten().chain(part).collect(), error);
                }
                Err(_) if part.len() > 1 => {
                    let second_half = part.split_off(part.len() / 2);
                    parts.extend([second_half, part]);
                }
                Err(error) => {
                    for poison in part {
                        self.keep(poison, &error).await;
                    }
                }
            }
        }
    }

    /// The events are committed: says so to each who delivered one.
    fn acknowledge(&self, part: Vec<QueuedEvent>, outcomes: Vec<EventOutcome>) {
        debug_assert_eq!(part.len(), outcomes.len(), "an outcome for each event");
        CrashPoint::EventsApplied.reach();
        if outcomes.contains(&EventOutcome::Applied) {
            (self.applied)();
        }
        for (queued, outcome) in part.into_iter().zip(outcomes) {
            let event = &queued.delivery.event;
            figures::taken_in(event, outcome);
            if let (EventContent::Unreadable(reason), EventOutcome::Failed) = (&event.content, outcome) {
                tracing::warn!(
                    stripe.event.id = event.id,
                    stripe.event.type = event.kind,
                    "An event can not be read: {reason}. It is kept in the inbox as failed; `quittance replay` of \
                     a version that can read it applies it."
                );
            }
            tracing::debug!(
                stripe.event.id = event.id,
                stripe.event.type = event.kind,
                outcome = outcome.as_str(),
                reason = outcome.reason(),
                "An event was taken in."
            );
            queued.answer(Ok(outcome));
        }
    }

    /// Keeps the bytes of an event that can not be applied.
    async fn keep(&self, poison: QueuedEvent, error: &Error) {
        let reason = with_sources(error);
        let event = &poison.delivery.event;
        let mut kept = self.store.keep_failed(poison.delivery.clone(), reason.clone()).await;
        if kept.as_ref().is_err_and(Error::is_data_error) {
            // The bytes can always be stored, a text may hold what the database has no place for.
            kept = self.store.keep_failed(without_nul(poison.delivery.clone()), reason.clone()).await;
        }
        match kept {
            Ok(()) => {
                tracing::error!(
                    stripe.event.id = event.id,
                    stripe.event.type = event.kind,
                    "An event can not be applied: {reason}. Its bytes are kept in the inbox as failed. Once the \
                     cause is gone, `quittance replay` applies it."
                );
                figures::taken_in(event, EventOutcome::Failed);
                CrashPoint::EventsApplied.reach();
                poison.answer(Ok(EventOutcome::Failed));
            }
            Err(error) => refuse(vec![poison], error),
        }
    }
}

/// Nothing of these events is known to be committed: Stripe must send them again.
fn refuse(events: Vec<QueuedEvent>, error: Error) {
    tracing::error!(
        events = events.len(),
        "Events could not be stored: {}. Stripe sends them again.",
        with_sources(&error)
    );
    let error = Arc::new(error);
    for queued in events {
        queued.answer(Err(ReceiveError::Unavailable(Arc::clone(&error))));
    }
}

/// An error with what is behind it, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// The delivery without the one character that PostgreSQL has no place for in a text.
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
