//! Disputes: claims of a customer's bank against a payment. See
//! <https://docs.stripe.com/disputes/how-disputes-work>.

use serde::{Deserialize, Serialize};

use crate::id::{DisputeId, PaymentId};
use crate::string_enum;
use crate::stripe::{Account, Mode, Provenance};

string_enum! {
    /// Stripe's `status` of a dispute.
    #[derive(PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum DisputeStatus {
        /// An inquiry. The bank has withdrawn no money, and the shop can respond.
        WarningNeedsResponse = "warning_needs_response",
        /// The bank reviews the shop's response to an inquiry. It has withdrawn no money.
        WarningUnderReview = "warning_under_review",
        /// The inquiry ended without a dispute.
        WarningClosed = "warning_closed",
        /// The bank withdrew the money. The shop can respond.
        NeedsResponse = "needs_response",
        /// The bank reviews the shop's response.
        UnderReview = "under_review",
        /// The shop won, and the money was returned to it.
        Won = "won",
        /// The shop lost, and the customer keeps the money.
        Lost = "lost",
        /// The dispute was resolved before it was filed.
        Prevented = "prevented",
    }
}

/// The effect of a dispute on the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisputeOutcome {
    /// The dispute isn't decided.
    Open,
    /// The shop keeps the money.
    Won,
    /// The customer keeps the money.
    Lost,
}

impl DisputeStatus {
    /// Returns the stage: inquiry, closed inquiry, dispute or decision. A dispute never returns to an earlier
    /// stage, so the highest one counts.
    fn stage(self) -> u8 {
        match self {
            Self::WarningNeedsResponse | Self::WarningUnderReview => 0,
            Self::WarningClosed => 1,
            Self::NeedsResponse | Self::UnderReview => 2,
            Self::Won | Self::Lost | Self::Prevented => 3,
        }
    }

    /// Returns the effect on the money.
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

/// The state of a dispute at Stripe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DisputeState {
    /// The status.
    pub status: DisputeStatus,
    /// The disputed amount, in minor units of `currency`. It may differ from the amount paid.
    pub amount: i64,
    /// The currency in Stripe's spelling.
    pub currency: String,
    /// Stripe's `reason`, for example `fraudulent`.
    pub reason: Option<String>,
    /// The deadline for the shop's response, in Unix seconds.
    pub evidence_due_by: Option<i64>,
}

/// The fields are ordered for comparison: stage, then time, then state, then event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct LatestState {
    stage: u8,
    created: i64,
    state: DisputeState,
    event: String,
}

/// The merged facts about one dispute. Like [`crate::payment::Facts`], they form a join. A decision outranks an
/// open dispute, and a dispute outranks the inquiry before it. The later of two decisions counts, because a
/// lost dispute can be won on appeal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeFacts {
    latest: LatestState,
}

impl DisputeFacts {
    /// Creates the facts from one observation.
    #[must_use]
    pub fn new(provenance: Provenance, state: DisputeState) -> Self {
        let Provenance { created, event } = provenance;
        Self { latest: LatestState { stage: state.status.stage(), created, state, event } }
    }

    /// Merges other facts into these. The operation is commutative, associative and idempotent.
    pub fn merge(&mut self, other: Self) {
        if other.latest > self.latest {
            self.latest = other.latest;
        }
    }

    /// Returns the latest state.
    #[must_use]
    pub fn state(&self) -> &DisputeState {
        &self.latest.state
    }

    /// Returns the time of the latest state by Stripe's clock, in Unix seconds.
    #[must_use]
    pub fn second(&self) -> i64 {
        self.latest.created
    }
}

/// A dispute against the payment of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The dispute ID.
    pub id: DisputeId,
    /// The attempt whose charge is disputed.
    pub payment_id: PaymentId,
    /// The ID at Stripe, `du_…` or `dp_…`.
    pub stripe_dispute_id: String,
    /// The merged facts.
    pub facts: DisputeFacts,
}

impl Dispute {
    /// Returns the effect on the money.
    #[must_use]
    pub fn outcome(&self) -> DisputeOutcome {
        self.facts.state().status.outcome()
    }
}

/// A dispute from an event or an API response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeObservation {
    /// The account that owns the dispute.
    pub account: Account,
    /// The mode of the dispute.
    pub mode: Mode,
    /// The ID at Stripe.
    pub stripe_dispute_id: String,
    /// The PaymentIntent whose charge is disputed.
    pub payment_intent_id: String,
    /// The source and time of the observation.
    pub provenance: Provenance,
    /// The observed state.
    pub state: DisputeState,
}
