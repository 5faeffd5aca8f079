//! Creates messages from events.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use quittance_crash_points::CrashPoint;

use super::shared::Shared;

/// The most events published in one transaction.
const BATCH: u16 = 500;

/// The pause after a batch that wasn't full. Events written meanwhile are published together. Under load, each
/// transaction of the publisher competes with the writers.
const PAUSE: Duration = Duration::from_millis(25);

/// Publishes events whenever the dispatcher finds some.
pub(super) async fn run(shared: Arc<Shared>) {
    while !shared.is_stopping() {
        shared.wait(shared.unpublished.notified(), Duration::MAX).await;
        while !shared.is_stopping() {
            match shared.store.publish(BATCH, shared.render.clone(), Utc::now()).await {
                Ok(0) => break,
                Ok(count) => {
                    CrashPoint::MessagesCreated.reach();
                    shared.wakeup.notify();
                    if count < usize::from(BATCH) {
                        shared.pause(PAUSE).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to publish events; retrying"
                    );
                    break;
                }
            }
        }
    }
}
