//! Rows of `payments`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::history::DetailsVersions;
use quittance_domain::id::PaymentId;
use quittance_domain::order::CurrentPayment;
use quittance_domain::payment::{Account, Attempt, ExpectedPayment};
use serde_json::Value;

use super::super::columns::{money, parse, read};
use super::super::dialect::Db;
use super::super::schema::payments;
use crate::Error;

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = payments, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct PaymentRow {
    pub(crate) id: String,
    pub(crate) order_id: String,
    pub(crate) flow: String,
    pub(crate) request_params: String,
    pub(crate) account: String,
    pub(crate) mode: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) application_fee: Option<i64>,
    pub(crate) destination: Option<String>,
    pub(crate) capture_method: String,
    pub(crate) payment_intent_id: Option<String>,
    pub(crate) checkout_session_id: Option<String>,
    pub(crate) client_secret_hash: Option<String>,
    pub(crate) facts: Value,
    pub(crate) capture: Option<i64>,
    pub(crate) abandoned: bool,
    pub(crate) refused: Option<String>,
    pub(crate) closed: bool,
    pub(crate) request: String,
    pub(crate) sent_details_version: i64,
    pub(crate) resume_at: Option<DateTime<Utc>>,
    pub(crate) resume_count: i32,
    pub(crate) created_at: DateTime<Utc>,
}

impl PaymentRow {
    /// Converts the row to an attempt. The caller sets `outdated`, because that depends on the order.
    pub(crate) fn attempt(&self) -> Result<Attempt, Error> {
        Ok(Attempt {
            id: parse::<PaymentId>("payment", &self.id)?,
            flow: parse("payment", &self.flow)?,
            expected: ExpectedPayment {
                account: Account::connected(self.account.clone()),
                mode: parse("payment", &self.mode)?,
                amount: money("payment", self.amount, &self.currency)?,
                application_fee: self.application_fee,
            },
            destination: self.destination.clone(),
            capture_method: parse("payment", &self.capture_method)?,
            payment_intent_id: self.payment_intent_id.clone(),
            checkout_session_id: self.checkout_session_id.clone(),
            facts: read("payment", self.facts.clone())?,
            capture: self.capture,
            abandoned: self.abandoned,
            refused: self.refused.clone(),
            outdated: false,
        })
    }

    pub(crate) fn details(&self, order_details_version: i64) -> DetailsVersions {
        DetailsVersions { current: order_details_version, sent: self.sent_details_version }
    }

    pub(crate) fn current(&self) -> Result<CurrentPayment, Error> {
        let attempt = self.attempt()?;
        Ok(CurrentPayment {
            status: attempt.facts.status(),
            last_failure: attempt.facts.last_failure().cloned(),
            id: attempt.id,
            flow: attempt.flow,
            account: attempt.expected.account,
            payment_intent_id: attempt.payment_intent_id,
            checkout_session_id: attempt.checkout_session_id,
        })
    }
}
