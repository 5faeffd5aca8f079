//! The error type of the store.

use diesel::result::{ConnectionError, DatabaseErrorKind, Error as DieselError};

/// The reason why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database can't be reached, or the commit is uncertain. The caller can retry: every operation is idempotent
    /// or guarded by a key.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The transaction kept losing to concurrent ones, even after retries.
    #[error("the transaction kept conflicting with concurrent ones")]
    Contended(#[source] DieselError),
    /// The database rejected the data. Retrying would fail again.
    #[error("the database rejected the data")]
    Data(#[source] DieselError),
    /// A stored value isn't valid in this version.
    #[error("failed to read a stored {what}")]
    Corrupt {
        /// The kind of object.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The product's seller doesn't exist, or has no Stripe account yet.
    #[error("the seller doesn't exist or has no Stripe account")]
    UnknownSeller,
    /// The request's claim on its idempotency key expired, and another request took it over.
    #[error("another request has taken over this idempotency key")]
    ClaimLost,
    /// The database URL is invalid.
    #[error("DATABASE_URL {0}")]
    Url(String),
    /// The migrations failed, or some are missing.
    #[error("failed to migrate the database")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn corrupt(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt { what, source: source.into() }
    }

    /// Reports whether the data is at fault, so retrying is pointless.
    #[must_use]
    pub fn is_data_error(&self) -> bool {
        matches!(self, Self::Data(_) | Self::Corrupt { .. })
    }

    /// Reports whether the transaction lost to a concurrent one, so an immediate retry may succeed.
    pub(crate) fn is_contention(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Contended(error),
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, info) => match info.message() {
                // PostgreSQL error 40P01. Diesel has no kind for it.
                message if message.contains("deadlock detected") => Self::Contended(error),
                message if is_connection_error(message) => Self::Unavailable(Box::new(error)),
                _ => Self::Data(error),
            },
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager
            | DieselError::RollbackErrorOnCommit { .. }
            | DieselError::AlreadyInTransaction
            | DieselError::NotInTransaction => Self::Unavailable(Box::new(error)),
            _ => Self::Data(error),
        }
    }
}

/// Reports whether a message means that the server is unavailable or overloaded, or that the disk failed.
fn is_connection_error(message: &str) -> bool {
    [
        "connection",
        "terminating",
        "canceling statement",
        "out of memory",
        "the database system is",
        "too many clients",
        "No space left",
        "disk is full",
        "disk I/O error",
        "could not read block",
        "could not write",
        "could not extend file",
        "unable to open database file",
        "read-only",
        "readonly",
        // SQLITE_BUSY: another program still writes after `busy_timeout`.
        "database is locked",
        "no such table",
        "does not exist",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<diesel_async::pooled_connection::deadpool::PoolError> for Error {
    fn from(error: diesel_async::pooled_connection::deadpool::PoolError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
