//! The schema and whether it is there.

use diesel::prelude::*;
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AsyncMigrationHarness, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::MigrationHarness;

use super::super::dialect::Db;
use super::super::{Database, MIGRATIONS, NO_TIME_LIMIT};
use super::schema::__diesel_schema_migrations as migrations;
use crate::Error;

/// How often the migrations are begun: of several processes that start at once, one wins and the others find
/// its work done.
const TRIES: usize = 5;

impl Database {
    pub(crate) async fn migrate(&self) -> Result<(), Error> {
        let mut result = self.run_migrations().await;
        for _ in 1..TRIES {
            if result.is_ok() {
                break;
            }
            result = self.run_migrations().await;
        }
        result
    }

    async fn run_migrations(&self) -> Result<(), Error> {
        // Taken out of the pool: it does not come back with the limits that the others have.
        let mut conn = Object::take(self.writer().await?);
        conn.batch_execute(NO_TIME_LIMIT).await?;
        let mut harness = AsyncMigrationHarness::new(conn);
        harness.run_pending_migrations(MIGRATIONS).map(drop).map_err(Error::Migration)
    }

    pub(crate) async fn ready(&self) -> Result<(), Error> {
        let mut conn = self.reader().await?;
        let applied: Vec<String> = migrations::table.select(migrations::version).load(&mut conn).await?;
        if known_versions()?.iter().all(|version| applied.contains(version)) {
            Ok(())
        } else {
            Err(Error::Migration("some have not been run; `quittance migrate` runs them".into()))
        }
    }
}

/// The versions of the migrations that this program knows.
fn known_versions() -> Result<Vec<String>, Error> {
    let known =
        diesel::migration::MigrationSource::<Db>::migrations(&MIGRATIONS).map_err(Error::Migration)?;
    Ok(known.iter().map(|migration| migration.name().version().to_string()).collect())
}
