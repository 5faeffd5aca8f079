//! Temporary databases, one for each test.

use std::io::Write;
use std::sync::Once;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use quittance_domain::history::{Limits, ReviewRefund};
use quittance_domain::seller::SupportedSellers;
use quittance_persistence::{Store, StoreConfig};
use tempfile::TempDir;
use uuid::Uuid;

/// The environment variable with the URL of the PostgreSQL server for tests.
const SERVER: &str = "TEST_DATABASE_URL";
/// The environment variable that excludes PostgreSQL. Its value must be `1`.
const WITHOUT: &str = "QUITTANCE_WITHOUT_POSTGRES";

/// A supported database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SQLite, in a temporary file.
    Sqlite,
    /// PostgreSQL, in a temporary database on the server of `TEST_DATABASE_URL`.
    Postgres,
}

/// A database for one test. Dropping it deletes the database.
pub struct TestDatabase {
    kind: Kind,
    url: String,
    place: Place,
}

enum Place {
    File(#[allow(dead_code, reason = "dropping it deletes the directory")] TempDir),
    Server { server: String, name: String },
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    value: Option<i64>,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

#[derive(QueryableByName)]
struct Bytes {
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
}

impl TestDatabase {
    /// Creates a database without a schema. Prints a note and returns `None` if PostgreSQL is excluded.
    ///
    /// Panics if no PostgreSQL server is configured and PostgreSQL isn't excluded.
    pub async fn empty(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Sqlite => Some(Self::file()),
            Kind::Postgres => Some(Self::on_server(&server()?).await),
        }
    }

    /// Creates a database with the schema.
    pub async fn migrated(kind: Kind) -> Option<Self> {
        let database = Self::empty(kind).await?;
        let store = database.store().await;
        store.migrate().await.expect("migrations");
        store.close();
        Some(database)
    }

    fn file() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Self { kind: Kind::Sqlite, url, place: Place::File(directory) }
    }

    async fn on_server(server: &str) -> Self {
        let name = format!("quittance_test_{}", Uuid::now_v7().simple());
        administer(server, &format!("CREATE DATABASE {name}")).await;
        Self {
            kind: Kind::Postgres,
            url: with_database(server, &name),
            place: Place::Server { server: server.to_owned(), name },
        }
    }

    /// Returns the kind of database.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns its `DATABASE_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the default configuration of a store. Tests change the fields that they examine.
    #[must_use]
    pub fn config(&self) -> StoreConfig {
        StoreConfig {
            url: self.url.clone(),
            limits: Limits { max_declines: 10, max_open_orders: 20, review_refund: ReviewRefund::Never },
            sellers_supported: SupportedSellers::default(),
            connections: 8,
            wait: Duration::from_secs(20),
        }
    }

    /// Opens a store. Two stores on one PostgreSQL database behave like two processes.
    pub async fn store(&self) -> Store {
        Store::open(self.config()).await.expect("a store")
    }

    /// Runs statements without the store.
    pub async fn execute(&self, sql: &str) {
        match self.kind {
            Kind::Sqlite => self.sqlite().batch_execute(sql).expect(sql),
            Kind::Postgres => self.postgres().await.batch_execute(sql).await.expect(sql),
        }
    }

    /// Returns the number that a query yields, without the store: `select count(*) from orders`.
    pub async fn scalar_i64(&self, sql: &str) -> i64 {
        let query = diesel::sql_query(format!("SELECT CAST(({sql}) AS bigint) AS value"));
        let row: Number = match self.kind {
            Kind::Sqlite => query.get_result(&mut self.sqlite()).expect(sql),
            Kind::Postgres => {
                diesel_async::RunQueryDsl::get_result(query, &mut self.postgres().await).await.expect(sql)
            }
        };
        row.value.unwrap_or_else(|| panic!("no number: {sql}"))
    }

    /// Returns the strings in the column `value` of a query, without the store. Null becomes an empty string.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let query = diesel::sql_query(sql);
        let rows: Vec<Word> = match self.kind {
            Kind::Sqlite => query.load(&mut self.sqlite()).expect(sql),
            Kind::Postgres => {
                diesel_async::RunQueryDsl::load(query, &mut self.postgres().await).await.expect(sql)
            }
        };
        rows.into_iter().map(|row| row.value.unwrap_or_default()).collect()
    }

    /// Returns the payload of an event from the inbox.
    pub async fn payload(&self, event_id: &str) -> Option<Vec<u8>> {
        let sql = format!("SELECT payload AS value FROM inbox WHERE event_id = '{event_id}'");
        let query = diesel::sql_query(sql);
        let rows: Vec<Bytes> = match self.kind {
            Kind::Sqlite => query.load(&mut self.sqlite()).expect("a payload"),
            Kind::Postgres => {
                diesel_async::RunQueryDsl::load(query, &mut self.postgres().await).await.expect("a payload")
            }
        };
        rows.into_iter().next().map(|row| row.value)
    }

    /// Blocks every transaction that stores events from committing, until the lock is released or dropped.
    pub async fn hold_writes(&self) -> OpenTransaction {
        match self.kind {
            // SQLite allows one write transaction per file.
            Kind::Sqlite => self.begin("").await,
            Kind::Postgres => self.begin("LOCK TABLE inbox IN EXCLUSIVE MODE").await,
        }
    }

    /// Begins a transaction without the store, runs these statements, and leaves it open.
    pub async fn begin(&self, sql: &str) -> OpenTransaction {
        let mut transaction = match self.kind {
            Kind::Sqlite => OpenTransaction::Sqlite(self.sqlite()),
            Kind::Postgres => OpenTransaction::Postgres(Box::new(self.postgres().await)),
        };
        let begin = if self.kind == Kind::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" };
        transaction.execute(&format!("{begin}; {sql}")).await;
        transaction
    }

    fn sqlite(&self) -> SqliteConnection {
        let path = self.url.strip_prefix("sqlite://").expect("a file");
        let mut connection = SqliteConnection::establish(path).expect("the file");
        connection.batch_execute("PRAGMA busy_timeout = 20000").expect("a pragma");
        connection
    }

    async fn postgres(&self) -> AsyncPgConnection {
        AsyncPgConnection::establish(&self.url).await.expect("the database")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Server { server, name } = &self.place else { return };
        let (server, sql) = (server.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // A destructor can't wait on the runtime that it runs on.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(administer(&server, &sql));
        });
        let dropped = dropping.join();
        assert!(dropped.is_ok() || std::thread::panicking(), "failed to drop the database {name}");
    }
}

/// A transaction on its own connection. It holds its locks until it is released or dropped.
pub enum OpenTransaction {
    /// A transaction on SQLite.
    Sqlite(SqliteConnection),
    /// A transaction on PostgreSQL.
    Postgres(Box<AsyncPgConnection>),
}

impl OpenTransaction {
    /// Runs more statements in the transaction.
    pub async fn execute(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(sql).expect(sql),
            Self::Postgres(connection) => connection.batch_execute(sql).await.expect(sql),
        }
    }

    /// Rolls the transaction back, which releases its locks.
    pub async fn release(mut self) {
        self.execute("ROLLBACK").await;
    }
}

/// Returns the URL of the PostgreSQL server, or `None` if PostgreSQL is excluded.
fn server() -> Option<String> {
    static SAID: Once = Once::new();
    if let Ok(url) = std::env::var(SERVER) {
        return Some(url);
    }
    assert!(
        std::env::var(WITHOUT).is_ok_and(|value| value == "1"),
        "{SERVER} is not set, so this test can't run on PostgreSQL. `scripts/postgres run cargo test` starts a \
         server; {WITHOUT}=1 skips the tests on PostgreSQL."
    );
    SAID.call_once(|| {
        // The test harness captures `eprintln!` in tests that succeed.
        let line = format!("SKIPPED: the tests on PostgreSQL, because {WITHOUT}=1\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
    None
}

async fn administer(server: &str, sql: &str) {
    let mut connection = AsyncPgConnection::establish(server).await.expect("the server of TEST_DATABASE_URL");
    connection.batch_execute(sql).await.expect(sql);
}

/// Replaces the database in a URL.
fn with_database(server: &str, name: &str) -> String {
    let (place, options) = server.split_once('?').map_or((server, None), |(p, o)| (p, Some(o)));
    let (scheme, rest) = place.split_once("://").expect("a URL");
    let host = rest.split('/').next().unwrap_or_default();
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{scheme}://{host}/{name}{options}")
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn with_database_replaces_database_only() {
        for (server, expected) in [
            ("postgres://u:p@localhost:5432/postgres", "postgres://u:p@localhost:5432/x"),
            ("postgres://localhost", "postgres://localhost/x"),
            ("postgres:///postgres?host=/tmp", "postgres:///x?host=/tmp"),
            ("postgresql://h/a?sslmode=disable", "postgresql://h/x?sslmode=disable"),
        ] {
            assert_eq!(with_database(server, "x"), expected);
        }
    }
}
