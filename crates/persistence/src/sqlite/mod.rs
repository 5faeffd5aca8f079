//! The store on an embedded SQLite file.

mod batch;
mod connect;
mod outbound;

#[path = "../phases/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the phases are written once and compiled against both databases")]
mod phases;

/// The words in which the phases speak to this database.
mod dialect {
    pub(super) use diesel::sql_types::{Json as Document, TimestamptzSqlite as Instant};
    pub(super) use diesel::sqlite::Sqlite as Db;
    pub(super) type Conn =
        diesel_async::sync_connection_wrapper::SyncConnectionWrapper<diesel::SqliteConnection>;

    /// A write transaction has the whole file to itself.
    macro_rules! for_update {
        ($query:expr) => {
            $query
        };
    }
    /// A write transaction has the whole file to itself.
    macro_rules! for_share {
        ($query:expr) => {
            $query
        };
    }
    /// A write transaction has the whole file to itself.
    macro_rules! for_update_skip_locked {
        ($query:expr) => {
            $query
        };
    }
    /// Begins a transaction that takes the write lock at once: one that begins by reading could not wait for it.
    macro_rules! transaction {
        ($conn:expr, $phase:expr) => {
            $conn.immediate_transaction($phase)
        };
    }
    /// Loads what several queries find, in one go on the thread that holds the connection.
    macro_rules! load_all {
        ($conn:expr, $($query:expr),+ $(,)?) => {
            $conn
                .spawn_blocking(move |conn| Ok(($(diesel::RunQueryDsl::load($query, conn)?),+)))
                .await
        };
    }
    pub(super) use {for_share, for_update, for_update_skip_locked, load_all, transaction};
}

pub(crate) use connect::Database;
use connect::{MIGRATIONS, NO_TIME_LIMIT};
