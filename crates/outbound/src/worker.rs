//! The worker that publishes events as messages, delivers the messages, and records the attempts.
//!
//! Four loops run concurrently. One creates messages, one claims deliveries, one records attempts in batches, and one
//! updates gauges and deletes old messages. Each attempt runs as its own task.

mod dispatch;
mod housekeeping;
mod publish;
mod record;
mod shared;

use std::sync::Arc;

use quittance_persistence::{Renderer, Store};
use tokio::sync::{mpsc, watch};

pub use shared::Wakeup;

use crate::metrics;
use crate::sender::Sender;
use shared::{FinishedDelivery, Shared};

/// The worker's settings.
#[derive(Debug, Clone)]
pub struct OutboundConfig {
    /// Renders the payload of a message.
    pub render: Renderer,
    /// The time after which messages are deleted.
    pub retention: chrono::Duration,
}

/// Delivers messages to your endpoints. Any number of processes may each run one.
pub struct Worker {
    shared: Arc<Shared>,
    finished: mpsc::UnboundedReceiver<FinishedDelivery>,
}

impl Worker {
    /// Creates a worker. Call [`Wakeup::notify`] after each commit that writes events.
    #[must_use]
    pub fn new(store: Store, sender: Sender, config: OutboundConfig, wakeup: Wakeup) -> Self {
        metrics::describe();
        let (finished_sender, finished) = mpsc::unbounded_channel();
        let shared = Shared::new(store, sender, config.render, config.retention, wakeup, finished_sender);
        Self { shared: Arc::new(shared), finished }
    }

    /// Runs until `stop` is true or its sender is dropped. Running attempts then get a few seconds to end. Aborted
    /// attempts are retried by the next worker, or by another process.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Self { shared, finished } = self;
        let publishing = tokio::spawn(publish::run(Arc::clone(&shared)));
        let housekeeping = tokio::spawn(housekeeping::run(Arc::clone(&shared)));
        let (all_dispatched, dispatched) = watch::channel(false);
        let recording = tokio::spawn(record::run(Arc::clone(&shared), finished, dispatched));
        let dispatching = tokio::spawn(dispatch::run(Arc::clone(&shared)));
        // An error means that the sender was dropped, which stops the worker too.
        let _ = stop.wait_for(|stop| *stop).await;
        shared.request_stop();
        for task in [publishing, housekeeping, dispatching] {
            let _ = task.await;
        }
        all_dispatched.send_replace(true);
        let _ = recording.await;
    }
}
