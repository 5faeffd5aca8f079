//! An order's payment history: what Stripe told of it, what was decided, and what is to be done next.
//!
//! [`History::standing`] is a pure function of merged facts and recorded decisions. It alone says what status
//! an order has; the status column of a database is a cache of it. A [`Decision`] is what facts alone can not
//! say, because it depends on what we did and when: each is made once, by [`History::decide`], and recorded
//! for good.

mod observations;
mod refunds;

pub use refunds::{DueRefund, ReviewRefund};

use crate::checkout::PaymentFlow;
use crate::dispute::Dispute;
use crate::id::PaymentId;
use crate::payment::{Attempt, OpenStatus, PaymentStatus};
use crate::refund::Refund;
use crate::string_enum;

string_enum! {
    /// How an order is to end, or has ended, unpaid.
    pub enum CloseReason {
        /// By the shop's or the customer's wish.
        Canceled = "canceled",
        /// Because its time was over.
        Expired = "expired",
    }
}

/// What was decided about an order, each at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This attempt's success pays the order.
    Accepted(PaymentId),
    /// The order has ended unpaid.
    Closed(CloseReason),
    /// Money came after the order had expired: whether its goods could be taken from the stock again.
    RestockAttempted(RestockOutcome),
}

string_enum! {
    /// Whether the goods of an expired order could be taken from the stock again.
    pub enum RestockOutcome {
        /// They were, all of them.
        Taken = "taken",
        /// There were too few; nothing was taken.
        Short = "short",
    }
}

/// The recorded decisions of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The attempt whose success pays the order.
    pub accepted: Option<PaymentId>,
    /// How the order has ended unpaid.
    pub closed: Option<CloseReason>,
    /// Whether an order that was paid after it had expired got its goods again.
    pub restocked: Option<RestockOutcome>,
}

impl Decisions {
    /// Adds a decision that was recorded.
    pub fn record(&mut self, decision: &Decision) {
        match decision {
            Decision::Accepted(payment) => self.accepted = Some(payment.clone()),
            Decision::Closed(closure) => self.closed = Some(*closure),
            Decision::RestockAttempted(restock) => self.restocked = Some(*restock),
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
    pub closing: Option<CloseReason>,
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

/// Which version of the customer's details the order has, and which Stripe was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetailsVersions {
    /// The order's.
    pub current: i64,
    /// What Stripe was last told.
    pub sent: i64,
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
    Refresh,
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
        self.accepted_attempt().or(self.attempts.last())
    }

    /// What we have to do at Stripe for this attempt, if anything: what a crash leaves open is driven again.
    ///
    /// `details` says whether Stripe still has to be told where the goods go.
    #[must_use]
    pub fn task(&self, attempt: &Attempt, details: DetailsVersions, limits: &Limits) -> Option<Task> {
        if attempt.is_closed() {
            return None;
        }
        if !attempt.exists_at_stripe() {
            return Some(Task::Create);
        }
        if attempt.is_authorized() && attempt.capture.is_some() && !self.has_ended() {
            Some(Task::Capture)
        } else if attempt.is_payment_outcome_unknown() {
            // Stripe closes no complete Checkout Session: first we have to know what became of its money.
            Some(Task::Refresh)
        } else if self.must_close(attempt, limits) {
            Some(Task::Close)
        } else {
            let is_behind = attempt.flow == PaymentFlow::PaymentIntent && details.sent < details.current;
            is_behind.then_some(Task::UpdateDetails)
        }
    }

    /// Whether nobody is to pay with this attempt any more.
    fn must_close(&self, attempt: &Attempt, limits: &Limits) -> bool {
        let waits = attempt.facts.status() == PaymentStatus::Open(OpenStatus::RequiresPaymentMethod);
        self.has_ended()
            || self.closing.is_some()
            || attempt.abandoned
            || attempt.outdated
            || self.attempts.last().is_some_and(|latest| latest.id != attempt.id)
            || (waits && self.failure_count() >= limits.max_declines)
    }

    /// Whether it is decided how the order ended, paid or unpaid: whatever still comes is too much.
    fn has_ended(&self) -> bool {
        self.decisions.accepted.is_some() || self.decisions.closed.is_some()
    }

    /// The attempt of this id.
    #[must_use]
    pub fn attempt(&self, payment_id: &PaymentId) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == *payment_id)
    }

    /// The attempt whose success pays the order, if one was accepted.
    pub(crate) fn accepted_attempt(&self) -> Option<&Attempt> {
        self.attempt(self.decisions.accepted.as_ref()?)
    }

    /// The decision that is due now, if one is. Whoever records it asks again, until there is none.
    #[must_use]
    pub fn decide(&self) -> Option<Decision> {
        if self.decisions.accepted.is_some() {
            return None;
        }
        let matching = self.matching_attempt().map(|attempt| attempt.id.clone());
        match (matching, self.decisions.closed, self.decisions.restocked) {
            (Some(id), None, _) | (Some(id), Some(CloseReason::Expired), Some(RestockOutcome::Taken)) => {
                Some(Decision::Accepted(id))
            }
            // While money is kept that a person has to look at, the order has not ended unpaid.
            (None, None, _) => {
                let is_over = self.attempts.iter().all(Attempt::is_closed) && self.under_review().is_none();
                self.closing.filter(|_| is_over).map(Decision::Closed)
            }
            _ => None,
        }
    }

    /// Whether the goods of the order are to be taken from the stock again, because it was paid after it had
    /// expired. Whoever tries it records [`Decision::RestockAttempted`], and settles again.
    #[must_use]
    pub fn needs_restock(&self) -> bool {
        let Decisions { accepted, closed, restocked } = &self.decisions;
        accepted.is_none()
            && *closed == Some(CloseReason::Expired)
            && restocked.is_none()
            && self.matching_attempt().is_some()
    }

    fn matching_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.matching_success().is_some())
    }

    /// Makes and takes in every decision that is due, and returns them to be recorded.
    pub fn apply_decisions(&mut self) -> Vec<Decision> {
        let mut made = Vec::new();
        while let Some(decision) = self.decide() {
            self.decisions.record(&decision);
            made.push(decision);
        }
        made
    }
}
