//! Webhook endpoints: <https://docs.stripe.com/api/webhook_endpoints>.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::API_VERSION;
use crate::api_error::ApiError;
use crate::clock::Moment;
use crate::config::{WebhookTarget, is_http_url};
use crate::events::{Delivery, DeliveryState};
use crate::ids;
use crate::list::Page;
use crate::params::{Params, words};
use crate::request::Call;
use crate::resources::address::MAX_TEXT_CHARS;
use crate::routes::Route;
use crate::state::{Resource, Tx};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/webhook_endpoints", create),
    Route::get("/v1/webhook_endpoints", list),
    Route::get("/v1/webhook_endpoints/{id}", retrieve),
    Route::post("/v1/webhook_endpoints/{id}", update),
    Route::delete("/v1/webhook_endpoints/{id}", delete),
    Route::post("/_sandbox/webhook_endpoints/{id}/roll_secret", roll_secret),
];

/// The longest time a rolled secret stays in use, as at Stripe: a day.
const MAX_SECRET_OVERLAP_SECONDS: i64 = 24 * 60 * 60;

words! {
    /// Whether events are delivered to an endpoint.
    EndpointStatus { Enabled = "enabled", Disabled = "disabled" }
}

/// A secret that was rolled and still signs for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OldSecret {
    secret: String,
    expires_ms: i64,
}

/// Somewhere events are delivered to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WebhookEndpoint {
    id: String,
    created: i64,
    pub(crate) url: String,
    secret: String,
    #[serde(default)]
    old_secret: Option<OldSecret>,
    enabled_events: Vec<String>,
    status: EndpointStatus,
    description: Option<String>,
    metadata: BTreeMap<String, String>,
    api_version: Option<String>,
    /// Whether it gets the events of connected accounts instead of its own account's.
    pub(crate) connect: bool,
    /// Configured endpoints are registered anew at every start, so they are not kept.
    #[serde(skip)]
    is_configured: bool,
}

impl Resource for WebhookEndpoint {
    const KIND: &'static str = "webhook_endpoint";

    fn id(&self) -> &str {
        &self.id
    }

    fn is_kept(&self) -> bool {
        !self.is_configured
    }
}

impl WebhookEndpoint {
    /// An endpoint of the configuration, for all events. The same URL has the same id at every start, so that
    /// deliveries that are pending find it again.
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
            description: Some("From the sandbox's configuration".to_owned()),
            metadata: BTreeMap::new(),
            api_version: None,
            connect,
            is_configured: true,
        }
    }

    /// The secrets to sign with at `now`: while one is being rolled, there are two.
    pub(crate) fn secrets(&self, now: Moment) -> Vec<String> {
        let old = self.old_secret.iter().filter(|old| now.0 < old.expires_ms).map(|old| old.secret.clone());
        std::iter::once(self.secret.clone()).chain(old).collect()
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.status == EndpointStatus::Enabled
    }

    pub(crate) fn wants(&self, type_: &str) -> bool {
        self.enabled_events.iter().any(|event| event == "*" || event == type_)
    }

    fn render(&self) -> Value {
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

fn find(call: &Call<'_, '_>) -> Result<WebhookEndpoint, ApiError> {
    call.tx
        .get::<WebhookEndpoint>(call.id)
        .cloned()
        .ok_or_else(|| ApiError::missing("webhook endpoint", call.id, "webhook_endpoint"))
}

fn read_url(params: &mut Params) -> Result<Option<String>, ApiError> {
    match params.string("url")? {
        Some(url) if !is_http_url(&url) => Err(params
            .invalid("url", "Invalid URL: An explicit scheme (such as https) must be provided.")
            .with_code("url_invalid")),
        url => Ok(url),
    }
}

/// A list of event types: `*`, or names such as `charge.succeeded`.
fn read_events(params: &mut Params) -> Result<Option<Vec<String>>, ApiError> {
    let Some(events) = params.strings("enabled_events")? else { return Ok(None) };
    let is_type = |event: &String| {
        event == "*"
            || (event.contains('.')
                && event.split('.').all(|part| {
                    !part.is_empty()
                        && part.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
                }))
    };
    match events.iter().find(|event| !is_type(event)) {
        Some(event) => Err(params.invalid(
            "enabled_events",
            format!("Invalid enabled_events: {event} is not the name of an event type."),
        )),
        None if events.is_empty() => Err(params.missing("enabled_events")),
        None => Ok(Some(events)),
    }
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let url = read_url(&mut params)?.ok_or_else(|| params.missing("url"))?;
    let enabled_events = read_events(&mut params)?.ok_or_else(|| params.missing("enabled_events"))?;
    let connect = params.boolean("connect")?.unwrap_or(false);
    let description = params.text("description", MAX_TEXT_CHARS)?;
    let api_version = params.string("api_version")?;
    if api_version.as_ref().is_some_and(|version| version != API_VERSION) {
        return Err(
            params.invalid("api_version", format!("The sandbox renders events in {API_VERSION} only."))
        );
    }
    let metadata = params.metadata()?;
    params.finish()?;
    let mut endpoint = WebhookEndpoint {
        id: ids::object("we"),
        created: call.tx.now.seconds(),
        url,
        secret: ids::signing_secret(),
        old_secret: None,
        enabled_events,
        status: EndpointStatus::Enabled,
        description: None,
        metadata: BTreeMap::new(),
        api_version,
        connect,
        is_configured: false,
    };
    description.apply(&mut endpoint.description);
    if let Some(change) = metadata {
        change.apply(&mut endpoint.metadata)?;
    }
    let mut rendered = endpoint.render();
    // The only answer that shows the secret.
    rendered["secret"] = endpoint.secret.as_str().into();
    call.tx.put(endpoint);
    Ok(rendered)
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find(call).map(|endpoint| endpoint.render())
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let url = read_url(&mut params)?;
    let enabled_events = read_events(&mut params)?;
    let disabled = params.boolean("disabled")?;
    let description = params.text("description", MAX_TEXT_CHARS)?;
    let metadata = params.metadata()?;
    params.finish()?;
    let mut endpoint = find(call)?;
    endpoint.url = url.unwrap_or(endpoint.url);
    endpoint.enabled_events = enabled_events.unwrap_or(endpoint.enabled_events);
    if let Some(disabled) = disabled {
        endpoint.status = if disabled { EndpointStatus::Disabled } else { EndpointStatus::Enabled };
    }
    description.apply(&mut endpoint.description);
    if let Some(change) = metadata {
        change.apply(&mut endpoint.metadata)?;
    }
    let rendered = endpoint.render();
    register(call.tx, endpoint);
    Ok(rendered)
}

/// Puts an endpoint and lets the deliveries go that waited for it.
pub(crate) fn register(tx: &mut Tx<'_>, endpoint: WebhookEndpoint) {
    let waiting: Vec<_> = tx
        .state
        .of::<Delivery>()
        .all()
        .filter(|(_, delivery)| delivery.endpoint == endpoint.id && delivery.is_held)
        .map(|(account, delivery)| (account.clone(), delivery.clone()))
        .collect();
    tx.put(endpoint);
    for (account, delivery) in waiting {
        let now = tx.now;
        tx.on_account(account, |tx| tx.mark(delivery.retry_at(now)));
    }
}

fn delete(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let endpoint = find(call)?;
    let orphans: Vec<_> = call
        .tx
        .state
        .of::<Delivery>()
        .all()
        .filter(|(_, delivery)| delivery.endpoint == endpoint.id && delivery.state == DeliveryState::Pending)
        .map(|(account, delivery)| (account.clone(), delivery.clone()))
        .collect();
    for (account, delivery) in orphans {
        call.tx.on_account(account, |tx| tx.put(Delivery { state: DeliveryState::Failed, ..delivery }));
    }
    call.tx.delete::<WebhookEndpoint>(&endpoint.id);
    Ok(json!({ "id": endpoint.id, "object": "webhook_endpoint", "deleted": true }))
}

/// Gives an endpoint a new secret, and lets the old one sign too for a while. Stripe has this in its Dashboard.
fn roll_secret(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let overlap_seconds = params.integer("expires_in_seconds")?.unwrap_or(MAX_SECRET_OVERLAP_SECONDS);
    let overlap =
        u64::try_from(overlap_seconds).ok().filter(|_| overlap_seconds <= MAX_SECRET_OVERLAP_SECONDS);
    let overlap = overlap.ok_or_else(|| {
        params.invalid("expires_in_seconds", format!("Must be between 0 and {MAX_SECRET_OVERLAP_SECONDS}."))
    })?;
    let secret = params.string("secret")?.unwrap_or_else(ids::signing_secret);
    params.finish()?;
    let mut endpoint = find(call)?;
    let expires_ms = call.tx.now.after(Duration::from_secs(overlap)).0;
    let secret = std::mem::replace(&mut endpoint.secret, secret);
    endpoint.old_secret = Some(OldSecret { secret, expires_ms });
    let mut rendered = endpoint.render();
    rendered["secret"] = endpoint.secret.as_str().into();
    call.tx.put(endpoint);
    Ok(rendered)
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    params.finish()?;
    let endpoints: Vec<&WebhookEndpoint> = call.tx.newest_first::<WebhookEndpoint>().collect();
    page.cut(
        &endpoints,
        "webhook endpoint",
        "/v1/webhook_endpoints",
        |endpoint| &endpoint.id,
        |endpoint| endpoint.render(),
    )
}
