//! What Stripe answers about an attempt, on either rail.

use quittance_crash_points::CrashPoint;
use quittance_domain::checkout::PaymentFlow;
use quittance_domain::history::Task;
use quittance_domain::id::PaymentId;
use quittance_domain::order::Order;
use quittance_persistence::{AttemptObservations, ObserveOutcome, PendingAttempt};
use quittance_stripe_gateway::{CheckoutSession, Error as StripeError, PaymentIntent};
use secrecy::ExposeSecret;

use crate::pay::client_secret_hash;
use crate::{Error, Payments, now};

/// What Stripe answered about an attempt.
pub(crate) enum Answer {
    /// Its PaymentIntent.
    PaymentIntent(Box<PaymentIntent>),
    /// Its Checkout Session.
    Session(Box<CheckoutSession>),
}

impl Answer {
    /// Stripe's id of the request.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::PaymentIntent(answer) => answer.request_id.as_deref(),
            Self::Session(answer) => answer.request_id.as_deref(),
        }
    }
}

impl From<PaymentIntent> for Answer {
    fn from(answer: PaymentIntent) -> Self {
        Self::PaymentIntent(Box::new(answer))
    }
}

impl From<CheckoutSession> for Answer {
    fn from(answer: CheckoutSession) -> Self {
        Self::Session(Box::new(answer))
    }
}

impl Payments {
    /// Reads from Stripe how an attempt stands that was made there.
    pub(crate) async fn read_attempt(&self, work: &PendingAttempt) -> Result<Option<Answer>, StripeError> {
        let account = &work.attempt.expected.account;
        let payment_intent_id = work.attempt.payment_intent_id.as_deref();
        let session_id = work.attempt.checkout_session_id.as_deref();
        match (work.attempt.flow, session_id, payment_intent_id) {
            (PaymentFlow::CheckoutSession, Some(id), _) => {
                self.stripe.retrieve_checkout_session(account, id).await.map(|answer| Some(answer.into()))
            }
            (PaymentFlow::PaymentIntent, _, Some(id)) => {
                self.stripe.retrieve_payment_intent(account, id).await.map(|answer| Some(answer.into()))
            }
            _ => Ok(None),
        }
    }

    /// Takes in what Stripe answered about an attempt; what is left to do for it. `sent_details_version` is the
    /// `details_version` that Stripe was told with this call.
    pub(crate) async fn record(
        &self,
        payment_id: &PaymentId,
        answer: &Answer,
        sent_details_version: Option<i64>,
    ) -> Result<(Order, Option<Task>), Error> {
        let observed = match answer {
            Answer::PaymentIntent(answer) => {
                let secret = answer.client_secret.as_ref();
                let hash = secret.map(|secret| client_secret_hash(secret.expose_secret()));
                let seen = answer.observation.clone();
                self.store
                    .apply_observation(payment_id.clone(), seen, hash, sent_details_version, now())
                    .await?
            }
            Answer::Session(answer) => {
                let findings = AttemptObservations {
                    payment_intent: answer.payment_intent.clone(),
                    session: Some(answer.observation.clone()),
                    ..AttemptObservations::default()
                };
                self.store.apply_observations(payment_id.clone(), findings, now()).await?
            }
        };
        CrashPoint::ResponseRecorded.reach();
        self.taken_in(observed)
    }

    /// What became of an observation; whoever waits for the order hears of it.
    pub(crate) fn taken_in(&self, observed: ObserveOutcome) -> Result<(Order, Option<Task>), Error> {
        match observed {
            ObserveOutcome::Mismatch(mismatch) => Err(Error::PaymentIntentMismatch(mismatch)),
            ObserveOutcome::Merged(order, task) => {
                self.waiting.notify();
                Ok((order, task))
            }
        }
    }
}
