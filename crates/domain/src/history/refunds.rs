//! What money is under review, what of it can go back, and what has to go back although nobody asked for it.

use crate::dispute::DisputeOutcome;
use crate::history::{CloseReason, History};
use crate::id::PaymentId;
use crate::money::Money;
use crate::payment::{Attempt, ReviewReason};
use crate::refund::{Refund, RefundCause};
use crate::string_enum;

string_enum! {
    /// When money that came where it must not be believed is given back without a person.
    #[derive(Default)]
    pub enum ReviewRefund {
        /// Never: a person decides.
        #[default]
        Never = "never",
        /// When it is what was asked for and only came too late.
        Late = "late",
        /// Always.
        Always = "always",
    }
}

impl ReviewRefund {
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

impl History {
    /// The refunds that are due and that nobody asked for: of what came although the order was paid already, and
    /// of what is under review where the policy says so. None is due before every decision is made.
    #[must_use]
    pub fn due_refunds(&self, policy: ReviewRefund) -> Vec<DueRefund> {
        if self.decide().is_some() || self.needs_restock() {
            return Vec::new();
        }
        let cause_of = |attempt: &Attempt| {
            if let Some(accepted) = &self.decisions.accepted {
                return (attempt.id != *accepted).then_some(RefundCause::Surplus);
            }
            self.review_reason(attempt).filter(|reason| policy.covers(*reason)).map(|_| RefundCause::Review)
        };
        let due = |attempt: &Attempt| self.due_refund(attempt, cause_of(attempt)?);
        self.attempts.iter().filter_map(due).collect()
    }

    /// All that is left of an attempt's money, to go back for this cause: once, unless Stripe refused that because
    /// less was left than we knew.
    fn due_refund(&self, attempt: &Attempt, cause: RefundCause) -> Option<DueRefund> {
        let left = self.refundable(&attempt.id).filter(|left| left.minor() > 0)?;
        let still_counts =
            |refund: &Refund| refund.refused.is_none() || refund.amount.minor() <= left.minor();
        let is_started = self.refunds_of(attempt).any(|refund| refund.cause == cause && still_counts(refund));
        // What is disputed is the bank's to give back.
        let is_disputed = self
            .disputes
            .iter()
            .any(|dispute| dispute.payment_id == attempt.id && dispute.outcome() != DisputeOutcome::Won);
        let amount = (!is_started && !is_disputed).then_some(left)?;
        Some(DueRefund { payment_id: attempt.id.clone(), amount, cause })
    }

    /// What can still go back of what an attempt brought: what was received, less what went back or may still go, and
    /// less what the bank took. `None` if nothing was received.
    #[must_use]
    pub fn refundable(&self, payment_id: &PaymentId) -> Option<Money> {
        let attempt = self.attempt(payment_id)?;
        let received = attempt.facts.received()?;
        let reserved: i64 = self.refunds_of(attempt).map(Refund::reserved_amount).sum();
        let left = received.minor().saturating_sub(reserved).saturating_sub(self.charged_back_of(attempt));
        Money::new(left.max(0), received.currency()).ok()
    }

    /// The attempt whose money a person would give back: the one that paid, else the one under review.
    #[must_use]
    pub fn refundable_attempt(&self) -> Option<&Attempt> {
        self.accepted_attempt().or_else(|| self.under_review().map(|(attempt, _)| attempt))
    }

    /// The attempt whose success is not believed, and why. A success that fits says more than one that does not.
    pub(crate) fn under_review(&self) -> Option<(&Attempt, ReviewReason)> {
        let reviewed = || {
            let reason = |attempt| Some((attempt, self.review_reason(attempt)?));
            self.attempts.iter().filter_map(reason)
        };
        reviewed().find(|(_, reason)| reason.is_late()).or_else(|| reviewed().next())
    }

    /// Why an attempt's success is not believed. One whose money has all gone back needs no review.
    fn review_reason(&self, attempt: &Attempt) -> Option<ReviewReason> {
        if self.decisions.accepted.is_some() || self.net_received(attempt) <= 0 {
            return None;
        }
        if attempt.matching_success().is_none() {
            return attempt.check(attempt.facts.successes().next()?).err();
        }
        // It fits and was not accepted: the order had ended before it came.
        Some(match self.decisions.closed {
            Some(CloseReason::Expired) => ReviewReason::SucceededAfterExpiry,
            Some(CloseReason::Canceled) | None => ReviewReason::SucceededAfterCancel,
        })
    }

    /// What an attempt brought and has not gone back, by a refund or a lost dispute, in minor units; below zero if more
    /// went back than came.
    fn net_received(&self, attempt: &Attempt) -> i64 {
        // A success of which nothing was received is still one to look at.
        let received = attempt.facts.successes().map(|success| success.amount_received.max(1)).max();
        received
            .unwrap_or(0)
            .saturating_sub(self.refunded_of(attempt))
            .saturating_sub(self.charged_back_of(attempt))
    }

    /// What the customer's bank took of an attempt's money by disputes that are lost, in minor units of what was
    /// received; what is won on appeal has come back. A dispute in another currency says nothing that could be
    /// subtracted: then a person has to look.
    fn charged_back_of(&self, attempt: &Attempt) -> i64 {
        let is_same_currency =
            |currency: &str| attempt.facts.successes().any(|success| success.currency == currency);
        let lost = self.disputes.iter().filter(|dispute| {
            dispute.payment_id == attempt.id
                && dispute.outcome() == DisputeOutcome::Lost
                && is_same_currency(&dispute.facts.state().currency)
        });
        lost.map(|dispute| dispute.facts.state().amount.max(0)).fold(0, i64::saturating_add)
    }

    /// What of an attempt's money went back, in minor units.
    pub(crate) fn refunded_of(&self, attempt: &Attempt) -> i64 {
        self.refunds_of(attempt).map(Refund::refunded_amount).sum()
    }

    fn refunds_of(&self, attempt: &Attempt) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.payment_id == attempt.id)
    }
}
