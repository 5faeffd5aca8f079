//! The `quittance` binary as others meet it: over HTTP, by its command line, through crashes and outages, on
//! SQLite and on PostgreSQL, with the sandbox as a process of its own on Stripe's side.

mod account;
mod books;
mod capture;
mod chaos;
mod client;
mod command_line;
#[cfg(feature = "crash-points")]
mod crashes;
mod deliveries;
mod event;
mod expiry;
mod first_minute;
mod front;
mod hang_ups;
mod healing;
mod impostors;
mod kills;
mod leaving;
#[cfg(feature = "crash-points")]
mod money_faults;
mod oauth;
mod operations;
mod outage;
mod outbound;
mod outbound_crashes;
mod payment_flows;
mod process;
mod readiness;
mod receiver;
mod redirect_race;
mod refused_refunds;
mod sandbox_log;
mod sdk;
mod seed;
#[cfg(feature = "crash-points")]
mod seller_crashes;
mod sellers;
mod shop;
mod stock;
mod tally;
mod timeline;
mod vanished;
mod webhooks;
mod world;
