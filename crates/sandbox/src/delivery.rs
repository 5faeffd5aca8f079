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
use crate::state::{Origin, Store, Tx, TxOutcome};
use crate::storage::clock::Timestamp;
use crate::storage::table::{Account, Resource};

/// The maximum number of concurrent deliveries.
const MAX_CONCURRENT: usize = 64;

/// The time limit for an endpoint's response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum delay between two attempts.
const MAX_RETRY_DELAY: Duration = Duration::from_hours(1);

/// The maximum sleep, so that a suspended machine catches up after it resumes.
const MAX_SLEEP: Duration = Duration::from_mins(1);

/// The time limit for running deliveries at shutdown. Unfinished ones resume at the next start.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The retry policy of deliveries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    pub(crate) base: Duration,
    pub(crate) max_attempts: u32,
}

impl RetryPolicy {
    /// Returns the delay after the given number of failed attempts, or `None` after the last one.
    fn delay_after(self, attempts: u32) -> Option<Duration> {
        (attempts < self.max_attempts).then(|| {
            let doublings = attempts.saturating_sub(1).min(20);
            self.base.saturating_mul(1 << doublings).min(MAX_RETRY_DELAY)
        })
    }
}

/// A delivery that is ready to be sent.
struct PreparedDelivery {
    account: Account,
    delivery: Delivery,
    url: String,
    secrets: Vec<String>,
    body: String,
}

/// The background worker.
pub(crate) struct Worker {
    pub(crate) store: Arc<Store>,
    pub(crate) client: reqwest::Client,
    pub(crate) retries: RetryPolicy,
}

/// Returns the HTTP client for deliveries.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails if the process has already installed a provider, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(RESPONSE_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .build()
}

impl Worker {
    /// Runs until `stop` completes.
    pub(crate) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut changes = self.store.subscribe();
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
        let mut sending = JoinSet::new();
        tokio::pin!(stop);
        loop {
            self.run_timers().await;
            let prepared = self.store.run_in_memory(claim_due);
            for prepared in prepared {
                sending.spawn(Arc::clone(&self).send(prepared, Arc::clone(&permits)));
            }
            let sleep = self.store.run_in_memory(time_until_next);
            tokio::select! {
                () = &mut stop => break,
                _ = changes.changed() => {}
                () = tokio::time::sleep(sleep) => {}
                Some(_) = sending.join_next() => {}
            }
        }
        let drained = async { while sending.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::info!("stopped with unfinished deliveries; they resume at the next start");
        }
    }

    /// Runs the timers that are due.
    async fn run_timers(&self) {
        let has_due = self.store.run_in_memory(|tx| timers::next(tx.state).is_some_and(|at| at <= tx.now));
        if !has_due {
            return;
        }
        let platform = Account::platform();
        let done =
            self.store.transact(&platform, Origin::default(), |tx| (timers::run(tx), TxOutcome::Commit));
        if let Err(error) = done.await {
            tracing::error!(%error, "failed to store the changes of timers; they run again");
        }
    }

    async fn send(self: Arc<Self>, prepared: PreparedDelivery, permits: Arc<Semaphore>) {
        let Ok(_permit) = permits.acquire().await else { return };
        // Faults affect the first attempt only, so a dropped webhook is delivered by a retry.
        let fault = prepared.delivery.fault.filter(|_| prepared.delivery.attempts == 0);
        let failure = match fault {
            _ if self.store.chaos.drops_all_deliveries() => Some("dropped by the delivery mode".to_owned()),
            Some(DeliveryFault::Drop) => Some("dropped by fault injection".to_owned()),
            _ => self.post(&prepared).await,
        };
        if fault == Some(DeliveryFault::Duplicate) && failure.is_none() {
            // The outcome of the duplicate doesn't matter.
            self.post(&prepared).await;
        }
        self.record_outcome(&prepared.account, prepared.delivery, failure).await;
    }

    /// Posts a webhook. Returns the reason if it fails.
    async fn post(&self, prepared: &PreparedDelivery) -> Option<String> {
        let signature = signature(&prepared.secrets, Timestamp::system_now(), &prepared.body);
        let request = self
            .client
            .post(&prepared.url)
            .header("Content-Type", "application/json; charset=utf-8")
            .header("Stripe-Signature", signature)
            .body(prepared.body.clone());
        match request.send().await {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("status {}", response.status().as_u16())),
            Err(error) => Some(error.without_url().to_string()),
        }
    }

    async fn record_outcome(&self, account: &Account, delivery: Delivery, failure: Option<String>) {
        let attempts = delivery.attempts + 1;
        // A webhook that is dropped while all are dropped is not retried.
        let wait = self.retries.delay_after(attempts).filter(|_| !self.store.chaos.drops_all_deliveries());
        if let Some(failure) = &failure {
            tracing::warn!(
                stripe.event.id = delivery.event,
                endpoint.id = delivery.endpoint,
                attempts,
                error = failure,
                "failed to deliver a webhook"
            );
        }
        let delivery = Delivery { attempts, is_on_hold: false, ..delivery };
        let stored = self.store.transact(account, Origin::default(), |tx| {
            // If the endpoint was deleted in the meantime, the delivery has already failed.
            let is_pending = tx
                .get::<Delivery>(delivery.id())
                .is_some_and(|current| current.state == DeliveryState::Pending);
            if is_pending {
                tx.put(match (failure.is_none(), wait) {
                    (true, _) => Delivery { state: DeliveryState::Delivered, ..delivery },
                    (false, Some(wait)) => delivery.retry_at(tx.now.after(wait)),
                    (false, None) => Delivery { state: DeliveryState::Failed, ..delivery },
                });
            }
            ((), TxOutcome::Commit)
        });
        if let Err(error) = stored.await {
            tracing::error!(%error, "failed to store the outcome of a delivery; it may be repeated");
        }
    }
}

/// Claims the deliveries that are due. A delivery without an enabled endpoint waits until the endpoint is registered.
fn claim_due(tx: &mut Tx<'_>) -> Vec<PreparedDelivery> {
    let mut prepared = Vec::new();
    for id in tx.state.table::<Delivery>().due(tx.now).0 {
        let Some((account, delivery)) = tx.state.table::<Delivery>().find(&id) else { continue };
        let (account, delivery) = (account.clone(), delivery.clone());
        let endpoint = tx.state.table::<WebhookEndpoint>().find(&delivery.endpoint);
        let target = endpoint.map(|(_, endpoint)| endpoint).filter(|endpoint| endpoint.is_enabled()).cloned();
        tx.on_account(account.clone(), |tx| {
            tx.put_transient(Delivery { is_on_hold: true, ..delivery.clone() });
            let event = tx.get::<Event>(&delivery.event);
            if let (Some(endpoint), Some(event)) = (target, event) {
                let (url, secrets) = (endpoint.url.clone(), endpoint.secrets(tx.now));
                let rendered = tx.render_event_for(&endpoint, event);
                let body = serde_json::to_string_pretty(&rendered).unwrap_or_default();
                prepared.push(PreparedDelivery { account, delivery, url, secrets, body });
            }
        });
    }
    prepared
}

/// Returns the time until the next delivery or timer.
fn time_until_next(tx: &mut Tx<'_>) -> Duration {
    let now = tx.now;
    let (deliveries, next_delivery) = tx.state.table::<Delivery>().due(now);
    if !deliveries.is_empty() {
        return Duration::ZERO;
    }
    let next = next_delivery.into_iter().chain(timers::next(tx.state)).min();
    next.map_or(MAX_SLEEP, |next| now.until(next).min(MAX_SLEEP))
}

/// Returns the `Stripe-Signature` header: `t=<seconds>`, and `v1=<HMAC-SHA256 of "<seconds>.<body>">` for each
/// secret.
fn signature(secrets: &[String], at: Timestamp, body: &str) -> String {
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
    use crate::storage::clock::Timestamp;

    #[test]
    fn signature_matches_documented_format() {
        // Computed with: printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_test
        assert_eq!(
            signature(&["whsec_test".to_owned()], Timestamp(1_700_000_000_123), "{}"),
            "t=1700000000,v1=35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91"
        );
    }

    #[test]
    fn retry_delay_doubles_until_last_attempt() {
        let policy = RetryPolicy { base: Duration::from_millis(10), max_attempts: 4 };
        let waits: Vec<_> = (1..=4).map(|attempts| policy.delay_after(attempts)).collect();
        let ms = Duration::from_millis;
        assert_eq!(waits, [Some(ms(10)), Some(ms(20)), Some(ms(40)), None]);
        let policy = RetryPolicy { base: Duration::from_mins(1), max_attempts: u32::MAX };
        assert_eq!(policy.delay_after(u32::MAX - 1), Some(Duration::from_hours(1)));
    }
}
