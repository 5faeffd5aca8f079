//! The SQLite types and SQL that the queries use.

pub(super) use diesel::sql_types::{Json as Document, TimestamptzSqlite as Instant};
pub(super) use diesel::sqlite::Sqlite as Db;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(super) type Conn = diesel_async::sync_connection_wrapper::SyncConnectionWrapper<diesel::SqliteConnection>;

/// Does nothing: a write transaction has the whole file to itself.
macro_rules! for_update {
    ($query:expr) => {
        $query
    };
}
/// Does nothing: a write transaction has the whole file to itself.
macro_rules! for_share {
    ($query:expr) => {
        $query
    };
}
/// Does nothing: a write transaction has the whole file to itself.
macro_rules! for_update_skip_locked {
    ($query:expr) => {
        $query
    };
}
/// Runs a closure in a transaction that takes the write lock at the start. A transaction that starts with a read
/// can't wait for the lock later.
macro_rules! transaction {
    ($conn:expr, $phase:expr) => {
        $conn.immediate_transaction($phase)
    };
}
/// Loads the rows of several queries at once, on the thread that holds the connection.
macro_rules! load_all {
    ($conn:expr, $($query:expr),+ $(,)?) => {
        $conn
            .spawn_blocking(move |conn| Ok(($(diesel::RunQueryDsl::load($query, conn)?),+)))
            .await
    };
}
pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// SQLite has no time limit.
pub(super) const DISABLE_STATEMENT_TIMEOUT: &str = "";

pub(super) use {for_share, for_update, for_update_skip_locked, load_all, transaction};
