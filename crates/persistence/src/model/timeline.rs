//! The timeline of an order.

use chrono::{DateTime, Utc};
use quittance_domain::id::OrderId;
use serde_json::Value;

/// A request to Stripe, answered or not.
#[derive(Debug, Clone)]
pub struct StripeCall {
    /// The order.
    pub order_id: OrderId,
    /// The attempt or the refund.
    pub subject: String,
    /// The operation in Stripe's terms, such as `refunds.create`.
    pub operation: String,
    /// Stripe's request ID, if it answered. It finds the request in Stripe's logs.
    pub request_id: Option<String>,
    /// The reason for a failure: Stripe's code, or `unreachable`.
    pub error: Option<String>,
    /// When it was answered.
    pub at: DateTime<Utc>,
}

/// The kind of a timeline entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimelineKind {
    /// A request: an order, an attempt, a capture, a refund or a close.
    Act,
    /// A request to Stripe.
    Request,
    /// An event from Stripe.
    Fact,
    /// A final decision.
    Decision,
    /// An event for the shop's systems.
    Effect,
}

impl TimelineKind {
    /// Returns the kind's name in JSON.
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

/// An entry in the timeline of an order.
#[derive(Debug, Clone)]
pub struct TimelineEntry {
    /// The time, by Quittance's clock.
    pub at: DateTime<Utc>,
    /// The kind.
    pub kind: TimelineKind,
    /// The name: for example `order.placed`, a Stripe event type or operation, a decision, or a published event.
    pub what: String,
    /// The payment, refund, dispute or Stripe event ID.
    pub subject: Option<String>,
    /// The outcome, if it can vary: `applied`, `ignored`, `failed`, …
    pub outcome: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// Stripe's request ID.
    pub request_id: Option<String>,
    /// More details, for readers with a secret key.
    pub detail: Option<Value>,
}
