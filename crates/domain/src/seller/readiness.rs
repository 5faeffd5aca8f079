//! The readiness of a seller to accept payments.

use std::collections::BTreeSet;

use super::{Capability, ChargeType, ConnectionStatus, Requirements, Seller};
use crate::string_enum;

/// The sellers that the platform supports. An empty set supports all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SupportedSellers {
    /// ISO 3166-1 alpha-2 country codes, upper case.
    pub countries: BTreeSet<String>,
    /// Default currencies of accounts, lower case.
    pub currencies: BTreeSet<String>,
}

impl SupportedSellers {
    fn has_country(&self, country: Option<&str>) -> bool {
        self.countries.is_empty() || country.is_some_and(|country| self.countries.contains(country))
    }

    fn has_currency(&self, currency: Option<&str>) -> bool {
        self.currencies.is_empty() || currency.is_some_and(|currency| self.currencies.contains(currency))
    }
}

string_enum! {
    /// The reason why a seller can't accept payments.
    #[derive(PartialOrd, Ord)]
    pub enum Blocker {
        /// The account isn't connected or doesn't exist yet.
        NotConnected = "not_connected",
        /// The platform is disconnecting the account.
        Unlinking = "unlinking",
        /// Quittance hasn't read the account yet.
        NotChecked = "not_checked",
        /// The owner hasn't submitted the initial information.
        DetailsNotSubmitted = "details_not_submitted",
        /// The account can't accept payments.
        ChargesNotEnabled = "charges_not_enabled",
        /// Stripe doesn't pay out to the account's bank.
        PayoutsNotEnabled = "payouts_not_enabled",
        /// The account can't receive transfers, which destination charges need.
        TransfersNotActive = "transfers_not_active",
        /// The account has no name to show to customers. Stripe Checkout requires one.
        NoDisplayName = "no_display_name",
        /// The platform doesn't support the account's country.
        CountryNotSupported = "country_not_supported",
        /// The platform doesn't support the account's currency.
        CurrencyNotSupported = "currency_not_supported",
    }
}

impl Blocker {
    /// Returns whether Stripe limits the account. The other blockers come from the platform.
    fn limits_capabilities(self) -> bool {
        matches!(self, Self::ChargesNotEnabled | Self::PayoutsNotEnabled | Self::TransfersNotActive)
    }

    /// Returns whether this blocker allows the platform to disconnect the account without `force`.
    fn allows_unlink(self) -> bool {
        matches!(
            self,
            Self::DetailsNotSubmitted
                | Self::ChargesNotEnabled
                | Self::PayoutsNotEnabled
                | Self::NoDisplayName
                | Self::CountryNotSupported
                | Self::CurrencyNotSupported
        )
    }
}

string_enum! {
    /// The next step for the account's owner.
    pub enum NextAction {
        /// The owner doesn't have to do anything.
        None = "none",
        /// Connect the account, even if it was connected before.
        Connect = "connect",
        /// Connect another account. This one can't become ready.
        ConnectAnotherAccount = "connect_another_account",
        /// Submit the initial information.
        CompleteOnboarding = "complete_onboarding",
        /// Provide the required information, before the deadline if one is set.
        ProvideInformation = "provide_information",
        /// Wait while Stripe verifies the information.
        AwaitVerification = "await_verification",
        /// Set a display name in Stripe's Dashboard.
        SetDisplayName = "set_display_name",
        /// Contact the platform, which has paused the account.
        ContactPlatform = "contact_platform",
        /// Check Stripe's Dashboard for the problem.
        CheckDashboard = "check_dashboard",
    }
}

/// The readiness of a seller to accept payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether the seller can accept payments. This is the case if no blocker exists.
    pub ready: bool,
    /// The blockers, without duplicates, in a fixed order.
    pub blockers: Vec<Blocker>,
    /// The next step for the account's owner.
    pub next_action: NextAction,
    /// Whether the platform can disconnect the account without `force`. The check protects working accounts
    /// from mistakes.
    pub can_unlink: bool,
}

impl Readiness {
    pub(super) fn new(seller: &Seller, supported: &SupportedSellers) -> Self {
        let blockers = blockers(seller, supported);
        Self {
            ready: blockers.is_empty(),
            next_action: next_action(seller, &blockers),
            can_unlink: blockers.iter().any(|blocker| blocker.allows_unlink()),
            blockers,
        }
    }
}

fn blockers(seller: &Seller, supported: &SupportedSellers) -> Vec<Blocker> {
    if !seller.is_connected() {
        return vec![Blocker::NotConnected];
    }
    let unlinking = (seller.connection_status == ConnectionStatus::Unlinking).then_some(Blocker::Unlinking);
    let Some(state) = &seller.snapshot.state else {
        return unlinking.into_iter().chain([Blocker::NotChecked]).collect();
    };
    let needs_transfers = seller.charge_type == ChargeType::Destination;
    let blocked = [
        (!state.details_submitted, Blocker::DetailsNotSubmitted),
        (!state.charges_enabled, Blocker::ChargesNotEnabled),
        (!state.payouts_enabled, Blocker::PayoutsNotEnabled),
        (needs_transfers && state.transfers != Capability::Active, Blocker::TransfersNotActive),
        (state.display_name.is_none(), Blocker::NoDisplayName),
        (!supported.has_country(state.country.as_deref()), Blocker::CountryNotSupported),
        (!supported.has_currency(state.currency.as_deref()), Blocker::CurrencyNotSupported),
    ];
    let blocked = blocked.into_iter().filter(|(applies, _)| *applies).map(|(_, blocker)| blocker);
    unlinking.into_iter().chain(blocked).collect()
}

/// Returns the next step for the first blocker that the owner can act on. Permanent blockers come first, and
/// steps for the owner come before waiting.
fn next_action(seller: &Seller, blockers: &[Blocker]) -> NextAction {
    let has = |blocker| blockers.contains(&blocker);
    if has(Blocker::NotConnected) {
        return if is_being_created(seller) { NextAction::AwaitVerification } else { NextAction::Connect };
    }
    let Some(state) = &seller.snapshot.state else { return NextAction::AwaitVerification };
    let requirements = &state.requirements;
    let disabled = requirements.disabled_reason.as_deref().unwrap_or_default();
    if disabled.starts_with("rejected.")
        || has(Blocker::CountryNotSupported)
        || has(Blocker::CurrencyNotSupported)
    {
        NextAction::ConnectAnotherAccount
    } else if disabled == "platform_paused" {
        NextAction::ContactPlatform
    } else if !state.details_submitted {
        NextAction::CompleteOnboarding
    } else if needs_information(requirements) {
        NextAction::ProvideInformation
    } else if blockers.iter().any(|blocker| blocker.limits_capabilities()) {
        if is_in_review(requirements, state.transfers) {
            NextAction::AwaitVerification
        } else {
            NextAction::CheckDashboard
        }
    } else if has(Blocker::NoDisplayName) {
        NextAction::SetDisplayName
    } else {
        NextAction::None
    }
}

/// Returns whether Quittance requested the account and Stripe hasn't created it yet.
fn is_being_created(seller: &Seller) -> bool {
    seller.account_id.is_none() && seller.connection_status == ConnectionStatus::Connected
}

fn needs_information(requirements: &Requirements) -> bool {
    !requirements.past_due.is_empty() || !requirements.currently_due.is_empty()
}

/// Returns whether Stripe is verifying the account. See
/// <https://docs.stripe.com/api/accounts/object#account_object-requirements-disabled_reason>.
fn is_in_review(requirements: &Requirements, transfers: Capability) -> bool {
    let disabled = requirements.disabled_reason.as_deref().unwrap_or_default();
    !requirements.pending_verification.is_empty()
        || transfers == Capability::Pending
        || matches!(disabled, "requirements.pending_verification" | "under_review" | "listed")
}
