//! Checks, event backfills and repairs.

use chrono::{DateTime, Utc};
use quittance_domain::dispute::DisputeObservation;
use quittance_domain::id::OrderId;
use quittance_domain::order::Order;
use quittance_domain::payment::{Observation, SessionObservation};
use quittance_domain::refund::RefundObservation;

use super::PendingAttempt;

/// An order to compare with Stripe.
#[derive(Debug, Clone)]
pub struct OrderToCheck {
    /// The order.
    pub order: Order,
    /// Its attempts, oldest first.
    pub attempts: Vec<PendingAttempt>,
    /// When its next check was due when it was read.
    pub check_at: Option<DateTime<Utc>>,
}

/// Stripe's answers about one attempt, to apply together.
#[derive(Debug, Clone, Default)]
pub struct AttemptObservations {
    /// The PaymentIntent.
    pub payment_intent: Option<Observation>,
    /// The Checkout Session.
    pub session: Option<SessionObservation>,
    /// The refunds.
    pub refunds: Vec<RefundObservation>,
    /// The disputes.
    pub disputes: Vec<DisputeObservation>,
}

/// The progress of an event backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventBackfill {
    /// All events created before this time were seen. `None` before the first backfill.
    pub seen_until: Option<DateTime<Utc>>,
}

/// A batch of orders whose cached columns were derived again.
#[derive(Debug, Clone, Default)]
pub struct RecomputeOutcome {
    /// The number of orders checked.
    pub checked_count: usize,
    /// The orders with wrong columns.
    pub repaired: Vec<OrderId>,
    /// The last order of the batch, after which the next batch starts. `None` at the end.
    pub last: Option<OrderId>,
}
