//! The database that is measured on: made for it, and removed after it.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::rows::Dialect;
use crate::{Result, process};

/// Names the server.
const SERVER: &str = "TEST_DATABASE_URL";

/// Settings without which a commit is no promise.
const DURABLE: [&str; 3] = ["fsync", "synchronous_commit", "full_page_writes"];
/// Settings that figures depend on.
const TELLING: [&str; 6] = [
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "commit_delay",
    "autovacuum",
    "default_toast_compression",
];

/// How often is looked whether the service is at rest.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// A database of our own.
pub(crate) enum Database {
    /// On a server.
    Postgres(Box<Postgres>),
    /// In a file.
    Sqlite(Sqlite),
}

pub(crate) struct Postgres {
    /// Connected to the database that `TEST_DATABASE_URL` names, to make and remove ours.
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
struct Number {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

impl Database {
    /// A file in a directory that is removed with this.
    pub(crate) fn file() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("bench.db");
        let url = format!("sqlite://{}", path.display());
        Ok(Self::Sqlite(Sqlite { _directory: directory, path, url }))
    }

    /// A database on the server of `TEST_DATABASE_URL`.
    pub(crate) async fn on_server() -> Result<Self> {
        let server_url = std::env::var(SERVER)
            .map_err(|_| format!("{SERVER} names no PostgreSQL server: `scripts/bench` starts one"))?;
        let server = connect(&server_url.parse()?).await?;
        for name in DURABLE {
            let value = show(&server, name).await?;
            if value != "on" {
                return Err(format!("{name} is {value}: what is measured must be durable").into());
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

    /// How to connect to it, where it is on a server.
    pub(crate) fn config(&self) -> Option<&Config> {
        match self {
            Self::Postgres(postgres) => Some(&postgres.config),
            Self::Sqlite(_) => None,
        }
    }

    /// The server's first process, where it runs here.
    pub(crate) fn postmaster(&self) -> Option<u32> {
        match self {
            Self::Postgres(postgres) => postgres.postmaster,
            Self::Sqlite(_) => None,
        }
    }

    /// What figures depend on.
    pub(crate) async fn settings(&self) -> Result<Vec<(&'static str, String)>> {
        match self {
            Self::Postgres(postgres) => {
                let mut settings = vec![("PostgreSQL", show(&postgres.server, "server_version").await?)];
                for name in DURABLE.into_iter().chain(TELLING) {
                    settings.push((name, show(&postgres.server, name).await?));
                }
                Ok(settings)
            }
            Self::Sqlite(_) => {
                Ok(vec![("SQLite", libsqlite3_sys::SQLITE_VERSION.to_string_lossy().into_owned())])
            }
        }
    }

    /// Places orders with an attempt each, of which the shop's own systems are told already, or not. The service must
    /// have made the tables.
    pub(crate) async fn prepare(&self, orders: Range<usize>, told: bool) -> Result<()> {
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
        self.execute(&dialect.orders(orders, told)).await
    }

    /// How many events to the shop's own systems are no messages yet.
    pub(crate) async fn untold(&self) -> Result<i64> {
        self.number("SELECT count(*) FROM outbox WHERE NOT announced").await
    }

    /// Waits until the service has made messages of all that was written, and then does what the database would do
    /// some day anyway, so that it does not fall into a measurement.
    pub(crate) async fn settle(&self) -> Result<()> {
        while self.untold().await? > 0 {
            tokio::time::sleep(LOOK_PERIOD).await;
        }
        match self {
            Self::Postgres(postgres) => {
                // A VACUUM can not be one of several statements.
                for statement in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
                    postgres.client.batch_execute(statement).await?;
                }
                Ok(())
            }
            Self::Sqlite(_) => self.execute("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)").await,
        }
    }

    /// Checks that every order is paid, and that this is told exactly once of each.
    pub(crate) async fn verify_paid(&self, orders: usize) -> Result<()> {
        let paid = "SELECT count(*) FROM orders WHERE status = 'paid' AND amount_paid = 2500";
        let told = "SELECT count(*) FROM outbox WHERE kind = 'order.paid'";
        let told_of = "SELECT count(DISTINCT order_id) FROM outbox WHERE kind = 'order.paid'";
        let kept = "SELECT count(*) FROM inbox WHERE outcome = 'applied' AND order_id IS NOT NULL";
        let decided = "SELECT count(*) FROM decisions WHERE kind = 'accepted'";
        for query in [paid, told, told_of, kept, decided, "SELECT count(*) FROM orders"] {
            self.verify(query, orders).await?;
        }
        Ok(())
    }

    /// Checks that so many orders were placed beside those that we prepared.
    pub(crate) async fn verify_placed(&self, prepared: usize, placed: usize) -> Result<()> {
        self.verify("SELECT count(*) FROM orders", prepared + placed).await?;
        self.verify("SELECT count(*) FROM outbox WHERE kind = 'order.created'", prepared + placed).await
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
        let found = self.number(query).await?;
        if usize::try_from(found)? == expected {
            Ok(())
        } else {
            Err(format!("{query}: {found}, and not {expected}").into())
        }
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        match self {
            Self::Postgres(postgres) => Ok(postgres.client.batch_execute(sql).await?),
            Self::Sqlite(sqlite) => Ok(sqlite.connect()?.batch_execute(sql)?),
        }
    }

    async fn number(&self, query: &str) -> Result<i64> {
        match self {
            Self::Postgres(postgres) => Ok(postgres.client.query_one(query, &[]).await?.get(0)),
            Self::Sqlite(sqlite) => {
                let query = format!("SELECT ({query}) AS value");
                Ok(diesel::sql_query(query).get_result::<Number>(&mut sqlite.connect()?)?.value)
            }
        }
    }
}

impl Sqlite {
    fn connect(&self) -> Result<SqliteConnection> {
        let mut connection =
            SqliteConnection::establish(self.path.to_str().ok_or("a path that is no text")?)?;
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
    Err(format!("no setting {setting}").into())
}

/// The URL of another database on the same server.
fn with_database(server: &str, name: &str) -> Result<String> {
    let (place, options) =
        server.split_once('?').map_or((server, String::new()), |(p, o)| (p, format!("?{o}")));
    let (scheme, rest) = place.split_once("://").ok_or("TEST_DATABASE_URL is no URL")?;
    let host = rest.split('/').next().unwrap_or_default();
    Ok(format!("{scheme}://{host}/{name}{options}"))
}
