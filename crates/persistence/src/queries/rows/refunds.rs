//! Rows of `refunds`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::refund::{Refund, RefundFacts, RefundTerms};
use serde_json::Value;

use super::super::columns::{money, parse, read};
use super::super::dialect::Db;
use super::super::schema::refunds;
use crate::Error;

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = refunds, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct RefundRow {
    pub(crate) id: String,
    pub(crate) order_id: String,
    pub(crate) payment_id: String,
    pub(crate) account: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reason: Option<String>,
    pub(crate) cause: String,
    pub(crate) reverse_transfer: bool,
    pub(crate) refund_application_fee: bool,
    pub(crate) stripe_refund_id: Option<String>,
    pub(crate) facts: Value,
    pub(crate) refused: Option<String>,
    pub(crate) resume_at: Option<DateTime<Utc>>,
    pub(crate) resume_count: i32,
    pub(crate) key_number: i32,
    pub(crate) key_since: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl RefundRow {
    pub(crate) fn refund(&self) -> Result<Refund, Error> {
        Ok(Refund {
            id: parse("refund", &self.id)?,
            payment_id: parse("refund", &self.payment_id)?,
            amount: money("refund", self.amount, &self.currency)?,
            reason: self.reason.clone(),
            cause: parse("refund", &self.cause)?,
            terms: RefundTerms {
                reverse_transfer: self.reverse_transfer,
                refund_application_fee: self.refund_application_fee,
            },
            stripe_refund_id: self.stripe_refund_id.clone(),
            facts: read::<RefundFacts>("refund", self.facts.clone())?,
            refused: self.refused.clone(),
        })
    }
}
