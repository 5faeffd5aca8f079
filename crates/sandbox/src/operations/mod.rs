//! Operations on stored objects: payments, refunds, disputes, transfers, accounts, events and timers.
//!
//! Endpoints, pages and timers call them inside a transaction.

pub(crate) mod account_links;
pub(crate) mod account_lookup;
pub(crate) mod accounts;
pub(crate) mod application_fees;
pub(crate) mod attempts;
pub(crate) mod balance;
pub(crate) mod cancellation;
pub(crate) mod captures;
pub(crate) mod catalog;
pub(crate) mod charges;
pub(crate) mod checkout_completion;
pub(crate) mod checkout_sessions;
pub(crate) mod connect;
pub(crate) mod customers;
pub(crate) mod disputes;
pub(crate) mod events;
pub(crate) mod oauth;
pub(crate) mod payment_methods;
pub(crate) mod payment_outcomes;
pub(crate) mod refunds;
pub(crate) mod settlements;
pub(crate) mod timers;
pub(crate) mod transfers;
pub(crate) mod webhook_endpoints;
