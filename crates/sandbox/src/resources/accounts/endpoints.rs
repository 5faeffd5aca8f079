//! The endpoints of connected accounts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{AccountType, ConnectedAccount, Connection, Controller, Dashboard, Requirements, Responsible};
use crate::api_error::ApiError;
use crate::config::is_http_url;
use crate::list::{Page, created_filter};
use crate::money;
use crate::params::{Change, MetadataChange, Params, Word, words};
use crate::request::Call;
use crate::resources::address::MAX_TEXT_CHARS;
use crate::resources::payment_intents::fields::read_email;
use crate::routes::Route;
use crate::state::{Account, Tx};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/account", retrieve_own),
    Route::post("/v1/accounts", create),
    Route::get("/v1/accounts", list),
    Route::get("/v1/accounts/{id}", retrieve),
    Route::post("/v1/accounts/{id}", update),
    Route::delete("/v1/accounts/{id}", delete),
    Route::post("/v1/accounts/{id}/reject", reject_by_platform),
];

/// What `business_profile` holds.
pub(super) const PROFILE_FIELDS: &[&str] = &[
    "mcc",
    "name",
    "product_description",
    "specified_commercial_transactions_act_url",
    "support_email",
    "support_phone",
    "support_url",
    "url",
];

/// What Stripe wants to know of a new account.
const FIRST_REQUIREMENTS: &[&str] = &[
    "business_profile.mcc",
    "business_profile.url",
    "business_type",
    "external_account",
    "tos_acceptance.date",
    "tos_acceptance.ip",
];

/// Parameters Stripe has for accounts and the sandbox has not.
const UNSUPPORTED: &[&str] = &[
    "account_token",
    "company",
    "documents",
    "external_account",
    "groups",
    "individual",
    "settings",
    "tos_acceptance",
];

/// What an account can be able to do.
const CAPABILITIES: &str = "acss_debit_payments affirm_payments afterpay_clearpay_payments alma_payments \
    amazon_pay_payments app_distribution au_becs_debit_payments bacs_debit_payments bancontact_payments \
    bank_transfer_payments billie_payments bizum_payments blik_payments boleto_payments card_issuing card_payments \
    cartes_bancaires_payments cashapp_payments crypto_payments eps_payments fpx_payments gb_bank_transfer_payments \
    giropay_payments grabpay_payments ideal_payments india_international_payments jcb_payments \
    jp_bank_transfer_payments kakao_pay_payments klarna_payments konbini_payments kr_card_payments legacy_payments \
    link_payments mb_way_payments mobilepay_payments multibanco_payments mx_bank_transfer_payments \
    naver_pay_payments nz_bank_account_becs_debit_payments oxxo_payments p24_payments pay_by_bank_payments \
    payco_payments paynow_payments paypay_payments payto_payments pix_payments promptpay_payments \
    revolut_pay_payments samsung_pay_payments satispay_payments sepa_bank_transfer_payments sepa_debit_payments \
    sofort_payments sunbit_payments swish_payments tax_reporting_us_1099_k tax_reporting_us_1099_misc transfers \
    treasury twint_payments upi_payments us_bank_account_ach_payments us_bank_transfer_payments zip_payments";

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

words! {
    /// Why a platform rejects an account.
    RejectReason { Fraud = "fraud", TermsOfService = "terms_of_service", Other = "other" }
}

impl ConnectedAccount {
    /// Stripe wants to know who a new account is.
    pub(crate) fn require_details(&mut self) {
        self.requirements = Requirements::past_due(FIRST_REQUIREMENTS);
    }

    /// Asks for what an account needs to sell.
    pub(crate) fn request_usual(&mut self, now_seconds: i64) {
        self.request("card_payments", true, now_seconds);
        self.request("transfers", true, now_seconds);
    }

    /// Sets the country, and the currency that goes with it.
    pub(crate) fn settle_in(&mut self, country: &str) {
        self.country = country.to_ascii_uppercase();
        let in_euros = EURO_COUNTRIES.split(' ').any(|code| code == self.country);
        let known = CURRENCIES.iter().find(|(code, _)| *code == self.country).map(|(_, currency)| *currency);
        self.default_currency = if in_euros { "eur" } else { known.unwrap_or("usd") }.to_owned();
    }
}

/// Whether a text has the shape of a country's code.
pub(crate) fn is_country(text: &str) -> bool {
    text.len() == 2 && text.chars().all(|letter| letter.is_ascii_alphabetic())
}

fn read_country(params: &mut Params) -> Result<Option<String>, ApiError> {
    match params.string("country")? {
        Some(country) if !is_country(&country) => Err(params
            .invalid(
                "country",
                format!(
                    "Country '{country}' is unknown. Try using a 2-character alphanumeric country code instead, such as \
                     'US', 'EG', or 'GB'. A full list of country codes is available at \
                     https://stripe.com/docs/connect/accounts#country."
                ),
            )
            .with_code("country_unsupported")),
        country => Ok(country),
    }
}

fn read_default_currency(params: &mut Params) -> Result<Option<String>, ApiError> {
    let Some(text) = params.string("default_currency")? else { return Ok(None) };
    let known = money::known_currency(&text);
    known.map(Some).ok_or_else(|| params.invalid("default_currency", format!("Invalid currency: {text}")))
}

/// Reads `capabilities[…][requested]`.
pub(crate) fn read_capabilities(params: &mut Params) -> Result<BTreeMap<String, bool>, ApiError> {
    let Some(mut given) = params.nested("capabilities")? else { return Ok(BTreeMap::new()) };
    let mut wanted = BTreeMap::new();
    for name in given.names().into_iter().filter(|name| is_capability(name)) {
        let Some(mut one) = given.nested(&name)? else { continue };
        if let Some(is_requested) = one.boolean("requested")? {
            wanted.insert(name, is_requested);
        }
        one.finish()?;
    }
    given.finish()?;
    Ok(wanted)
}

/// Whether Stripe has a capability of this name.
pub(crate) fn is_capability(name: &str) -> bool {
    CAPABILITIES.split_ascii_whitespace().any(|known| known == name)
}

fn read_controller(mut params: Params) -> Result<Controller, ApiError> {
    use Responsible::{Account, Application, Stripe};
    let one_of = |params: &mut Params, name: &str, usual, allowed: &[Responsible]| {
        let given = params.word::<Responsible>(name)?.unwrap_or(usual);
        if allowed.contains(&given) {
            return Ok(given);
        }
        let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
        Err(params.invalid(name, format!("Invalid {name}: must be one of {}", words.join(" or "))))
    };
    let nested = |params: &mut Params, group: &str, name: &str, usual, allowed: &[Responsible]| {
        let Some(mut group) = params.nested(group)? else { return Ok(usual) };
        let given = one_of(&mut group, name, usual, allowed)?;
        group.finish().map(|()| given)
    };
    let fees = nested(&mut params, "fees", "payer", Account, &[Account, Application])?;
    let losses = nested(&mut params, "losses", "payments", Stripe, &[Stripe, Application])?;
    let requirements = one_of(&mut params, "requirement_collection", Stripe, &[Stripe, Application])?;
    let dashboard = match params.nested("stripe_dashboard")? {
        None => Dashboard::Full,
        Some(mut dashboard) => {
            let type_ = dashboard.word("type")?.unwrap_or(Dashboard::Full);
            dashboard.finish()?;
            type_
        }
    };
    params.finish()?;
    if losses == Application && fees == Account {
        return Err(ApiError::invalid(
            "When `controller[losses][payments]` is `application`, `controller[fees][payer]` must be `application`.",
        )
        .with_param("controller[fees][payer]"));
    }
    Ok(Controller { fees, losses, requirements, dashboard })
}

/// What create and update share.
struct Fields {
    business_profile: Vec<(String, Change<String>)>,
    business_type: Option<super::BusinessType>,
    capabilities: BTreeMap<String, bool>,
    default_currency: Option<String>,
    email: Change<String>,
    metadata: Option<MetadataChange>,
}

impl Fields {
    fn parse(params: &mut Params) -> Result<Self, ApiError> {
        let mut business_profile = Vec::new();
        if let Some(mut profile) = params.nested("business_profile")? {
            for name in PROFILE_FIELDS {
                let value = profile.text(name, MAX_TEXT_CHARS)?;
                if matches!(&value, Change::Set(url) if name.ends_with("url") && !is_http_url(url)) {
                    return Err(profile.invalid(name, "Not a valid URL").with_code("url_invalid"));
                }
                business_profile.push(((*name).to_owned(), value));
            }
            profile.refuse_unsupported(&[
                "annual_revenue",
                "estimated_worker_count",
                "minority_owned_business_designation",
                "monthly_estimated_revenue",
                "support_address",
            ])?;
            profile.finish()?;
        }
        Ok(Self {
            business_profile,
            business_type: params.word("business_type")?,
            capabilities: read_capabilities(params)?,
            default_currency: read_default_currency(params)?,
            email: read_email(params, "email")?,
            metadata: params.metadata()?,
        })
    }

    fn apply(self, account: &mut ConnectedAccount, now_seconds: i64) -> Result<(), ApiError> {
        for (name, change) in self.business_profile {
            match change {
                Change::Keep => {}
                Change::Unset => drop(account.business_profile.remove(&name)),
                Change::Set(value) => {
                    account.requirements.satisfy(&format!("business_profile.{name}"));
                    account.business_profile.insert(name, value);
                }
            }
        }
        if let Some(type_) = self.business_type {
            account.requirements.satisfy("business_type");
            account.business_type = Some(type_);
        }
        if let Some(currency) = self.default_currency {
            account.default_currency = currency;
        }
        self.email.apply(&mut account.email);
        let is_asked = !self.capabilities.is_empty();
        for (name, is_requested) in self.capabilities {
            account.request(&name, is_requested, now_seconds);
        }
        if is_asked {
            account.follow();
        }
        match self.metadata {
            Some(change) => change.apply(&mut account.metadata),
            None => Ok(()),
        }
    }
}

/// Changes an account as an update by the API does.
pub(crate) fn update_with(
    account: &mut ConnectedAccount,
    params: &mut Params,
    now_seconds: i64,
) -> Result<(), ApiError> {
    Fields::parse(params)?.apply(account, now_seconds)
}

/// The account that the path names, if the caller may see it.
pub(crate) fn visible(call: &Call<'_, '_>) -> Result<ConnectedAccount, ApiError> {
    let may_see = call.tx.account.is_platform() || call.tx.account.0 == call.id;
    let account = super::connected(call.tx, call.id).filter(|_| may_see);
    account.cloned().ok_or_else(|| ApiError::no_access(call.shown_key, call.id))
}

fn retrieve_own(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = super::find(call.tx, &call.tx.account.0);
    let platform_id = &call.tx.settings.platform_id;
    Ok(account.map_or_else(|| super::render_platform(platform_id), ConnectedAccount::render))
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let now = call.tx.now.seconds();
    let type_ = params.word::<AccountType>("type")?;
    let controller = params.nested("controller")?;
    if type_ == Some(AccountType::None) {
        return Err(params.invalid("type", "Invalid type: must be one of custom, express, or standard"));
    }
    if type_.is_some() && controller.is_some() {
        return Err(params.invalid(
            "controller",
            "You may not provide the `type` parameter and `controller` parameters simultaneously. They are \
             mutually exclusive.",
        ));
    }
    let country = read_country(&mut params)?;
    let fields = Fields::parse(&mut params)?;
    params.refuse_unsupported(UNSUPPORTED)?;
    let usual = if controller.is_some() { AccountType::None } else { AccountType::Standard };
    let mut account =
        ConnectedAccount::new(super::new_id(), type_.unwrap_or(usual), Connection::Controlled, now);
    if let Some(controller) = controller {
        account.controller = read_controller(controller)?;
    }
    params.finish()?;
    refuse_for_connected(call.tx)?;
    account.settle_in(country.as_deref().unwrap_or("US"));
    account.require_details();
    // What a platform asks for if it says nothing; of a custom account it has to say it.
    if fields.capabilities.is_empty() && account.type_ != AccountType::Custom {
        account.request_usual(now);
    }
    fields.apply(&mut account, now)?;
    super::put(call.tx, account.clone());
    Ok(account.render())
}

/// Only a platform has connected accounts.
fn refuse_for_connected(tx: &Tx<'_>) -> Result<(), ApiError> {
    if tx.account.is_platform() {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "You can only create new accounts if you've signed up for Connect, which you can do at \
         https://dashboard.stripe.com/connect.",
    )
    .with_code("platform_account_required"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    if call.id == call.tx.settings.platform_id && call.tx.account.is_platform() {
        return Ok(super::render_platform(call.id));
    }
    visible(call).map(|account| account.render())
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let fields = Fields::parse(&mut params)?;
    params.refuse_unsupported(UNSUPPORTED)?;
    params.finish()?;
    let mut account = visible(call)?;
    refuse_uncontrolled(&account)?;
    fields.apply(&mut account, call.tx.now.seconds())?;
    super::save(call.tx, &account);
    Ok(account.render())
}

/// An account that let the platform in by OAuth is its owner's.
pub(crate) fn refuse_uncontrolled(account: &ConnectedAccount) -> Result<(), ApiError> {
    if account.connection == Connection::Controlled {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "This application does not have the required permissions for this endpoint on account '{}'.",
        account.id
    ))
    .with_code("more_permissions_required"))
}

fn delete(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = visible(call)?;
    refuse_uncontrolled(&account)?;
    let id = account.id.clone();
    super::disconnect(call.tx, account);
    Ok(json!({ "id": id, "object": "account", "deleted": true }))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    params.finish()?;
    // A connected account has none of its own.
    let is_platform = call.tx.account.is_platform();
    let platform = Account::platform();
    let all = call.tx.state.of::<ConnectedAccount>().newest_first(&platform);
    let accounts: Vec<&ConnectedAccount> = all
        .filter(|account| is_platform && account.is_connected())
        .filter(|account| created.contains(&account.created))
        .collect();
    page.cut(&accounts, "account", "/v1/accounts", |account| &account.id, |account| account.render())
}

/// Ends an account for good, with Stripe's word for the reason.
pub(crate) fn reject(tx: &mut Tx<'_>, mut account: ConnectedAccount, reason: &str) -> ConnectedAccount {
    account.shut(reason);
    super::save(tx, &account);
    account
}

fn reject_by_platform(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let reason = params.word::<RejectReason>("reason")?.ok_or_else(|| params.missing("reason"))?;
    params.finish()?;
    let account = visible(call)?;
    refuse_uncontrolled(&account)?;
    let word = match reason {
        RejectReason::Fraud => "rejected.platform_fraud",
        RejectReason::TermsOfService => "rejected.platform_terms_of_service",
        RejectReason::Other => "rejected.platform_other",
    };
    Ok(reject(call.tx, account, word).render())
}

#[cfg(test)]
mod tests {
    use super::{AccountType, ConnectedAccount, Connection};

    #[test]
    fn the_currency_follows_the_country() {
        let mut account =
            ConnectedAccount::new("acct_1".to_owned(), AccountType::Express, Connection::None, 0);
        for (country, currency) in [("de", "eur"), ("GB", "gbp"), ("US", "usd"), ("ZZ", "usd")] {
            account.settle_in(country);
            assert_eq!(
                (account.country.as_str(), account.default_currency.as_str()),
                (country.to_ascii_uppercase().as_str(), currency)
            );
        }
    }
}
