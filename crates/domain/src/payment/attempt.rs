//! A payment attempt: its expected values, its facts, and the checks on them.

use super::{CaptureMethod, Facts, Observation, OpenStatus, PaymentStatus, SessionObservation, Success};
use crate::checkout::{PaymentFlow, SessionStatus};
use crate::id::{OrderId, PaymentId};
use crate::money::Money;
use crate::string_enum;
use crate::stripe::{Account, Mode};

string_enum! {
    /// The reason why a success needs a review.
    pub enum ReviewReason {
        /// The amount differs from the attempt's or from the order's current total, or it was not received in
        /// full.
        WrongAmount = "wrong_amount",
        /// The currency differs from the attempt's.
        WrongCurrency = "wrong_currency",
        /// The platform fee differs from the attempt's.
        WrongFee = "wrong_fee",
        /// The payment succeeded after the order was canceled.
        SucceededAfterCancel = "succeeded_after_cancel",
        /// The payment succeeded after the order expired, and its items couldn't be reserved again.
        SucceededAfterExpiry = "succeeded_after_expiry",
    }
}

impl ReviewReason {
    /// Returns whether the payment matches the attempt and was only late.
    #[must_use]
    pub fn is_late(self) -> bool {
        matches!(self, Self::SucceededAfterCancel | Self::SucceededAfterExpiry)
    }
}

/// The values that a success must have. They are recorded before Stripe is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPayment {
    /// The account that must own the PaymentIntent.
    pub account: Account,
    /// The mode.
    pub mode: Mode,
    /// The amount and currency.
    pub amount: Money,
    /// The platform fee, in minor units.
    pub application_fee: Option<i64>,
}

impl ExpectedPayment {
    /// Checks a success against the expected values. Only a success that passes can pay the order. `capture` is
    /// the amount that the shop requested to capture, if it did.
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

/// One attempt to pay an order: one PaymentIntent or Checkout Session, or the recorded request for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The payment ID.
    pub id: PaymentId,
    /// The payment flow.
    pub flow: PaymentFlow,
    /// The values that a success must have.
    pub expected: ExpectedPayment,
    /// The connected account to which the money is transferred, for destination charges.
    pub destination: Option<String>,
    /// The time of capture.
    pub capture_method: CaptureMethod,
    /// The PaymentIntent ID at Stripe, once known. A Checkout Session has a PaymentIntent once the
    /// customer pays.
    pub payment_intent_id: Option<String>,
    /// The Checkout Session ID at Stripe, once known.
    pub checkout_session_id: Option<String>,
    /// The merged facts.
    pub facts: Facts,
    /// The amount to capture, in minor units. It is recorded before Stripe is called.
    pub capture: Option<i64>,
    /// Whether to close the attempt, because the customer chose another flow or the amount changed.
    pub abandoned: bool,
    /// The reason why the attempt can't be paid: Stripe refused to create it, or its account is unreachable.
    pub refused: Option<String>,
    /// Whether the order's total or seller terms have changed since. The attempt was closed or abandoned before
    /// that. If it was paid anyway, the amount isn't the order's.
    pub outdated: bool,
}

string_enum! {
    /// The reason why an observation has no effect.
    pub enum Mismatch {
        /// It belongs to no recorded attempt.
        UnknownAttempt = "unknown_attempt",
        /// Its account isn't the attempt's.
        WrongAccount = "wrong_account",
        /// Its mode isn't the attempt's.
        WrongMode = "wrong_mode",
        /// Its metadata names an attempt with another PaymentIntent or Checkout Session.
        OtherPaymentIntent = "other_payment_intent",
        /// Its metadata names an attempt and an order that don't belong together.
        OtherOrder = "other_order",
        /// It is about an account that isn't a known seller.
        UnknownSeller = "unknown_seller",
    }
}

impl Attempt {
    /// Returns whether the attempt can't be paid anymore: it was paid, it is closed at Stripe, or it was never
    /// created.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        if self.refused.is_some() {
            return true;
        }
        match (self.facts.status(), self.flow, self.facts.session()) {
            (PaymentStatus::Succeeded, ..)
            | (PaymentStatus::Canceled, PaymentFlow::PaymentIntent, _)
            | (PaymentStatus::Open(_), PaymentFlow::CheckoutSession, Some(SessionStatus::Failed)) => true,
            // While a Session is open, Stripe may replace a canceled PaymentIntent.
            (PaymentStatus::Canceled, PaymentFlow::CheckoutSession, session) => {
                session.is_some_and(|session| session != SessionStatus::Open)
            }
            (PaymentStatus::Open(_), ..) => false,
        }
    }

    /// Returns whether the object was created at Stripe, as far as known.
    #[must_use]
    pub fn exists_at_stripe(&self) -> bool {
        match self.flow {
            PaymentFlow::PaymentIntent => self.payment_intent_id.is_some(),
            PaymentFlow::CheckoutSession => self.checkout_session_id.is_some(),
        }
    }

    /// Returns whether the payment is authorized and can be captured.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        self.facts.status() == PaymentStatus::Open(OpenStatus::RequiresCapture)
    }

    /// Returns whether the Checkout Session is complete, but its PaymentIntent was last observed before that.
    #[must_use]
    pub fn is_payment_outcome_unknown(&self) -> bool {
        self.facts.session() == Some(SessionStatus::Complete) && self.facts.status().awaits_customer()
    }

    /// Returns whether the customer has finished and the payment may still succeed. It can't be canceled. An
    /// unreachable attempt doesn't count.
    #[must_use]
    pub fn is_processing(&self) -> bool {
        let is_at_bank = || {
            matches!(
                self.facts.status(),
                PaymentStatus::Open(OpenStatus::Processing | OpenStatus::AwaitsTransfer)
            )
        };
        self.refused.is_none() && (is_at_bank() || self.is_payment_outcome_unknown())
    }

    /// Returns the success that matches the expected values, if any.
    #[must_use]
    pub fn matching_success(&self) -> Option<&Success> {
        self.facts.successes().find(|success| self.check(success).is_ok())
    }

    /// Checks a success against this attempt.
    pub fn check(&self, success: &Success) -> Result<(), ReviewReason> {
        if self.outdated {
            return Err(ReviewReason::WrongAmount);
        }
        self.expected.check(success, self.capture)
    }

    /// Checks that an observation belongs to this attempt of this order, by its ID at Stripe. If that ID isn't
    /// known yet, the metadata decides. Metadata proves little, because any account can create PaymentIntents
    /// with the same metadata.
    pub fn recognizes(&self, order_id: &OrderId, observation: &Observation) -> Result<(), Mismatch> {
        self.belongs_to(&observation.account, observation.mode)?;
        if let Some(known) = &self.payment_intent_id {
            return check_id(known, &observation.payment_intent_id);
        }
        self.is_named_in_metadata(
            order_id,
            observation.order_id.as_ref(),
            observation.payment_id.as_ref(),
            &observation.fact.provenance.event,
        )
    }

    /// Checks a Checkout Session like [`Self::recognizes`].
    pub fn recognizes_session(
        &self,
        order_id: &OrderId,
        observation: &SessionObservation,
    ) -> Result<(), Mismatch> {
        self.belongs_to(&observation.account, observation.mode)?;
        if self.flow != PaymentFlow::CheckoutSession {
            return Err(Mismatch::UnknownAttempt);
        }
        if let (Some(known), Some(observed)) = (&self.payment_intent_id, &observation.payment_intent_id) {
            check_id(known, observed)?;
        }
        if let Some(known) = &self.checkout_session_id {
            return check_id(known, &observation.checkout_session_id);
        }
        self.is_named_in_metadata(
            order_id,
            observation.order_id.as_ref(),
            observation.payment_id.as_ref(),
            &observation.event,
        )
    }

    /// Checks the account and the mode of an observation.
    pub(crate) fn belongs_to(&self, account: &Account, mode: Mode) -> Result<(), Mismatch> {
        if *account != self.expected.account {
            Err(Mismatch::WrongAccount)
        } else if mode != self.expected.mode {
            Err(Mismatch::WrongMode)
        } else {
            Ok(())
        }
    }

    /// Checks the metadata of an object whose ID at Stripe isn't known yet.
    ///
    /// On a connected account, events don't prove the metadata: the owner can copy it to another PaymentIntent.
    /// There, the ID is recorded only from responses to Quittance's own requests.
    fn is_named_in_metadata(
        &self,
        order_id: &OrderId,
        named_order: Option<&OrderId>,
        named_payment: Option<&PaymentId>,
        event: &str,
    ) -> Result<(), Mismatch> {
        let is_from_owner = !event.is_empty() && self.expected.account != Account::own();
        if named_payment != Some(&self.id) || is_from_owner {
            Err(Mismatch::UnknownAttempt)
        } else if named_order.is_some_and(|named| named != order_id) {
            Err(Mismatch::OtherOrder)
        } else {
            Ok(())
        }
    }
}

/// Checks an observed ID against the recorded one. The metadata doesn't matter then, because anyone with a key
/// of the account can edit it, and the payment still belongs to the attempt.
fn check_id(known: &str, observed: &str) -> Result<(), Mismatch> {
    if known == observed { Ok(()) } else { Err(Mismatch::OtherPaymentIntent) }
}
