//! What Stripe tells us of one PaymentIntent, and how it adds up.
//!
//! A [`Fact`] is one thing that was true at Stripe at some second. [`Facts`] is what a payment's facts add up
//! to: a join semilattice, so facts may come twice and in any order and the sum is the same. Three parts grow
//! independently and never shrink: the latest open state by a total key, the set of failures, and what is
//! final (successes, cancelation). [`Facts::status`] reads Stripe's word off them.

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
    /// When the money is taken once the customer has agreed.
    #[derive(Default)]
    pub enum CaptureMethod {
        /// At once.
        #[default]
        Automatic = "automatic",
        /// Later, by the shop's own act; until then it is held.
        Manual = "manual",
    }
}

/// A state from which a PaymentIntent can still go anywhere, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenStatus {
    /// Waits for a payment method: new, or after a failure.
    RequiresPaymentMethod,
    /// Waits to be confirmed.
    RequiresConfirmation,
    /// Waits for the customer, who is at it now: 3D Secure, a redirect.
    RequiresAction,
    /// Stripe's `requires_action` as well, but for a voucher or a bank transfer, which takes the customer days.
    AwaitsTransfer,
    /// In flight at a bank.
    Processing,
    /// Held for manual capture.
    RequiresCapture,
}

/// Why an attempt at paying failed, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Failure {
    /// What failed: the charge's id, or the event's where there was no charge. Tells failures apart.
    pub id: String,
    /// Stripe's `code`, for example `card_declined`.
    pub code: Option<String>,
    /// The bank's `decline_code`, for example `insufficient_funds`.
    pub decline_code: Option<String>,
    /// What to tell the customer.
    pub message: Option<String>,
}

/// A success, with what the gate looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Success {
    /// `amount`, in minor units.
    pub amount: i64,
    /// `currency`, as Stripe spells it.
    pub currency: String,
    /// `amount_received`, in minor units.
    pub amount_received: i64,
    /// `application_fee_amount`, in minor units.
    pub application_fee: Option<i64>,
}

/// What was seen of a PaymentIntent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedState {
    /// It can still go anywhere.
    Open {
        /// Its status.
        status: OpenStatus,
        /// Why the last try failed, if that is why it waits for a payment method.
        failure: Option<Failure>,
    },
    /// It is closed, and no money came.
    Canceled,
    /// Money came.
    Succeeded(Success),
}

/// One thing that was true of a PaymentIntent at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// When, and how we know.
    pub provenance: Provenance,
    /// What.
    pub state: ObservedState,
}

/// A PaymentIntent as an event carried it or a read returned it: whose it is, and the fact about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The account it lives on.
    pub account: Account,
    /// Whether money is real there.
    pub mode: Mode,
    /// Stripe's id of it, `pi_…`.
    pub payment_intent_id: String,
    /// `metadata.order_id`, if it is one of ours.
    pub order_id: Option<OrderId>,
    /// `metadata.payment_id`, if it is one of ours.
    pub payment_id: Option<PaymentId>,
    /// What was seen.
    pub fact: Fact,
}

/// A Checkout Session as an event carried it or a read returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionObservation {
    /// The account it lives on.
    pub account: Account,
    /// Whether money is real there.
    pub mode: Mode,
    /// Stripe's id of it, `cs_…`.
    pub checkout_session_id: String,
    /// The event that told of it; empty for one that we read ourselves.
    pub event: String,
    /// Its PaymentIntent, once the customer has tried to pay.
    pub payment_intent_id: Option<String>,
    /// `metadata.order_id`, if it is one of ours.
    pub order_id: Option<OrderId>,
    /// `metadata.payment_id`, if it is one of ours.
    pub payment_id: Option<PaymentId>,
    /// How it stands.
    pub status: SessionStatus,
    /// What was paid, if its `payment_status` is `paid` or `no_payment_required`. The platform's fee is not part
    /// of a Session, so this proves nothing where one is expected.
    pub paid: Option<Success>,
}

/// The latest open state that was seen. Ordered by time, then rank, then event: the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Open {
    created: i64,
    rank: u8,
    event: String,
    status: OpenStatus,
    failure: Option<Failure>,
}

impl Open {
    /// Within one second, what usually comes later ranks higher: a failure follows what it is a failure of,
    /// and a hold for capture only ends in what is final.
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

/// Stripe's word for where a PaymentIntent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentStatus {
    /// It can still go anywhere.
    Open(OpenStatus),
    /// Money came.
    Succeeded,
    /// It is closed, and no money came.
    Canceled,
}

impl PaymentStatus {
    /// Stripe's word.
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

    /// Whether the next step is the customer's, and they can take it.
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

/// What the facts about one PaymentIntent add up to.
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
    /// Nothing but this fact.
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

    /// Nothing but that the attempt's Checkout Session stands so, and what was paid in it.
    #[must_use]
    pub fn from_session(status: SessionStatus, paid: Option<Success>) -> Self {
        Self { session: Some(status), successes: paid.into_iter().collect(), ..Self::default() }
    }

    /// The join: commutative, associative, idempotent.
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

    /// How the attempt's Checkout Session stands, if it is of one and Stripe has told of it.
    #[must_use]
    pub fn session(&self) -> Option<SessionStatus> {
        self.session
    }

    /// Stripe's word for where the PaymentIntent stands: what is final beats what is open, and success beats
    /// cancelation. A Checkout Session that has expired has closed its PaymentIntent, if there was one; one whose
    /// payment has failed has nothing in flight any more.
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

    /// Why the last try failed, if nothing has come after it.
    #[must_use]
    pub fn last_failure(&self) -> Option<&Failure> {
        if self.successes.is_empty() { self.open.as_ref()?.failure.as_ref() } else { None }
    }

    /// How many tries have failed.
    #[must_use]
    pub fn failure_count(&self) -> usize {
        self.failures.len()
    }

    /// Every success that was seen. There is one at most, unless Stripe went on to receive more.
    pub fn successes(&self) -> impl Iterator<Item = &Success> {
        self.successes.iter()
    }

    /// The most that was seen to be received, if anything was.
    #[must_use]
    pub fn received(&self) -> Option<Money> {
        let most = self.successes.iter().max_by_key(|success| success.amount_received)?;
        Money::new(most.amount_received, most.currency.parse().ok()?).ok()
    }
}
