//! Conversions between column values and Rust types.

use chrono::{DateTime, SubsecRound, Utc};
use quittance_domain::money::{Currency, Money};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;

/// Deserializes a JSON column.
pub(crate) fn read<T: DeserializeOwned>(what: &'static str, document: Value) -> Result<T, Error> {
    serde_json::from_value(document).map_err(|error| Error::corrupt(what, error))
}

/// Serializes a value into a JSON column.
pub(crate) fn document<T: Serialize>(what: &'static str, value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::corrupt(what, error))
}

/// Parses a text column.
pub(crate) fn parse<T>(what: &'static str, text: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error| Error::corrupt(what, error))
}

/// Truncates a time to microseconds, the precision of both databases. So a returned time equals the one read later.
pub(crate) fn instant(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

/// Returns the amount of two columns.
pub(crate) fn money(what: &'static str, minor: i64, currency: &str) -> Result<Money, Error> {
    Money::new(minor, parse::<Currency>(what, currency)?).map_err(|error| Error::corrupt(what, error))
}
