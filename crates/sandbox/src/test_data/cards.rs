//! The test cards of <https://docs.stripe.com/testing>, by number and by `pm_card_…` (or `tok_…`) name.

use crate::test_data::behavior::{AfterAuthentication, Authentication, Behavior, Decline};
use crate::test_data::card_effects::Quirk;

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
