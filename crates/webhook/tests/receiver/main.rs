//! The receiver's guarantees, on both databases.

mod batches;
mod event_backfills;
mod failures;
mod shutdown;
mod signatures;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt, join_all, poll_immediate};
use quittance_domain::event::EventOutcome;
use quittance_persistence::Store;
use quittance_stripe_gateway::signature;
use quittance_test_support::{NOW_S, PaymentEvent, TestDatabase, now};
use quittance_webhook::{ReceiveError, Receiver, ReceiverConfig};
use secrecy::SecretString;

const SECRET: &str = "whsec_test";

fn config() -> ReceiverConfig {
    ReceiverConfig { secrets: vec![SECRET.into()], writers: 1, ..ReceiverConfig::default() }
}

fn sign(payload: &[u8], secret: &str, timestamp_s: i64) -> String {
    signature::sign(payload, &SecretString::from(secret), timestamp_s)
}

type ReceiveResult = Result<EventOutcome, ReceiveError>;

/// A receiver, its store, and the number of commits that changed an order.
struct Service {
    receiver: Receiver,
    store: Store,
    commits: Arc<AtomicUsize>,
}

impl Service {
    async fn start(database: &TestDatabase, config: ReceiverConfig) -> Self {
        Self::on(database.store().await, config)
    }

    fn on(store: Store, config: ReceiverConfig) -> Self {
        let commits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&commits);
        let receiver = Receiver::start(store.clone(), config, move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        Self { receiver, store, commits }
    }

    /// Delivers an event like Stripe.
    fn deliver(&self, event: &PaymentEvent) -> BoxFuture<'static, ReceiveResult> {
        self.deliver_bytes(event.payload().to_vec())
    }

    fn deliver_bytes(&self, payload: Vec<u8>) -> BoxFuture<'static, ReceiveResult> {
        let receiver = self.receiver.clone();
        async move {
            let header = sign(&payload, SECRET, NOW_S);
            receiver.receive(payload.into(), &header, now()).await
        }
        .boxed()
    }

    fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

/// Delivers events one after the other until each is queued or rejected. Returns the results of the rejected ones, and
/// the deliveries that wait for their commit.
async fn queue_up(
    deliveries: impl IntoIterator<Item = BoxFuture<'static, ReceiveResult>>,
) -> (Vec<ReceiveResult>, Vec<BoxFuture<'static, ReceiveResult>>) {
    let (mut results, mut waiting) = (Vec::new(), Vec::new());
    for mut delivery in deliveries {
        match poll_immediate(&mut delivery).await {
            Some(result) => results.push(result),
            None => waiting.push(delivery),
        }
    }
    (results, waiting)
}

/// Waits for the outcomes of all deliveries.
async fn all(deliveries: Vec<BoxFuture<'static, ReceiveResult>>) -> Vec<EventOutcome> {
    join_all(deliveries).await.into_iter().map(|result| result.expect("an outcome")).collect()
}

fn count(outcomes: &[EventOutcome], outcome: EventOutcome) -> usize {
    outcomes.iter().filter(|other| **other == outcome).count()
}

async fn inbox_rows(database: &TestDatabase) -> i64 {
    database.scalar_i64("SELECT count(*) FROM inbox").await
}

async fn paid_rows(database: &TestDatabase) -> i64 {
    database.scalar_i64("SELECT count(*) FROM outbox WHERE kind = 'order.paid'").await
}

/// Delivers an event and drops the delivery once it is queued. Returns true if it was still waiting.
async fn hang_up(delivery: BoxFuture<'static, ReceiveResult>) -> bool {
    poll_immediate(delivery).await.is_none()
}
