//! Callers that wait for a payment's outcome. One poller per process serves all of them with one query.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quittance_domain::id::OrderId;
use quittance_persistence::Store;
use tokio::sync::{Notify, oneshot};

use crate::metrics;

/// The polling period, for commits of other processes. Commits of this process call [`OutcomeWaiters::notify`].
const POLL_PERIOD: Duration = Duration::from_millis(250);

/// The waiting callers by order. Clones share the list.
#[derive(Clone)]
pub struct OutcomeWaiters {
    waiters: Arc<Mutex<HashMap<OrderId, Vec<OutcomeWaiter>>>>,
    wakeup: Arc<Notify>,
}

struct OutcomeWaiter {
    seen_version: i64,
    outcome: oneshot::Sender<()>,
}

impl OutcomeWaiters {
    /// Starts the poller on the current runtime. The poller is idle while no caller waits.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let waiters = Self { waiters: Arc::default(), wakeup: Arc::new(Notify::new()) };
        tokio::spawn(poll(waiters.clone(), store));
        waiters
    }

    /// Wakes the poller after a commit.
    pub fn notify(&self) {
        self.wakeup.notify_one();
    }

    /// Waits until the order's payment has an outcome in a later version than `seen_version`.
    pub(crate) async fn outcome_after(&self, order_id: OrderId, seen_version: i64) {
        let (sender, receiver) = oneshot::channel();
        self.lock().entry(order_id).or_default().push(OutcomeWaiter { seen_version, outcome: sender });
        self.wakeup.notify_one();
        // The sender is dropped only after it has sent.
        let _ = receiver.await;
    }

    /// Removes callers that are gone, and returns the orders of the others.
    fn awaited_orders(&self) -> Vec<OrderId> {
        let mut waiters = self.lock();
        waiters.retain(|_, of_order| {
            of_order.retain(|waiter| !waiter.outcome.is_closed());
            !of_order.is_empty()
        });
        waiters.keys().cloned().collect()
    }

    /// Completes the callers that wait for this version of an order.
    fn complete(&self, order_id: &OrderId, outcome_version: i64) {
        let mut waiters = self.lock();
        if let Some(of_order) = waiters.get_mut(order_id) {
            for waiter in of_order.extract_if(.., |waiter| outcome_version > waiter.seen_version) {
                let _ = waiter.outcome.send(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, Vec<OutcomeWaiter>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn poll(waiters: OutcomeWaiters, store: Store) {
    loop {
        let awaited = waiters.awaited_orders();
        if awaited.is_empty() {
            waiters.wakeup.notified().await;
            continue;
        }
        metrics::set_waiting_orders(awaited.len());
        match store.order_versions(awaited).await {
            Ok(versions) => {
                for version in versions {
                    waiters.complete(&version.order_id, version.outcome_version);
                }
            }
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "failed to poll order versions; retrying"
                );
            }
        }
        let _ = tokio::time::timeout(POLL_PERIOD, waiters.wakeup.notified()).await;
    }
}
