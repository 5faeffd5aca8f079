//! The test cards of <https://docs.stripe.com/testing>, by number and by `pm_card_…` (or `tok_…`) name.
//!
//! What a card has in store beside the payment is its [`Quirk`].

use serde::{Deserialize, Serialize};

use crate::test_quirks::Quirk;

/// How a payment with a test payment method goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Behavior {
    /// Succeeds at once. 3D Secure is not available or the card is not enrolled.
    Succeeds,
    /// Succeeds, but never for a customer it has been attached to.
    FailsOnceAttached,
    /// Is declined at once.
    Declines(Decline),
    /// Asks for 3D Secure as `when` says; authenticated, it goes as `then` says.
    Authenticates { when: Authentication, then: AfterAuthentication },
    /// A bank debit: `processing`, and later the outcome. `None` as outcome: never.
    Debits { fails_with: Option<DebitFailure>, speed: DebitSpeed },
    /// The customer gets a voucher and pays it elsewhere, or lets it expire.
    AwaitsVoucher,
}

/// When a card needs 3D Secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Authentication {
    /// On every payment.
    Always,
    /// On every payment but off-session ones after the card was set up (saved by an authenticated payment).
    UnlessSetUp,
    /// On every payment but off-session ones.
    OnSession,
    /// Only if the request asks for it.
    OnRequest,
}

/// What follows a passed (or impossible) authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AfterAuthentication {
    Succeeds,
    Declines(Decline),
    /// The 3D Secure lookup itself fails, so no page is shown and the payment is declined.
    LookupFails,
}

/// Why a card was declined: <https://docs.stripe.com/declines/codes>.
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

/// A decline in Stripe's words.
pub(crate) struct DeclineText {
    pub(crate) code: &'static str,
    pub(crate) decline_code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) param: Option<&'static str>,
    pub(crate) advice_code: Option<&'static str>,
    /// Whether Radar blocked it, rather than the card's bank declining it.
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

/// When the outcome of a debit comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DebitSpeed {
    Normal,
    Delayed,
    Never,
}

/// Why a debit failed; the words are those of the charge's `failure_code`.
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
    /// A voucher that nobody has paid.
    VoucherExpired,
}

impl DebitFailure {
    /// Code and message.
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

/// One test card.
pub(crate) struct TestCard {
    pub(crate) number: &'static str,
    /// What follows `pm_card_` in its name; empty if it has none.
    pub(crate) name: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) funding: &'static str,
    pub(crate) country: &'static str,
    pub(crate) behavior: Behavior,
    pub(crate) quirk: Quirk,
}

const fn ok(
    number: &'static str,
    name: &'static str,
    brand: &'static str,
    funding: &'static str,
    country: &'static str,
) -> TestCard {
    TestCard { number, name, brand, funding, country, behavior: Behavior::Succeeds, quirk: Quirk::None }
}

const fn visa(number: &'static str, name: &'static str, behavior: Behavior) -> TestCard {
    TestCard { number, name, brand: "visa", funding: "credit", country: "US", behavior, quirk: Quirk::None }
}

/// A card that pays and has something in store.
const fn odd(number: &'static str, name: &'static str, quirk: Quirk) -> TestCard {
    TestCard { quirk, ..visa(number, name, Behavior::Succeeds) }
}

const fn decline(number: &'static str, name: &'static str, decline: Decline) -> TestCard {
    visa(number, name, Behavior::Declines(decline))
}

const fn secure(
    number: &'static str,
    name: &'static str,
    when: Authentication,
    then: AfterAuthentication,
) -> TestCard {
    visa(number, name, Behavior::Authenticates { when, then })
}

/// All cards. Where several share a name, the first one is meant by it.
pub(crate) const CARDS: &[TestCard] = &[
    ok("4242424242424242", "visa", "visa", "credit", "US"),
    ok("4242424242424242", "us", "visa", "credit", "US"),
    ok("4000056655665556", "visa_debit", "visa", "debit", "US"),
    ok("5555555555554444", "mastercard", "mastercard", "credit", "US"),
    ok("2223003122003222", "", "mastercard", "credit", "US"),
    ok("5200828282828210", "mastercard_debit", "mastercard", "debit", "US"),
    ok("5105105105105100", "mastercard_prepaid", "mastercard", "prepaid", "US"),
    ok("378282246310005", "amex", "amex", "credit", "US"),
    ok("378282246310005", "amex_threeDSecureNotSupported", "amex", "credit", "US"),
    ok("371449635398431", "", "amex", "credit", "US"),
    ok("6011111111111117", "discover", "discover", "credit", "US"),
    ok("6011000990139424", "", "discover", "credit", "US"),
    ok("6011981111111113", "discover_debit", "discover", "debit", "US"),
    ok("3056930009020004", "diners", "diners", "credit", "US"),
    ok("36227206271667", "", "diners", "credit", "US"),
    ok("6555900000604105", "bccard", "discover", "credit", "KR"),
    ok("3566002020360505", "jcb", "jcb", "credit", "JP"),
    ok("6200000000000005", "unionpay", "unionpay", "credit", "CN"),
    ok("6200000000000047", "unionpay_debit", "unionpay", "debit", "CN"),
    ok("6205500000000000004", "", "unionpay", "credit", "CN"),
    ok("4000002500001001", "visa_cartesBancaires", "visa", "credit", "FR"),
    ok("5555552500001001", "mastercard_cartesBancaires", "mastercard", "credit", "FR"),
    ok("4000000320000021", "ar", "visa", "credit", "AR"),
    ok("4000000760000002", "br", "visa", "credit", "BR"),
    ok("4000001240000000", "ca", "visa", "credit", "CA"),
    ok("4000004840008001", "mx", "visa", "credit", "MX"),
    ok("4000000400000008", "at", "visa", "credit", "AT"),
    ok("4000000560000004", "be", "visa", "credit", "BE"),
    ok("4000007560000009", "ch", "visa", "credit", "CH"),
    ok("4000002760000016", "de", "visa", "credit", "DE"),
    ok("4000002080000001", "dk", "visa", "credit", "DK"),
    ok("4000007240000007", "es", "visa", "credit", "ES"),
    ok("4000002460000001", "fi", "visa", "credit", "FI"),
    ok("4000002500000003", "fr", "visa", "credit", "FR"),
    ok("4000008260000000", "gb", "visa", "credit", "GB"),
    ok("4000058260000005", "gb_debit", "visa", "debit", "GB"),
    ok("4000003720000005", "ie", "visa", "credit", "IE"),
    ok("4000003800000008", "it", "visa", "credit", "IT"),
    ok("4000005280000002", "nl", "visa", "credit", "NL"),
    ok("4000005780000007", "no", "visa", "credit", "NO"),
    ok("4000006160000005", "pl", "visa", "credit", "PL"),
    ok("4000006200000007", "pt", "visa", "credit", "PT"),
    ok("4000007520000008", "se", "visa", "credit", "SE"),
    ok("4000000360000006", "au", "visa", "credit", "AU"),
    ok("4000003920000003", "jp", "visa", "credit", "JP"),
    ok("4000005540000008", "nz", "visa", "credit", "NZ"),
    ok("4000007020000003", "sg", "visa", "credit", "SG"),
    decline("4000000000000002", "visa_chargeDeclined", Decline::Generic),
    decline("4000000000000002", "chargeDeclined", Decline::Generic),
    decline("4000000000009995", "visa_chargeDeclinedInsufficientFunds", Decline::InsufficientFunds),
    decline("4000000000009995", "chargeDeclinedInsufficientFunds", Decline::InsufficientFunds),
    decline("4000000000009987", "visa_chargeDeclinedLostCard", Decline::LostCard),
    decline("4000000000009979", "visa_chargeDeclinedStolenCard", Decline::StolenCard),
    decline("4000000000000069", "chargeDeclinedExpiredCard", Decline::ExpiredCard),
    decline("4000000000000127", "chargeDeclinedIncorrectCvc", Decline::IncorrectCvc),
    decline("4000000000000119", "chargeDeclinedProcessingError", Decline::ProcessingError),
    decline("4000000000006975", "visa_chargeDeclinedVelocityLimitExceeded", Decline::VelocityExceeded),
    decline("4100000000000019", "radarBlock", Decline::Fraudulent),
    decline("4000000000004954", "riskLevelHighest", Decline::HighestRisk),
    visa("4000000000000341", "chargeCustomerFail", Behavior::FailsOnceAttached),
    odd("4000000000000077", "bypassPending", Quirk::BypassesPending),
    odd("4000003720000278", "bypassPendingInternational", Quirk::BypassesPending),
    odd("4000000000007726", "pendingRefund", Quirk::RefundPends),
    odd("4000000000005126", "refundFail", Quirk::RefundFails),
    odd("4000000000000259", "createDispute", Quirk::DisputedAsFraud),
    odd("4000000000002685", "createDisputeProductNotReceived", Quirk::DisputedAsNotReceived),
    odd("4000000000001976", "createDisputeInquiry", Quirk::Inquired),
    odd("4000000404000079", "createMultipleDisputes", Quirk::DisputedTwice),
    odd("4000000000000010", "avsFail", Quirk::AddressFails),
    odd("4000000000000028", "avsLine1Fail", Quirk::Line1Fails),
    odd("4000000000000036", "avsZipFail", Quirk::PostalCodeFails),
    odd("4000000000000044", "avsUnchecked", Quirk::AddressUnavailable),
    odd("4000000000000101", "cvcCheckFail", Quirk::CvcFails),
    odd("4000000000009235", "riskLevelElevated", Quirk::ElevatedRisk),
    odd("4000058400307872", "cvcCheckFailElevatedRisk", Quirk::CvcFailsAtElevatedRisk),
    odd("4000058400306072", "avsZipFailElevatedRisk", Quirk::PostalCodeFailsAtElevatedRisk),
    odd("4000000000000093", "domesticPricing", Quirk::None),
    secure(
        "4000002500003155",
        "authenticationRequiredOnSetup",
        Authentication::UnlessSetUp,
        AfterAuthentication::Succeeds,
    ),
    secure(
        "4000002760003184",
        "authenticationRequired",
        Authentication::Always,
        AfterAuthentication::Succeeds,
    ),
    secure(
        "4000003800000446",
        "authenticationRequiredSetupForOffSession",
        Authentication::OnSession,
        AfterAuthentication::Succeeds,
    ),
    secure(
        "4000008260003178",
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        Authentication::Always,
        AfterAuthentication::Declines(Decline::InsufficientFunds),
    ),
    secure(
        "4000000000003220",
        "threeDSecure2Required",
        Authentication::Always,
        AfterAuthentication::Succeeds,
    ),
    secure(
        "4000008400001629",
        "threeDSecureRequiredChargeDeclined",
        Authentication::Always,
        AfterAuthentication::Declines(Decline::Generic),
    ),
    secure(
        "4000008400001280",
        "threeDSecureRequiredProcessingError",
        Authentication::Always,
        AfterAuthentication::LookupFails,
    ),
    secure(
        "4000000000003055",
        "threeDSecureOptional",
        Authentication::OnRequest,
        AfterAuthentication::Succeeds,
    ),
    secure(
        "4000000000003097",
        "threeDSecureOptionalProcessingError",
        Authentication::OnRequest,
        AfterAuthentication::LookupFails,
    ),
];

impl TestCard {
    pub(crate) fn by_number(number: &str) -> Option<&'static Self> {
        CARDS.iter().find(|card| card.number == number)
    }

    /// Finds `pm_card_visa` or `tok_visa`.
    pub(crate) fn by_name(name: &str) -> Option<&'static Self> {
        let suffix = name.strip_prefix("pm_card_").or_else(|| name.strip_prefix("tok_"))?;
        CARDS.iter().find(|card| !card.name.is_empty() && card.name == suffix)
    }

    pub(crate) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// Whether 3D Secure can be done with this card.
    pub(crate) fn supports_3d_secure(&self) -> bool {
        self.brand != "amex"
    }
}

/// The check digit of card numbers (ISO/IEC 7812-1).
pub(crate) fn passes_luhn(number: &str) -> bool {
    let digits: Option<Vec<u32>> = number.chars().map(|character| character.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| (12..=19).contains(&digits.len())) else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::{CARDS, TestCard, passes_luhn};

    #[test]
    fn every_card_has_a_check_digit_and_names_are_unique() {
        let mut names: Vec<&str> = Vec::new();
        for card in CARDS {
            assert!(passes_luhn(card.number), "{}", card.number);
            if !card.name.is_empty() {
                assert!(!names.contains(&card.name), "{}", card.name);
                names.push(card.name);
            }
        }
        assert!(!passes_luhn("4242424242424241"));
        assert!(TestCard::by_name("pm_card_").is_none());
        assert_eq!(TestCard::by_name("tok_visa").unwrap().last4(), "4242");
    }
}
