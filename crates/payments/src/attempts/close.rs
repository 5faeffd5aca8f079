//! Closes an attempt at Stripe, so that it can't be paid.
//!
//! Canceling and expiring can be repeated safely, so each call has a new key. With a fixed key, Stripe would repeat its
//! first response even after the payment has changed.

use quittance_crash_points::CrashPoint;
use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::history::Task;
use quittance_domain::order::{Order, OrderStatus};
use quittance_domain::payment::{OpenStatus, PaymentStatus};
use quittance_persistence::PendingAttempt;
use quittance_stripe_gateway::Error as StripeError;
use uuid::Uuid;

use super::StripeObject;
use crate::Error;
use crate::service::Payments;
use crate::time_limits::now;

impl Payments {
    /// Closes an attempt that must be replaced by another. Fails if it is already processing or authorized.
    pub(crate) async fn close_for_replacement(&self, work: &PendingAttempt) -> Result<(), Error> {
        match self.resume(&work.attempt.id).await {
            Err(Error::OrderNotCancelable(status)) => Err(Error::payment_in_flight(status)),
            result => result,
        }
    }

    /// Cancels the attempt's PaymentIntent, or expires its Checkout Session. If Stripe refuses, the current state is
    /// read and recorded.
    pub(crate) async fn send_close(&self, work: &PendingAttempt) -> Result<(), Error> {
        let (operation, result) = match CloseTarget::from_attempt(work) {
            None => return Ok(()),
            Some(CloseTarget::PaymentIntent(id)) => {
                ("payment_intents.cancel", self.cancel_payment_intent(work, id).await)
            }
            Some(CloseTarget::CheckoutSession(id)) => {
                ("checkout.sessions.expire", self.expire_session(work, id).await)
            }
        };
        let outcome = result.as_ref().map(StripeObject::request_id);
        self.record_call(&work.order_id, work.attempt.id.as_str(), operation, outcome).await;
        match result {
            Ok(object) => {
                CrashPoint::AttemptClosed.reach();
                self.record_object(&work.attempt.id, &object, None).await.map(drop)
            }
            // The payment changed in the meantime. Its current status decides whether it is closed.
            Err(StripeError::Refused(refusal)) if !refusal.is_key_error() => {
                let Some(object) = self.read_attempt(work).await? else { return Ok(()) };
                let (order, task) = self.record_object(&work.attempt.id, &object, None).await?;
                self.withdraw_close_if_processing(&order, task).await
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    async fn cancel_payment_intent(
        &self,
        work: &PendingAttempt,
        id: &str,
    ) -> Result<StripeObject, StripeError> {
        let account = &work.attempt.expected.account;
        self.stripe.cancel_payment_intent(account, id, &new_close_key(work)).await.map(StripeObject::from)
    }

    async fn expire_session(&self, work: &PendingAttempt, id: &str) -> Result<StripeObject, StripeError> {
        let account = &work.attempt.expected.account;
        self.stripe.expire_checkout_session(account, id, &new_close_key(work)).await.map(StripeObject::from)
    }

    /// Withdraws the request to close if the payment is processing, because it can't be stopped anymore.
    async fn withdraw_close_if_processing(&self, order: &Order, task: Option<Task>) -> Result<(), Error> {
        let is_processing = order
            .payment
            .as_ref()
            .is_some_and(|payment| payment.status == PaymentStatus::Open(OpenStatus::Processing));
        if is_processing && task == Some(Task::Close) {
            self.store.withdraw_close(order.id.clone(), now()).await?;
            return Err(Error::OrderNotCancelable(OrderStatus::Processing));
        }
        Ok(())
    }
}

/// The Stripe object to close.
enum CloseTarget<'a> {
    PaymentIntent(&'a str),
    CheckoutSession(&'a str),
}

impl<'a> CloseTarget<'a> {
    /// Returns the Session while it is open. Once it is complete, only its PaymentIntent can be canceled.
    fn from_attempt(work: &'a PendingAttempt) -> Option<Self> {
        let attempt = &work.attempt;
        let is_over =
            matches!(attempt.facts.session(), Some(SessionStatus::Complete | SessionStatus::Failed));
        match (attempt.flow, &attempt.checkout_session_id, &attempt.payment_intent_id) {
            (PaymentFlow::CheckoutSession, Some(session), _) if !is_over => {
                Some(Self::CheckoutSession(session))
            }
            (_, _, Some(payment_intent)) => Some(Self::PaymentIntent(payment_intent)),
            _ => None,
        }
    }
}

fn new_close_key(work: &PendingAttempt) -> String {
    format!("{}-close-{}", work.attempt.id, Uuid::now_v7().simple())
}
