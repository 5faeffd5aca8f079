//! Batch writes of messages and deliveries.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::dialect::Conn;
use super::queries::rows::outbound::{AttemptRow, DeliveryResultRow, DeliveryRow, DueDeliveries, MessageRow};
use super::queries::schema::{deliveries, delivery_attempts, messages};
use crate::Error;

/// Claims due deliveries. Returns each message ID, endpoint ID, and number of attempts.
pub(super) async fn claim_due(
    conn: &mut Conn,
    wanted: DueDeliveries,
) -> Result<Vec<(String, String, i32)>, Error> {
    let taken = conn
        .spawn_blocking(move |conn| {
            let mut taken = Vec::new();
            for (endpoint_id, limit) in wanted.endpoint_ids.iter().zip(&wanted.limits) {
                for (message_id, attempts_since_resend) in claim_due_for(conn, endpoint_id, *limit, &wanted)?
                {
                    taken.push((message_id, endpoint_id.clone(), attempts_since_resend));
                }
            }
            QueryResult::Ok(taken)
        })
        .await?;
    Ok(taken)
}

/// Claims the due deliveries of an endpoint. Skips a delivery while the first attempt of an earlier message with the
/// same ordering key is pending.
fn claim_due_for(
    conn: &mut SqliteConnection,
    endpoint_id: &str,
    limit: i64,
    wanted: &DueDeliveries,
) -> QueryResult<Vec<(String, i32)>> {
    let earlier = diesel::alias!(deliveries as earlier);
    let is_before = earlier.field(deliveries::sequence).lt(deliveries::sequence).or(earlier
        .field(deliveries::sequence)
        .eq(deliveries::sequence)
        .and(earlier.field(deliveries::message_id).lt(deliveries::message_id)));
    let held_back = exists(
        earlier
            .filter(earlier.field(deliveries::endpoint_id).eq(deliveries::endpoint_id))
            .filter(earlier.field(deliveries::ordering_key).eq(deliveries::ordering_key))
            .filter(is_before),
    );
    let due: Vec<(String, i32)> = deliveries::table
        .filter(deliveries::endpoint_id.eq(endpoint_id))
        .filter(deliveries::due_at.le(wanted.now))
        .filter(deliveries::lease_until.is_null().or(deliveries::lease_until.le(wanted.now)))
        .filter(not(held_back))
        .order((deliveries::due_at.asc(), deliveries::message_id.asc()))
        .limit(limit)
        .select((deliveries::message_id, deliveries::attempts_since_resend))
        .load(conn)?;
    for (message_id, _) in &due {
        diesel::update(deliveries::table.find((message_id, endpoint_id)))
            .set((
                deliveries::claim.eq(Some(&wanted.token)),
                deliveries::lease_until.eq(Some(wanted.lease_until)),
            ))
            .execute(conn)?;
    }
    Ok(due)
}

/// Inserts messages, and deliveries of these or other messages. Keeps existing rows.
pub(super) async fn insert_messages(
    conn: &mut Conn,
    messages: Vec<MessageRow>,
    deliveries: Vec<DeliveryRow>,
) -> Result<(), Error> {
    conn.spawn_blocking(move |conn| {
        for row in messages {
            diesel::insert_into(messages::table).values(row).on_conflict_do_nothing().execute(conn)?;
        }
        for row in deliveries {
            diesel::insert_into(deliveries::table).values(row).on_conflict_do_nothing().execute(conn)?;
        }
        QueryResult::Ok(())
    })
    .await?;
    Ok(())
}

/// Records the results of attempts whose claims are still valid. Returns those, each with its number.
pub(super) async fn end_attempts(
    conn: &mut Conn,
    ended: Vec<DeliveryResultRow>,
) -> Result<Vec<(String, String, i32)>, Error> {
    let kept = conn
        .spawn_blocking(move |conn| {
            let mut kept = Vec::with_capacity(ended.len());
            for row in ended {
                let number = end_attempt(conn, &row)?;
                kept.extend(number.map(|number| (row.message_id, row.endpoint_id, number)));
            }
            QueryResult::Ok(kept)
        })
        .await?;
    Ok(kept)
}

fn end_attempt(conn: &mut SqliteConnection, row: &DeliveryResultRow) -> QueryResult<Option<i32>> {
    let delivery = deliveries::table.find((&row.message_id, &row.endpoint_id));
    let changed = diesel::update(delivery.filter(deliveries::claim.eq(&row.claim)))
        .set((
            deliveries::state.eq(row.state),
            deliveries::due_at.eq(row.due_at),
            deliveries::attempts.eq(deliveries::attempts + 1),
            deliveries::attempts_since_resend.eq(deliveries::attempts_since_resend + 1),
            deliveries::ordering_key.eq(None::<String>),
            deliveries::claim.eq(None::<String>),
            deliveries::lease_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Ok(None);
    }
    delivery.select(deliveries::attempts).first(conn).map(Some)
}

/// Inserts finished attempts.
pub(super) async fn insert_attempts(conn: &mut Conn, attempts: Vec<AttemptRow>) -> Result<(), Error> {
    conn.spawn_blocking(move |conn| {
        for row in attempts {
            diesel::insert_into(delivery_attempts::table).values(row).execute(conn)?;
        }
        QueryResult::Ok(())
    })
    .await?;
    Ok(())
}
