//! Finding and mending what went unheard.

use chrono::{DateTime, Utc};
use quittance_domain::dispute::DisputeObservation;
use quittance_domain::id::OrderId;
use quittance_domain::order::Order;
use quittance_domain::payment::{Observation, SessionObservation};
use quittance_domain::refund::RefundObservation;

use super::PendingAttempt;

/// An order to be compared with what Stripe says.
#[derive(Debug, Clone)]
pub struct OrderToCheck {
    /// The order.
    pub order: Order,
    /// Its attempts, oldest first.
    pub attempts: Vec<PendingAttempt>,
    /// When it was to be looked at next, when it was read.
    pub check_at: Option<DateTime<Utc>>,
}

/// What Stripe answered about one attempt, to be taken in as a whole.
#[derive(Debug, Clone, Default)]
pub struct AttemptObservations {
    /// Its PaymentIntent.
    pub payment_intent: Option<Observation>,
    /// Its Checkout Session.
    pub session: Option<SessionObservation>,
    /// The refunds of what it brought.
    pub refunds: Vec<RefundObservation>,
    /// The disputes of what it brought.
    pub disputes: Vec<DisputeObservation>,
}

/// Which part of Stripe's list of events is to be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventBackfill {
    /// Everything made before this was seen; `None` before the first walk.
    pub seen_until: Option<DateTime<Utc>>,
}

/// A part of the orders, whose cached columns were derived anew.
#[derive(Debug, Clone, Default)]
pub struct RecomputeOutcome {
    /// How many were looked at.
    pub checked_count: usize,
    /// Those whose columns were wrong.
    pub repaired: Vec<OrderId>,
    /// The last one, after which the next part begins; `None` when there are no more.
    pub last: Option<OrderId>,
}
