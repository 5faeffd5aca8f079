//! Parameters of connected accounts.

use std::collections::BTreeMap;

use crate::http::amounts;
use crate::http::error::ApiError;
use crate::http::params::{Change, MAX_TEXT_CHARS, MetadataChange, Params};
use crate::http::string_enum::StringEnum;
use crate::http::url::is_http_url;
use crate::objects::account::{
    BusinessType, ConnectedAccount, Controller, Dashboard, PROFILE_FIELDS, Responsible, is_country,
};
use crate::objects::capability::is_capability;

/// The parameters of create and update.
pub(crate) struct Fields {
    business_profile: Vec<(String, Change<String>)>,
    business_type: Option<BusinessType>,
    pub(crate) capabilities: BTreeMap<String, bool>,
    default_currency: Option<String>,
    email: Change<String>,
    metadata: Option<MetadataChange>,
}

impl Fields {
    pub(crate) fn parse(params: &mut Params) -> Result<Self, ApiError> {
        let mut business_profile = Vec::new();
        if let Some(mut profile) = params.nested("business_profile")? {
            for name in PROFILE_FIELDS {
                let value = profile.text(name, MAX_TEXT_CHARS)?;
                if matches!(&value, Change::Set(url) if name.ends_with("url") && !is_http_url(url)) {
                    return Err(profile.invalid(name, "Not a valid URL").with_code("url_invalid"));
                }
                business_profile.push(((*name).to_owned(), value));
            }
            profile.reject_unsupported(&[
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
            business_type: params.enum_value("business_type")?,
            capabilities: parse_capabilities(params)?,
            default_currency: parse_default_currency(params)?,
            email: params.email("email")?,
            metadata: params.metadata()?,
        })
    }

    pub(crate) fn apply(self, account: &mut ConnectedAccount, now_seconds: i64) -> Result<(), ApiError> {
        for (name, change) in self.business_profile {
            match change {
                Change::Unchanged => {}
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
        let has_requests = !self.capabilities.is_empty();
        for (name, is_requested) in self.capabilities {
            account.request(&name, is_requested, now_seconds);
        }
        if has_requests {
            account.update_enabled_flags();
        }
        match self.metadata {
            Some(change) => change.apply(&mut account.metadata),
            None => Ok(()),
        }
    }
}

/// Updates an account as the API does.
pub(crate) fn apply_update(
    account: &mut ConnectedAccount,
    params: &mut Params,
    now_seconds: i64,
) -> Result<(), ApiError> {
    Fields::parse(params)?.apply(account, now_seconds)
}

pub(crate) fn parse_country(params: &mut Params) -> Result<Option<String>, ApiError> {
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

fn parse_default_currency(params: &mut Params) -> Result<Option<String>, ApiError> {
    let Some(text) = params.string("default_currency")? else { return Ok(None) };
    let currency = amounts::known_currency(&text);
    currency.map(Some).ok_or_else(|| params.invalid("default_currency", format!("Invalid currency: {text}")))
}

/// Reads `capabilities[…][requested]`.
fn parse_capabilities(params: &mut Params) -> Result<BTreeMap<String, bool>, ApiError> {
    let Some(mut value) = params.nested("capabilities")? else { return Ok(BTreeMap::new()) };
    let mut requested = BTreeMap::new();
    for name in value.names().into_iter().filter(|name| is_capability(name)) {
        let Some(mut capability) = value.nested(&name)? else { continue };
        if let Some(is_requested) = capability.boolean("requested")? {
            requested.insert(name, is_requested);
        }
        capability.finish()?;
    }
    value.finish()?;
    Ok(requested)
}

pub(crate) fn parse_controller(mut params: Params) -> Result<Controller, ApiError> {
    use Responsible::{Account, Application, Stripe};
    let one_of = |params: &mut Params, name: &str, default, allowed: &[Responsible]| {
        let value = params.enum_value::<Responsible>(name)?.unwrap_or(default);
        if allowed.contains(&value) {
            return Ok(value);
        }
        let values: Vec<&str> = allowed.iter().map(|value| value.as_str()).collect();
        Err(params.invalid(name, format!("Invalid {name}: must be one of {}", values.join(" or "))))
    };
    let nested = |params: &mut Params, group: &str, name: &str, default, allowed: &[Responsible]| {
        let Some(mut group) = params.nested(group)? else { return Ok(default) };
        let value = one_of(&mut group, name, default, allowed)?;
        group.finish().map(|()| value)
    };
    let fees = nested(&mut params, "fees", "payer", Account, &[Account, Application])?;
    let losses = nested(&mut params, "losses", "payments", Stripe, &[Stripe, Application])?;
    let requirements = one_of(&mut params, "requirement_collection", Stripe, &[Stripe, Application])?;
    let dashboard = match params.nested("stripe_dashboard")? {
        None => Dashboard::Full,
        Some(mut dashboard) => {
            let type_ = dashboard.enum_value("type")?.unwrap_or(Dashboard::Full);
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
