//! The PostgreSQL types and SQL that the queries use.

pub(super) use diesel::pg::Pg as Db;
pub(super) use diesel::sql_types::{Jsonb as Document, Timestamptz as Instant};
pub(super) use diesel_async::AsyncPgConnection as Conn;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// Locks the rows of a query until the transaction ends.
macro_rules! for_update {
    ($query:expr) => {
        $query.for_update()
    };
}
/// Locks the rows of a query against changes until the transaction ends. Other transactions can still read them.
macro_rules! for_share {
    ($query:expr) => {
        $query.for_share()
    };
}
/// Locks the rows of a query, and skips rows that another transaction has locked.
macro_rules! for_update_skip_locked {
    ($query:expr) => {
        $query.for_update().skip_locked()
    };
}
/// Runs a closure in a transaction.
macro_rules! transaction {
    ($conn:expr, $phase:expr) => {
        diesel_async::AsyncConnection::transaction($conn, $phase)
    };
}
/// Loads the rows of several queries. They are pipelined, so their execution order is undefined.
macro_rules! load_all {
    ($conn:expr, $($query:expr),+ $(,)?) => {{
        let conn: &Conn = $conn;
        tokio::try_join!($(async {
            let mut conn = conn;
            diesel_async::RunQueryDsl::load($query, &mut conn).await
        }),+)
    }};
}
pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Disables the time limit, because migrations may run long.
pub(super) const DISABLE_STATEMENT_TIMEOUT: &str = "SET statement_timeout = 0";

pub(super) use {for_share, for_update, for_update_skip_locked, load_all, transaction};
