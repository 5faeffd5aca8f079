//! Compares an order with Stripe, and closes it if it has expired.

use quittance_crash_points::CrashPoint;
use quittance_domain::checkout::SessionStatus;
use quittance_domain::id::OrderId;
use quittance_domain::payment::{Attempt, ObservedState, PaymentStatus};
use quittance_persistence::{AttemptObservations, CloseOutcome, PendingAttempt};
use quittance_stripe_gateway::Error as StripeError;

use crate::Error;
use crate::attempts::StripeObject;
use crate::service::Payments;
use crate::time_limits::now;

impl Payments {
    /// Reads all attempts of an order that may have changed at Stripe, with their refunds and disputes, and records
    /// them. If the order has expired and no payment is processing, closes it.
    ///
    /// Expired orders are read first, because an event for a success or an open voucher may have been lost.
    pub(crate) async fn check(&self, order_id: OrderId) -> Result<(), Error> {
        let Some(found) = self.store.order_to_check(order_id.clone()).await? else { return Ok(()) };
        for work in found.attempts.iter().filter(|work| may_have_changed(work)) {
            let observations = match self.read_observations(work).await.map_err(Error::Stripe) {
                Err(error) if error.is_unreachable(&work.attempt) => {
                    self.mark_unreachable_unless_closed(work, &error).await?;
                    continue;
                }
                result => result?,
            };
            let outcome = self.store.apply_observations(work.attempt.id.clone(), observations, now()).await?;
            self.finish_observation(outcome)?;
        }
        if found.order.status.is_open() && found.order.expires_at <= now() {
            self.expire(order_id.clone()).await?;
        }
        // A response is dated by the second of its request, so it may seem older than an event. In that case, the
        // worker reads the attempt again after the lease.
        if found.attempts.iter().any(lacks_failure_reason)
            && let Some(again) = self.store.order_to_check(order_id).await?
            && again.attempts.iter().any(lacks_failure_reason)
        {
            return Ok(());
        }
        self.store.record_check(found, now()).await?;
        Ok(())
    }

    /// Marks an attempt as unreachable, unless it is closed. A paid order stays paid.
    async fn mark_unreachable_unless_closed(
        &self,
        work: &PendingAttempt,
        error: &Error,
    ) -> Result<(), Error> {
        if work.attempt.is_closed() { Ok(()) } else { self.mark_unreachable(work, error).await }
    }

    /// Reads an attempt from Stripe, and its refunds and disputes if it succeeded.
    pub(crate) async fn read_observations(
        &self,
        work: &PendingAttempt,
    ) -> Result<AttemptObservations, StripeError> {
        let mut observations = match self.read_attempt(work).await? {
            None => return Ok(AttemptObservations::default()),
            Some(StripeObject::PaymentIntent(intent)) => AttemptObservations {
                payment_intent: Some(intent.observation),
                ..AttemptObservations::default()
            },
            Some(StripeObject::CheckoutSession(session)) => AttemptObservations {
                payment_intent: session.payment_intent,
                session: Some(session.observation),
                ..AttemptObservations::default()
            },
        };
        if let Some(intent) = &observations.payment_intent
            && matches!(intent.fact.state, ObservedState::Succeeded(_))
        {
            let account = &work.attempt.expected.account;
            observations.refunds = self.stripe.list_refunds(account, &intent.payment_intent_id).await?;
            observations.disputes = self.stripe.list_disputes(account, &intent.payment_intent_id).await?;
        }
        Ok(observations)
    }

    /// Closes an expired order. Its live attempt is closed at Stripe first.
    async fn expire(&self, order_id: OrderId) -> Result<(), Error> {
        match self.store.expire_order(order_id.clone(), now()).await? {
            CloseOutcome::Done(_) => self.waiters.notify(),
            CloseOutcome::CloseFirst(work) => {
                CrashPoint::ExpiryRequested.reach();
                match self.resume(&work.attempt.id).await {
                    // A payment that is processing keeps the order open.
                    Ok(()) | Err(Error::OrderNotCancelable(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            CloseOutcome::NotFound | CloseOutcome::NotPossible(_) => {}
        }
        Ok(())
    }
}

/// Returns true if Stripe's state of an attempt may differ from the recorded one. Attempts that were never created, or
/// were closed unpaid for a known reason, can't change. An unreachable attempt can.
pub(super) fn may_have_changed(work: &PendingAttempt) -> bool {
    let attempt = &work.attempt;
    let is_closed = Attempt { refused: None, ..attempt.clone() }.is_closed();
    let is_over = is_closed && attempt.facts.status() != PaymentStatus::Succeeded;
    attempt.exists_at_stripe() && (!is_over || lacks_failure_reason(work))
}

/// Returns true if a Checkout Session's payment failed for an unknown reason. On a seller's account, the reason is
/// unknown until the PaymentIntent's ID is known.
fn lacks_failure_reason(work: &PendingAttempt) -> bool {
    let attempt = &work.attempt;
    attempt.refused.is_none()
        && attempt.facts.session() == Some(SessionStatus::Failed)
        && attempt.facts.last_failure().is_none()
}
