//! Those who wait for news of an order: one poller for the whole process, all waiters in one query.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quittance_domain::id::OrderId;
use quittance_persistence::Store;
use tokio::sync::{Notify, oneshot};

/// How often the database is asked, for what other processes commit. What this one commits is seen at once.
const POLL_PERIOD: Duration = Duration::from_millis(250);

/// Who waits for which orders. Clones share the list.
#[derive(Clone)]
pub struct OutcomeWaiters {
    waiters: Arc<Mutex<HashMap<OrderId, Vec<OutcomeWaiter>>>>,
    look: Arc<Notify>,
}

struct OutcomeWaiter {
    seen_version: i64,
    tell: oneshot::Sender<()>,
}

impl OutcomeWaiters {
    /// Starts the poller on the current runtime. It rests while nobody waits.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let waiting = Self { waiters: Arc::default(), look: Arc::new(Notify::new()) };
        tokio::spawn(poll(waiting.clone(), store));
        waiting
    }

    /// Says that something was committed: whoever waits for it hears of it now.
    pub fn notify(&self) {
        self.look.notify_one();
    }

    /// Returns once the order's payment has settled in a version after the one seen.
    pub(crate) async fn outcome_after(&self, order_id: OrderId, seen_version: i64) {
        let (tell, told) = oneshot::channel();
        self.lock().entry(order_id).or_default().push(OutcomeWaiter { seen_version, tell });
        self.look.notify_one();
        // The sender is dropped only when it has told.
        let _ = told.await;
    }

    /// The orders that somebody waits for. Who went away is forgotten.
    fn wanted(&self) -> Vec<OrderId> {
        let mut waiters = self.lock();
        waiters.retain(|_, waiting| {
            waiting.retain(|waiter| !waiter.tell.is_closed());
            !waiting.is_empty()
        });
        waiters.keys().cloned().collect()
    }

    fn tell(&self, order_id: &OrderId, outcome_version: i64) {
        let mut waiters = self.lock();
        if let Some(waiting) = waiters.get_mut(order_id) {
            let told = waiting.extract_if(.., |waiter| outcome_version > waiter.seen_version);
            for waiter in told {
                let _ = waiter.tell.send(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, Vec<OutcomeWaiter>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn poll(waiting: OutcomeWaiters, store: Store) {
    loop {
        let wanted = waiting.wanted();
        if wanted.is_empty() {
            waiting.look.notified().await;
            continue;
        }
        metrics::gauge!("quittance_waiting_orders").set(u32::try_from(wanted.len()).unwrap_or(u32::MAX));
        match store.pulses(wanted).await {
            Ok(pulses) => {
                for pulse in pulses {
                    waiting.tell(&pulse.order_id, pulse.outcome_version);
                }
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "The database can not be polled.");
            }
        }
        // Whoever is poked looks at once; everybody else looks when the period ends.
        let _ = tokio::time::timeout(POLL_PERIOD, waiting.look.notified()).await;
    }
}
