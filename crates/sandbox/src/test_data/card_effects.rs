//! Effects of test cards other than the payment's outcome: a pending or failed refund, a dispute, a failed check
//! (<https://docs.stripe.com/testing#refunds>, `#disputes`, `#fraud-prevention`).

use serde::{Deserialize, Serialize};

/// The effect of a test card whose payment succeeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CardEffect {
    #[default]
    None,
    /// Refunds are pending and succeed later.
    RefundPending,
    /// Refunds succeed and fail later.
    RefundFailure,
    /// The payment is disputed as fraudulent.
    FraudulentDispute,
    /// The payment is disputed because the product wasn't received.
    NotReceivedDispute,
    /// An inquiry is opened, which can become a dispute.
    Inquiry,
    /// The payment is disputed twice.
    TwoDisputes,
    /// The checks of the postal code and of the first address line fail.
    AddressCheckFailure,
    /// The check of the first address line fails.
    Line1CheckFailure,
    /// The check of the postal code fails.
    PostalCodeCheckFailure,
    /// The bank can't check the address.
    AddressCheckUnavailable,
    /// The check of the security code fails, and the bank approves the payment anyway.
    CvcCheckFailure,
    /// Radar rates the risk as elevated and lets the payment pass.
    ElevatedRisk,
    /// The check of the security code fails, and Radar rates the risk as elevated.
    CvcCheckFailureElevatedRisk,
    /// The check of the postal code fails, and Radar rates the risk as elevated.
    PostalCodeCheckFailureElevatedRisk,
    /// The funds are available immediately instead of after days.
    BypassPending,
}

impl CardEffect {
    /// Returns the result of the security code check.
    pub(crate) fn cvc_check(self) -> &'static str {
        match self {
            Self::CvcCheckFailure | Self::CvcCheckFailureElevatedRisk => "fail",
            _ => "pass",
        }
    }

    /// Returns the result of the check of the first address line.
    pub(crate) fn line1_check(self) -> &'static str {
        match self {
            Self::AddressCheckFailure | Self::Line1CheckFailure => "fail",
            Self::AddressCheckUnavailable => "unavailable",
            _ => "pass",
        }
    }

    /// Returns the result of the postal code check.
    pub(crate) fn postal_code_check(self) -> &'static str {
        match self {
            Self::AddressCheckFailure
            | Self::PostalCodeCheckFailure
            | Self::PostalCodeCheckFailureElevatedRisk => "fail",
            Self::AddressCheckUnavailable => "unavailable",
            _ => "pass",
        }
    }

    /// Returns Radar's risk level and score.
    pub(crate) fn risk(self) -> (&'static str, i64) {
        match self {
            Self::ElevatedRisk
            | Self::CvcCheckFailureElevatedRisk
            | Self::PostalCodeCheckFailureElevatedRisk => ("elevated", 68),
            _ => ("normal", 7),
        }
    }

    /// Returns whether the payment is disputed automatically.
    pub(crate) fn causes_dispute(self) -> bool {
        matches!(self, Self::FraudulentDispute | Self::NotReceivedDispute | Self::Inquiry | Self::TwoDisputes)
    }
}
