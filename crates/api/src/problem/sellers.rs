//! Problems with sellers.

use quittance_domain::seller::{Blocker, InvalidFee};
use quittance_payments::StateRefused;

use super::{FieldError, Problem};
use crate::auth::Audience;
use crate::code::Code;

impl Problem {
    /// Why something can not be done about a seller, or through one.
    pub(super) fn of_seller(error: quittance_payments::Error) -> Self {
        use quittance_payments::Error;
        let (code, detail) = match error {
            Error::SellerNotReady { blockers, .. } => return Self::seller_not_ready(blockers),
            Error::OAuthState(refused) => return Self::of_state(refused),
            Error::ProductNotOfSeller => {
                return Self::invalid_field("/product_id", "not_of_seller", "is no product of this seller");
            }
            Error::AccountUnreachable => (
                Code::SellerDisconnected,
                "The account of the order's seller is out of reach: Stripe lets the platform use it no more.",
            ),
            Error::SellerHasOpenPayments(count) => {
                let detail = format!("Money of {count} of the seller's orders is on its way or held.");
                return Self::new(Code::SellerHasOpenPayments, detail);
            }
            Error::SellerNotConnected => {
                (Code::SellerNotConnected, "The platform may not use the seller's account.")
            }
            Error::NotOnboardedByLink => (
                Code::NotOnboardedByLink,
                "The account is its owner's own: they tell Stripe in its dashboard what it asks for.",
            ),
            Error::OAuthNotConfigured => {
                (Code::OAuthNotConfigured, "The service has no client id of Stripe Connect.")
            }
            Error::OAuthCodeInvalid => (
                Code::OAuthCodeInvalid,
                "Stripe does not take the code: it was used, is too old, or not ours.",
            ),
            Error::SellerModeMismatch => (
                Code::SellerModeMismatch,
                "The account was connected in another mode (test or live) than ours.",
            ),
            Error::SellerInUse(_) => {
                (Code::SellerInUse, "The seller's account works: it is let go with force only.")
            }
            error => return Self::internal(&error),
        };
        Self::new(code, detail)
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
    fn seller_not_ready(blockers: Vec<Blocker>) -> Self {
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
    fn of_state(refused: StateRefused) -> Self {
        let (code, detail) = match refused {
            StateRefused::Unknown => (Code::OAuthStateUnknown, "The state was not made here."),
            StateRefused::Used => (Code::OAuthStateUsed, "The state was used before. Begin anew."),
            StateRefused::Expired => (Code::OAuthStateExpired, "The state is too old. Begin anew."),
            StateRefused::OtherBinding => {
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
