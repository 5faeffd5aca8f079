//! Stripe's side: requests out, signatures and events in.
//!
//! This is the only room that knows Stripe's field names. What goes out is made by async-stripe's typed
//! request builders and sent by a transport of our own; what comes in, as an event or as the answer to a
//! read, goes through one lenient view per object into the domain's observations, of which
//! [`Observation`](quittance_domain::payment::Observation) is a PaymentIntent's.

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

/// Stripe's API, as one secret key sees it. Cheap to clone; clones share one pool of connections.
#[derive(Clone)]
pub struct Stripe {
    transport: Arc<Transport>,
    mode: Mode,
}

impl Stripe {
    /// Makes the client. Connects to nothing yet.
    pub fn new(config: &StripeConfig) -> Result<Self, ConfigError> {
        let mode = config.mode()?;
        let transport = Arc::new(Transport::new(config)?);
        Ok(Self { transport, mode })
    }

    /// Whether the secret key moves real money.
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
