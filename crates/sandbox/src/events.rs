//! Events: what happened, as Stripe tells it, and to which endpoints it has to be delivered.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::API_VERSION;
use crate::chaos::DeliveryFault;
use crate::clock::Moment;
use crate::ids;
use crate::resources::accounts;
use crate::resources::webhook_endpoints::WebhookEndpoint;
use crate::state::{Account, Resource, Tx};

/// One happening, with the object as it was then: <https://docs.stripe.com/api/events/object>.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    #[serde(rename = "type")]
    pub(crate) type_: String,
    object: Value,
    previous_attributes: Option<Value>,
    request_id: Option<String>,
    idempotency_key: Option<String>,
}

impl Resource for Event {
    const KIND: &'static str = "event";

    fn id(&self) -> &str {
        &self.id
    }
}

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
    fn new(event: &str, endpoint: &str, now: Moment) -> Self {
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

impl Tx<'_> {
    /// Records that something happened to `object`, and queues it for every endpoint that listens to it.
    pub(crate) fn emit(&mut self, type_: &str, object: Value) {
        self.emit_change(type_, object, None);
    }

    /// As `emit`, with the values that changed attributes had before.
    pub(crate) fn emit_change(&mut self, type_: &str, object: Value, previous_attributes: Option<Value>) {
        let event = Event {
            id: ids::object("evt"),
            created: self.now.seconds(),
            type_: type_.to_owned(),
            object,
            previous_attributes,
            request_id: self.origin.request_id.clone(),
            idempotency_key: self.origin.idempotency_key.clone(),
        };
        for endpoint in self.listeners(type_) {
            let delivery = self.new_delivery(&event.id, &endpoint);
            let delivery = match self.chaos.delivery_fault(&endpoint, type_) {
                None => delivery,
                Some((fault, delay)) => {
                    let at = Moment(delivery.next_attempt_ms).after(delay);
                    Delivery { fault: Some(fault), ..delivery }.retry_at(at)
                }
            };
            self.put(delivery);
        }
        self.put(event);
    }

    /// A delivery that is due, unless all of them are delayed or lost at present.
    fn new_delivery(&self, event: &str, endpoint: &str) -> Delivery {
        let delivery = Delivery::new(event, endpoint, self.now.after(self.chaos.delay_of_all()));
        let state = if self.chaos.drops_all() { DeliveryState::Failed } else { DeliveryState::Pending };
        Delivery { state, ..delivery }
    }

    /// Queues an event once more for every endpoint that listens to it; returns for how many.
    pub(crate) fn resend(&mut self, event: &Event) -> usize {
        let listeners = self.listeners(&event.type_);
        for endpoint in &listeners {
            let delivery = self.new_delivery(&event.id, endpoint);
            self.put(delivery);
        }
        listeners.len()
    }

    fn listeners(&self, type_: &str) -> Vec<String> {
        let endpoints = self.state.of::<WebhookEndpoint>().all();
        let is_connected = accounts::connected(self, &self.account.0).is_some();
        let mut ids: Vec<String> = endpoints
            .filter(|(owner, endpoint)| endpoint.listens_to(owner, &self.account, type_))
            .filter(|(_, endpoint)| is_connected || !endpoint.connect)
            .map(|(_, endpoint)| endpoint.id().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// The states of an event's deliveries.
    pub(crate) fn deliveries(&self, event: &Event) -> Vec<DeliveryState> {
        let endpoints = self.state.of::<WebhookEndpoint>().all();
        endpoints
            .filter_map(|(_, endpoint)| self.get::<Delivery>(&format!("{}:{}", event.id, endpoint.id())))
            .map(|delivery| delivery.state)
            .collect()
    }

    /// The event as its own account sees it, in answers and at its own endpoints.
    pub(crate) fn render_event(&self, event: &Event) -> Value {
        let pending = self.deliveries(event).iter().filter(|state| **state == DeliveryState::Pending).count();
        event.render(pending)
    }

    /// The event as an endpoint of the platform gets it, which has to be told whose it is.
    pub(crate) fn render_event_for(&self, endpoint: &WebhookEndpoint, event: &Event) -> Value {
        let mut rendered = self.render_event(event);
        if endpoint.connect {
            rendered["account"] = self.account.0.as_str().into();
        }
        rendered
    }
}

impl Event {
    fn render(&self, pending_webhooks: usize) -> Value {
        let mut data = json!({ "object": self.object });
        if let Some(previous) = &self.previous_attributes {
            data["previous_attributes"] = previous.clone();
        }
        json!({
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created,
            "data": data,
            "livemode": false,
            "pending_webhooks": pending_webhooks,
            "request": { "id": self.request_id, "idempotency_key": self.idempotency_key },
            "type": self.type_,
        })
    }
}

impl WebhookEndpoint {
    /// Whether an event of `account` goes to this endpoint of `owner`.
    fn listens_to(&self, owner: &Account, account: &Account, type_: &str) -> bool {
        let is_its_account =
            if self.connect { owner.is_platform() && !account.is_platform() } else { owner == account };
        is_its_account && self.is_enabled() && self.wants(type_)
    }
}
