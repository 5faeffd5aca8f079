//! Rows of `inbox`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::super::schema::inbox;

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = inbox, treat_none_as_default_value = false)]
pub(crate) struct InboxRow {
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) account: String,
    pub(crate) mode: &'static str,
    pub(crate) created: i64,
    pub(crate) payload: Vec<u8>,
    pub(crate) outcome: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) order_id: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
}
