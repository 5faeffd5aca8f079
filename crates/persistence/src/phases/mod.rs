//! Every phase, written once. This folder is compiled twice: `super::dialect` is PostgreSQL's or SQLite's.

mod attempts;
mod captures;
mod checks;
mod closing;
mod events;
mod keys;
mod ledger;
mod orders;
mod placing;
mod products;
mod recompute;
pub(super) mod refund_rows;
mod refunds;
mod replies;
pub(super) mod rows;
pub(super) mod schema;
mod settling;
mod stock;
mod timeline;
mod transaction;
mod upkeep;
mod walks;

pub(super) use settling::Changes;
