//! Effects of test cards other than the payment's outcome: a pending or failed refund, a dispute, a failed check
//! (<https://docs.stripe.com/testing#refunds>, `#disputes`, `#fraud-prevention`).

use serde::{Deserialize, Serialize};

/// What is particular to a test card whose payment succeeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Quirk {
    #[default]
    None,
    /// Its refunds are pending, and succeed later.
    RefundPends,
    /// Its refunds succeed, and fail later.
    RefundFails,
    /// Is disputed as fraudulent.
    DisputedAsFraud,
    /// Is disputed because nothing has arrived.
    DisputedAsNotReceived,
    /// Is asked about, which may become a dispute.
    Inquired,
    /// Is disputed twice.
    DisputedTwice,
    /// Postal code and first line of the address do not fit.
    AddressFails,
    /// The first line of the address does not fit.
    Line1Fails,
    /// The postal code does not fit.
    PostalCodeFails,
    /// The bank can not check the address.
    AddressUnavailable,
    /// The security code does not fit, and the bank pays all the same.
    CvcFails,
    /// Radar finds it risky and lets it pass.
    ElevatedRisk,
    /// The security code does not fit, and Radar finds it risky.
    CvcFailsAtElevatedRisk,
    /// The postal code does not fit, and Radar finds it risky.
    PostalCodeFailsAtElevatedRisk,
    /// The funds are available at once, not after days.
    BypassesPending,
}

impl Quirk {
    /// The check of the security code, if one was given.
    pub(crate) fn cvc_check(self) -> &'static str {
        match self {
            Self::CvcFails | Self::CvcFailsAtElevatedRisk => "fail",
            _ => "pass",
        }
    }

    /// The check of the address's first line, if one was given.
    pub(crate) fn line1_check(self) -> &'static str {
        match self {
            Self::AddressFails | Self::Line1Fails => "fail",
            Self::AddressUnavailable => "unavailable",
            _ => "pass",
        }
    }

    /// The check of the postal code, if one was given.
    pub(crate) fn postal_code_check(self) -> &'static str {
        match self {
            Self::AddressFails | Self::PostalCodeFails | Self::PostalCodeFailsAtElevatedRisk => "fail",
            Self::AddressUnavailable => "unavailable",
            _ => "pass",
        }
    }

    /// What Radar makes of the payment: level and score.
    pub(crate) fn risk(self) -> (&'static str, i64) {
        match self {
            Self::ElevatedRisk | Self::CvcFailsAtElevatedRisk | Self::PostalCodeFailsAtElevatedRisk => {
                ("elevated", 68)
            }
            _ => ("normal", 7),
        }
    }

    /// Whether the customer goes to the bank once the payment is made.
    pub(crate) fn is_disputed(self) -> bool {
        matches!(
            self,
            Self::DisputedAsFraud | Self::DisputedAsNotReceived | Self::Inquired | Self::DisputedTwice
        )
    }
}
