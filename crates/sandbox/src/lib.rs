//! A stateful stand-in for Stripe: PaymentIntents, hosted Checkout, refunds, disputes, connected accounts, test cards,
//! 3D Secure, bank debits, vouchers, signed webhooks, and Stripe's errors, on the machine of a developer or in a test.
//!
//! It is no place for real cards: it takes test keys only, refuses card numbers that are no test numbers, and
//! listens on loopback unless told otherwise. It shares no code with the service that is tested against it,
//! so that it is an independent check.
//!
//! ```no_run
//! use quittance_sandbox::{Config, Sandbox};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::bind(Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() })?;
//! let api_base = sandbox.url();
//! sandbox.handle().register_webhook_endpoint("http://127.0.0.1:8080/webhooks/stripe", "whsec_x")?;
//! sandbox.run(std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The rooms: `routes` takes every request (keys, parameters, idempotency), `resources` has one file per
//! resource, `state` holds all objects and changes them in transactions, `storage` keeps them in a file,
//! `events` records what happened, `delivery` tells the endpoints, `timers` works off what comes due by the clock,
//! and `chaos` lets things go wrong on purpose.

// A rendered object has more fields than `json!` takes by default.
#![recursion_limit = "256"]

mod access;
mod api_error;
mod chaos;
mod clock;
mod config;
mod control;
mod delivery;
mod events;
mod expand;
mod form;
mod idempotency;
mod ids;
mod list;
mod money;
mod pages;
mod params;
mod record;
mod request;
mod resources;
mod routes;
mod server;
mod state;
mod storage;
mod test_banks;
mod test_cards;
mod test_quirks;
mod test_vouchers;
mod timers;

pub use config::{ChaosConfig, Config, DEFAULT_ACCOUNT, DEFAULT_LISTEN, InvalidWebhookTarget, WebhookTarget};
pub use server::{Error, Handle, Sandbox};
pub use storage::StorageError;

/// Every endpoint of Stripe's that there is: its method, and its path with `{id}` and `{child}` for what differs.
pub fn endpoints() -> impl Iterator<Item = (String, &'static str)> {
    let routes = resources::ROUTES.iter().copied().flatten();
    let of_stripe = routes.filter(|route| !route.path.starts_with("/_sandbox/"));
    of_stripe.map(|route| (route.method.to_string(), route.path))
}

/// The version of Stripe's API that objects and events are rendered in.
pub const API_VERSION: &str = "2026-09-30.endive";
