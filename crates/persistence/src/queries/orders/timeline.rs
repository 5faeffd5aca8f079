//! The timeline of an order, from all its tables. It contains no bodies and no customer data.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::OrderId;
use quittance_domain::order_state::OrderEvent;
use quittance_domain::refund::RefundCause;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::Database;
use super::super::columns::instant;
use super::super::dialect::{Conn, Db};
use super::super::rows::refunds::RefundRow;
use super::super::schema::{decisions, inbox, outbox, stripe_calls};
use super::locked_order::{LockedOrder, LockedOrders};
use crate::Error;
use crate::model::{StripeCall, TimelineEntry, TimelineKind};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = stripe_calls, check_for_backend(Db), treat_none_as_default_value = false)]
struct StripeCallRow {
    id: String,
    order_id: String,
    subject: String,
    operation: String,
    request_id: Option<String>,
    error: Option<String>,
    at: DateTime<Utc>,
}

/// The columns of an event: ID, type, creation second at Stripe, outcome, reason, and when it arrived.
type InboxEntry = (String, String, i64, String, Option<String>, DateTime<Utc>);

impl Database {
    pub(crate) async fn record_stripe_call(&self, call: StripeCall) -> Result<(), Error> {
        let row = StripeCallRow {
            id: Uuid::now_v7().simple().to_string(),
            order_id: call.order_id.to_string(),
            subject: call.subject,
            operation: call.operation,
            request_id: call.request_id,
            error: call.error,
            at: instant(call.at),
        };
        self.write(async |conn| {
            diesel::insert_into(stripe_calls::table).values(row.clone()).execute(conn).await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn timeline(&self, order_id: OrderId) -> Result<Vec<TimelineEntry>, Error> {
        let mut conn = self.reader().await?;
        let locked_orders = LockedOrders::read(&mut conn, vec![order_id.to_string()]).await?;
        let Some(locked) = locked_orders.get(&order_id) else { return Ok(Vec::new()) };
        // Among entries with the same time, requests come first and published events come last.
        let mut entries = requested_entries(locked);
        entries.extend(stripe_call_entries(&mut conn, &order_id).await?);
        entries.extend(stripe_event_entries(&mut conn, &order_id).await?);
        entries.extend(discovered_entries(locked));
        entries.extend(decision_entries(&mut conn, &order_id).await?);
        entries.extend(outbox_entries(&mut conn, &order_id).await?);
        entries.sort_by_key(|entry| entry.at);
        Ok(entries)
    }
}

fn entry(kind: TimelineKind, at: DateTime<Utc>, what: impl Into<String>) -> TimelineEntry {
    TimelineEntry {
        at,
        kind,
        what: what.into(),
        subject: None,
        outcome: None,
        reason: None,
        request_id: None,
        detail: None,
    }
}

fn requested_entries(locked: &LockedOrder) -> Vec<TimelineEntry> {
    let order = &locked.order;
    let mut entries = vec![TimelineEntry {
        detail: Some(json!({ "amount": order.amount_total, "currency": order.currency })),
        ..entry(TimelineKind::Act, order.created_at, "order.placed")
    }];
    entries.extend(locked.payments.iter().map(|row| TimelineEntry {
        subject: Some(row.id.clone()),
        outcome: row.refused.as_ref().map(|_| "refused".to_owned()),
        reason: row.refused.clone(),
        detail: Some(json!({
            "flow": row.flow,
            "amount": row.amount,
            "currency": row.currency,
            "capture_method": row.capture_method,
            "capture": row.capture,
            "payment_intent_id": row.payment_intent_id,
            "checkout_session_id": row.checkout_session_id,
        })),
        ..entry(TimelineKind::Act, row.created_at, "payment.begun")
    }));
    let request_params = locked.refunds.iter().filter(|row| row.cause == RefundCause::Requested.as_str());
    entries.extend(request_params.map(|row| TimelineEntry {
        outcome: row.refused.as_ref().map(|_| "refused".to_owned()),
        ..refund_entry(row, TimelineKind::Act, "refund.requested")
    }));
    entries
}

/// Returns refunds and disputes found at Stripe, and automatic refunds.
fn discovered_entries(locked: &LockedOrder) -> Vec<TimelineEntry> {
    let mut entries = Vec::new();
    for row in &locked.refunds {
        match row.cause.parse().ok() {
            Some(RefundCause::Stripe) => {
                entries.push(refund_entry(row, TimelineKind::Fact, "refund.found"));
            }
            Some(RefundCause::Surplus | RefundCause::Review) => {
                entries.push(refund_entry(row, TimelineKind::Decision, "refund.due"));
            }
            Some(RefundCause::Requested) | None => {}
        }
    }
    entries.extend(locked.disputes.iter().map(|row| TimelineEntry {
        subject: Some(row.id.clone()),
        detail: Some(json!({
            "payment_id": row.payment_id,
            "stripe_dispute_id": row.stripe_dispute_id,
        })),
        ..entry(TimelineKind::Fact, row.created_at, "dispute.found")
    }));
    entries
}

fn refund_entry(row: &RefundRow, kind: TimelineKind, what: &str) -> TimelineEntry {
    TimelineEntry {
        subject: Some(row.id.clone()),
        reason: row.refused.clone().or_else(|| Some(row.cause.clone())),
        detail: Some(json!({
            "payment_id": row.payment_id,
            "amount": row.amount,
            "currency": row.currency,
            "reason": row.reason,
            "stripe_refund_id": row.stripe_refund_id,
        })),
        ..entry(kind, row.created_at, what)
    }
}

async fn stripe_call_entries(conn: &mut Conn, order_id: &OrderId) -> Result<Vec<TimelineEntry>, Error> {
    let rows: Vec<StripeCallRow> = stripe_calls::table
        .filter(stripe_calls::order_id.eq(order_id.as_str()))
        .order(stripe_calls::id.asc())
        .select(StripeCallRow::as_select())
        .load(conn)
        .await?;
    let read = |row: StripeCallRow| TimelineEntry {
        subject: Some(row.subject),
        outcome: Some(if row.error.is_some() { "failed" } else { "succeeded" }.to_owned()),
        reason: row.error,
        request_id: row.request_id,
        ..entry(TimelineKind::Request, row.at, row.operation)
    };
    Ok(rows.into_iter().map(read).collect())
}

async fn stripe_event_entries(conn: &mut Conn, order_id: &OrderId) -> Result<Vec<TimelineEntry>, Error> {
    let rows: Vec<InboxEntry> = inbox::table
        .filter(inbox::order_id.eq(order_id.as_str()))
        .order(inbox::event_id.asc())
        .select((
            inbox::event_id,
            inbox::kind,
            inbox::created,
            inbox::outcome,
            inbox::reason,
            inbox::received_at,
        ))
        .load(conn)
        .await?;
    let read = |(event_id, kind, created, outcome, reason, at): InboxEntry| TimelineEntry {
        subject: Some(event_id),
        outcome: Some(outcome),
        reason,
        detail: Some(json!({ "created": created })),
        ..entry(TimelineKind::Fact, at, kind)
    };
    Ok(rows.into_iter().map(read).collect())
}

async fn decision_entries(conn: &mut Conn, order_id: &OrderId) -> Result<Vec<TimelineEntry>, Error> {
    let rows: Vec<(String, String, DateTime<Utc>)> = decisions::table
        .filter(decisions::order_id.eq(order_id.as_str()))
        .order(decisions::kind.asc())
        .select((decisions::kind, decisions::subject, decisions::created_at))
        .load(conn)
        .await?;
    let read = |(kind, word, at): (String, String, _)| {
        let belongs_to_attempt = kind == "accepted";
        let (subject, outcome) = if belongs_to_attempt { (Some(word), None) } else { (None, Some(word)) };
        TimelineEntry { subject, outcome, ..entry(TimelineKind::Decision, at, kind) }
    };
    Ok(rows.into_iter().map(read).collect())
}

async fn outbox_entries(conn: &mut Conn, order_id: &OrderId) -> Result<Vec<TimelineEntry>, Error> {
    let rows: Vec<(String, String, String, i64, DateTime<Utc>)> = outbox::table
        .filter(outbox::order_id.eq(order_id.as_str()))
        .order(outbox::sequence.asc())
        .select((outbox::id, outbox::kind, outbox::subject, outbox::sequence, outbox::created_at))
        .load(conn)
        .await?;
    let read = |(id, kind, subject, sequence, at): (String, String, String, i64, _)| {
        let detail: Value = json!({ "message_id": id, "sequence": sequence });
        TimelineEntry {
            subject: Some(OrderEvent::object(&subject).to_owned()).filter(|id| !id.is_empty()),
            detail: Some(detail),
            ..entry(TimelineKind::Effect, at, kind)
        }
    };
    Ok(rows.into_iter().map(read).collect())
}
