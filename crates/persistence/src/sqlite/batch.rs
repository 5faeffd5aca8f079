//! Writing many rows: in a file, statement by statement costs no round trip, so each is a plain loop, run in
//! one go on the thread that holds the connection.

use std::collections::HashSet;

use diesel::prelude::*;

use super::dialect::Conn;
use super::phases::rows::{DecisionRow, InboxRow, OrderRow, OutboxRow, PaymentRow};
use super::phases::schema::{decisions, inbox, orders, outbox, payments};
use crate::Error;

pub(super) async fn update_orders(conn: &mut Conn, rows: Vec<OrderRow>) -> Result<(), Error> {
    each(conn, rows, |conn, row| {
        diesel::update(orders::table.find(row.id))
            .set((
                orders::status.eq(row.status),
                orders::review_reason.eq(row.review_reason),
                orders::amount_paid.eq(row.amount_paid),
                orders::current_payment_id.eq(row.current_payment_id),
                orders::closing.eq(row.closing),
                orders::version.eq(row.version),
                orders::settled_version.eq(row.settled_version),
                orders::updated_at.eq(row.updated_at),
            ))
            .execute(conn)
    })
    .await
}

pub(super) async fn update_payments(conn: &mut Conn, rows: Vec<PaymentRow>) -> Result<(), Error> {
    each(conn, rows, |conn, row| {
        diesel::update(payments::table.find(row.id))
            .set((
                payments::payment_intent_id.eq(row.payment_intent_id),
                payments::client_secret_hash.eq(row.client_secret_hash),
                payments::facts.eq(row.facts),
                payments::refused.eq(row.refused),
                payments::closed.eq(row.closed),
                payments::details_told.eq(row.details_told),
                payments::redrive_at.eq(row.redrive_at),
                payments::redrives.eq(row.redrives),
            ))
            .execute(conn)
    })
    .await
}

pub(super) async fn insert_decisions(conn: &mut Conn, rows: Vec<DecisionRow>) -> Result<(), Error> {
    each(conn, rows, |conn, row| diesel::insert_into(decisions::table).values(row).execute(conn)).await
}

pub(super) async fn insert_outbox(conn: &mut Conn, rows: Vec<OutboxRow>) -> Result<(), Error> {
    each(conn, rows, |conn, row| {
        diesel::insert_into(outbox::table).values(row).on_conflict_do_nothing().execute(conn)
    })
    .await
}

/// Returns the ids of the events that were not there before.
pub(super) async fn insert_inbox(conn: &mut Conn, rows: Vec<InboxRow>) -> Result<HashSet<String>, Error> {
    let fresh = conn
        .spawn_blocking(move |conn| {
            let mut fresh = HashSet::new();
            for row in rows {
                let event_id = row.event_id.clone();
                let inserted =
                    diesel::insert_into(inbox::table).values(row).on_conflict_do_nothing().execute(conn)?;
                if inserted == 1 {
                    fresh.insert(event_id);
                }
            }
            Ok::<_, diesel::result::Error>(fresh)
        })
        .await?;
    Ok(fresh)
}

async fn each<Row: Send + 'static>(
    conn: &mut Conn,
    rows: Vec<Row>,
    write: fn(&mut SqliteConnection, Row) -> QueryResult<usize>,
) -> Result<(), Error> {
    if !rows.is_empty() {
        conn.spawn_blocking(move |conn| rows.into_iter().try_for_each(|row| write(conn, row).map(drop)))
            .await?;
    }
    Ok(())
}
