//! Facts about PaymentIntents and Checkout Sessions, and their merged state.
//!
//! A [`Fact`] is one statement from Stripe about a PaymentIntent at some second. [`Facts`] merge them as a join
//! semilattice, so duplicates and any order lead to the same result. Three parts grow independently and never
//! shrink. They are the latest open state, the set of failures, and the final states (successes and the
//! cancellation). [`Facts::status`] computes Stripe's status from them.

mod attempt;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::checkout::SessionStatus;
use crate::id::{OrderId, PaymentId};
use crate::money::Money;
use crate::string_enum;

pub use crate::stripe::{Account, Mode, Provenance};
pub use attempt::{Attempt, ExpectedPayment, Mismatch, ReviewReason};

string_enum! {
    /// The time of capture.
    #[derive(Default)]
    pub enum CaptureMethod {
        /// Immediately.
        #[default]
        Automatic = "automatic",
        /// Later, when the shop requests it. Until then, the payment is authorized.
        Manual = "manual",
    }
}

/// A Stripe status that isn't final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenStatus {
    /// A payment method is missing. The payment is new, or it failed.
    RequiresPaymentMethod,
    /// The payment must be confirmed.
    RequiresConfirmation,
    /// The customer must act now: 3D Secure or a redirect.
    RequiresAction,
    /// Also `requires_action` at Stripe, but for a voucher or a bank transfer, which takes the customer days.
    AwaitsTransfer,
    /// The bank is processing the payment.
    Processing,
    /// The payment is authorized and can be captured.
    RequiresCapture,
}

/// A failed payment, as reported by Stripe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Failure {
    /// The ID that tells failures apart: the charge ID, or the event ID if no charge exists.
    pub id: String,
    /// Stripe's `code`, for example `card_declined`.
    pub code: Option<String>,
    /// The bank's `decline_code`, for example `insufficient_funds`.
    pub decline_code: Option<String>,
    /// The message for the customer.
    pub message: Option<String>,
}

/// A success, with the values that must match the recorded attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Success {
    /// Stripe's `amount`, in minor units.
    pub amount: i64,
    /// Stripe's `currency`, in Stripe's spelling.
    pub currency: String,
    /// Stripe's `amount_received`, in minor units.
    pub amount_received: i64,
    /// Stripe's `application_fee_amount`, in minor units.
    pub application_fee: Option<i64>,
}

/// The observed state of a PaymentIntent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedState {
    /// A state that isn't final.
    Open {
        /// The status.
        status: OpenStatus,
        /// The last failure, if that is why a payment method is missing.
        failure: Option<Failure>,
    },
    /// The PaymentIntent is closed and wasn't paid.
    Canceled,
    /// The payment succeeded.
    Succeeded(Success),
}

/// One statement from Stripe about a PaymentIntent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The source and time.
    pub provenance: Provenance,
    /// The state.
    pub state: ObservedState,
}

/// A PaymentIntent from an event or an API response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The account that owns the PaymentIntent.
    pub account: Account,
    /// The mode of the PaymentIntent.
    pub mode: Mode,
    /// The ID at Stripe, `pi_…`.
    pub payment_intent_id: String,
    /// The order ID from `metadata.order_id`, if valid.
    pub order_id: Option<OrderId>,
    /// The payment ID from `metadata.payment_id`, if valid.
    pub payment_id: Option<PaymentId>,
    /// The observed fact.
    pub fact: Fact,
}

/// A Checkout Session from an event or an API response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionObservation {
    /// The account that owns the Session.
    pub account: Account,
    /// The mode of the Session.
    pub mode: Mode,
    /// The ID at Stripe, `cs_…`.
    pub checkout_session_id: String,
    /// The event ID, or the empty string for an API response.
    pub event: String,
    /// The PaymentIntent ID, once the customer has tried to pay.
    pub payment_intent_id: Option<String>,
    /// The order ID from `metadata.order_id`, if valid.
    pub order_id: Option<OrderId>,
    /// The payment ID from `metadata.payment_id`, if valid.
    pub payment_id: Option<PaymentId>,
    /// The status.
    pub status: SessionStatus,
    /// The payment, if `payment_status` is `paid` or `no_payment_required`. A Session doesn't contain the
    /// platform's fee, so this proves nothing if a fee is expected.
    pub paid: Option<Success>,
}

/// The latest open state. The fields are ordered for comparison: time, then rank, then event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Open {
    created: i64,
    rank: u8,
    event: String,
    status: OpenStatus,
    failure: Option<Failure>,
}

impl Open {
    /// Returns the rank within one second. States that usually come later rank higher: a failure follows the
    /// state that failed, and an authorization is followed by a final state only.
    fn rank(status: OpenStatus, failed: bool) -> u8 {
        match status {
            OpenStatus::RequiresPaymentMethod if failed => 5,
            OpenStatus::RequiresPaymentMethod => 0,
            OpenStatus::RequiresConfirmation => 1,
            OpenStatus::RequiresAction => 2,
            OpenStatus::AwaitsTransfer => 3,
            OpenStatus::Processing => 4,
            OpenStatus::RequiresCapture => 6,
        }
    }
}

/// Stripe's status of a PaymentIntent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentStatus {
    /// A status that isn't final.
    Open(OpenStatus),
    /// The payment succeeded.
    Succeeded,
    /// The PaymentIntent is closed and wasn't paid.
    Canceled,
}

impl PaymentStatus {
    /// Returns Stripe's `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open(OpenStatus::RequiresPaymentMethod) => "requires_payment_method",
            Self::Open(OpenStatus::RequiresConfirmation) => "requires_confirmation",
            Self::Open(OpenStatus::RequiresAction | OpenStatus::AwaitsTransfer) => "requires_action",
            Self::Open(OpenStatus::Processing) => "processing",
            Self::Open(OpenStatus::RequiresCapture) => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }

    /// Returns whether the customer can take the next step now.
    #[must_use]
    pub fn awaits_customer(self) -> bool {
        matches!(
            self,
            Self::Open(
                OpenStatus::RequiresPaymentMethod
                    | OpenStatus::RequiresConfirmation
                    | OpenStatus::RequiresAction
            )
        )
    }
}

/// The merged facts about one PaymentIntent and its Checkout Session.
///
/// Merging is commutative, associative and idempotent, so the order of events doesn't matter:
///
/// ```
/// use quittance_domain::payment::{
///     Fact, Facts, ObservedState, OpenStatus, PaymentStatus, Provenance, Success,
/// };
///
/// let fact = |created, event: &str, state| {
///     Facts::new(Fact { provenance: Provenance { created, event: event.to_owned() }, state })
/// };
/// let processing = fact(1, "evt_1", ObservedState::Open { status: OpenStatus::Processing, failure: None });
/// let success =
///     Success { amount: 1250, currency: "eur".to_owned(), amount_received: 1250, application_fee: None };
/// let succeeded = fact(2, "evt_2", ObservedState::Succeeded(success));
///
/// let mut in_order = processing.clone();
/// in_order.merge(succeeded.clone());
/// let mut reversed = succeeded;
/// reversed.merge(processing);
///
/// assert_eq!(in_order, reversed);
/// assert_eq!(in_order.status(), PaymentStatus::Succeeded);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    open: Option<Open>,
    failures: BTreeMap<String, Failure>,
    canceled: bool,
    successes: BTreeSet<Success>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionStatus>,
}

impl Facts {
    /// Creates the facts from one fact.
    #[must_use]
    pub fn new(fact: Fact) -> Self {
        let mut facts = Self::default();
        match fact.state {
            ObservedState::Open { status, failure } => {
                if let Some(failure) = &failure {
                    facts.failures.insert(failure.id.clone(), failure.clone());
                }
                facts.open = Some(Open {
                    created: fact.provenance.created,
                    rank: Open::rank(status, failure.is_some()),
                    event: fact.provenance.event,
                    status,
                    failure,
                });
            }
            ObservedState::Canceled => facts.canceled = true,
            ObservedState::Succeeded(success) => {
                facts.successes.insert(success);
            }
        }
        facts
    }

    /// Creates the facts from the status of a Checkout Session and the payment in it.
    #[must_use]
    pub fn from_session(status: SessionStatus, paid: Option<Success>) -> Self {
        Self { session: Some(status), successes: paid.into_iter().collect(), ..Self::default() }
    }

    /// Merges other facts into these. The operation is commutative, associative and idempotent.
    pub fn merge(&mut self, other: Self) {
        self.open = self.open.take().max(other.open);
        for (id, failure) in other.failures {
            let known = self.failures.entry(id).or_insert_with(|| failure.clone());
            *known = failure.max(known.clone());
        }
        self.canceled |= other.canceled;
        self.successes.extend(other.successes);
        self.session = self.session.max(other.session);
    }

    /// Returns the status of the Checkout Session, if one is known.
    #[must_use]
    pub fn session(&self) -> Option<SessionStatus> {
        self.session
    }

    /// Returns Stripe's status of the PaymentIntent. A final state takes precedence over an open one, and
    /// success over cancellation. An expired Session has closed its PaymentIntent. A Session whose payment
    /// failed has nothing in flight.
    #[must_use]
    pub fn status(&self) -> PaymentStatus {
        if !self.successes.is_empty() {
            PaymentStatus::Succeeded
        } else if self.canceled || self.session == Some(SessionStatus::Expired) {
            PaymentStatus::Canceled
        } else if self.session == Some(SessionStatus::Failed) {
            PaymentStatus::Open(OpenStatus::RequiresPaymentMethod)
        } else {
            PaymentStatus::Open(
                self.open.as_ref().map_or(OpenStatus::RequiresPaymentMethod, |open| open.status),
            )
        }
    }

    /// Returns the failure of the last payment, unless a newer state is known.
    #[must_use]
    pub fn last_failure(&self) -> Option<&Failure> {
        if self.successes.is_empty() { self.open.as_ref()?.failure.as_ref() } else { None }
    }

    /// Returns the number of failed payments.
    #[must_use]
    pub fn failure_count(&self) -> usize {
        self.failures.len()
    }

    /// Returns all observed successes. More than one exists only if Stripe received more money later.
    pub fn successes(&self) -> impl Iterator<Item = &Success> {
        self.successes.iter()
    }

    /// Returns the highest received amount, if any.
    #[must_use]
    pub fn received(&self) -> Option<Money> {
        let most = self.successes.iter().max_by_key(|success| success.amount_received)?;
        Money::new(most.amount_received, most.currency.parse().ok()?).ok()
    }
}
