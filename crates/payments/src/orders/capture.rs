//! Taking what is held: recorded, then asked of Stripe.

use quittance_crash_points::CrashPoint;
use quittance_domain::history::Task;
use quittance_domain::id::OrderId;
use quittance_domain::order::Order;
use quittance_persistence::{CaptureOutcome, PendingAttempt};
use quittance_stripe_gateway::Error as StripeError;
use uuid::Uuid;

use crate::answer::Answer;
use crate::error::RefusalError;
use crate::{Error, Payments, now};

impl Payments {
    /// Takes the money that is held for an order: `amount` in minor units, all of it if it is not said. What is
    /// not taken is released for good.
    pub async fn capture(&self, order_id: OrderId, amount: Option<i64>) -> Result<Order, Error> {
        self.detached(async move |payments: Self| {
            let outcome = payments.store.request_capture(order_id.clone(), amount, now()).await?;
            CrashPoint::CaptureRequested.reach();
            match outcome {
                CaptureOutcome::Recorded(work) => payments.resume(&work.attempt.id).await?,
                CaptureOutcome::NotFound => return Err(Error::OrderNotFound),
                CaptureOutcome::NotPossible(status) => return Err(Error::OrderNotCapturable(status)),
                CaptureOutcome::OtherAmount(amount) => return Err(Error::CaptureInProgress(amount)),
                CaptureOutcome::TooMuch(held) => return Err(Error::CaptureTooLarge(held)),
            }
            let order = payments.store.order(order_id).await?.ok_or(Error::OrderNotFound)?;
            if order.status.was_paid() { Ok(order) } else { Err(Error::OrderNotCapturable(order.status)) }
        })
        .await
    }

    /// Asks Stripe for what was recorded. A payment can be captured once, so that the call can be repeated with a
    /// new key without harm.
    pub(crate) async fn take(&self, work: &PendingAttempt) -> Result<(), Error> {
        let (Some(id), Some(amount)) = (&work.attempt.payment_intent_id, work.attempt.capture) else {
            return Ok(());
        };
        let account = &work.attempt.expected.account;
        let key = format!("{}-capture-{}", work.attempt.id, Uuid::now_v7().simple());
        let result = self.stripe.capture_payment_intent(account, id, amount, &key).await.map(Answer::from);
        let outcome = result.as_ref().map(Answer::request_id);
        self.note(&work.order_id, work.attempt.id.as_str(), "payment_intents.capture", outcome).await;
        match result {
            Ok(answer) => {
                CrashPoint::PaymentIntentCaptured.reach();
                self.record(&work.attempt.id, &answer, None).await.map(drop)
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_about_the_key() => {
                // It was captured already, or the hold is gone: what it is now says which.
                let task = match self.read_attempt(work).await? {
                    Some(answer) => self.record(&work.attempt.id, &answer, None).await?.1,
                    None => None,
                };
                if task == Some(Task::Capture) {
                    self.store.withdraw_capture(work.attempt.id.clone(), now()).await?;
                    return Err(Error::StripeRefusal(RefusalError(refusal)));
                }
                Ok(())
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }
}
