//! Batch writes. A file needs no round trips, so these are loops on the thread that holds the connection.

use std::collections::HashSet;

use diesel::prelude::*;

use super::dialect::Conn;
use super::queries::changes::Changes;
use super::queries::rows::disputes::DisputeRow;
use super::queries::rows::inbox::InboxRow;
use super::queries::rows::orders::OrderRow;
use super::queries::rows::payments::PaymentRow;
use super::queries::rows::refunds::RefundRow;
use super::queries::schema::{decisions, disputes, inbox, orders, outbox, payments, refunds};
use crate::Error;

/// Writes the changes and inserts the events. Returns the IDs of events that weren't stored before.
pub(super) async fn write(
    conn: &mut Conn,
    changes: Changes,
    events: Vec<InboxRow>,
) -> Result<HashSet<String>, Error> {
    let fresh = conn
        .spawn_blocking(move |conn| {
            for row in changes.marked_orders() {
                diesel::update(orders::table.find(row.id))
                    .set(orders::has_refunds_or_disputes.eq(true))
                    .execute(conn)?;
            }
            changes.payments.into_iter().try_for_each(|row| update_payment(conn, row))?;
            for row in changes.new_refunds {
                diesel::insert_into(refunds::table).values(row).execute(conn)?;
            }
            changes.refunds.into_iter().try_for_each(|row| update_refund(conn, row))?;
            for row in changes.new_disputes {
                diesel::insert_into(disputes::table).values(row).execute(conn)?;
            }
            changes.disputes.into_iter().try_for_each(|row| update_dispute(conn, row))?;
            for row in changes.decisions {
                diesel::insert_into(decisions::table).values(row).execute(conn)?;
            }
            changes.orders.into_iter().try_for_each(|row| update_order(conn, row))?;
            for row in changes.checks {
                let check = orders::check_at.eq(Some(row.check_at));
                diesel::update(orders::table.find(row.id)).set(check).execute(conn)?;
            }
            for row in changes.outbox {
                diesel::insert_into(outbox::table).values(row).on_conflict_do_nothing().execute(conn)?;
            }
            insert_inbox(conn, events)
        })
        .await?;
    Ok(fresh)
}

fn update_order(conn: &mut SqliteConnection, row: OrderRow) -> QueryResult<()> {
    diesel::update(orders::table.find(row.id))
        .set((
            orders::status.eq(row.status),
            orders::review_reason.eq(row.review_reason),
            orders::amount_paid.eq(row.amount_paid),
            orders::amount_refunded.eq(row.amount_refunded),
            orders::current_payment_id.eq(row.current_payment_id),
            orders::closing.eq(row.closing),
            orders::version.eq(row.version),
            orders::outcome_version.eq(row.outcome_version),
            orders::updated_at.eq(row.updated_at),
        ))
        .execute(conn)
        .map(drop)
}

fn update_payment(conn: &mut SqliteConnection, row: PaymentRow) -> QueryResult<()> {
    diesel::update(payments::table.find(row.id))
        .set((
            payments::payment_intent_id.eq(row.payment_intent_id),
            payments::checkout_session_id.eq(row.checkout_session_id),
            payments::client_secret_hash.eq(row.client_secret_hash),
            payments::facts.eq(row.facts),
            payments::capture.eq(row.capture),
            payments::abandoned.eq(row.abandoned),
            payments::refused.eq(row.refused),
            payments::closed.eq(row.closed),
            payments::sent_details_version.eq(row.sent_details_version),
            payments::resume_at.eq(row.resume_at),
            payments::resume_count.eq(row.resume_count),
        ))
        .execute(conn)
        .map(drop)
}

fn update_refund(conn: &mut SqliteConnection, row: RefundRow) -> QueryResult<()> {
    diesel::update(refunds::table.find(row.id))
        .set((
            refunds::stripe_refund_id.eq(row.stripe_refund_id),
            refunds::facts.eq(row.facts),
            refunds::refused.eq(row.refused),
            refunds::resume_at.eq(row.resume_at),
            refunds::resume_count.eq(row.resume_count),
            refunds::updated_at.eq(row.updated_at),
        ))
        .execute(conn)
        .map(drop)
}

fn update_dispute(conn: &mut SqliteConnection, row: DisputeRow) -> QueryResult<()> {
    diesel::update(disputes::table.find(row.id))
        .set((disputes::facts.eq(row.facts), disputes::updated_at.eq(row.updated_at)))
        .execute(conn)
        .map(drop)
}

fn insert_inbox(conn: &mut SqliteConnection, events: Vec<InboxRow>) -> QueryResult<HashSet<String>> {
    let mut fresh = HashSet::new();
    for row in events {
        let event_id = row.event_id.clone();
        let inserted =
            diesel::insert_into(inbox::table).values(row).on_conflict_do_nothing().execute(conn)?;
        if inserted == 1 {
            fresh.insert(event_id);
        }
    }
    Ok(fresh)
}
