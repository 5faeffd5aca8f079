//! Every phase, written once. This folder is compiled twice: `super::dialect` is PostgreSQL's or SQLite's.

mod announce;
mod attempts;
mod deliver;
mod events;
mod keys;
mod ledger;
mod messages;
mod orders;
pub(super) mod outbound_rows;
mod products;
mod replies;
pub(super) mod rows;
pub(super) mod schema;
mod transaction;
mod upkeep;
mod webhook_endpoints;

pub(super) use ledger::Changes;
