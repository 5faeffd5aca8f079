//! Updates gauges and deletes old messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;

use super::shared::Shared;
use crate::metrics;

/// The time between two updates of the backlog gauges.
const COUNT_PERIOD: Duration = Duration::from_secs(15);

/// The time between two deletions of old messages.
const SWEEP_PERIOD: Duration = Duration::from_hours(1);

/// The most messages deleted in one transaction.
const SWEEP_BATCH: u16 = 500;

pub(super) async fn run(shared: Arc<Shared>) {
    let mut swept_at: Option<Instant> = None;
    while !shared.is_stopping() {
        if swept_at.is_none_or(|at| at.elapsed() >= SWEEP_PERIOD) {
            sweep(&shared).await;
            swept_at = Some(Instant::now());
        }
        if let Ok(backlog) = shared.store.outbound_backlog().await {
            metrics::set_backlog(backlog.pending, backlog.oldest);
        }
        shared.pause(COUNT_PERIOD).await;
    }
}

/// Deletes messages that are older than the retention time.
async fn sweep(shared: &Shared) {
    while !shared.is_stopping() {
        let before = Utc::now() - shared.retention;
        match shared.store.delete_messages(before, SWEEP_BATCH).await {
            Ok(count) if count < usize::from(SWEEP_BATCH) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to delete old messages; retrying in an hour"
                );
                return;
            }
        }
    }
}
