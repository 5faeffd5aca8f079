//! One attempt to pay an order: what it must have, what was seen of it, and what of that counts.

use super::{CaptureMethod, Facts, Observation, OpenStatus, PaymentStatus, SessionObservation, Success};
use crate::checkout::{PaymentFlow, SessionStatus};
use crate::id::{OrderId, PaymentId};
use crate::money::Money;
use crate::string_enum;
use crate::stripe::{Account, Mode};

string_enum! {
    /// Why a success is not believed to pay its order.
    pub enum ReviewReason {
        /// The amount is not what the attempt had to have, or not what its order costs by now, or not all of it was
        /// received.
        WrongAmount = "wrong_amount",
        /// The currency is not what the attempt had to have.
        WrongCurrency = "wrong_currency",
        /// The platform's fee is not what the attempt had to have.
        WrongFee = "wrong_fee",
        /// The order had been canceled when the success came.
        SucceededAfterCancel = "succeeded_after_cancel",
        /// The order had expired when the success came, and its goods could not be taken from the stock again.
        SucceededAfterExpiry = "succeeded_after_expiry",
    }
}

impl ReviewReason {
    /// Whether what came is what was asked for, and only came too late.
    #[must_use]
    pub fn is_late(self) -> bool {
        matches!(self, Self::SucceededAfterCancel | Self::SucceededAfterExpiry)
    }
}

/// What a PaymentIntent must have for its success to count: recorded before Stripe hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPayment {
    /// The account it must live on.
    pub account: Account,
    /// Whether money must be real.
    pub mode: Mode,
    /// The amount and currency.
    pub amount: Money,
    /// The platform's fee, in minor units.
    pub application_fee: Option<i64>,
}

impl ExpectedPayment {
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
    pub flow: PaymentFlow,
    /// What it must have to count.
    pub expected: ExpectedPayment,
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
    /// Whether its order has another total or other terms by now. It was closed or given up before they changed; if it
    /// turns out that money came of it all the same, that is not what the order costs.
    pub outdated: bool,
}

string_enum! {
    /// Why an observation counts for nothing.
    pub enum Mismatch {
        /// It is none of an attempt we recorded.
        UnknownAttempt = "unknown_attempt",
        /// It lives on another account than the attempt.
        WrongAccount = "wrong_account",
        /// It is test data where money is real, or the reverse.
        WrongMode = "wrong_mode",
        /// It names an attempt that has another PaymentIntent or Checkout Session.
        OtherPaymentIntent = "other_payment_intent",
        /// It names an attempt, and an order that this is not of.
        OtherOrder = "other_order",
        /// It is about an account that is no seller of ours.
        UnknownSeller = "unknown_seller",
    }
}

impl Attempt {
    /// Whether no more money can come of it: it was paid, it is closed at Stripe, or was never made.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        if self.refused.is_some() {
            return true;
        }
        match (self.facts.status(), self.flow, self.facts.session()) {
            (PaymentStatus::Succeeded, ..)
            | (PaymentStatus::Canceled, PaymentFlow::PaymentIntent, _)
            | (PaymentStatus::Open(_), PaymentFlow::CheckoutSession, Some(SessionStatus::Failed)) => true,
            // While a Session is open, its customer may get another PaymentIntent for a canceled one.
            (PaymentStatus::Canceled, PaymentFlow::CheckoutSession, session) => {
                session.is_some_and(|session| session != SessionStatus::Open)
            }
            (PaymentStatus::Open(_), ..) => false,
        }
    }

    /// Whether Stripe has told us of what we asked it to make.
    #[must_use]
    pub fn exists_at_stripe(&self) -> bool {
        match self.flow {
            PaymentFlow::PaymentIntent => self.payment_intent_id.is_some(),
            PaymentFlow::CheckoutSession => self.checkout_session_id.is_some(),
        }
    }

    /// Whether the money is held for the shop to take.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        self.facts.status() == PaymentStatus::Open(OpenStatus::RequiresCapture)
    }

    /// Whether a Checkout Session is complete, and what is known of its PaymentIntent is older than that.
    #[must_use]
    pub fn is_payment_outcome_unknown(&self) -> bool {
        self.facts.session() == Some(SessionStatus::Complete) && self.facts.status().awaits_customer()
    }

    /// Whether the customer has done their part, and the money may be on its way: this can not be called back. Of
    /// what is out of reach nothing is waited for.
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

    /// The success that is what was asked for, if one came.
    #[must_use]
    pub fn matching_success(&self) -> Option<&Success> {
        self.facts.successes().find(|success| self.check(success).is_ok())
    }

    /// The gate on amounts, for this attempt.
    pub fn check(&self, success: &Success) -> Result<(), ReviewReason> {
        if self.outdated {
            return Err(ReviewReason::WrongAmount);
        }
        self.expected.check(success, self.capture)
    }

    /// Whether an observation is of this attempt of this order: by Stripe's id, or where we do not know that yet, by
    /// what its metadata says. Anybody with an account of their own can make PaymentIntents that carry our ids.
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

    /// As [`Self::recognizes`], for a Checkout Session.
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

    /// Whether something lives on the attempt's account, in its mode.
    pub(crate) fn belongs_to(&self, account: &Account, mode: Mode) -> Result<(), Mismatch> {
        if *account != self.expected.account {
            Err(Mismatch::WrongAccount)
        } else if mode != self.expected.mode {
            Err(Mismatch::WrongMode)
        } else {
            Ok(())
        }
    }

    /// Whether something of which we do not know the id yet is this attempt's, by what its metadata says.
    ///
    /// On a connected account events prove nothing of metadata: its owner can copy ours from one PaymentIntent to
    /// another. There the id is learned only from what Stripe answers to us.
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

/// Whether something is what we know by its id. Then what its metadata says is of no matter: whoever has a key of its
/// account can edit it, and what was paid is ours all the same.
fn check_id(known: &str, observed: &str) -> Result<(), Mismatch> {
    if known == observed { Ok(()) } else { Err(Mismatch::OtherPaymentIntent) }
}
