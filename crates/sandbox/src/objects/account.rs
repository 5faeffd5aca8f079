//! Connected accounts: <https://docs.stripe.com/api/accounts>.
//!
//! Each connected account owns its own objects. The platform accesses them with the `Stripe-Account` header as long
//! as the account is connected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::http::string_enum::string_enum;
use crate::objects::requirements::Requirements;
use crate::storage::ids;
use crate::storage::table::Resource;

/// The application that accounts created through the API are connected to.
const PLATFORM_APPLICATION: &str = "ca_SandboxPlatform";

/// The fields of `business_profile`.
pub(crate) const PROFILE_FIELDS: &[&str] = &[
    "mcc",
    "name",
    "product_description",
    "specified_commercial_transactions_act_url",
    "support_email",
    "support_phone",
    "support_url",
    "url",
];

/// The requirements of a new account.
const FIRST_REQUIREMENTS: &[&str] = &[
    "business_profile.mcc",
    "business_profile.url",
    "business_type",
    "external_account",
    "tos_acceptance.date",
    "tos_acceptance.ip",
];

const EURO_COUNTRIES: &str = "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK";

const CURRENCIES: &[(&str, &str)] = &[
    ("AE", "aed"),
    ("AU", "aud"),
    ("BR", "brl"),
    ("CA", "cad"),
    ("CH", "chf"),
    ("CZ", "czk"),
    ("DK", "dkk"),
    ("GB", "gbp"),
    ("HK", "hkd"),
    ("HU", "huf"),
    ("IN", "inr"),
    ("JP", "jpy"),
    ("MX", "mxn"),
    ("MY", "myr"),
    ("NO", "nok"),
    ("NZ", "nzd"),
    ("PL", "pln"),
    ("RO", "ron"),
    ("SE", "sek"),
    ("SG", "sgd"),
    ("TH", "thb"),
];

string_enum! {
    /// The type of an account: <https://docs.stripe.com/connect/accounts>. `none` means created with `controller`.
    AccountType { Standard = "standard", Express = "express", Custom = "custom", None = "none" }
}

string_enum! {
    /// The legal form of the business.
    BusinessType {
        Company = "company",
        GovernmentEntity = "government_entity",
        Individual = "individual",
        NonProfit = "non_profit",
    }
}

string_enum! {
    /// The party that is responsible for fees, losses or requirements.
    Responsible {
        Account = "account",
        Application = "application",
        ApplicationCustom = "application_custom",
        ApplicationExpress = "application_express",
        Stripe = "stripe",
    }
}

string_enum! {
    /// The account holder's access to a Stripe dashboard.
    Dashboard { Full = "full", Express = "express", None = "none" }
}

string_enum! {
    /// The status of a capability: <https://docs.stripe.com/connect/account-capabilities>.
    CapabilityStatus {
        Active = "active",
        Inactive = "inactive",
        Pending = "pending",
        Unrequested = "unrequested",
    }
}

/// A capability of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Capability {
    pub(crate) status: CapabilityStatus,
    /// The time of the platform's request in seconds, if it has requested the capability.
    pub(crate) requested_at: Option<i64>,
}

/// The responsibilities for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Controller {
    pub(crate) fees: Responsible,
    pub(crate) losses: Responsible,
    pub(crate) requirements: Responsible,
    pub(crate) dashboard: Dashboard,
}

impl Controller {
    /// Returns the responsibilities for a `type`: <https://docs.stripe.com/connect/migrate-to-controller-properties>.
    pub(crate) fn for_type(type_: AccountType) -> Self {
        use Responsible::{Account, Application, ApplicationCustom, ApplicationExpress, Stripe};
        let (fees, losses, requirements, dashboard) = match type_ {
            AccountType::Standard | AccountType::None => (Account, Stripe, Stripe, Dashboard::Full),
            AccountType::Express => (ApplicationExpress, Application, Stripe, Dashboard::Express),
            AccountType::Custom => (ApplicationCustom, Application, Application, Dashboard::None),
        };
        Self { fees, losses, requirements, dashboard }
    }
}

/// The platform's connection to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Connection {
    /// The platform created the account.
    Controlled,
    /// The account holder authorized the application with OAuth.
    Authorized { client_id: String, is_read_only: bool },
    /// No connection exists, or it has ended.
    None,
}

/// The account of a seller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectedAccount {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) type_: AccountType,
    pub(crate) controller: Controller,
    pub(crate) connection: Connection,
    pub(crate) business_profile: BTreeMap<String, String>,
    pub(crate) business_type: Option<BusinessType>,
    pub(crate) capabilities: BTreeMap<String, Capability>,
    pub(crate) charges_enabled: bool,
    pub(crate) country: String,
    pub(crate) default_currency: String,
    pub(crate) details_submitted: bool,
    pub(crate) display_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) future_requirements: Requirements,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) payouts_enabled: bool,
    pub(crate) requirements: Requirements,
}

impl Resource for ConnectedAccount {
    const KIND: &'static str = "account";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The outcome of onboarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnboardingOutcome {
    /// All details are submitted and verified.
    Complete,
    /// The details are submitted, and one document is missing.
    Incomplete,
    /// The details are submitted, and verification is pending.
    Pending,
}

/// Returns a new account ID: `acct_` and 16 characters.
pub(crate) fn new_id() -> String {
    format!("acct_1{}", ids::random(15))
}

impl ConnectedAccount {
    /// Creates an account without any details.
    pub(crate) fn new(id: String, type_: AccountType, connection: Connection, created: i64) -> Self {
        Self {
            id,
            created,
            type_,
            controller: Controller::for_type(type_),
            connection,
            business_profile: BTreeMap::new(),
            business_type: None,
            capabilities: BTreeMap::new(),
            charges_enabled: false,
            country: "US".to_owned(),
            default_currency: "usd".to_owned(),
            details_submitted: false,
            display_name: None,
            email: None,
            future_requirements: Requirements::default(),
            metadata: BTreeMap::new(),
            payouts_enabled: false,
            requirements: Requirements::default(),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection != Connection::None
    }

    /// Returns the application's client ID.
    pub(crate) fn application(&self) -> &str {
        match &self.connection {
            Connection::Authorized { client_id, .. } => client_id,
            Connection::Controlled | Connection::None => PLATFORM_APPLICATION,
        }
    }

    /// Returns the name of the business, if known.
    pub(crate) fn business_name(&self) -> Option<&String> {
        self.business_profile.get("name")
    }

    pub(crate) fn set_business_name(&mut self, name: &str) {
        self.business_profile.insert("name".to_owned(), name.to_owned());
    }

    /// Returns whether the account holder has access to a Stripe dashboard.
    pub(crate) fn has_dashboard(&self) -> bool {
        self.controller.dashboard != Dashboard::None
    }

    pub(crate) fn has_capability(&self, name: &str) -> bool {
        self.capabilities.get(name).is_some_and(|capability| capability.status == CapabilityStatus::Active)
    }

    /// Requests a capability, or withdraws the request. If the account is complete, the capability is active at once.
    pub(crate) fn request(&mut self, name: &str, is_requested: bool, now_seconds: i64) {
        let status = match (is_requested, self.capabilities.get(name)) {
            (true, Some(existing)) if existing.status != CapabilityStatus::Unrequested => existing.status,
            (true, _) if self.is_complete() => CapabilityStatus::Active,
            (true, _) => CapabilityStatus::Inactive,
            (false, _) => CapabilityStatus::Unrequested,
        };
        let before = self.capabilities.get(name).and_then(|existing| existing.requested_at);
        let requested_at = is_requested.then(|| before.unwrap_or(now_seconds));
        self.capabilities.insert(name.to_owned(), Capability { status, requested_at });
    }

    fn is_complete(&self) -> bool {
        self.details_submitted && self.requirements.disabled_reason.is_none()
    }

    /// Derives `charges_enabled` and `payouts_enabled` from the details and the capabilities.
    pub(crate) fn update_enabled_flags(&mut self) {
        let can_charge = self.has_capability("card_payments")
            || self
                .capabilities
                .iter()
                .any(|(name, one)| name.ends_with("_payments") && one.status == CapabilityStatus::Active);
        self.charges_enabled = self.is_complete() && can_charge;
        self.payouts_enabled = self.is_complete();
    }

    fn set_requested(&mut self, status: CapabilityStatus) {
        for capability in self.capabilities.values_mut() {
            if capability.status != CapabilityStatus::Unrequested {
                capability.status = status;
            }
        }
    }

    /// Applies the outcome of onboarding.
    pub(crate) fn complete_onboarding(&mut self, outcome: OnboardingOutcome) {
        self.details_submitted = true;
        if self.display_name.is_none() {
            self.display_name = self.business_name().cloned();
        }
        let (requirements, status) = match outcome {
            OnboardingOutcome::Complete => (Requirements::default(), CapabilityStatus::Active),
            OnboardingOutcome::Incomplete => {
                (Requirements::past_due(&["individual.verification.document"]), CapabilityStatus::Inactive)
            }
            OnboardingOutcome::Pending => {
                (Requirements::pending(&["individual.verification.document"]), CapabilityStatus::Pending)
            }
        };
        self.requirements = requirements;
        self.set_requested(status);
        self.update_enabled_flags();
    }

    /// Disables charges and payouts.
    pub(crate) fn disable(&mut self, disabled_reason: &str) {
        self.requirements.disabled_reason = Some(disabled_reason.to_owned());
        self.set_requested(CapabilityStatus::Inactive);
        self.update_enabled_flags();
    }

    pub(crate) fn render(&self) -> Value {
        let capabilities = self.capabilities.iter().filter_map(|(name, capability)| {
            let status = match capability.status {
                CapabilityStatus::Unrequested => return None,
                status => status,
            };
            Some((name.clone(), json!(status)))
        });
        json!({
            "id": self.id,
            "object": "account",
            "business_profile": self.render_profile(),
            "business_type": self.business_type,
            "capabilities": Value::Object(capabilities.collect()),
            "charges_enabled": self.charges_enabled,
            "controller": self.render_controller(),
            "country": self.country,
            "created": self.created,
            "default_currency": self.default_currency,
            "details_submitted": self.details_submitted,
            "email": self.email,
            "external_accounts": {
                "object": "list",
                "data": [],
                "has_more": false,
                "url": format!("/v1/accounts/{}/external_accounts", self.id),
            },
            "future_requirements": self.future_requirements.render(),
            "metadata": self.metadata,
            "payouts_enabled": self.payouts_enabled,
            "requirements": self.requirements.render(),
            "settings": settings(self.display_name.as_deref(), self.controller.losses),
            "tos_acceptance": { "date": null, "ip": null, "user_agent": null },
            "type": self.type_,
        })
    }

    fn render_profile(&self) -> Value {
        let mut profile: Map<String, Value> =
            PROFILE_FIELDS.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
        profile.extend(self.business_profile.iter().map(|(name, value)| (name.clone(), json!(value))));
        profile.insert("support_address".to_owned(), Value::Null);
        Value::Object(profile)
    }

    fn render_controller(&self) -> Value {
        if self.connection != Connection::Controlled {
            return json!({ "type": "account" });
        }
        json!({
            "fees": { "payer": self.controller.fees },
            "is_controller": true,
            "losses": { "payments": self.controller.losses },
            "requirement_collection": self.controller.requirements,
            "stripe_dashboard": { "type": self.controller.dashboard },
            "type": "application",
        })
    }
}

impl ConnectedAccount {
    /// Sets the requirements of a new account.
    pub(crate) fn require_details(&mut self) {
        self.requirements = Requirements::past_due(FIRST_REQUIREMENTS);
    }

    /// Requests the capabilities that a seller needs.
    pub(crate) fn request_default_capabilities(&mut self, now_seconds: i64) {
        self.request("card_payments", true, now_seconds);
        self.request("transfers", true, now_seconds);
    }

    /// Sets the country and its currency.
    pub(crate) fn set_country(&mut self, country: &str) {
        self.country = country.to_ascii_uppercase();
        let in_euros = EURO_COUNTRIES.split(' ').any(|code| code == self.country);
        let currency =
            CURRENCIES.iter().find(|(code, _)| *code == self.country).map(|(_, currency)| *currency);
        self.default_currency = if in_euros { "eur" } else { currency.unwrap_or("usd") }.to_owned();
    }
}

/// Renders the platform's own account, which has all capabilities.
pub(crate) fn render_platform(id: &str) -> Value {
    let mut account = ConnectedAccount::new(
        id.to_owned(),
        AccountType::Standard,
        Connection::None,
        // The date in the API version's name.
        1_790_726_400,
    );
    account.email = Some("platform@example.com".to_owned());
    account.set_business_name("Sandbox Platform");
    account.request_default_capabilities(account.created);
    account.complete_onboarding(OnboardingOutcome::Complete);
    account.render()
}

fn settings(display_name: Option<&str>, losses: Responsible) -> Value {
    json!({
        "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
        "card_payments": {
            "decline_on": { "avs_failure": false, "cvc_failure": false },
            "statement_descriptor_prefix": null,
            "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "dashboard": { "display_name": display_name, "timezone": "Etc/UTC" },
        "invoices": { "default_account_tax_ids": null, "hosted_payment_method_save": "offer" },
        "payments": {
            "statement_descriptor": null,
            "statement_descriptor_kana": null,
            "statement_descriptor_kanji": null,
            "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "payouts": {
            "debit_negative_balances": losses != Responsible::Application,
            "schedule": { "delay_days": 2, "interval": "daily" },
            "statement_descriptor": null,
        },
        "sepa_debit_payments": {},
    })
}

/// Renders an application, as in events.
pub(crate) fn render_application(client_id: &str) -> Value {
    json!({ "id": client_id, "object": "application", "name": "Sandbox Platform" })
}

/// Returns whether `text` has the format of a country code.
pub(crate) fn is_country(text: &str) -> bool {
    text.len() == 2 && text.chars().all(|letter| letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::{AccountType, ConnectedAccount, Connection};

    #[test]
    fn country_sets_default_currency() {
        let mut account =
            ConnectedAccount::new("acct_1".to_owned(), AccountType::Express, Connection::None, 0);
        for (country, currency) in [("de", "eur"), ("GB", "gbp"), ("US", "usd"), ("ZZ", "usd")] {
            account.set_country(country);
            assert_eq!(
                (account.country.as_str(), account.default_currency.as_str()),
                (country.to_ascii_uppercase().as_str(), currency)
            );
        }
    }
}
