//! The store's queries, written once and compiled for both databases.
//!
//! `postgres` and `sqlite` each mount this folder with `#[path]`. The imports below name that database's connections,
//! dialect and batch writes.

mod catalog;
pub(super) mod changes;
mod columns;
mod events;
mod housekeeping;
mod idempotency_keys;
mod orders;
mod outbound;
pub(super) mod rows;
pub(super) mod schema;
mod sellers;
mod transaction;

use super::{Database, batch, dialect, outbound_batch};
