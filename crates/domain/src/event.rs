//! A verified event, as the gateway understood it, and what became of it.

use crate::dispute::DisputeObservation;
use crate::payment::{Mismatch, Observation, SessionObservation};
use crate::refund::RefundObservation;
use crate::seller::AccountEvent;
use crate::stripe::{Account, Mode};

/// A verified event of Stripe's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Stripe's id of it, `evt_…`: the same event is delivered more than once.
    pub id: String,
    /// Stripe's `type`.
    pub kind: String,
    /// The second at Stripe's clock in which it was made.
    pub created: i64,
    /// The account that it happened on.
    pub account: Account,
    /// Whether money is real there.
    pub mode: Mode,
    /// What it says.
    pub content: EventContent,
}

/// What an event says, as far as we understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventContent {
    /// How a PaymentIntent stood.
    Payment(Box<Observation>),
    /// How a Checkout Session stood.
    Session(Box<SessionObservation>),
    /// How a refund stood.
    Refund(Box<RefundObservation>),
    /// How a dispute stood.
    Dispute(Box<DisputeObservation>),
    /// That money of a PaymentIntent moved, without the object that says how: Stripe is to be asked.
    MoneyMovement(Box<MoneyMovement>),
    /// Something about the connected account that it happened on.
    Seller(AccountEvent),
    /// Something that changes nothing here.
    Unhandled,
    /// A type that we handle, with an object that we can not read. Kept, to be read again after an upgrade.
    Unreadable(String),
}

/// Whose money moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyMovement {
    /// The account it lives on.
    pub account: Account,
    /// Whether money is real there.
    pub mode: Mode,
    /// The PaymentIntent.
    pub payment_intent_id: String,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventOutcome {
    /// Its fact was merged into an attempt's.
    Applied,
    /// It was here before.
    Duplicate,
    /// It counts for nothing, and why.
    Ignored(Mismatch),
    /// Its type changes nothing here.
    Unhandled,
    /// It could not be read or applied; its bytes are kept.
    Failed,
}

impl EventOutcome {
    /// The word for it in the database and in metrics.
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

    /// Why it counts for nothing, if it was ignored.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Ignored(mismatch) => Some(mismatch.as_str()),
            _ => None,
        }
    }
}
