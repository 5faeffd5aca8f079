//! Money that goes back to the customer.

use serde::{Deserialize, Serialize};

use crate::id::{PaymentId, RefundId};
use crate::money::Money;
use crate::payment::Attempt;
use crate::string_enum;
use crate::stripe::{Account, Mode, Provenance};

string_enum! {
    /// How a refund stands, in Stripe's words.
    #[derive(PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum RefundStatus {
        /// On its way, or not told to Stripe yet.
        Pending = "pending",
        /// Stripe waits for the customer's bank details.
        RequiresAction = "requires_action",
        /// The money went back.
        Succeeded = "succeeded",
        /// It came to nothing, perhaps after it had succeeded: the money is with the shop again.
        Failed = "failed",
        /// It was called off before the money went.
        Canceled = "canceled",
    }
}

impl RefundStatus {
    /// Whether the money went, or may still go.
    #[must_use]
    pub fn reserves_money(self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }

    /// A refund goes from open to succeeded to failed, never back: the higher stage counts.
    fn stage(self) -> u8 {
        match self {
            Self::Pending | Self::RequiresAction => 0,
            Self::Succeeded => 1,
            Self::Failed | Self::Canceled => 2,
        }
    }
}

string_enum! {
    /// Why there is a refund.
    pub enum RefundCause {
        /// The shop asked for it here.
        Requested = "requested",
        /// The order was paid twice: this is what came too much.
        Surplus = "surplus",
        /// The money came where it must not be believed, and the shop's policy is to give it back.
        Review = "review",
        /// It was made at Stripe, in the dashboard or by another program.
        Stripe = "stripe",
    }
}

impl RefundCause {
    /// Whether the service decided on it by itself: then nobody waits for what becomes of it.
    #[must_use]
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::Surplus | Self::Review)
    }
}

string_enum! {
    /// Why the shop gives money back, in Stripe's words: what a request may say.
    pub enum RefundReason {
        /// The customer was charged twice.
        Duplicate = "duplicate",
        /// The payment was fraud.
        Fraudulent = "fraudulent",
        /// The customer asked for it.
        RequestedByCustomer = "requested_by_customer",
    }
}

/// What goes back with a refund of what was sold through a connected account, in proportion to its amount.
/// See <https://docs.stripe.com/connect/direct-charges#issue-refunds>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefundTerms {
    /// What was transferred to the seller comes back to the platform: else the platform bears the refund.
    pub reverse_transfer: bool,
    /// The platform's fee goes back to the seller.
    pub refund_application_fee: bool,
}

impl RefundTerms {
    /// All that there is to go back of an attempt, so that everybody stands as before it.
    #[must_use]
    pub fn for_attempt(attempt: &Attempt) -> Self {
        Self {
            reverse_transfer: attempt.destination.is_some(),
            refund_application_fee: attempt.expected.application_fee.is_some(),
        }
    }
}

/// Stripe gives this reason to what a hold releases that was never taken: no money goes back by it.
const RELEASED_HOLD: &str = "expired_uncaptured_charge";

/// What Stripe told of a refund: the greatest that was observation counts. Ordered by stage, then time, then status,
/// then event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct LatestState {
    stage: u8,
    created: i64,
    status: RefundStatus,
    event: String,
    failure_reason: Option<String>,
}

/// What the facts about one refund add up to: a join, as [`crate::payment::Facts`] are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundFacts {
    latest: Option<LatestState>,
}

impl RefundFacts {
    /// Nothing but this fact.
    #[must_use]
    pub fn new(provenance: Provenance, status: RefundStatus, failure_reason: Option<String>) -> Self {
        let Provenance { created, event } = provenance;
        Self { latest: Some(LatestState { stage: status.stage(), created, status, event, failure_reason }) }
    }

    /// The join: commutative, associative, idempotent.
    pub fn merge(&mut self, other: Self) {
        self.latest = self.latest.take().max(other.latest);
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> RefundStatus {
        self.latest.as_ref().map_or(RefundStatus::Pending, |latest| latest.status)
    }

    /// Why it failed, in Stripe's words.
    #[must_use]
    pub fn failure_reason(&self) -> Option<&str> {
        self.latest.as_ref()?.failure_reason.as_deref()
    }
}

/// A refund of what one attempt brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Our id of it.
    pub id: RefundId,
    /// The attempt whose money goes back.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
    /// Why, in Stripe's words. One made at Stripe may have other words than [`RefundReason`].
    pub reason: Option<String>,
    /// Why there is one.
    pub cause: RefundCause,
    /// What else goes back with it.
    pub terms: RefundTerms,
    /// Stripe's id of it, `re_…` or `pyr_…`, once latest.
    pub stripe_refund_id: Option<String>,
    /// What Stripe told of it.
    pub facts: RefundFacts,
    /// Why Stripe would not make it: then there is none, and never will be.
    pub refused: Option<String>,
}

impl Refund {
    /// How it stands.
    #[must_use]
    pub fn status(&self) -> RefundStatus {
        if self.refused.is_some() { RefundStatus::Failed } else { self.facts.status() }
    }

    /// Why it failed, in Stripe's words.
    #[must_use]
    pub fn failure_reason(&self) -> Option<&str> {
        self.refused.as_deref().or_else(|| self.facts.failure_reason())
    }

    /// What of the money went back or may still go, in minor units.
    #[must_use]
    pub fn reserved_amount(&self) -> i64 {
        if self.status().reserves_money() && !self.is_released_hold() { self.amount.minor() } else { 0 }
    }

    /// What of the money went back, in minor units.
    #[must_use]
    pub fn refunded_amount(&self) -> i64 {
        if self.status() == RefundStatus::Succeeded { self.reserved_amount() } else { 0 }
    }

    /// Whether we still have to ask Stripe for it.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.stripe_refund_id.is_none() && self.refused.is_none()
    }

    /// Whether it is what a hold released that was never taken: no money goes back by it.
    pub(crate) fn is_released_hold(&self) -> bool {
        self.reason.as_deref() == Some(RELEASED_HOLD)
    }

    /// Whether an observation, of a refund whose id at Stripe we do not know, says that it is this one. Metadata can
    /// be edited at Stripe, so the amount has to fit as well.
    pub(crate) fn matches_metadata(&self, observation: &RefundObservation) -> bool {
        self.stripe_refund_id.is_none()
            && observation.refund_id.as_ref() == Some(&self.id)
            && observation.amount == self.amount
    }
}

/// A refund as an event carried it or a read returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundObservation {
    /// The account it lives on.
    pub account: Account,
    /// Whether money is real there.
    pub mode: Mode,
    /// Stripe's id of it.
    pub stripe_refund_id: String,
    /// The PaymentIntent whose money goes back.
    pub payment_intent_id: String,
    /// `metadata.refund_id`, if it is one of ours.
    pub refund_id: Option<RefundId>,
    /// How much.
    pub amount: Money,
    /// Why, in Stripe's words.
    pub reason: Option<String>,
    /// When it was observation.
    pub provenance: Provenance,
    /// How it stands.
    pub status: RefundStatus,
    /// Why it failed.
    pub failure_reason: Option<String>,
}
