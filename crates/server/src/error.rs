//! Errors that stop a command.

use std::io;
use std::path::PathBuf;

/// An error that stops a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{variable} {problem}")]
    Setting { variable: &'static str, problem: String },
    #[error("failed to start the async runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to listen on {address} (QUITTANCE_LISTEN)")]
    Listen {
        address: std::net::SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the HTTP server stopped unexpectedly")]
    Server(#[source] io::Error),
    #[error("failed to run the sandbox (QUITTANCE_SANDBOX_LISTEN)")]
    Sandbox(#[source] quittance_sandbox::Error),
    #[error("failed to register the webhook endpoint with the sandbox")]
    SandboxEndpoint(#[source] quittance_sandbox::InvalidWebhookTarget),
    #[error("failed to use the database (DATABASE_URL)")]
    Database(#[source] quittance_persistence::Error),
    #[error(
        "another process serves {path}, and an SQLite file allows only one server. Stop that process, or set \
         DATABASE_URL to another file or to a PostgreSQL server"
    )]
    DatabaseInUse { path: PathBuf },
    #[error("failed to use the file {path}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to create the HTTP client for webhook messages")]
    Sender(#[source] quittance_outbound::SenderError),
    #[error("failed to set up metrics")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    #[error("failed to read the Stripe account of STRIPE_SECRET_KEY")]
    AccountUnknown(#[source] quittance_stripe_gateway::Error),
    #[error("failed to backfill events from Stripe's event list")]
    EventBackfill(#[from] quittance_webhook::EventBackfillError),
    #[error("failed to reconcile orders")]
    Reconcile(#[from] quittance_payments::Error),
    #[error("no active key has the ID {0}")]
    NoSuchKey(String),
}

impl Error {
    pub(crate) fn setting(variable: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { variable, problem: problem.into() }
    }

    /// Reports a service task that panicked or was aborted.
    pub(crate) fn task(error: tokio::task::JoinError) -> Self {
        Self::Server(io::Error::other(error))
    }
}

impl From<quittance_persistence::Error> for Error {
    fn from(error: quittance_persistence::Error) -> Self {
        Self::Database(error)
    }
}
