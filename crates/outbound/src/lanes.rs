//! Concurrency limits per endpoint, so that a slow or failing endpoint doesn't delay the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quittance_domain::id::WebhookEndpointId;
use tokio::sync::Semaphore;

/// The most messages sent to one endpoint concurrently.
const SENDING_MAX: usize = 16;

/// The most deliveries claimed in advance for a healthy endpoint.
const HEALTHY_CAPACITY: usize = 8 * SENDING_MAX;

/// The most deliveries claimed for an unhealthy endpoint: its last attempt failed, or it is new.
const UNHEALTHY_CAPACITY: usize = 2;

/// The most deliveries claimed for all unhealthy endpoints together.
const UNHEALTHY_TOTAL_MAX: usize = 256;

/// The claimed deliveries of every endpoint that this process knows.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<HashMap<WebhookEndpointId, Lane>>);

/// The claimed deliveries of one endpoint.
struct Lane {
    claimed: usize,
    is_healthy: bool,
    sending: Arc<Semaphore>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { claimed: 0, is_healthy: false, sending: Arc::new(Semaphore::new(SENDING_MAX)) }
    }
}

impl Lane {
    /// Returns the number of deliveries that can be claimed. Below half of the capacity it returns 0, because a
    /// small claim isn't worth a transaction.
    fn free_capacity(&self) -> usize {
        let capacity = if self.is_healthy { HEALTHY_CAPACITY } else { UNHEALTHY_CAPACITY };
        let free = capacity.saturating_sub(self.claimed);
        if free * 2 >= capacity { free } else { 0 }
    }
}

impl Lanes {
    /// Returns the endpoints with free capacity, each with the number of deliveries that can be claimed.
    pub(crate) fn free_capacity(&self, due: Vec<WebhookEndpointId>) -> Vec<(WebhookEndpointId, u16)> {
        let mut lanes = self.lock();
        // An unhealthy lane without claimed deliveries equals a new one.
        lanes.retain(|_, lane| lane.claimed > 0 || lane.is_healthy);
        let unhealthy: usize = lanes.values().filter(|lane| !lane.is_healthy).map(|lane| lane.claimed).sum();
        let mut left_for_unhealthy = UNHEALTHY_TOTAL_MAX.saturating_sub(unhealthy);
        let mut found = Vec::with_capacity(due.len());
        for endpoint_id in due {
            let lane = lanes.get(&endpoint_id);
            let mut free = lane.map_or(UNHEALTHY_CAPACITY, Lane::free_capacity);
            if lane.is_none_or(|lane| !lane.is_healthy) {
                free = free.min(left_for_unhealthy);
                left_for_unhealthy -= free;
            }
            if free > 0 {
                found.push((endpoint_id, u16::try_from(free).unwrap_or(u16::MAX)));
            }
        }
        found
    }

    /// Records that `count` deliveries were claimed for an endpoint. Returns the semaphore that limits its
    /// concurrent sends.
    pub(crate) fn claim(&self, endpoint_id: &WebhookEndpointId, count: usize) -> Arc<Semaphore> {
        let mut lanes = self.lock();
        let lane = lanes.entry(endpoint_id.clone()).or_default();
        lane.claimed += count;
        Arc::clone(&lane.sending)
    }

    /// Records whether the last attempt at an endpoint succeeded.
    pub(crate) fn record_health(&self, endpoint_id: &WebhookEndpointId, is_healthy: bool) {
        if let Some(lane) = self.lock().get_mut(endpoint_id) {
            lane.is_healthy = is_healthy;
        }
    }

    /// Releases one claimed delivery of an endpoint.
    pub(crate) fn release(&self, endpoint_id: &WebhookEndpointId) {
        if let Some(lane) = self.lock().get_mut(endpoint_id) {
            lane.claimed = lane.claimed.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookEndpointId, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> WebhookEndpointId {
        numbered(1)
    }

    fn numbered(number: usize) -> WebhookEndpointId {
        format!("whe_{number:026}").parse().unwrap()
    }

    #[test]
    fn unknown_endpoint_gets_two_deliveries() {
        let lanes = Lanes::default();

        assert_eq!(lanes.free_capacity(vec![endpoint()]), [(endpoint(), 2)]);

        lanes.claim(&endpoint(), 2);
        assert_eq!(lanes.free_capacity(vec![endpoint()]), []);
    }

    #[test]
    fn healthy_endpoint_gets_128_deliveries() {
        let lanes = Lanes::default();
        lanes.claim(&endpoint(), 2);

        lanes.record_health(&endpoint(), true);

        assert_eq!(lanes.free_capacity(vec![endpoint()]), [(endpoint(), 126)]);
    }

    #[test]
    fn healthy_endpoint_gets_more_once_half_are_released() {
        let lanes = Lanes::default();
        lanes.claim(&endpoint(), 128);
        lanes.record_health(&endpoint(), true);

        for _ in 0..63 {
            lanes.release(&endpoint());
        }
        assert_eq!(lanes.free_capacity(vec![endpoint()]), [], "63 of 128 aren't worth a transaction");

        lanes.release(&endpoint());
        assert_eq!(lanes.free_capacity(vec![endpoint()]), [(endpoint(), 64)]);
    }

    #[test]
    fn endpoint_that_fails_loses_its_capacity() {
        let lanes = Lanes::default();
        lanes.claim(&endpoint(), 64);
        lanes.record_health(&endpoint(), true);

        lanes.record_health(&endpoint(), false);

        assert_eq!(lanes.free_capacity(vec![endpoint()]), []);
    }

    #[test]
    fn unhealthy_endpoints_share_256_deliveries() {
        let lanes = Lanes::default();
        let all: Vec<_> = (0..200).map(numbered).collect();

        let capacity = lanes.free_capacity(all.clone());

        assert_eq!(capacity.len(), 128, "two for each");
        for (id, count) in &capacity {
            lanes.claim(id, usize::from(*count));
        }
        assert_eq!(lanes.free_capacity(all), [], "the shared limit is reached");
    }

    #[test]
    fn healthy_endpoint_ignores_the_shared_limit() {
        let lanes = Lanes::default();
        for number in 0..128 {
            lanes.claim(&numbered(number), 2);
        }

        lanes.record_health(&numbered(0), true);

        assert_eq!(lanes.free_capacity(vec![numbered(0)]), [(numbered(0), 126)]);
    }
}
