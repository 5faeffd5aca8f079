//! The face of this crate.

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
use crate::queue::{Answer, QueueSender, queue};
use crate::{ReceiveError, ReceiverConfig, figures};

/// Receives the events of one of Stripe's webhook endpoints. Clones, and receivers of other endpoints made by
/// [`Receiver::for_endpoint`], share one queue.
#[derive(Clone)]
pub struct Receiver {
    secrets: Arc<[SecretString]>,
    inner: Arc<Inner>,
}

struct Inner {
    entrance: QueueSender,
    /// Ends when the last writer has.
    writers: watch::Receiver<()>,
}

impl Receiver {
    /// Starts the writers on the current tokio runtime, which must outlive every call of [`Self::receive`].
    ///
    /// `applied` is called after each commit that changed an attempt, before the events are acknowledged. It must
    /// neither block nor panic.
    pub fn start(store: Store, config: ReceiverConfig, applied: impl Fn() + Send + Sync + 'static) -> Self {
        figures::describe();
        let (entrance, exit) = queue(&config);
        let writer = Arc::new(Writer { store, exit, applied: Box::new(applied) });
        let (running, writers) = watch::channel(());
        let running = Arc::new(running);
        for _ in 0..config.writers.max(1) {
            let (writer, running) = (Arc::clone(&writer), Arc::clone(&running));
            tokio::spawn(async move {
                writer.run().await;
                drop(running);
            });
        }
        Self { secrets: config.secrets.into(), inner: Arc::new(Inner { entrance, writers }) }
    }

    /// The receiver of another endpoint, which believes these secrets only. It puts what it takes in into the same
    /// queue, and is closed together with this one.
    #[must_use]
    pub fn for_endpoint(&self, secrets: Vec<SecretString>) -> Self {
        Self { secrets: secrets.into(), inner: Arc::clone(&self.inner) }
    }

    /// Takes one delivery in: the raw body and the `Stripe-Signature` header, at this time.
    ///
    /// Returns what became of the event once that is committed. A caller that goes away meanwhile disturbs
    /// nothing. Callers may live on any runtime.
    pub async fn receive(
        &self,
        payload: Bytes,
        signature_header: &str,
        now: DateTime<Utc>,
    ) -> Result<EventOutcome, ReceiveError> {
        let result = match self.put(payload, signature_header, now) {
            Ok(answer) => answered(answer).await,
            Err(error) => Err(error),
        };
        result.inspect_err(figures::rejected)
    }

    fn put(
        &self,
        payload: Bytes,
        signature_header: &str,
        now: DateTime<Utc>,
    ) -> Result<Answer, ReceiveError> {
        signature::verify(&payload, signature_header, &self.secrets, now.timestamp())
            .inspect_err(|error| tracing::warn!("A delivery to the webhook was refused: {error}."))?;
        let event = event::read(&payload)
            .inspect_err(|error| tracing::warn!("A verified delivery was refused: {error}."))?;
        CrashPoint::EventVerified.reach();
        self.inner.entrance.put(Delivery { event, payload, received_at: now })
    }

    /// Takes events in that were read from Stripe itself, and so need no signature; what became of each, in their
    /// order.
    pub(crate) async fn take_in(&self, deliveries: Vec<Delivery>) -> Result<Vec<EventOutcome>, ReceiveError> {
        let answers: Result<Vec<_>, _> =
            deliveries.into_iter().map(|delivery| self.inner.entrance.put(delivery)).collect();
        let mut outcomes = Vec::new();
        for answer in answers? {
            outcomes.push(answered(answer).await?);
        }
        Ok(outcomes)
    }

    /// Takes no new events, and returns once all that wait are written and answered.
    pub async fn close(&self) {
        self.inner.entrance.close();
        let mut writers = self.inner.writers.clone();
        // Nothing is ever sent: the error says that all senders are gone.
        while writers.changed().await.is_ok() {}
    }
}

async fn answered(answer: Answer) -> Result<EventOutcome, ReceiveError> {
    answer
        .await
        .unwrap_or_else(|lost| Err(ReceiveError::Unavailable(Arc::new(Error::Unavailable(Box::new(lost))))))
}
