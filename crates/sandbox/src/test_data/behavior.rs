//! The outcomes of payments with test payment methods.

use serde::{Deserialize, Serialize};

/// The behavior of payments with a test payment method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Behavior {
    /// Succeeds immediately. 3D Secure isn't available, or the card isn't enrolled.
    Succeeds,
    /// Succeeds, unless the payment method is attached to a customer.
    FailsOnceAttached,
    /// Is declined immediately.
    Declines(Decline),
    /// Requires 3D Secure as `when` specifies, then continues with `then`.
    Authenticates { when: Authentication, then: AfterAuthentication },
    /// A bank debit: `processing`, then the outcome.
    Debits { fails_with: Option<DebitFailure>, speed: DebitSpeed },
    /// The customer gets a voucher and pays it at a bank, or lets it expire.
    AwaitsVoucher,
}

/// The condition for 3D Secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Authentication {
    /// On every payment.
    Always,
    /// On every payment except off-session payments with a card that an authenticated payment has set up.
    UnlessSetUp,
    /// On every payment except off-session payments.
    OnSession,
    /// Only if the request asks for it.
    OnRequest,
}

/// The outcome after a passed or impossible authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AfterAuthentication {
    Succeeds,
    Declines(Decline),
    /// The 3D Secure lookup fails, so the payment is declined without a page.
    LookupFails,
}

/// The reason of a decline: <https://docs.stripe.com/declines/codes>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Decline {
    Generic,
    InsufficientFunds,
    LostCard,
    StolenCard,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    VelocityExceeded,
    Fraudulent,
    HighestRisk,
    AuthenticationRequired,
}

/// Stripe's codes and message for a decline.
pub(crate) struct DeclineText {
    pub(crate) code: &'static str,
    pub(crate) decline_code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) param: Option<&'static str>,
    pub(crate) advice_code: Option<&'static str>,
    /// Whether Radar blocked the payment, instead of the card's bank.
    pub(crate) is_blocked: bool,
}

const fn declined(decline_code: &'static str, message: &'static str, advice: &'static str) -> DeclineText {
    DeclineText {
        code: "card_declined",
        decline_code,
        message,
        param: None,
        advice_code: Some(advice),
        is_blocked: false,
    }
}

impl Decline {
    pub(crate) fn text(self) -> DeclineText {
        const DECLINED: &str = "Your card was declined.";
        match self {
            Self::Generic => declined("generic_decline", DECLINED, "try_again_later"),
            Self::InsufficientFunds => {
                declined("insufficient_funds", "Your card has insufficient funds.", "try_again_later")
            }
            Self::LostCard => declined("lost_card", DECLINED, "do_not_try_again"),
            Self::StolenCard => declined("stolen_card", DECLINED, "do_not_try_again"),
            Self::VelocityExceeded => declined(
                "card_velocity_exceeded",
                "Your card was declined for making repeated attempts too frequently or exceeding its amount \
                 limit.",
                "try_again_later",
            ),
            Self::Fraudulent | Self::HighestRisk => DeclineText {
                is_blocked: true,
                advice_code: None,
                ..declined("fraudulent", DECLINED, "do_not_try_again")
            },
            Self::ExpiredCard => DeclineText {
                code: "expired_card",
                param: Some("exp_month"),
                ..declined("expired_card", "Your card has expired.", "do_not_try_again")
            },
            Self::IncorrectCvc => DeclineText {
                code: "incorrect_cvc",
                param: Some("cvc"),
                ..declined("incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data")
            },
            Self::ProcessingError => DeclineText {
                code: "processing_error",
                ..declined(
                    "processing_error",
                    "An error occurred while processing your card. Try again in a little bit.",
                    "try_again_later",
                )
            },
            Self::AuthenticationRequired => DeclineText {
                code: "authentication_required",
                advice_code: None,
                ..declined(
                    "authentication_required",
                    "Your card was declined. This transaction requires authentication.",
                    "try_again_later",
                )
            },
        }
    }
}

/// The timing of a debit's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DebitSpeed {
    Normal,
    Delayed,
    Never,
}

/// The reason of a failed debit, as in the charge's `failure_code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DebitFailure {
    AccountClosed,
    Declined,
    DebitNotAuthorized,
    InsufficientFunds,
    InvalidCurrency,
    NoAccount,
    SourceLimit,
    WeeklyLimit,
    /// The voucher expired unpaid.
    VoucherExpired,
}

impl DebitFailure {
    /// Returns Stripe's code and message.
    pub(crate) fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::AccountClosed => ("account_closed", "The customer's bank account has been closed."),
            Self::Declined => (
                "bank_account_declined",
                "The transaction can't be processed because your customer's bank declined the debit.",
            ),
            Self::DebitNotAuthorized => (
                "debit_not_authorized",
                "The customer has notified their bank that this payment was unauthorized.",
            ),
            Self::InsufficientFunds => {
                ("insufficient_funds", "The customer's account has insufficient funds to cover this payment.")
            }
            Self::InvalidCurrency => (
                "invalid_currency",
                "The bank was unable to process this payment because of its currency. The customer should check \
                 whether their bank account can take it.",
            ),
            Self::NoAccount => ("no_account", "The customer's bank account could not be located."),
            Self::SourceLimit => (
                "charge_exceeds_source_limit",
                "The payment would exceed the rolling-window processing limit for this account.",
            ),
            Self::WeeklyLimit => (
                "charge_exceeds_weekly_limit",
                "The payment would exceed your account's weekly limit of transactions.",
            ),
            Self::VoucherExpired => (
                "payment_intent_payment_attempt_expired",
                "The latest payment attempt of the PaymentIntent has expired. Check the last_payment_error property on \
                 the PaymentIntent for more details, and provide a new payment method to attempt to fulfill this \
                 PaymentIntent again.",
            ),
        }
    }
}
