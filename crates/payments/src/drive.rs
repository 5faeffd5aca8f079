//! Doing at Stripe what is left to do for an attempt, by whoever comes first: the request that asked for it, or
//! the worker after a crash.

use chrono::Duration;
use quittance_crash_points::CrashPoint;
use quittance_domain::history::Task;
use quittance_domain::id::PaymentId;
use quittance_domain::order::{Order, OrderStatus};
use quittance_domain::payment::OpenStatus::Processing;
use quittance_domain::payment::PaymentStatus;
use quittance_persistence::AttemptAtWork;
use quittance_stripe_gateway::{Error as StripeError, FrozenRequest, PaymentDetails, PaymentIntent};
use tracing::Instrument;

use crate::error::RefusalError;
use crate::{Error, Payments, now, span};

/// Stripe may forget an idempotency key after 24 hours; from this age on, a request is not sent again but looked
/// up. The hour between is for a request that is on its way.
const KEY_AGE_MAX: Duration = Duration::hours(23);

/// How far our clock may be ahead of Stripe's when a PaymentIntent is looked up by its age.
const CLOCK_SKEW_MAX: Duration = Duration::minutes(10);

/// How many things can follow from each other for one attempt: make it, tell details, close it, and one spare.
const STEPS_MAX: usize = 4;

impl Payments {
    /// Does what is left to do for an attempt. An error leaves the rest to the worker.
    pub(crate) async fn drive(&self, payment_id: &PaymentId) -> Result<(), Error> {
        for _ in 0..STEPS_MAX {
            let Some(work) = self.store.attempt(payment_id.clone()).await? else { return Ok(()) };
            let Some(task) = work.task else { return Ok(()) };
            let step = async {
                match task {
                    Task::Create => self.create(&work).await,
                    Task::Close => self.close(&work).await,
                    Task::UpdateDetails => self.update_details(&work).await,
                }
            };
            step.instrument(span(&work.order_id, &work.attempt.id)).await?;
        }
        Ok(())
    }

    /// As [`Self::drive`], for callers whose own work stands whatever Stripe answers now.
    pub(crate) async fn drive_or_leave(&self, payment_id: &PaymentId) {
        if let Err(error) = self.drive(payment_id).await {
            tracing::warn!(
                payment.id = %payment_id,
                error = &error as &dyn std::error::Error,
                "Stripe was not told what it has to know of this payment; the worker will tell it."
            );
        }
    }

    async fn create(&self, work: &AttemptAtWork) -> Result<(), Error> {
        let payment_intent = self.make(work).await?;
        self.record(&work.attempt.id, &payment_intent, None).await?;
        Ok(())
    }

    /// Makes the attempt's PaymentIntent, or finds the one that was made.
    ///
    /// The recorded request is sent with its key as often as it takes: Stripe answers a repetition with the
    /// PaymentIntent of the first. Where a repetition can not be trusted any more, the PaymentIntent is looked
    /// for, and only if there is none is the attempt given up; a new one has a key of its own.
    pub(crate) async fn make(&self, work: &AttemptAtWork) -> Result<PaymentIntent, Error> {
        let request: FrozenRequest = serde_json::from_str(&work.request)
            .map_err(|_| Error::Stripe(StripeError::Unsendable("the recorded request")))?;
        let answer = if now() - work.recorded_at < KEY_AGE_MAX {
            self.stripe.create_payment_intent(&request).await
        } else {
            return self.find(work, "key_expired").await;
        };
        match answer {
            Ok(payment_intent) => {
                CrashPoint::PaymentIntentCreated.reach();
                Ok(payment_intent)
            }
            Err(StripeError::Unavailable { replayed: true, .. }) => self.find(work, "stripe_error").await,
            Err(StripeError::Refused(refusal)) if refusal.is_idempotency_mismatch() => {
                self.find(work, "idempotency_mismatch").await
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_about_the_key() => {
                let reason = refusal.code.clone().unwrap_or_else(|| refusal.status.to_string());
                self.store.refuse_attempt(work.attempt.id.clone(), reason, now()).await?;
                Err(Error::Refused(RefusalError(refusal)))
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    async fn find(&self, work: &AttemptAtWork, if_none: &str) -> Result<PaymentIntent, Error> {
        let account = &work.attempt.expected.account;
        let since = work.recorded_at - CLOCK_SKEW_MAX;
        let found = self.stripe.find_payment_intent(account, &work.attempt.id, since).await?;
        if let Some(payment_intent) = found {
            return Ok(payment_intent);
        }
        self.store.refuse_attempt(work.attempt.id.clone(), if_none.to_owned(), now()).await?;
        tracing::warn!("Stripe has no PaymentIntent of this attempt ({if_none}); it is given up.");
        Err(Error::Stripe(StripeError::Unavailable {
            status: None,
            code: None,
            request_id: None,
            replayed: true,
            source: None,
        }))
    }

    /// Cancels the attempt's PaymentIntent. One that can not be canceled tells us what it has become.
    pub(crate) async fn close(&self, work: &AttemptAtWork) -> Result<(), Error> {
        let Some(id) = &work.attempt.payment_intent_id else { return Ok(()) };
        let account = &work.attempt.expected.account;
        let key = format!("{}-cancel", work.attempt.id);
        match self.stripe.cancel_payment_intent(account, id, &key).await {
            Ok(answer) => {
                CrashPoint::PaymentIntentCanceled.reach();
                self.record(&work.attempt.id, &answer, None).await.map(drop)
            }
            Err(StripeError::Refused(refusal)) if refusal.is_unexpected_state() => {
                let answer = self.stripe.retrieve_payment_intent(account, id).await?;
                let (order, task) = self.record(&work.attempt.id, &answer, None).await?;
                self.keep_open(&order, task).await
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    /// The money is on its way and can not be stopped: the wish to end the order is taken back.
    async fn keep_open(&self, order: &Order, task: Option<Task>) -> Result<(), Error> {
        let in_flight =
            order.payment.as_ref().is_some_and(|payment| payment.status == PaymentStatus::Open(Processing));
        if in_flight && task == Some(Task::Close) {
            self.store.withdraw_closure(order.id.clone(), now()).await?;
            return Err(Error::NotCancelable(OrderStatus::Processing));
        }
        Ok(())
    }

    async fn update_details(&self, work: &AttemptAtWork) -> Result<(), Error> {
        let Some(id) = &work.attempt.payment_intent_id else { return Ok(()) };
        let details =
            PaymentDetails { receipt_email: work.customer.email.clone(), shipping: work.shipping.clone() };
        let version = work.details_version;
        let key = format!("{}-details-{version}", work.attempt.id);
        let account = &work.attempt.expected.account;
        match self.stripe.update_payment_details(account, id, &details, &key).await {
            Ok(answer) => {
                CrashPoint::DetailsTold.reach();
                self.record(&work.attempt.id, &answer, Some(version)).await.map(drop)
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_about_the_key() => {
                tracing::warn!("Stripe will not take the customer's details for this payment ({refusal}).");
                self.store.give_up_details(work.attempt.id.clone(), version, now()).await?;
                Ok(())
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }
}
