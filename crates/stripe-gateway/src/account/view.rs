//! An account as Stripe writes it, in events and responses.

use chrono::DateTime;
use quittance_domain::seller::{AccountState, Capability, Requirements};
use serde::Deserialize;

use crate::view::{StripeObject, require_id, stripe_object};

/// The fields that Quittance reads. See <https://docs.stripe.com/api/accounts/object>.
#[derive(Deserialize)]
pub(crate) struct View {
    id: Option<String>,
    object: Option<String>,
    /// The second of creation. Some accounts don't have it.
    pub(crate) created: Option<i64>,
    country: Option<String>,
    default_currency: Option<String>,
    details_submitted: Option<bool>,
    charges_enabled: Option<bool>,
    payouts_enabled: Option<bool>,
    capabilities: Option<Capabilities>,
    requirements: Option<RequirementsView>,
    business_profile: Option<BusinessProfile>,
    settings: Option<Settings>,
}

#[derive(Deserialize)]
struct Capabilities {
    transfers: Option<String>,
}

#[derive(Deserialize)]
struct RequirementsView {
    currently_due: Option<Vec<String>>,
    eventually_due: Option<Vec<String>>,
    past_due: Option<Vec<String>>,
    pending_verification: Option<Vec<String>>,
    disabled_reason: Option<String>,
    current_deadline: Option<i64>,
}

#[derive(Deserialize)]
struct BusinessProfile {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Settings {
    dashboard: Option<Dashboard>,
}

#[derive(Deserialize)]
struct Dashboard {
    display_name: Option<String>,
}

stripe_object!(View: "account", "account");

impl View {
    /// Returns the account ID. The other fields may be invalid.
    pub(crate) fn id(self) -> Result<String, String> {
        require_id(self.id, Self::NAME)
    }

    /// Returns the account ID and state. The error names a missing field.
    pub(crate) fn observe(self) -> Result<(String, AccountState), String> {
        let account_id = require_id(self.id, Self::NAME)?;
        let dashboard_name = self.settings.and_then(|settings| settings.dashboard?.display_name);
        let business_name = self.business_profile.and_then(|profile| profile.name);
        let transfers = self.capabilities.and_then(|capabilities| capabilities.transfers);
        let state = AccountState {
            country: non_empty(self.country).map(|code| code.to_ascii_uppercase()),
            currency: non_empty(self.default_currency).map(|code| code.to_ascii_lowercase()),
            display_name: non_empty(dashboard_name).or_else(|| non_empty(business_name)),
            details_submitted: self.details_submitted.ok_or("the account has no details_submitted")?,
            charges_enabled: self.charges_enabled.ok_or("the account has no charges_enabled")?,
            payouts_enabled: self.payouts_enabled.ok_or("the account has no payouts_enabled")?,
            transfers: transfers.map_or(Capability::Unrequested, |word| capability(&word)),
            requirements: self.requirements.map(requirements).unwrap_or_default(),
        };
        Ok((account_id, state))
    }
}

/// Returns the text, unless it is blank.
fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Returns a capability. An unknown value counts as inactive.
fn capability(word: &str) -> Capability {
    match word {
        "active" => Capability::Active,
        "pending" => Capability::Pending,
        "unrequested" => Capability::Unrequested,
        _ => Capability::Inactive,
    }
}

fn requirements(written: RequirementsView) -> Requirements {
    let deadline = written.current_deadline.and_then(|second| DateTime::from_timestamp(second, 0));
    Requirements {
        currently_due: written.currently_due.unwrap_or_default(),
        eventually_due: written.eventually_due.unwrap_or_default(),
        past_due: written.past_due.unwrap_or_default(),
        pending_verification: written.pending_verification.unwrap_or_default(),
        disabled_reason: non_empty(written.disabled_reason),
        current_deadline: deadline,
    }
}
