//! Deliveries: one event for one webhook endpoint.

use serde::{Deserialize, Serialize};

use crate::chaos::DeliveryFault;
use crate::storage::clock::Moment;
use crate::storage::table::Resource;

/// What has become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DeliveryState {
    Pending,
    Delivered,
    Failed,
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) endpoint: String,
    pub(crate) state: DeliveryState,
    pub(crate) attempts: u32,
    pub(crate) next_attempt_ms: i64,
    /// What goes wrong with it on purpose.
    #[serde(default)]
    pub(crate) fault: Option<DeliveryFault>,
    /// Being sent right now, or waiting for an endpoint that is not there; a restart forgets it.
    #[serde(skip)]
    pub(crate) is_held: bool,
}

impl Delivery {
    pub(crate) fn new(event: &str, endpoint: &str, now: Moment) -> Self {
        Self {
            id: format!("{event}:{endpoint}"),
            event: event.to_owned(),
            endpoint: endpoint.to_owned(),
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt_ms: now.0,
            fault: None,
            is_held: false,
        }
    }

    /// The same delivery, to be tried (again) at `at`.
    pub(crate) fn retry_at(mut self, at: Moment) -> Self {
        self.next_attempt_ms = at.0;
        self.is_held = false;
        self
    }
}

impl Resource for Delivery {
    const KIND: &'static str = "delivery";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Moment> {
        (self.state == DeliveryState::Pending && !self.is_held).then_some(Moment(self.next_attempt_ms))
    }
}
