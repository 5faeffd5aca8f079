//! Webhook endpoints, messages and deliveries.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Product;
use quittance_domain::id::{MessageId, OrderId, SellerId, WebhookEndpointId};
use quittance_domain::order::Order;
use quittance_domain::outbound::{AttemptOutcome, DeliveryState, DisabledReason, EventPattern};
use quittance_domain::seller::Seller;
use serde::{Deserialize, Serialize};

use crate::model::{StoredDispute, StoredRefund};

/// A webhook endpoint of the shop's systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// The ID.
    pub id: WebhookEndpointId,
    /// The URL.
    pub url: String,
    /// The shop's description.
    pub description: Option<String>,
    /// The event types it subscribes to.
    pub event_types: Vec<EventPattern>,
    /// The signing secrets, newest first.
    pub secrets: Vec<SigningSecret>,
    /// Whether it receives messages.
    pub enabled: bool,
    /// The reason why it is disabled, if it is.
    pub disabled_reason: Option<DisabledReason>,
    /// When the failures since its last success began, if any.
    pub failing_since: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl WebhookEndpoint {
    /// Returns the valid signing secrets, newest first.
    pub fn signing(&self, now: DateTime<Utc>) -> impl Iterator<Item = &SigningSecret> {
        self.secrets.iter().filter(move |secret| secret.expires_at.is_none_or(|end| end > now))
    }
}

/// A secret that signs messages to an endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    /// The secret's number. An endpoint's first secret is 1.
    pub number: u32,
    /// The secret, `whsec_…`.
    pub text: String,
    /// When it stops signing, if it was rolled.
    pub expires_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningSecret").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A change to a webhook endpoint. `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct WebhookEndpointChange {
    /// The new URL.
    pub url: Option<String>,
    /// The new description. `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// The new event types.
    pub event_types: Option<Vec<EventPattern>>,
    /// Whether it receives messages.
    pub enabled: Option<bool>,
}

/// A new signing secret for an endpoint.
#[derive(Debug, Clone)]
pub struct SecretRoll {
    /// The endpoint.
    pub id: WebhookEndpointId,
    /// The new secret.
    pub secret: String,
    /// Until when the old secrets also sign.
    pub old_secrets_until: DateTime<Utc>,
    /// The current time.
    pub now: DateTime<Utc>,
}

/// The object of an event when its message is created.
#[derive(Debug, Clone)]
pub enum Snapshot {
    /// An order.
    Order(Box<Order>),
    /// A product.
    Product(Product),
    /// A refund.
    Refund(Box<StoredRefund>),
    /// A dispute.
    Dispute(Box<StoredDispute>),
    /// A seller.
    Seller(Box<Seller>),
    /// A webhook endpoint.
    WebhookEndpoint(WebhookEndpoint),
}

/// A message without its payload.
#[derive(Debug, Clone)]
pub struct MessageDraft {
    /// The ID.
    pub id: MessageId,
    /// The event type.
    pub kind: String,
    /// The version of the order or seller at the event. It grows from message to message of the same object.
    pub sequence: Option<i64>,
    /// When the event happened.
    pub happened_at: DateTime<Utc>,
    /// The object of the event.
    pub snapshot: Snapshot,
}

/// Renders the payload of a message. Every delivery attempt sends these bytes.
#[derive(Clone)]
pub struct Renderer(pub Arc<dyn Fn(&MessageDraft) -> String + Send + Sync>);

impl Renderer {
    pub(crate) fn payload(&self, message: &MessageDraft) -> String {
        (self.0)(message)
    }
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renderer").finish_non_exhaustive()
    }
}

/// The outbound work that is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboundWork {
    /// Whether the outbox has unpublished events.
    pub unpublished: bool,
    /// The endpoints with due deliveries.
    pub due: Vec<WebhookEndpointId>,
}

/// A worker's claim on due deliveries.
#[derive(Debug, Clone)]
pub struct DeliveryClaim {
    /// The endpoints, with the maximum number of deliveries for each.
    pub wanted: Vec<(WebhookEndpointId, u16)>,
    /// The current time. Deliveries due by then are claimed.
    pub now: DateTime<Utc>,
    /// Until when no other worker claims them.
    pub lease_until: DateTime<Utc>,
}

/// The claimed deliveries to one endpoint.
#[derive(Debug, Clone)]
pub struct DeliveryBatch {
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// The deliveries.
    pub deliveries: Vec<ClaimedDelivery>,
}

/// A delivery that belongs to this worker until its lease ends.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// The message.
    pub message_id: MessageId,
    /// The event type.
    pub kind: String,
    /// The payload.
    pub payload: String,
    /// The number of attempts since the message was created or last resent.
    pub attempts_since_resend: i32,
    /// The right to record the result.
    pub claim: DeliveryToken,
}

/// The right to record the result of a delivery attempt. It is void once the lease has ended and another worker has
/// claimed the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryToken {
    pub(crate) message_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) token: String,
}

/// The result of a delivery attempt.
#[derive(Debug, Clone)]
pub struct DeliveryResult {
    /// The delivery.
    pub claim: DeliveryToken,
    /// The outcome of the attempt.
    pub outcome: AttemptOutcome,
    /// The HTTP status of the response, if any.
    pub status: Option<u16>,
    /// The beginning of the response body.
    pub answer: Option<String>,
    /// The duration in milliseconds.
    pub duration_ms: i64,
    /// When the attempt began.
    pub at: DateTime<Utc>,
    /// The new state of the delivery.
    pub state: DeliveryState,
    /// When the next attempt may begin.
    pub due_at: Option<DateTime<Utc>>,
}

/// The outcome of recording delivery attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordAttemptsOutcome {
    /// The number of recorded attempts. The leases of the others had ended.
    pub kept: usize,
    /// The endpoints that were disabled, with the reasons.
    pub disabled: Vec<(WebhookEndpointId, DisabledReason)>,
}

/// Filters for a list of messages. Each is optional.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Messages of this event type.
    pub kind: Option<String>,
    /// Messages about this order.
    pub order_id: Option<OrderId>,
    /// Messages with a delivery to this endpoint.
    pub endpoint_id: Option<WebhookEndpointId>,
    /// Messages with a delivery in this state; with `endpoint_id`, to that endpoint.
    pub state: Option<DeliveryState>,
}

/// A message and its deliveries.
#[derive(Debug, Clone)]
pub struct Message {
    /// The ID.
    pub id: MessageId,
    /// The order of its event, if any.
    pub order_id: Option<OrderId>,
    /// The seller of its event, if any.
    pub seller_id: Option<SellerId>,
    /// The event type.
    pub kind: String,
    /// A number that grows from message to message of the same order or seller.
    pub sequence: Option<i64>,
    /// The payload.
    pub payload: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Its deliveries, by endpoint ID.
    pub deliveries: Vec<MessageDelivery>,
}

/// The delivery of a message to one endpoint.
#[derive(Debug, Clone)]
pub struct MessageDelivery {
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
    /// The state.
    pub state: DeliveryState,
    /// The number of attempts.
    pub attempts: i32,
    /// When the next attempt may begin.
    pub due_at: Option<DateTime<Utc>>,
    /// The attempts, if they were requested.
    pub history: Vec<DeliveryAttempt>,
}

/// A finished delivery attempt.
#[derive(Debug, Clone)]
pub struct DeliveryAttempt {
    /// The number of the attempt. The first is 1.
    pub number: i32,
    /// The outcome.
    pub outcome: AttemptOutcome,
    /// The HTTP status of the response.
    pub status: Option<u16>,
    /// The beginning of the response body.
    pub answer: Option<String>,
    /// The duration in milliseconds.
    pub duration_ms: i64,
    /// When it began.
    pub at: DateTime<Utc>,
}

/// The outcome of resending messages.
#[derive(Debug)]
pub enum ResendOutcome<T> {
    /// The messages will be sent.
    Done(T),
    /// The message or endpoint doesn't exist.
    NotFound,
    /// The endpoint is disabled.
    Disabled,
}

/// The backlog of outbound deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The number of pending deliveries to enabled endpoints, including those that wait for a retry.
    pub pending: i64,
    /// When the oldest of them, or the oldest unpublished event, was created.
    pub oldest: Option<DateTime<Utc>>,
}
