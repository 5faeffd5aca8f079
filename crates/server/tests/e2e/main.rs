//! The `quittance` binary as others meet it: over HTTP, by its command line, through crashes and outages, on
//! SQLite and on PostgreSQL, with the sandbox as a process of its own on Stripe's side.

mod client;
mod command_line;
#[cfg(feature = "crash-points")]
mod crashes;
mod event;
mod first_minute;
mod hang_ups;
mod kills;
mod outage;
mod outbound;
mod outbound_crashes;
mod process;
mod receiver;
mod redirect_race;
mod sdk;
mod seed;
mod shop;
mod tally;
mod webhooks;
mod world;
