//! Deliveries: one event for one webhook endpoint.

use serde::{Deserialize, Serialize};

use crate::chaos::DeliveryFault;
use crate::storage::clock::Timestamp;
use crate::storage::table::Resource;

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DeliveryState {
    Pending,
    Delivered,
    Failed,
}

/// The delivery of one event to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) endpoint: String,
    pub(crate) state: DeliveryState,
    pub(crate) attempts: u32,
    pub(crate) next_attempt_ms: i64,
    /// The injected fault.
    #[serde(default)]
    pub(crate) fault: Option<DeliveryFault>,
    /// Whether it is being sent, or waits for an endpoint that isn't registered. A restart resets it.
    #[serde(skip)]
    pub(crate) is_on_hold: bool,
}

impl Delivery {
    pub(crate) fn new(event: &str, endpoint: &str, now: Timestamp) -> Self {
        Self {
            id: format!("{event}:{endpoint}"),
            event: event.to_owned(),
            endpoint: endpoint.to_owned(),
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt_ms: now.0,
            fault: None,
            is_on_hold: false,
        }
    }

    /// Returns the delivery with its next attempt at `at`.
    pub(crate) fn retry_at(mut self, at: Timestamp) -> Self {
        self.next_attempt_ms = at.0;
        self.is_on_hold = false;
        self
    }
}

impl Resource for Delivery {
    const KIND: &'static str = "delivery";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Timestamp> {
        (self.state == DeliveryState::Pending && !self.is_on_hold).then_some(Timestamp(self.next_attempt_ms))
    }
}
