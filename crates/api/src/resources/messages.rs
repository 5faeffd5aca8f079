//! Messages to the shop's own systems, and their deliveries.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, post};
use quittance_domain::id::{MessageId, OrderId, WebhookEndpointId};
use quittance_persistence::{
    Cursor, DeliveryAttempt as DomainAttempt, Message as DomainMessage, MessageDelivery, MessageFilter,
    Reply, ResendOutcome,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::fields::{Fields, Optional, query_parameters, request_body};
use crate::http::idempotency::{KeyClaim, Scope, WorkReply, reply};
use crate::http::json_reader::read_query;
use crate::http::pagination::{PageQuery, list};
use crate::http::path::MessagePath;
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, DeliveryErrors, IdempotentErrors, NotFoundErrors, QueryErrors, ServerErrors,
};
use crate::http::values::{Id, Text};
use crate::problem::Problem;
use crate::resources::enums::{AttemptOutcome, DeliveryState};
use crate::state::Api;
use crate::time::{Timestamp, now};

/// Registers the routes of messages.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list).service(get).service(resend);
}

/// A message to the shop's own systems.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Message {
    #[schema(example = "msg_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `message`.
    #[schema(example = "message")]
    object: &'static str,
    /// The event type.
    #[serde(rename = "type")]
    #[schema(example = "order.paid")]
    kind: String,
    /// The order of the event, if it has one.
    #[schema(required, example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: Option<String>,
    /// The seller of the event, if it has one.
    #[schema(required)]
    seller_id: Option<String>,
    /// The sequence number. It grows from message to message of an order or a seller.
    #[schema(required, example = 3)]
    sequence: Option<i64>,
    /// The event, as it is sent.
    #[schema(value_type = Object)]
    payload: Value,
    /// The deliveries, one for each endpoint that receives the message.
    deliveries: Vec<Delivery>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
}

/// The delivery of a message to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    #[schema(example = "whe_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    webhook_endpoint_id: String,
    state: DeliveryState,
    /// The number of attempts.
    #[schema(minimum = 0, example = 1)]
    attempt_count: i32,
    /// The earliest time of the next attempt.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// The attempts, oldest first. Lists omit them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempts: Option<Vec<DeliveryAttempt>>,
}

/// One attempt to deliver a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryAttempt {
    /// The number of the attempt, starting at 1.
    #[schema(minimum = 1, example = 1)]
    number: i32,
    outcome: AttemptOutcome,
    /// The HTTP status of the response, if there was one.
    #[schema(required, example = 200)]
    status: Option<u16>,
    /// The first KB of the response.
    #[schema(required, example = "ok")]
    answer: Option<String>,
    /// The duration in milliseconds.
    #[schema(minimum = 0, example = 120)]
    duration_ms: i64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
}

list! {
    /// A page of messages, newest first.
    MessageList of Message
}

query_parameters! {
    /// The parameters of the list of messages.
    MessageQuery {
        /// Returns only messages with this event type.
        kind as "type": Optional<Text<100>>;
        /// Returns only messages of this order.
        order_id: Optional<Id<OrderId>>;
        /// Returns only messages with a delivery to this endpoint.
        webhook_endpoint_id: Optional<Id<WebhookEndpointId>>;
        /// Returns only messages with a delivery in this state. If an endpoint is given, the delivery to it counts.
        state: Optional<DeliveryState>;
        ..page: PageQuery<MessageId>;
    }
}

request_body! {
    /// The receiver of a resent message. The body may be omitted.
    #[example({"webhook_endpoint_id": "whe_01kb3m9q4e8v2tz6h0rxw5ncy7"})]
    MessageResend {
        /// The endpoint, even if the message had no delivery to it. By default, the message is sent again to all enabled
        /// endpoints that it has a delivery to.
        webhook_endpoint_id: Optional<Id<WebhookEndpointId>>, example = "whe_01kb3m9q4e8v2tz6h0rxw5ncy7";
    }
}

impl Message {
    /// Renders a message without its attempts.
    pub(crate) fn summary(message: DomainMessage) -> Self {
        Self::render(message, |_| None)
    }

    /// Renders a message with its attempts.
    fn with_attempts(message: DomainMessage) -> Self {
        Self::render(message, |history| Some(history.into_iter().map(DeliveryAttempt::from).collect()))
    }

    fn render(
        message: DomainMessage,
        attempts: impl Fn(Vec<DomainAttempt>) -> Option<Vec<DeliveryAttempt>>,
    ) -> Self {
        let delivery = |delivery: MessageDelivery| Delivery {
            webhook_endpoint_id: delivery.endpoint_id.into(),
            state: delivery.state.into(),
            attempt_count: delivery.attempts,
            next_attempt_at: delivery.due_at.map(Timestamp::from),
            attempts: attempts(delivery.history),
        };
        Self {
            id: message.id.into(),
            object: "message",
            kind: message.kind,
            order_id: message.order_id.map(String::from),
            seller_id: message.seller_id.map(String::from),
            sequence: message.sequence,
            // Payloads are the crate's own JSON.
            payload: serde_json::from_str(&message.payload).unwrap_or_default(),
            deliveries: message.deliveries.into_iter().map(delivery).collect(),
            created_at: message.created_at.into(),
        }
    }
}

impl From<DomainAttempt> for DeliveryAttempt {
    fn from(attempt: DomainAttempt) -> Self {
        Self {
            number: attempt.number,
            outcome: attempt.outcome.into(),
            status: attempt.status,
            answer: attempt.answer,
            duration_ms: attempt.duration_ms,
            created_at: attempt.at.into(),
        }
    }
}

impl MessageQuery {
    fn into_parts(self) -> (MessageFilter, Cursor<MessageId>) {
        let MessageQuery { kind, order_id, webhook_endpoint_id, state, page } = self;
        (MessageFilter { kind, order_id, endpoint_id: webhook_endpoint_id, state }, page)
    }
}

/// Renders the result of sending messages.
pub(crate) fn send_result<T>(
    outcome: ResendOutcome<T>,
    render: impl FnOnce(&T) -> Reply,
) -> Result<WorkReply, Problem> {
    match outcome {
        ResendOutcome::Done(result) => Ok(WorkReply::stored(render(&result))),
        ResendOutcome::NotFound => Err(Problem::not_found()),
        ResendOutcome::Disabled => Err(Problem::webhook_endpoint_disabled()),
    }
}

fn resend_reply(message: &DomainMessage) -> Reply {
    reply(StatusCode::OK, &Message::with_attempts(message.clone()), None)
}

/// List messages
///
/// Returns the messages, newest first. Old messages are deleted.
#[utoipa::path(
    tag = "Events",
    operation_id = "message_list",
    params(MessageQuery),
    responses((status = 200, description = "A page of messages", body = MessageList), AuthErrors, QueryErrors, ServerErrors),
    security(("secret_key" = []))
)]
#[get("/v1/messages")]
async fn list(
    api: ThinData<Api>,
    caller: Caller,
    request: HttpRequest,
) -> Result<Json<MessageList>, Problem> {
    caller.key()?;
    let (filter, cursor) = read_query(request.query_string(), MessageQuery::read)?.into_parts();
    let page = api.store().messages(filter, cursor).await?;
    Ok(Json(MessageList::from_page(page, Message::summary)))
}

/// Get a message
///
/// Returns the message with all delivery attempts.
#[utoipa::path(
    tag = "Events",
    operation_id = "message_get",
    params(MessagePath),
    responses((status = 200, description = "The message", body = Message), AuthErrors, NotFoundErrors, ServerErrors),
    security(("secret_key" = []))
)]
#[get("/v1/messages/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<MessagePath>) -> Result<Json<Message>, Problem> {
    caller.key()?;
    let message = api.store().message(path.id()?).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(Message::with_attempts(message)))
}

/// Resend a message
///
/// Sends the same bytes with the same ID and a new signature. If delivery fails, retries continue for three days.
#[utoipa::path(
    tag = "Events",
    operation_id = "message_resend",
    request_body = MessageResend,
    params(MessagePath, Headers),
    responses(
        (status = 200, description = "The message", body = Message),
        AuthErrors, NotFoundErrors, IdempotentErrors, DeliveryErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/messages/{id}/resend")]
async fn resend(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<MessagePath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let id = path.id()?;
    let body = request.read::<MessageResend>(&api.body_rules(Audience::Shop))?;
    let endpoint_id = body.webhook_endpoint_id;
    let store = api.store().clone();
    let work = async move |claim: KeyClaim| {
        send_result(store.resend(id, endpoint_id, now(), claim.completion(resend_reply)).await?, resend_reply)
    };
    api.run(request, Scope::Key(key), work).await
}
