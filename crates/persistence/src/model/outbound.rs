//! What goes into the phases about the shop's own systems and comes out of them.

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

/// Where one of the shop's own systems takes messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Where it is.
    pub url: String,
    /// The shop's own words about it.
    pub description: Option<String>,
    /// What it wants to hear of.
    pub event_types: Vec<EventPattern>,
    /// What signs messages to it, newest first.
    pub secrets: Vec<SigningSecret>,
    /// Whether messages go to it.
    pub enabled: bool,
    /// Why not, if they do not.
    pub disabled_reason: Option<DisabledReason>,
    /// Since when it fails, if it has failed since its last success.
    pub failing_since: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl WebhookEndpoint {
    /// The secrets that sign now, newest first.
    pub fn signing(&self, now: DateTime<Utc>) -> impl Iterator<Item = &SigningSecret> {
        self.secrets.iter().filter(move |secret| secret.expires_at.is_none_or(|end| end > now))
    }
}

/// What signs messages to an endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    /// Which of the endpoint's secrets it is: the first is 1.
    pub number: u32,
    /// The secret, `whsec_…`.
    pub text: String,
    /// When it stops signing, once it was rolled.
    pub expires_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningSecret").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What is to be changed about an endpoint. `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct WebhookEndpointChange {
    /// Where it is.
    pub url: Option<String>,
    /// The shop's own words, or none any more.
    pub description: Option<Option<String>>,
    /// What it wants to hear of.
    pub event_types: Option<Vec<EventPattern>>,
    /// Whether messages go to it.
    pub enabled: Option<bool>,
}

/// A new secret for an endpoint.
#[derive(Debug, Clone)]
pub struct SecretRoll {
    /// Which endpoint.
    pub id: WebhookEndpointId,
    /// The new secret.
    pub secret: String,
    /// Until when the others sign, too.
    pub others_until: DateTime<Utc>,
    /// When.
    pub now: DateTime<Utc>,
}

/// The object that an event is about, as it is when its message is made.
#[derive(Debug, Clone)]
pub enum Snapshot {
    /// An order.
    Order(Box<Order>),
    /// A product of the catalogue.
    Product(Product),
    /// A refund.
    Refund(Box<StoredRefund>),
    /// A dispute.
    Dispute(Box<StoredDispute>),
    /// A seller.
    Seller(Box<Seller>),
    /// An endpoint.
    WebhookEndpoint(WebhookEndpoint),
}

/// A message whose payload is to be made.
#[derive(Debug, Clone)]
pub struct MessageDraft {
    /// Its id.
    pub id: MessageId,
    /// The type of the event.
    pub kind: String,
    /// The version of the order or the seller when it happened; grows from message to message of one.
    pub sequence: Option<i64>,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// What it is about.
    pub snapshot: Snapshot,
}

/// Makes a payload. It is kept, and sent letter for letter every time.
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

/// What is left to do for the shop's own systems.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboundWork {
    /// Whether something was written to the outbox that is no message yet.
    pub unpublished: bool,
    /// Endpoints for which something is due.
    pub due: Vec<WebhookEndpointId>,
}

/// Which deliveries a worker takes on, and for how long.
#[derive(Debug, Clone)]
pub struct DeliveryClaim {
    /// For which endpoints, and how many at most for each.
    pub wanted: Vec<(WebhookEndpointId, u16)>,
    /// What is due by now.
    pub now: DateTime<Utc>,
    /// Until when no other worker takes them.
    pub lease_until: DateTime<Utc>,
}

/// An endpoint with what it was claimed for.
#[derive(Debug, Clone)]
pub struct DeliveryBatch {
    /// Where they go, and what signs them.
    pub endpoint: WebhookEndpoint,
    /// What is to be delivered.
    pub deliveries: Vec<ClaimedDelivery>,
}

/// A delivery that is this worker's until its lease ends.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// Which message.
    pub message_id: MessageId,
    /// The type of its event.
    pub kind: String,
    /// What is sent.
    pub payload: String,
    /// How many tries there were before, since it was last asked for.
    pub tries: i32,
    /// The right to say how it ended.
    pub claim: DeliveryToken,
}

/// The right to say how an attempt ended. Once its lease has ended and another worker has taken the delivery on, it
/// is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryToken {
    pub(crate) message_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) token: String,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct DeliveryResult {
    /// Which delivery.
    pub claim: DeliveryToken,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The status that was answered, if one was.
    pub status: Option<u16>,
    /// The beginning of what was answered.
    pub answer: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// When it began.
    pub at: DateTime<Utc>,
    /// Where the delivery stands now.
    pub state: DeliveryState,
    /// When the next attempt may begin.
    pub due_at: Option<DateTime<Utc>>,
}

/// What became of attempts that were recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordAttemptsOutcome {
    /// How many were recorded. The others' leases had ended.
    pub kept: usize,
    /// Endpoints that were disabled because of them, and why.
    pub disabled: Vec<(WebhookEndpointId, DisabledReason)>,
}

/// Which messages are wanted.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only of this type of event.
    pub kind: Option<String>,
    /// Only about this order.
    pub order_id: Option<OrderId>,
    /// Only those with a delivery to this endpoint.
    pub endpoint_id: Option<WebhookEndpointId>,
    /// Only those with a delivery in this state: to that endpoint, where one is given.
    pub state: Option<DeliveryState>,
}

/// A message with what became of it.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The order that its event belongs to, if it belongs to one.
    pub order_id: Option<OrderId>,
    /// The seller that its event is about, if it is about one.
    pub seller_id: Option<SellerId>,
    /// The type of its event.
    pub kind: String,
    /// Grows from message to message of an order, or of a seller.
    pub sequence: Option<i64>,
    /// What is sent.
    pub payload: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its deliveries, by the endpoints' ids.
    pub deliveries: Vec<MessageDelivery>,
}

/// A message's way to one endpoint.
#[derive(Debug, Clone)]
pub struct MessageDelivery {
    /// Which endpoint.
    pub endpoint_id: WebhookEndpointId,
    /// How far it has come.
    pub state: DeliveryState,
    /// How many attempts there were.
    pub attempts: i32,
    /// When the next one may begin.
    pub due_at: Option<DateTime<Utc>>,
    /// What came of each, where that was asked for.
    pub history: Vec<DeliveryAttempt>,
}

/// One attempt that was made.
#[derive(Debug, Clone)]
pub struct DeliveryAttempt {
    /// The first is 1.
    pub number: i32,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The status that was answered.
    pub status: Option<u16>,
    /// The beginning of what was answered.
    pub answer: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// When it began.
    pub at: DateTime<Utc>,
}

/// What became of the wish to send a message, or to an endpoint.
#[derive(Debug)]
pub enum ResendOutcome<T> {
    /// It will be sent.
    Done(T),
    /// There is no such message, or endpoint.
    NotFound,
    /// The endpoint takes no messages now.
    Disabled,
}

/// How much waits to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries to enabled endpoints that are not made yet, those that wait for another try among them.
    pub pending: i64,
    /// The oldest of them, or of what is not published yet.
    pub oldest: Option<DateTime<Utc>>,
}
