//! Problems with sellers.

use quittance_domain::seller::{Blocker, InvalidFee};
use quittance_payments::OAuthStateError;

use super::{FieldError, Problem};
use crate::auth::Audience;
use crate::code::Code;

impl Problem {
    pub(super) fn account_unreachable() -> Self {
        let detail =
            "The account of the order's seller is out of reach: Stripe lets the platform use it no more.";
        Self::new(Code::SellerDisconnected, detail)
    }

    pub(super) fn seller_not_connected() -> Self {
        Self::new(Code::SellerNotConnected, "The platform may not use the seller's account.")
    }

    pub(super) fn seller_mode_mismatch() -> Self {
        let detail = "The account was connected in another mode (test or live) than ours.";
        Self::new(Code::SellerModeMismatch, detail)
    }

    pub(super) fn seller_in_use() -> Self {
        Self::new(Code::SellerInUse, "The seller's account works: it is let go with force only.")
    }

    pub(super) fn seller_has_open_payments(count: usize) -> Self {
        let detail = format!("Money of {count} of the seller's orders is on its way or held.");
        Self::new(Code::SellerHasOpenPayments, detail)
    }

    pub(super) fn not_onboarded_by_link() -> Self {
        let detail = "The account is its owner's own: they tell Stripe in its dashboard what it asks for.";
        Self::new(Code::NotOnboardedByLink, detail)
    }

    pub(super) fn oauth_not_configured() -> Self {
        Self::new(Code::OAuthNotConfigured, "The service has no client id of Stripe Connect.")
    }

    pub(super) fn oauth_code_invalid() -> Self {
        let detail = "Stripe does not take the code: it was used, is too old, or not ours.";
        Self::new(Code::OAuthCodeInvalid, detail)
    }

    pub(super) fn product_not_of_seller() -> Self {
        Self::invalid_field("/product_id", "not_of_seller", "is no product of this seller")
    }

    /// A product's seller is none, or has no account yet.
    pub(crate) fn unknown_seller() -> Self {
        Self::invalid_field("/seller_id", "unknown_seller", "is no seller with an account")
    }

    /// Why terms of a fee can not be, at the field it is given in.
    pub(crate) fn of_fee(error: InvalidFee) -> Self {
        let pointer = match error {
            InvalidFee::BasisPoints => "/fee_basis_points",
            InvalidFee::Fixed => "/fee_fixed",
            InvalidFee::Minimum => "/fee_minimum",
        };
        Self::invalid_field(pointer, "out_of_range", error.to_string())
    }

    /// Nothing can be charged through the order's seller.
    pub(super) fn seller_not_ready(blockers: Vec<Blocker>) -> Self {
        let mut problem =
            Self::new(Code::SellerNotReady, "The seller of this order can not be charged through now.");
        problem.errors = blockers
            .into_iter()
            .map(|blocker| FieldError::new("/seller_id", blocker.as_str(), why(blocker)))
            .collect();
        problem
    }

    /// The same, as it is told to this audience: what a seller lacks is between it and the platform.
    pub(crate) fn told_to(mut self, audience: Audience) -> Self {
        if self.code() == Code::SellerNotReady && audience == Audience::Holder {
            self.errors.clear();
        }
        self
    }

    /// What came back from Stripe's authorization page is not taken.
    pub(super) fn of_state(refused: OAuthStateError) -> Self {
        let (code, detail) = match refused {
            OAuthStateError::Unknown => (Code::OAuthStateUnknown, "The state was not made here."),
            OAuthStateError::Used => (Code::OAuthStateUsed, "The state was used before. Begin anew."),
            OAuthStateError::Expired => (Code::OAuthStateExpired, "The state is too old. Begin anew."),
            OAuthStateError::OtherBinding => {
                (Code::OAuthBindingMismatch, "Somebody else began with this state.")
            }
        };
        Self::new(code, detail)
    }
}

/// Why a seller can not be charged through, for people.
fn why(blocker: Blocker) -> &'static str {
    match blocker {
        Blocker::NotConnected => "the platform may not use the seller's account",
        Blocker::Unlinking => "the platform is letting the seller go",
        Blocker::NotChecked => "Stripe was not asked about the account yet",
        Blocker::DetailsNotSubmitted => "the seller has not told Stripe what it asks for at first",
        Blocker::ChargesNotEnabled => "the account can not take payments",
        Blocker::PayoutsNotEnabled => "Stripe does not pay out to the account's bank",
        Blocker::TransfersNotActive => "no money can be transferred to the account",
        Blocker::NoDisplayName => "the account has no name to show to customers",
        Blocker::CountryNotSupported => "the platform takes no sellers of the account's country",
        Blocker::CurrencyNotSupported => "the platform takes no sellers of the account's currency",
    }
}
