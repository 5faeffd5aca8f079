//! Doing at Stripe what is left to do for an attempt, by whoever comes first: the request that asked for it, or
//! the worker after a crash.

use chrono::Duration;
use quittance_crash_points::CrashPoint;
use quittance_domain::checkout::PaymentFlow;
use quittance_domain::history::Task;
use quittance_domain::id::PaymentId;
use quittance_persistence::PendingAttempt;
use quittance_stripe_gateway::{Error as StripeError, FrozenRequest, PaymentDetails};
use tracing::Instrument;
use uuid::Uuid;

use crate::answer::Answer;
use crate::error::RefusalError;
use crate::{Error, Payments, now, span};

/// Stripe may forget an idempotency key after 24 hours; from this age on, a request is not sent again but looked
/// up. The hour between is for a request that is on its way.
pub(crate) const KEY_AGE_MAX: Duration = Duration::hours(23);

/// How far our clock may be ahead of Stripe's when something is looked up by its age.
pub(crate) const CLOCK_SKEW_MAX: Duration = Duration::minutes(10);

/// Why an attempt or a refund came to nothing whose account is out of our reach.
pub(crate) const UNREACHABLE: &str = "seller_disconnected";

/// Why an attempt came to nothing that Stripe has no more.
const DELETED: &str = "deleted_at_stripe";

/// How many things can follow from each other for one attempt: make it, tell details, close it, and one spare.
const STEPS_MAX: usize = 4;

impl Payments {
    /// Does what is left to do for an attempt. An error leaves the rest to the worker.
    pub(crate) async fn resume(&self, payment_id: &PaymentId) -> Result<(), Error> {
        for _ in 0..STEPS_MAX {
            let Some(work) = self.store.attempt(payment_id.clone()).await? else { return Ok(()) };
            let Some(task) = work.task else { return Ok(()) };
            let step = async {
                match task {
                    Task::Create => self.create(&work).await,
                    Task::Capture => self.take(&work).await,
                    Task::Close => self.close(&work).await,
                    Task::Refresh => self.refresh_attempt(&work).await,
                    Task::UpdateDetails => self.update_details(&work).await,
                }
            };
            match step.instrument(span(&work.order_id, &work.attempt.id)).await {
                Err(error) if error.is_out_of_reach(&work.attempt) => {
                    self.mark_unreachable(&work, &error).await?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Gives an attempt up that lives on an account which Stripe lets us use no more, or that was deleted: nobody can be
    /// told to pay with it, and nothing of it can be closed. What is heard of it later counts all the same.
    pub(crate) async fn mark_unreachable(&self, work: &PendingAttempt, error: &Error) -> Result<(), Error> {
        let (reason, what) = if error.is_deleted_at_stripe(&work.attempt) {
            (DELETED, "Stripe has this payment no more, as if its test data had been deleted")
        } else {
            (UNREACHABLE, "The connected account of this payment is out of reach")
        };
        tracing::warn!(
            order.id = %work.order_id,
            payment.id = %work.attempt.id,
            "{what}; the payment is given up."
        );
        self.store.mark_attempt_unreachable(work.attempt.id.clone(), reason.to_owned(), now()).await?;
        self.waiting.notify();
        Ok(())
    }

    /// As [`Self::drive`], for callers whose own work stands whatever Stripe answers now.
    pub(crate) async fn resume_or_defer(&self, payment_id: &PaymentId) {
        if let Err(error) = self.resume(payment_id).await {
            tracing::warn!(
                payment.id = %payment_id,
                error = &error as &dyn std::error::Error,
                "Stripe was not told what it has to know of this payment; the worker will tell it."
            );
        }
    }

    async fn create(&self, work: &PendingAttempt) -> Result<(), Error> {
        let answer = self.make(work).await?;
        self.record(&work.attempt.id, &answer, None).await?;
        Ok(())
    }

    /// Makes the attempt's PaymentIntent or Checkout Session, or finds the one that was made.
    ///
    /// The recorded request is sent with its key as often as it takes: Stripe answers a repetition with what the
    /// first one made. Where a repetition can not be trusted any more, it is looked for, and only if there is none
    /// is the attempt given up; a new one has a key of its own.
    pub(crate) async fn make(&self, work: &PendingAttempt) -> Result<Answer, Error> {
        let request: FrozenRequest = serde_json::from_str(&work.request)
            .map_err(|_| Error::Stripe(StripeError::Unsendable("the recorded request")))?;
        if now() - work.recorded_at >= KEY_AGE_MAX {
            return self.find(work, "key_expired").await;
        }
        match self.send(work, &request).await {
            Ok(answer) => {
                CrashPoint::AttemptCreated.reach();
                Ok(answer)
            }
            Err(StripeError::Unavailable { replayed: true, .. }) => self.find(work, "stripe_error").await,
            Err(StripeError::Refused(refusal)) if refusal.is_idempotency_mismatch() => {
                self.find(work, "idempotency_mismatch").await
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_about_the_key() => {
                let reason = refusal.code.clone().unwrap_or_else(|| refusal.status.to_string());
                self.store.refuse_attempt(work.attempt.id.clone(), reason, now()).await?;
                Err(Error::StripeRefusal(RefusalError(refusal)))
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    async fn send(&self, work: &PendingAttempt, request: &FrozenRequest) -> Result<Answer, StripeError> {
        let (operation, result) = match work.attempt.flow {
            PaymentFlow::PaymentIntent => {
                ("payment_intents.create", self.stripe.create_payment_intent(request).await.map(Answer::from))
            }
            PaymentFlow::CheckoutSession => (
                "checkout.sessions.create",
                self.stripe.create_checkout_session(request).await.map(Answer::from),
            ),
        };
        let outcome = result.as_ref().map(Answer::request_id);
        self.note(&work.order_id, work.attempt.id.as_str(), operation, outcome).await;
        result
    }

    async fn find(&self, work: &PendingAttempt, if_none: &str) -> Result<Answer, Error> {
        let account = &work.attempt.expected.account;
        let since = work.recorded_at - CLOCK_SKEW_MAX;
        let id = &work.attempt.id;
        let found = match work.attempt.flow {
            PaymentFlow::PaymentIntent => {
                self.stripe.find_payment_intent(account, id, since).await?.map(Answer::from)
            }
            PaymentFlow::CheckoutSession => {
                self.stripe.find_checkout_session(account, id, since).await?.map(Answer::from)
            }
        };
        if let Some(answer) = found {
            return Ok(answer);
        }
        self.store.refuse_attempt(id.clone(), if_none.to_owned(), now()).await?;
        tracing::warn!("Stripe has made nothing for this attempt ({if_none}); it is given up.");
        Err(Error::Stripe(StripeError::Unavailable {
            status: None,
            code: None,
            request_id: None,
            replayed: true,
            source: None,
        }))
    }

    /// Reads what Stripe has told us of in part.
    async fn refresh_attempt(&self, work: &PendingAttempt) -> Result<(), Error> {
        if let Some(answer) = self.read_attempt(work).await? {
            self.record(&work.attempt.id, &answer, None).await?;
        }
        Ok(())
    }

    async fn update_details(&self, work: &PendingAttempt) -> Result<(), Error> {
        let Some(id) = &work.attempt.payment_intent_id else { return Ok(()) };
        let details =
            PaymentDetails { receipt_email: work.customer.email.clone(), shipping: work.shipping.clone() };
        let version = work.details_version;
        // Telling it again does no harm, and under one key for all, Stripe would give a failure of its own again.
        let key = format!("{}-details-{version}-{}", work.attempt.id, Uuid::now_v7().simple());
        let account = &work.attempt.expected.account;
        let result = self.stripe.update_payment_details(account, id, &details, &key).await;
        let outcome = result.as_ref().map(|answer| answer.request_id.as_deref());
        self.note(&work.order_id, work.attempt.id.as_str(), "payment_intents.update", outcome).await;
        match result {
            Ok(answer) => {
                CrashPoint::DetailsSent.reach();
                self.record(&work.attempt.id, &answer.into(), Some(version)).await.map(drop)
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_about_the_key() => {
                tracing::warn!("Stripe will not take the customer's details for this payment ({refusal}).");
                self.store.skip_details_update(work.attempt.id.clone(), version, now()).await?;
                Ok(())
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }
}
