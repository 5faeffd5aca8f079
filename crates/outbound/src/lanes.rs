//! How much is under way to each endpoint, so that a slow or dead one takes nothing from the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quittance_domain::id::WebhookEndpointId;
use tokio::sync::Semaphore;

/// How many messages are sent to one endpoint at once.
const SENDING_MAX: usize = 16;

/// How many messages are taken on ahead for an endpoint that does well.
const WINDOW: usize = 8 * SENDING_MAX;

/// How many messages are taken on at once for an endpoint that failed last, or of which nothing is known yet.
const WINDOW_UNWELL: usize = 2;

/// How many messages are taken on at once for all endpoints that do not do well, together.
const UNWELL_MAX: usize = 256;

/// What is under way to every endpoint that this process knows of.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<HashMap<WebhookEndpointId, Lane>>);

/// What is under way to one endpoint.
struct Lane {
    taken_on: usize,
    does_well: bool,
    sending: Arc<Semaphore>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { taken_on: 0, does_well: false, sending: Arc::new(Semaphore::new(SENDING_MAX)) }
    }
}

impl Lane {
    /// How many more may be taken on. Few are not worth a transaction while many are under way.
    fn room(&self) -> usize {
        let window = if self.does_well { WINDOW } else { WINDOW_UNWELL };
        let room = window.saturating_sub(self.taken_on);
        if room * 2 >= window { room } else { 0 }
    }
}

impl Lanes {
    /// How many messages may be taken on for each of these endpoints.
    pub(crate) fn room(&self, due: Vec<WebhookEndpointId>) -> Vec<(WebhookEndpointId, u16)> {
        let mut lanes = self.lock();
        // What has nothing under way and does not do well is as good as unknown.
        lanes.retain(|_, lane| lane.taken_on > 0 || lane.does_well);
        let unwell: usize = lanes.values().filter(|lane| !lane.does_well).map(|lane| lane.taken_on).sum();
        let mut left_for_unwell = UNWELL_MAX.saturating_sub(unwell);
        let mut found = Vec::with_capacity(due.len());
        for endpoint_id in due {
            let lane = lanes.get(&endpoint_id);
            let mut room = lane.map_or(WINDOW_UNWELL, Lane::room);
            if lane.is_none_or(|lane| !lane.does_well) {
                room = room.min(left_for_unwell);
                left_for_unwell -= room;
            }
            if room > 0 {
                found.push((endpoint_id, u16::try_from(room).unwrap_or(u16::MAX)));
            }
        }
        found
    }

    /// Notes that so many were taken on for an endpoint; what its sends have to wait for.
    pub(crate) fn claim(&self, endpoint_id: &WebhookEndpointId, count: usize) -> Arc<Semaphore> {
        let mut lanes = self.lock();
        let lane = lanes.entry(endpoint_id.clone()).or_default();
        lane.taken_on += count;
        Arc::clone(&lane.sending)
    }

    /// Notes how the last attempt at an endpoint went.
    pub(crate) fn note(&self, endpoint_id: &WebhookEndpointId, does_well: bool) {
        if let Some(lane) = self.lock().get_mut(endpoint_id) {
            lane.does_well = does_well;
        }
    }

    /// Notes that one message less is under way.
    pub(crate) fn release(&self, endpoint_id: &WebhookEndpointId) {
        if let Some(lane) = self.lock().get_mut(endpoint_id) {
            lane.taken_on = lane.taken_on.saturating_sub(1);
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
        "whe_00000000000000000000000001".parse().unwrap()
    }

    fn numbered(number: usize) -> WebhookEndpointId {
        format!("whe_{number:026}").parse().unwrap()
    }

    #[test]
    fn an_endpoint_that_does_well_gets_more_at_once() {
        let lanes = Lanes::default();
        assert_eq!(lanes.room(vec![endpoint()]), [(endpoint(), 2)]);
        lanes.claim(&endpoint(), 2);
        assert_eq!(lanes.room(vec![endpoint()]), []);
        lanes.note(&endpoint(), true);
        assert_eq!(lanes.room(vec![endpoint()]), [(endpoint(), 126)]);
        lanes.claim(&endpoint(), 126);
        for _ in 0..63 {
            lanes.release(&endpoint());
        }
        assert_eq!(lanes.room(vec![endpoint()]), [], "a few are not worth a transaction");
        lanes.release(&endpoint());
        assert_eq!(lanes.room(vec![endpoint()]), [(endpoint(), 64)]);
        lanes.note(&endpoint(), false);
        assert_eq!(lanes.room(vec![endpoint()]), [], "it failed");
    }

    #[test]
    fn those_that_do_not_do_well_share_what_is_theirs() {
        let lanes = Lanes::default();
        let all: Vec<_> = (0..200).map(numbered).collect();
        let wanted = lanes.room(all.clone());
        assert_eq!(wanted.len(), 128);
        for (id, count) in &wanted {
            lanes.claim(id, usize::from(*count));
        }
        assert_eq!(lanes.room(all), [], "nothing is left for those that do not do well");
        lanes.note(&wanted[0].0, true);
        assert_eq!(
            lanes.room(vec![wanted[0].0.clone()]),
            [(wanted[0].0.clone(), 126)],
            "one that does is not kept"
        );
    }
}
