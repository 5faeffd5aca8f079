//! An order's payment history: its facts, its decisions and the next task.
//!
//! [`History::order_state`] is a pure function of merged facts and recorded decisions. It alone determines an
//! order's status. The status column in the database is a cache. A [`Decision`] is a choice that facts alone
//! can't determine, because it depends on earlier actions and their times. Each decision is made once and
//! recorded permanently.

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
    /// The reason why an order is closed without payment.
    pub enum CloseReason {
        /// The shop or the customer canceled it.
        Canceled = "canceled",
        /// It wasn't paid within its time limit.
        Expired = "expired",
    }
}

/// A decision about an order. Each kind is made at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The success of this attempt pays the order.
    Accepted(PaymentId),
    /// The order is closed without payment.
    Closed(CloseReason),
    /// A payment succeeded after the order expired, so Quittance tried to reserve its items again.
    RestockAttempted(RestockOutcome),
}

string_enum! {
    /// The outcome of reserving the items of an expired order again.
    pub enum RestockOutcome {
        /// All items were reserved.
        Taken = "taken",
        /// Stock was too low. Nothing was reserved.
        Short = "short",
    }
}

/// The recorded decisions of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The attempt whose success pays the order.
    pub accepted: Option<PaymentId>,
    /// The reason why the order is closed without payment.
    pub closed: Option<CloseReason>,
    /// The outcome of reserving the items again, if the order was paid after it expired.
    pub restocked: Option<RestockOutcome>,
}

impl Decisions {
    /// Adds a recorded decision.
    pub fn record(&mut self, decision: &Decision) {
        match decision {
            Decision::Accepted(payment) => self.accepted = Some(payment.clone()),
            Decision::Closed(reason) => self.closed = Some(*reason),
            Decision::RestockAttempted(restock) => self.restocked = Some(*restock),
        }
    }
}

/// All attempts, refunds and disputes of an order with their facts, and the recorded decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The refunds of all attempts.
    pub refunds: Vec<Refund>,
    /// The disputes of all attempts.
    pub disputes: Vec<Dispute>,
    /// The recorded decisions.
    pub decisions: Decisions,
    /// The reason for a requested close that isn't complete yet. Quittance closes the live attempt at Stripe first.
    pub closing: Option<CloseReason>,
}

/// The limits that the shop configures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of failed payments of one order. This limit stops card testing.
    pub max_declines: usize,
    /// The maximum number of open orders of one client address.
    pub max_open_orders: i64,
    /// The policy for refunding payments under review automatically.
    pub review_refund: ReviewRefund,
}

/// The versions of the customer's details: the order's, and the one that Stripe has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetailsVersions {
    /// The order's version.
    pub current: i64,
    /// The version that was last sent to Stripe.
    pub sent: i64,
}

/// The next request to Stripe for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Send the recorded request that creates the PaymentIntent or the Checkout Session.
    Create,
    /// Capture the recorded amount of an authorized payment.
    Capture,
    /// Cancel the PaymentIntent, or expire the Checkout Session.
    Close,
    /// Read the Checkout Session, because it is complete and the outcome of its payment is unknown.
    Refresh,
    /// Send the receipt address and the shipping address to Stripe.
    UpdateDetails,
}

impl History {
    /// Returns the newest attempt that isn't closed. It can still succeed, or it is being created.
    #[must_use]
    pub fn live_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| !attempt.is_closed())
    }

    /// Returns the number of failed payments over all attempts.
    #[must_use]
    pub fn failure_count(&self) -> usize {
        self.attempts.iter().map(|attempt| attempt.facts.failure_count()).sum()
    }

    /// Returns the attempt to show with the order: the one that paid it, or the latest.
    #[must_use]
    pub fn current_attempt(&self) -> Option<&Attempt> {
        self.accepted_attempt().or(self.attempts.last())
    }

    /// Returns the next task for this attempt. After a crash, the same task is due again.
    ///
    /// `details` determines whether Stripe needs the customer's latest details.
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
            // Stripe can't expire a complete Checkout Session. Its payment outcome must be known first.
            Some(Task::Refresh)
        } else if self.must_close(attempt, limits) {
            Some(Task::Close)
        } else {
            let is_behind = attempt.flow == PaymentFlow::PaymentIntent && details.sent < details.current;
            is_behind.then_some(Task::UpdateDetails)
        }
    }

    /// Returns whether this attempt must not be paid anymore.
    fn must_close(&self, attempt: &Attempt, limits: &Limits) -> bool {
        let awaits_payment_method =
            attempt.facts.status() == PaymentStatus::Open(OpenStatus::RequiresPaymentMethod);
        self.has_ended()
            || self.closing.is_some()
            || attempt.abandoned
            || attempt.outdated
            || self.attempts.last().is_some_and(|latest| latest.id != attempt.id)
            || (awaits_payment_method && self.failure_count() >= limits.max_declines)
    }

    /// Returns whether the outcome of the order is decided. Any further success is surplus.
    fn has_ended(&self) -> bool {
        self.decisions.accepted.is_some() || self.decisions.closed.is_some()
    }

    /// Returns the attempt with this ID.
    #[must_use]
    pub fn attempt(&self, payment_id: &PaymentId) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == *payment_id)
    }

    /// Returns the attempt whose success pays the order, if one was accepted.
    pub(crate) fn accepted_attempt(&self) -> Option<&Attempt> {
        self.attempt(self.decisions.accepted.as_ref()?)
    }

    /// Returns the decision that is due now. The caller records it and calls this again until the result is
    /// `None`.
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
            // The order can't be closed while a payment is under review.
            (None, None, _) => {
                let is_over = self.attempts.iter().all(Attempt::is_closed) && self.under_review().is_none();
                self.closing.filter(|_| is_over).map(Decision::Closed)
            }
            _ => None,
        }
    }

    /// Returns whether the items must be reserved again, because the order was paid after it expired. The
    /// caller tries that, records [`Decision::RestockAttempted`], and applies decisions again.
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

    /// Makes and applies all due decisions. Returns them, so that the caller can record them.
    pub fn apply_decisions(&mut self) -> Vec<Decision> {
        let mut made = Vec::new();
        while let Some(decision) = self.decide() {
            self.decisions.record(&decision);
            made.push(decision);
        }
        made
    }
}
