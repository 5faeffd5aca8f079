//! Use cases: accept payments, capture, cancel, refund, change orders, wait for outcomes, connect sellers, and repair
//! the effects of crashes and lost events.
//!
//! Each use case is a sequence of short transactions with calls to Stripe between them. The first transaction records
//! the intention and the idempotency key. Then Stripe is called, outside any transaction. Another transaction records
//! Stripe's response. If the process stops between two steps, the [`Worker`] resumes with the same key.
//!
//! Each use case runs as its own task, so a caller that disconnects doesn't interrupt it.
//!
//! ```
//! use quittance_domain::seller::{ChargeType, FeeTerms};
//! use quittance_payments::{ConnectSettings, client_secret_hash};
//!
//! // New sellers are charged directly and without a fee unless you configure other terms.
//! let settings = ConnectSettings { client_id: Some("ca_123".to_owned()), ..ConnectSettings::default() };
//! assert_eq!(settings.charge_type, ChargeType::default());
//! assert_eq!(settings.fee, FeeTerms::default());
//!
//! // Client secrets are never stored. The hash identifies the customer's browser later.
//! let hash = client_secret_hash("pi_1_secret_abc");
//! assert_eq!(hash.len(), 64, "SHA-256 in hexadecimal");
//! assert_ne!(hash, client_secret_hash("pi_1_secret_abd"));
//! ```
//!
//! # Modules
//!
//! Each module imports only modules below it:
//!
//! | module | contents |
//! | --- | --- |
//! | `recovery` | worker, check of an order against Stripe, reconciliation |
//! | `sellers` | OAuth, account creation, refresh, unlinking |
//! | `orders` | paying, capturing, canceling, refunding, changing, waiting for outcomes |
//! | `attempts` | Stripe calls for one attempt: create, read, capture, close, update |
//! | `service` | [`Payments`] and its tasks |
//! | `outcome_waiters`, `refresh_limiter` | waiting callers, and the rate limit of their reads from Stripe |
//! | `client_secret`, `connect_settings`, `time_limits`, `metrics`, `error` | hashes, terms for sellers, shared limits, metrics, errors |

mod attempts;
mod client_secret;
mod connect_settings;
mod error;
mod metrics;
mod orders;
mod outcome_waiters;
mod recovery;
mod refresh_limiter;
mod sellers;
mod service;
mod time_limits;

pub use client_secret::client_secret_hash;
pub use connect_settings::ConnectSettings;
pub use error::{Error, OAuthStateError, RefusalError};
pub use orders::{CheckoutRequest, HostedPage, LivePaymentIntent, LookupTimeout, RefundRequest};
pub use outcome_waiters::OutcomeWaiters;
pub use quittance_stripe_gateway::{AccountKind, AccountLink, BusinessType, Collection};
pub use recovery::{ReconcileReport, ReconcileScope, Worker};
pub use sellers::{AccountLinkRequest, Authorization, CreatedStripeProduct, OAuthCallback, SellerRequest};
pub use service::Payments;
