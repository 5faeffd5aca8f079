//! The store on PostgreSQL.

mod batch;
mod connect;
mod outbound;

#[path = "../phases/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the phases are written once and compiled against both databases")]
mod phases;

/// The words in which the phases speak to this database.
mod dialect {
    pub(super) use diesel::pg::Pg as Db;
    pub(super) use diesel::sql_types::{Jsonb as Document, Timestamptz as Instant};
    pub(super) use diesel_async::AsyncPgConnection as Conn;

    /// Locks the rows of a query until the transaction ends.
    macro_rules! for_update {
        ($query:expr) => {
            $query.for_update()
        };
    }
    /// Locks the rows of a query until the transaction ends, beside others who only look at them.
    macro_rules! for_share {
        ($query:expr) => {
            $query.for_share()
        };
    }
    /// Locks the rows of a query, passing over those that another transaction holds.
    macro_rules! for_update_skip_locked {
        ($query:expr) => {
            $query.for_update().skip_locked()
        };
    }
    /// Begins a transaction.
    macro_rules! transaction {
        ($conn:expr, $phase:expr) => {
            diesel_async::AsyncConnection::transaction($conn, $phase)
        };
    }
    /// Loads what several queries find. They are sent one behind the other without waiting (pipelined), because
    /// none needs another's result: in which order they run is not said.
    macro_rules! load_all {
        ($conn:expr, $($query:expr),+ $(,)?) => {{
            let conn: &Conn = $conn;
            tokio::try_join!($(async {
                let mut conn = conn;
                diesel_async::RunQueryDsl::load($query, &mut conn).await
            }),+)
        }};
    }
    pub(super) use {for_share, for_update, for_update_skip_locked, load_all, transaction};
}

pub(crate) use connect::Database;
use connect::{MIGRATIONS, NO_TIME_LIMIT};
