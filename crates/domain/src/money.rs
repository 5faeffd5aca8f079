//! Money in Stripe's minor units, and the rules for each currency.
//!
//! The rules come from <https://docs.stripe.com/currencies>: zero-decimal currencies, three-decimal currencies
//! and special cases.
//!
//! ```
//! use quittance_domain::money::{AmountError, Currency, Money};
//!
//! let eur: Currency = "eur".parse()?;
//! assert_eq!(Money::new(1250, eur)?.to_string(), "12.50 EUR");
//!
//! // The last digit of a three-decimal amount must be 0.
//! let kwd: Currency = "kwd".parse()?;
//! assert_eq!(Money::new(5121, kwd), Err(AmountError::WrongStep { currency: kwd, step: 10 }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest amount that Stripe accepts for any payment method: twelve digits.
pub const MAX_MINOR: i64 = 999_999_999_999;

/// All presentment currencies of Stripe, sorted by code, with their minor unit.
const CURRENCIES: &[(&str, MinorUnit)] = {
    use MinorUnit::{Hundredth, HundredthWhole, Thousandth, Whole};
    &[
        ("aed", Hundredth),
        ("afn", Hundredth),
        ("all", Hundredth),
        ("amd", Hundredth),
        ("ang", Hundredth),
        ("aoa", Hundredth),
        ("ars", Hundredth),
        ("aud", Hundredth),
        ("awg", Hundredth),
        ("azn", Hundredth),
        ("bam", Hundredth),
        ("bbd", Hundredth),
        ("bdt", Hundredth),
        ("bgn", Hundredth),
        ("bhd", Thousandth),
        ("bif", Whole),
        ("bmd", Hundredth),
        ("bnd", Hundredth),
        ("bob", Hundredth),
        ("brl", Hundredth),
        ("bsd", Hundredth),
        ("bwp", Hundredth),
        ("byn", Hundredth),
        ("bzd", Hundredth),
        ("cad", Hundredth),
        ("cdf", Hundredth),
        ("chf", Hundredth),
        ("clp", Whole),
        ("cny", Hundredth),
        ("cop", Hundredth),
        ("crc", Hundredth),
        ("cve", Hundredth),
        ("czk", Hundredth),
        ("djf", Whole),
        ("dkk", Hundredth),
        ("dop", Hundredth),
        ("dzd", Hundredth),
        ("egp", Hundredth),
        ("etb", Hundredth),
        ("eur", Hundredth),
        ("fjd", Hundredth),
        ("fkp", Hundredth),
        ("gbp", Hundredth),
        ("gel", Hundredth),
        ("gip", Hundredth),
        ("gmd", Hundredth),
        ("gnf", Whole),
        ("gtq", Hundredth),
        ("gyd", Hundredth),
        ("hkd", Hundredth),
        ("hnl", Hundredth),
        ("htg", Hundredth),
        ("huf", Hundredth),
        ("idr", Hundredth),
        ("ils", Hundredth),
        ("inr", Hundredth),
        ("isk", HundredthWhole),
        ("jmd", Hundredth),
        ("jod", Thousandth),
        ("jpy", Whole),
        ("kes", Hundredth),
        ("kgs", Hundredth),
        ("khr", Hundredth),
        ("kmf", Whole),
        ("krw", Whole),
        ("kwd", Thousandth),
        ("kyd", Hundredth),
        ("kzt", Hundredth),
        ("lak", Hundredth),
        ("lbp", Hundredth),
        ("lkr", Hundredth),
        ("lrd", Hundredth),
        ("lsl", Hundredth),
        ("mad", Hundredth),
        ("mdl", Hundredth),
        ("mga", Whole),
        ("mkd", Hundredth),
        ("mmk", Hundredth),
        ("mnt", Hundredth),
        ("mop", Hundredth),
        ("mur", Hundredth),
        ("mvr", Hundredth),
        ("mwk", Hundredth),
        ("mxn", Hundredth),
        ("myr", Hundredth),
        ("mzn", Hundredth),
        ("nad", Hundredth),
        ("ngn", Hundredth),
        ("nio", Hundredth),
        ("nok", Hundredth),
        ("npr", Hundredth),
        ("nzd", Hundredth),
        ("omr", Thousandth),
        ("pab", Hundredth),
        ("pen", Hundredth),
        ("pgk", Hundredth),
        ("php", Hundredth),
        ("pkr", Hundredth),
        ("pln", Hundredth),
        ("pyg", Whole),
        ("qar", Hundredth),
        ("ron", Hundredth),
        ("rsd", Hundredth),
        ("rub", Hundredth),
        ("rwf", Whole),
        ("sar", Hundredth),
        ("sbd", Hundredth),
        ("scr", Hundredth),
        ("sek", Hundredth),
        ("sgd", Hundredth),
        ("shp", Hundredth),
        ("sle", Hundredth),
        ("sos", Hundredth),
        ("srd", Hundredth),
        ("std", Hundredth),
        ("szl", Hundredth),
        ("thb", Hundredth),
        ("tjs", Hundredth),
        ("tnd", Thousandth),
        ("top", Hundredth),
        ("try", Hundredth),
        ("ttd", Hundredth),
        ("twd", Hundredth),
        ("tzs", Hundredth),
        ("uah", Hundredth),
        ("ugx", HundredthWhole),
        ("usd", Hundredth),
        ("uyu", Hundredth),
        ("uzs", Hundredth),
        ("vnd", Whole),
        ("vuv", Whole),
        ("wst", Hundredth),
        ("xaf", Whole),
        ("xcd", Hundredth),
        ("xcg", Hundredth),
        ("xof", Whole),
        ("xpf", Whole),
        ("yer", Hundredth),
        ("zar", Hundredth),
        ("zmw", Hundredth),
    ]
};

/// The size of a currency's minor unit at Stripe, and the step of its amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinorUnit {
    /// A zero-decimal currency. The minor unit is the currency itself: 500 JPY is `500`.
    Whole,
    /// The usual case: 5 USD is `500`.
    Hundredth,
    /// ISK and UGX. Amounts have two decimals for compatibility but are charged in whole units, so they must be
    /// a multiple of 100.
    HundredthWhole,
    /// A three-decimal currency: 5 KWD is `5000`. The last digit must be 0.
    Thousandth,
}

impl MinorUnit {
    /// Returns the number of digits after the decimal point.
    #[must_use]
    pub fn decimals(self) -> u32 {
        match self {
            Self::Whole => 0,
            Self::Hundredth | Self::HundredthWhole => 2,
            Self::Thousandth => 3,
        }
    }

    /// Returns the step of amounts in minor units. Each amount must be a multiple of it.
    #[must_use]
    pub fn step(self) -> i64 {
        match self {
            Self::Whole | Self::Hundredth => 1,
            Self::HundredthWhole => 100,
            Self::Thousandth => 10,
        }
    }
}

/// A currency that Stripe supports, by its lower-case ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency {
    /// The index in [`CURRENCIES`].
    index: usize,
}

/// An error for text that isn't the code of a supported currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a lower-case currency code that Stripe supports")]
pub struct UnknownCurrency;

impl Currency {
    /// Returns the lower-case ISO 4217 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        CURRENCIES[self.index].0
    }

    /// Returns the rule for the minor unit.
    #[must_use]
    pub fn minor_unit(self) -> MinorUnit {
        CURRENCIES[self.index].1
    }

    /// Returns all currencies, sorted by code.
    pub fn all() -> impl Iterator<Item = Currency> {
        (0..CURRENCIES.len()).map(|index| Currency { index })
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        CURRENCIES
            .binary_search_by_key(&code, |(code, _)| code)
            .map(|index| Currency { index })
            .map_err(|_| UnknownCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;

    fn try_from(code: String) -> Result<Self, UnknownCurrency> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in a currency, in Stripe's minor units. It is never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// The reason why an amount is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The amount is below zero.
    #[error("an amount can't be negative")]
    Negative,
    /// The amount is above [`MAX_MINOR`].
    #[error("an amount can have at most twelve digits")]
    TooLarge,
    /// The amount isn't a multiple of the currency's step.
    #[error("an amount in {currency} must be a multiple of {step}")]
    WrongStep {
        /// The currency.
        currency: Currency,
        /// The step, in minor units.
        step: i64,
    },
    /// The amounts to add have different currencies.
    #[error("amounts in {0} and {1} can't be added")]
    MixedCurrencies(Currency, Currency),
}

impl Money {
    /// Creates an amount, if it follows the rules of its currency.
    pub fn new(minor: i64, currency: Currency) -> Result<Self, AmountError> {
        let step = currency.minor_unit().step();
        match minor {
            ..0 => Err(AmountError::Negative),
            minor if minor > MAX_MINOR => Err(AmountError::TooLarge),
            minor if minor % step != 0 => Err(AmountError::WrongStep { currency, step }),
            minor => Ok(Self { minor, currency }),
        }
    }

    /// Returns zero in this currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Returns the amount in minor units.
    #[must_use]
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// Returns the currency.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Returns the sum, if both have the same currency and the sum doesn't exceed [`MAX_MINOR`].
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        if self.currency != other.currency {
            return Err(AmountError::MixedCurrencies(self.currency, other.currency));
        }
        let sum = self.minor.checked_add(other.minor).ok_or(AmountError::TooLarge)?;
        Self::new(sum, self.currency)
    }

    /// Returns the amount multiplied by `times`, if the product doesn't exceed [`MAX_MINOR`].
    pub fn checked_mul(self, times: u32) -> Result<Self, AmountError> {
        let product = self.minor.checked_mul(i64::from(times)).ok_or(AmountError::TooLarge)?;
        Self::new(product, self.currency)
    }
}

impl fmt::Display for Money {
    /// Writes the amount for people: `12.50 EUR` or `500 JPY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.minor_unit().decimals();
        let unit = 10_i64.pow(decimals);
        write!(f, "{}", self.minor / unit)?;
        if decimals > 0 {
            write!(f, ".{:0width$}", self.minor % unit, width = decimals as usize)?;
        }
        write!(f, " {}", self.currency.code().to_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZERO_DECIMAL: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";
    const THREE_DECIMAL: &str = "bhd jod kwd omr tnd";
    const WHOLE_IN_HUNDREDTHS: &str = "isk ugx";

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn currency_table_is_sorted_and_matches_stripes_special_cases() {
        assert!(CURRENCIES.is_sorted_by(|a, b| a.0 < b.0));
        for currency in Currency::all() {
            let listed = |list: &str| list.split(' ').any(|code| code == currency.code());
            let expected = match () {
                () if listed(ZERO_DECIMAL) => (0, 1),
                () if listed(THREE_DECIMAL) => (3, 10),
                () if listed(WHOLE_IN_HUNDREDTHS) => (2, 100),
                () => (2, 1),
            };
            let unit = currency.minor_unit();
            assert_eq!((unit.decimals(), unit.step()), expected, "{currency}");
        }
        for list in [ZERO_DECIMAL, THREE_DECIMAL, WHOLE_IN_HUNDREDTHS, "huf twd eur usd gbp"] {
            for code in list.split(' ') {
                assert!(code.parse::<Currency>().is_ok(), "{code}");
            }
        }
    }

    #[test]
    fn unknown_or_upper_case_currency_is_rejected() {
        for code in ["EUR", "eu", "euro", "", "xxx"] {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn amount_is_formatted_for_people() {
        let shown = |minor, code| Money::new(minor, currency(code)).unwrap().to_string();
        assert_eq!(shown(1250, "eur"), "12.50 EUR");
        assert_eq!(shown(5, "usd"), "0.05 USD");
        assert_eq!(shown(500, "jpy"), "500 JPY");
        assert_eq!(shown(5120, "kwd"), "5.120 KWD");
    }

    #[test]
    fn amount_off_the_step_is_rejected() {
        assert_eq!(
            Money::new(150, currency("isk")),
            Err(AmountError::WrongStep { currency: currency("isk"), step: 100 })
        );
        assert!(Money::new(5121, currency("kwd")).is_err());
        assert!(Money::new(5120, currency("kwd")).is_ok());
    }

    proptest! {
        #[test]
        fn arithmetic_is_exact_or_rejected(a in 0..=MAX_MINOR, b in 0..=MAX_MINOR, times: u32) {
            let (x, y) = (Money::new(a, currency("eur")).unwrap(), Money::new(b, currency("eur")).unwrap());
            let exact = i128::from(a) + i128::from(b);
            prop_assert_eq!(x.checked_add(y).map(|m| i128::from(m.minor())).ok(), (exact <= i128::from(MAX_MINOR)).then_some(exact));
            let exact = i128::from(a) * i128::from(times);
            prop_assert_eq!(x.checked_mul(times).map(|m| i128::from(m.minor())).ok(), (exact <= i128::from(MAX_MINOR)).then_some(exact));
        }

        #[test]
        fn any_amount_is_valid_or_rejected_without_panic(minor: i64, index in 0..CURRENCIES.len()) {
            let currency = Currency { index };
            if let Ok(money) = Money::new(minor, currency) {
                prop_assert!(money.minor() >= 0 && money.minor() <= MAX_MINOR);
                prop_assert_eq!(money.minor() % currency.minor_unit().step(), 0);
            }
        }
    }
}
