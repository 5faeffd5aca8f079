//! Records attempts in batches.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use quittance_crash_points::CrashPoint;
use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::DisabledReason;
use quittance_persistence::DeliveryResult;
use tokio::sync::{mpsc, watch};

use super::shared::{FinishedDelivery, Shared};
use crate::metrics;

/// The most attempts recorded in one transaction.
const BATCH: usize = 256;

/// The number of tries to record a batch while the database is unavailable, and the pause between them.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Records finished deliveries until all are recorded and `all_dispatched` is true. Each batch contains the deliveries
/// that finished while the previous batch was being recorded.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut finished: mpsc::UnboundedReceiver<FinishedDelivery>,
    mut all_dispatched: watch::Receiver<bool>,
) {
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        tokio::select! {
            biased;
            _ = finished.recv_many(&mut batch, BATCH) => {}
            _ = all_dispatched.wait_for(|all| *all) => return,
        }
        let (mut attempts, mut released, mut endpoints) = (Vec::new(), Vec::new(), Vec::new());
        for delivery in batch {
            match delivery {
                FinishedDelivery::Attempted(endpoint_id, result) => {
                    endpoints.push(endpoint_id);
                    attempts.push(*result);
                }
                FinishedDelivery::Released(endpoint_id, claim) => {
                    endpoints.push(endpoint_id);
                    released.push(claim);
                }
            }
        }
        if !released.is_empty()
            && let Err(error) = shared.store.release_deliveries(released).await
        {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "failed to release deliveries; their leases will expire"
            );
        }
        if !attempts.is_empty() {
            record_attempts(&shared, attempts).await;
            CrashPoint::AttemptsRecorded.reach();
        }
        for endpoint_id in endpoints {
            shared.lanes.release(&endpoint_id);
        }
        shared.wakeup.notify();
    }
}

async fn record_attempts(shared: &Shared, attempts: Vec<DeliveryResult>) {
    let count = attempts.len();
    for _ in 0..TRIES {
        let render = shared.render.clone();
        match shared.store.record_attempts(attempts.clone(), render, Utc::now()).await {
            Ok(recorded) => {
                metrics::count_lost_leases(count - recorded.kept);
                recorded.disabled.iter().for_each(report_disabled);
                return;
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                attempts = count,
                "failed to record delivery attempts; retrying"
            ),
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::error!(
        attempts = count,
        "failed to record delivery attempts; messages will be redelivered when their leases expire"
    );
}

fn report_disabled((endpoint_id, reason): &(WebhookEndpointId, DisabledReason)) {
    metrics::count_disabled_endpoint(*reason);
    tracing::error!(
        endpoint.id = %endpoint_id,
        reason = reason.as_str(),
        "disabled a failing webhook endpoint; once it is fixed, enable it and call POST \
         /v1/webhook_endpoints/{{id}}/recover to redeliver missed messages"
    );
}
