//! Stripe's object of an attempt: how it is read, and how it is recorded.

use quittance_crash_points::CrashPoint;
use quittance_domain::checkout::PaymentFlow;
use quittance_domain::history::Task;
use quittance_domain::id::PaymentId;
use quittance_domain::order::Order;
use quittance_persistence::{AttemptObservations, ObserveOutcome, PendingAttempt};
use quittance_stripe_gateway::{CheckoutSession, Error as StripeError, PaymentIntent};
use secrecy::ExposeSecret;

use crate::Error;
use crate::client_secret::client_secret_hash;
use crate::service::Payments;
use crate::time_limits::now;

/// The Stripe object of an attempt, from a response of Stripe.
pub(crate) enum StripeObject {
    PaymentIntent(Box<PaymentIntent>),
    CheckoutSession(Box<CheckoutSession>),
}

impl StripeObject {
    /// Returns Stripe's request ID.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::PaymentIntent(intent) => intent.request_id.as_deref(),
            Self::CheckoutSession(session) => session.request_id.as_deref(),
        }
    }
}

impl From<PaymentIntent> for StripeObject {
    fn from(intent: PaymentIntent) -> Self {
        Self::PaymentIntent(Box::new(intent))
    }
}

impl From<CheckoutSession> for StripeObject {
    fn from(session: CheckoutSession) -> Self {
        Self::CheckoutSession(Box::new(session))
    }
}

impl Payments {
    /// Reads an attempt's object from Stripe. Returns `None` if it wasn't created yet.
    pub(crate) async fn read_attempt(
        &self,
        work: &PendingAttempt,
    ) -> Result<Option<StripeObject>, StripeError> {
        let account = &work.attempt.expected.account;
        let payment_intent_id = work.attempt.payment_intent_id.as_deref();
        let session_id = work.attempt.checkout_session_id.as_deref();
        match (work.attempt.flow, session_id, payment_intent_id) {
            (PaymentFlow::CheckoutSession, Some(id), _) => {
                self.stripe.retrieve_checkout_session(account, id).await.map(|session| Some(session.into()))
            }
            (PaymentFlow::PaymentIntent, _, Some(id)) => {
                self.stripe.retrieve_payment_intent(account, id).await.map(|intent| Some(intent.into()))
            }
            _ => Ok(None),
        }
    }

    /// Records Stripe's object of an attempt. Returns the order and the attempt's next task. `sent_details_version` is
    /// the `details_version` that this call sent to Stripe.
    pub(crate) async fn record_object(
        &self,
        payment_id: &PaymentId,
        object: &StripeObject,
        sent_details_version: Option<i64>,
    ) -> Result<(Order, Option<Task>), Error> {
        let outcome = match object {
            StripeObject::PaymentIntent(intent) => {
                let secret = intent.client_secret.as_ref();
                let hash = secret.map(|secret| client_secret_hash(secret.expose_secret()));
                let observation = intent.observation.clone();
                self.store
                    .apply_observation(payment_id.clone(), observation, hash, sent_details_version, now())
                    .await?
            }
            StripeObject::CheckoutSession(session) => {
                let observations = AttemptObservations {
                    payment_intent: session.payment_intent.clone(),
                    session: Some(session.observation.clone()),
                    ..AttemptObservations::default()
                };
                self.store.apply_observations(payment_id.clone(), observations, now()).await?
            }
        };
        CrashPoint::ResponseRecorded.reach();
        self.finish_observation(outcome)
    }

    /// Wakes waiting callers after an observation was applied.
    pub(crate) fn finish_observation(&self, outcome: ObserveOutcome) -> Result<(Order, Option<Task>), Error> {
        match outcome {
            ObserveOutcome::Mismatch(mismatch) => Err(Error::PaymentIntentMismatch(mismatch)),
            ObserveOutcome::Merged(order, task) => {
                self.waiters.notify();
                Ok((order, task))
            }
        }
    }
}
