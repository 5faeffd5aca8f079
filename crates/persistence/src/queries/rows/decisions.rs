//! Rows of `decisions`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::history::Decision;
use quittance_domain::id::OrderId;

use super::super::columns::parse;
use super::super::dialect::Db;
use super::super::schema::decisions;
use crate::Error;

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = decisions, check_for_backend(Db))]
pub(crate) struct DecisionRow {
    pub(crate) order_id: String,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// Returns the row of a decision.
pub(crate) fn decision_row(order_id: &OrderId, decision: &Decision, now: DateTime<Utc>) -> DecisionRow {
    let (kind, subject) = match decision {
        Decision::Accepted(payment_id) => ("accepted", payment_id.to_string()),
        Decision::Closed(closure) => ("closed", closure.as_str().to_owned()),
        Decision::RestockAttempted(restock) => ("restocked", restock.as_str().to_owned()),
    };
    DecisionRow { order_id: order_id.to_string(), kind: kind.to_owned(), subject, created_at: now }
}

/// Parses the decision of a row.
pub(crate) fn decision_from_row(row: &DecisionRow) -> Result<Decision, Error> {
    match row.kind.as_str() {
        "accepted" => Ok(Decision::Accepted(parse("decision", &row.subject)?)),
        "closed" => parse("decision", &row.subject).map(Decision::Closed),
        "restocked" => parse("decision", &row.subject).map(Decision::RestockAttempted),
        _ => Err(Error::corrupt("decision", "unknown kind of decision")),
    }
}
