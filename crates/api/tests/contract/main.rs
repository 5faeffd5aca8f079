//! The HTTP contract from the client's view: real HTTP, a real SQLite file, and the sandbox in place of Stripe.

mod app;
mod bad_input;
mod cancel;
mod captures;
mod checkout_sessions;
mod document;
mod edge;
mod events;
mod idempotency;
mod items;
mod marketplace;
mod oauth;
mod orders;
mod payments;
mod permissions;
mod products;
mod refunds;
mod request_schemas;
mod sellers;
mod selling;
mod stock;
mod timeline;
mod webhook;
