//! The benchmark's database. It is created before the benchmark and dropped at the end.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::seed::Dialect;
use crate::{Result, process};

/// The environment variable with the server's URL.
const SERVER_URL_VARIABLE: &str = "TEST_DATABASE_URL";

/// Settings that make commits durable. The benchmark requires them.
const DURABILITY_SETTINGS: [&str; 3] = ["fsync", "synchronous_commit", "full_page_writes"];
/// Other settings that affect the results.
const REPORTED_SETTINGS: [&str; 6] = [
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "commit_delay",
    "autovacuum",
    "default_toast_compression",
];

/// The interval of checks whether the service has published all events.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A database used only by this benchmark.
pub(crate) enum Database {
    Postgres(Box<Postgres>),
    Sqlite(Sqlite),
}

pub(crate) struct Postgres {
    /// A connection to the database of `TEST_DATABASE_URL`, used to create and drop this one.
    server: Client,
    client: Client,
    config: Config,
    name: String,
    url: String,
    postmaster: Option<u32>,
}

pub(crate) struct Sqlite {
    _directory: TempDir,
    path: PathBuf,
    url: String,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

impl Database {
    /// Creates a SQLite database in a temporary directory.
    pub(crate) fn create_sqlite() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("bench.db");
        let url = format!("sqlite://{}", path.display());
        Ok(Self::Sqlite(Sqlite { _directory: directory, path, url }))
    }

    /// Creates a database on the PostgreSQL server of `TEST_DATABASE_URL`.
    pub(crate) async fn create_postgres() -> Result<Self> {
        let server_url = std::env::var(SERVER_URL_VARIABLE).map_err(|_| {
            format!("{SERVER_URL_VARIABLE} is not set; run `scripts/bench` to start a server")
        })?;
        let server = connect(&server_url.parse()?).await?;
        for name in DURABILITY_SETTINGS {
            let value = show(&server, name).await?;
            if value != "on" {
                return Err(format!(
                    "{name} is {value}, but the benchmark requires durable commits: set it to on"
                )
                .into());
            }
        }
        let backend: i32 = server.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        let name = format!("quittance_bench_{}", std::process::id());
        server.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let url = with_database(&server_url, &name)?;
        let config: Config = url.parse()?;
        let client = connect(&config).await?;
        let postmaster = process::postmaster_of(u32::try_from(backend)?);
        Ok(Self::Postgres(Box::new(Postgres { server, client, config, name, url, postmaster })))
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Postgres(postgres) => &postgres.url,
            Self::Sqlite(sqlite) => &sqlite.url,
        }
    }

    /// Returns how to connect to PostgreSQL, or `None` for SQLite.
    pub(crate) fn config(&self) -> Option<&Config> {
        match self {
            Self::Postgres(postgres) => Some(&postgres.config),
            Self::Sqlite(_) => None,
        }
    }

    /// Returns the PostgreSQL server's main process, if it runs on this machine.
    pub(crate) fn postmaster(&self) -> Option<u32> {
        match self {
            Self::Postgres(postgres) => postgres.postmaster,
            Self::Sqlite(_) => None,
        }
    }

    /// Returns the database version and the settings that affect the results.
    pub(crate) async fn settings(&self) -> Result<Vec<(&'static str, String)>> {
        match self {
            Self::Postgres(postgres) => {
                let mut settings = vec![("PostgreSQL", show(&postgres.server, "server_version").await?)];
                for name in DURABILITY_SETTINGS.into_iter().chain(REPORTED_SETTINGS) {
                    settings.push((name, show(&postgres.server, name).await?));
                }
                Ok(settings)
            }
            Self::Sqlite(_) => {
                Ok(vec![("SQLite", libsqlite3_sys::SQLITE_VERSION.to_string_lossy().into_owned())])
            }
        }
    }

    /// Seeds orders with an attempt each. `published` says if their `order.created` events are already published.
    /// The service must have created the tables.
    pub(crate) async fn seed(&self, orders: Range<usize>, published: bool) -> Result<()> {
        let dialect = match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        };
        if orders.start == 0 {
            self.execute(&dialect.product()).await?;
        }
        if orders.is_empty() {
            return Ok(());
        }
        self.execute(&dialect.orders(orders, published)).await
    }

    /// Returns the number of events that the service hasn't published as messages yet.
    pub(crate) async fn unpublished_events(&self) -> Result<i64> {
        self.count("SELECT count(*) FROM outbox WHERE NOT published").await
    }

    /// Waits until the service has published all events. Then runs the database's maintenance, so that it doesn't
    /// start during a measurement.
    pub(crate) async fn drain_and_vacuum(&self) -> Result<()> {
        while self.unpublished_events().await? > 0 {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        match self {
            Self::Postgres(postgres) => {
                // VACUUM can't run in a multi-statement query.
                for statement in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
                    postgres.client.batch_execute(statement).await?;
                }
                Ok(())
            }
            Self::Sqlite(_) => self.execute("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)").await,
        }
    }

    /// Checks that every order is paid, with exactly one `order.paid` event.
    pub(crate) async fn verify_paid(&self, orders: usize) -> Result<()> {
        let paid = "SELECT count(*) FROM orders WHERE status = 'paid' AND amount_paid = 2500";
        let events = "SELECT count(*) FROM outbox WHERE kind = 'order.paid'";
        let orders_with_event = "SELECT count(DISTINCT order_id) FROM outbox WHERE kind = 'order.paid'";
        let applied = "SELECT count(*) FROM inbox WHERE outcome = 'applied' AND order_id IS NOT NULL";
        let decided = "SELECT count(*) FROM decisions WHERE kind = 'accepted'";
        for query in [paid, events, orders_with_event, applied, decided, "SELECT count(*) FROM orders"] {
            self.verify(query, orders).await?;
        }
        Ok(())
    }

    /// Checks the number of placed orders, in addition to the seeded ones.
    pub(crate) async fn verify_placed(&self, seeded: usize, placed: usize) -> Result<()> {
        self.verify("SELECT count(*) FROM orders", seeded + placed).await?;
        self.verify("SELECT count(*) FROM outbox WHERE kind = 'order.created'", seeded + placed).await
    }

    pub(crate) async fn remove(self) -> Result<()> {
        if let Self::Postgres(postgres) = self {
            let Postgres { server, client, name, .. } = *postgres;
            drop(client);
            server.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        }
        Ok(())
    }

    async fn verify(&self, query: &str, expected: usize) -> Result<()> {
        let actual = self.count(query).await?;
        if usize::try_from(actual)? == expected {
            Ok(())
        } else {
            Err(format!("{query}: expected {expected}, got {actual}").into())
        }
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        match self {
            Self::Postgres(postgres) => Ok(postgres.client.batch_execute(sql).await?),
            Self::Sqlite(sqlite) => Ok(sqlite.connect()?.batch_execute(sql)?),
        }
    }

    async fn count(&self, query: &str) -> Result<i64> {
        match self {
            Self::Postgres(postgres) => Ok(postgres.client.query_one(query, &[]).await?.get(0)),
            Self::Sqlite(sqlite) => {
                let query = format!("SELECT ({query}) AS value");
                Ok(diesel::sql_query(query).get_result::<CountRow>(&mut sqlite.connect()?)?.value)
            }
        }
    }
}

impl Sqlite {
    fn connect(&self) -> Result<SqliteConnection> {
        let mut connection =
            SqliteConnection::establish(self.path.to_str().ok_or("the temporary path is not valid UTF-8")?)?;
        connection.batch_execute("PRAGMA busy_timeout = 20000; PRAGMA foreign_keys = ON")?;
        Ok(connection)
    }
}

async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn show(client: &Client, setting: &str) -> Result<String> {
    for message in client.simple_query(&format!("SHOW {setting}")).await? {
        if let SimpleQueryMessage::Row(row) = message {
            return Ok(row.get(0).unwrap_or_default().to_owned());
        }
    }
    Err(format!("PostgreSQL has no setting {setting}").into())
}

/// Returns the URL of another database on the same server.
fn with_database(server: &str, name: &str) -> Result<String> {
    let (base, options) =
        server.split_once('?').map_or((server, String::new()), |(p, o)| (p, format!("?{o}")));
    let (scheme, rest) = base.split_once("://").ok_or("TEST_DATABASE_URL is not a URL")?;
    let host = rest.split('/').next().unwrap_or_default();
    Ok(format!("{scheme}://{host}/{name}{options}"))
}
