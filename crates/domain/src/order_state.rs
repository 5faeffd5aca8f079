//! The state of an order, and the events that a change of state causes.

use std::collections::BTreeMap;

use crate::dispute::{Dispute, DisputeOutcome, DisputeStatus};
use crate::history::{CloseReason, History};
use crate::id::{DisputeId, PaymentId, RefundId};
use crate::order::OrderStatus;
use crate::payment::{Attempt, OpenStatus, PaymentStatus, ReviewReason};
use crate::refund::RefundStatus;
use crate::string_enum;

/// The outcome of a payment. A new value wakes waiting requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// The bank is processing the payment. The customer has finished.
    Processing(PaymentId),
    /// The payment is authorized and can be captured.
    RequiresCapture(PaymentId),
    /// The payment succeeded.
    Succeeded(PaymentId),
    /// The PaymentIntent is canceled.
    Canceled(PaymentId),
    /// The payment failed. The string identifies the latest failure.
    Failed(PaymentId, String),
    /// The order was closed without a PaymentIntent.
    Closed,
}

/// The status of a dispute. Two snapshots are equal if their effect on the money is the same.
#[derive(Debug, Clone, Copy, Eq)]
pub struct DisputeSnapshot {
    /// The status.
    pub status: DisputeStatus,
    /// The time of the status by Stripe's clock, in Unix seconds.
    pub second: i64,
}

impl PartialEq for DisputeSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.status.outcome() == other.status.outcome()
    }
}

/// An attempt that is authorized or processing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlightAttempt {
    /// The attempt.
    pub payment_id: PaymentId,
    /// The number of failed payments before. It tells a second authorization of the attempt from the first.
    pub failure_count: usize,
}

/// The state of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderState {
    /// The status.
    pub status: OrderStatus,
    /// The reason for the review, if the status is [`OrderStatus::Review`].
    pub review_reason: Option<ReviewReason>,
    /// The attempt under review.
    pub under_review: Option<PaymentId>,
    /// The amount received by the accepted payment, in minor units.
    pub amount_paid: i64,
    /// The refunded part of `amount_paid`, in minor units.
    pub amount_refunded: i64,
    /// The outcome of the payment, if it has one.
    pub outcome: Option<PaymentOutcome>,
    /// The latest failure of the current attempt, by its ID, if its last payment failed.
    pub failure: Option<String>,
    /// The authorized or processing attempt, if the status shows it.
    pub in_flight: Option<InFlightAttempt>,
    /// Whether a success was accepted.
    pub is_accepted: bool,
    /// The reason why the order is closed without payment, if it is.
    pub closed: Option<CloseReason>,
    /// The status of each refund, including refunds of surplus payments. Released authorizations don't count as
    /// refunds.
    pub refunds: BTreeMap<RefundId, RefundStatus>,
    /// The status of each dispute.
    pub disputes: BTreeMap<DisputeId, DisputeSnapshot>,
}

/// An event to publish because the state of an order changed. Each (kind, subject) is unique for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderEvent {
    /// The kind of event.
    pub kind: OrderEventKind,
    /// The object of an event that can happen more than once: an attempt, failure, refund, dispute or product.
    /// It is empty for other events. If one object can cause the same event repeatedly, a suffix tells the
    /// events apart. For a dispute, the suffix is the status and its time. For an attempt in flight, it is the
    /// number of failed payments.
    pub subject: String,
}

impl OrderEvent {
    /// Returns the object's ID from a subject, without the suffix.
    #[must_use]
    pub fn object(subject: &str) -> &str {
        subject.split(' ').next().unwrap_or_default()
    }
}

string_enum! {
    /// The kind of an event about an order.
    pub enum OrderEventKind {
        /// The order was created.
        Created = "order.created",
        /// The bank is processing a payment.
        Processing = "order.processing",
        /// A payment was authorized.
        Authorized = "order.authorized",
        /// The order was paid.
        Paid = "order.paid",
        /// A payment failed.
        PaymentFailed = "order.payment_failed",
        /// The order was canceled without payment.
        Canceled = "order.canceled",
        /// The order expired without payment.
        Expired = "order.expired",
        /// A payment needs a review.
        ReviewRequired = "order.review_required",
        /// A refund succeeded.
        RefundSucceeded = "refund.succeeded",
        /// A refund failed, even if it had succeeded before.
        RefundFailed = "refund.failed",
        /// A bank opened a dispute or an inquiry, or reopened a decided one.
        DisputeOpened = "dispute.opened",
        /// A dispute was decided, or its decision changed.
        DisputeClosed = "dispute.closed",
        /// The order reserved the last unit of a product.
        ProductOutOfStock = "product.out_of_stock",
    }
}

impl History {
    /// Computes the order's state from facts and decisions. Due decisions must be made first: see
    /// [`Self::apply_decisions`].
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

    /// Returns the status of an order paid by this attempt, the amount paid and the amount refunded. A lost
    /// dispute takes precedence over an open one, and an open one over refunds.
    fn paid_status(&self, attempt: &Attempt) -> (OrderStatus, i64, i64) {
        // An accepted payment stays accepted, even if the requested capture amount is withdrawn later.
        let received = || attempt.facts.successes().map(|success| success.amount_received).max();
        let paid = attempt.matching_success().map(|success| success.amount_received);
        let paid = paid.or_else(received).unwrap_or(0);
        // Any further refund belongs to a surplus payment.
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
    /// Returns the events for the change from `before` to this state, in the order of publication.
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
