//! Rows of `outbox`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::super::schema::outbox;

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = outbox, treat_none_as_default_value = false)]
pub(crate) struct OutboxRow {
    pub(crate) id: String,
    pub(crate) order_id: Option<String>,
    pub(crate) seller_id: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) sequence: i64,
    pub(crate) created_at: DateTime<Utc>,
}
