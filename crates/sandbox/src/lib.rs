//! A stateful stand-in for Stripe, for development and tests.
//!
//! It supports PaymentIntents, hosted Checkout, refunds, disputes, connected accounts, test cards, 3D Secure, bank
//! debits and vouchers. It delivers signed webhooks and returns Stripe's errors.
//!
//! Never use real cards or live keys. The sandbox accepts test keys only, rejects card numbers that aren't test
//! numbers, and listens on loopback by default. It shares no code with the service under test, so it is an
//! independent check.
//!
//! # Example
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
//! # Modules
//!
//! Each module imports only modules below it:
//!
//! | module | contents |
//! | --- | --- |
//! | `server` | HTTP server: authentication, account access, idempotency, expansion, injected faults |
//! | `endpoints` | parameters, handlers and routes, one file per resource; the control API |
//! | `pages` | browser pages: hosted Checkout, 3D Secure, onboarding, OAuth, Stripe.js |
//! | `delivery` | background worker: webhook deliveries and timers |
//! | `operations` | changes that span several objects: payments, refunds, disputes, transfers, events |
//! | `state` | all objects, and the transactions that change them |
//! | `objects` | stored objects and their rendering |
//! | `chaos` | fault injection: which call or delivery fails, and how |
//! | `config` | settings |
//! | `http` | form bodies, parameters, errors, pagination |
//! | `storage` | clock, IDs, tables, and the state file |
//! | `test_data` | Stripe's test cards, bank accounts and vouchers |

// Rendered objects exceed the default recursion limit of `json!`.
#![recursion_limit = "256"]

mod chaos;
mod config;
mod delivery;
mod endpoints;
mod http;
mod objects;
mod operations;
mod pages;
mod server;
mod state;
mod storage;
mod test_data;

pub use config::{ChaosConfig, Config, DEFAULT_ACCOUNT, DEFAULT_LISTEN, InvalidWebhookTarget, WebhookTarget};
pub use http::version::API_VERSION;
pub use server::{Error, Handle, Sandbox};
pub use storage::file::StorageError;

/// Returns the method and path of every Stripe endpoint. Paths contain `{id}` and `{child}` placeholders.
pub fn endpoints() -> impl Iterator<Item = (String, &'static str)> {
    let routes = endpoints::routes();
    let of_stripe = routes.filter(|route| !route.path.starts_with("/_sandbox/"));
    of_stripe.map(|route| (route.method.to_string(), route.path))
}
