//! Secret API keys.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::KeyId;

use super::super::Database;
use super::super::columns::parse;
use super::super::dialect::Db;
use super::super::schema::secret_keys;
use crate::Error;
use crate::model::SecretKey;

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = secret_keys, check_for_backend(Db), treat_none_as_default_value = false)]
struct SecretKeyRow {
    id: String,
    name: String,
    hash: String,
    created_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl SecretKeyRow {
    fn read(self) -> Result<SecretKey, Error> {
        Ok(SecretKey {
            id: parse("key", &self.id)?,
            name: self.name,
            hash: self.hash,
            created_at: self.created_at,
            revoked_at: self.revoked_at,
        })
    }
}

impl Database {
    pub(crate) async fn insert_secret_key(&self, key: SecretKey) -> Result<(), Error> {
        let row = SecretKeyRow {
            id: key.id.to_string(),
            name: key.name,
            hash: key.hash,
            created_at: key.created_at,
            revoked_at: key.revoked_at,
        };
        self.write(async |conn| {
            diesel::insert_into(secret_keys::table)
                .values(row.clone())
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn secret_key_by_hash(&self, hash: String) -> Result<Option<SecretKey>, Error> {
        let mut conn = self.reader().await?;
        secret_keys::table
            .filter(secret_keys::hash.eq(hash))
            .filter(secret_keys::revoked_at.is_null())
            .select(SecretKeyRow::as_select())
            .first(&mut conn)
            .await
            .optional()?
            .map(SecretKeyRow::read)
            .transpose()
    }

    pub(crate) async fn secret_keys(&self) -> Result<Vec<SecretKey>, Error> {
        let mut conn = self.reader().await?;
        let rows: Vec<SecretKeyRow> = secret_keys::table
            .order(secret_keys::id.desc())
            .select(SecretKeyRow::as_select())
            .load(&mut conn)
            .await?;
        rows.into_iter().map(SecretKeyRow::read).collect()
    }

    pub(crate) async fn revoke_secret_key(&self, id: KeyId, now: DateTime<Utc>) -> Result<bool, Error> {
        self.write(async |conn| {
            let revoked = diesel::update(
                secret_keys::table.find(id.as_str()).filter(secret_keys::revoked_at.is_null()),
            )
            .set(secret_keys::revoked_at.eq(now))
            .execute(conn)
            .await?;
            Ok(revoked == 1)
        })
        .await
    }
}
