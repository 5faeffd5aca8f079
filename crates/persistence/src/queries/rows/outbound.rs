//! Rows of webhook endpoints, messages and deliveries.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::{DeliveryState, EventPattern, wants};
use serde_json::Value;

use super::super::columns::{document, instant, parse, read};
use super::super::dialect::Db;
use super::super::schema::{deliveries, delivery_attempts, messages, webhook_endpoints};
use crate::Error;
use crate::model::{DeliveryAttempt, Message, MessageDelivery, SigningSecret, WebhookEndpoint};

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhook_endpoints, check_for_backend(Db), treat_none_as_default_value = false)]
#[diesel(treat_none_as_null = true)]
pub(crate) struct EndpointRow {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) description: Option<String>,
    pub(crate) event_types: Value,
    pub(crate) secrets: Value,
    pub(crate) enabled: bool,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) failing_since: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) removed_at: Option<DateTime<Utc>>,
}

impl EndpointRow {
    pub(crate) fn from_endpoint(endpoint: &WebhookEndpoint) -> Result<Self, Error> {
        Ok(Self {
            id: endpoint.id.to_string(),
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            event_types: document("webhook endpoint", &endpoint.event_types)?,
            secrets: document("webhook endpoint", &endpoint.secrets)?,
            enabled: endpoint.enabled,
            disabled_reason: endpoint.disabled_reason.map(|reason| reason.as_str().to_owned()),
            failing_since: endpoint.failing_since.map(instant),
            created_at: instant(endpoint.created_at),
            updated_at: instant(endpoint.updated_at),
            removed_at: None,
        })
    }

    pub(crate) fn read(self) -> Result<WebhookEndpoint, Error> {
        Ok(WebhookEndpoint {
            id: parse("webhook endpoint", &self.id)?,
            url: self.url,
            description: self.description,
            event_types: read::<Vec<EventPattern>>("webhook endpoint", self.event_types)?,
            secrets: read::<Vec<SigningSecret>>("webhook endpoint", self.secrets)?,
            enabled: self.enabled,
            disabled_reason: self.disabled_reason.map(|text| parse("webhook endpoint", &text)).transpose()?,
            failing_since: self.failing_since,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = messages, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct MessageRow {
    pub(crate) id: String,
    pub(crate) order_id: Option<String>,
    pub(crate) seller_id: Option<String>,
    pub(crate) kind: String,
    pub(crate) sequence: Option<i64>,
    pub(crate) payload: String,
    pub(crate) created_at: DateTime<Utc>,
}

impl MessageRow {
    pub(crate) fn read(self, deliveries: Vec<MessageDelivery>) -> Result<Message, Error> {
        let Self { id, order_id, seller_id, kind, sequence, payload, created_at } = self;
        Ok(Message {
            id: parse("message", &id)?,
            order_id: order_id.as_deref().map(|id| parse("message", id)).transpose()?,
            seller_id: seller_id.as_deref().map(|id| parse("message", id)).transpose()?,
            kind,
            sequence,
            payload,
            created_at,
            deliveries,
        })
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = deliveries, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct DeliveryRow {
    pub(crate) message_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) sequence: Option<i64>,
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) attempts_since_resend: i32,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) ordering_key: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

impl DeliveryRow {
    /// Returns a delivery of a new message.
    pub(crate) fn new(message: &MessageRow, endpoint_id: &WebhookEndpointId) -> Self {
        Self {
            message_id: message.id.clone(),
            endpoint_id: endpoint_id.to_string(),
            sequence: message.sequence,
            state: DeliveryState::Pending.as_str().to_owned(),
            attempts: 0,
            attempts_since_resend: 0,
            due_at: Some(message.created_at),
            ordering_key: message.order_id.clone().or_else(|| message.seller_id.clone()),
            created_at: message.created_at,
        }
    }

    pub(crate) fn read(self, history: Vec<AttemptRow>) -> Result<MessageDelivery, Error> {
        Ok(MessageDelivery {
            endpoint_id: parse("delivery", &self.endpoint_id)?,
            state: parse("delivery", &self.state)?,
            attempts: self.attempts,
            due_at: self.due_at,
            history: history.into_iter().map(AttemptRow::read).collect::<Result<_, _>>()?,
        })
    }
}

/// Returns a delivery of a message to each endpoint that subscribes to it.
pub(crate) fn deliveries_of(message: &MessageRow, endpoints: &[WebhookEndpoint]) -> Vec<DeliveryRow> {
    let wanting = endpoints.iter().filter(|endpoint| wants(&endpoint.event_types, &message.kind));
    wanting.map(|endpoint| DeliveryRow::new(message, &endpoint.id)).collect()
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = delivery_attempts, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct AttemptRow {
    pub(crate) message_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) number: i32,
    pub(crate) outcome: String,
    pub(crate) status: Option<i32>,
    pub(crate) answer: Option<String>,
    pub(crate) duration_ms: i64,
    pub(crate) at: DateTime<Utc>,
}

impl AttemptRow {
    fn read(self) -> Result<DeliveryAttempt, Error> {
        Ok(DeliveryAttempt {
            number: self.number,
            outcome: parse("delivery attempt", &self.outcome)?,
            status: self
                .status
                .map(u16::try_from)
                .transpose()
                .map_err(|error| Error::corrupt("attempt", error))?,
            answer: self.answer,
            duration_ms: self.duration_ms,
            at: self.at,
        })
    }
}

/// The result of an attempt, which is recorded only if its claim is still valid.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryResultRow {
    pub(crate) message_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) claim: String,
    pub(crate) state: &'static str,
    pub(crate) due_at: Option<DateTime<Utc>>,
}

/// A claim on due deliveries: at most `limits[i]` for each endpoint.
#[derive(Debug, Clone)]
pub(crate) struct DueDeliveries {
    pub(crate) endpoint_ids: Vec<String>,
    pub(crate) limits: Vec<i64>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) lease_until: DateTime<Utc>,
    pub(crate) token: String,
}
