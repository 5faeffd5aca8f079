//! Webhook endpoints: <https://docs.stripe.com/api/webhook_endpoints>.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::Page;
use crate::http::params::{MAX_TEXT_CHARS, Params};
use crate::http::url::is_http_url;
use crate::http::version::API_VERSION;
use crate::objects::delivery::{Delivery, DeliveryState};
use crate::objects::webhook_endpoint::{EndpointStatus, OldSecret, WebhookEndpoint};
use crate::operations::webhook_endpoints::register;
use crate::storage::ids;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/webhook_endpoints", create),
    Route::get("/v1/webhook_endpoints", list),
    Route::get("/v1/webhook_endpoints/{id}", retrieve),
    Route::post("/v1/webhook_endpoints/{id}", update),
    Route::delete("/v1/webhook_endpoints/{id}", delete),
    Route::post("/_sandbox/webhook_endpoints/{id}/roll_secret", roll_secret),
];

/// The maximum time for which a rotated secret remains valid, as in Stripe: one day.
const MAX_SECRET_OVERLAP_SECONDS: i64 = 24 * 60 * 60;

fn find(call: &Call<'_, '_>) -> Result<WebhookEndpoint, ApiError> {
    call.tx
        .get::<WebhookEndpoint>(call.id)
        .cloned()
        .ok_or_else(|| ApiError::not_found("webhook endpoint", call.id, "webhook_endpoint"))
}

fn parse_url(params: &mut Params) -> Result<Option<String>, ApiError> {
    match params.string("url")? {
        Some(url) if !is_http_url(&url) => Err(params
            .invalid("url", "Invalid URL: An explicit scheme (such as https) must be provided.")
            .with_code("url_invalid")),
        url => Ok(url),
    }
}

/// Reads event types: `*`, or names such as `charge.succeeded`.
fn parse_events(params: &mut Params) -> Result<Option<Vec<String>>, ApiError> {
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
    let url = parse_url(&mut params)?.ok_or_else(|| params.missing("url"))?;
    let enabled_events = parse_events(&mut params)?.ok_or_else(|| params.missing("enabled_events"))?;
    let connect = params.boolean("connect")?.unwrap_or(false);
    let description = params.text("description", MAX_TEXT_CHARS)?;
    let api_version = params.string("api_version")?;
    if api_version.as_ref().is_some_and(|version| version != API_VERSION) {
        return Err(params.invalid("api_version", format!("The sandbox supports only {API_VERSION}.")));
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
    // Only this response contains the secret.
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
    let url = parse_url(&mut params)?;
    let enabled_events = parse_events(&mut params)?;
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

fn delete(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let endpoint = find(call)?;
    let orphans: Vec<_> = call
        .tx
        .state
        .table::<Delivery>()
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

/// Rotates the secret. The previous one remains valid for a while, as in Stripe's Dashboard.
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
    page.render(
        &endpoints,
        "webhook endpoint",
        "/v1/webhook_endpoints",
        |endpoint| &endpoint.id,
        |endpoint| endpoint.render(),
    )
}
