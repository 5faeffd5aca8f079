//! The test cards of <https://docs.stripe.com/testing>, by number and by `pm_card_…` (or `tok_…`) name.

use crate::test_data::behavior::{AfterAuthentication, Authentication, Behavior, Decline};
use crate::test_data::card_effects::CardEffect;

/// A test card.
pub(crate) struct TestCard {
    pub(crate) number: &'static str,
    /// The name without the prefix `pm_card_`. Empty for a card without a name.
    pub(crate) name: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) funding: &'static str,
    pub(crate) country: &'static str,
    pub(crate) behavior: Behavior,
    pub(crate) effect: CardEffect,
}

const fn approved(
    number: &'static str,
    name: &'static str,
    brand: &'static str,
    funding: &'static str,
    country: &'static str,
) -> TestCard {
    TestCard { number, name, brand, funding, country, behavior: Behavior::Succeeds, effect: CardEffect::None }
}

const fn visa(number: &'static str, name: &'static str, behavior: Behavior) -> TestCard {
    TestCard {
        number,
        name,
        brand: "visa",
        funding: "credit",
        country: "US",
        behavior,
        effect: CardEffect::None,
    }
}

/// Returns a card that pays and has an effect.
const fn with_effect(number: &'static str, name: &'static str, effect: CardEffect) -> TestCard {
    TestCard { effect, ..visa(number, name, Behavior::Succeeds) }
}

const fn decline(number: &'static str, name: &'static str, decline: Decline) -> TestCard {
    visa(number, name, Behavior::Declines(decline))
}

const fn three_d_secure(
    number: &'static str,
    name: &'static str,
    when: Authentication,
    then: AfterAuthentication,
) -> TestCard {
    visa(number, name, Behavior::Authenticates { when, then })
}

/// All test cards. If several share a name, the first one counts.
pub(crate) const CARDS: &[TestCard] = &[
    approved("4242424242424242", "visa", "visa", "credit", "US"),
    approved("4242424242424242", "us", "visa", "credit", "US"),
    approved("4000056655665556", "visa_debit", "visa", "debit", "US"),
    approved("5555555555554444", "mastercard", "mastercard", "credit", "US"),
    approved("2223003122003222", "", "mastercard", "credit", "US"),
    approved("5200828282828210", "mastercard_debit", "mastercard", "debit", "US"),
    approved("5105105105105100", "mastercard_prepaid", "mastercard", "prepaid", "US"),
    approved("378282246310005", "amex", "amex", "credit", "US"),
    approved("378282246310005", "amex_threeDSecureNotSupported", "amex", "credit", "US"),
    approved("371449635398431", "", "amex", "credit", "US"),
    approved("6011111111111117", "discover", "discover", "credit", "US"),
    approved("6011000990139424", "", "discover", "credit", "US"),
    approved("6011981111111113", "discover_debit", "discover", "debit", "US"),
    approved("3056930009020004", "diners", "diners", "credit", "US"),
    approved("36227206271667", "", "diners", "credit", "US"),
    approved("6555900000604105", "bccard", "discover", "credit", "KR"),
    approved("3566002020360505", "jcb", "jcb", "credit", "JP"),
    approved("6200000000000005", "unionpay", "unionpay", "credit", "CN"),
    approved("6200000000000047", "unionpay_debit", "unionpay", "debit", "CN"),
    approved("6205500000000000004", "", "unionpay", "credit", "CN"),
    approved("4000002500001001", "visa_cartesBancaires", "visa", "credit", "FR"),
    approved("5555552500001001", "mastercard_cartesBancaires", "mastercard", "credit", "FR"),
    approved("4000000320000021", "ar", "visa", "credit", "AR"),
    approved("4000000760000002", "br", "visa", "credit", "BR"),
    approved("4000001240000000", "ca", "visa", "credit", "CA"),
    approved("4000004840008001", "mx", "visa", "credit", "MX"),
    approved("4000000400000008", "at", "visa", "credit", "AT"),
    approved("4000000560000004", "be", "visa", "credit", "BE"),
    approved("4000007560000009", "ch", "visa", "credit", "CH"),
    approved("4000002760000016", "de", "visa", "credit", "DE"),
    approved("4000002080000001", "dk", "visa", "credit", "DK"),
    approved("4000007240000007", "es", "visa", "credit", "ES"),
    approved("4000002460000001", "fi", "visa", "credit", "FI"),
    approved("4000002500000003", "fr", "visa", "credit", "FR"),
    approved("4000008260000000", "gb", "visa", "credit", "GB"),
    approved("4000058260000005", "gb_debit", "visa", "debit", "GB"),
    approved("4000003720000005", "ie", "visa", "credit", "IE"),
    approved("4000003800000008", "it", "visa", "credit", "IT"),
    approved("4000005280000002", "nl", "visa", "credit", "NL"),
    approved("4000005780000007", "no", "visa", "credit", "NO"),
    approved("4000006160000005", "pl", "visa", "credit", "PL"),
    approved("4000006200000007", "pt", "visa", "credit", "PT"),
    approved("4000007520000008", "se", "visa", "credit", "SE"),
    approved("4000000360000006", "au", "visa", "credit", "AU"),
    approved("4000003920000003", "jp", "visa", "credit", "JP"),
    approved("4000005540000008", "nz", "visa", "credit", "NZ"),
    approved("4000007020000003", "sg", "visa", "credit", "SG"),
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
    with_effect("4000000000000077", "bypassPending", CardEffect::BypassPending),
    with_effect("4000003720000278", "bypassPendingInternational", CardEffect::BypassPending),
    with_effect("4000000000007726", "pendingRefund", CardEffect::RefundPending),
    with_effect("4000000000005126", "refundFail", CardEffect::RefundFailure),
    with_effect("4000000000000259", "createDispute", CardEffect::FraudulentDispute),
    with_effect("4000000000002685", "createDisputeProductNotReceived", CardEffect::NotReceivedDispute),
    with_effect("4000000000001976", "createDisputeInquiry", CardEffect::Inquiry),
    with_effect("4000000404000079", "createMultipleDisputes", CardEffect::TwoDisputes),
    with_effect("4000000000000010", "avsFail", CardEffect::AddressCheckFailure),
    with_effect("4000000000000028", "avsLine1Fail", CardEffect::Line1CheckFailure),
    with_effect("4000000000000036", "avsZipFail", CardEffect::PostalCodeCheckFailure),
    with_effect("4000000000000044", "avsUnchecked", CardEffect::AddressCheckUnavailable),
    with_effect("4000000000000101", "cvcCheckFail", CardEffect::CvcCheckFailure),
    with_effect("4000000000009235", "riskLevelElevated", CardEffect::ElevatedRisk),
    with_effect("4000058400307872", "cvcCheckFailElevatedRisk", CardEffect::CvcCheckFailureElevatedRisk),
    with_effect("4000058400306072", "avsZipFailElevatedRisk", CardEffect::PostalCodeCheckFailureElevatedRisk),
    with_effect("4000000000000093", "domesticPricing", CardEffect::None),
    three_d_secure(
        "4000002500003155",
        "authenticationRequiredOnSetup",
        Authentication::UnlessSetUp,
        AfterAuthentication::Succeeds,
    ),
    three_d_secure(
        "4000002760003184",
        "authenticationRequired",
        Authentication::Always,
        AfterAuthentication::Succeeds,
    ),
    three_d_secure(
        "4000003800000446",
        "authenticationRequiredSetupForOffSession",
        Authentication::OnSession,
        AfterAuthentication::Succeeds,
    ),
    three_d_secure(
        "4000008260003178",
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        Authentication::Always,
        AfterAuthentication::Declines(Decline::InsufficientFunds),
    ),
    three_d_secure(
        "4000000000003220",
        "threeDSecure2Required",
        Authentication::Always,
        AfterAuthentication::Succeeds,
    ),
    three_d_secure(
        "4000008400001629",
        "threeDSecureRequiredChargeDeclined",
        Authentication::Always,
        AfterAuthentication::Declines(Decline::Generic),
    ),
    three_d_secure(
        "4000008400001280",
        "threeDSecureRequiredProcessingError",
        Authentication::Always,
        AfterAuthentication::LookupFails,
    ),
    three_d_secure(
        "4000000000003055",
        "threeDSecureOptional",
        Authentication::OnRequest,
        AfterAuthentication::Succeeds,
    ),
    three_d_secure(
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

    /// Finds a card by a name such as `pm_card_visa` or `tok_visa`.
    pub(crate) fn by_name(name: &str) -> Option<&'static Self> {
        let suffix = name.strip_prefix("pm_card_").or_else(|| name.strip_prefix("tok_"))?;
        CARDS.iter().find(|card| !card.name.is_empty() && card.name == suffix)
    }

    pub(crate) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// Returns whether the card supports 3D Secure.
    pub(crate) fn supports_3d_secure(&self) -> bool {
        self.brand != "amex"
    }
}

/// Checks the check digit of a card number (ISO/IEC 7812-1).
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
    fn test_cards_have_valid_check_digits_and_unique_names() {
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
