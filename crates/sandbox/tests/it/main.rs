//! Tests of the sandbox's HTTP API, webhooks, and persistence across restarts.
#![allow(missing_docs, reason = "test names describe the tests")]

mod support;

mod account_links;
mod accounts;
mod bad_input;
mod balance;
mod capabilities;
mod cards;
mod chaos;
mod checkout;
mod checkout_input;
mod checkout_page;
mod connect_objects;
mod debits;
mod destination_charges;
mod direct_charges;
mod disputes;
mod events;
mod idempotency;
mod lifecycle;
mod lists;
mod oauth;
mod objects;
mod payment_types;
mod platform;
mod products;
mod record;
mod refunds;
mod restart;
mod sdk;
mod stripe_js;
mod three_d_secure;
mod vouchers;
mod webhooks;
