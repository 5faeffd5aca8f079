//! Problems with sellers.

use quittance_domain::seller::{Blocker, InvalidFee};
use quittance_payments::OAuthStateError;

use super::code::Code;
use super::{FieldError, Problem};
use crate::audience::Audience;

impl Problem {
    pub(super) fn account_unreachable() -> Self {
        let detail = "The seller's Stripe account is disconnected from the platform. The seller must connect it again.";
        Self::new(Code::SellerDisconnected, detail)
    }

    pub(super) fn seller_not_connected() -> Self {
        Self::new(
            Code::SellerNotConnected,
            "The seller's Stripe account isn't connected. The seller must connect it first.",
        )
    }

    pub(super) fn seller_mode_mismatch() -> Self {
        let detail =
            "The account was connected in another mode (test or live). Connect it in this service's mode.";
        Self::new(Code::SellerModeMismatch, detail)
    }

    pub(super) fn seller_in_use() -> Self {
        Self::new(
            Code::SellerInUse,
            "This seller can accept payments. To disconnect it anyway, set `force=true`.",
        )
    }

    pub(super) fn seller_has_open_payments(count: usize) -> Self {
        let detail = format!("{count} of the seller's orders have open payments. Wait, or set `force=true`.");
        Self::new(Code::SellerHasOpenPayments, detail)
    }

    pub(super) fn not_onboarded_by_link() -> Self {
        let detail =
            "This account has no onboarding link. Its owner provides information in Stripe's Dashboard.";
        Self::new(Code::NotOnboardedByLink, detail)
    }

    pub(super) fn oauth_not_configured() -> Self {
        Self::new(
            Code::OAuthNotConfigured,
            "OAuth needs a Stripe Connect client ID. Set STRIPE_CONNECT_CLIENT_ID.",
        )
    }

    pub(super) fn oauth_code_invalid() -> Self {
        let detail =
            "Stripe refused the code: it was used, expired or issued to another platform. Start again.";
        Self::new(Code::OAuthCodeInvalid, detail)
    }

    pub(super) fn product_not_of_seller() -> Self {
        Self::invalid_field("/product_id", "not_of_seller", "must be a product of this seller")
    }

    /// Returns the problem for a product's seller that doesn't exist or has no account yet.
    pub(crate) fn unknown_seller() -> Self {
        Self::invalid_field("/seller_id", "unknown_seller", "must be a seller with a Stripe account")
    }

    /// Returns the problem for invalid fee terms, with the field that is wrong.
    pub(crate) fn from_fee(error: InvalidFee) -> Self {
        let pointer = match error {
            InvalidFee::BasisPoints => "/fee_basis_points",
            InvalidFee::Fixed => "/fee_fixed",
            InvalidFee::Minimum => "/fee_minimum",
        };
        Self::invalid_field(pointer, "out_of_range", error.to_string())
    }

    /// Returns the problem for a seller that can't accept payments.
    pub(super) fn seller_not_ready(blockers: Vec<Blocker>) -> Self {
        let mut problem = Self::new(
            Code::SellerNotReady,
            "The order's seller can't accept payments now. `errors` has the reasons.",
        );
        problem.errors = blockers
            .into_iter()
            .map(|blocker| FieldError::new("/seller_id", blocker.as_str(), reason(blocker)))
            .collect();
        problem
    }

    /// Removes a seller's blockers for customers. They concern only the seller and the platform.
    pub(crate) fn for_audience(mut self, audience: Audience) -> Self {
        if self.code() == Code::SellerNotReady && audience == Audience::Holder {
            self.errors.clear();
        }
        self
    }

    /// Returns the problem for an OAuth callback with an invalid state.
    pub(super) fn from_oauth_state(refused: OAuthStateError) -> Self {
        let (code, detail) = match refused {
            OAuthStateError::Unknown => {
                (Code::OAuthStateUnknown, "This service didn't issue the state. Start again.")
            }
            OAuthStateError::Used => (Code::OAuthStateUsed, "The state was used before. Start again."),
            OAuthStateError::Expired => (Code::OAuthStateExpired, "The state has expired. Start again."),
            OAuthStateError::OtherBinding => {
                (Code::OAuthBindingMismatch, "The state was issued for another `binding`. Start again.")
            }
        };
        Self::new(code, detail)
    }
}

/// Returns why a seller can't accept payments, for people.
fn reason(blocker: Blocker) -> &'static str {
    match blocker {
        Blocker::NotConnected => "the account isn't connected to the platform",
        Blocker::Unlinking => "the platform is disconnecting the seller",
        Blocker::NotChecked => "the account hasn't been read from Stripe yet",
        Blocker::DetailsNotSubmitted => "the seller hasn't submitted the required details to Stripe",
        Blocker::ChargesNotEnabled => "the account can't accept charges",
        Blocker::PayoutsNotEnabled => "payouts to the account's bank aren't enabled",
        Blocker::TransfersNotActive => "transfers to the account aren't active",
        Blocker::NoDisplayName => "the account has no display name",
        Blocker::CountryNotSupported => "the platform doesn't support the account's country",
        Blocker::CurrencyNotSupported => "the platform doesn't support the account's currency",
    }
}
