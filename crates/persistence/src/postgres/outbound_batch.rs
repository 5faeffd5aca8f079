//! Batch writes of messages and deliveries.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;

use super::batch::statement;
use super::dialect::Conn;
use super::queries::rows::outbound::{AttemptRow, DeliveryResultRow, DeliveryRow, DueDeliveries, MessageRow};
use crate::Error;

statement! {
    InsertMessages of MessageRow (
        id: Text as String,
        order_id: Nullable<Text> as Option<String>,
        seller_id: Nullable<Text> as Option<String>,
        kind: Text as String,
        sequence: Nullable<BigInt> as Option<i64>,
        payload: Text as String,
        created_at: Timestamptz as DateTime<Utc>,
    )
    "INSERT INTO messages (id, order_id, seller_id, kind, sequence, payload, created_at) SELECT * FROM",
    "ON CONFLICT DO NOTHING"
}

statement! {
    InsertDeliveries of DeliveryRow (
        message_id: Text as String,
        endpoint_id: Text as String,
        sequence: Nullable<BigInt> as Option<i64>,
        state: Text as String,
        due_at: Nullable<Timestamptz> as Option<DateTime<Utc>>,
        ordering_key: Nullable<Text> as Option<String>,
        created_at: Timestamptz as DateTime<Utc>,
    )
    "INSERT INTO deliveries (message_id, endpoint_id, sequence, state, due_at, ordering_key, created_at) \
     SELECT * FROM",
    "ON CONFLICT DO NOTHING"
}

statement! {
    EndAttempts of DeliveryResultRow (
        message_id: Text as String,
        endpoint_id: Text as String,
        claim: Text as String,
        state: Text as &'static str,
        due_at: Nullable<Timestamptz> as Option<DateTime<Utc>>,
    )
    "UPDATE deliveries SET state = ended.state, due_at = ended.due_at, attempts = attempts + 1, \
     attempts_since_resend = attempts_since_resend + 1, ordering_key = NULL, claim = NULL, lease_until = NULL FROM",
    "AS ended (message_id, endpoint_id, claim, state, due_at) \
     WHERE deliveries.message_id = ended.message_id AND deliveries.endpoint_id = ended.endpoint_id \
     AND deliveries.claim = ended.claim \
     RETURNING deliveries.message_id, deliveries.endpoint_id, deliveries.attempts"
}

impl Query for EndAttempts {
    type SqlType = (Text, Text, Integer);
}

statement! {
    InsertAttempts of AttemptRow (
        message_id: Text as String,
        endpoint_id: Text as String,
        number: Integer as i32,
        outcome: Text as String,
        status: Nullable<Integer> as Option<i32>,
        answer: Nullable<Text> as Option<String>,
        duration_ms: BigInt as i64,
        at: Timestamptz as DateTime<Utc>,
    )
    "INSERT INTO delivery_attempts (message_id, endpoint_id, number, outcome, status, answer, duration_ms, at) \
     SELECT * FROM",
    ""
}

/// Claims due deliveries of many endpoints in one statement. Skips a delivery while the first attempt of an earlier
/// message with the same ordering key is pending.
#[derive(QueryId)]
struct ClaimDue(DueDeliveries);

impl QueryFragment<Pg> for ClaimDue {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let wanted = &self.0;
        out.push_sql(
            "WITH due AS MATERIALIZED (SELECT found.message_id, wanted.endpoint_id \
             FROM unnest(",
        );
        out.push_bind_param::<Array<Text>, _>(&wanted.endpoint_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&wanted.limits)?;
        out.push_sql(
            ") AS wanted (endpoint_id, capacity) CROSS JOIN LATERAL (SELECT message_id FROM deliveries AS one \
             WHERE one.endpoint_id = wanted.endpoint_id AND one.due_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&wanted.now)?;
        out.push_sql(" AND (one.lease_until IS NULL OR one.lease_until <= ");
        out.push_bind_param::<Timestamptz, _>(&wanted.now)?;
        out.push_sql(
            ") AND NOT EXISTS (SELECT 1 FROM deliveries AS earlier WHERE earlier.endpoint_id = one.endpoint_id \
             AND earlier.ordering_key = one.ordering_key AND (earlier.sequence, earlier.message_id) \
             < (one.sequence, one.message_id)) \
             ORDER BY one.due_at, one.message_id LIMIT wanted.capacity FOR UPDATE SKIP LOCKED) AS found) \
             UPDATE deliveries SET claim = ",
        );
        out.push_bind_param::<Text, _>(&wanted.token)?;
        out.push_sql(", lease_until = ");
        out.push_bind_param::<Timestamptz, _>(&wanted.lease_until)?;
        out.push_sql(
            " FROM due WHERE deliveries.message_id = due.message_id AND deliveries.endpoint_id = due.endpoint_id \
             RETURNING deliveries.message_id, deliveries.endpoint_id, deliveries.attempts_since_resend",
        );
        Ok(())
    }
}

impl Query for ClaimDue {
    type SqlType = (Text, Text, Integer);
}

/// Claims due deliveries. Returns each message ID, endpoint ID, and number of attempts.
pub(super) async fn claim_due(
    conn: &mut Conn,
    wanted: DueDeliveries,
) -> Result<Vec<(String, String, i32)>, Error> {
    let mut taken: Vec<(String, String, i32)> = ClaimDue(wanted).get_results(conn).await?;
    taken.sort_unstable();
    Ok(taken)
}

/// Inserts messages, and deliveries of these or other messages. Keeps existing rows.
pub(super) async fn insert_messages(
    conn: &mut Conn,
    messages: Vec<MessageRow>,
    deliveries: Vec<DeliveryRow>,
) -> Result<(), Error> {
    if !messages.is_empty() {
        RunQueryDsl::execute(InsertMessages::from(messages), conn).await?;
    }
    if !deliveries.is_empty() {
        RunQueryDsl::execute(InsertDeliveries::from(deliveries), conn).await?;
    }
    Ok(())
}

/// Records the results of attempts whose claims are still valid. Returns those, each with its number.
pub(super) async fn end_attempts(
    conn: &mut Conn,
    ended: Vec<DeliveryResultRow>,
) -> Result<Vec<(String, String, i32)>, Error> {
    Ok(EndAttempts::from(ended).get_results(conn).await?)
}

/// Inserts finished attempts.
pub(super) async fn insert_attempts(conn: &mut Conn, attempts: Vec<AttemptRow>) -> Result<(), Error> {
    if !attempts.is_empty() {
        RunQueryDsl::execute(InsertAttempts::from(attempts), conn).await?;
    }
    Ok(())
}
