//! Tests of the gateway against a local server: requests, responses and events.

mod account_links;
mod accounts;
mod calls;
mod checkout_sessions;
mod disputes;
mod event_lists;
mod events;
mod failures;
mod oauth;
mod products;
mod refunds;
mod seller_events;
mod signatures;
mod stand_in;
