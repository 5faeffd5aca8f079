//! The inbox of verified events.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use quittance_domain::event::EventOutcome;

use super::super::changes::Changes;
use super::super::columns::instant;
use super::super::rows::inbox::InboxRow;
use super::super::schema::inbox;
use super::super::{Database, batch};
use crate::Error;
use crate::model::{Delivery, FailedEvent};

impl Database {
    pub(crate) async fn record_failed_event(&self, delivery: Delivery, reason: String) -> Result<(), Error> {
        self.write(async |conn| {
            let row = inbox_row(&delivery, EventOutcome::Failed, Some(reason.clone()), None);
            batch::write(conn, Changes::default(), vec![row]).await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn failed_events(
        &self,
        after: Option<String>,
        limit: u8,
    ) -> Result<Vec<FailedEvent>, Error> {
        let mut conn = self.reader().await?;
        let rows: Vec<(String, Vec<u8>, DateTime<Utc>)> = inbox::table
            .filter(inbox::outcome.eq(EventOutcome::Failed.as_str()))
            .filter(inbox::event_id.gt(after.unwrap_or_default()))
            .order(inbox::event_id.asc())
            .limit(i64::from(limit))
            .select((inbox::event_id, inbox::payload, inbox::received_at))
            .load(&mut conn)
            .await?;
        let event = |(event_id, payload, received_at): (_, Vec<u8>, _)| FailedEvent {
            event_id,
            payload: payload.into(),
            received_at,
        };
        Ok(rows.into_iter().map(event).collect())
    }

    pub(crate) async fn clear_event_payloads(
        &self,
        before: DateTime<Utc>,
        limit: u16,
    ) -> Result<usize, Error> {
        self.write(async |conn| {
            // The exact condition of the index.
            let to_clear = sql::<Bool>("length(payload) > 0 AND outcome <> 'failed'");
            let old: Vec<String> = inbox::table
                .filter(to_clear)
                .filter(inbox::received_at.lt(instant(before)))
                .order(inbox::received_at.asc())
                .limit(i64::from(limit))
                .select(inbox::event_id)
                .load(conn)
                .await?;
            diesel::update(inbox::table.filter(inbox::event_id.eq_any(&old)))
                .set(inbox::payload.eq(Vec::<u8>::new()))
                .execute(conn)
                .await?;
            Ok(old.len())
        })
        .await
    }

    pub(crate) async fn unknown_events(&self, event_ids: Vec<String>) -> Result<HashSet<String>, Error> {
        let mut conn = self.reader().await?;
        let seen: Vec<String> = inbox::table
            .filter(inbox::event_id.eq_any(&event_ids))
            .select(inbox::event_id)
            .load(&mut conn)
            .await?;
        let seen: HashSet<String> = seen.into_iter().collect();
        Ok(event_ids.into_iter().filter(|id| !seen.contains(id)).collect())
    }
}

pub(super) fn inbox_row(
    delivery: &Delivery,
    outcome: EventOutcome,
    reason: Option<String>,
    order_id: Option<String>,
) -> InboxRow {
    InboxRow {
        event_id: delivery.event.id.clone(),
        kind: delivery.event.kind.clone(),
        account: delivery.event.account.as_str().to_owned(),
        mode: delivery.event.mode.as_str(),
        created: delivery.event.created,
        payload: delivery.payload.to_vec(),
        outcome: outcome.as_str(),
        reason,
        order_id,
        received_at: delivery.received_at,
    }
}
