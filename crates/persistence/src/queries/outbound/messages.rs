//! Messages: reading, resending and deleting them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::{MessageId, WebhookEndpointId};
use quittance_domain::outbound::{DeliveryState, wants};

use super::super::columns::{instant, parse};
use super::super::dialect::Conn;
use super::super::idempotency_keys::store_reply;
use super::super::rows::outbound::{AttemptRow, DeliveryRow, MessageRow};
use super::super::schema::{deliveries, delivery_attempts, messages, webhook_endpoints as endpoints};
use super::super::{Database, outbound_batch};
use super::webhook_endpoints::lock_endpoint;
use crate::Error;
use crate::model::{Completion, Cursor, Message, MessageFilter, Page, ResendOutcome};

/// The number of messages per batch when an endpoint recovers missed messages.
const RECOVER_BATCH_SIZE: i64 = 500;

impl Database {
    pub(crate) async fn message(&self, id: MessageId) -> Result<Option<Message>, Error> {
        let mut conn = self.reader().await?;
        read_message(&mut conn, id.as_str(), Attempts::Included).await
    }

    pub(crate) async fn messages(
        &self,
        filter: MessageFilter,
        cursor: Cursor<MessageId>,
    ) -> Result<Page<Message>, Error> {
        let mut query = messages::table
            .select(MessageRow::as_select())
            .order(messages::id.desc())
            .limit(i64::from(cursor.limit) + 1)
            .into_boxed();
        if let Some(kind) = filter.kind {
            query = query.filter(messages::kind.eq(kind));
        }
        if let Some(order_id) = filter.order_id {
            query = query.filter(messages::order_id.eq(String::from(order_id)));
        }
        let of_message = || deliveries::table.filter(deliveries::message_id.eq(messages::id));
        match (filter.endpoint_id.map(String::from), filter.state.map(DeliveryState::as_str)) {
            (None, None) => {}
            (Some(endpoint), None) => {
                query = query.filter(exists(of_message().filter(deliveries::endpoint_id.eq(endpoint))));
            }
            (None, Some(state)) => {
                query = query.filter(exists(of_message().filter(deliveries::state.eq(state))));
            }
            (Some(endpoint), Some(state)) => {
                let both = of_message()
                    .filter(deliveries::endpoint_id.eq(endpoint))
                    .filter(deliveries::state.eq(state));
                query = query.filter(exists(both));
            }
        }
        if let Some(id) = cursor.starting_after {
            query = query.filter(messages::id.lt(String::from(id)));
        }
        let mut conn = self.reader().await?;
        let mut rows: Vec<MessageRow> = query.load(&mut conn).await?;
        let has_more = rows.len() > usize::from(cursor.limit);
        rows.truncate(usize::from(cursor.limit));
        Ok(Page { data: with_deliveries(&mut conn, rows, Attempts::Omitted).await?, has_more })
    }

    pub(crate) async fn resend(
        &self,
        id: MessageId,
        endpoint_id: Option<WebhookEndpointId>,
        now: DateTime<Utc>,
        completion: Option<Completion<Message>>,
    ) -> Result<ResendOutcome<Message>, Error> {
        self.write(async |conn| {
            let row: Option<MessageRow> = messages::table
                .find(id.as_str())
                .select(MessageRow::as_select())
                .first(conn)
                .await
                .optional()?;
            let Some(row) = row else { return Ok(ResendOutcome::NotFound) };
            let wanted = match &endpoint_id {
                None => enabled_receivers(conn, &row).await?,
                Some(endpoint_id) => match lock_endpoint(conn, endpoint_id.as_str()).await? {
                    None => return Ok(ResendOutcome::NotFound),
                    Some(endpoint) if !endpoint.enabled => return Ok(ResendOutcome::Disabled),
                    Some(endpoint) => vec![endpoint.id.into()],
                },
            };
            for endpoint_id in wanted {
                enqueue(conn, std::slice::from_ref(&row), &parse("endpoint", &endpoint_id)?, now).await?;
            }
            let message = read_message(conn, id.as_str(), Attempts::Included).await?;
            let message = message.ok_or_else(|| Error::corrupt("message", "it doesn't exist"))?;
            store_reply(conn, completion.as_ref(), &message).await?;
            Ok(ResendOutcome::Done(message))
        })
        .await
    }

    pub(crate) async fn recover(
        &self,
        id: WebhookEndpointId,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
        completion: Option<Completion<usize>>,
    ) -> Result<ResendOutcome<usize>, Error> {
        self.write(async |conn| {
            let Some(endpoint) = lock_endpoint(conn, id.as_str()).await? else {
                return Ok(ResendOutcome::NotFound);
            };
            if !endpoint.enabled {
                return Ok(ResendOutcome::Disabled);
            }
            let (mut recovered, mut after) = (0, String::new());
            loop {
                let rows: Vec<MessageRow> = messages::table
                    .filter(messages::created_at.ge(since))
                    .filter(messages::id.gt(&after))
                    .order(messages::id.asc())
                    .limit(RECOVER_BATCH_SIZE)
                    .select(MessageRow::as_select())
                    .load(conn)
                    .await?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.id);
                let wanted: Vec<MessageRow> =
                    rows.into_iter().filter(|row| wants(&endpoint.event_types, &row.kind)).collect();
                let missed = undelivered(conn, wanted, &id).await?;
                recovered += missed.len();
                enqueue(conn, &missed, &id, now).await?;
            }
            store_reply(conn, completion.as_ref(), &recovered).await?;
            Ok(ResendOutcome::Done(recovered))
        })
        .await
    }

    pub(crate) async fn delete_messages(&self, before: DateTime<Utc>, limit: u16) -> Result<usize, Error> {
        self.write(async |conn| {
            let undeliverable: Vec<(String, String)> = deliveries::table
                .inner_join(endpoints::table.on(endpoints::id.eq(deliveries::endpoint_id)))
                .filter(endpoints::removed_at.is_not_null())
                .filter(deliveries::due_at.is_not_null())
                .limit(i64::from(limit))
                .select((deliveries::message_id, deliveries::endpoint_id))
                .load(conn)
                .await?;
            for (message_id, endpoint_id) in &undeliverable {
                diesel::update(deliveries::table.find((message_id, endpoint_id)))
                    .set((
                        deliveries::state.eq(DeliveryState::Failed.as_str()),
                        deliveries::due_at.eq(None::<DateTime<Utc>>),
                        deliveries::ordering_key.eq(None::<String>),
                    ))
                    .execute(conn)
                    .await?;
            }
            let old: Vec<String> = messages::table
                .filter(messages::created_at.lt(before))
                .order(messages::created_at.asc())
                .limit(i64::from(limit))
                .select(messages::id)
                .load(conn)
                .await?;
            diesel::delete(messages::table.filter(messages::id.eq_any(&old))).execute(conn).await?;
            Ok(old.len().max(undeliverable.len()))
        })
        .await
    }
}

/// Whether to read the attempts of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempts {
    Included,
    Omitted,
}

async fn read_message(conn: &mut Conn, id: &str, history: Attempts) -> Result<Option<Message>, Error> {
    let row: Option<MessageRow> =
        messages::table.find(id).select(MessageRow::as_select()).first(conn).await.optional()?;
    Ok(with_deliveries(conn, row.into_iter().collect(), history).await?.pop())
}

async fn with_deliveries(
    conn: &mut Conn,
    rows: Vec<MessageRow>,
    history: Attempts,
) -> Result<Vec<Message>, Error> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut attempts: HashMap<(String, String), Vec<AttemptRow>> = HashMap::new();
    if history == Attempts::Included {
        let found: Vec<AttemptRow> = delivery_attempts::table
            .filter(delivery_attempts::message_id.eq_any(&ids))
            .order(delivery_attempts::number.asc())
            .select(AttemptRow::as_select())
            .load(conn)
            .await?;
        for row in found {
            attempts.entry((row.message_id.clone(), row.endpoint_id.clone())).or_default().push(row);
        }
    }
    let found: Vec<DeliveryRow> = deliveries::table
        .filter(deliveries::message_id.eq_any(&ids))
        .order(deliveries::endpoint_id.asc())
        .select(DeliveryRow::as_select())
        .load(conn)
        .await?;
    let mut of_message: HashMap<String, Vec<_>> = HashMap::new();
    for row in found {
        let message_id = row.message_id.clone();
        let history = attempts.remove(&(message_id.clone(), row.endpoint_id.clone())).unwrap_or_default();
        of_message.entry(message_id).or_default().push(row.read(history)?);
    }
    rows.into_iter()
        .map(|row| {
            let deliveries = of_message.remove(&row.id).unwrap_or_default();
            row.read(deliveries)
        })
        .collect()
}

/// Returns the enabled endpoints of a message.
async fn enabled_receivers(conn: &mut Conn, message: &MessageRow) -> Result<Vec<String>, Error> {
    let ids = deliveries::table
        .inner_join(endpoints::table.on(endpoints::id.eq(deliveries::endpoint_id)))
        .filter(deliveries::message_id.eq(&message.id))
        .filter(endpoints::enabled.eq(true))
        .order(endpoints::id.asc())
        .select(endpoints::id)
        .load(conn)
        .await?;
    Ok(ids)
}

/// Returns those of these messages that were neither delivered to the endpoint nor are pending.
async fn undelivered(
    conn: &mut Conn,
    rows: Vec<MessageRow>,
    endpoint_id: &WebhookEndpointId,
) -> Result<Vec<MessageRow>, Error> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let delivered: Vec<String> = deliveries::table
        .filter(deliveries::message_id.eq_any(ids))
        .filter(deliveries::endpoint_id.eq(endpoint_id.as_str()))
        .filter(deliveries::state.ne(DeliveryState::Failed.as_str()))
        .select(deliveries::message_id)
        .load(conn)
        .await?;
    let delivered: std::collections::HashSet<String> = delivered.into_iter().collect();
    Ok(rows.into_iter().filter(|row| !delivered.contains(&row.id)).collect())
}

/// Makes messages due for an endpoint, even if they weren't meant for it. Resets the number of attempts, and
/// invalidates claims of attempts in progress.
async fn enqueue(
    conn: &mut Conn,
    rows: &[MessageRow],
    endpoint_id: &WebhookEndpointId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let new = rows.iter().map(|row| DeliveryRow::new(row, endpoint_id)).collect();
    outbound_batch::insert_messages(conn, Vec::new(), new).await?;
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    diesel::update(
        deliveries::table
            .filter(deliveries::message_id.eq_any(ids))
            .filter(deliveries::endpoint_id.eq(endpoint_id.as_str())),
    )
    .set((
        deliveries::state.eq(DeliveryState::Pending.as_str()),
        deliveries::attempts_since_resend.eq(0),
        deliveries::due_at.eq(Some(instant(now))),
        deliveries::claim.eq(None::<String>),
        deliveries::lease_until.eq(None::<DateTime<Utc>>),
    ))
    .execute(conn)
    .await?;
    Ok(())
}
