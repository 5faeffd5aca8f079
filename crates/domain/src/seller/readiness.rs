//! Whether a seller can be charged through.

use std::collections::BTreeSet;

use super::{Capability, ChargeType, ConnectionStatus, Requirements, Seller};
use crate::string_enum;

/// Which sellers the platform takes. Empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SupportedSellers {
    /// ISO 3166-1 alpha-2 codes of countries, upper case.
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
    /// Why a seller can not be charged through.
    #[derive(PartialOrd, Ord)]
    pub enum Blocker {
        /// The platform may not use the account, or there is none yet.
        NotConnected = "not_connected",
        /// The platform is about to end its use of the account.
        Unlinking = "unlinking",
        /// Stripe was not asked about the account yet.
        NotChecked = "not_checked",
        /// The owner has not told Stripe what it asks for at first.
        DetailsNotSubmitted = "details_not_submitted",
        /// The account can not take payments.
        ChargesNotEnabled = "charges_not_enabled",
        /// Stripe does not pay out to the account's bank.
        PayoutsNotEnabled = "payouts_not_enabled",
        /// No money can be transferred to the account, which destination charges need.
        TransfersNotActive = "transfers_not_active",
        /// The account has no name to show to customers. Stripe's Checkout needs one.
        NoDisplayName = "no_display_name",
        /// The platform takes no sellers of the account's country.
        CountryNotSupported = "country_not_supported",
        /// The platform takes no sellers of the account's currency.
        CurrencyNotSupported = "currency_not_supported",
    }
}

impl Blocker {
    /// Whether this keeps the account from taking money, and not only the platform from wanting it.
    fn limits_capabilities(self) -> bool {
        matches!(self, Self::ChargesNotEnabled | Self::PayoutsNotEnabled | Self::TransfersNotActive)
    }

    /// Whether a platform may end its use of an account because of this.
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
    /// What a platform should tell a seller to do now.
    pub enum NextAction {
        /// Nothing.
        None = "none",
        /// Connect the account, again if it was connected before.
        Connect = "connect",
        /// Connect another account: this one will never do.
        ConnectAnotherAccount = "connect_another_account",
        /// Finish what Stripe asks for at first.
        CompleteOnboarding = "complete_onboarding",
        /// Tell Stripe what is due, by the deadline if there is one.
        ProvideInformation = "provide_information",
        /// Wait: Stripe looks at what was given.
        AwaitVerification = "await_verification",
        /// Give the account a name in Stripe's dashboard.
        SetDisplayName = "set_display_name",
        /// Ask the platform: it has paused the account.
        ContactPlatform = "contact_platform",
        /// Look into Stripe's dashboard, which says what is wrong.
        CheckDashboard = "check_dashboard",
    }
}

/// Whether a seller can be charged through, why not, and what its owner should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it can: there is no blocker.
    pub ready: bool,
    /// Why it can not, each once, in a fixed order.
    pub blockers: Vec<Blocker>,
    /// What its owner should do now.
    pub next_action: NextAction,
    /// Whether the platform may end its use of the account without further ado: an account that works should not be
    /// lost by a slip.
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

/// The first thing that stands in the way, as far as the owner can do something about it: what can never be mended
/// comes before what can, and what the owner can do before what only time does.
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

/// Whether Stripe was asked to make the account, and has not answered yet.
fn is_being_created(seller: &Seller) -> bool {
    seller.account_id.is_none() && seller.connection_status == ConnectionStatus::Connected
}

fn needs_information(requirements: &Requirements) -> bool {
    !requirements.past_due.is_empty() || !requirements.currently_due.is_empty()
}

/// Whether it is Stripe's turn. See
/// <https://docs.stripe.com/api/accounts/object#account_object-requirements-disabled_reason>.
fn is_in_review(requirements: &Requirements, transfers: Capability) -> bool {
    let disabled = requirements.disabled_reason.as_deref().unwrap_or_default();
    !requirements.pending_verification.is_empty()
        || transfers == Capability::Pending
        || matches!(disabled, "requirements.pending_verification" | "under_review" | "listed")
}
