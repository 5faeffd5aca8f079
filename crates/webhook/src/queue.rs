//! The bounded queue between receivers and writers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use quittance_domain::event::EventOutcome;
use quittance_persistence::Delivery;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{ReceiveError, ReceiverConfig, metrics};

/// A waiting event and the channel for its outcome.
pub(crate) struct QueuedEvent {
    pub(crate) delivery: Delivery,
    outcome: oneshot::Sender<Result<EventOutcome, ReceiveError>>,
}

/// The outcome of an event, once it is known.
pub(crate) type PendingOutcome = oneshot::Receiver<Result<EventOutcome, ReceiveError>>;

impl QueuedEvent {
    /// Sends the outcome to the caller that delivered the event. If the caller is gone, this does nothing.
    pub(crate) fn complete(self, outcome: Result<EventOutcome, ReceiveError>) {
        let _ = self.outcome.send(outcome);
    }
}

/// The sending half of the queue.
pub(crate) struct QueueSender {
    /// `None` once the queue is closed.
    sender: RwLock<Option<mpsc::Sender<QueuedEvent>>>,
    has_overflowed: Arc<AtomicBool>,
}

/// The receiving half of the queue. Writers share it.
pub(crate) struct QueueReceiver {
    state: Mutex<QueueState>,
    max_events: usize,
    max_bytes: usize,
    has_overflowed: Arc<AtomicBool>,
}

struct QueueState {
    receiver: mpsc::Receiver<QueuedEvent>,
    /// The event that exceeded the previous batch's byte limit.
    carried_over: Option<QueuedEvent>,
}

/// Creates a queue.
pub(crate) fn queue(config: &ReceiverConfig) -> (QueueSender, QueueReceiver) {
    let (sender, receiver) = mpsc::channel(config.queue.max(1));
    let has_overflowed = Arc::new(AtomicBool::new(false));
    let queue_sender =
        QueueSender { sender: RwLock::new(Some(sender)), has_overflowed: Arc::clone(&has_overflowed) };
    let queue_receiver = QueueReceiver {
        state: Mutex::new(QueueState { receiver, carried_over: None }),
        max_events: config.max_batch_events.max(1),
        max_bytes: config.max_batch_bytes,
        has_overflowed,
    };
    (queue_sender, queue_receiver)
}

impl QueueSender {
    /// Adds an event, or fails if the queue is full or closed.
    pub(crate) fn push(&self, delivery: Delivery) -> Result<PendingOutcome, ReceiveError> {
        let (outcome, pending) = oneshot::channel();
        let sender = self.sender.read().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(ReceiveError::Closed)?;
        match sender.try_send(QueuedEvent { delivery, outcome }) {
            Ok(()) => {
                metrics::set_queue(sender.max_capacity() - sender.capacity());
                Ok(pending)
            }
            Err(TrySendError::Closed(_)) => Err(ReceiveError::Closed),
            Err(TrySendError::Full(_)) => {
                if !self.has_overflowed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        queued = sender.max_capacity(),
                        "failed to queue event because the queue is full; further events are rejected, and Stripe \
                         retries them"
                    );
                }
                Err(ReceiveError::Full)
            }
        }
    }

    /// Rejects further events. Waiting events are still written.
    pub(crate) fn close(&self) {
        self.sender.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl QueueReceiver {
    /// Waits for an event, and returns it with all events waiting behind it that fit into one batch. Returns `None`
    /// once the queue is closed and empty.
    pub(crate) async fn next_batch(&self) -> Option<Vec<QueuedEvent>> {
        let mut state = self.state.lock().await;
        let first = match state.carried_over.take() {
            Some(carried_over) => carried_over,
            None => state.receiver.recv().await?,
        };
        let mut bytes = first.delivery.payload.len();
        let mut batch = vec![first];
        while batch.len() < self.max_events
            && let Ok(next) = state.receiver.try_recv()
        {
            bytes += next.delivery.payload.len();
            if bytes > self.max_bytes {
                state.carried_over = Some(next);
                break;
            }
            batch.push(next);
        }
        let waiting = state.receiver.len() + usize::from(state.carried_over.is_some());
        metrics::set_queue(waiting);
        if waiting == 0 {
            self.has_overflowed.store(false, Ordering::Relaxed);
        }
        Some(batch)
    }
}
