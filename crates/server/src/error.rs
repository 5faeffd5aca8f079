//! Why the program can not go on.

use std::io;
use std::path::PathBuf;

/// Why the program can not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{variable} {problem}")]
    Setting { variable: &'static str, problem: String },
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
    #[error("cannot listen on {address} (QUITTANCE_LISTEN)")]
    Listen {
        address: std::net::SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the server stopped")]
    Server(#[source] io::Error),
    #[error("the sandbox could not be started (QUITTANCE_SANDBOX_LISTEN)")]
    Sandbox(#[source] quittance_sandbox::Error),
    #[error("the sandbox could not be told where events go")]
    SandboxEndpoint(#[source] quittance_sandbox::InvalidWebhookTarget),
    #[error("the database could not be used (DATABASE_URL)")]
    Database(#[source] quittance_persistence::Error),
    #[error(
        "another process serves {path}: one SQLite file has one server. Stop it, or set DATABASE_URL to another \
         file or to a PostgreSQL server"
    )]
    DatabaseInUse { path: PathBuf },
    #[error("{path} could not be used")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("events could not be sent to the shop's own systems")]
    Sender(#[source] quittance_outbound::SenderError),
    #[error("metrics could not be set up")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    #[error("Stripe could not be asked whose key STRIPE_SECRET_KEY is")]
    AccountUnknown(#[source] quittance_stripe_gateway::Error),
    #[error("Stripe's list of events could not be walked")]
    Walk(#[from] quittance_webhook::WalkError),
    #[error("orders could not be reconciled")]
    Reconcile(#[from] quittance_payments::Error),
    #[error("there is no key {0} that could be revoked")]
    NoSuchKey(String),
}

impl Error {
    pub(crate) fn setting(variable: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { variable, problem: problem.into() }
    }

    /// A task of the service has ended by itself.
    pub(crate) fn task(error: tokio::task::JoinError) -> Self {
        Self::Server(io::Error::other(error))
    }
}

impl From<quittance_persistence::Error> for Error {
    fn from(error: quittance_persistence::Error) -> Self {
        Self::Database(error)
    }
}
