//! Settings of sellers: supported countries and currencies, and the terms of new sellers.

use std::collections::BTreeSet;

use quittance_domain::money::Currency;
use quittance_domain::seller::{FeeTerms, InvalidFee, SupportedSellers};
use quittance_payments::ConnectSettings;

use super::stripe::StripeBackend;
use crate::cli::{SellerArgs, SupportedArgs};
use crate::error::Error;

/// Parses the supported countries and currencies.
pub(crate) fn sellers_supported(args: &SupportedArgs) -> Result<SupportedSellers, Error> {
    let is_country = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_currency = |text: &str| text.parse::<Currency>().is_ok();
    Ok(SupportedSellers {
        countries: checked_set(
            "QUITTANCE_SELLER_COUNTRIES",
            &args.seller_countries,
            is_country,
            "a country code has two uppercase letters, such as DE",
        )?,
        currencies: checked_set(
            "QUITTANCE_SELLER_CURRENCIES",
            &args.seller_currencies,
            is_currency,
            "a currency code has lowercase letters, such as eur, and Stripe must support charges in it",
        )?,
    })
}

/// Collects the values of a list setting. Skips empty values, and refuses the first invalid one.
fn checked_set(
    variable: &'static str,
    values: &[String],
    is_valid: impl Fn(&str) -> bool,
    rule: &str,
) -> Result<BTreeSet<String>, Error> {
    let values: BTreeSet<String> = values.iter().filter(|value| !value.is_empty()).cloned().collect();
    match values.iter().find(|value| !is_valid(value)) {
        Some(invalid) => Err(Error::setting(variable, format!("contains {invalid:?}: {rule}"))),
        None => Ok(values),
    }
}

/// Parses the OAuth client ID and the terms of new sellers.
pub(super) fn connect_settings(args: &SellerArgs, stripe: &StripeBackend) -> Result<ConnectSettings, Error> {
    let points = u16::try_from(args.seller_fee_basis_points).map_err(|_| InvalidFee::BasisPoints);
    let fee = points
        .and_then(|points| FeeTerms::new(points, args.seller_fee_fixed, args.seller_fee_minimum))
        .map_err(|error| {
            let variable = match error {
                InvalidFee::BasisPoints => "QUITTANCE_SELLER_FEE_BASIS_POINTS",
                InvalidFee::Fixed => "QUITTANCE_SELLER_FEE_FIXED",
                InvalidFee::Minimum => "QUITTANCE_SELLER_FEE_MINIMUM",
            };
            Error::setting(variable, format!("is invalid: {error}"))
        })?;
    let client_id = stripe.connect().client_id.clone();
    Ok(ConnectSettings { client_id, charge_type: args.seller_charge_type, fee })
}
