//! Deletion of old payloads. Raw events contain data that no API returns, such as client secrets and customer data, so
//! they are stored for a limited time.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use quittance_persistence::Store;
use tokio::sync::watch;

/// The time between two deletions.
const PERIOD: Duration = Duration::from_hours(1);

/// The most payloads deleted in one transaction. Between two transactions, deliveries are written.
const BATCH: u16 = 500;

/// Deletes the payloads of processed events that are older than `retention`, until `stop` is true. Unreadable events
/// keep their payloads, because they may report payments.
pub async fn clear_event_payloads(store: Store, retention: TimeDelta, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match store.clear_event_payloads(Utc::now() - retention, BATCH).await {
            Ok(count) if count == usize::from(BATCH) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to delete old event payloads; retrying in an hour"
            ),
        }
        let _ = tokio::time::timeout(PERIOD, stop.wait_for(|stop| *stop)).await;
    }
}
