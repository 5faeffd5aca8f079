//! Writing many rows about the shop's own systems, in plain loops; see `batch`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::dialect::Conn;
use super::phases::outbound_rows::{AttemptRow, DeliveryRow, EndedRow, MessageRow};
use super::phases::schema::{deliveries, delivery_attempts, messages};
use crate::Error;

/// Adds messages, and deliveries of these or others. What is there already stays as it is.
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

/// Says how attempts ended, for those whose claim still stands; returns which, each with its number.
pub(super) async fn end_attempts(
    conn: &mut Conn,
    ended: Vec<EndedRow>,
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

fn end_attempt(conn: &mut SqliteConnection, row: &EndedRow) -> QueryResult<Option<i32>> {
    let delivery = deliveries::table.find((&row.message_id, &row.endpoint_id));
    let changed = diesel::update(delivery.filter(deliveries::claim.eq(&row.claim)))
        .set((
            deliveries::state.eq(row.state),
            deliveries::due_at.eq(row.due_at),
            deliveries::attempts.eq(deliveries::attempts + 1),
            deliveries::tries.eq(deliveries::tries + 1),
            deliveries::holds_back.eq(None::<String>),
            deliveries::claim.eq(None::<String>),
            deliveries::lease_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Ok(None);
    }
    delivery.select(deliveries::attempts).first(conn).map(Some)
}

/// Keeps what came of attempts.
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
