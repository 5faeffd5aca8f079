//! The bounded queue between those who deliver events and those who write them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use quittance_domain::event::EventOutcome;
use quittance_persistence::Delivery;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{ReceiveError, ReceiverConfig, figures};

/// An event that waits, and where to say what became of it.
pub(crate) struct QueuedEvent {
    pub(crate) delivery: Delivery,
    answer: oneshot::Sender<Result<EventOutcome, ReceiveError>>,
}

/// What became of an event, as soon as that is known.
pub(crate) type Answer = oneshot::Receiver<Result<EventOutcome, ReceiveError>>;

impl QueuedEvent {
    /// Says what became of the event. Whoever delivered it may have hung up: that changes nothing.
    pub(crate) fn answer(self, answer: Result<EventOutcome, ReceiveError>) {
        let _ = self.answer.send(answer);
    }
}

/// Where events are put in.
pub(crate) struct QueueSender {
    /// Gone once the queue is closed.
    sender: RwLock<Option<mpsc::Sender<QueuedEvent>>>,
    crowded: Arc<AtomicBool>,
}

/// Where batches are taken out. Writers take turns.
pub(crate) struct QueueReceiver {
    line: Mutex<Line>,
    max_events: usize,
    max_bytes: usize,
    crowded: Arc<AtomicBool>,
}

struct Line {
    receiver: mpsc::Receiver<QueuedEvent>,
    /// The event that did not fit into the last batch.
    held_over: Option<QueuedEvent>,
}

pub(crate) fn queue(config: &ReceiverConfig) -> (QueueSender, QueueReceiver) {
    let (sender, receiver) = mpsc::channel(config.queue.max(1));
    let crowded = Arc::new(AtomicBool::new(false));
    let entrance = QueueSender { sender: RwLock::new(Some(sender)), crowded: Arc::clone(&crowded) };
    let exit = QueueReceiver {
        line: Mutex::new(Line { receiver, held_over: None }),
        max_events: config.max_batch_events.max(1),
        max_bytes: config.max_batch_bytes,
        crowded,
    };
    (entrance, exit)
}

impl QueueSender {
    /// Puts an event in, if there is room.
    pub(crate) fn put(&self, delivery: Delivery) -> Result<Answer, ReceiveError> {
        let (answer, answered) = oneshot::channel();
        let sender = self.sender.read().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(ReceiveError::Closed)?;
        match sender.try_send(QueuedEvent { delivery, answer }) {
            Ok(()) => {
                figures::queue(sender.max_capacity() - sender.capacity());
                Ok(answered)
            }
            Err(TrySendError::Closed(_)) => Err(ReceiveError::Closed),
            Err(TrySendError::Full(_)) => {
                if !self.crowded.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "Events come faster than the database commits them: {} wait, and further ones are turned \
                         away until there is room. Stripe sends them again.",
                        sender.max_capacity()
                    );
                }
                Err(ReceiveError::Full)
            }
        }
    }

    /// Takes no events from now on. Those that wait are still written.
    pub(crate) fn close(&self) {
        self.sender.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl QueueReceiver {
    /// Waits for an event and takes it with all that wait behind it, as far as they fit into one batch.
    /// `None` once the queue is closed and empty.
    pub(crate) async fn next_batch(&self) -> Option<Vec<QueuedEvent>> {
        let mut line = self.line.lock().await;
        let first = match line.held_over.take() {
            Some(held_over) => held_over,
            None => line.receiver.recv().await?,
        };
        let mut bytes = first.delivery.payload.len();
        let mut batch = vec![first];
        while batch.len() < self.max_events
            && let Ok(next) = line.receiver.try_recv()
        {
            bytes += next.delivery.payload.len();
            if bytes > self.max_bytes {
                line.held_over = Some(next);
                break;
            }
            batch.push(next);
        }
        let waiting = line.receiver.len() + usize::from(line.held_over.is_some());
        figures::queue(waiting);
        if waiting == 0 {
            self.crowded.store(false, Ordering::Relaxed);
        }
        Some(batch)
    }
}
