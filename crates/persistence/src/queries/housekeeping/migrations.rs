//! Running migrations, and checking that they ran.

use diesel::prelude::*;
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AsyncMigrationHarness, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::MigrationHarness;

use super::super::Database;
use super::super::dialect::{DISABLE_STATEMENT_TIMEOUT, Db, MIGRATIONS};
use super::super::schema::__diesel_schema_migrations as migrations;
use crate::Error;

/// The maximum number of tries. If several processes start at once, one migrates, and the others retry and find the
/// work done.
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
        // Take the connection out of the pool, because it loses its time limit.
        let mut conn = Object::take(self.writer().await?);
        conn.batch_execute(DISABLE_STATEMENT_TIMEOUT).await?;
        let mut harness = AsyncMigrationHarness::new(conn);
        harness.run_pending_migrations(MIGRATIONS).map(drop).map_err(Error::Migration)
    }

    pub(crate) async fn ready(&self) -> Result<(), Error> {
        let mut conn = self.reader().await?;
        let applied: Vec<String> = migrations::table.select(migrations::version).load(&mut conn).await?;
        if known_versions()?.iter().all(|version| applied.contains(version)) {
            Ok(())
        } else {
            Err(Error::Migration("some migrations are missing; run `quittance migrate`".into()))
        }
    }
}

/// Returns the versions of this program's migrations.
fn known_versions() -> Result<Vec<String>, Error> {
    let known =
        diesel::migration::MigrationSource::<Db>::migrations(&MIGRATIONS).map_err(Error::Migration)?;
    Ok(known.iter().map(|migration| migration.name().version().to_string()).collect())
}
