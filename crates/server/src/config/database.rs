//! Database settings.

use std::path::PathBuf;

use crate::cli::DatabaseArgs;
use crate::error::Error;

/// The database in `DATABASE_URL`.
pub(crate) enum Database {
    /// The path of an SQLite file.
    Sqlite(PathBuf),
    Postgres,
}

impl Database {
    pub(super) fn from_args(args: &DatabaseArgs) -> Result<Self, Error> {
        match args.database_url.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() && path != ":memory:" => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            _ => Err(Error::setting("DATABASE_URL", "must be sqlite://PATH or postgres://…")),
        }
    }

    /// Returns the path of the sandbox's state: next to the SQLite file, or in the working directory.
    pub(crate) fn sandbox_state(&self) -> PathBuf {
        match self {
            Self::Sqlite(path) => path.with_extension("sandbox.db"),
            Self::Postgres => "quittance.sandbox.db".into(),
        }
    }
}
