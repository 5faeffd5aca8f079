//! Comparing an order with what Stripe says of it, and ending it when its time is over.

use quittance_domain::checkout::SessionStatus;
use quittance_domain::id::OrderId;
use quittance_domain::payment::{Attempt, PaymentStatus};
use quittance_persistence::{AttemptObservations, CloseOutcome, PendingAttempt};
use quittance_stripe_gateway::Error as StripeError;

use crate::answer::Answer;
use crate::{Error, Payments, now};

impl Payments {
    /// Asks Stripe how every attempt of an order stands that may have moved, with refunds and disputes; closes the
    /// order if its time is over and nothing is on its way.
    ///
    /// Stripe is asked first also for an order that is to expire: a success, or a voucher that the customer has
    /// still to pay, may be news to us.
    pub(crate) async fn check(&self, order_id: OrderId) -> Result<(), Error> {
        let Some(found) = self.store.order_to_check(order_id.clone()).await? else { return Ok(()) };
        for work in found.attempts.iter().filter(|work| may_have_moved(work)) {
            let findings = match self.ask(work).await.map_err(Error::Stripe) {
                Err(error) if error.is_out_of_reach(&work.attempt) => {
                    self.mark_unreachable_unless_paid(work, &error).await?;
                    continue;
                }
                findings => findings?,
            };
            self.taken_in(self.store.apply_observations(work.attempt.id.clone(), findings, now()).await?)?;
        }
        if found.order.status.is_open() && found.order.expires_at <= now() {
            self.expire(order_id.clone()).await?;
        }
        // What is read is dated by the second in which it was asked for, and so may seem older than what was told
        // before: then it is asked for once more when the lease is over.
        if found.attempts.iter().any(failed_untold)
            && let Some(again) = self.store.order_to_check(order_id).await?
            && again.attempts.iter().any(failed_untold)
        {
            return Ok(());
        }
        self.store.record_check(found, now()).await?;
        Ok(())
    }

    /// What was paid stays paid, also where nothing more can be learned of it.
    async fn mark_unreachable_unless_paid(&self, work: &PendingAttempt, error: &Error) -> Result<(), Error> {
        if work.attempt.is_closed() { Ok(()) } else { self.mark_unreachable(work, error).await }
    }

    /// Everything that Stripe has to say of an attempt.
    pub(crate) async fn ask(&self, work: &PendingAttempt) -> Result<AttemptObservations, StripeError> {
        let mut findings = match self.read_attempt(work).await? {
            None => return Ok(AttemptObservations::default()),
            Some(Answer::PaymentIntent(answer)) => AttemptObservations {
                payment_intent: Some(answer.observation),
                ..AttemptObservations::default()
            },
            Some(Answer::Session(answer)) => AttemptObservations {
                payment_intent: answer.payment_intent,
                session: Some(answer.observation),
                ..AttemptObservations::default()
            },
        };
        if let Some(seen) = &findings.payment_intent
            && matches!(seen.fact.seen, quittance_domain::payment::ObservedState::Succeeded(_))
        {
            let account = &work.attempt.expected.account;
            findings.refunds = self.stripe.list_refunds(account, &seen.payment_intent_id).await?;
            findings.disputes = self.stripe.list_disputes(account, &seen.payment_intent_id).await?;
        }
        Ok(findings)
    }

    /// Ends an order unpaid because its time is over: its attempt is closed at Stripe first.
    async fn expire(&self, order_id: OrderId) -> Result<(), Error> {
        match self.store.expire_order(order_id.clone(), now()).await? {
            CloseOutcome::Done(_) => self.waiting.notify(),
            CloseOutcome::CloseFirst(work) => {
                quittance_crash_points::CrashPoint::ExpiryRequested.reach();
                match self.resume(&work.attempt.id).await {
                    // The money is on its way after all: the order goes on.
                    Ok(()) | Err(Error::OrderNotCancelable(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            CloseOutcome::NotFound | CloseOutcome::NotPossible(_) => {}
        }
        Ok(())
    }
}

/// Whether Stripe may know more of an attempt than we do: not if it was never made, or was closed unpaid, and we know
/// why. That it was given up says nothing of what became of it at Stripe.
pub(crate) fn may_have_moved(work: &PendingAttempt) -> bool {
    let attempt = &work.attempt;
    let is_closed = Attempt { refused: None, ..attempt.clone() }.is_closed();
    let is_over = is_closed && attempt.facts.status() != PaymentStatus::Succeeded;
    attempt.exists_at_stripe() && (!is_over || failed_untold(work))
}

/// Whether a Checkout Session's payment has failed, and we have not heard why: on a seller's account that is not learned
/// from an event of the PaymentIntent before the PaymentIntent is known.
fn failed_untold(work: &PendingAttempt) -> bool {
    let attempt = &work.attempt;
    attempt.refused.is_none()
        && attempt.facts.session() == Some(SessionStatus::Failed)
        && attempt.facts.last_failure().is_none()
}
