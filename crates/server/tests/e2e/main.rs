//! End-to-end tests of the `quittance` binary: HTTP, the command line, crashes and outages, on SQLite and PostgreSQL.
//! The sandbox runs as a separate process in Stripe's place.

mod capture;
mod chaos;
mod client;
mod client_disconnects;
mod command_line;
mod crash_loop;
#[cfg(feature = "crash-points")]
mod crashes;
mod deleted_objects;
mod documented_metrics;
mod environment;
mod event;
mod event_order;
mod expiry;
mod forged_metadata;
mod invariants;
#[cfg(feature = "crash-points")]
mod money_faults;
mod oauth;
mod outage;
mod outbound;
mod outbound_crashes;
mod payment_flows;
mod process;
mod quick_start;
mod receiver;
mod recovery;
mod redirect_race;
mod refund_proxy;
mod refused_refunds;
mod sandbox_log;
mod sdk;
mod seed;
#[cfg(feature = "crash-points")]
mod seller_crashes;
mod seller_disconnect;
mod seller_readiness;
mod sellers;
mod stock;
mod storefront;
mod stripe_account;
mod stripe_objects;
mod timeline;
mod webhooks;
