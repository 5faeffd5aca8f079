//! The resources of the API. Each file has a resource's types, their documentation, its handlers and its routes.

pub(crate) mod captures;
pub(crate) mod checkout_sessions;
pub(crate) mod config;
pub(crate) mod customer;
pub(crate) mod disputes;
pub(crate) mod enums;
pub(crate) mod events;
pub(crate) mod messages;
pub(crate) mod metadata;
pub(crate) mod operations;
pub(crate) mod orders;
pub(crate) mod payment_intents;
pub(crate) mod payment_lookups;
pub(crate) mod products;
pub(crate) mod refunds;
pub(crate) mod seller_onboarding;
pub(crate) mod sellers;
pub(crate) mod stripe_products;
pub(crate) mod timeline;
pub(crate) mod webhook_endpoints;
pub(crate) mod webhooks;
