//! Rows of what went back, or may have to.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::dispute::{Dispute, DisputeFacts};
use quittance_domain::refund::{Refund, RefundCause, RefundFacts, RefundTerms};
use serde_json::Value;

use super::super::dialect::Db;
use super::rows::{money, parse, read, word};
use super::schema::{disputes, refunds};
use crate::Error;

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = refunds, check_for_backend(Db), treat_none_as_default_value = false)]
pub(in super::super) struct RefundRow {
    pub(in super::super) id: String,
    pub(in super::super) order_id: String,
    pub(in super::super) payment_id: String,
    pub(in super::super) account: String,
    pub(in super::super) amount: i64,
    pub(in super::super) currency: String,
    pub(in super::super) reason: Option<String>,
    pub(in super::super) cause: String,
    pub(in super::super) reverse_transfer: bool,
    pub(in super::super) refund_application_fee: bool,
    pub(in super::super) stripe_refund_id: Option<String>,
    pub(in super::super) facts: Value,
    pub(in super::super) refused: Option<String>,
    pub(in super::super) redrive_at: Option<DateTime<Utc>>,
    pub(in super::super) redrives: i32,
    pub(in super::super) created_at: DateTime<Utc>,
    pub(in super::super) updated_at: DateTime<Utc>,
}

impl RefundRow {
    pub(in super::super) fn refund(&self) -> Result<Refund, Error> {
        Ok(Refund {
            id: parse("refund", &self.id)?,
            payment_id: parse("refund", &self.payment_id)?,
            amount: money("refund", self.amount, &self.currency)?,
            reason: self.reason.clone(),
            cause: word("refund", RefundCause::from_word(&self.cause))?,
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

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = disputes, check_for_backend(Db))]
pub(in super::super) struct DisputeRow {
    pub(in super::super) id: String,
    pub(in super::super) order_id: String,
    pub(in super::super) payment_id: String,
    pub(in super::super) account: String,
    pub(in super::super) stripe_dispute_id: String,
    pub(in super::super) facts: Value,
    pub(in super::super) created_at: DateTime<Utc>,
    pub(in super::super) updated_at: DateTime<Utc>,
}

impl DisputeRow {
    pub(in super::super) fn dispute(&self) -> Result<Dispute, Error> {
        Ok(Dispute {
            id: parse("dispute", &self.id)?,
            payment_id: parse("dispute", &self.payment_id)?,
            stripe_dispute_id: self.stripe_dispute_id.clone(),
            facts: read::<DisputeFacts>("dispute", self.facts.clone())?,
        })
    }
}
