//! Raw events hold what no API returns: client secrets, and what Stripe knows of customers. They are not kept for ever.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use quittance_persistence::Store;
use tokio::sync::watch;

/// How often old bytes are looked for.
const PERIOD: Duration = Duration::from_hours(1);

/// Of how many events the bytes are forgotten in one transaction: deliveries are taken in between.
const AT_ONCE: u16 = 500;

/// Forgets the bytes of events that were understood and are older than this, until told to stop. Of what could not be
/// read they are kept: it may tell of money.
pub async fn forget_payloads(store: Store, kept: TimeDelta, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match store.forget_payloads(Utc::now() - kept, AT_ONCE).await {
            Ok(count) if count == usize::from(AT_ONCE) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "The bytes of old events could not be removed; it is tried again in an hour."
            ),
        }
        let _ = tokio::time::timeout(PERIOD, stop.wait_for(|stop| *stop)).await;
    }
}
