//! What happened to an order, in order.

use chrono::{DateTime, Utc};
use quittance_domain::id::OrderId;
use serde_json::Value;

/// A request to Stripe that was answered, or was not.
#[derive(Debug, Clone)]
pub struct StripeCall {
    /// The order that it was about.
    pub order_id: OrderId,
    /// The attempt or the refund that it was about.
    pub subject: String,
    /// What was asked, in Stripe's words, for example `refunds.create`.
    pub operation: String,
    /// Stripe's id of the request, if it answered: by it, the request is found in Stripe's log.
    pub request_id: Option<String>,
    /// Why it came to nothing, if it did: Stripe's code, or `unreachable`.
    pub error: Option<String>,
    /// When it was answered.
    pub at: DateTime<Utc>,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimelineKind {
    /// Something was asked for: the order, an attempt, a capture, a refund, its end.
    Act,
    /// Stripe was asked.
    Request,
    /// Stripe told of something.
    Fact,
    /// Something was decided, for good.
    Decision,
    /// Something was to be told to the shop's own systems.
    Effect,
}

impl TimelineKind {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Request => "request",
            Self::Fact => "fact",
            Self::Decision => "decision",
            Self::Effect => "effect",
        }
    }
}

/// One thing that happened to an order.
#[derive(Debug, Clone)]
pub struct TimelineEntry {
    /// When, at our clock.
    pub at: DateTime<Utc>,
    /// What kind of thing.
    pub kind: TimelineKind,
    /// What: `order.placed`, `payment.begun`, `refund.requested`, Stripe's event type or operation, the decision,
    /// the event told.
    pub what: String,
    /// What it was about: an attempt, a refund, a dispute, an event of Stripe's.
    pub subject: Option<String>,
    /// What came of it, where that is not sure: `applied`, `ignored`, `failed`, …
    pub outcome: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
    /// What else there is to know, for a reader with a secret key.
    pub detail: Option<Value>,
}
