//! Use cases: pay, capture, cancel, refund, change an order, wait for news, connect sellers, and heal what a crash or a
//! lost event left open.
//!
//! Each is a chain of atomic phases with calls to Stripe between them: commit the intention, with the
//! idempotency key that Stripe will be given; ask Stripe, outside any transaction; commit its answer. Whatever
//! ends between two of them is found by the [`Worker`], which goes on with the same key. A use case runs as a
//! task of its own, so that a caller who goes away does not stop it half-way.

mod answer;
mod cancel;
mod capture;
mod check;
mod close;
mod error;
mod pay;
mod reconcile;
mod refund;
mod resume;
mod sellers;
mod status;
mod stripe_calls;
mod waiting;
mod worker;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use quittance_crash_points::CrashPoint;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::order::Order;
use quittance_persistence::{ChangeOrderOutcome, OrderChange, Store};
use quittance_stripe_gateway::Stripe;
use tokio::runtime::Handle;

pub use error::{Error, OAuthStateError};
pub use pay::{CheckoutRequest, HostedPage, LivePaymentIntent, client_secret_hash};
pub use quittance_stripe_gateway::{AccountKind, AccountLink, BusinessType, Collection};
pub use reconcile::{ReconcileReport, ReconcileScope};
pub use refund::RefundRequest;
pub use sellers::{
    AccountLinkRequest, Authorization, ConnectSettings, CreatedStripeProduct, OAuthCallback, SellerRequest,
};
pub use status::LookupTimeout;
pub use waiting::OutcomeWaiters;
pub use worker::Worker;

use status::RefreshLimiter;

/// The use cases. Clones share everything.
#[derive(Clone)]
pub struct Payments {
    store: Store,
    stripe: Stripe,
    waiting: OutcomeWaiters,
    refreshes: Arc<RefreshLimiter>,
    connect: Arc<ConnectSettings>,
    runtime: Handle,
}

impl Payments {
    /// The use cases on this store and this Stripe account. `waiting` is told by whoever applies events.
    #[must_use]
    pub fn new(store: Store, stripe: Stripe, waiting: OutcomeWaiters) -> Self {
        Self {
            store,
            stripe,
            waiting,
            refreshes: Arc::new(RefreshLimiter::new()),
            connect: Arc::default(),
            runtime: Handle::current(),
        }
    }

    /// The same, with how sellers are connected. Without it there is no OAuth, and new sellers are charged directly
    /// and without a fee.
    #[must_use]
    pub fn with_connect(self, settings: ConnectSettings) -> Self {
        Self { connect: Arc::new(settings), ..self }
    }

    /// How sellers are connected.
    #[must_use]
    pub fn connect_settings(&self) -> &ConnectSettings {
        &self.connect
    }

    /// Changes what is bought, who buys and where the goods go, and tells Stripe where a PaymentIntent is live.
    ///
    /// New items have another price, so a live attempt is closed at Stripe first; the next one is made for the new
    /// total. Apart from that the change stands once it is committed, whatever Stripe answers: telling it is tried
    /// again.
    pub async fn change_order(&self, change: OrderChange) -> Result<ChangeOrderOutcome, Error> {
        self.detached(async move |payments: Self| {
            for _ in 0..pay::TRIES {
                match payments.store.change_order(change.clone()).await? {
                    ChangeOrderOutcome::CloseFirst(work) => {
                        CrashPoint::AttemptAbandoned.reach();
                        payments.close_for_another(&work).await?;
                    }
                    changed => {
                        CrashPoint::DetailsChanged.reach();
                        if let ChangeOrderOutcome::Done(Order { payment: Some(payment), .. }) = &changed {
                            payments.resume_or_defer(&payment.id).await;
                        }
                        return Ok(changed);
                    }
                }
            }
            Err(Error::OrderClosing)
        })
        .await
    }

    /// Runs a use case as a task of its own on the runtime of the process.
    async fn detached<T, F, Fut>(&self, use_case: F) -> Result<T, Error>
    where
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        self.runtime.spawn(use_case(self.clone())).await.map_err(Error::TaskInterrupted)?
    }
}

fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The fields by which log lines about one attempt are found.
fn span(order_id: &OrderId, payment_id: &PaymentId) -> tracing::Span {
    tracing::info_span!("payment", order.id = %order_id, payment.id = %payment_id)
}
