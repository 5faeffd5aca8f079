//! Claiming deliveries, and recording the results of attempts.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::{AttemptOutcome, DeliveryState, DisabledReason, ENDPOINT_DISABLED, Health};
use uuid::Uuid;

use super::super::columns::{instant, parse};
use super::super::dialect::Conn;
use super::super::rows::outbound::{
    AttemptRow, DeliveryResultRow, DueDeliveries, EndpointRow, deliveries_of,
};
use super::super::schema::{deliveries, messages, outbox, webhook_endpoints as endpoints};
use super::super::{Database, outbound_batch};
use super::publish::endpoint_message;
use super::webhook_endpoints::{enabled_endpoints, lock_endpoint, store_endpoint};
use crate::Error;
use crate::model::{
    Backlog, ClaimedDelivery, DeliveryBatch, DeliveryClaim, DeliveryResult, DeliveryToken, OutboundWork,
    RecordAttemptsOutcome, Renderer, WebhookEndpoint,
};

impl Database {
    pub(crate) async fn outbound_work(&self, now: DateTime<Utc>) -> Result<OutboundWork, Error> {
        let mut conn = self.reader().await?;
        let unpublished: Option<String> = outbox::table
            .filter(not(outbox::published))
            .select(outbox::id)
            .first(&mut conn)
            .await
            .optional()?;
        let is_due = deliveries::table
            .filter(deliveries::endpoint_id.eq(endpoints::id))
            .filter(deliveries::due_at.le(now))
            .filter(deliveries::lease_until.is_null().or(deliveries::lease_until.le(now)));
        let due: Vec<String> = endpoints::table
            .filter(endpoints::enabled.eq(true))
            .filter(endpoints::removed_at.is_null())
            .filter(exists(is_due))
            .order(endpoints::id.asc())
            .select(endpoints::id)
            .load(&mut conn)
            .await?;
        Ok(OutboundWork {
            unpublished: unpublished.is_some(),
            due: due.iter().map(|id| parse("webhook endpoint", id)).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DeliveryBatch>, Error> {
        self.write(async |conn| {
            let token = Uuid::now_v7().simple().to_string();
            let ids: Vec<&str> = claim.wanted.iter().map(|(id, _)| id.as_str()).collect();
            let rows: Vec<EndpointRow> = endpoints::table
                .filter(endpoints::id.eq_any(ids))
                .filter(endpoints::enabled.eq(true))
                .filter(endpoints::removed_at.is_null())
                .select(EndpointRow::as_select())
                .load(conn)
                .await?;
            let capacity = |row: &EndpointRow| {
                let wanted = claim.wanted.iter().find(|(id, _)| id.as_str() == row.id);
                wanted.map_or(0, |(_, limit)| i64::from(*limit))
            };
            let wanted = DueDeliveries {
                limits: rows.iter().map(capacity).collect(),
                endpoint_ids: rows.iter().map(|row| row.id.clone()).collect(),
                now: claim.now,
                lease_until: instant(claim.lease_until),
                token: token.clone(),
            };
            let mut due: HashMap<String, Vec<(String, i32)>> = HashMap::new();
            for (message_id, endpoint_id, attempts_since_resend) in
                outbound_batch::claim_due(conn, wanted).await?
            {
                due.entry(endpoint_id).or_default().push((message_id, attempts_since_resend));
            }
            let mut claimable = Vec::with_capacity(due.len());
            for row in rows {
                if let Some(due) = due.remove(&row.id) {
                    claimable.push((row.read()?, due));
                }
            }
            load_batches(conn, claimable, &token).await
        })
        .await
    }

    pub(crate) async fn record_attempts(
        &self,
        ended: Vec<DeliveryResult>,
        render: Renderer,
        now: DateTime<Utc>,
    ) -> Result<RecordAttemptsOutcome, Error> {
        self.write(async |conn| {
            let rows = ended.iter().map(result_row).collect();
            let kept = outbound_batch::end_attempts(conn, rows).await?;
            let numbers: HashMap<(&str, &str), i32> =
                kept.iter().map(|(message, endpoint, number)| ((&**message, &**endpoint), *number)).collect();
            let of = |attempt: &DeliveryResult| {
                numbers.get(&(&*attempt.claim.message_id, &*attempt.claim.endpoint_id)).copied()
            };
            let recorded: Vec<(&DeliveryResult, i32)> =
                ended.iter().filter_map(|attempt| Some((attempt, of(attempt)?))).collect();
            let history = recorded.iter().map(|(attempt, number)| attempt_row(attempt, *number)).collect();
            outbound_batch::insert_attempts(conn, history).await?;
            let disabled = update_health(conn, &recorded, &render, now).await?;
            Ok(RecordAttemptsOutcome { kept: recorded.len(), disabled })
        })
        .await
    }

    pub(crate) async fn release_deliveries(&self, claims: Vec<DeliveryToken>) -> Result<(), Error> {
        self.write(async |conn| {
            for claim in &claims {
                diesel::update(
                    deliveries::table
                        .find((&claim.message_id, &claim.endpoint_id))
                        .filter(deliveries::claim.eq(&claim.token)),
                )
                .set((
                    deliveries::claim.eq(None::<String>),
                    deliveries::lease_until.eq(None::<DateTime<Utc>>),
                ))
                .execute(conn)
                .await?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn outbound_backlog(&self) -> Result<Backlog, Error> {
        let mut conn = self.reader().await?;
        let waiting = || {
            deliveries::table
                .inner_join(endpoints::table.on(endpoints::id.eq(deliveries::endpoint_id)))
                .filter(endpoints::enabled.eq(true))
                .filter(deliveries::due_at.is_not_null())
        };
        let pending: i64 = waiting().count().get_result(&mut conn).await?;
        let oldest: Option<DateTime<Utc>> = waiting()
            .order(deliveries::created_at.asc())
            .select(deliveries::created_at)
            .first(&mut conn)
            .await
            .optional()?;
        let unpublished: Option<DateTime<Utc>> = outbox::table
            .filter(not(outbox::published))
            .order(outbox::id.asc())
            .select(outbox::created_at)
            .first(&mut conn)
            .await
            .optional()?;
        Ok(Backlog { pending, oldest: [oldest, unpublished].into_iter().flatten().min() })
    }
}

/// Returns the claimed deliveries with their messages.
async fn load_batches(
    conn: &mut Conn,
    claimable: Vec<(WebhookEndpoint, Vec<(String, i32)>)>,
    token: &str,
) -> Result<Vec<DeliveryBatch>, Error> {
    let ids: HashSet<&str> = claimable.iter().flat_map(|(_, due)| due).map(|(id, _)| id.as_str()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<(String, String, String)> = messages::table
        .filter(messages::id.eq_any(ids))
        .select((messages::id, messages::kind, messages::payload))
        .load(conn)
        .await?;
    let messages: HashMap<String, (String, String)> =
        found.into_iter().map(|(id, kind, payload)| (id, (kind, payload))).collect();
    let delivery = |endpoint_id: &WebhookEndpointId, message_id: String, attempts_since_resend| {
        let (kind, payload) = messages
            .get(&message_id)
            .cloned()
            .ok_or_else(|| Error::corrupt("delivery", "its message doesn't exist"))?;
        let endpoint_id = endpoint_id.to_string();
        Ok(ClaimedDelivery {
            message_id: parse("message", &message_id)?,
            kind,
            payload,
            attempts_since_resend,
            claim: DeliveryToken { message_id, endpoint_id, token: token.to_owned() },
        })
    };
    let deliveries = |(endpoint, due): (WebhookEndpoint, Vec<(String, i32)>)| {
        let deliveries = due
            .into_iter()
            .map(|(id, attempts_since_resend)| delivery(&endpoint.id, id, attempts_since_resend));
        Ok(DeliveryBatch { deliveries: deliveries.collect::<Result<_, Error>>()?, endpoint })
    };
    claimable.into_iter().map(deliveries).collect()
}

fn result_row(attempt: &DeliveryResult) -> DeliveryResultRow {
    DeliveryResultRow {
        message_id: attempt.claim.message_id.clone(),
        endpoint_id: attempt.claim.endpoint_id.clone(),
        claim: attempt.claim.token.clone(),
        state: attempt.state.as_str(),
        due_at: attempt.due_at.filter(|_| attempt.state == DeliveryState::Pending).map(instant),
    }
}

fn attempt_row(attempt: &DeliveryResult, number: i32) -> AttemptRow {
    AttemptRow {
        message_id: attempt.claim.message_id.clone(),
        endpoint_id: attempt.claim.endpoint_id.clone(),
        number,
        outcome: attempt.outcome.as_str().to_owned(),
        status: attempt.status.map(i32::from),
        answer: attempt.answer.clone(),
        duration_ms: attempt.duration_ms,
        at: instant(attempt.at),
    }
}

/// Updates the failure state of endpoints. Disables endpoints that reject messages permanently or failed for days, and
/// notifies the others.
async fn update_health(
    conn: &mut Conn,
    recorded: &[(&DeliveryResult, i32)],
    render: &Renderer,
    now: DateTime<Utc>,
) -> Result<Vec<(WebhookEndpointId, DisabledReason)>, Error> {
    let mut by_endpoint: BTreeMap<&str, Vec<AttemptOutcome>> = BTreeMap::new();
    for (attempt, _) in recorded {
        by_endpoint.entry(&attempt.claim.endpoint_id).or_default().push(attempt.outcome);
    }
    let ids: Vec<&str> = by_endpoint.keys().copied().collect();
    let failing: Vec<(String, Option<DateTime<Utc>>)> = endpoints::table
        .filter(endpoints::id.eq_any(ids))
        .order(endpoints::id.asc())
        .select((endpoints::id, endpoints::failing_since))
        .load(conn)
        .await?;
    let mut disabled = Vec::new();
    for (id, failing_since) in failing {
        let outcomes = by_endpoint.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let before = Health { failing_since, disabled: None };
        if health_after(before, outcomes, now) == before {
            continue;
        }
        let Some(mut endpoint) = lock_endpoint(conn, &id).await? else { continue };
        let health = health_after(Health { failing_since: endpoint.failing_since, ..before }, outcomes, now);
        endpoint.failing_since = health.failing_since;
        let reason = health.disabled.filter(|_| endpoint.enabled);
        if let Some(reason) = reason {
            endpoint.enabled = false;
            endpoint.disabled_reason = Some(reason);
            endpoint.updated_at = instant(now);
            disabled.push((endpoint.id.clone(), reason));
        }
        store_endpoint(conn, &endpoint).await?;
        if reason.is_some() {
            let message = endpoint_message(&endpoint, ENDPOINT_DISABLED, render, now);
            let deliveries = deliveries_of(&message, &enabled_endpoints(conn).await?);
            outbound_batch::insert_messages(conn, vec![message], deliveries).await?;
        }
    }
    Ok(disabled)
}

fn health_after(before: Health, outcomes: &[AttemptOutcome], now: DateTime<Utc>) -> Health {
    outcomes.iter().fold(before, |health, outcome| {
        let after = Health::after(health.failing_since, *outcome, now);
        Health { disabled: health.disabled.or(after.disabled), ..after }
    })
}
