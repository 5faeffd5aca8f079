//! A verified Stripe event and the outcome of applying it.

use crate::dispute::DisputeObservation;
use crate::payment::{Mismatch, Observation, SessionObservation};
use crate::refund::RefundObservation;
use crate::seller::AccountEvent;
use crate::stripe::{Account, Mode};

/// A verified Stripe event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event ID, `evt_…`. Stripe may deliver the same event more than once.
    pub id: String,
    /// Stripe's `type`.
    pub kind: String,
    /// The time of creation by Stripe's clock, in Unix seconds.
    pub created: i64,
    /// The account on which the event happened.
    pub account: Account,
    /// The mode of the event.
    pub mode: Mode,
    /// The parsed content.
    pub content: EventContent,
}

/// The content of an event, as far as Quittance supports its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventContent {
    /// The state of a PaymentIntent.
    Payment(Box<Observation>),
    /// The state of a Checkout Session.
    Session(Box<SessionObservation>),
    /// The state of a refund.
    Refund(Box<RefundObservation>),
    /// The state of a dispute.
    Dispute(Box<DisputeObservation>),
    /// A charge changed. The event doesn't carry the objects that changed, so Quittance reads the PaymentIntent
    /// at Stripe.
    MoneyMovement(Box<MoneyMovement>),
    /// A change of the connected account on which the event happened.
    Seller(AccountEvent),
    /// An event that has no effect in Quittance.
    Unhandled,
    /// A supported type with an unreadable object, and the reason. Quittance keeps it to read it again after an
    /// upgrade.
    Unreadable(String),
}

/// The PaymentIntent whose charge changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyMovement {
    /// The account that owns the PaymentIntent.
    pub account: Account,
    /// The mode of the PaymentIntent.
    pub mode: Mode,
    /// The PaymentIntent ID, `pi_…`.
    pub payment_intent_id: String,
}

/// The outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventOutcome {
    /// Quittance merged its fact into the facts of an attempt.
    Applied,
    /// Quittance already received it.
    Duplicate,
    /// It has no effect, for the given reason.
    Ignored(Mismatch),
    /// Its type has no effect in Quittance.
    Unhandled,
    /// It couldn't be read or applied. Its bytes are kept.
    Failed,
}

impl EventOutcome {
    /// Returns the name for the database and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Ignored(_) => "ignored",
            Self::Unhandled => "unhandled",
            Self::Failed => "failed",
        }
    }

    /// Returns the reason why the event was ignored, if it was.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Ignored(mismatch) => Some(mismatch.as_str()),
            _ => None,
        }
    }
}
