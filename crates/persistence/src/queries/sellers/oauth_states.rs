//! OAuth states. Each is used once, with the binding it was issued for.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::super::Database;
use super::super::columns::instant;
use super::super::schema::oauth_states as states;
use crate::Error;
use crate::model::ConsumeStateOutcome;

impl Database {
    pub(crate) async fn begin_oauth(
        &self,
        state_hash: String,
        binding_hash: String,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write(async |conn| {
            diesel::insert_into(states::table)
                .values((
                    states::state_hash.eq(&state_hash),
                    states::binding_hash.eq(&binding_hash),
                    states::created_at.eq(instant(now)),
                    states::expires_at.eq(instant(expires_at)),
                ))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    /// Uses the state in one statement, so only one of several concurrent callbacks succeeds.
    pub(crate) async fn consume_oauth_state(
        &self,
        state_hash: String,
        binding_hash: String,
        now: DateTime<Utc>,
    ) -> Result<ConsumeStateOutcome, Error> {
        self.write(async |conn| {
            let taken = diesel::update(
                states::table
                    .find(&state_hash)
                    .filter(states::binding_hash.eq(&binding_hash))
                    .filter(states::used_at.is_null())
                    .filter(states::expires_at.gt(now)),
            )
            .set(states::used_at.eq(Some(instant(now))))
            .execute(conn)
            .await?;
            if taken == 1 {
                return Ok(ConsumeStateOutcome::Consumed);
            }
            let found: Option<(String, Option<DateTime<Utc>>)> = states::table
                .find(&state_hash)
                .select((states::binding_hash, states::used_at))
                .first(conn)
                .await
                .optional()?;
            Ok(match found {
                None => ConsumeStateOutcome::Unknown,
                Some((binding, _)) if binding != binding_hash => ConsumeStateOutcome::OtherBinding,
                Some((_, Some(_))) => ConsumeStateOutcome::Used,
                Some((_, None)) => ConsumeStateOutcome::Expired,
            })
        })
        .await
    }

    pub(crate) async fn delete_oauth_states(&self, before: DateTime<Utc>) -> Result<usize, Error> {
        self.write(async |conn| {
            Ok(diesel::delete(states::table.filter(states::expires_at.lt(before))).execute(conn).await?)
        })
        .await
    }
}
