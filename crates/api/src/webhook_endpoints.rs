//! Endpoints of the shop's own systems: where events are sent to.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use chrono::{DateTime, Duration, Utc};
use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::{EventPattern, SECRET_OVERLAP};
use quittance_outbound::{Guard, new_secret};
use quittance_persistence::{
    Message as DomainMessage, Reply, ReplySecret, ResendOutcome, SecretRoll, SigningSecret,
    WebhookEndpoint as DomainEndpoint, WebhookEndpointChange,
};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::Api;
use crate::auth::Caller;
use crate::body::{self, Field, Object, Read, read_query};
use crate::events::message_renderer;
use crate::idempotency::{Done, Scope, Work, reply};
use crate::messages::Message;
use crate::pagination::{PageParams, cursor, list};
use crate::path::WebhookEndpointPath;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Body, Failures, Keyed, Missing, Query, SendsTo, Unauthorized};
use crate::time::{Given, Timestamp, now};
use crate::words::DisabledReason;

/// The longest URL.
const MAX_URL_CHARS: usize = 2000;

/// The longest description.
const MAX_DESCRIPTION_CHARS: usize = 500;

/// The most patterns of events that an endpoint has.
const MAX_EVENT_TYPES: usize = 50;

/// The longest time for which two secrets sign, in seconds: a week.
const MAX_OVERLAP_S: i64 = 7 * 24 * 60 * 60;

/// What a pattern of events must be.
const A_PATTERN: &str = "a type of event, a kind of object with .* behind it, or *";

/// Every route of endpoints.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create)
        .service(list)
        .service(get)
        .service(update)
        .service(remove)
        .service(roll_secret)
        .service(ping)
        .service(recover);
}

/// Where one of the shop's own systems is sent events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEndpoint {
    #[schema(example = "whe_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `webhook_endpoint`.
    #[schema(example = "webhook_endpoint")]
    object: &'static str,
    /// Where it is.
    #[schema(example = "https://stock.shop.example/quittance")]
    url: String,
    /// The shop's own words about it.
    #[schema(required, example = "Stock")]
    description: Option<String>,
    /// What it is sent: types of events, kinds of objects with `.*` behind them, or `*` for everything.
    #[schema(example = json!(["order.*", "refund.succeeded"]))]
    event_types: Vec<String>,
    /// Whether events are sent to it.
    enabled: bool,
    /// Why not, where they are not.
    #[schema(required)]
    disabled_reason: Option<DisabledReason>,
    /// Since when nothing could be delivered. After five days it is disabled.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

/// An endpoint with the secret that signs from now on. It is shown this once.
// Describes the result only: the secret is added to a `WebhookEndpoint` on its way out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEndpointWithSecret {
    #[serde(flatten)]
    endpoint: WebhookEndpoint,
    /// Verifies what is sent, with any library of the Standard Webhooks specification.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    secret: String,
}

list! {
    /// A part of the endpoints, newest first.
    WebhookEndpointList of WebhookEndpoint
}

/// An endpoint is no more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEndpointRemoved {
    #[schema(example = "whe_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `webhook_endpoint`.
    #[schema(example = "webhook_endpoint")]
    object: &'static str,
    /// Always true.
    #[schema(example = true)]
    deleted: bool,
}

/// An endpoint will be sent what it missed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recovery {
    /// `recovery`.
    #[schema(example = "recovery")]
    object: &'static str,
    /// How many messages will be sent.
    #[schema(example = 12)]
    message_count: usize,
}

/// An endpoint to be added.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"url": "https://stock.shop.example/quittance", "event_types": ["order.paid"]}))]
#[expect(dead_code, reason = "describes the body; `read_new` reads it")]
pub(crate) struct WebhookEndpointCreate {
    /// Where it is: `https`, on the public internet or in a network that the operator allows; in the sandbox also
    /// `http`, and this machine.
    #[schema(max_length = 2000, example = "https://stock.shop.example/quittance")]
    url: String,
    /// The shop's own words about it.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// What it is sent; everything, when nothing is said.
    #[schema(nullable = false, min_items = 1, max_items = 50, example = json!(["order.paid"]))]
    event_types: Option<Vec<String>>,
    /// Whether events are sent to it from now on.
    #[schema(default = true, nullable = false)]
    enabled: Option<bool>,
}

/// What changes about an endpoint. What is left out stays as it is.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"enabled": true}))]
#[expect(dead_code, reason = "describes the body; `read_change` reads it")]
pub(crate) struct WebhookEndpointUpdate {
    /// Where it is.
    #[schema(max_length = 2000, nullable = false)]
    url: Option<String>,
    /// The shop's own words; `null` takes them away.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// What it is sent, the whole of it.
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    event_types: Option<Vec<String>>,
    /// Whether events are sent to it. One that was disabled goes on with what it was to be sent before; what happened
    /// meanwhile is sent by `recover`.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// How a secret is rolled.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `read_roll` reads it")]
pub(crate) struct WebhookSecretRoll {
    /// For how long the old secret signs, too, beside the new one.
    #[schema(nullable = false, minimum = 0, maximum = 604_800, default = 86_400)]
    overlap_seconds: Option<i64>,
}

/// What an endpoint is to be sent.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `read_since` reads it")]
pub(crate) struct WebhookEndpointRecover {
    /// Messages that were made from this time on.
    #[schema(format = DateTime, example = "2026-11-22T17:00:00Z")]
    since: String,
}

impl From<DomainEndpoint> for WebhookEndpoint {
    fn from(endpoint: DomainEndpoint) -> Self {
        Self {
            id: endpoint.id.into(),
            object: "webhook_endpoint",
            url: endpoint.url,
            description: endpoint.description,
            event_types: endpoint.event_types.iter().map(EventPattern::to_string).collect(),
            enabled: endpoint.enabled,
            disabled_reason: endpoint.disabled_reason.map(DisabledReason::from),
            failing_since: endpoint.failing_since.map(Timestamp::from),
            created_at: endpoint.created_at.into(),
            updated_at: endpoint.updated_at.into(),
        }
    }
}

fn read_new(endpoint: &mut Object<'_>, guard: &Guard) -> Read<DomainEndpoint> {
    let url = endpoint.required("url", |field| field.text(MAX_URL_CHARS));
    let url = url.and_then(|url| checked_url(endpoint, &url, guard));
    let description = endpoint.optional("description", |field| field.text(MAX_DESCRIPTION_CHARS));
    let event_types = endpoint.optional("event_types", read_event_types);
    let enabled = endpoint.optional("enabled", body::boolean);
    let (created_at, enabled) = (now(), enabled?.unwrap_or(true));
    Ok(DomainEndpoint {
        id: WebhookEndpointId::from_uuid(Uuid::now_v7()),
        url: url?,
        description: description?,
        event_types: event_types?.unwrap_or_else(|| vec![EventPattern::any()]),
        secrets: vec![SigningSecret {
            number: 1,
            text: new_secret().expose_secret().to_owned(),
            expires_at: None,
        }],
        enabled,
        disabled_reason: (!enabled).then_some(quittance_domain::outbound::DisabledReason::Requested),
        failing_since: None,
        created_at,
        updated_at: created_at,
    })
}

fn read_change(endpoint: &mut Object<'_>, guard: &Guard) -> Read<WebhookEndpointChange> {
    let url = match endpoint.replacement("url", |field| field.text(MAX_URL_CHARS)) {
        Ok(Some(url)) => checked_url(endpoint, &url, guard).map(Some),
        other => other,
    };
    let description = endpoint.change("description", |field| field.text(MAX_DESCRIPTION_CHARS));
    let event_types = endpoint.replacement("event_types", read_event_types);
    let enabled = endpoint.replacement("enabled", body::boolean);
    Ok(WebhookEndpointChange {
        url: url?,
        description: description?,
        event_types: event_types?,
        enabled: enabled?,
    })
}

fn checked_url(endpoint: &mut Object<'_>, url: &str, guard: &Guard) -> Read<String> {
    match guard.check_url(url) {
        Ok(url) => Ok(url.to_string()),
        Err(refused) => endpoint.refuse("url", "invalid", refused),
    }
}

fn read_event_types(field: Field<'_>) -> Read<Vec<EventPattern>> {
    field.list(1..=MAX_EVENT_TYPES, |pattern| pattern.parsed(A_PATTERN))
}

fn read_roll(roll: &mut Object<'_>) -> Read<Duration> {
    let overlap = roll.optional("overlap_seconds", |field| field.integer(0..=MAX_OVERLAP_S));
    Ok(overlap?.map_or(SECRET_OVERLAP, Duration::seconds))
}

fn read_since(recovery: &mut Object<'_>) -> Read<DateTime<Utc>> {
    recovery.required("since", |field| field.parsed("a time (RFC 3339)")).map(|Given(time)| time)
}

fn with_secret(status: StatusCode, endpoint: &DomainEndpoint) -> Reply {
    let newest = endpoint.secrets.iter().map(|secret| secret.number).max();
    let secret = newest.map(|number| ReplySecret::SigningSecret(endpoint.id.clone(), number));
    reply(status, &WebhookEndpoint::from(endpoint.clone()), secret)
}

fn created(endpoint: &DomainEndpoint) -> Reply {
    with_secret(StatusCode::CREATED, endpoint)
}

fn rolled(endpoint: &DomainEndpoint) -> Reply {
    with_secret(StatusCode::OK, endpoint)
}

/// What a request to send came to.
pub(crate) fn sent<T>(resent: ResendOutcome<T>, render: impl FnOnce(&T) -> Reply) -> Result<Done, Problem> {
    match resent {
        ResendOutcome::Done(done) => Ok(Done::stored(render(&done))),
        ResendOutcome::NotFound => Err(Problem::not_found()),
        ResendOutcome::Disabled => Err(Problem::webhook_endpoint_disabled()),
    }
}

fn pinged(message: &DomainMessage) -> Reply {
    reply(StatusCode::OK, &Message::summary(message.clone()), None)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "answers are made of references to results")]
fn recovered(count: &usize) -> Reply {
    reply(StatusCode::OK, &Recovery { object: "recovery", message_count: *count }, None)
}

/// Create a webhook endpoint
///
/// The answer carries the secret that signs what is sent to it; it is shown this once.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_create",
    request_body = WebhookEndpointCreate,
    params(Headers),
    responses(
        (status = 201, description = "The endpoint, with its secret", body = WebhookEndpointWithSecret),
        Unauthorized, Keyed, Failures
    ),
    security(("secret_key" = []))
)]
#[post("/v1/webhook_endpoints")]
async fn create(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let endpoint = request.read(|endpoint| read_new(endpoint, &api.config().webhook_guard))?;
    let store = api.store().clone();
    let work = async move |work: Work| {
        let endpoint = store.insert_webhook_endpoint(endpoint, work.completion(created)).await?;
        // The secret is added where an answer is sent, first or again.
        Ok(Done::stored(created(&endpoint)))
    };
    request.run(&api, Scope::Key(key), work).await
}

/// List webhook endpoints
///
/// Newest first.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_list",
    params(PageParams),
    responses(
        (status = 200, description = "A part of the endpoints", body = WebhookEndpointList),
        Unauthorized, Query, Failures
    ),
    security(("secret_key" = []))
)]
#[get("/v1/webhook_endpoints")]
async fn list(
    api: ThinData<Api>,
    caller: Caller,
    request: HttpRequest,
) -> Result<Json<WebhookEndpointList>, Problem> {
    caller.key()?;
    let cursor = read_query(request.query_string(), cursor)?;
    let page = api.store().webhook_endpoints(cursor).await?;
    Ok(Json(WebhookEndpointList::of(page, WebhookEndpoint::from)))
}

/// Get a webhook endpoint
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_get",
    params(WebhookEndpointPath),
    responses((status = 200, description = "The endpoint", body = WebhookEndpoint), Unauthorized, Missing, Failures),
    security(("secret_key" = []))
)]
#[get("/v1/webhook_endpoints/{id}")]
async fn get(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<WebhookEndpointPath>,
) -> Result<Json<WebhookEndpoint>, Problem> {
    caller.key()?;
    let endpoint = api.store().webhook_endpoint(path.id()?).await?;
    Ok(Json(endpoint.ok_or_else(Problem::not_found)?.into()))
}

/// Update a webhook endpoint
///
/// What is sent from now on follows; what is under way may still go to the old URL.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_update",
    request_body = WebhookEndpointUpdate,
    params(WebhookEndpointPath),
    responses(
        (status = 200, description = "The endpoint as it is now", body = WebhookEndpoint),
        Unauthorized, Missing, Body, Failures
    ),
    security(("secret_key" = []))
)]
#[patch("/v1/webhook_endpoints/{id}")]
async fn update(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<WebhookEndpointPath>,
    request: Request,
) -> Result<Json<WebhookEndpoint>, Problem> {
    caller.key()?;
    let id = path.id()?;
    let change = request.read(|endpoint| read_change(endpoint, &api.config().webhook_guard))?;
    let changed = api.store().change_webhook_endpoint(id, change, now()).await?;
    Ok(Json(changed.ok_or_else(Problem::not_found)?.into()))
}

/// Delete a webhook endpoint
///
/// Nothing more is sent to it, and its secrets are forgotten. What was sent stays with the messages.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_delete",
    params(WebhookEndpointPath),
    responses((status = 200, description = "It is no more", body = WebhookEndpointRemoved), Unauthorized, Missing, Failures),
    security(("secret_key" = []))
)]
#[delete("/v1/webhook_endpoints/{id}")]
async fn remove(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<WebhookEndpointPath>,
) -> Result<Json<WebhookEndpointRemoved>, Problem> {
    caller.key()?;
    let id = path.id()?;
    if !api.store().remove_webhook_endpoint(id.clone(), now()).await? {
        return Err(Problem::not_found());
    }
    Ok(Json(WebhookEndpointRemoved { id: id.into(), object: "webhook_endpoint", deleted: true }))
}

/// Roll the secret of a webhook endpoint
///
/// The answer carries the new secret; it is shown this once. For a while what is sent is signed with both.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_roll_secret",
    request_body = WebhookSecretRoll,
    params(WebhookEndpointPath, Headers),
    responses(
        (status = 200, description = "The endpoint, with its new secret", body = WebhookEndpointWithSecret),
        Unauthorized, Missing, Keyed, Failures
    ),
    security(("secret_key" = []))
)]
#[post("/v1/webhook_endpoints/{id}/roll_secret")]
async fn roll_secret(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<WebhookEndpointPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let id = path.id()?;
    let (overlap, now) = (request.read(read_roll)?, now());
    let secret = new_secret().expose_secret().to_owned();
    let roll = SecretRoll { id, secret, others_until: now + overlap, now };
    let store = api.store().clone();
    let work = async move |work: Work| {
        let endpoint = store.roll_webhook_secret(roll, work.completion(rolled)).await?;
        Ok(Done::stored(rolled(&endpoint.ok_or_else(Problem::not_found)?)))
    };
    request.run(&api, Scope::Key(key), work).await
}

/// Ping a webhook endpoint
///
/// Sends it an event `webhook_endpoint.ping`, whatever it wants to hear of. `GET /v1/messages/{id}` says what came
/// of it.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_ping",
    params(WebhookEndpointPath, Headers),
    responses(
        (status = 200, description = "The message that will be sent", body = Message),
        Unauthorized, Missing, Keyed, SendsTo, Failures
    ),
    security(("secret_key" = []))
)]
#[post("/v1/webhook_endpoints/{id}/ping")]
async fn ping(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<WebhookEndpointPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let id = path.id()?;
    request.read(|_| Ok(()))?;
    let (store, render) = (api.store().clone(), message_renderer(&api.config().sellers_supported));
    let work = async move |work: Work| {
        let completion = work.completion(pinged);
        sent(store.ping_webhook_endpoint(id, render, now(), completion).await?, pinged)
    };
    request.run(&api, Scope::Key(key), work).await
}

/// Send a webhook endpoint what it missed
///
/// Every message since a time that it wants and that was not delivered to it: because it was disabled, was not there
/// yet, or failed for too long.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_recover",
    request_body = WebhookEndpointRecover,
    params(WebhookEndpointPath, Headers),
    responses(
        (status = 200, description = "How many messages will be sent", body = Recovery),
        Unauthorized, Missing, Keyed, SendsTo, Failures
    ),
    security(("secret_key" = []))
)]
#[post("/v1/webhook_endpoints/{id}/recover")]
async fn recover(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<WebhookEndpointPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let id = path.id()?;
    let since = request.read(read_since)?;
    let store = api.store().clone();
    let work = async move |work: Work| {
        sent(store.recover(id, since, now(), work.completion(recovered)).await?, recovered)
    };
    request.run(&api, Scope::Key(key), work).await
}
