//! Closing an attempt at Stripe, so that nobody can pay with it any more.
//!
//! Both calls can be repeated without harm, so each has a key of its own: under one key for all, Stripe would
//! give its first answer again, also when the payment has moved on since.

use quittance_crash_points::CrashPoint;
use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::history::Task;
use quittance_domain::order::{Order, OrderStatus};
use quittance_domain::payment::{OpenStatus, PaymentStatus};
use quittance_persistence::PendingAttempt;
use quittance_stripe_gateway::Error as StripeError;
use uuid::Uuid;

use crate::answer::Answer;
use crate::{Error, Payments, now};

impl Payments {
    /// Cancels the attempt's PaymentIntent, or expires its Checkout Session. One that can not be closed any more
    /// tells us what it has become.
    pub(crate) async fn close(&self, work: &PendingAttempt) -> Result<(), Error> {
        let (operation, result) = match Target::of(work) {
            None => return Ok(()),
            Some(Target::PaymentIntent(id)) => {
                ("payment_intents.cancel", self.cancel_at_stripe(work, id).await)
            }
            Some(Target::Session(id)) => ("checkout.sessions.expire", self.expire_at_stripe(work, id).await),
        };
        let outcome = result.as_ref().map(Answer::request_id);
        self.note(&work.order_id, work.attempt.id.as_str(), operation, outcome).await;
        match result {
            Ok(answer) => {
                CrashPoint::AttemptClosed.reach();
                self.record(&work.attempt.id, &answer, None).await.map(drop)
            }
            // It has become something else, or is gone: what it is now says whether it is closed.
            Err(StripeError::Refused(refusal)) if !refusal.is_about_the_key() => {
                let Some(answer) = self.read_attempt(work).await? else { return Ok(()) };
                let (order, task) = self.record(&work.attempt.id, &answer, None).await?;
                self.keep_open(&order, task).await
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    async fn cancel_at_stripe(&self, work: &PendingAttempt, id: &str) -> Result<Answer, StripeError> {
        let account = &work.attempt.expected.account;
        self.stripe.cancel_payment_intent(account, id, &fresh_key(work)).await.map(Answer::from)
    }

    async fn expire_at_stripe(&self, work: &PendingAttempt, id: &str) -> Result<Answer, StripeError> {
        let account = &work.attempt.expected.account;
        self.stripe.expire_checkout_session(account, id, &fresh_key(work)).await.map(Answer::from)
    }

    /// The money is on its way and can not be stopped: the wish to close is taken back.
    async fn keep_open(&self, order: &Order, task: Option<Task>) -> Result<(), Error> {
        let is_in_flight = order
            .payment
            .as_ref()
            .is_some_and(|payment| payment.status == PaymentStatus::Open(OpenStatus::Processing));
        if is_in_flight && task == Some(Task::Close) {
            self.store.withdraw_close(order.id.clone(), now()).await?;
            return Err(Error::OrderNotCancelable(OrderStatus::Processing));
        }
        Ok(())
    }
}

/// What is to be closed.
enum Target<'a> {
    PaymentIntent(&'a str),
    Session(&'a str),
}

impl<'a> Target<'a> {
    /// A Session is expired while it is open; after that, only its PaymentIntent can be canceled.
    fn of(work: &'a PendingAttempt) -> Option<Self> {
        let attempt = &work.attempt;
        let is_over =
            matches!(attempt.facts.session(), Some(SessionStatus::Complete | SessionStatus::Failed));
        match (attempt.flow, &attempt.checkout_session_id, &attempt.payment_intent_id) {
            (PaymentFlow::CheckoutSession, Some(session), _) if !is_over => Some(Self::Session(session)),
            (_, _, Some(payment_intent)) => Some(Self::PaymentIntent(payment_intent)),
            _ => None,
        }
    }
}

fn fresh_key(work: &PendingAttempt) -> String {
    format!("{}-close-{}", work.attempt.id, Uuid::now_v7().simple())
}
