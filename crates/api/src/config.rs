//! What a frontend needs before it can do anything.

use actix_web::get;
use actix_web::web::{Json, ThinData};
use quittance_domain::money::Currency;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::responses::Failures;
use crate::{Api, PublicMode};

/// The route of the configuration.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get);
}

/// What a frontend needs before it can do anything.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Config {
    /// `config`.
    #[schema(example = "config")]
    object: &'static str,
    /// Stripe's publishable key.
    #[schema(example = "pk_test_51SWcLdKnR7uC1oLi")]
    publishable_key: String,
    mode: PublicMode,
    /// Where Stripe.js, or the sandbox's stand-in for it, is loaded from.
    #[schema(example = "https://js.stripe.com/v3/")]
    stripe_js_url: String,
    /// What can be charged in.
    currencies: Vec<CurrencyRule>,
}

/// A currency, and how its amounts are written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CurrencyRule {
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// How many digits of an amount stand after the decimal point: `2499` EUR are 24.99, `2499` JPY are 2499.
    #[schema(example = 2)]
    decimals: u32,
    /// What every amount must be a multiple of.
    #[schema(example = 1)]
    step: i64,
}

impl From<Currency> for CurrencyRule {
    fn from(currency: Currency) -> Self {
        let unit = currency.minor_unit();
        Self { currency: currency.code(), decimals: unit.decimals(), step: unit.step() }
    }
}

/// Get the configuration of a frontend
#[utoipa::path(
    tag = "Config",
    operation_id = "config_get",
    responses((status = 200, description = "What a frontend needs", body = Config), Failures),
    security(())
)]
#[get("/v1/config")]
async fn get(api: ThinData<Api>) -> Json<Config> {
    let config = api.config();
    Json(Config {
        object: "config",
        publishable_key: config.publishable_key.clone(),
        mode: config.mode,
        stripe_js_url: config.stripe_js_url.clone(),
        currencies: Currency::all().map(CurrencyRule::from).collect(),
    })
}
