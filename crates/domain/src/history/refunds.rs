//! Payments under review, refundable amounts and automatic refunds.

use crate::dispute::DisputeOutcome;
use crate::history::{CloseReason, History};
use crate::id::PaymentId;
use crate::money::Money;
use crate::payment::{Attempt, ReviewReason};
use crate::refund::{Refund, RefundCause};
use crate::string_enum;

string_enum! {
    /// The policy for refunding payments under review automatically.
    #[derive(Default)]
    pub enum ReviewRefund {
        /// A person decides.
        #[default]
        Never = "never",
        /// Refund payments that match the attempt but arrived late.
        Late = "late",
        /// Refund all payments under review.
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

/// An automatic refund that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRefund {
    /// The attempt to refund.
    pub payment_id: PaymentId,
    /// The remaining amount of the attempt.
    pub amount: Money,
    /// The reason for the refund.
    pub cause: RefundCause,
}

impl History {
    /// Returns the automatic refunds that are due: surplus payments, and payments under review that the policy
    /// covers. Returns none while a decision is due.
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

    /// Returns the refund of an attempt's remaining amount for this cause. It is due once. If Stripe refused it
    /// because less remained than expected, it is due again.
    fn due_refund(&self, attempt: &Attempt, cause: RefundCause) -> Option<DueRefund> {
        let left = self.refundable(&attempt.id).filter(|left| left.minor() > 0)?;
        let still_counts =
            |refund: &Refund| refund.refused.is_none() || refund.amount.minor() <= left.minor();
        let is_started = self.refunds_of(attempt).any(|refund| refund.cause == cause && still_counts(refund));
        // The bank decides about disputed money.
        let is_disputed = self
            .disputes
            .iter()
            .any(|dispute| dispute.payment_id == attempt.id && dispute.outcome() != DisputeOutcome::Won);
        let amount = (!is_started && !is_disputed).then_some(left)?;
        Some(DueRefund { payment_id: attempt.id.clone(), amount, cause })
    }

    /// Returns the refundable amount of an attempt: the amount received, minus refunds that succeeded or may
    /// still succeed, and minus lost disputes. Returns `None` if nothing was received.
    #[must_use]
    pub fn refundable(&self, payment_id: &PaymentId) -> Option<Money> {
        let attempt = self.attempt(payment_id)?;
        let received = attempt.facts.received()?;
        let reserved: i64 = self.refunds_of(attempt).map(Refund::reserved_amount).sum();
        let left = received.minor().saturating_sub(reserved).saturating_sub(self.charged_back_of(attempt));
        Money::new(left.max(0), received.currency()).ok()
    }

    /// Returns the attempt that a refund request applies to: the one that paid the order, or else the one under
    /// review.
    #[must_use]
    pub fn refundable_attempt(&self) -> Option<&Attempt> {
        self.accepted_attempt().or_else(|| self.under_review().map(|(attempt, _)| attempt))
    }

    /// Returns the attempt under review and the reason. A matching success takes precedence over one that
    /// doesn't match.
    pub(crate) fn under_review(&self) -> Option<(&Attempt, ReviewReason)> {
        let reviewed = || {
            let reason = |attempt| Some((attempt, self.review_reason(attempt)?));
            self.attempts.iter().filter_map(reason)
        };
        reviewed().find(|(_, reason)| reason.is_late()).or_else(|| reviewed().next())
    }

    /// Returns the reason why an attempt's success is under review. A fully refunded attempt needs no review.
    fn review_reason(&self, attempt: &Attempt) -> Option<ReviewReason> {
        if self.decisions.accepted.is_some() || self.net_received(attempt) <= 0 {
            return None;
        }
        if attempt.matching_success().is_none() {
            return attempt.check(attempt.facts.successes().next()?).err();
        }
        // It matches, but the order was closed before it arrived.
        Some(match self.decisions.closed {
            Some(CloseReason::Expired) => ReviewReason::SucceededAfterExpiry,
            Some(CloseReason::Canceled) | None => ReviewReason::SucceededAfterCancel,
        })
    }

    /// Returns an attempt's amount received, minus refunds and lost disputes, in minor units. The result is
    /// negative if more was returned than received.
    fn net_received(&self, attempt: &Attempt) -> i64 {
        // A success with nothing received needs review too.
        let received = attempt.facts.successes().map(|success| success.amount_received.max(1)).max();
        received
            .unwrap_or(0)
            .saturating_sub(self.refunded_of(attempt))
            .saturating_sub(self.charged_back_of(attempt))
    }

    /// Returns the amount of an attempt's lost disputes, in minor units of the received currency. A dispute
    /// that is won on appeal doesn't count. A dispute in another currency can't be subtracted, so the payment
    /// stays under review.
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

    /// Returns an attempt's refunded amount, in minor units.
    pub(crate) fn refunded_of(&self, attempt: &Attempt) -> i64 {
        self.refunds_of(attempt).map(Refund::refunded_amount).sum()
    }

    fn refunds_of(&self, attempt: &Attempt) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.payment_id == attempt.id)
    }
}
