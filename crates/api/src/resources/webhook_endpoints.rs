//! Webhook endpoints of the shop's own systems, which receive events.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use chrono::Duration;
use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::{EventPattern, SECRET_OVERLAP};
use quittance_outbound::new_secret;
use quittance_persistence::{
    Message as DomainMessage, Reply, ReplySecret, SecretRoll, SigningSecret,
    WebhookEndpoint as DomainEndpoint, WebhookEndpointChange,
};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::fields::{FieldValue, Fields, NoFields, Optional, Update, UpdateOrClear, request_body};
use crate::http::idempotency::{KeyClaim, Scope, WorkReply, reply};
use crate::http::json_reader::{Field, ParseResult, read_query};
use crate::http::pagination::{PageQuery, list};
use crate::http::path::WebhookEndpointPath;
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, BodyErrors, DeliveryErrors, IdempotentErrors, NotFoundErrors, QueryErrors, ServerErrors,
};
use crate::http::values::{Boolean, DateTimeText, Integer, List, Text, WebhookUrl, string_schema};
use crate::problem::Problem;
use crate::resources::enums::DisabledReason;
use crate::resources::messages::{Message, send_result};
use crate::state::Api;
use crate::time::{Timestamp, now};

/// The longest time for which two secrets sign, in seconds: a week.
const OVERLAP_MAX_S: i64 = 7 * 24 * 60 * 60;

/// The event types that an endpoint receives.
type EventTypes = List<EventTypePattern, 1, 50>;

/// A description.
type EndpointDescription = Text<500>;

/// Registers the routes of webhook endpoints.
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

/// A webhook endpoint: a URL in your own system that receives events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEndpoint {
    #[schema(example = "whe_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `webhook_endpoint`.
    #[schema(example = "webhook_endpoint")]
    object: &'static str,
    /// The URL that receives events.
    #[schema(example = "https://stock.shop.example/quittance")]
    url: String,
    /// Your own description.
    #[schema(required, example = "Stock")]
    description: Option<String>,
    /// The event types to receive: full types, object names followed by `.*`, or `*` for all.
    #[schema(example = json!(["order.*", "refund.succeeded"]))]
    event_types: Vec<String>,
    /// Whether events are sent to the endpoint.
    enabled: bool,
    /// The reason why the endpoint is disabled.
    #[schema(required)]
    disabled_reason: Option<DisabledReason>,
    /// The time since which all deliveries have failed. After five days, the endpoint is disabled.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

/// A webhook endpoint with its new signing secret. The secret is shown only once.
// For the document only. `http::stored_body` adds the secret to the stored `WebhookEndpoint`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEndpointWithSecret {
    #[serde(flatten)]
    endpoint: WebhookEndpoint,
    /// The signing secret. Verify messages with it, using any Standard Webhooks library.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    secret: String,
}

list! {
    /// A page of webhook endpoints, newest first.
    WebhookEndpointList of WebhookEndpoint
}

/// A deleted webhook endpoint.
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

/// The result of recovering missed messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recovery {
    /// `recovery`.
    #[schema(example = "recovery")]
    object: &'static str,
    /// The number of messages that will be sent.
    #[schema(example = 12)]
    message_count: usize,
}

request_body! {
    /// A webhook endpoint to create.
    #[example({"url": "https://stock.shop.example/quittance", "event_types": ["order.paid"]})]
    WebhookEndpointCreate {
        /// The URL that receives events. It must use `https`, and its address must be public or allowed by the operator.
        /// In the sandbox, `http` and loopback addresses are also allowed.
        url: WebhookUrl, example = "https://stock.shop.example/quittance";
        /// Your own description.
        description: Optional<EndpointDescription>, example = "Stock";
        /// The event types to receive. By default, the endpoint receives all events.
        event_types: Optional<EventTypes>, example = ["order.paid"];
        /// Whether to send events to the endpoint.
        enabled: Boolean = true;
    }
}

request_body! {
    /// Changes to a webhook endpoint. Omitted fields stay as they are.
    #[example({"enabled": true})]
    WebhookEndpointUpdate {
        /// The URL that receives events.
        url: Update<WebhookUrl>;
        /// Your own description. `null` removes it.
        description: UpdateOrClear<EndpointDescription>;
        /// The event types to receive. They replace the old ones completely.
        event_types: Update<EventTypes>;
        /// Whether to send events to the endpoint. After an endpoint is enabled again, its pending deliveries continue.
        /// `recover` sends the events that it missed while it was disabled.
        enabled: Update<Boolean>;
    }
}

request_body! {
    /// The options of rolling a secret. The body may be omitted.
    #[example({"overlap_seconds": 86_400})]
    WebhookSecretRoll {
        /// The number of seconds for which the old secret still signs messages, alongside the new one.
        overlap_seconds: Integer<i64, 0, OVERLAP_MAX_S> = SECRET_OVERLAP.num_seconds();
    }
}

request_body! {
    /// The missed messages to send.
    #[example({"since": "2026-11-22T17:00:00Z"})]
    WebhookEndpointRecover {
        /// Sends messages created at or after this time (RFC 3339).
        since: DateTimeText, example = "2026-11-22T17:00:00Z";
    }
}

/// A pattern of event types.
pub(crate) struct EventTypePattern;

impl FieldValue for EventTypePattern {
    type Output = EventPattern;

    fn read(field: Field<'_>) -> ParseResult<EventPattern> {
        field.parsed("an event type, an object name followed by .*, or *")
    }

    fn schema() -> RefOr<Schema> {
        string_schema().into()
    }
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

impl From<WebhookEndpointCreate> for DomainEndpoint {
    fn from(endpoint: WebhookEndpointCreate) -> Self {
        let (created_at, enabled) = (now(), endpoint.enabled);
        let text = new_secret().expose_secret().to_owned();
        Self {
            id: WebhookEndpointId::from_uuid(Uuid::now_v7()),
            url: endpoint.url,
            description: endpoint.description,
            event_types: endpoint.event_types.unwrap_or_else(|| vec![EventPattern::any()]),
            secrets: vec![SigningSecret { number: 1, text, expires_at: None }],
            enabled,
            disabled_reason: (!enabled).then_some(quittance_domain::outbound::DisabledReason::Requested),
            failing_since: None,
            created_at,
            updated_at: created_at,
        }
    }
}

impl From<WebhookEndpointUpdate> for WebhookEndpointChange {
    fn from(change: WebhookEndpointUpdate) -> Self {
        let WebhookEndpointUpdate { url, description, event_types, enabled } = change;
        Self { url, description, event_types, enabled }
    }
}

fn with_secret(status: StatusCode, endpoint: &DomainEndpoint) -> Reply {
    let newest = endpoint.secrets.iter().map(|secret| secret.number).max();
    let secret = newest.map(|number| ReplySecret::SigningSecret(endpoint.id.clone(), number));
    reply(status, &WebhookEndpoint::from(endpoint.clone()), secret)
}

fn create_reply(endpoint: &DomainEndpoint) -> Reply {
    with_secret(StatusCode::CREATED, endpoint)
}

fn roll_reply(endpoint: &DomainEndpoint) -> Reply {
    with_secret(StatusCode::OK, endpoint)
}

fn ping_reply(message: &DomainMessage) -> Reply {
    reply(StatusCode::OK, &Message::summary(message.clone()), None)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "replies are rendered from references")]
fn recover_reply(count: &usize) -> Reply {
    reply(StatusCode::OK, &Recovery { object: "recovery", message_count: *count }, None)
}

/// Create a webhook endpoint
///
/// The response has the secret that signs the messages. It is shown only once.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_create",
    request_body = WebhookEndpointCreate,
    params(Headers),
    responses(
        (status = 201, description = "The endpoint, with its secret", body = WebhookEndpointWithSecret),
        AuthErrors, IdempotentErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/webhook_endpoints")]
async fn create(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let endpoint = request.read::<WebhookEndpointCreate>(&api.body_rules(Audience::Shop))?.into();
    let store = api.store().clone();
    let work = async move |claim: KeyClaim| {
        let endpoint = store.insert_webhook_endpoint(endpoint, claim.completion(create_reply)).await?;
        Ok(WorkReply::stored(create_reply(&endpoint)))
    };
    api.run(request.creates_in("/v1/webhook_endpoints"), Scope::Key(key), work).await
}

/// List webhook endpoints
///
/// Returns the endpoints, newest first.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_list",
    params(PageQuery<WebhookEndpointId>),
    responses(
        (status = 200, description = "A page of endpoints", body = WebhookEndpointList),
        AuthErrors, QueryErrors, ServerErrors
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
    let cursor = read_query(request.query_string(), PageQuery::read)?;
    let page = api.store().webhook_endpoints(cursor).await?;
    Ok(Json(WebhookEndpointList::from_page(page, WebhookEndpoint::from)))
}

/// Get a webhook endpoint
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_get",
    params(WebhookEndpointPath),
    responses((status = 200, description = "The endpoint", body = WebhookEndpoint), AuthErrors, NotFoundErrors, ServerErrors),
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
/// Changes apply to new delivery attempts. Running attempts may still use the old URL.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_update",
    request_body = WebhookEndpointUpdate,
    params(WebhookEndpointPath),
    responses(
        (status = 200, description = "The updated endpoint", body = WebhookEndpoint),
        AuthErrors, NotFoundErrors, BodyErrors, ServerErrors
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
    let change = request.read::<WebhookEndpointUpdate>(&api.body_rules(Audience::Shop))?.into();
    let changed = api.store().change_webhook_endpoint(id, change, now()).await?;
    Ok(Json(changed.ok_or_else(Problem::not_found)?.into()))
}

/// Delete a webhook endpoint
///
/// Stops all deliveries and deletes the endpoint's secrets. Past deliveries stay in the messages.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_delete",
    params(WebhookEndpointPath),
    responses((status = 200, description = "The deleted endpoint", body = WebhookEndpointRemoved), AuthErrors, NotFoundErrors, ServerErrors),
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
/// The response has the new secret, which is shown only once. Until `overlap_seconds` have passed, messages are signed
/// with both secrets.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_roll_secret",
    request_body = WebhookSecretRoll,
    params(WebhookEndpointPath, Headers),
    responses(
        (status = 200, description = "The endpoint, with its new secret", body = WebhookEndpointWithSecret),
        AuthErrors, NotFoundErrors, IdempotentErrors, ServerErrors
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
    let body = request.read::<WebhookSecretRoll>(&api.body_rules(Audience::Shop))?;
    let (overlap, now) = (Duration::seconds(body.overlap_seconds), now());
    let secret = new_secret().expose_secret().to_owned();
    let roll = SecretRoll { id, secret, old_secrets_until: now + overlap, now };
    let store = api.store().clone();
    let work = async move |claim: KeyClaim| {
        let endpoint = store.roll_webhook_secret(roll, claim.completion(roll_reply)).await?;
        Ok(WorkReply::stored(roll_reply(&endpoint.ok_or_else(Problem::not_found)?)))
    };
    api.run(request, Scope::Key(key), work).await
}

/// Ping a webhook endpoint
///
/// Sends the event `webhook_endpoint.ping`, regardless of the endpoint's `event_types`. `GET /v1/messages/{id}` shows its
/// delivery.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_ping",
    params(WebhookEndpointPath, Headers),
    responses(
        (status = 200, description = "The message that will be sent", body = Message),
        AuthErrors, NotFoundErrors, IdempotentErrors, DeliveryErrors, ServerErrors
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
    request.read::<NoFields>(&api.body_rules(Audience::Shop))?;
    let (store, render) = (api.store().clone(), api.renderer());
    let work = async move |claim: KeyClaim| {
        let completion = claim.completion(ping_reply);
        send_result(store.ping_webhook_endpoint(id, render, now(), completion).await?, ping_reply)
    };
    api.run(request, Scope::Key(key), work).await
}

/// Recover missed messages of a webhook endpoint
///
/// Sends every message since a time that matches the endpoint's `event_types` and wasn't delivered to it. The endpoint
/// may have been disabled, not created yet, or failing for too long.
#[utoipa::path(
    tag = "Events",
    operation_id = "webhook_endpoint_recover",
    request_body = WebhookEndpointRecover,
    params(WebhookEndpointPath, Headers),
    responses(
        (status = 200, description = "The number of messages to send", body = Recovery),
        AuthErrors, NotFoundErrors, IdempotentErrors, DeliveryErrors, ServerErrors
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
    let since = request.read::<WebhookEndpointRecover>(&api.body_rules(Audience::Shop))?.since;
    let store = api.store().clone();
    let work = async move |claim: KeyClaim| {
        send_result(store.recover(id, since, now(), claim.completion(recover_reply)).await?, recover_reply)
    };
    api.run(request, Scope::Key(key), work).await
}
