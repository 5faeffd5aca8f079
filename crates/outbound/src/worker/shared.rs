//! State that the worker's loops share.

use std::sync::Arc;
use std::time::Duration;

use quittance_domain::id::WebhookEndpointId;
use quittance_persistence::{DeliveryResult, DeliveryToken, Renderer, Store};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc, watch};

use crate::lanes::Lanes;
use crate::sender::Sender;

/// The most messages sent concurrently, over all endpoints that respond quickly.
const SENDING_MAX: usize = 256;

/// Wakes the worker after events were written. Without it, the worker finds them a moment later by polling.
#[derive(Debug, Clone, Default)]
pub struct Wakeup(Arc<Notify>);

impl Wakeup {
    /// Wakes the worker.
    pub fn notify(&self) {
        self.0.notify_one();
    }

    pub(super) async fn notified(&self) {
        self.0.notified().await;
    }
}

pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) sender: Sender,
    pub(super) render: Renderer,
    pub(super) retention: chrono::Duration,
    /// Wakes the dispatcher.
    pub(super) wakeup: Wakeup,
    /// Wakes the publisher.
    pub(super) unpublished: Notify,
    pub(super) lanes: Lanes,
    sending: Semaphore,
    finished: mpsc::UnboundedSender<FinishedDelivery>,
    stop: watch::Sender<bool>,
}

/// A claimed delivery that is no longer in progress.
pub(super) enum FinishedDelivery {
    Attempted(WebhookEndpointId, Box<DeliveryResult>),
    /// The attempt didn't start in time.
    Released(WebhookEndpointId, DeliveryToken),
}

impl Shared {
    pub(super) fn new(
        store: Store,
        sender: Sender,
        render: Renderer,
        retention: chrono::Duration,
        wakeup: Wakeup,
        finished: mpsc::UnboundedSender<FinishedDelivery>,
    ) -> Self {
        Self {
            store,
            sender,
            render,
            retention,
            wakeup,
            unpublished: Notify::new(),
            lanes: Lanes::default(),
            sending: Semaphore::new(SENDING_MAX),
            finished,
            stop: watch::Sender::new(false),
        }
    }

    pub(super) fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Passes a delivery to the recorder.
    pub(super) fn finish(&self, delivery: FinishedDelivery) {
        // The recorder stops last, so the channel is open.
        let _ = self.finished.send(delivery);
    }

    /// Waits for a permit of the endpoint and one of the process. Returns `None` if the worker stops first.
    pub(super) async fn acquire_permits<'a>(
        &'a self,
        endpoint: &'a Semaphore,
    ) -> Option<(SemaphorePermit<'a>, SemaphorePermit<'a>)> {
        let mut stop = self.stop.subscribe();
        let both = async { Some((endpoint.acquire().await.ok()?, self.sending.acquire().await.ok()?)) };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            both = both => both,
        }
    }

    /// Waits for a notification, the timeout or the worker's stop.
    pub(super) async fn wait(&self, notification: impl Future<Output = ()>, timeout: Duration) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = notification => {}
            () = tokio::time::sleep(timeout) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Waits for the timeout or the worker's stop.
    pub(super) async fn pause(&self, timeout: Duration) {
        self.wait(std::future::pending(), timeout).await;
    }
}
