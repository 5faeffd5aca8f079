//! Webhook events to your own systems: messages signed according to the Standard Webhooks specification, delivered at
//! least once, and retried.
//!
//! The transaction that changes an order also writes its events. The [`Worker`] creates messages from them, claims
//! deliveries with leases, sends them, and records the attempts. Any number of processes may run a worker.
//!
//! The [`Guard`] decides which addresses may be connected to. It checks the addresses after DNS resolution, for the
//! very connection that is made.
//!
//! ```
//! use quittance_outbound::{Guard, Schemes, UrlError};
//!
//! let guard = Guard::new(Schemes::HttpsOnly, vec!["10.1.0.0/16".parse().unwrap()]);
//!
//! assert!(guard.check_url("https://shop.example/hooks").is_ok());
//! assert!(guard.check_url("https://10.1.2.3/hooks").is_ok(), "the operator allowed this network");
//! assert_eq!(guard.check_url("http://shop.example/hooks"), Err(UrlError::Scheme));
//! assert_eq!(guard.check_url("https://169.254.169.254/"), Err(UrlError::Address));
//! assert_eq!(guard.check_url("https://0x7f.1/"), Err(UrlError::Address), "another notation of 127.0.0.1");
//! ```
//!
//! # Modules
//!
//! Each module imports only modules below it:
//!
//! | module | contents |
//! | --- | --- |
//! | `worker` | publishing, dispatching, recording attempts, housekeeping |
//! | `metrics` | descriptions and updates of metrics |
//! | `sender` | one delivery attempt over HTTP |
//! | `guard` | allowed URLs and addresses, DNS resolution |
//! | `lanes` | concurrency limits per endpoint |
//! | `signature` | signing secrets and signatures |

mod guard;
mod lanes;
mod metrics;
mod sender;
mod signature;
mod worker;

pub use guard::{Guard, Resolver, Schemes, SystemResolver, UrlError};
pub use ipnet::IpNet;
pub use sender::{DeliveryResponse, Sender, SenderError};
pub use signature::{new_secret, sign};
pub use worker::{OutboundConfig, Wakeup, Worker};
