//! What Stripe tells us of one PaymentIntent, and how it adds up.
//!
//! A [`Fact`] is one thing that was true at Stripe at some second. [`Facts`] is what a payment's facts add up
//! to: a join semilattice, so facts may come twice and in any order and the sum is the same. Three parts grow
//! independently and never shrink: the latest open state by a total key, the set of failures, and what is
//! final (successes, cancelation). [`Facts::status`] reads Stripe's word off them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::checkout::{Rail, SessionObservation, SessionStatus};
use crate::id::{OrderId, PaymentId};
use crate::money::Money;

/// Whether money is real: Stripe's `livemode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Test data: no money moves.
    Test,
    /// Real money.
    Live,
}

impl Mode {
    /// The mode that Stripe's `livemode` means.
    #[must_use]
    pub fn from_livemode(livemode: bool) -> Self {
        if livemode { Self::Live } else { Self::Test }
    }

    /// The word for it in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// The mode that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Test, Self::Live].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// The Stripe account that a PaymentIntent lives on; empty for the platform's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(String);

impl Account {
    /// The platform's own account.
    #[must_use]
    pub fn own() -> Self {
        Self::default()
    }

    /// A connected account, by its `acct_…` id.
    #[must_use]
    pub fn connected(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The `acct_…` id, or the empty text for the platform's own account.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// When the money is taken once the customer has agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaptureMethod {
    /// At once.
    #[default]
    Automatic,
    /// Later, by the shop's own act; until then it is held.
    Manual,
}

impl CaptureMethod {
    /// Stripe's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }

    /// The method that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Automatic, Self::Manual].into_iter().find(|method| method.as_str() == word)
    }
}

/// Where a fact was seen: orders what is open by time, then by rank, then by this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sighting {
    /// The second at Stripe's clock: an event's `created`, or the second in which our read began.
    pub created: i64,
    /// The event's id; empty for an object that we read ourselves.
    pub event: String,
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
pub enum Seen {
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
    pub sighting: Sighting,
    /// What.
    pub seen: Seen,
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
    pub fn of(fact: Fact) -> Self {
        let mut facts = Self::default();
        match fact.seen {
            Seen::Open { status, failure } => {
                if let Some(failure) = &failure {
                    facts.failures.insert(failure.id.clone(), failure.clone());
                }
                facts.open = Some(Open {
                    created: fact.sighting.created,
                    rank: Open::rank(status, failure.is_some()),
                    event: fact.sighting.event,
                    status,
                    failure,
                });
            }
            Seen::Canceled => facts.canceled = true,
            Seen::Succeeded(success) => {
                facts.successes.insert(success);
            }
        }
        facts
    }

    /// Nothing but that the attempt's Checkout Session stands so, and what was paid in it.
    #[must_use]
    pub fn of_session(status: SessionStatus, paid: Option<Success>) -> Self {
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

    /// Whether anything is known of the PaymentIntent itself.
    #[must_use]
    pub fn knows_payment_intent(&self) -> bool {
        self.open.is_some() || self.canceled || !self.successes.is_empty()
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

/// Why a success is not believed to pay its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewReason {
    /// The amount is not what the attempt had to have, or not all of it was received.
    WrongAmount,
    /// The currency is not what the attempt had to have.
    WrongCurrency,
    /// The platform's fee is not what the attempt had to have.
    WrongFee,
    /// The order had been canceled when the success came.
    SucceededAfterCancel,
    /// The order had expired when the success came, and its goods could not be taken from the stock again.
    SucceededAfterExpiry,
}

impl ReviewReason {
    /// Every reason there is.
    pub const ALL: [Self; 5] = [
        Self::WrongAmount,
        Self::WrongCurrency,
        Self::WrongFee,
        Self::SucceededAfterCancel,
        Self::SucceededAfterExpiry,
    ];

    /// Whether what came is what was asked for, and only came too late.
    #[must_use]
    pub fn is_late(self) -> bool {
        matches!(self, Self::SucceededAfterCancel | Self::SucceededAfterExpiry)
    }

    /// The word for it in JSON and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongAmount => "wrong_amount",
            Self::WrongCurrency => "wrong_currency",
            Self::WrongFee => "wrong_fee",
            Self::SucceededAfterCancel => "succeeded_after_cancel",
            Self::SucceededAfterExpiry => "succeeded_after_expiry",
        }
    }

    /// The reason that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// What a PaymentIntent must have for its success to count: recorded before Stripe hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The account it must live on.
    pub account: Account,
    /// Whether money must be real.
    pub mode: Mode,
    /// The amount and currency.
    pub amount: Money,
    /// The platform's fee, in minor units.
    pub application_fee: Option<i64>,
}

impl Expected {
    /// The gate on amounts: a success counts only if this returns `Ok`. `capture` is what the shop chose to take
    /// of a held payment, if it did.
    pub fn check(&self, success: &Success, capture: Option<i64>) -> Result<(), ReviewReason> {
        let received = capture.unwrap_or(self.amount.minor());
        if success.currency != self.amount.currency().code() {
            Err(ReviewReason::WrongCurrency)
        } else if success.amount != self.amount.minor() || success.amount_received != received {
            Err(ReviewReason::WrongAmount)
        } else if success.application_fee != self.application_fee {
            Err(ReviewReason::WrongFee)
        } else {
            Ok(())
        }
    }
}

/// One attempt to pay an order: one PaymentIntent or Checkout Session, or the intention to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Our id of it.
    pub id: PaymentId,
    /// Where the customer pays it.
    pub rail: Rail,
    /// What it must have to count.
    pub expected: Expected,
    /// The connected account to which the money is transferred, if it is not charged there.
    pub destination: Option<String>,
    /// When the money is to be taken.
    pub capture_method: CaptureMethod,
    /// Stripe's id of its PaymentIntent, once known. A Checkout Session has none before the customer pays.
    pub payment_intent_id: Option<String>,
    /// Stripe's id of its Checkout Session, once known.
    pub checkout_session_id: Option<String>,
    /// What Stripe told us of it.
    pub facts: Facts,
    /// How much the shop decided to take of a held payment, in minor units. Recorded before Stripe hears of it.
    pub capture: Option<i64>,
    /// Whether it is to be closed because the customer pays in another way, or another amount.
    pub abandoned: bool,
    /// Why nothing can come of it: Stripe would not make it, or the account that it lives on is out of our reach.
    pub refused: Option<String>,
}

/// Why an observation counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// It is none of an attempt we recorded.
    UnknownAttempt,
    /// It lives on another account than the attempt.
    WrongAccount,
    /// It is test data where money is real, or the reverse.
    WrongMode,
    /// It names an attempt that has another PaymentIntent or Checkout Session.
    OtherPaymentIntent,
    /// It names an order that the attempt is not of.
    OtherOrder,
    /// It is about an account that is no seller of ours.
    UnknownSeller,
}

impl Mismatch {
    /// The word for it in the database and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownAttempt => "unknown_attempt",
            Self::WrongAccount => "wrong_account",
            Self::WrongMode => "wrong_mode",
            Self::OtherPaymentIntent => "other_payment_intent",
            Self::OtherOrder => "other_order",
            Self::UnknownSeller => "unknown_seller",
        }
    }
}

impl Attempt {
    /// Whether no more money can come of it: it was paid, it is closed at Stripe, or was never made.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        if self.refused.is_some() {
            return true;
        }
        match (self.facts.status(), self.rail, self.facts.session()) {
            (PaymentStatus::Succeeded, ..)
            | (PaymentStatus::Canceled, Rail::PaymentIntent, _)
            | (PaymentStatus::Open(_), Rail::CheckoutSession, Some(SessionStatus::Failed)) => true,
            // While a Session is open, its customer may get another PaymentIntent for a canceled one.
            (PaymentStatus::Canceled, Rail::CheckoutSession, session) => {
                session.is_some_and(|session| session != SessionStatus::Open)
            }
            (PaymentStatus::Open(_), ..) => false,
        }
    }

    /// Whether Stripe has told us of what we asked it to make.
    #[must_use]
    pub fn is_made(&self) -> bool {
        match self.rail {
            Rail::PaymentIntent => self.payment_intent_id.is_some(),
            Rail::CheckoutSession => self.checkout_session_id.is_some(),
        }
    }

    /// Whether the customer has paid by a voucher or a bank transfer that has not arrived.
    #[must_use]
    pub fn awaits_transfer(&self) -> bool {
        self.facts.status() == PaymentStatus::Open(OpenStatus::AwaitsTransfer)
    }

    /// The success that is what was asked for, if one came.
    #[must_use]
    pub fn fitting_success(&self) -> Option<&Success> {
        self.facts.successes().find(|success| self.check(success).is_ok())
    }

    /// The gate on amounts, for this attempt.
    pub fn check(&self, success: &Success) -> Result<(), ReviewReason> {
        self.expected.check(success, self.capture)
    }

    /// Whether an observation is of this attempt of this order. Everything must fit: anybody with an account
    /// of their own can make PaymentIntents that carry our ids.
    pub fn recognizes(&self, order_id: &OrderId, observation: &Observation) -> Result<(), Mismatch> {
        self.is_of(&observation.account, observation.mode)?;
        let known = self.payment_intent_id.as_deref();
        self.is_named(
            known,
            &observation.payment_intent_id,
            observation.payment_id.as_ref(),
            &observation.fact.sighting.event,
        )?;
        self.points_here(order_id, observation.order_id.as_ref(), observation.payment_id.as_ref())
    }

    /// As [`Self::recognizes`], for a Checkout Session.
    pub fn recognizes_session(
        &self,
        order_id: &OrderId,
        observation: &SessionObservation,
    ) -> Result<(), Mismatch> {
        self.is_of(&observation.account, observation.mode)?;
        if self.rail != Rail::CheckoutSession {
            return Err(Mismatch::UnknownAttempt);
        }
        let known = self.checkout_session_id.as_deref();
        self.is_named(
            known,
            &observation.checkout_session_id,
            observation.payment_id.as_ref(),
            &observation.event,
        )?;
        if let (Some(known), Some(seen)) = (&self.payment_intent_id, &observation.payment_intent_id)
            && known != seen
        {
            return Err(Mismatch::OtherPaymentIntent);
        }
        self.points_here(order_id, observation.order_id.as_ref(), observation.payment_id.as_ref())
    }

    /// Whether something lives on the attempt's account, in its mode.
    pub(crate) fn is_of(&self, account: &Account, mode: Mode) -> Result<(), Mismatch> {
        if *account != self.expected.account {
            Err(Mismatch::WrongAccount)
        } else if mode != self.expected.mode {
            Err(Mismatch::WrongMode)
        } else {
            Ok(())
        }
    }

    /// Whether something seen under an id is ours: by the id we know, else by what its metadata says.
    ///
    /// On a connected account events prove nothing of metadata: its owner can copy ours from one PaymentIntent to
    /// another. There the id is learned only from what Stripe answers to us.
    fn is_named(
        &self,
        known: Option<&str>,
        seen: &str,
        payment_id: Option<&PaymentId>,
        event: &str,
    ) -> Result<(), Mismatch> {
        match known {
            Some(known) if known != seen => Err(Mismatch::OtherPaymentIntent),
            None if payment_id != Some(&self.id) => Err(Mismatch::UnknownAttempt),
            None if !event.is_empty() && self.expected.account != Account::own() => {
                Err(Mismatch::UnknownAttempt)
            }
            _ => Ok(()),
        }
    }

    /// Metadata can be edited away at Stripe, but it can not point elsewhere.
    fn points_here(
        &self,
        order_id: &OrderId,
        named_order: Option<&OrderId>,
        named_payment: Option<&PaymentId>,
    ) -> Result<(), Mismatch> {
        let elsewhere = named_order.is_some_and(|named| named != order_id)
            || named_payment.is_some_and(|named| *named != self.id);
        if elsewhere { Err(Mismatch::OtherOrder) } else { Ok(()) }
    }
}
