//! Creates the Stripe object of a recorded attempt.

use quittance_crash_points::CrashPoint;
use quittance_domain::checkout::PaymentFlow;
use quittance_persistence::PendingAttempt;
use quittance_stripe_gateway::{Error as StripeError, FrozenRequest};

use super::StripeObject;
use crate::Error;
use crate::error::RefusalError;
use crate::service::Payments;
use crate::time_limits::{CLOCK_SKEW_MAX, KEY_AGE_MAX, now};

impl Payments {
    /// Creates the attempt's PaymentIntent or Checkout Session, or finds an existing one.
    ///
    /// The recorded request can be repeated with its key, because Stripe returns the object of the first request. If
    /// Stripe may have forgotten the key, or its response leaves the result open, the object is looked up instead. If
    /// it doesn't exist, the attempt is refused. The next attempt has a different key.
    pub(crate) async fn create_attempt(&self, work: &PendingAttempt) -> Result<StripeObject, Error> {
        let request: FrozenRequest = serde_json::from_str(&work.request)
            .map_err(|_| Error::Stripe(StripeError::Unsendable("the recorded request")))?;
        if now() - work.recorded_at >= KEY_AGE_MAX {
            return self.find_attempt(work, "key_expired").await;
        }
        match self.send_attempt(work, &request).await {
            Ok(object) => {
                CrashPoint::AttemptCreated.reach();
                Ok(object)
            }
            Err(StripeError::Unavailable { replayed: true, .. }) => {
                self.find_attempt(work, "stripe_error").await
            }
            Err(StripeError::Refused(refusal)) if refusal.is_idempotency_mismatch() => {
                self.find_attempt(work, "idempotency_mismatch").await
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_key_error() => {
                let reason = refusal.code.clone().unwrap_or_else(|| refusal.status.to_string());
                self.store.refuse_attempt(work.attempt.id.clone(), reason, now()).await?;
                Err(Error::StripeRefusal(RefusalError(refusal)))
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    async fn send_attempt(
        &self,
        work: &PendingAttempt,
        request: &FrozenRequest,
    ) -> Result<StripeObject, StripeError> {
        let (operation, result) = match work.attempt.flow {
            PaymentFlow::PaymentIntent => (
                "payment_intents.create",
                self.stripe.create_payment_intent(request).await.map(StripeObject::from),
            ),
            PaymentFlow::CheckoutSession => (
                "checkout.sessions.create",
                self.stripe.create_checkout_session(request).await.map(StripeObject::from),
            ),
        };
        let outcome = result.as_ref().map(StripeObject::request_id);
        self.record_call(&work.order_id, work.attempt.id.as_str(), operation, outcome).await;
        result
    }

    /// Looks up the attempt's object at Stripe. If it doesn't exist, the attempt is refused for this reason.
    async fn find_attempt(&self, work: &PendingAttempt, reason: &str) -> Result<StripeObject, Error> {
        let account = &work.attempt.expected.account;
        let since = work.recorded_at - CLOCK_SKEW_MAX;
        let id = &work.attempt.id;
        let found = match work.attempt.flow {
            PaymentFlow::PaymentIntent => {
                self.stripe.find_payment_intent(account, id, since).await?.map(StripeObject::from)
            }
            PaymentFlow::CheckoutSession => {
                self.stripe.find_checkout_session(account, id, since).await?.map(StripeObject::from)
            }
        };
        if let Some(object) = found {
            return Ok(object);
        }
        self.store.refuse_attempt(id.clone(), reason.to_owned(), now()).await?;
        tracing::warn!(reason, "failed to find the payment at Stripe; the attempt is refused");
        Err(Error::Stripe(StripeError::Unavailable {
            status: None,
            code: None,
            request_id: None,
            replayed: true,
            source: None,
        }))
    }
}
