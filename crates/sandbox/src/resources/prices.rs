//! Prices of products, to be paid once: <https://docs.stripe.com/api/prices>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::ids;
use crate::list::{Page, created_filter};
use crate::money;
use crate::params::{Params, words};
use crate::request::Call;
use crate::resources::address::MAX_TEXT_CHARS;
use crate::resources::products::{self, Product};
use crate::routes::Route;
use crate::state::{Resource, Tx};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/prices", create),
    Route::get("/v1/prices", list),
    Route::get("/v1/prices/{id}", retrieve),
];

/// The most one unit may cost: twelve digits.
const MAX_UNIT_AMOUNT: i64 = 999_999_999_999;

/// What Stripe has for prices wherever they are made, and the sandbox has not.
const UNSUPPORTED: &[&str] = &["currency_options", "custom_unit_amount", "recurring", "unit_amount_decimal"];
/// What it has besides for prices that are made by themselves.
const UNSUPPORTED_ALONE: &[&str] =
    &["lookup_key", "tiers", "tiers_mode", "transfer_lookup_key", "transform_quantity"];

words! {
    /// Whether taxes are part of a price.
    TaxBehavior { Exclusive = "exclusive", Inclusive = "inclusive", Unspecified = "unspecified" }
}

words! {
    /// Whether a price is paid once or again and again. Those of the sandbox are paid once.
    PriceType { OneTime = "one_time", Recurring = "recurring" }
}

words! {
    /// How a price grows with the quantity.
    BillingScheme { PerUnit = "per_unit", Tiered = "tiered" }
}

/// What one unit of a product costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) id: String,
    created: i64,
    active: bool,
    currency: String,
    metadata: BTreeMap<String, String>,
    nickname: Option<String>,
    product: String,
    tax_behavior: TaxBehavior,
    unit_amount: i64,
}

impl Resource for Price {
    const KIND: &'static str = "price";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Price {
    /// A price that Checkout makes of what one line costs: nobody else can use it.
    pub(crate) fn of_line(
        id: &str,
        product: &str,
        created: i64,
        (currency, unit_amount): (&str, i64),
    ) -> Self {
        Self {
            id: id.to_owned(),
            created,
            active: false,
            currency: currency.to_owned(),
            metadata: BTreeMap::new(),
            nickname: None,
            product: product.to_owned(),
            tax_behavior: TaxBehavior::Unspecified,
            unit_amount,
        }
    }

    /// Reads what every price has, wherever it is made.
    pub(crate) fn read(params: &mut Params, product: &str, now_seconds: i64) -> Result<Self, ApiError> {
        params.refuse_unsupported(UNSUPPORTED)?;
        let (currency, unit_amount) = read_amount(params)?;
        let mut price = Self::of_line(&ids::object("price"), product, now_seconds, (&currency, unit_amount));
        price.active = true;
        price.tax_behavior = params.word("tax_behavior")?.unwrap_or(price.tax_behavior);
        if let Some(change) = params.metadata()? {
            change.apply(&mut price.metadata)?;
        }
        Ok(price)
    }

    /// Whether it can be what `product` costs by default.
    pub(crate) fn is_offered_for(&self, product: &str) -> bool {
        self.active && self.product == product
    }

    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "billing_scheme": BillingScheme::PerUnit,
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": null,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": null,
            "tax_behavior": self.tax_behavior,
            "tiers_mode": null,
            "transform_quantity": null,
            "type": PriceType::OneTime,
            "unit_amount": self.unit_amount,
            "unit_amount_decimal": self.unit_amount.to_string(),
        })
    }
}

/// Reads `currency` and `unit_amount`, in the currency's minor unit. It may be 0.
pub(crate) fn read_amount(params: &mut Params) -> Result<(String, i64), ApiError> {
    let currency = money::currency(params)?.ok_or_else(|| params.missing("currency"))?;
    let unit_amount = params.required_integer("unit_amount")?;
    if !(0..=MAX_UNIT_AMOUNT).contains(&unit_amount) {
        return Err(params
            .invalid("unit_amount", format!("This value must be between 0 and {MAX_UNIT_AMOUNT}."))
            .with_code("parameter_invalid_integer"));
    }
    Ok((currency, unit_amount))
}

/// The prices of a product, the newest first.
pub(crate) fn of_product<'a>(tx: &'a Tx<'_>, product: &str) -> impl Iterator<Item = &'a Price> {
    tx.newest_first::<Price>().filter(move |price| price.product == product)
}

/// Keeps a new price, and tells of it.
pub(crate) fn add(tx: &mut Tx<'_>, price: Price) {
    let rendered = price.render();
    tx.put(price);
    tx.emit("price.created", rendered);
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let now = call.tx.now.seconds();
    params.refuse_unsupported(UNSUPPORTED_ALONE)?;
    if params.word("billing_scheme")? == Some(BillingScheme::Tiered) {
        return Err(params.invalid(
            "billing_scheme",
            "The sandbox does not support billing_scheme=tiered, although Stripe does.",
        ));
    }
    let (given, new) = (params.string("product")?, params.nested("product_data")?);
    let mut price = Price::read(&mut params, "", now)?;
    price.active = params.boolean("active")?.unwrap_or(true);
    params.text("nickname", MAX_TEXT_CHARS)?.apply(&mut price.nickname);
    price.product = match (given, new) {
        (Some(_), Some(_)) => {
            return Err(params.invalid(
                "product_data",
                "You may only specify one of these parameters: product, product_data.",
            ));
        }
        (None, None) => return Err(params.missing("product")),
        (Some(id), None) if call.tx.get::<Product>(&id).is_none() => {
            return Err(ApiError::missing("product", &id, "product").with_status(400));
        }
        (Some(id), None) => id,
        (None, Some(new)) => products::add_of_price(call.tx, new)?,
    };
    params.finish()?;
    let rendered = price.render();
    add(call.tx, price);
    Ok(rendered)
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let price = call.tx.get::<Price>(call.id).map(Price::render);
    price.ok_or_else(|| ApiError::missing("price", call.id, "price"))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let product = params.string("product")?;
    let active = params.boolean("active")?;
    let currency = money::currency(&mut params)?;
    let type_ = params.word::<PriceType>("type")?;
    params.refuse_unsupported(&["lookup_keys", "recurring"])?;
    params.finish()?;
    let prices: Vec<&Price> = call
        .tx
        .newest_first::<Price>()
        .filter(|price| created.contains(&price.created) && type_ != Some(PriceType::Recurring))
        .filter(|price| product.as_ref().is_none_or(|product| price.product == *product))
        .filter(|price| active.is_none_or(|active| price.active == active))
        .filter(|price| currency.as_ref().is_none_or(|currency| price.currency == *currency))
        .collect();
    page.cut(&prices, "price", "/v1/prices", |price| &price.id, |price| price.render())
}
