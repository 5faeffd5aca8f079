//! Rows about the shop's own systems, and how they become what the model speaks of.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::{AttemptOutcome, DeliveryState, DisabledReason, EventPattern, wants};
use serde_json::Value;

use super::super::dialect::Db;
use super::rows::{document, instant, parse, read};
use super::schema::{deliveries, delivery_attempts, messages, webhook_endpoints};
use crate::Error;
use crate::outbound_model::{DeliveryAttempt, MessageDelivery, SigningSecret, WebhookEndpoint};

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhook_endpoints, check_for_backend(Db), treat_none_as_default_value = false)]
#[diesel(treat_none_as_null = true)]
pub(in super::super) struct EndpointRow {
    pub(in super::super) id: String,
    pub(in super::super) url: String,
    pub(in super::super) description: Option<String>,
    pub(in super::super) event_types: Value,
    pub(in super::super) secrets: Value,
    pub(in super::super) enabled: bool,
    pub(in super::super) disabled_reason: Option<String>,
    pub(in super::super) failing_since: Option<DateTime<Utc>>,
    pub(in super::super) created_at: DateTime<Utc>,
    pub(in super::super) updated_at: DateTime<Utc>,
    pub(in super::super) removed_at: Option<DateTime<Utc>>,
}

impl EndpointRow {
    pub(super) fn of(endpoint: &WebhookEndpoint) -> Result<Self, Error> {
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

    pub(super) fn read(self) -> Result<WebhookEndpoint, Error> {
        Ok(WebhookEndpoint {
            id: parse("webhook endpoint", &self.id)?,
            url: self.url,
            description: self.description,
            event_types: read::<Vec<EventPattern>>("webhook endpoint", self.event_types)?,
            secrets: read::<Vec<SigningSecret>>("webhook endpoint", self.secrets)?,
            enabled: self.enabled,
            disabled_reason: self
                .disabled_reason
                .map(|word| known("webhook endpoint", DisabledReason::from_word(&word)))
                .transpose()?,
            failing_since: self.failing_since,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = messages, check_for_backend(Db), treat_none_as_default_value = false)]
pub(in super::super) struct MessageRow {
    pub(in super::super) id: String,
    pub(in super::super) order_id: Option<String>,
    pub(in super::super) seller_id: Option<String>,
    pub(in super::super) kind: String,
    pub(in super::super) sequence: Option<i64>,
    pub(in super::super) payload: String,
    pub(in super::super) created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = deliveries, check_for_backend(Db), treat_none_as_default_value = false)]
pub(in super::super) struct DeliveryRow {
    pub(in super::super) message_id: String,
    pub(in super::super) endpoint_id: String,
    pub(in super::super) sequence: Option<i64>,
    pub(in super::super) state: String,
    pub(in super::super) attempts: i32,
    pub(in super::super) tries: i32,
    pub(in super::super) due_at: Option<DateTime<Utc>>,
    pub(in super::super) holds_back: Option<String>,
    pub(in super::super) created_at: DateTime<Utc>,
}

impl DeliveryRow {
    /// A delivery of a message that was just made.
    pub(super) fn new(message: &MessageRow, endpoint_id: &WebhookEndpointId) -> Self {
        Self {
            message_id: message.id.clone(),
            endpoint_id: endpoint_id.to_string(),
            sequence: message.sequence,
            state: DeliveryState::Pending.as_str().to_owned(),
            attempts: 0,
            tries: 0,
            due_at: Some(message.created_at),
            holds_back: message.order_id.clone().or_else(|| message.seller_id.clone()),
            created_at: message.created_at,
        }
    }

    pub(super) fn read(self, history: Vec<AttemptRow>) -> Result<MessageDelivery, Error> {
        Ok(MessageDelivery {
            endpoint_id: parse("delivery", &self.endpoint_id)?,
            state: known("delivery", DeliveryState::from_word(&self.state))?,
            attempts: self.attempts,
            due_at: self.due_at,
            history: history.into_iter().map(AttemptRow::read).collect::<Result<_, _>>()?,
        })
    }
}

/// Deliveries of a message to every endpoint that wants it.
pub(super) fn deliveries_of(message: &MessageRow, endpoints: &[WebhookEndpoint]) -> Vec<DeliveryRow> {
    let wanting = endpoints.iter().filter(|endpoint| wants(&endpoint.event_types, &message.kind));
    wanting.map(|endpoint| DeliveryRow::new(message, &endpoint.id)).collect()
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = delivery_attempts, check_for_backend(Db), treat_none_as_default_value = false)]
pub(in super::super) struct AttemptRow {
    pub(in super::super) message_id: String,
    pub(in super::super) endpoint_id: String,
    pub(in super::super) number: i32,
    pub(in super::super) outcome: String,
    pub(in super::super) status: Option<i32>,
    pub(in super::super) answer: Option<String>,
    pub(in super::super) duration_ms: i64,
    pub(in super::super) at: DateTime<Utc>,
}

impl AttemptRow {
    fn read(self) -> Result<DeliveryAttempt, Error> {
        Ok(DeliveryAttempt {
            number: self.number,
            outcome: known("delivery attempt", AttemptOutcome::from_word(&self.outcome))?,
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

/// What an attempt that has ended makes of its delivery, if the right to say so is still its own.
#[derive(Debug, Clone)]
pub(in super::super) struct EndedRow {
    pub(in super::super) message_id: String,
    pub(in super::super) endpoint_id: String,
    pub(in super::super) claim: String,
    pub(in super::super) state: &'static str,
    pub(in super::super) due_at: Option<DateTime<Utc>>,
}

/// What is to be taken on: for each of these endpoints so many at most.
#[derive(Debug, Clone)]
pub(in super::super) struct DueWanted {
    pub(in super::super) endpoint_ids: Vec<String>,
    pub(in super::super) limits: Vec<i64>,
    pub(in super::super) now: DateTime<Utc>,
    pub(in super::super) lease_until: DateTime<Utc>,
    pub(in super::super) token: String,
}

fn known<T>(what: &'static str, meaning: Option<T>) -> Result<T, Error> {
    meaning.ok_or_else(|| Error::corrupt(what, "it is a word that this version does not know"))
}
