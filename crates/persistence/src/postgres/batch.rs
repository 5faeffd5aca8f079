//! Batch writes: one statement for many rows.
//!
//! The text of Diesel's own batch statements depends on the number of rows, so PostgreSQL parses them on every call. These
//! statements take one array per column. Their text is constant, so each is prepared once per connection.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use super::dialect::Conn;
use super::queries::changes::Changes;
use super::queries::changes::{CheckRow, OrderMarkRow};
use super::queries::rows::decisions::DecisionRow;
use super::queries::rows::disputes::DisputeRow;
use super::queries::rows::inbox::InboxRow;
use super::queries::rows::orders::OrderRow;
use super::queries::rows::outbox::OutboxRow;
use super::queries::rows::payments::PaymentRow;
use super::queries::rows::refunds::RefundRow;
use crate::Error;

/// Defines a statement over columns of rows: `$before unnest($1, $2, …) $after`.
macro_rules! statement {
    ($name:ident of $row:ident ($($column:ident: $kind:ty as $value:ty),* $(,)?) $before:literal, $after:literal) => {
        #[derive(Default, QueryId)]
        struct $name {
            $($column: Vec<$value>,)*
        }

        impl From<Vec<$row>> for $name {
            fn from(rows: Vec<$row>) -> Self {
                let mut columns = Self::default();
                for row in rows {
                    $(columns.$column.push(row.$column);)*
                }
                columns
            }
        }

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                let mut separator = concat!($before, " unnest(");
                $(
                    out.push_sql(separator);
                    out.push_bind_param::<Array<$kind>, _>(&self.$column)?;
                    separator = ", ";
                )*
                let _ = separator;
                out.push_sql(concat!(") ", $after));
                Ok(())
            }
        }
    };
}

pub(super) use statement;

statement! {
    UpdateOrders of OrderRow (
        id: Text as String,
        status: Text as String,
        review_reason: Nullable<Text> as Option<String>,
        amount_paid: BigInt as i64,
        amount_refunded: BigInt as i64,
        current_payment_id: Nullable<Text> as Option<String>,
        closing: Nullable<Text> as Option<String>,
        version: BigInt as i64,
        outcome_version: BigInt as i64,
        updated_at: Timestamptz as DateTime<Utc>,
    )
    "UPDATE orders SET status = new.status, review_reason = new.review_reason, \
     amount_paid = new.amount_paid, amount_refunded = new.amount_refunded, \
     current_payment_id = new.current_payment_id, closing = new.closing, version = new.version, \
     outcome_version = new.outcome_version, updated_at = new.updated_at FROM",
    "AS new (id, status, review_reason, amount_paid, amount_refunded, current_payment_id, closing, version, \
     outcome_version, updated_at) WHERE orders.id = new.id"
}

statement! {
    UpdateChecks of CheckRow (
        id: Text as String,
        check_at: Timestamptz as DateTime<Utc>,
    )
    "UPDATE orders SET check_at = new.check_at FROM",
    "AS new (id, check_at) WHERE orders.id = new.id"
}

statement! {
    MarkOrders of OrderMarkRow (
        id: Text as String,
    )
    "UPDATE orders SET has_refunds_or_disputes = true FROM",
    "AS new (id) WHERE orders.id = new.id AND NOT orders.has_refunds_or_disputes"
}

statement! {
    UpdatePayments of PaymentRow (
        id: Text as String,
        payment_intent_id: Nullable<Text> as Option<String>,
        checkout_session_id: Nullable<Text> as Option<String>,
        client_secret_hash: Nullable<Text> as Option<String>,
        facts: Jsonb as Value,
        capture: Nullable<BigInt> as Option<i64>,
        abandoned: Bool as bool,
        refused: Nullable<Text> as Option<String>,
        closed: Bool as bool,
        sent_details_version: BigInt as i64,
        resume_at: Nullable<Timestamptz> as Option<DateTime<Utc>>,
        resume_count: Integer as i32,
    )
    "UPDATE payments SET payment_intent_id = new.payment_intent_id, \
     checkout_session_id = new.checkout_session_id, client_secret_hash = new.client_secret_hash, \
     facts = new.facts, capture = new.capture, abandoned = new.abandoned, refused = new.refused, closed = new.closed, sent_details_version = new.sent_details_version, resume_at = new.resume_at, \
     resume_count = new.resume_count FROM",
    "AS new (id, payment_intent_id, checkout_session_id, client_secret_hash, facts, capture, abandoned, \
     refused, closed, sent_details_version, resume_at, resume_count) WHERE payments.id = new.id"
}

statement! {
    InsertRefunds of RefundRow (
        id: Text as String,
        order_id: Text as String,
        payment_id: Text as String,
        account: Text as String,
        amount: BigInt as i64,
        currency: Text as String,
        reason: Nullable<Text> as Option<String>,
        cause: Text as String,
        reverse_transfer: Bool as bool,
        refund_application_fee: Bool as bool,
        stripe_refund_id: Nullable<Text> as Option<String>,
        facts: Jsonb as Value,
        refused: Nullable<Text> as Option<String>,
        resume_at: Nullable<Timestamptz> as Option<DateTime<Utc>>,
        resume_count: Integer as i32,
        created_at: Timestamptz as DateTime<Utc>,
        updated_at: Timestamptz as DateTime<Utc>,
    )
    "INSERT INTO refunds (id, order_id, payment_id, account, amount, currency, reason, cause, \
     reverse_transfer, refund_application_fee, stripe_refund_id, facts, refused, resume_at, resume_count, created_at, updated_at) SELECT * FROM", ""
}

statement! {
    UpdateRefunds of RefundRow (
        id: Text as String,
        stripe_refund_id: Nullable<Text> as Option<String>,
        facts: Jsonb as Value,
        refused: Nullable<Text> as Option<String>,
        resume_at: Nullable<Timestamptz> as Option<DateTime<Utc>>,
        resume_count: Integer as i32,
        updated_at: Timestamptz as DateTime<Utc>,
    )
    "UPDATE refunds SET stripe_refund_id = new.stripe_refund_id, facts = new.facts, refused = new.refused, \
     resume_at = new.resume_at, resume_count = new.resume_count, updated_at = new.updated_at FROM",
    "AS new (id, stripe_refund_id, facts, refused, resume_at, resume_count, updated_at) \
     WHERE refunds.id = new.id"
}

statement! {
    InsertDisputes of DisputeRow (
        id: Text as String,
        order_id: Text as String,
        payment_id: Text as String,
        account: Text as String,
        stripe_dispute_id: Text as String,
        facts: Jsonb as Value,
        created_at: Timestamptz as DateTime<Utc>,
        updated_at: Timestamptz as DateTime<Utc>,
    )
    "INSERT INTO disputes (id, order_id, payment_id, account, stripe_dispute_id, facts, created_at, \
     updated_at) SELECT * FROM", ""
}

statement! {
    UpdateDisputes of DisputeRow (
        id: Text as String,
        facts: Jsonb as Value,
        updated_at: Timestamptz as DateTime<Utc>,
    )
    "UPDATE disputes SET facts = new.facts, updated_at = new.updated_at FROM",
    "AS new (id, facts, updated_at) WHERE disputes.id = new.id"
}

statement! {
    InsertDecisions of DecisionRow (
        order_id: Text as String,
        kind: Text as String,
        subject: Text as String,
        created_at: Timestamptz as DateTime<Utc>,
    )
    "INSERT INTO decisions (order_id, kind, subject, created_at) SELECT * FROM", ""
}

statement! {
    InsertOutbox of OutboxRow (
        id: Text as String,
        order_id: Nullable<Text> as Option<String>,
        seller_id: Nullable<Text> as Option<String>,
        kind: Text as &'static str,
        subject: Text as String,
        sequence: BigInt as i64,
        created_at: Timestamptz as DateTime<Utc>,
    )
    "INSERT INTO outbox (id, order_id, seller_id, kind, subject, sequence, created_at) SELECT * FROM",
    "ON CONFLICT DO NOTHING"
}

statement! {
    InsertInbox of InboxRow (
        event_id: Text as String,
        kind: Text as String,
        account: Text as String,
        mode: Text as &'static str,
        created: BigInt as i64,
        payload: Binary as Vec<u8>,
        outcome: Text as &'static str,
        reason: Nullable<Text> as Option<String>,
        order_id: Nullable<Text> as Option<String>,
        received_at: Timestamptz as DateTime<Utc>,
    )
    "INSERT INTO inbox (event_id, kind, account, mode, created, payload, outcome, reason, order_id, \
     received_at) SELECT * FROM",
    "ON CONFLICT DO NOTHING RETURNING event_id"
}

impl Query for InsertInbox {
    type SqlType = Text;
}

/// Writes the changes and inserts the events. Returns the IDs of events that weren't stored before.
///
/// No statement needs another's result, so they are pipelined: sent one after another without waiting. The number of
/// round trips determines the duration of the transaction.
pub(super) async fn write(
    conn: &mut Conn,
    changes: Changes,
    events: Vec<InboxRow>,
) -> Result<HashSet<String>, Error> {
    let conn: &Conn = conn;
    let fresh = async |mut conn: &Conn| match events.len() {
        0 => Ok(Vec::new()),
        _ => InsertInbox::from(events).get_results::<String>(&mut conn).await,
    };
    let returns = changes.marked_orders();
    let ((), (), (), (), (), (), (), (), (), (), fresh) = tokio::try_join!(
        run(conn, UpdatePayments::from, changes.payments),
        run(conn, InsertRefunds::from, changes.new_refunds),
        run(conn, UpdateRefunds::from, changes.refunds),
        run(conn, InsertDisputes::from, changes.new_disputes),
        run(conn, UpdateDisputes::from, changes.disputes),
        run(conn, InsertDecisions::from, changes.decisions),
        run(conn, UpdateOrders::from, changes.orders),
        run(conn, UpdateChecks::from, changes.checks),
        run(conn, MarkOrders::from, returns),
        run(conn, InsertOutbox::from, changes.outbox),
        fresh(conn),
    )?;
    Ok(fresh.into_iter().collect())
}

async fn run<Row, Statement>(
    mut conn: &Conn,
    statement: fn(Vec<Row>) -> Statement,
    rows: Vec<Row>,
) -> QueryResult<()>
where
    Statement: QueryFragment<Pg> + QueryId + Send,
{
    if !rows.is_empty() {
        RunQueryDsl::execute(statement(rows), &mut conn).await?;
    }
    Ok(())
}
