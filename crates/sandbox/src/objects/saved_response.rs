//! Responses saved under idempotency keys.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::storage::clock::Timestamp;
use crate::storage::table::Resource;

const LIFETIME: Duration = Duration::from_hours(24);

/// The response to the first request with an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedResponse {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) fingerprint: String,
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) request_id: String,
    pub(crate) created_ms: i64,
}

impl SavedResponse {
    pub(crate) fn expires(&self) -> Timestamp {
        Timestamp(self.created_ms).after(LIFETIME)
    }
}

impl Resource for SavedResponse {
    const KIND: &'static str = "saved_response";

    fn id(&self) -> &str {
        &self.id
    }

    /// Expired responses are deleted by a timer.
    fn due(&self) -> Option<Timestamp> {
        Some(self.expires())
    }
}
