//! An order's payment history, and the status that follows from it.
//!
//! [`History::standing`](History::standing) is a pure function of merged facts and recorded decisions. It alone
//! says what status an order has; the status column of a database is a cache of it. A [`Decision`] is what facts alone can not
//! say, because it depends on what we did and when: each is made once, by [`History::decide`], and recorded
//! for good.

use crate::checkout::{Rail, SessionObservation, SessionStatus};
use crate::dispute::{Dispute, DisputeFacts, DisputeObservation};
use crate::id::{DisputeId, OrderId, PaymentId, RefundId};
use crate::money::Money;
use crate::payment::{
    Account, Attempt, Facts, Mismatch, Mode, Observation, OpenStatus, PaymentStatus, ReviewReason,
};
use crate::refund::{Refund, RefundCause, RefundFacts, RefundObservation};

/// How an order is to end, or has ended, unpaid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closure {
    /// By the shop's or the customer's wish.
    Canceled,
    /// Because its time was over.
    Expired,
}

impl Closure {
    /// The word for it in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// The closure that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Canceled, Self::Expired].into_iter().find(|closure| closure.as_str() == word)
    }
}

/// What was decided about an order, each at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This attempt's success pays the order.
    Accepted(PaymentId),
    /// The order has ended unpaid.
    Closed(Closure),
    /// Money came after the order had expired: whether its goods could be taken from the stock again.
    Restocked(Restock),
}

/// Whether the goods of an expired order could be taken from the stock again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restock {
    /// They were, all of them.
    Taken,
    /// There were too few; nothing was taken.
    Short,
}

impl Restock {
    /// The word for it in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Short => "short",
        }
    }

    /// The decision that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Taken, Self::Short].into_iter().find(|restock| restock.as_str() == word)
    }
}

/// The recorded decisions of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The attempt whose success pays the order.
    pub accepted: Option<PaymentId>,
    /// How the order has ended unpaid.
    pub closed: Option<Closure>,
    /// Whether an order that was paid after it had expired got its goods again.
    pub restocked: Option<Restock>,
}

impl Decisions {
    /// Adds a decision that was recorded.
    pub fn record(&mut self, decision: &Decision) {
        match decision {
            Decision::Accepted(payment) => self.accepted = Some(payment.clone()),
            Decision::Closed(closure) => self.closed = Some(*closure),
            Decision::Restocked(restock) => self.restocked = Some(*restock),
        }
    }
}

/// Every attempt to pay an order with what Stripe told of it, and what we decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// What went back of what the attempts brought.
    pub refunds: Vec<Refund>,
    /// What customers disputed of it.
    pub disputes: Vec<Dispute>,
    /// The decisions.
    pub decisions: Decisions,
    /// The end that was asked for and is not reached yet: the live attempt must be closed at Stripe first.
    pub closing: Option<Closure>,
}

/// What the shop allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many tries at paying one order may fail before it takes no more: card testers get nothing here.
    pub max_declines: usize,
    /// How many open orders one client address may hold.
    pub max_open_orders: i64,
    /// When money under review is given back by itself.
    pub review_refund: ReviewRefund,
}

/// When money that came where it must not be believed is given back without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReviewRefund {
    /// Never: a person decides.
    #[default]
    Never,
    /// When it is what was asked for and only came too late.
    Late,
    /// Always.
    Always,
}

impl ReviewRefund {
    /// The word for it in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Late => "late",
            Self::Always => "always",
        }
    }

    /// The policy that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Never, Self::Late, Self::Always].into_iter().find(|policy| policy.as_str() == word)
    }

    fn covers(self, reason: ReviewReason) -> bool {
        match self {
            Self::Never => false,
            Self::Late => reason.is_late(),
            Self::Always => true,
        }
    }
}

/// A refund that nobody asked for and that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRefund {
    /// The attempt whose money goes back.
    pub payment_id: PaymentId,
    /// All of what is left of it.
    pub amount: Money,
    /// Why.
    pub cause: RefundCause,
}

/// Which version of the customer's details the order has, and which Stripe was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Details {
    /// The order's.
    pub current: i64,
    /// What Stripe was last told.
    pub told: i64,
}

/// Something to be done at Stripe for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Send the recorded request that makes the PaymentIntent or the Checkout Session.
    Create,
    /// Take what is held, as much as was recorded.
    Capture,
    /// Cancel the PaymentIntent, or expire the Checkout Session.
    Close,
    /// Read it: Stripe has told us of a completed Checkout Session, and not of its money.
    Look,
    /// Tell Stripe where the receipt and the goods go.
    UpdateDetails,
}

impl History {
    /// The attempt that a customer can still pay with, or that is being made: the one not closed.
    #[must_use]
    pub fn live_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| !attempt.is_closed())
    }

    /// How many tries at paying have failed, over all attempts.
    #[must_use]
    pub fn failure_count(&self) -> usize {
        self.attempts.iter().map(|attempt| attempt.facts.failure_count()).sum()
    }

    /// The attempt that a reader of the order should see: the one that paid, else the latest.
    #[must_use]
    pub fn current_attempt(&self) -> Option<&Attempt> {
        let accepted = self.decisions.accepted.as_ref();
        accepted
            .and_then(|id| self.attempts.iter().find(|attempt| attempt.id == *id))
            .or(self.attempts.last())
    }

    /// What we have to do at Stripe for this attempt, if anything: what a crash leaves open is driven again.
    ///
    /// `details` says whether Stripe still has to be told where the goods go.
    #[must_use]
    pub fn task(&self, attempt: &Attempt, details: Details, limits: &Limits) -> Option<Task> {
        if attempt.is_closed() {
            return None;
        }
        if !attempt.is_made() {
            return Some(Task::Create);
        }
        let is_held = attempt.facts.status() == PaymentStatus::Open(OpenStatus::RequiresCapture);
        if is_held && attempt.capture.is_some() {
            Some(Task::Capture)
        } else if self.is_unwanted(attempt, limits) {
            Some(Task::Close)
        } else {
            match attempt.rail {
                Rail::CheckoutSession => Self::is_money_untold(attempt).then_some(Task::Look),
                Rail::PaymentIntent => (details.told < details.current).then_some(Task::UpdateDetails),
            }
        }
    }

    /// Whether nobody is to pay with this attempt any more.
    fn is_unwanted(&self, attempt: &Attempt, limits: &Limits) -> bool {
        let waits = attempt.facts.status() == PaymentStatus::Open(OpenStatus::RequiresPaymentMethod);
        self.closing.is_some()
            || attempt.abandoned
            || self.attempts.last().is_some_and(|latest| latest.id != attempt.id)
            || (waits && self.failure_count() >= limits.max_declines)
            || attempt.facts.session() == Some(SessionStatus::Failed)
    }

    /// Whether a Checkout Session is complete, and what is known of its PaymentIntent is older than that.
    fn is_money_untold(attempt: &Attempt) -> bool {
        attempt.facts.session() == Some(SessionStatus::Complete)
            && matches!(
                attempt.facts.status(),
                PaymentStatus::Open(
                    OpenStatus::RequiresPaymentMethod
                        | OpenStatus::RequiresConfirmation
                        | OpenStatus::RequiresAction
                )
            )
    }

    /// Takes an observation in, if it is of an attempt of this order. Learns the PaymentIntent's id from it
    /// where the reply that carried it was lost.
    pub fn absorb(
        &mut self,
        payment_id: &PaymentId,
        order_id: &OrderId,
        observation: &Observation,
    ) -> Result<(), Mismatch> {
        let attempt = self.attempt_mut(payment_id)?;
        attempt.recognizes(order_id, observation)?;
        attempt.payment_intent_id.get_or_insert_with(|| observation.payment_intent_id.clone());
        // It was made after all.
        attempt.refused = None;
        attempt.facts.merge(Facts::of(observation.fact.clone()));
        Ok(())
    }

    /// As [`Self::absorb`], for a Checkout Session.
    pub fn absorb_session(
        &mut self,
        payment_id: &PaymentId,
        order_id: &OrderId,
        seen: &SessionObservation,
    ) -> Result<(), Mismatch> {
        let attempt = self.attempt_mut(payment_id)?;
        attempt.recognizes_session(order_id, seen)?;
        attempt.checkout_session_id.get_or_insert_with(|| seen.checkout_session_id.clone());
        if attempt.payment_intent_id.is_none() {
            attempt.payment_intent_id.clone_from(&seen.payment_intent_id);
        }
        attempt.refused = None;
        // A Session does not say what the platform's fee was: where there is one, its PaymentIntent has to.
        let paid = seen.paid.clone().filter(|_| attempt.expected.application_fee.is_none());
        attempt.facts.merge(Facts::of_session(seen.status, paid));
        Ok(())
    }

    /// Takes in how a refund stands. One that we did not ask for is added under the id `fresh`.
    pub fn absorb_refund(
        &mut self,
        payment_id: &PaymentId,
        seen: &RefundObservation,
        fresh: RefundId,
    ) -> Result<(), Mismatch> {
        self.check_origin(payment_id, &seen.account, seen.mode, &seen.payment_intent_id)?;
        let refund = match self.refund_place(payment_id, seen) {
            Some(place) => &mut self.refunds[place],
            None => self.refunds.push_mut(Refund {
                id: fresh,
                payment_id: payment_id.clone(),
                amount: seen.amount,
                reason: seen.reason.clone(),
                cause: RefundCause::Stripe,
                stripe_refund_id: None,
                facts: RefundFacts::default(),
                refused: None,
            }),
        };
        refund.stripe_refund_id.get_or_insert_with(|| seen.stripe_refund_id.clone());
        // It was made after all.
        refund.refused = None;
        let failure_reason = seen.failure_reason.clone();
        refund.facts.merge(RefundFacts::of(seen.sighting.clone(), seen.status, failure_reason));
        Ok(())
    }

    /// Takes in how a dispute stands. One that is new is added under the id `fresh`.
    pub fn absorb_dispute(
        &mut self,
        payment_id: &PaymentId,
        seen: &DisputeObservation,
        fresh: DisputeId,
    ) -> Result<(), Mismatch> {
        self.check_origin(payment_id, &seen.account, seen.mode, &seen.payment_intent_id)?;
        let facts = DisputeFacts::of(seen.sighting.clone(), seen.state.clone());
        let same = |dispute: &&mut Dispute| dispute.stripe_dispute_id == seen.stripe_dispute_id;
        match self.disputes.iter_mut().find(same) {
            Some(dispute) => dispute.facts.merge(facts),
            None => self.disputes.push(Dispute {
                id: fresh,
                payment_id: payment_id.clone(),
                stripe_dispute_id: seen.stripe_dispute_id.clone(),
                facts,
            }),
        }
        Ok(())
    }

    /// The refund that an observation is of: by Stripe's id of it, else by what its metadata says.
    fn refund_place(&self, payment_id: &PaymentId, seen: &RefundObservation) -> Option<usize> {
        let by_id = |refund: &Refund| refund.stripe_refund_id.as_ref() == Some(&seen.stripe_refund_id);
        let ours = |refund: &Refund| refund.payment_id == *payment_id && refund.recognizes(seen);
        self.refunds.iter().position(by_id).or_else(|| self.refunds.iter().position(ours))
    }

    /// Whether something said of a PaymentIntent is about this attempt's.
    fn check_origin(
        &self,
        payment_id: &PaymentId,
        account: &Account,
        mode: Mode,
        payment_intent_id: &str,
    ) -> Result<(), Mismatch> {
        let attempt = self.attempt(payment_id).ok_or(Mismatch::UnknownAttempt)?;
        attempt.is_of(account, mode)?;
        match &attempt.payment_intent_id {
            Some(known) if known == payment_intent_id => Ok(()),
            _ => Err(Mismatch::OtherPaymentIntent),
        }
    }

    /// The attempt of this id.
    #[must_use]
    pub fn attempt(&self, payment_id: &PaymentId) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == *payment_id)
    }

    fn attempt_mut(&mut self, payment_id: &PaymentId) -> Result<&mut Attempt, Mismatch> {
        let found = self.attempts.iter_mut().find(|attempt| attempt.id == *payment_id);
        found.ok_or(Mismatch::UnknownAttempt)
    }

    /// The decision that is due now, if one is. Whoever records it asks again, until there is none.
    #[must_use]
    pub fn decide(&self) -> Option<Decision> {
        if self.decisions.accepted.is_some() {
            return None;
        }
        let fitting = self.fitting_attempt().map(|attempt| attempt.id.clone());
        match (fitting, self.decisions.closed, self.decisions.restocked) {
            (Some(id), None, _) | (Some(id), Some(Closure::Expired), Some(Restock::Taken)) => {
                Some(Decision::Accepted(id))
            }
            (None, None, _) => {
                self.closing.filter(|_| self.attempts.iter().all(Attempt::is_closed)).map(Decision::Closed)
            }
            _ => None,
        }
    }

    /// Whether the goods of the order are to be taken from the stock again, because it was paid after it had
    /// expired. Whoever tries it records [`Decision::Restocked`], and settles again.
    #[must_use]
    pub fn wants_restock(&self) -> bool {
        let Decisions { accepted, closed, restocked } = &self.decisions;
        accepted.is_none()
            && *closed == Some(Closure::Expired)
            && restocked.is_none()
            && self.fitting_attempt().is_some()
    }

    fn fitting_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.fitting_success().is_some())
    }

    /// Makes and takes in every decision that is due, and returns them to be recorded.
    pub fn settle(&mut self) -> Vec<Decision> {
        let mut made = Vec::new();
        while let Some(decision) = self.decide() {
            self.decisions.record(&decision);
            made.push(decision);
        }
        made
    }

    /// The refunds that are due and that nobody asked for: of what came although the order was paid already, and
    /// of what is under review where the policy says so. There is one of each cause for an attempt, ever.
    #[must_use]
    pub fn due_refunds(&self, policy: ReviewRefund) -> Vec<DueRefund> {
        let surplus = |accepted: &PaymentId| {
            let others = self.attempts.iter().filter(|attempt| attempt.id != *accepted);
            others.filter_map(|attempt| self.due_refund(attempt, RefundCause::Surplus)).collect()
        };
        if let Some(accepted) = &self.decisions.accepted {
            return surplus(accepted);
        }
        let covered = self.under_review().filter(|(_, reason)| policy.covers(*reason));
        covered.and_then(|(attempt, _)| self.due_refund(attempt, RefundCause::Review)).into_iter().collect()
    }

    fn due_refund(&self, attempt: &Attempt, cause: RefundCause) -> Option<DueRefund> {
        let mut refunds = self.refunds.iter();
        let is_begun = refunds.any(|refund| refund.payment_id == attempt.id && refund.cause == cause);
        let left = self.refundable(&attempt.id).filter(|left| !is_begun && left.minor() > 0)?;
        Some(DueRefund { payment_id: attempt.id.clone(), amount: left, cause })
    }

    /// What can still go back of what an attempt brought: what was received, less what went back or may still go.
    /// `None` if nothing was received.
    #[must_use]
    pub fn refundable(&self, payment_id: &PaymentId) -> Option<Money> {
        let received = self.attempt(payment_id)?.facts.received()?;
        let of_it = self.refunds.iter().filter(|refund| refund.payment_id == *payment_id);
        let held: i64 = of_it.map(Refund::held).sum();
        Money::new((received.minor() - held).max(0), received.currency()).ok()
    }

    /// The attempt whose money a person would give back: the one that paid, else the one under review.
    #[must_use]
    pub fn refundable_attempt(&self) -> Option<&Attempt> {
        match &self.decisions.accepted {
            Some(id) => self.attempt(id),
            None => self.under_review().map(|(attempt, _)| attempt),
        }
    }

    /// The attempt whose success is not believed, and why. One whose money has all gone back needs no review.
    #[must_use]
    pub(crate) fn under_review(&self) -> Option<(&Attempt, ReviewReason)> {
        if self.decisions.accepted.is_some() {
            return None;
        }
        let kept = |attempt: &&Attempt| self.kept_of(attempt) > 0;
        // A success that fits says more than one that does not: look for it first.
        let fitting = self.attempts.iter().filter(kept).find(|attempt| attempt.fitting_success().is_some());
        if let Some(attempt) = fitting {
            // It fits and was not accepted: the order had ended before it came.
            let reason = match self.decisions.closed {
                Some(Closure::Expired) => ReviewReason::SucceededAfterExpiry,
                _ => ReviewReason::SucceededAfterCancel,
            };
            return Some((attempt, reason));
        }
        self.attempts.iter().filter(kept).find_map(|attempt| {
            let success = attempt.facts.successes().next()?;
            Some((attempt, attempt.check(success).err()?))
        })
    }

    /// What an attempt brought and has not gone back, in minor units.
    fn kept_of(&self, attempt: &Attempt) -> i64 {
        let of_it = self.refunds.iter().filter(|refund| refund.payment_id == attempt.id);
        // A success of which nothing was received is still one to look at.
        let received = attempt.facts.successes().map(|success| success.amount_received.max(1)).max();
        received.unwrap_or(0) - of_it.map(Refund::returned).sum::<i64>()
    }
}
