//! The store: every atomic phase of Quittance, on SQLite and on PostgreSQL.
//!
//! A phase is one call and one transaction, and it runs to its end even if its caller goes away. The queries
//! are written once, in `phases/`, and compiled against both databases: `postgres/` and `sqlite/` each define
//! the words of their dialect and mount the same files. Only what truly differs has a file for each. No other
//! crate knows SQL.

mod error;
mod model;
mod postgres;
mod sqlite;
mod store;

pub use error::Error;
pub use model::*;
pub use store::Store;
