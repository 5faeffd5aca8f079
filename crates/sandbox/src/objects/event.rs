//! Events: <https://docs.stripe.com/api/events>.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::version::API_VERSION;
use crate::storage::table::Resource;

/// An event with a snapshot of its object: <https://docs.stripe.com/api/events/object>.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    /// Seconds since the Unix epoch.
    pub(crate) created: i64,
    #[serde(rename = "type")]
    pub(crate) type_: String,
    pub(crate) object: Value,
    pub(crate) previous_attributes: Option<Value>,
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

impl Resource for Event {
    const KIND: &'static str = "event";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Event {
    pub(crate) fn render(&self, pending_webhooks: usize) -> Value {
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
