//! One-time prices of products: <https://docs.stripe.com/api/prices>.

use serde_json::Value;

use crate::endpoints::route::{Call, Route};
use crate::endpoints::{price_params, product_params};
use crate::http::amounts;
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::params::{MAX_TEXT_CHARS, Params};
use crate::objects::price::{BillingScheme, Price, PriceType};
use crate::objects::product::Product;
use crate::operations::catalog;
use crate::state::Tx;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/prices", create),
    Route::get("/v1/prices", list),
    Route::get("/v1/prices/{id}", retrieve),
];

/// Unsupported parameters of `POST /v1/prices` alone.
const UNSUPPORTED_ALONE: &[&str] =
    &["lookup_key", "tiers", "tiers_mode", "transfer_lookup_key", "transform_quantity"];

/// Product parameters that `product_data` doesn't have.
const NOT_FOR_PRODUCT_DATA: &[&str] =
    &["description", "images", "marketing_features", "package_dimensions", "shippable", "url"];

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let now = call.tx.now.seconds();
    params.reject_unsupported(UNSUPPORTED_ALONE)?;
    if params.enum_value("billing_scheme")? == Some(BillingScheme::Tiered) {
        return Err(params
            .invalid("billing_scheme", "The sandbox does not support billing_scheme=tiered. Stripe does."));
    }
    let (product_id, product_data) = (params.string("product")?, params.nested("product_data")?);
    let mut price = price_params::parse(&mut params, "", now)?;
    price.active = params.boolean("active")?.unwrap_or(true);
    params.text("nickname", MAX_TEXT_CHARS)?.apply(&mut price.nickname);
    price.product = match (product_id, product_data) {
        (Some(_), Some(_)) => {
            return Err(params.invalid(
                "product_data",
                "You may only specify one of these parameters: product, product_data.",
            ));
        }
        (None, None) => return Err(params.missing("product")),
        (Some(id), None) if call.tx.get::<Product>(&id).is_none() => {
            return Err(ApiError::not_found("product", &id, "product").with_status(400));
        }
        (Some(id), None) => id,
        (None, Some(new)) => create_product(call.tx, new)?,
    };
    params.finish()?;
    let rendered = price.render();
    catalog::add_price(call.tx, price);
    Ok(rendered)
}

/// Creates the product in `product_data` and returns its ID.
fn create_product(tx: &mut Tx<'_>, mut params: Params) -> Result<String, ApiError> {
    params.reject_unknown(NOT_FOR_PRODUCT_DATA)?;
    let product = product_params::parse_new(&mut params, tx.now.seconds())?;
    params.finish()?;
    let id = product.id.clone();
    catalog::add_product(tx, product);
    Ok(id)
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let price = call.tx.get::<Price>(call.id).map(Price::render);
    price.ok_or_else(|| ApiError::not_found("price", call.id, "price"))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let product = params.string("product")?;
    let active = params.boolean("active")?;
    let currency = amounts::currency(&mut params)?;
    let type_ = params.enum_value::<PriceType>("type")?;
    params.reject_unsupported(&["lookup_keys", "recurring"])?;
    params.finish()?;
    let prices: Vec<&Price> = call
        .tx
        .newest_first::<Price>()
        .filter(|price| created.contains(&price.created) && type_ != Some(PriceType::Recurring))
        .filter(|price| product.as_ref().is_none_or(|product| price.product == *product))
        .filter(|price| active.is_none_or(|active| price.active == active))
        .filter(|price| currency.as_ref().is_none_or(|currency| price.currency == *currency))
        .collect();
    page.render(&prices, "price", "/v1/prices", |price| &price.id, |price| price.render())
}
