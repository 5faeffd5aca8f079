//! Rows of `disputes`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::dispute::{Dispute, DisputeFacts};
use serde_json::Value;

use super::super::columns::{parse, read};
use super::super::dialect::Db;
use super::super::schema::disputes;
use crate::Error;

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = disputes, check_for_backend(Db))]
pub(crate) struct DisputeRow {
    pub(crate) id: String,
    pub(crate) order_id: String,
    pub(crate) payment_id: String,
    pub(crate) account: String,
    pub(crate) stripe_dispute_id: String,
    pub(crate) facts: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl DisputeRow {
    pub(crate) fn dispute(&self) -> Result<Dispute, Error> {
        Ok(Dispute {
            id: parse("dispute", &self.id)?,
            payment_id: parse("dispute", &self.payment_id)?,
            stripe_dispute_id: self.stripe_dispute_id.clone(),
            facts: read::<DisputeFacts>("dispute", self.facts.clone())?,
        })
    }
}
