//! Sends changed customer details to Stripe.

use quittance_crash_points::CrashPoint;
use quittance_persistence::PendingAttempt;
use quittance_stripe_gateway::{Error as StripeError, PaymentDetails};
use uuid::Uuid;

use crate::Error;
use crate::service::Payments;
use crate::time_limits::now;

impl Payments {
    /// Updates the email address and shipping details of an attempt's PaymentIntent.
    pub(crate) async fn update_details(&self, work: &PendingAttempt) -> Result<(), Error> {
        let Some(id) = &work.attempt.payment_intent_id else { return Ok(()) };
        let details =
            PaymentDetails { receipt_email: work.customer.email.clone(), shipping: work.shipping.clone() };
        let version = work.details_version;
        // Repeating the update is harmless. With a fixed key, Stripe would also repeat its own server errors.
        let key = format!("{}-details-{version}-{}", work.attempt.id, Uuid::now_v7().simple());
        let account = &work.attempt.expected.account;
        let result = self.stripe.update_payment_details(account, id, &details, &key).await;
        let outcome = result.as_ref().map(|intent| intent.request_id.as_deref());
        self.record_call(&work.order_id, work.attempt.id.as_str(), "payment_intents.update", outcome).await;
        match result {
            Ok(intent) => {
                CrashPoint::DetailsSent.reach();
                self.record_object(&work.attempt.id, &intent.into(), Some(version)).await.map(drop)
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_key_error() => {
                tracing::warn!(
                    reason = %refusal,
                    "failed to update customer details because Stripe refused them; the payment keeps its old details"
                );
                self.store.skip_details_update(work.attempt.id.clone(), version, now()).await?;
                Ok(())
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }
}
