//! Claims due deliveries, and sends their messages to the endpoints.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use quittance_crash_points::CrashPoint;
use quittance_domain::outbound::{AttemptOutcome, after_attempt};
use quittance_persistence::{
    ClaimedDelivery, DeliveryBatch, DeliveryClaim, DeliveryResult, Error as StoreError, WebhookEndpoint,
};
use rand::seq::SliceRandom;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::shared::{FinishedDelivery, Shared};
use crate::metrics;
use crate::sender::{DeliveryResponse, TIMEOUT};

/// The polling period. It finds deliveries for which this process received no wakeup.
const PERIOD: Duration = Duration::from_millis(250);

/// The time for which a claimed delivery belongs to this worker. After that, any worker may retry it.
const LEASE: chrono::Duration = chrono::Duration::seconds(60);

/// The part of the lease that must remain when an attempt starts. An attempt takes up to 15 s, and is then recorded.
const LEASE_REMAINING_MIN: chrono::Duration = chrono::Duration::seconds(25);

/// The time after which an attempt counts as slow. It then releases its process-wide permit, so that other endpoints
/// can use it.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// The time that running attempts have to finish when the worker stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

// An attempt that starts in time is recorded within its lease.
const _: () = assert!(LEASE_REMAINING_MIN.num_seconds().cast_unsigned() > TIMEOUT.as_secs() + 5);

/// Claims deliveries while there is capacity, and sends them.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut attempts = JoinSet::new();
    while !shared.is_stopping() {
        match claim(&shared).await {
            Ok(batches) => {
                for batch in batches {
                    start_attempts(&shared, batch, &mut attempts);
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to claim deliveries; retrying"
            ),
        }
        while attempts.try_join_next().is_some() {}
        shared.wait(shared.wakeup.notified(), PERIOD).await;
    }
    let _ = tokio::time::timeout(STOP_TIMEOUT, async { while attempts.join_next().await.is_some() {} }).await;
    attempts.shutdown().await;
}

async fn claim(shared: &Shared) -> Result<Vec<DeliveryBatch>, StoreError> {
    let now = Utc::now();
    let mut work = shared.store.outbound_work(now).await?;
    if work.unpublished {
        shared.unpublished.notify_one();
    }
    // A random order keeps any endpoint from always being the last one to get capacity.
    work.due.shuffle(&mut rand::rng());
    let wanted = shared.lanes.free_capacity(work.due);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let claim = DeliveryClaim { wanted, now, lease_until: now + LEASE };
    let claimed = shared.store.claim_deliveries(claim).await?;
    if !claimed.is_empty() {
        CrashPoint::DeliveriesClaimed.reach();
    }
    Ok(claimed)
}

fn start_attempts(shared: &Arc<Shared>, batch: DeliveryBatch, attempts: &mut JoinSet<()>) {
    let lease_until = Utc::now() + LEASE;
    let endpoint = Arc::new(batch.endpoint);
    let permits = shared.lanes.claim(&endpoint.id, batch.deliveries.len());
    for delivery in batch.deliveries {
        let (shared, endpoint, permits) = (Arc::clone(shared), Arc::clone(&endpoint), Arc::clone(&permits));
        attempts.spawn(async move { attempt(&shared, &endpoint, delivery, &permits, lease_until).await });
    }
}

/// Waits for permits, then makes one attempt.
async fn attempt(
    shared: &Shared,
    endpoint: &WebhookEndpoint,
    delivery: ClaimedDelivery,
    permits: &Semaphore,
    lease_until: DateTime<Utc>,
) {
    let permits = shared.acquire_permits(permits).await;
    let Some((_endpoint_permit, process_permit)) =
        permits.filter(|_| Utc::now() + LEASE_REMAINING_MIN <= lease_until)
    else {
        shared.finish(FinishedDelivery::Released(endpoint.id.clone(), delivery.claim));
        return;
    };
    let at = Utc::now();
    let secrets = endpoint.signing(at).map(|secret| secret.text.as_str());
    let response = {
        let message_id = delivery.message_id.as_str();
        let sending = shared.sender.send(&endpoint.url, secrets, message_id, &delivery.payload);
        tokio::pin!(sending);
        tokio::select! {
            response = &mut sending => response,
            () = tokio::time::sleep(SLOW_AFTER) => {
                drop(process_permit);
                sending.await
            }
        }
    };
    CrashPoint::MessageSent.reach();
    shared.lanes.record_health(&endpoint.id, response.outcome == AttemptOutcome::Delivered);
    report(endpoint, &delivery, &response);
    let result = delivery_result(delivery, response, at);
    shared.finish(FinishedDelivery::Attempted(endpoint.id.clone(), Box::new(result)));
}

fn delivery_result(
    delivery: ClaimedDelivery,
    response: DeliveryResponse,
    at: DateTime<Utc>,
) -> DeliveryResult {
    let tries = delivery.attempts_since_resend + 1;
    let jitter = rand::random_range(0..=1000);
    let (state, due_at) = after_attempt(response.outcome, tries, jitter, response.retry_after, Utc::now());
    DeliveryResult {
        claim: delivery.claim,
        outcome: response.outcome,
        status: response.status,
        answer: response.body,
        duration_ms: i64::try_from(response.duration.as_millis()).unwrap_or(i64::MAX),
        at,
        state,
        due_at,
    }
}

/// Counts an attempt, and logs a failure. The URL isn't logged, because it may contain a secret.
fn report(endpoint: &WebhookEndpoint, delivery: &ClaimedDelivery, response: &DeliveryResponse) {
    metrics::count_attempt(response);
    if response.outcome != AttemptOutcome::Delivered {
        tracing::info!(
            message.id = %delivery.message_id,
            message.kind = delivery.kind,
            endpoint.id = %endpoint.id,
            outcome = response.outcome.as_str(),
            http.status = response.status,
            tries = delivery.attempts_since_resend + 1,
            "failed to deliver message; the worker retries it if attempts are left"
        );
    }
}
