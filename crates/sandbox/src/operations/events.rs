//! Events, and the webhook endpoints that receive them.

use serde_json::Value;

use crate::objects::delivery::{Delivery, DeliveryState};
use crate::objects::event::Event;
use crate::objects::webhook_endpoint::WebhookEndpoint;
use crate::operations::account_lookup;
use crate::state::Tx;
use crate::storage::clock::Moment;
use crate::storage::ids;
use crate::storage::table::Resource;

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
        let is_connected = account_lookup::connected(self, &self.account.0).is_some();
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
