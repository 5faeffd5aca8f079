//! Walking Stripe's list of events, one process at a time.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::super::Database;
use super::super::dialect::for_update;
use super::rows::instant;
use super::schema::{inbox, walks};
use crate::Error;
use crate::model::Walk;

/// The walk of the list of events: the migrations made its row.
const EVENTS: &str = "events";

impl Database {
    pub(crate) async fn claim_walk(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<Walk>, Error> {
        self.write(async |conn| {
            let row = for_update!(walks::table.find(EVENTS).select((walks::seen_until, walks::lease_until)));
            let (seen_until, leased): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
                row.first(conn).await?;
            if leased.is_some_and(|until| until > now) {
                return Ok(None);
            }
            diesel::update(walks::table.find(EVENTS))
                .set(walks::lease_until.eq(Some(instant(lease_until))))
                .execute(conn)
                .await?;
            Ok(Some(Walk { seen_until }))
        })
        .await
    }

    /// It only grows: a slower process does not take back what a faster one has seen.
    pub(crate) async fn walked(&self, seen_until: DateTime<Utc>) -> Result<(), Error> {
        self.write(async |conn| {
            let seen_until = instant(seen_until);
            let earlier = walks::seen_until.is_null().or(walks::seen_until.lt(seen_until));
            diesel::update(walks::table.find(EVENTS).filter(earlier))
                .set(walks::seen_until.eq(Some(seen_until)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn unseen_events(&self, event_ids: Vec<String>) -> Result<HashSet<String>, Error> {
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
