//! Connections to a SQLite file: one that writes, and several that read.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quittance_domain::history::Limits;
use quittance_domain::seller::SupportedSellers;

use super::dialect::Conn;
use crate::Error;
use crate::model::{PoolStatus, StoreConfig};

/// The number of connections that read while another one writes.
const READERS: usize = 4;

/// A SQLite file and its connections.
pub(crate) struct Database {
    writer: Pool<Conn>,
    readers: Pool<Conn>,
    wait: Duration,
    pub(super) limits: Limits,
    pub(super) sellers_supported: SupportedSellers,
}

impl Database {
    pub(crate) async fn open(config: &StoreConfig) -> Result<Self, Error> {
        let path = config.url.strip_prefix("sqlite://").unwrap_or_default();
        if path.is_empty() || path == ":memory:" {
            return Err(Error::Url("must name a file: sqlite://PATH".to_owned()));
        }
        let database = Self {
            writer: pool(path, 1, connect_writer)?,
            readers: pool(path, READERS, connect_reader)?,
            wait: config.wait,
            limits: config.limits,
            sellers_supported: config.sellers_supported.clone(),
        };
        // This creates the file, so an unusable path fails at startup.
        drop(database.writer().await?);
        Ok(database)
    }

    pub(super) async fn writer(&self) -> Result<Object<Conn>, Error> {
        self.get(&self.writer).await
    }

    pub(super) async fn reader(&self) -> Result<Object<Conn>, Error> {
        self.get(&self.readers).await
    }

    async fn get(&self, pool: &Pool<Conn>) -> Result<Object<Conn>, Error> {
        match tokio::time::timeout(self.wait, pool.get()).await {
            Ok(connection) => Ok(connection?),
            Err(elapsed) => Err(Error::Unavailable(Box::new(elapsed))),
        }
    }

    pub(crate) fn close(&self) {
        self.writer.close();
        self.readers.close();
    }

    pub(crate) fn pool_status(&self) -> PoolStatus {
        let (writer, readers) = (self.writer.status(), self.readers.status());
        PoolStatus {
            open: writer.size + readers.size,
            idle: writer.available + readers.available,
            waiting: writer.waiting + readers.waiting,
        }
    }
}

type Connect = fn(&str) -> BoxFuture<'_, ConnectionResult<Conn>>;

fn pool(path: &str, size: usize, connect: Connect) -> Result<Pool<Conn>, Error> {
    let mut config = ManagerConfig::default();
    config.custom_setup = Box::new(connect);
    config.recycling_method = RecyclingMethod::Fast;
    let manager = AsyncDieselConnectionManager::new_with_config(path, config);
    Pool::builder(manager).max_size(size).build().map_err(|error| Error::Unavailable(Box::new(error)))
}

fn connect_writer(path: &str) -> BoxFuture<'_, ConnectionResult<Conn>> {
    // FULL: a committed transaction survives a power failure.
    connect(path, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
}

fn connect_reader(path: &str) -> BoxFuture<'_, ConnectionResult<Conn>> {
    connect(path, "PRAGMA query_only = ON;")
}

fn connect<'a>(path: &'a str, pragmas: &'static str) -> BoxFuture<'a, ConnectionResult<Conn>> {
    async move {
        let mut conn = Conn::establish(path).await?;
        // Another process may write briefly, such as `quittance keys create` while the server runs.
        conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;")
            .await
            .map_err(ConnectionError::CouldntSetupConfiguration)?;
        conn.batch_execute(pragmas).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }
    .boxed()
}
