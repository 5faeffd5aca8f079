//! Refunds.

use serde::{Deserialize, Serialize};

use crate::id::{PaymentId, RefundId};
use crate::money::Money;
use crate::payment::Attempt;
use crate::string_enum;
use crate::stripe::{Account, Mode, Provenance};

string_enum! {
    /// Stripe's status of a refund.
    #[derive(PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum RefundStatus {
        /// The refund is processing, or Quittance hasn't requested it yet.
        Pending = "pending",
        /// Stripe waits for the customer's bank details.
        RequiresAction = "requires_action",
        /// The refund succeeded.
        Succeeded = "succeeded",
        /// The refund failed, even if it had succeeded before. The money is with the shop again.
        Failed = "failed",
        /// The refund was canceled before the money moved.
        Canceled = "canceled",
    }
}

impl RefundStatus {
    /// Returns whether the refund moved money or may still do so.
    #[must_use]
    pub fn reserves_money(self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }

    /// Returns the stage: open, succeeded or failed. A refund never returns to an earlier stage, so the highest
    /// one counts.
    fn stage(self) -> u8 {
        match self {
            Self::Pending | Self::RequiresAction => 0,
            Self::Succeeded => 1,
            Self::Failed | Self::Canceled => 2,
        }
    }
}

string_enum! {
    /// The origin of a refund.
    pub enum RefundCause {
        /// The shop requested it from Quittance.
        Requested = "requested",
        /// The order was already paid, so this payment is surplus.
        Surplus = "surplus",
        /// The payment was under review, and the shop's policy is to refund it.
        Review = "review",
        /// It was created at Stripe, in the Dashboard or by another program.
        Stripe = "stripe",
    }
}

impl RefundCause {
    /// Returns whether Quittance decided on the refund. No client waits for its outcome.
    #[must_use]
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::Surplus | Self::Review)
    }
}

string_enum! {
    /// The reasons that a refund request can have, as defined by Stripe.
    pub enum RefundReason {
        /// The customer was charged twice.
        Duplicate = "duplicate",
        /// The payment was fraudulent.
        Fraudulent = "fraudulent",
        /// The customer requested it.
        RequestedByCustomer = "requested_by_customer",
    }
}

/// The parts of a connected account's payment that a refund reverses, in proportion to its amount. See
/// <https://docs.stripe.com/connect/direct-charges#issue-refunds>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefundTerms {
    /// Whether the transfer to the seller is reversed. Otherwise, the platform bears the refund.
    pub reverse_transfer: bool,
    /// Whether the platform fee is refunded to the seller.
    pub refund_application_fee: bool,
}

impl RefundTerms {
    /// Returns the terms that reverse everything about an attempt's payment.
    #[must_use]
    pub fn for_attempt(attempt: &Attempt) -> Self {
        Self {
            reverse_transfer: attempt.destination.is_some(),
            refund_application_fee: attempt.expected.application_fee.is_some(),
        }
    }
}

/// Stripe's reason for releasing an authorization that was never captured. No money is refunded.
const RELEASED_HOLD: &str = "expired_uncaptured_charge";

/// The latest state of a refund. The fields are ordered for comparison: stage, then time, then status, then
/// event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct LatestState {
    stage: u8,
    created: i64,
    status: RefundStatus,
    event: String,
    failure_reason: Option<String>,
}

/// The merged facts about one refund. Like [`crate::payment::Facts`], they form a join.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundFacts {
    latest: Option<LatestState>,
}

impl RefundFacts {
    /// Creates the facts from one observation.
    #[must_use]
    pub fn new(provenance: Provenance, status: RefundStatus, failure_reason: Option<String>) -> Self {
        let Provenance { created, event } = provenance;
        Self { latest: Some(LatestState { stage: status.stage(), created, status, event, failure_reason }) }
    }

    /// Merges other facts into these. The operation is commutative, associative and idempotent.
    pub fn merge(&mut self, other: Self) {
        self.latest = self.latest.take().max(other.latest);
    }

    /// Returns the latest status.
    #[must_use]
    pub fn status(&self) -> RefundStatus {
        self.latest.as_ref().map_or(RefundStatus::Pending, |latest| latest.status)
    }

    /// Returns Stripe's reason for a failure.
    #[must_use]
    pub fn failure_reason(&self) -> Option<&str> {
        self.latest.as_ref()?.failure_reason.as_deref()
    }
}

/// A refund of one attempt's payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The refund ID.
    pub id: RefundId,
    /// The refunded attempt.
    pub payment_id: PaymentId,
    /// The amount.
    pub amount: Money,
    /// Stripe's `reason`. Refunds from Stripe may have other values than [`RefundReason`].
    pub reason: Option<String>,
    /// The origin of the refund.
    pub cause: RefundCause,
    /// The parts that the refund reverses.
    pub terms: RefundTerms,
    /// The ID at Stripe, `re_…` or `pyr_…`, once known.
    pub stripe_refund_id: Option<String>,
    /// The merged facts.
    pub facts: RefundFacts,
    /// The reason why Stripe refused the refund. Such a refund will never exist.
    pub refused: Option<String>,
}

impl Refund {
    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> RefundStatus {
        if self.refused.is_some() { RefundStatus::Failed } else { self.facts.status() }
    }

    /// Returns Stripe's reason for a failure.
    #[must_use]
    pub fn failure_reason(&self) -> Option<&str> {
        self.refused.as_deref().or_else(|| self.facts.failure_reason())
    }

    /// Returns the amount that was refunded or may still be, in minor units.
    #[must_use]
    pub fn reserved_amount(&self) -> i64 {
        if self.status().reserves_money() && !self.is_released_hold() { self.amount.minor() } else { 0 }
    }

    /// Returns the amount that was refunded, in minor units.
    #[must_use]
    pub fn refunded_amount(&self) -> i64 {
        if self.status() == RefundStatus::Succeeded { self.reserved_amount() } else { 0 }
    }

    /// Returns whether Quittance still has to request it at Stripe.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.stripe_refund_id.is_none() && self.refused.is_none()
    }

    /// Returns whether this is the release of an authorization that was never captured. No money is refunded.
    pub(crate) fn is_released_hold(&self) -> bool {
        self.reason.as_deref() == Some(RELEASED_HOLD)
    }

    /// Returns whether the metadata of an observation names this refund, if its ID at Stripe isn't known yet.
    /// The amount must match too, because metadata can be edited at Stripe.
    pub(crate) fn matches_metadata(&self, observation: &RefundObservation) -> bool {
        self.stripe_refund_id.is_none()
            && observation.refund_id.as_ref() == Some(&self.id)
            && observation.amount == self.amount
    }
}

/// A refund from an event or an API response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundObservation {
    /// The account that owns the refund.
    pub account: Account,
    /// The mode of the refund.
    pub mode: Mode,
    /// The ID at Stripe.
    pub stripe_refund_id: String,
    /// The refunded PaymentIntent.
    pub payment_intent_id: String,
    /// The refund ID from `metadata.refund_id`, if valid.
    pub refund_id: Option<RefundId>,
    /// The amount.
    pub amount: Money,
    /// Stripe's `reason`.
    pub reason: Option<String>,
    /// The source and time of the observation.
    pub provenance: Provenance,
    /// The status.
    pub status: RefundStatus,
    /// Stripe's reason for a failure.
    pub failure_reason: Option<String>,
}
