//! The entry point for events.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use quittance_crash_points::CrashPoint;
use quittance_domain::event::EventOutcome;
use quittance_persistence::{Delivery, Error, Store};
use quittance_stripe_gateway::{event, signature};
use secrecy::SecretString;
use tokio::sync::watch;

use crate::batch::Writer;
use crate::queue::{PendingOutcome, QueueSender, queue};
use crate::{ReceiveError, ReceiverConfig, metrics};

/// Receives the events of one Stripe webhook endpoint. Clones share one queue, and so do the receivers of other
/// endpoints from [`Receiver::for_endpoint`].
#[derive(Clone)]
pub struct Receiver {
    secrets: Arc<[SecretString]>,
    queue: Arc<SharedQueue>,
}

struct SharedQueue {
    sender: QueueSender,
    /// Closed when the last writer ends.
    writers: watch::Receiver<()>,
}

impl Receiver {
    /// Starts the writers on the current Tokio runtime, which must outlive every call of [`Self::receive`].
    ///
    /// `on_applied` is called after each commit that changed an attempt, before the events are acknowledged. It must
    /// neither block nor panic.
    pub fn start(
        store: Store,
        config: ReceiverConfig,
        on_applied: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        metrics::describe();
        let (sender, receiver) = queue(&config);
        let writer = Arc::new(Writer { store, queue: receiver, on_applied: Box::new(on_applied) });
        let (running, writers) = watch::channel(());
        let running = Arc::new(running);
        for _ in 0..config.writers.max(1) {
            let (writer, running) = (Arc::clone(&writer), Arc::clone(&running));
            tokio::spawn(async move {
                writer.run().await;
                drop(running);
            });
        }
        Self { secrets: config.secrets.into(), queue: Arc::new(SharedQueue { sender, writers }) }
    }

    /// Returns a receiver for another endpoint, which accepts only these secrets. Both share one queue and are closed
    /// together.
    #[must_use]
    pub fn for_endpoint(&self, secrets: Vec<SecretString>) -> Self {
        Self { secrets: secrets.into(), queue: Arc::clone(&self.queue) }
    }

    /// Receives one delivery: the raw body, the `Stripe-Signature` header, and the current time.
    ///
    /// Returns the outcome once the event is committed. If the caller is dropped, the event is still written. Callers
    /// may run on any runtime.
    pub async fn receive(
        &self,
        payload: Bytes,
        signature_header: &str,
        now: DateTime<Utc>,
    ) -> Result<EventOutcome, ReceiveError> {
        let result = match self.enqueue(payload, signature_header, now) {
            Ok(pending) => wait_for_outcome(pending).await,
            Err(error) => Err(error),
        };
        result.inspect_err(metrics::count_rejection)
    }

    /// Verifies a delivery and adds it to the queue.
    fn enqueue(
        &self,
        payload: Bytes,
        signature_header: &str,
        now: DateTime<Utc>,
    ) -> Result<PendingOutcome, ReceiveError> {
        signature::verify(&payload, signature_header, &self.secrets, now.timestamp()).inspect_err(
            |error| {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "failed to verify webhook signature; the delivery is rejected"
                );
            },
        )?;
        let event = event::read(&payload).inspect_err(|error| {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "failed to read verified event; the delivery is rejected"
            );
        })?;
        CrashPoint::EventVerified.reach();
        self.queue.sender.push(Delivery { event, payload, received_at: now })
    }

    /// Applies events from Stripe's API, which need no signature. Returns their outcomes in the same order.
    pub(crate) async fn apply_listed(
        &self,
        deliveries: Vec<Delivery>,
    ) -> Result<Vec<EventOutcome>, ReceiveError> {
        let pending: Result<Vec<_>, _> =
            deliveries.into_iter().map(|delivery| self.queue.sender.push(delivery)).collect();
        let mut outcomes = Vec::new();
        for pending in pending? {
            outcomes.push(wait_for_outcome(pending).await?);
        }
        Ok(outcomes)
    }

    /// Rejects new events, and returns once all waiting events are written and acknowledged.
    pub async fn close(&self) {
        self.queue.sender.close();
        let mut writers = self.queue.writers.clone();
        // No value is ever sent. The error means that all writers have ended.
        while writers.changed().await.is_ok() {}
    }
}

async fn wait_for_outcome(pending: PendingOutcome) -> Result<EventOutcome, ReceiveError> {
    pending
        .await
        .unwrap_or_else(|lost| Err(ReceiveError::Unavailable(Arc::new(Error::Unavailable(Box::new(lost))))))
}
