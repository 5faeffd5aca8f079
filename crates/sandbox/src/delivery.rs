//! The background worker: it delivers webhooks and runs timers.
//!
//! Deliveries are signed (<https://docs.stripe.com/webhooks#verify-manually>), run concurrently, and are retried with
//! exponential backoff until the endpoint responds with a 2xx status.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::chaos::DeliveryFault;
use crate::objects::delivery::{Delivery, DeliveryState};
use crate::objects::event::Event;
use crate::objects::webhook_endpoint::WebhookEndpoint;
use crate::operations::timers;
use crate::state::{Keep, Origin, Store, Tx};
use crate::storage::clock::Moment;
use crate::storage::table::{Account, Resource};

/// Deliveries under way at the same time.
const MAX_CONCURRENT: usize = 64;

/// How long an endpoint may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest wait between two tries.
const MAX_RETRY_WAIT: Duration = Duration::from_hours(1);

/// The longest sleep, so that a machine that was suspended catches up.
const MAX_SLEEP: Duration = Duration::from_mins(1);

/// How long deliveries under way may take at shutdown; what is not finished is resumed at the next start.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// How deliveries are retried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    pub(crate) base: Duration,
    pub(crate) max_attempts: u32,
}

impl RetryPolicy {
    /// The wait after the given number of failed attempts, or `None` if it was the last.
    fn wait_after(self, attempts: u32) -> Option<Duration> {
        (attempts < self.max_attempts).then(|| {
            let doublings = attempts.saturating_sub(1).min(20);
            self.base.saturating_mul(1 << doublings).min(MAX_RETRY_WAIT)
        })
    }
}

/// One delivery, taken out for sending.
struct Shipment {
    account: Account,
    delivery: Delivery,
    url: String,
    secrets: Vec<String>,
    body: String,
}

/// Does what is due until it is told to stop.
pub(crate) struct Worker {
    pub(crate) store: Arc<Store>,
    pub(crate) client: reqwest::Client,
    pub(crate) retries: RetryPolicy,
}

/// The HTTP client of deliveries.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails if the process has already chosen a provider, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .build()
}

impl Worker {
    /// Runs until `stop` is done.
    pub(crate) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut changes = self.store.changes();
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
        let mut sending = JoinSet::new();
        tokio::pin!(stop);
        loop {
            self.run_timers().await;
            let shipments = self.store.peek(take_due);
            for shipment in shipments {
                sending.spawn(Arc::clone(&self).send(shipment, Arc::clone(&permits)));
            }
            let sleep = self.store.peek(next_due);
            tokio::select! {
                () = &mut stop => break,
                _ = changes.changed() => {}
                () = tokio::time::sleep(sleep) => {}
                Some(_) = sending.join_next() => {}
            }
        }
        let drained = async { while sending.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::info!("Deliveries under way are resumed at the next start");
        }
    }

    /// Does what is due by the clock.
    async fn run_timers(&self) {
        let has_due = self.store.peek(|tx| timers::next(tx.state).is_some_and(|at| at <= tx.now));
        if !has_due {
            return;
        }
        let platform = Account::platform();
        let done = self.store.transact(&platform, Origin::default(), |tx| (timers::run(tx), Keep::Changes));
        if let Err(error) = done.await {
            tracing::error!(%error, "What was due by the clock was not kept");
        }
    }

    async fn send(self: Arc<Self>, shipment: Shipment, permits: Arc<Semaphore>) {
        let Ok(_permit) = permits.acquire().await else { return };
        // A fault is for the first try only: what is lost or doubled comes right in the end.
        let fault = shipment.delivery.fault.filter(|_| shipment.delivery.attempts == 0);
        let problem = match fault {
            _ if self.store.chaos.drops_all() => Some("all are dropped on purpose".to_owned()),
            Some(DeliveryFault::Drop) => Some("dropped on purpose".to_owned()),
            _ => self.post(&shipment).await,
        };
        if fault == Some(DeliveryFault::Duplicate) && problem.is_none() {
            // What becomes of the second one decides nothing.
            self.post(&shipment).await;
        }
        self.conclude(&shipment.account, shipment.delivery, problem).await;
    }

    /// Posts a webhook; returns what went wrong.
    async fn post(&self, shipment: &Shipment) -> Option<String> {
        let signature = signature(&shipment.secrets, Moment::of_the_machine(), &shipment.body);
        let request = self
            .client
            .post(&shipment.url)
            .header("Content-Type", "application/json; charset=utf-8")
            .header("Stripe-Signature", signature)
            .body(shipment.body.clone());
        match request.send().await {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("status {}", response.status().as_u16())),
            Err(error) => Some(error.without_url().to_string()),
        }
    }

    async fn conclude(&self, account: &Account, delivery: Delivery, problem: Option<String>) {
        let attempts = delivery.attempts + 1;
        // What is lost while all are lost stays lost.
        let wait = self.retries.wait_after(attempts).filter(|_| !self.store.chaos.drops_all());
        if let Some(problem) = &problem {
            tracing::warn!(
                stripe.event.id = delivery.event,
                endpoint.id = delivery.endpoint,
                attempts,
                problem,
                "A webhook was not accepted"
            );
        }
        let delivery = Delivery { attempts, is_held: false, ..delivery };
        let kept = self.store.transact(account, Origin::default(), |tx| {
            // The endpoint may have been deleted meanwhile, which has ended the delivery.
            let is_pending = tx
                .get::<Delivery>(delivery.id())
                .is_some_and(|current| current.state == DeliveryState::Pending);
            if is_pending {
                tx.put(match (problem.is_none(), wait) {
                    (true, _) => Delivery { state: DeliveryState::Delivered, ..delivery },
                    (false, Some(wait)) => delivery.retry_at(tx.now.after(wait)),
                    (false, None) => Delivery { state: DeliveryState::Failed, ..delivery },
                });
            }
            ((), Keep::Changes)
        });
        if let Err(error) = kept.await {
            tracing::error!(%error, "The outcome of a delivery was not kept");
        }
    }
}

/// Takes out the deliveries that are due. One whose endpoint is not there waits until it is registered.
fn take_due(tx: &mut Tx<'_>) -> Vec<Shipment> {
    let mut shipments = Vec::new();
    for id in tx.state.of::<Delivery>().due(tx.now).0 {
        let Some((account, delivery)) = tx.state.of::<Delivery>().find(&id) else { continue };
        let (account, delivery) = (account.clone(), delivery.clone());
        let endpoint = tx.state.of::<WebhookEndpoint>().find(&delivery.endpoint);
        let target = endpoint.map(|(_, endpoint)| endpoint).filter(|endpoint| endpoint.is_enabled()).cloned();
        tx.on_account(account.clone(), |tx| {
            tx.mark(Delivery { is_held: true, ..delivery.clone() });
            let event = tx.get::<Event>(&delivery.event);
            if let (Some(endpoint), Some(event)) = (target, event) {
                let (url, secrets) = (endpoint.url.clone(), endpoint.secrets(tx.now));
                let rendered = tx.render_event_for(&endpoint, event);
                let body = serde_json::to_string_pretty(&rendered).unwrap_or_default();
                shipments.push(Shipment { account, delivery, url, secrets, body });
            }
        });
    }
    shipments
}

/// How long nothing will be due.
fn next_due(tx: &mut Tx<'_>) -> Duration {
    let now = tx.now;
    let (deliveries, next_delivery) = tx.state.of::<Delivery>().due(now);
    if !deliveries.is_empty() {
        return Duration::ZERO;
    }
    let next = next_delivery.into_iter().chain(timers::next(tx.state)).min();
    next.map_or(MAX_SLEEP, |next| now.until(next).min(MAX_SLEEP))
}

/// The header `Stripe-Signature`: `t=<seconds>`, and for every secret `v1=<HMAC-SHA256 of "<seconds>.<body>">`.
fn signature(secrets: &[String], at: Moment, body: &str) -> String {
    let seconds = at.seconds();
    let mut header = format!("t={seconds}");
    for secret in secrets {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { continue };
        mac.update(format!("{seconds}.{body}").as_bytes());
        header.push_str(",v1=");
        header.push_str(&hex::encode(mac.finalize().into_bytes()));
    }
    header
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{RetryPolicy, signature};
    use crate::storage::clock::Moment;

    #[test]
    fn signs_as_stripe_documents_it() {
        // Computed with: printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_test
        assert_eq!(
            signature(&["whsec_test".to_owned()], Moment(1_700_000_000_123), "{}"),
            "t=1700000000,v1=35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91"
        );
    }

    #[test]
    fn waits_double_and_end() {
        let policy = RetryPolicy { base: Duration::from_millis(10), max_attempts: 4 };
        let waits: Vec<_> = (1..=4).map(|attempts| policy.wait_after(attempts)).collect();
        let ms = Duration::from_millis;
        assert_eq!(waits, [Some(ms(10)), Some(ms(20)), Some(ms(40)), None]);
        let patient = RetryPolicy { base: Duration::from_mins(1), max_attempts: u32::MAX };
        assert_eq!(patient.wait_after(u32::MAX - 1), Some(Duration::from_hours(1)));
    }
}
