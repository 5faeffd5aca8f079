//! Messages to the shop's own systems, and what became of them.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, post};
use quittance_domain::id::{MessageId, WebhookEndpointId};
use quittance_domain::outbound as domain;
use quittance_persistence::{
    Cursor, DeliveryAttempt as DomainAttempt, Message as DomainMessage, MessageDelivery, MessageFilter, Reply,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::auth::Caller;
use crate::body::{Object, Read, read_query};
use crate::idempotency::{Scope, Work, reply};
use crate::pagination::{PageParams, cursor, list};
use crate::path::MessagePath;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Failures, Keyed, Missing, Query, SendsTo, Unauthorized};
use crate::time::{Timestamp, now};
use crate::webhook_endpoints::sent;
use crate::words::{AttemptOutcome, DeliveryState};

/// The longest type of event.
const MAX_TYPE_CHARS: usize = 100;

/// Every route of messages.
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
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "order.paid")]
    kind: String,
    /// The order that the event belongs to, if it belongs to one.
    #[schema(required, example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: Option<String>,
    /// The seller that the event is about, if it is about one.
    #[schema(required, example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    seller_id: Option<String>,
    /// Grows from message to message of an order, or of a seller.
    #[schema(required, example = 3)]
    sequence: Option<i64>,
    /// What is sent: the event.
    #[schema(value_type = Object)]
    payload: Value,
    /// One for each endpoint that it was for.
    deliveries: Vec<Delivery>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
}

/// A message's way to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    #[schema(example = "whe_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    webhook_endpoint_id: String,
    state: DeliveryState,
    /// How many attempts there were.
    #[schema(minimum = 0, example = 1)]
    attempt_count: i32,
    /// When the next one may be made.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// Every attempt, oldest first. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempts: Option<Vec<DeliveryAttempt>>,
}

/// One attempt to deliver a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryAttempt {
    /// The first is 1.
    #[schema(minimum = 1, example = 1)]
    number: i32,
    outcome: AttemptOutcome,
    /// The HTTP status that was answered, if there was an answer.
    #[schema(required, example = 500)]
    status: Option<u16>,
    /// The first KB of what was answered.
    #[schema(required, example = "out of disk")]
    answer: Option<String>,
    /// How long it took.
    #[schema(minimum = 0, example = 120)]
    duration_ms: i64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
}

list! {
    /// A part of the messages, newest first.
    MessageList of Message
}

/// Which messages are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; `read_filter` reads them")]
pub(crate) struct MessageFilterParams {
    /// Only of this type of event.
    #[param(required = false, rename = "type")]
    kind: String,
    /// Only about this order.
    #[param(required = false)]
    order_id: String,
    /// Only those that are for this endpoint.
    #[param(required = false)]
    webhook_endpoint_id: String,
    /// Only those with a delivery in this state: to that endpoint, where one is given.
    #[param(required = false, inline = false)]
    state: DeliveryState,
}

/// To whom a message is sent once more.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `read_receiver` reads it")]
pub(crate) struct MessageResend {
    /// To this endpoint, even if it was not for it. Left out: to all enabled ones that it was for.
    #[schema(nullable = false, example = "whe_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    webhook_endpoint_id: Option<String>,
}

impl Message {
    /// It, without what was tried.
    pub(crate) fn summary(message: DomainMessage) -> Self {
        Self::of(message, |_| None)
    }

    /// It, with what was tried.
    fn whole(message: DomainMessage) -> Self {
        Self::of(message, |history| Some(history.into_iter().map(DeliveryAttempt::from).collect()))
    }

    fn of(
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
            // Payloads are our own JSON.
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

fn read_filter(query: &mut Object<'_>) -> Read<(MessageFilter, Cursor<MessageId>)> {
    let cursor = cursor(query);
    let kind = query.optional("type", |field| field.text(MAX_TYPE_CHARS));
    let order_id = query.optional("order_id", |field| field.parsed("an order's id"));
    let endpoint_id = query.optional("webhook_endpoint_id", |field| field.parsed("an endpoint's id"));
    let state = query.optional("state", |field| {
        let words = domain::DeliveryState::ALL.map(domain::DeliveryState::as_str).join(", ");
        field.word(&words)
    });
    let filter = MessageFilter { kind: kind?, order_id: order_id?, endpoint_id: endpoint_id?, state: state? };
    Ok((filter, cursor?))
}

fn read_receiver(body: &mut Object<'_>) -> Read<Option<WebhookEndpointId>> {
    body.optional("webhook_endpoint_id", |field| field.parsed("an endpoint's id"))
}

fn resent(message: &DomainMessage) -> Reply {
    reply(StatusCode::OK, &Message::whole(message.clone()), None)
}

/// List messages
///
/// Newest first, for as long as they are kept.
#[utoipa::path(
    tag = "Events",
    operation_id = "message_list",
    params(PageParams, MessageFilterParams),
    responses((status = 200, description = "A part of the messages", body = MessageList), Unauthorized, Query, Failures),
    security(("secret_key" = []))
)]
#[get("/v1/messages")]
async fn list(
    api: ThinData<Api>,
    caller: Caller,
    request: HttpRequest,
) -> Result<Json<MessageList>, Problem> {
    caller.key()?;
    let (filter, cursor) = read_query(request.query_string(), read_filter)?;
    let page = api.store().messages(filter, cursor).await?;
    Ok(Json(MessageList::of(page, Message::summary)))
}

/// Get a message
///
/// With every attempt to deliver it.
#[utoipa::path(
    tag = "Events",
    operation_id = "message_get",
    params(MessagePath),
    responses((status = 200, description = "The message", body = Message), Unauthorized, Missing, Failures),
    security(("secret_key" = []))
)]
#[get("/v1/messages/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<MessagePath>) -> Result<Json<Message>, Problem> {
    caller.key()?;
    let message = api.store().message(path.id()?).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(Message::whole(message)))
}

/// Send a message once more
///
/// The same bytes under the same id, signed anew, and tried again for three days if it fails.
#[utoipa::path(
    tag = "Events",
    operation_id = "message_resend",
    request_body = MessageResend,
    params(MessagePath, Headers),
    responses(
        (status = 200, description = "The message", body = Message),
        Unauthorized, Missing, Keyed, SendsTo, Failures
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
    let endpoint_id = request.read(read_receiver)?;
    let store = api.store().clone();
    let work = async move |work: Work| {
        sent(store.resend(id, endpoint_id, now(), work.completion(resent)).await?, resent)
    };
    request.run(&api, Scope::Key(key), work).await
}
