//! The Stripe account that the data belongs to.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::payment::Mode;

use super::super::Database;
use super::super::columns::instant;
use super::super::schema::stripe_accounts as accounts;
use crate::Error;

impl Database {
    /// If several processes bind different accounts at once, one inserts its account, and all read that one.
    pub(crate) async fn bind_stripe_account(
        &self,
        mode: Mode,
        account_id: String,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        self.write(async |conn| {
            diesel::insert_into(accounts::table)
                .values((
                    accounts::mode.eq(mode.as_str()),
                    accounts::account_id.eq(&account_id),
                    accounts::first_seen_at.eq(instant(now)),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            Ok(accounts::table.find(mode.as_str()).select(accounts::account_id).first(conn).await?)
        })
        .await
    }

    pub(crate) async fn stripe_account(&self, mode: Mode) -> Result<Option<String>, Error> {
        let mut conn = self.reader().await?;
        let known = accounts::table.find(mode.as_str()).select(accounts::account_id);
        Ok(known.first(&mut conn).await.optional()?)
    }
}
