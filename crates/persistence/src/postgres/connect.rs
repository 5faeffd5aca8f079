//! Connections to PostgreSQL.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quittance_domain::history::Limits;
use quittance_domain::seller::SupportedSellers;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;
use crate::model::{PoolStatus, StoreConfig};

/// The time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The idle time before the first keepalive probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// The time after which unacknowledged bytes mean a broken connection.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// The time limits of statements and idle transactions. They only apply if something is stuck.
const TIME_LIMITS: &str = "SET statement_timeout = '15s'; SET idle_in_transaction_session_timeout = '30s'";

/// A PostgreSQL database and its connections.
pub(crate) struct Database {
    pool: Pool<AsyncPgConnection>,
    wait: Duration,
    pub(super) limits: Limits,
    pub(super) sellers_supported: SupportedSellers,
}

impl Database {
    pub(crate) fn open(config: &StoreConfig) -> Result<Self, Error> {
        let mut manager_config = ManagerConfig::default();
        manager_config.custom_setup = Box::new(connect);
        // Don't test connections before each use. An operation notices if the server has closed its connection.
        manager_config.recycling_method = RecyclingMethod::Fast;
        let manager = AsyncDieselConnectionManager::new_with_config(&config.url, manager_config);
        let pool = Pool::builder(manager)
            .max_size(config.connections)
            .build()
            .map_err(|error| Error::Unavailable(Box::new(error)))?;
        Ok(Self {
            pool,
            wait: config.wait,
            limits: config.limits,
            sellers_supported: config.sellers_supported.clone(),
        })
    }

    pub(super) async fn writer(&self) -> Result<Object<AsyncPgConnection>, Error> {
        match tokio::time::timeout(self.wait, self.pool.get()).await {
            Ok(connection) => Ok(connection?),
            Err(elapsed) => Err(Error::Unavailable(Box::new(elapsed))),
        }
    }

    pub(super) async fn reader(&self) -> Result<Object<AsyncPgConnection>, Error> {
        self.writer().await
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }

    pub(crate) fn pool_status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus { open: status.size, idle: status.available, waiting: status.waiting }
    }
}

/// Connects, with TLS if the server offers it or `sslmode=require` demands it. Verifies the server's certificate with
/// the system's root certificates.
fn connect(url: &str) -> BoxFuture<'_, ConnectionResult<AsyncPgConnection>> {
    async move {
        let bad = |error: &dyn std::error::Error| ConnectionError::BadConnection(error.to_string());
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(|error| bad(&error))?
            .with_no_client_auth();
        let mut config: tokio_postgres::Config = url.parse().map_err(|error| bad(&error))?;
        config.connect_timeout(CONNECT_TIMEOUT).keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(SILENCE_MAX);
        let (client, connection) =
            config.connect(MakeRustlsConnect::new(tls)).await.map_err(|error| bad(&error))?;
        let mut conn = AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
        conn.batch_execute(TIME_LIMITS).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }
    .boxed()
}
