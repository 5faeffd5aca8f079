//! Every phase, written once. This folder is compiled twice: `super::dialect` is PostgreSQL's or SQLite's.

mod attempts;
mod captures;
mod checks;
mod closing;
mod deliver;
mod event_backfills;
mod events;
mod keys;
mod locked_order;
mod messages;
mod oauth_states;
mod orders;
pub(super) mod outbound_rows;
mod persist;
mod placing;
mod products;
mod publish;
mod recompute;
pub(super) mod refund_rows;
mod refunds;
mod replies;
pub(super) mod rows;
pub(super) mod schema;
mod seller_checks;
mod seller_events;
mod seller_gate;
mod seller_rows;
mod sellers;
mod stock;
mod stripe_accounts;
mod timeline;
mod transaction;
mod upkeep;
mod webhook_endpoints;

pub(super) use persist::Changes;
