//! The configuration of a frontend.

use actix_web::get;
use actix_web::web::{Json, ThinData};
use quittance_domain::money::Currency;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::responses::ServerErrors;
use crate::state::{Api, PublicMode};

/// Registers the route of the configuration.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get);
}

/// The configuration of a frontend.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Config {
    /// `config`.
    #[schema(example = "config")]
    object: &'static str,
    /// Stripe's publishable key.
    #[schema(example = "pk_test_51SWcLdKnR7uC1oLi")]
    publishable_key: String,
    mode: PublicMode,
    /// The URL of Stripe.js, or of the sandbox's replacement for it.
    #[schema(example = "https://js.stripe.com/v3/")]
    stripe_js_url: String,
    /// The supported currencies.
    currencies: Vec<CurrencyRule>,
}

/// A currency and the format of its amounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CurrencyRule {
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// The number of digits after the decimal point. `2499` is 24.99 EUR, but 2499 JPY.
    #[schema(example = 2)]
    decimals: u32,
    /// The step of amounts. Every amount must be a multiple of it.
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
    responses((status = 200, description = "The configuration", body = Config), ServerErrors),
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
