//! Event backfills: one process at a time reads Stripe's list of events.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use quittance_domain::payment::Account;
use quittance_domain::seller::ConnectionStatus;

use super::super::Database;
use super::super::columns::instant;
use super::super::dialect::{Conn, for_update};
use super::super::schema::{event_backfills, payments, sellers};
use crate::Error;
use crate::model::EventBackfill;

/// The name of the backfill of the platform's own events. The migration inserts its row.
const PLATFORM: &str = "events";

/// The prefix of the names of backfills for connected accounts.
const CONNECTED_PREFIX: &str = "events:";

fn name(account: &Account) -> String {
    if *account == Account::own() {
        PLATFORM.to_owned()
    } else {
        format!("{CONNECTED_PREFIX}{}", account.as_str())
    }
}

impl Database {
    pub(crate) async fn claim_event_backfill(
        &self,
        account: Account,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<EventBackfill>, Error> {
        let name = name(&account);
        self.write(async |conn| {
            insert_missing(conn, &name).await?;
            let row = for_update!(
                event_backfills::table
                    .find(&name)
                    .select((event_backfills::seen_until, event_backfills::lease_until))
            );
            let (seen_until, leased): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
                row.first(conn).await?;
            if leased.is_some_and(|until| until > now) {
                return Ok(None);
            }
            diesel::update(event_backfills::table.find(&name))
                .set(event_backfills::lease_until.eq(Some(instant(lease_until))))
                .execute(conn)
                .await?;
            Ok(Some(EventBackfill { seen_until }))
        })
        .await
    }

    /// Only moves forward: a slower process doesn't undo the progress of a faster one.
    pub(crate) async fn record_event_backfill(
        &self,
        account: Account,
        seen_until: DateTime<Utc>,
    ) -> Result<(), Error> {
        let name = name(&account);
        self.write(async |conn| {
            insert_missing(conn, &name).await?;
            let seen_until = instant(seen_until);
            let earlier =
                event_backfills::seen_until.is_null().or(event_backfills::seen_until.lt(seen_until));
            diesel::update(event_backfills::table.find(&name).filter(earlier))
                .set(event_backfills::seen_until.eq(Some(seen_until)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn accounts_due_for_backfill(
        &self,
        limit: u16,
        now: DateTime<Utc>,
    ) -> Result<Vec<Account>, Error> {
        let connected =
            [ConnectionStatus::Connected, ConnectionStatus::Unlinking].map(ConnectionStatus::as_str);
        let mut conn = self.reader().await?;
        let accounts: Vec<String> = sellers::table
            .left_join(
                event_backfills::table.on(event_backfills::name
                    .eq(CONNECTED_PREFIX.into_sql::<Text>().concat(sellers::account_id.assume_not_null()))),
            )
            .filter(sellers::connection_status.eq_any(connected))
            .filter(exists(payments::table.filter(payments::account.nullable().eq(sellers::account_id))))
            .filter(event_backfills::lease_until.is_null().or(event_backfills::lease_until.le(now)))
            .order((
                event_backfills::lease_until.is_not_null().asc(),
                event_backfills::lease_until.asc(),
                sellers::id.asc(),
            ))
            .limit(i64::from(limit))
            .select(sellers::account_id.assume_not_null())
            .load(&mut conn)
            .await?;
        Ok(accounts.into_iter().map(Account::connected).collect())
    }
}

async fn insert_missing(conn: &mut Conn, name: &str) -> Result<(), Error> {
    diesel::insert_into(event_backfills::table)
        .values(event_backfills::name.eq(name))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}
