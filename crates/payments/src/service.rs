//! [`Payments`], which all use cases extend.

use std::sync::Arc;

use quittance_persistence::Store;
use quittance_stripe_gateway::Stripe;
use tokio::runtime::Handle;

use crate::Error;
use crate::connect_settings::ConnectSettings;
use crate::metrics;
use crate::outcome_waiters::OutcomeWaiters;
use crate::refresh_limiter::RefreshLimiter;

/// The use cases. Clones share their state.
#[derive(Clone)]
pub struct Payments {
    pub(crate) store: Store,
    pub(crate) stripe: Stripe,
    pub(crate) waiters: OutcomeWaiters,
    pub(crate) refresh_limiter: Arc<RefreshLimiter>,
    pub(crate) connect: Arc<ConnectSettings>,
    runtime: Handle,
}

impl Payments {
    /// Creates the use cases for a store and a Stripe account. Call [`OutcomeWaiters::notify`] whenever events are
    /// applied.
    #[must_use]
    pub fn new(store: Store, stripe: Stripe, waiters: OutcomeWaiters) -> Self {
        metrics::describe();
        Self {
            store,
            stripe,
            waiters,
            refresh_limiter: Arc::new(RefreshLimiter::new()),
            connect: Arc::default(),
            runtime: Handle::current(),
        }
    }

    /// Sets the terms for sellers. By default, OAuth is unavailable, and new sellers are charged directly and without
    /// a fee.
    #[must_use]
    pub fn with_connect(self, settings: ConnectSettings) -> Self {
        Self { connect: Arc::new(settings), ..self }
    }

    /// Returns the terms for sellers.
    #[must_use]
    pub fn connect_settings(&self) -> &ConnectSettings {
        &self.connect
    }

    /// Runs a use case as its own task on the process's runtime.
    pub(crate) async fn detached<T, F, Fut>(&self, use_case: F) -> Result<T, Error>
    where
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        self.runtime.spawn(use_case(self.clone())).await.map_err(Error::TaskInterrupted)?
    }
}
