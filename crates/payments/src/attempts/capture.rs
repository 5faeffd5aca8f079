//! Captures an authorized payment at Stripe.

use quittance_crash_points::CrashPoint;
use quittance_domain::history::Task;
use quittance_persistence::PendingAttempt;
use quittance_stripe_gateway::Error as StripeError;
use uuid::Uuid;

use super::StripeObject;
use crate::Error;
use crate::error::RefusalError;
use crate::service::Payments;
use crate::time_limits::now;

impl Payments {
    /// Sends a recorded capture. A payment can be captured only once, so each call may use a new key.
    pub(crate) async fn send_capture(&self, work: &PendingAttempt) -> Result<(), Error> {
        let (Some(id), Some(amount)) = (&work.attempt.payment_intent_id, work.attempt.capture) else {
            return Ok(());
        };
        let account = &work.attempt.expected.account;
        let key = format!("{}-capture-{}", work.attempt.id, Uuid::now_v7().simple());
        let result =
            self.stripe.capture_payment_intent(account, id, amount, &key).await.map(StripeObject::from);
        let outcome = result.as_ref().map(StripeObject::request_id);
        self.record_call(&work.order_id, work.attempt.id.as_str(), "payment_intents.capture", outcome).await;
        match result {
            Ok(object) => {
                CrashPoint::PaymentIntentCaptured.reach();
                self.record_object(&work.attempt.id, &object, None).await.map(drop)
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_key_error() => {
                // The payment was captured already, or its authorization ended. Its current status decides.
                let task = match self.read_attempt(work).await? {
                    Some(object) => self.record_object(&work.attempt.id, &object, None).await?.1,
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
