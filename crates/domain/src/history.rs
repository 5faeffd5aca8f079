//! An order's payment history, and the status that follows from it.
//!
//! [`History::standing`] is a pure function of merged facts and recorded decisions. It alone says what status
//! an order has; the status column of a database is a cache of it. A [`Decision`] is what facts alone can not
//! say, because it depends on what we did and when: each is made once, by [`History::decide`], and recorded
//! for good.

use crate::id::{OrderId, PaymentId};
use crate::order::{OrderStatus, ReviewReason};
use crate::payment::{Attempt, Facts, Mismatch, Observation, OpenStatus, PaymentStatus, Success};

/// How an order is to end, or has ended, unpaid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closure {
    /// By the shop's or the customer's wish.
    Canceled,
}

impl Closure {
    /// The word for it in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canceled => "canceled",
        }
    }

    /// The closure that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Canceled].into_iter().find(|closure| closure.as_str() == word)
    }
}

/// What was decided about an order, each at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This attempt's success pays the order.
    Accepted(PaymentId),
    /// The order has ended unpaid.
    Closed(Closure),
}

/// The recorded decisions of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The attempt whose success pays the order.
    pub accepted: Option<PaymentId>,
    /// How the order has ended unpaid.
    pub closed: Option<Closure>,
}

impl Decisions {
    /// Adds a decision that was recorded.
    pub fn record(&mut self, decision: &Decision) {
        match decision {
            Decision::Accepted(payment) => self.accepted = Some(payment.clone()),
            Decision::Closed(closure) => self.closed = Some(*closure),
        }
    }
}

/// Every attempt to pay an order with what Stripe told of it, and what we decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
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
    /// Send the recorded request that makes the PaymentIntent.
    Create,
    /// Cancel the PaymentIntent.
    Close,
    /// Tell Stripe where the receipt and the goods go.
    UpdateDetails,
}

/// What identifies the settled state of a payment: a new value is worth telling a waiting customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// In flight at a bank: the customer has done their part.
    Processing(PaymentId),
    /// Held for capture.
    RequiresCapture(PaymentId),
    /// Money came.
    Succeeded(PaymentId),
    /// The PaymentIntent is closed.
    Canceled(PaymentId),
    /// This failure is the latest there is.
    Failed(PaymentId, String),
    /// The order has ended without a PaymentIntent.
    Closed,
}

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The order's status.
    pub status: OrderStatus,
    /// Why a person must look, in [`OrderStatus::Review`].
    pub review_reason: Option<ReviewReason>,
    /// What was received and believed, in minor units.
    pub amount_paid: i64,
    /// What a waiting customer wants to hear, if there is anything yet.
    pub settled: Option<Settled>,
    /// Which failure the latest attempt's last try ended with, if it did.
    pub failure: Option<String>,
}

/// What must be told to the shop's own systems, because an order's standing changed. There is one row of
/// each (kind, subject) for an order, ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What happened.
    pub kind: AnnouncementKind,
    /// What it is about, where it can happen more than once: an attempt or a failure. Empty otherwise.
    pub subject: String,
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnnouncementKind {
    /// It was placed.
    Created,
    /// An attempt is in flight at a bank.
    Processing,
    /// An attempt is held for capture.
    Authorized,
    /// It was paid.
    Paid,
    /// An attempt failed.
    PaymentFailed,
    /// It has ended unpaid.
    Canceled,
    /// A person must look.
    ReviewRequired,
}

impl AnnouncementKind {
    /// The event's type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "order.created",
            Self::Processing => "order.processing",
            Self::Authorized => "order.authorized",
            Self::Paid => "order.paid",
            Self::PaymentFailed => "order.payment_failed",
            Self::Canceled => "order.canceled",
            Self::ReviewRequired => "order.review_required",
        }
    }
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
        let PaymentStatus::Open(status) = attempt.facts.status() else { return None };
        if attempt.is_closed() {
            None
        } else if attempt.payment_intent_id.is_none() {
            Some(Task::Create)
        } else if self.closing.is_some()
            || self.attempts.last().is_some_and(|latest| latest.id != attempt.id)
            || (self.failure_count() >= limits.max_declines && status == OpenStatus::RequiresPaymentMethod)
        {
            Some(Task::Close)
        } else if details.told < details.current {
            Some(Task::UpdateDetails)
        } else {
            None
        }
    }

    /// Takes an observation in, if it is of an attempt of this order. Learns the PaymentIntent's id from it
    /// where the reply that carried it was lost.
    pub fn absorb(
        &mut self,
        payment_id: &PaymentId,
        order_id: &OrderId,
        observation: &Observation,
    ) -> Result<(), Mismatch> {
        let attempt = self
            .attempts
            .iter_mut()
            .find(|attempt| attempt.id == *payment_id)
            .ok_or(Mismatch::UnknownAttempt)?;
        attempt.recognizes(order_id, observation)?;
        attempt.payment_intent_id.get_or_insert_with(|| observation.payment_intent_id.clone());
        // It was made after all.
        attempt.refused = None;
        attempt.facts.merge(Facts::of(observation.fact.clone()));
        Ok(())
    }

    /// The decision that is due now, if one is. Whoever records it asks again, until there is none.
    #[must_use]
    pub fn decide(&self) -> Option<Decision> {
        let Decisions { accepted: None, closed: None } = &self.decisions else { return None };
        if let Some(attempt) = self.attempts.iter().find(|attempt| fitting_success(attempt).is_some()) {
            return Some(Decision::Accepted(attempt.id.clone()));
        }
        self.closing.filter(|_| self.attempts.iter().all(Attempt::is_closed)).map(Decision::Closed)
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

    /// Where the order stands: a pure function of facts and decisions. The decisions that are due must have been
    /// made: see [`Self::settle`].
    #[must_use]
    pub fn standing(&self) -> Standing {
        let paid_by =
            self.decisions.accepted.as_ref().and_then(|id| self.attempts.iter().find(|a| a.id == *id));
        if let Some(attempt) = paid_by {
            return Standing {
                status: OrderStatus::Paid,
                review_reason: None,
                amount_paid: fitting_success(attempt).map_or(0, |success| success.amount_received),
                settled: Some(Settled::Succeeded(attempt.id.clone())),
                failure: None,
            };
        }
        let (status, review_reason) = self.unpaid_status();
        Standing { status, review_reason, amount_paid: 0, settled: self.settled(), failure: self.failure() }
    }

    fn unpaid_status(&self) -> (OrderStatus, Option<ReviewReason>) {
        if let Some((attempt, success)) = self.any_success() {
            let reason = match attempt.expected.check(success) {
                Err(reason) => reason,
                // It fits and was not accepted: the order had ended before it came.
                Ok(()) => ReviewReason::SucceededAfterCancel,
            };
            return (OrderStatus::Review, Some(reason));
        }
        if let Some(Closure::Canceled) = self.decisions.closed {
            return (OrderStatus::Canceled, None);
        }
        let has = |status| self.attempts.iter().any(|a| a.facts.status() == PaymentStatus::Open(status));
        let status = if has(OpenStatus::RequiresCapture) {
            OrderStatus::Authorized
        } else if has(OpenStatus::Processing) {
            OrderStatus::Processing
        } else if self.failure().is_some() {
            OrderStatus::PaymentFailed
        } else {
            OrderStatus::Pending
        };
        (status, None)
    }

    fn failure(&self) -> Option<String> {
        self.attempts.last()?.facts.last_failure().map(|failure| failure.id.clone())
    }

    fn any_success(&self) -> Option<(&Attempt, &Success)> {
        // A success that fits says more than one that does not: look for it first.
        let successes =
            || self.attempts.iter().flat_map(|a| a.facts.successes().map(move |success| (a, success)));
        successes().find(|(a, success)| a.expected.check(success).is_ok()).or_else(|| successes().next())
    }

    fn settled(&self) -> Option<Settled> {
        let Some(attempt) = self.attempts.iter().rev().find(|attempt| attempt.refused.is_none()) else {
            return self.decisions.closed.map(|_| Settled::Closed);
        };
        let id = attempt.id.clone();
        match (attempt.facts.status(), attempt.facts.last_failure()) {
            (PaymentStatus::Succeeded, _) => Some(Settled::Succeeded(id)),
            (PaymentStatus::Canceled, _) => Some(Settled::Canceled(id)),
            (PaymentStatus::Open(OpenStatus::Processing), _) => Some(Settled::Processing(id)),
            (PaymentStatus::Open(OpenStatus::RequiresCapture), _) => Some(Settled::RequiresCapture(id)),
            (PaymentStatus::Open(_), Some(failure)) => Some(Settled::Failed(id, failure.id.clone())),
            (PaymentStatus::Open(_), None) => None,
        }
    }
}

fn fitting_success(attempt: &Attempt) -> Option<&Success> {
    attempt.facts.successes().find(|success| attempt.expected.check(success).is_ok())
}

impl Standing {
    /// What must be told because the order stood at `before` and stands here now.
    #[must_use]
    pub fn announcement_since(&self, before: &Self) -> Option<Announcement> {
        let attempt = |settled: &Option<Settled>| match settled {
            Some(Settled::Processing(id) | Settled::RequiresCapture(id)) => id.to_string(),
            _ => String::new(),
        };
        let changed = self.status != before.status;
        let (kind, subject) = match (self.status, &self.settled) {
            (OrderStatus::PaymentFailed, _) if changed || self.failure != before.failure => {
                (AnnouncementKind::PaymentFailed, self.failure.clone().unwrap_or_default())
            }
            _ if !changed => return None,
            (OrderStatus::Pending | OrderStatus::PaymentFailed, _) => return None,
            (OrderStatus::Processing, settled) => (AnnouncementKind::Processing, attempt(settled)),
            (OrderStatus::Authorized, settled) => (AnnouncementKind::Authorized, attempt(settled)),
            (OrderStatus::Paid, _) => (AnnouncementKind::Paid, String::new()),
            (OrderStatus::Review, _) => (AnnouncementKind::ReviewRequired, String::new()),
            (OrderStatus::Canceled, _) => (AnnouncementKind::Canceled, String::new()),
        };
        Some(Announcement { kind, subject })
    }
}
