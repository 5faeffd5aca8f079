//! Events, and the webhook endpoints that receive them.

use serde_json::Value;

use crate::objects::delivery::{Delivery, DeliveryState};
use crate::objects::event::Event;
use crate::objects::webhook_endpoint::WebhookEndpoint;
use crate::operations::account_lookup;
use crate::state::Tx;
use crate::storage::clock::Timestamp;
use crate::storage::ids;
use crate::storage::table::Resource;

impl Tx<'_> {
    /// Emits an event about `object` to every subscribed endpoint.
    pub(crate) fn emit(&mut self, type_: &str, object: Value) {
        self.emit_with_previous(type_, object, None);
    }

    /// Emits an event with the previous values of changed attributes.
    pub(crate) fn emit_with_previous(
        &mut self,
        type_: &str,
        object: Value,
        previous_attributes: Option<Value>,
    ) {
        let event = Event {
            id: ids::object("evt"),
            created: self.now.seconds(),
            type_: type_.to_owned(),
            object,
            previous_attributes,
            request_id: self.origin.request_id.clone(),
            idempotency_key: self.origin.idempotency_key.clone(),
        };
        for endpoint in self.subscribed_endpoints(type_) {
            let delivery = self.new_delivery(&event.id, &endpoint);
            let delivery = match self.chaos.delivery_fault(&endpoint, type_) {
                None => delivery,
                Some((fault, delay)) => {
                    let at = Timestamp(delivery.next_attempt_ms).after(delay);
                    Delivery { fault: Some(fault), ..delivery }.retry_at(at)
                }
            };
            self.put(delivery);
        }
        self.put(event);
    }

    /// Creates a delivery, subject to the global delivery mode.
    fn new_delivery(&self, event: &str, endpoint: &str) -> Delivery {
        let delivery = Delivery::new(event, endpoint, self.now.after(self.chaos.global_delivery_delay()));
        let state =
            if self.chaos.drops_all_deliveries() { DeliveryState::Failed } else { DeliveryState::Pending };
        Delivery { state, ..delivery }
    }

    /// Delivers an event again to every subscribed endpoint. Returns the number of endpoints.
    pub(crate) fn resend(&mut self, event: &Event) -> usize {
        let subscribed_endpoints = self.subscribed_endpoints(&event.type_);
        for endpoint in &subscribed_endpoints {
            let delivery = self.new_delivery(&event.id, endpoint);
            self.put(delivery);
        }
        subscribed_endpoints.len()
    }

    fn subscribed_endpoints(&self, type_: &str) -> Vec<String> {
        let endpoints = self.state.table::<WebhookEndpoint>().all();
        let is_connected = account_lookup::connected(self, &self.account.0).is_some();
        let mut ids: Vec<String> = endpoints
            .filter(|(owner, endpoint)| endpoint.receives(owner, &self.account, type_))
            .filter(|(_, endpoint)| is_connected || !endpoint.connect)
            .map(|(_, endpoint)| endpoint.id().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// Returns the states of an event's deliveries.
    pub(crate) fn deliveries(&self, event: &Event) -> Vec<DeliveryState> {
        let endpoints = self.state.table::<WebhookEndpoint>().all();
        endpoints
            .filter_map(|(_, endpoint)| self.get::<Delivery>(&format!("{}:{}", event.id, endpoint.id())))
            .map(|delivery| delivery.state)
            .collect()
    }

    /// Renders the event for its own account: in API responses and for the account's own endpoints.
    pub(crate) fn render_event(&self, event: &Event) -> Value {
        let pending = self.deliveries(event).iter().filter(|state| **state == DeliveryState::Pending).count();
        event.render(pending)
    }

    /// Renders the event for an endpoint. Connect endpoints get the `account`.
    pub(crate) fn render_event_for(&self, endpoint: &WebhookEndpoint, event: &Event) -> Value {
        let mut rendered = self.render_event(event);
        if endpoint.connect {
            rendered["account"] = self.account.0.as_str().into();
        }
        rendered
    }
}
