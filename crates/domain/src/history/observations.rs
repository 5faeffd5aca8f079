//! Applies observations to an order's history. An observation must match the recorded attempt, or it has no
//! effect.

use crate::dispute::{Dispute, DisputeFacts, DisputeObservation};
use crate::history::History;
use crate::id::{DisputeId, OrderId, PaymentId, RefundId};
use crate::payment::{Attempt, Facts, Mismatch, Observation, SessionObservation};
use crate::refund::{Refund, RefundCause, RefundFacts, RefundObservation, RefundTerms};
use crate::stripe::{Account, Mode};

impl History {
    /// Applies an observation of a PaymentIntent, if it belongs to an attempt of this order. Also records the
    /// PaymentIntent's ID if the API response that contained it was lost.
    pub fn apply_observation(
        &mut self,
        payment_id: &PaymentId,
        order_id: &OrderId,
        observation: &Observation,
    ) -> Result<(), Mismatch> {
        let attempt = self.attempt_mut(payment_id)?;
        attempt.recognizes(order_id, observation)?;
        attempt.payment_intent_id.get_or_insert_with(|| observation.payment_intent_id.clone());
        // The observation proves that Stripe created the object.
        attempt.refused = None;
        attempt.facts.merge(Facts::new(observation.fact.clone()));
        Ok(())
    }

    /// Applies an observation of a Checkout Session, like [`Self::apply_observation`].
    pub fn apply_session(
        &mut self,
        payment_id: &PaymentId,
        order_id: &OrderId,
        observed: &SessionObservation,
    ) -> Result<(), Mismatch> {
        let attempt = self.attempt_mut(payment_id)?;
        attempt.recognizes_session(order_id, observed)?;
        attempt.checkout_session_id.get_or_insert_with(|| observed.checkout_session_id.clone());
        if attempt.payment_intent_id.is_none() {
            attempt.payment_intent_id.clone_from(&observed.payment_intent_id);
        }
        attempt.refused = None;
        // A Session doesn't contain the platform's fee. If a fee is expected, only the PaymentIntent proves a
        // success.
        let paid = observed.paid.clone().filter(|_| attempt.expected.application_fee.is_none());
        attempt.facts.merge(Facts::from_session(observed.status, paid));
        Ok(())
    }

    /// Applies an observation of a refund. An unknown refund is added with the ID `new_id`.
    pub fn apply_refund(
        &mut self,
        payment_id: &PaymentId,
        observed: &RefundObservation,
        new_id: RefundId,
    ) -> Result<(), Mismatch> {
        self.check_payment_intent(payment_id, &observed.account, observed.mode, &observed.payment_intent_id)?;
        let refund = match self.refund_index(payment_id, observed)? {
            Some(index) => &mut self.refunds[index],
            None => self.refunds.push_mut(Refund {
                id: new_id,
                payment_id: payment_id.clone(),
                amount: observed.amount,
                reason: observed.reason.clone(),
                cause: RefundCause::Stripe,
                terms: RefundTerms::default(),
                stripe_refund_id: None,
                facts: RefundFacts::default(),
                refused: None,
            }),
        };
        refund.stripe_refund_id.get_or_insert_with(|| observed.stripe_refund_id.clone());
        // The observation proves that Stripe created the refund.
        refund.refused = None;
        let failure_reason = observed.failure_reason.clone();
        refund.facts.merge(RefundFacts::new(observed.provenance.clone(), observed.status, failure_reason));
        Ok(())
    }

    /// Applies an observation of a dispute. An unknown dispute is added with the ID `new_id`.
    pub fn apply_dispute(
        &mut self,
        payment_id: &PaymentId,
        observed: &DisputeObservation,
        new_id: DisputeId,
    ) -> Result<(), Mismatch> {
        self.check_payment_intent(payment_id, &observed.account, observed.mode, &observed.payment_intent_id)?;
        let facts = DisputeFacts::new(observed.provenance.clone(), observed.state.clone());
        let same = |dispute: &&mut Dispute| dispute.stripe_dispute_id == observed.stripe_dispute_id;
        match self.disputes.iter_mut().find(same) {
            Some(dispute) if dispute.payment_id != *payment_id => return Err(Mismatch::OtherPaymentIntent),
            Some(dispute) => dispute.facts.merge(facts),
            None => self.disputes.push(Dispute {
                id: new_id,
                payment_id: payment_id.clone(),
                stripe_dispute_id: observed.stripe_dispute_id.clone(),
                facts,
            }),
        }
        Ok(())
    }

    /// Returns the index of the observed refund. It is found by its ID at Stripe, or else by its metadata.
    fn refund_index(
        &self,
        payment_id: &PaymentId,
        observed: &RefundObservation,
    ) -> Result<Option<usize>, Mismatch> {
        let by_id = |refund: &Refund| refund.stripe_refund_id.as_ref() == Some(&observed.stripe_refund_id);
        match self.refunds.iter().position(by_id) {
            Some(index) if self.refunds[index].payment_id != *payment_id => Err(Mismatch::OtherPaymentIntent),
            Some(index) => Ok(Some(index)),
            None => {
                let ours =
                    |refund: &Refund| refund.payment_id == *payment_id && refund.matches_metadata(observed);
                Ok(self.refunds.iter().position(ours))
            }
        }
    }

    /// Checks that an observed PaymentIntent belongs to this attempt.
    fn check_payment_intent(
        &self,
        payment_id: &PaymentId,
        account: &Account,
        mode: Mode,
        payment_intent_id: &str,
    ) -> Result<(), Mismatch> {
        let attempt = self.attempt(payment_id).ok_or(Mismatch::UnknownAttempt)?;
        attempt.belongs_to(account, mode)?;
        match &attempt.payment_intent_id {
            Some(known) if known == payment_intent_id => Ok(()),
            _ => Err(Mismatch::OtherPaymentIntent),
        }
    }

    fn attempt_mut(&mut self, payment_id: &PaymentId) -> Result<&mut Attempt, Mismatch> {
        let found = self.attempts.iter_mut().find(|attempt| attempt.id == *payment_id);
        found.ok_or(Mismatch::UnknownAttempt)
    }
}
