//! How sellers are connected: from settings as they were given to what serving and healing need.

use std::collections::BTreeSet;

use quittance_domain::money::Currency;
use quittance_domain::seller::{FeeTerms, InvalidFee, Supported};
use quittance_payments::ConnectSettings;
use quittance_stripe_gateway::{ConfigError, Stripe as StripeClient, StripeConfig};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::{SellerArgs, StripeArgs, SupportedArgs};
use crate::config::{Stripe, check_base};
use crate::error::Error;

/// The platform's client id in the sandbox, which takes any.
pub(crate) const SANDBOX_CLIENT_ID: &str = "ca_Sandbox";

/// How the accounts of sellers are connected.
#[derive(Default)]
pub(crate) struct Connect {
    pub(crate) webhook_secrets: Vec<SecretString>,
    pub(crate) client_id: Option<String>,
    pub(crate) base: Option<String>,
}

impl Connect {
    pub(crate) fn read(args: &StripeArgs) -> Result<Self, Error> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let client_id = given(&args.stripe_connect_client_id);
        if client_id.as_deref().is_some_and(|id| !is_client_id(id)) {
            return Err(Error::setting(
                "STRIPE_CONNECT_CLIENT_ID",
                "is no client id of Stripe Connect: ca_ and letters and digits, from the Connect settings in the \
                 Dashboard",
            ));
        }
        let base = given(&args.stripe_connect_base);
        if let Some(base) = &base {
            check_base("STRIPE_CONNECT_BASE", base)?;
        }
        Ok(Self { webhook_secrets: given_secrets(&args.stripe_connect_webhook_secret), client_id, base })
    }
}

/// The secrets that were given: an empty one is none.
pub(crate) fn given_secrets(secrets: &[SecretString]) -> Vec<SecretString> {
    secrets.iter().filter(|secret| !secret.expose_secret().trim().is_empty()).cloned().collect()
}

fn is_client_id(text: &str) -> bool {
    let rest = text.strip_prefix("ca_").unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// How Stripe itself, or whatever answers in its place, is asked.
pub(crate) fn real_stripe(secret_key: SecretString, api_base: String, connect: &Connect) -> StripeConfig {
    let mut config = StripeConfig::new(secret_key, api_base);
    if let Some(base) = &connect.base {
        config.connect_base.clone_from(base);
    }
    config
}

/// The client, or which setting is at fault.
pub(crate) fn stripe_client(config: &StripeConfig) -> Result<StripeClient, Error> {
    StripeClient::new(config).map_err(|error| {
        let variable = match error {
            ConfigError::NotABase | ConfigError::PlainHttp => "STRIPE_API_BASE",
            ConfigError::NotAConnectBase | ConfigError::PlainHttpConnect => "STRIPE_CONNECT_BASE",
            _ => "STRIPE_SECRET_KEY",
        };
        Error::setting(variable, format!("can not be used: {error}"))
    })
}

/// Which sellers the platform takes.
pub(crate) fn sellers_supported(args: &SupportedArgs) -> Result<Supported, Error> {
    let is_country = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_currency = |text: &str| text.parse::<Currency>().is_ok();
    let given = |variable, texts: &[String], is_one: &dyn Fn(&str) -> bool, looks: &str| {
        let texts: BTreeSet<String> = texts.iter().filter(|text| !text.is_empty()).cloned().collect();
        match texts.iter().find(|text| !is_one(text)) {
            Some(wrong) => Err(Error::setting(variable, format!("holds {wrong:?}: {looks}"))),
            None => Ok(texts),
        }
    };
    Ok(Supported {
        countries: given(
            "QUITTANCE_SELLER_COUNTRIES",
            &args.seller_countries,
            &is_country,
            "a country is two upper-case letters, like DE",
        )?,
        currencies: given(
            "QUITTANCE_SELLER_CURRENCIES",
            &args.seller_currencies,
            &is_currency,
            "it is no lower-case code of a currency that Stripe can charge in, like eur",
        )?,
    })
}

/// How sellers are connected, and on which terms they begin.
pub(crate) fn connect_settings(args: &SellerArgs, stripe: &Stripe) -> Result<ConnectSettings, Error> {
    let points = u16::try_from(args.seller_fee_basis_points).map_err(|_| InvalidFee::BasisPoints);
    let fee = points
        .and_then(|points| FeeTerms::new(points, args.seller_fee_fixed, args.seller_fee_minimum))
        .map_err(|error| {
            let variable = match error {
                InvalidFee::BasisPoints => "QUITTANCE_SELLER_FEE_BASIS_POINTS",
                InvalidFee::Fixed => "QUITTANCE_SELLER_FEE_FIXED",
                InvalidFee::Minimum => "QUITTANCE_SELLER_FEE_MINIMUM",
            };
            Error::setting(variable, format!("is refused: {error}"))
        })?;
    let client_id = stripe.connect().client_id.clone();
    Ok(ConnectSettings { client_id, charge_type: args.seller_charge_type, fee })
}
