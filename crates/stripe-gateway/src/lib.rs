//! Calls to Stripe, webhook signatures and Stripe's events.
//!
//! Only this crate contains Stripe's field names. It builds requests with the typed builders of async-stripe
//! and sends them with its own transport. One lenient view for each type of object reads both events and
//! responses. The views return the domain's observations, for example
//! [`Observation`](quittance_domain::payment::Observation) for a PaymentIntent.

mod account;
mod account_link;
mod checkout_session;
mod config;
mod dispute;
mod error;
pub mod event;
mod event_list;
mod list;
mod oauth;
mod payment_intent;
mod product;
mod refund;
mod request;
pub mod signature;
mod transport;
mod view;

use std::fmt;
use std::sync::Arc;

use quittance_domain::payment::Mode;

pub use account::{AccountKind, AccountReply, BusinessType, NewAccount};
pub use account_link::{AccountLink, Collection};
pub use checkout_session::{CheckoutSession, NewCheckoutSession};
pub use config::{ConfigError, StripeConfig};
pub use error::{Error, Refusal};
pub use event_list::{EventPage, ListedEvent};
pub use oauth::OAuthAccount;
pub use payment_intent::{NewPaymentIntent, PaymentDetails, PaymentIntent};
pub use product::StripeProduct;
pub use refund::{NewRefund, RefundReply};
pub use request::FrozenRequest;

use transport::Transport;

/// A client for Stripe's API with one secret key. Clones share one connection pool.
#[derive(Clone)]
pub struct Stripe {
    transport: Arc<Transport>,
    mode: Mode,
}

impl Stripe {
    /// Creates the client. It doesn't connect yet.
    pub fn new(config: &StripeConfig) -> Result<Self, ConfigError> {
        let mode = config.mode()?;
        let transport = Arc::new(Transport::new(config)?);
        Ok(Self { transport, mode })
    }

    /// Returns the mode of the secret key.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe").field("mode", &self.mode).finish_non_exhaustive()
    }
}
