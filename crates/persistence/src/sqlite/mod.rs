//! The store on SQLite.

mod batch;
mod connect;
mod dialect;
mod outbound_batch;

#[path = "../queries/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the queries are written once and compiled for both databases")]
mod queries;

pub(crate) use connect::Database;
