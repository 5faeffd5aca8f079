//! Stripe's rules for amounts: <https://docs.stripe.com/currencies>. Amounts are in the currency's minor unit.

use crate::http::error::ApiError;
use crate::http::params::Params;

/// The currencies that Stripe charges in.
const CURRENCIES: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd \
    bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd \
    hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd \
    mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf \
    sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd \
    xcg xof xpf yer zar zmw";

const ZERO_DECIMAL: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";
const THREE_DECIMAL: &str = "bhd jod kwd omr tnd";

/// Currencies with two decimals that Stripe charges in whole units only.
const WHOLE_UNITS: &str = "isk ugx";

/// The minimum charge per settlement currency.
const MINIMUMS: &[(&str, i64)] = &[
    ("usd", 50),
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
];

/// The maximum charge: eight digits.
const MAXIMUM: i64 = 99_999_999;

fn is_in(list: &str, currency: &str) -> bool {
    list.split_ascii_whitespace().any(|code| code == currency)
}

/// Reads `currency`: a three-letter code in any case.
pub(crate) fn currency(params: &mut Params) -> Result<Option<String>, ApiError> {
    match params.string("currency")? {
        None => Ok(None),
        Some(text) => parse_currency(params, &text).map(Some),
    }
}

/// Returns the code in lowercase, or `None` if Stripe doesn't charge in this currency.
pub(crate) fn known_currency(text: &str) -> Option<String> {
    Some(text.to_ascii_lowercase()).filter(|currency| is_in(CURRENCIES, currency))
}

fn parse_currency(params: &Params, text: &str) -> Result<String, ApiError> {
    if let Some(currency) = known_currency(text) {
        return Ok(currency);
    }
    let known = CURRENCIES.split_ascii_whitespace().collect::<Vec<_>>().join(", ");
    Err(params.invalid(
        "currency",
        format!("Invalid currency: {text}. Stripe currently supports these currencies: {known}"),
    ))
}

fn minimum(currency: &str) -> i64 {
    MINIMUMS.iter().find(|(code, _)| *code == currency).map_or(1, |(_, minimum)| *minimum)
}

/// Rejects amounts that Stripe can't charge.
pub(crate) fn check_amount(amount: i64, currency: &str) -> Result<(), ApiError> {
    let error = |code, message: String| Err(ApiError::invalid(message).with_code(code).with_param("amount"));
    if amount < 1 {
        return error(
            "parameter_invalid_integer",
            "This value must be greater than or equal to 1.".to_owned(),
        );
    }
    let minimum = minimum(currency);
    if amount < minimum {
        return error(
            "amount_too_small",
            format!("Amount must be at least {} {currency}", format_amount(minimum, currency)),
        );
    }
    if amount > MAXIMUM {
        return error(
            "amount_too_large",
            format!("Amount must be no more than {} {currency}", format_amount(MAXIMUM, currency)),
        );
    }
    let step = if is_in(WHOLE_UNITS, currency) {
        100
    } else if is_in(THREE_DECIMAL, currency) {
        10
    } else {
        1
    };
    if amount % step != 0 {
        return error(
            "parameter_invalid_integer",
            format!("Invalid integer: an amount in {currency} must be a multiple of {step}."),
        );
    }
    Ok(())
}

/// Rejects totals of a Checkout Session that Stripe can't charge.
pub(crate) fn check_total(total: i64, currency: &str) -> Result<(), ApiError> {
    check_amount(total, currency).map_err(|error| match error.code {
        Some("amount_too_small") => ApiError::invalid(format!(
            "The Checkout Session's total amount due must add up to at least {} {currency}",
            format_amount(minimum(currency), currency)
        ))
        .with_code("amount_too_small"),
        _ => error.with_param("line_items"),
    })
}

/// Formats an amount with its currency: `€1,234.50`, `12,000 JPY`.
pub(crate) fn format_price(amount: i64, currency: &str) -> String {
    let text = format_amount(amount, currency);
    let start = text.find(|character: char| character.is_ascii_digit()).unwrap_or_default();
    let end = text.find('.').unwrap_or(text.len());
    let digits = &text[start..end];
    let mut grouped = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let code = if start == 0 { format!(" {}", currency.to_ascii_uppercase()) } else { String::new() };
    format!("{}{grouped}{}{code}", &text[..start], &text[end..])
}

/// Formats an amount without grouping: `$0.50`, `50`, `1.000`.
pub(crate) fn format_amount(amount: i64, currency: &str) -> String {
    let symbol = match currency {
        "usd" => "$",
        "eur" => "€",
        "gbp" => "£",
        _ => "",
    };
    if is_in(ZERO_DECIMAL, currency) {
        format!("{symbol}{amount}")
    } else if is_in(THREE_DECIMAL, currency) {
        format!("{symbol}{}.{:03}", amount / 1000, amount % 1000)
    } else {
        format!("{symbol}{}.{:02}", amount / 100, amount % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::{check_amount, format_price};

    #[test]
    fn price_is_formatted_with_currency() {
        assert_eq!(format_price(1_999, "eur"), "€19.99");
        assert_eq!(format_price(123_456_789, "usd"), "$1,234,567.89");
        assert_eq!(format_price(12_000, "jpy"), "12,000 JPY");
        assert_eq!(format_price(1_234_500, "kwd"), "1,234.500 KWD");
        assert_eq!(format_price(5, "chf"), "0.05 CHF");
    }

    #[test]
    fn amount_limits_depend_on_currency() {
        let code = |amount, currency| check_amount(amount, currency).err().and_then(|error| error.code);
        assert_eq!(code(50, "usd"), None);
        assert_eq!(code(49, "usd"), Some("amount_too_small"));
        assert_eq!(code(0, "usd"), Some("parameter_invalid_integer"));
        assert_eq!(code(-5, "usd"), Some("parameter_invalid_integer"));
        assert_eq!(code(100_000_000, "usd"), Some("amount_too_large"));
        assert_eq!(code(i64::MAX, "jpy"), Some("amount_too_large"));
        assert_eq!(code(150, "isk"), Some("parameter_invalid_integer"));
        assert_eq!(code(5_001, "kwd"), Some("parameter_invalid_integer"));
        assert_eq!(code(5_000, "kwd"), None);
    }
}
