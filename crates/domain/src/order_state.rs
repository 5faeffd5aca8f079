//! Where an order stands, and what must be told because it stands elsewhere than before.

use std::collections::BTreeMap;

use crate::dispute::{Dispute, DisputeOutcome, DisputeStatus};
use crate::history::{CloseReason, History};
use crate::id::{DisputeId, PaymentId, RefundId};
use crate::order::OrderStatus;
use crate::payment::{Attempt, OpenStatus, PaymentStatus, ReviewReason};
use crate::refund::RefundStatus;
use crate::string_enum;

/// What identifies the settled state of a payment: a new value is worth telling a waiting customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentOutcome {
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

/// How a dispute stands. Two are equal that mean the same for the money: to see it once more is no change.
#[derive(Debug, Clone, Copy, Eq)]
pub struct DisputeSnapshot {
    /// How it stands.
    pub status: DisputeStatus,
    /// The second at which Stripe last said so.
    pub second: i64,
}

impl PartialEq for DisputeSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.status.outcome() == other.status.outcome()
    }
}

/// The attempt that is held for capture or in flight at a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlightAttempt {
    /// Which.
    pub payment_id: PaymentId,
    /// How many tries at paying it have failed: a later one is in flight anew.
    pub failure_count: usize,
}

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderState {
    /// The order's status.
    pub status: OrderStatus,
    /// Why a person must look, in [`OrderStatus::Review`].
    pub review_reason: Option<ReviewReason>,
    /// The attempt whose money they must look at.
    pub under_review: Option<PaymentId>,
    /// What was received and believed, in minor units.
    pub amount_paid: i64,
    /// What of it went back by refunds that succeeded, in minor units.
    pub amount_refunded: i64,
    /// What a waiting customer wants to hear, if there is anything yet.
    pub outcome: Option<PaymentOutcome>,
    /// Which failure the latest attempt's last try ended with, if it did.
    pub failure: Option<String>,
    /// What is held or in flight, if that is what the status says.
    pub in_flight: Option<InFlightAttempt>,
    /// Whether a success was accepted.
    pub is_accepted: bool,
    /// How the order has ended unpaid, if it has.
    pub closed: Option<CloseReason>,
    /// How each refund stands, also of what came too much. What a hold released is none: no money went back.
    pub refunds: BTreeMap<RefundId, RefundStatus>,
    /// How each dispute stands.
    pub disputes: BTreeMap<DisputeId, DisputeSnapshot>,
}

/// What must be told to the shop's own systems, because an order's standing changed. There is one row of
/// each (kind, subject) for an order, ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderEvent {
    /// What happened.
    pub kind: OrderEventKind,
    /// What it is about, where it can happen more than once: an attempt, a failure, a refund, a dispute, a
    /// product. Empty otherwise. What can be told of again has more beside it: a dispute, how it stands since which
    /// second; an attempt in flight, how many of its tries had failed.
    pub subject: String,
}

impl OrderEvent {
    /// The id of what a subject is about, without which of its changes it is.
    #[must_use]
    pub fn object(subject: &str) -> &str {
        subject.split(' ').next().unwrap_or_default()
    }
}

string_enum! {
    /// What happened to an order.
    pub enum OrderEventKind {
        /// It was placed.
        Created = "order.created",
        /// An attempt is in flight at a bank.
        Processing = "order.processing",
        /// An attempt is held for capture.
        Authorized = "order.authorized",
        /// It was paid.
        Paid = "order.paid",
        /// An attempt failed.
        PaymentFailed = "order.payment_failed",
        /// It has ended unpaid, by wish.
        Canceled = "order.canceled",
        /// It has ended unpaid, because its time was over.
        Expired = "order.expired",
        /// A person must look.
        ReviewRequired = "order.review_required",
        /// Money went back.
        RefundSucceeded = "refund.succeeded",
        /// A refund came to nothing, perhaps after it had succeeded.
        RefundFailed = "refund.failed",
        /// A customer's bank opened a dispute, or asks; or what was decided is open again.
        DisputeOpened = "dispute.opened",
        /// A dispute was decided, for the first time or otherwise than before.
        DisputeClosed = "dispute.closed",
        /// It took the last of a product.
        ProductOutOfStock = "product.out_of_stock",
    }
}

impl History {
    /// Where the order stands: a pure function of facts and decisions. The decisions that are due must have been
    /// made: see [`Self::settle`].
    #[must_use]
    pub fn order_state(&self) -> OrderState {
        let paid_by = self.accepted_attempt();
        let under_review = self.under_review();
        let (status, amount_paid, amount_refunded) = match paid_by {
            Some(attempt) => self.paid_status(attempt),
            None if under_review.is_some() => (OrderStatus::Review, 0, 0),
            None => (self.unpaid_status(), 0, 0),
        };
        let in_flight = match status {
            OrderStatus::Authorized => self.latest_with_status(OpenStatus::RequiresCapture),
            OrderStatus::Processing => self.latest_with_status(OpenStatus::Processing),
            _ => None,
        };
        let refunds = self.refunds.iter().filter(|refund| !refund.is_released_hold());
        OrderState {
            status,
            review_reason: under_review.map(|(_, reason)| reason),
            under_review: under_review.map(|(attempt, _)| attempt.id.clone()),
            amount_paid,
            amount_refunded,
            outcome: match paid_by {
                Some(attempt) => Some(PaymentOutcome::Succeeded(attempt.id.clone())),
                None => self.payment_outcome(),
            },
            failure: self.failure().filter(|_| paid_by.is_none()),
            in_flight: in_flight.map(|attempt| InFlightAttempt {
                payment_id: attempt.id.clone(),
                failure_count: attempt.facts.failure_count(),
            }),
            is_accepted: paid_by.is_some(),
            closed: self.decisions.closed,
            refunds: refunds.map(|refund| (refund.id.clone(), refund.status())).collect(),
            disputes: self
                .disputes
                .iter()
                .map(|dispute| (dispute.id.clone(), snapshot_of(dispute)))
                .collect(),
        }
    }

    /// The status of an order that this attempt paid, with what was paid and what of it went back. A lost dispute
    /// shows before all, an open one before refunds.
    fn paid_status(&self, attempt: &Attempt) -> (OrderStatus, i64, i64) {
        // What was accepted stays accepted, also if the wish to capture is withdrawn since.
        let received = || attempt.facts.successes().map(|success| success.amount_received).max();
        let paid = attempt.matching_success().map(|success| success.amount_received);
        let paid = paid.or_else(received).unwrap_or(0);
        // More than that can only go back of what came beside it.
        let refunded = self.refunded_of(attempt).min(paid);
        let disputes = || self.disputes.iter().filter(|dispute| dispute.payment_id == attempt.id);
        let any = |outcome| disputes().map(Dispute::outcome).any(|actual| actual == outcome);
        let status = if any(DisputeOutcome::Lost) {
            OrderStatus::ChargedBack
        } else if any(DisputeOutcome::Open) {
            OrderStatus::Disputed
        } else if refunded >= paid {
            OrderStatus::Refunded
        } else if refunded > 0 {
            OrderStatus::PartiallyRefunded
        } else {
            OrderStatus::Paid
        };
        (status, paid, refunded)
    }

    fn unpaid_status(&self) -> OrderStatus {
        match self.decisions.closed {
            Some(CloseReason::Canceled) => return OrderStatus::Canceled,
            Some(CloseReason::Expired) => return OrderStatus::Expired,
            None => {}
        }
        if self.latest_with_status(OpenStatus::RequiresCapture).is_some() {
            OrderStatus::Authorized
        } else if self.latest_with_status(OpenStatus::Processing).is_some() {
            OrderStatus::Processing
        } else if self.failure().is_some() {
            OrderStatus::PaymentFailed
        } else {
            OrderStatus::Pending
        }
    }

    fn latest_with_status(&self, status: OpenStatus) -> Option<&Attempt> {
        let has_status = |attempt: &&Attempt| {
            attempt.refused.is_none() && attempt.facts.status() == PaymentStatus::Open(status)
        };
        self.attempts.iter().rev().find(has_status)
    }

    fn failure(&self) -> Option<String> {
        self.attempts.last()?.facts.last_failure().map(|failure| failure.id.clone())
    }

    fn payment_outcome(&self) -> Option<PaymentOutcome> {
        let Some(attempt) = self.attempts.iter().rev().find(|attempt| attempt.refused.is_none()) else {
            return self.decisions.closed.map(|_| PaymentOutcome::Closed);
        };
        let id = attempt.id.clone();
        match (attempt.facts.status(), attempt.facts.last_failure()) {
            (PaymentStatus::Succeeded, _) => Some(PaymentOutcome::Succeeded(id)),
            (PaymentStatus::Canceled, _) => Some(PaymentOutcome::Canceled(id)),
            (PaymentStatus::Open(OpenStatus::Processing), _) => Some(PaymentOutcome::Processing(id)),
            (PaymentStatus::Open(OpenStatus::RequiresCapture), _) => {
                Some(PaymentOutcome::RequiresCapture(id))
            }
            (PaymentStatus::Open(_), Some(failure)) => Some(PaymentOutcome::Failed(id, failure.id.clone())),
            (PaymentStatus::Open(_), None) => None,
        }
    }
}

impl InFlightAttempt {
    fn subject(&self) -> String {
        match self.failure_count {
            0 => self.payment_id.to_string(),
            failures => format!("{} {failures}", self.payment_id),
        }
    }
}

impl OrderState {
    /// What must be told because the order stood at `before` and stands here now, in the order in which it is to
    /// be told.
    #[must_use]
    pub fn events_since(&self, before: &Self) -> Vec<OrderEvent> {
        let mut events = Vec::new();
        let mut push = |kind, subject: String| events.push(OrderEvent { kind, subject });
        if before.closed != self.closed {
            match self.closed {
                Some(CloseReason::Canceled) => push(OrderEventKind::Canceled, String::new()),
                Some(CloseReason::Expired) => push(OrderEventKind::Expired, String::new()),
                None => {}
            }
        }
        if self.is_accepted && !before.is_accepted {
            push(OrderEventKind::Paid, String::new());
        }
        let changed = self.status != before.status;
        let was_in_flight = before.in_flight.as_ref().map(|attempt| &attempt.payment_id);
        let is_new = |attempt: &&InFlightAttempt| changed || was_in_flight != Some(&attempt.payment_id);
        match self.status {
            OrderStatus::PaymentFailed if changed || self.failure != before.failure => {
                push(OrderEventKind::PaymentFailed, self.failure.clone().unwrap_or_default());
            }
            OrderStatus::Review if changed => {
                let reviewed = self.under_review.as_ref().map(PaymentId::to_string);
                push(OrderEventKind::ReviewRequired, reviewed.unwrap_or_default());
            }
            _ => {}
        }
        if let Some(in_flight) = self.in_flight.as_ref().filter(is_new) {
            let is_authorized = self.status == OrderStatus::Authorized;
            let kind = if is_authorized { OrderEventKind::Authorized } else { OrderEventKind::Processing };
            push(kind, in_flight.subject());
        }
        for (id, status) in &self.refunds {
            match status {
                _ if before.refunds.get(id) == Some(status) => {}
                RefundStatus::Succeeded => push(OrderEventKind::RefundSucceeded, id.to_string()),
                RefundStatus::Failed | RefundStatus::Canceled => {
                    push(OrderEventKind::RefundFailed, id.to_string());
                }
                RefundStatus::Pending | RefundStatus::RequiresAction => {}
            }
        }
        for (id, dispute) in &self.disputes {
            let known = before.disputes.get(id);
            if known.is_none() {
                push(OrderEventKind::DisputeOpened, id.to_string());
            }
            if known == Some(dispute) {
                continue;
            }
            let DisputeSnapshot { status, second } = dispute;
            let change = format!("{id} {} {second}", status.as_str());
            match status.outcome() {
                DisputeOutcome::Won | DisputeOutcome::Lost => push(OrderEventKind::DisputeClosed, change),
                DisputeOutcome::Open if known.is_some() => push(OrderEventKind::DisputeOpened, change),
                DisputeOutcome::Open => {}
            }
        }
        events
    }
}

fn snapshot_of(dispute: &Dispute) -> DisputeSnapshot {
    DisputeSnapshot { status: dispute.facts.state().status, second: dispute.facts.second() }
}
