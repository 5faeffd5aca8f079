//! Why a phase did not happen.

use diesel::result::{ConnectionError, DatabaseErrorKind, Error as DieselError};

/// Why a phase did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database can not be reached, or it is not known whether the transaction was committed. The same
    /// phase can be tried again: every phase is idempotent or guarded by a key.
    #[error("the database can not be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another transaction won; the phase was tried again as often as is sensible.
    #[error("the database could not serialise concurrent transactions")]
    Contended(#[source] DieselError),
    /// The data can not be stored or read: the same phase would fail again.
    #[error("the database refuses the data")]
    Data(#[source] DieselError),
    /// A stored document is not what this version writes.
    #[error("a stored {what} can not be read")]
    Corrupt {
        /// What was to be read.
        what: &'static str,
        /// Why it could not be.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A product is to be of a seller that there is not, or whose account Stripe has not made.
    #[error("there is no such seller")]
    UnknownSeller,
    /// The request's claim on its idempotency key ran out, and another request took it over.
    #[error("another request with this idempotency key took over")]
    ClaimLost,
    /// The configuration names no database that can be used.
    #[error("DATABASE_URL {0}")]
    Url(String),
    /// The migrations could not be run.
    #[error("the migrations could not be run")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn corrupt(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt { what, source: source.into() }
    }

    /// Whether the data is at fault, so that trying again is in vain.
    #[must_use]
    pub fn is_data_error(&self) -> bool {
        matches!(self, Self::Data(_) | Self::Corrupt { .. })
    }

    /// Whether another transaction was in the way, so that the same phase may succeed at once.
    pub(crate) fn is_contention(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Contended(error),
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, info) => match info.message() {
                // PostgreSQL's 40P01: diesel has no kind of its own for it.
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

/// Messages of a server that goes away, has no room or gives up waiting, and of a disk that does not answer.
fn is_connection_error(message: &str) -> bool {
    [
        "connection",
        "terminating",
        "canceling statement",
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
        // SQLITE_BUSY: another program writes, and `busy_timeout` has been waited for already.
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
