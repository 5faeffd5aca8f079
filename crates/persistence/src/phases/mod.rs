//! Every phase, written once. This folder is compiled twice: `super::dialect` is PostgreSQL's or SQLite's.

mod attempts;
mod events;
mod keys;
mod ledger;
mod orders;
mod products;
mod replies;
pub(super) mod rows;
pub(super) mod schema;
mod transaction;
mod upkeep;

pub(super) use ledger::Changes;
