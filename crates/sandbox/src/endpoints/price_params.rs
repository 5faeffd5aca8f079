//! Parameters that every new price has.

use crate::http::amounts;
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::objects::price::Price;
use crate::storage::ids;

/// The maximum unit amount: twelve digits.
const MAX_UNIT_AMOUNT: i64 = 999_999_999_999;

/// Price parameters that Stripe supports and the sandbox doesn't.
const UNSUPPORTED: &[&str] = &["currency_options", "custom_unit_amount", "recurring", "unit_amount_decimal"];

/// Reads the parameters that every price has.
pub(crate) fn parse(params: &mut Params, product: &str, now_seconds: i64) -> Result<Price, ApiError> {
    params.reject_unsupported(UNSUPPORTED)?;
    let (currency, unit_amount) = parse_amount(params)?;
    let mut price =
        Price::for_line_item(&ids::object("price"), product, now_seconds, (&currency, unit_amount));
    price.active = true;
    price.tax_behavior = params.enum_value("tax_behavior")?.unwrap_or(price.tax_behavior);
    if let Some(change) = params.metadata()? {
        change.apply(&mut price.metadata)?;
    }
    Ok(price)
}

/// Reads `currency` and `unit_amount` in the currency's minor unit. Zero is allowed.
pub(crate) fn parse_amount(params: &mut Params) -> Result<(String, i64), ApiError> {
    let currency = amounts::currency(params)?.ok_or_else(|| params.missing("currency"))?;
    let unit_amount = params.required_integer("unit_amount")?;
    if !(0..=MAX_UNIT_AMOUNT).contains(&unit_amount) {
        return Err(params
            .invalid("unit_amount", format!("This value must be between 0 and {MAX_UNIT_AMOUNT}."))
            .with_code("parameter_invalid_integer"));
    }
    Ok((currency, unit_amount))
}
