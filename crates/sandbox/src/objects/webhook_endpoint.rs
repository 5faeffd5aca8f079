//! Webhook endpoints: <https://docs.stripe.com/api/webhook_endpoints>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::config::WebhookTarget;
use crate::http::string_enum::string_enum;
use crate::storage::clock::Timestamp;
use crate::storage::table::{Account, Resource};

string_enum! {
    /// Whether the endpoint receives events.
    EndpointStatus { Enabled = "enabled", Disabled = "disabled" }
}

/// A previous secret that remains valid for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OldSecret {
    pub(crate) secret: String,
    pub(crate) expires_ms: i64,
}

/// An endpoint that receives events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WebhookEndpoint {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) url: String,
    pub(crate) secret: String,
    #[serde(default)]
    pub(crate) old_secret: Option<OldSecret>,
    pub(crate) enabled_events: Vec<String>,
    pub(crate) status: EndpointStatus,
    pub(crate) description: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) api_version: Option<String>,
    /// Whether it receives the events of connected accounts instead of its own account's events.
    pub(crate) connect: bool,
    /// Whether it comes from the configuration. Such endpoints are registered at every start and not stored.
    #[serde(skip)]
    pub(crate) is_configured: bool,
}

impl Resource for WebhookEndpoint {
    const KIND: &'static str = "webhook_endpoint";

    fn id(&self) -> &str {
        &self.id
    }

    fn is_persistent(&self) -> bool {
        !self.is_configured
    }
}

impl WebhookEndpoint {
    /// Creates an endpoint from the configuration, for all events. Its ID depends only on the URL, so that pending
    /// deliveries find the endpoint after a restart.
    pub(crate) fn configured(target: &WebhookTarget, connect: bool, now_seconds: i64) -> Self {
        let hash = hex::encode(Sha256::digest(format!("{connect} {}", target.url)));
        Self {
            id: format!("we_{}", &hash[..24]),
            created: now_seconds,
            url: target.url.clone(),
            secret: target.secret.clone(),
            old_secret: None,
            enabled_events: vec!["*".to_owned()],
            status: EndpointStatus::Enabled,
            description: Some("Configured at startup".to_owned()),
            metadata: BTreeMap::new(),
            api_version: None,
            connect,
            is_configured: true,
        }
    }

    /// Returns the secrets to sign with at `now`. During a rotation there are two.
    pub(crate) fn secrets(&self, now: Timestamp) -> Vec<String> {
        let old = self.old_secret.iter().filter(|old| now.0 < old.expires_ms).map(|old| old.secret.clone());
        std::iter::once(self.secret.clone()).chain(old).collect()
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.status == EndpointStatus::Enabled
    }

    pub(crate) fn accepts(&self, type_: &str) -> bool {
        self.enabled_events.iter().any(|event| event == "*" || event == type_)
    }

    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": null,
            "created": self.created,
            "description": self.description,
            "enabled_events": self.enabled_events,
            "livemode": false,
            "metadata": self.metadata,
            "status": self.status,
            "url": self.url,
        })
    }
}

impl WebhookEndpoint {
    /// Returns whether this endpoint of `owner` receives events of `account`.
    pub(crate) fn receives(&self, owner: &Account, account: &Account, type_: &str) -> bool {
        let is_its_account =
            if self.connect { owner.is_platform() && !account.is_platform() } else { owner == account };
        is_its_account && self.is_enabled() && self.accepts(type_)
    }
}
