//! Charges that a customer disputes with their bank. See <https://docs.stripe.com/disputes/how-disputes-work>.

use serde::{Deserialize, Serialize};

use crate::id::{DisputeId, PaymentId};
use crate::string_enum;
use crate::stripe::{Account, Mode, Provenance};

string_enum! {
    /// How a dispute stands, in Stripe's words.
    #[derive(PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum DisputeStatus {
        /// The bank asks; no money was taken yet. The shop can answer.
        WarningNeedsResponse = "warning_needs_response",
        /// The bank looks at the shop's answer; no money was taken.
        WarningUnderReview = "warning_under_review",
        /// The bank asks no more; no money was taken.
        WarningClosed = "warning_closed",
        /// The money was taken back. The shop can answer.
        NeedsResponse = "needs_response",
        /// The bank looks at the shop's answer.
        UnderReview = "under_review",
        /// The money came back to the shop.
        Won = "won",
        /// The money stays with the customer.
        Lost = "lost",
        /// It was resolved before it became one.
        Prevented = "prevented",
    }
}

/// What a dispute means for the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisputeOutcome {
    /// Nothing is decided.
    Open,
    /// The shop keeps the money.
    Won,
    /// The customer keeps the money.
    Lost,
}

impl DisputeStatus {
    /// A bank asks, asks no more, disputes, and decides, never back: the higher stage counts.
    fn stage(self) -> u8 {
        match self {
            Self::WarningNeedsResponse | Self::WarningUnderReview => 0,
            Self::WarningClosed => 1,
            Self::NeedsResponse | Self::UnderReview => 2,
            Self::Won | Self::Lost | Self::Prevented => 3,
        }
    }

    /// What it means for the money.
    #[must_use]
    pub fn outcome(self) -> DisputeOutcome {
        match self {
            Self::WarningNeedsResponse
            | Self::WarningUnderReview
            | Self::NeedsResponse
            | Self::UnderReview => DisputeOutcome::Open,
            Self::WarningClosed | Self::Won | Self::Prevented => DisputeOutcome::Won,
            Self::Lost => DisputeOutcome::Lost,
        }
    }
}

/// What Stripe says of a dispute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DisputeState {
    /// How it stands.
    pub status: DisputeStatus,
    /// How much is disputed, in minor units of `currency`. It may be more or less than was paid.
    pub amount: i64,
    /// In which currency, as Stripe spells it.
    pub currency: String,
    /// Why, in Stripe's words, for example `fraudulent`.
    pub reason: Option<String>,
    /// The second by which the shop has to answer.
    pub evidence_due_by: Option<i64>,
}

/// Ordered by stage, then time, then status and the rest, then event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct LatestState {
    stage: u8,
    created: i64,
    state: DisputeState,
    event: String,
}

/// What the facts about one dispute add up to: a join, as [`crate::payment::Facts`] are. What is decided beats what
/// is open, and a dispute beats the inquiry that it grew out of; of two decisions the later one counts, because a
/// lost dispute can be won on appeal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeFacts {
    latest: LatestState,
}

impl DisputeFacts {
    /// Nothing but this fact.
    #[must_use]
    pub fn new(provenance: Provenance, state: DisputeState) -> Self {
        let Provenance { created, event } = provenance;
        Self { latest: LatestState { stage: state.status.stage(), created, state, event } }
    }

    /// The join: commutative, associative, idempotent.
    pub fn merge(&mut self, other: Self) {
        if other.latest > self.latest {
            self.latest = other.latest;
        }
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> &DisputeState {
        &self.latest.state
    }

    /// The second at which Stripe last said so.
    #[must_use]
    pub fn second(&self) -> i64 {
        self.latest.created
    }
}

/// A dispute of what one attempt brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// Our id of it.
    pub id: DisputeId,
    /// The attempt whose charge is disputed.
    pub payment_id: PaymentId,
    /// Stripe's id of it, `du_…` or `dp_…`.
    pub stripe_dispute_id: String,
    /// What Stripe told of it.
    pub facts: DisputeFacts,
}

impl Dispute {
    /// What it means for the money.
    #[must_use]
    pub fn outcome(&self) -> DisputeOutcome {
        self.facts.state().status.outcome()
    }
}

/// A dispute as an event carried it or a read returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeObservation {
    /// The account it lives on.
    pub account: Account,
    /// Whether money is real there.
    pub mode: Mode,
    /// Stripe's id of it.
    pub stripe_dispute_id: String,
    /// The PaymentIntent whose charge is disputed.
    pub payment_intent_id: String,
    /// When it was seen.
    pub provenance: Provenance,
    /// What was seen.
    pub state: DisputeState,
}
