//! The types of request fields. Each type owns its limits: the reader and the OpenAPI schema both come from here.

use std::marker::PhantomData;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use quittance_domain::id::{DisputeId, MessageId, OrderId, ProductId, RefundId, SellerId, WebhookEndpointId};
use quittance_domain::order::Quantity;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use crate::http::fields::{Components, FieldValue};
use crate::http::json_reader::{Field, Invalid, ParseResult, Reported};

/// Starts the schema of a string.
pub(crate) fn string_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Checks the length of a string in characters.
pub(crate) fn check_length(text: &str, max_chars: usize) -> Result<&str, Invalid> {
    if text.chars().count() > max_chars {
        return Err(("too_long", format!("must have at most {max_chars} characters")));
    }
    Ok(text)
}

/// Checks a string that must have content and no control characters.
pub(crate) fn check_text(text: &str, max_chars: usize) -> Result<&str, Invalid> {
    if text.trim().is_empty() {
        return Err(("invalid", "must not be empty".to_owned()));
    }
    check_control_characters(check_length(text, max_chars)?)
}

/// Refuses control characters other than line breaks and tabs. No text needs them, and PostgreSQL can't store NUL.
pub(crate) fn check_control_characters(text: &str) -> Result<&str, Invalid> {
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().any(is_control) {
        return Err(("invalid", "must not contain control characters".to_owned()));
    }
    Ok(text)
}

/// A string of 1 to `MAX` characters that isn't blank.
pub(crate) struct Text<const MAX: usize>;

impl<const MAX: usize> FieldValue for Text<MAX> {
    type Output = String;

    fn read(field: Field<'_>) -> ParseResult<String> {
        field.string(|text| check_text(text, MAX).map(str::to_owned))
    }

    fn schema() -> RefOr<Schema> {
        string_schema().min_length(Some(1)).max_length(Some(MAX)).into()
    }
}

/// A string of at most `MAX` characters that may be empty.
pub(crate) struct OptionalText<const MAX: usize>;

impl<const MAX: usize> FieldValue for OptionalText<MAX> {
    type Output = String;

    fn read(field: Field<'_>) -> ParseResult<String> {
        field.string(|text| check_length(text, MAX).map(str::to_owned))
    }

    fn schema() -> RefOr<Schema> {
        string_schema().max_length(Some(MAX)).into()
    }
}

/// A type that a whole number is converted to.
pub(crate) trait FromInteger: Sized {
    /// The format of the number in the OpenAPI document.
    const FORMAT: KnownFormat;

    /// Converts a number that is within the field's limits.
    fn from_integer(number: i64) -> Option<Self>;
}

impl FromInteger for i64 {
    const FORMAT: KnownFormat = KnownFormat::Int64;

    fn from_integer(number: i64) -> Option<Self> {
        Some(number)
    }
}

macro_rules! from_integer {
    ($($type:ty),*) => {
        $(
            impl FromInteger for $type {
                const FORMAT: KnownFormat = KnownFormat::Int32;

                fn from_integer(number: i64) -> Option<Self> {
                    Self::try_from(number).ok()
                }
            }
        )*
    };
}

from_integer!(u8, u16, u32);

impl FromInteger for Quantity {
    const FORMAT: KnownFormat = KnownFormat::Int32;

    fn from_integer(number: i64) -> Option<Self> {
        u32::try_from(number).ok()?.try_into().ok()
    }
}

/// A whole number from `MIN` to `MAX`.
pub(crate) struct Integer<T, const MIN: i64, const MAX: i64>(PhantomData<T>);

impl<T: FromInteger, const MIN: i64, const MAX: i64> FieldValue for Integer<T, MIN, MAX> {
    type Output = T;

    fn read(field: Field<'_>) -> ParseResult<T> {
        T::from_integer(field.integer(MIN..=MAX)?).ok_or(Reported)
    }

    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(T::FORMAT)))
            .minimum(Some(MIN));
        // `i64::MAX` isn't a limit, and JavaScript can't represent it.
        if MAX == i64::MAX { schema.into() } else { schema.maximum(Some(MAX)).into() }
    }
}

/// `true` or `false`.
pub(crate) struct Boolean;

impl FieldValue for Boolean {
    type Output = bool;

    fn read(field: Field<'_>) -> ParseResult<bool> {
        field.boolean()
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).into()
    }
}

/// An RFC 3339 timestamp.
pub(crate) struct DateTimeText;

impl FieldValue for DateTimeText {
    type Output = DateTime<Utc>;

    fn read(field: Field<'_>) -> ParseResult<DateTime<Utc>> {
        let time = field.parsed::<DateTime<chrono::FixedOffset>>("an RFC 3339 timestamp")?;
        Ok(time.to_utc())
    }

    fn schema() -> RefOr<Schema> {
        string_schema().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
    }
}

/// A prefixed ID of one of Quittance's objects.
pub(crate) struct Id<T>(PhantomData<T>);

/// The name and the form of an ID.
pub(crate) trait NamedId: FromStr {
    /// The name with its article, for error details.
    const NAME: &str;

    /// The regular expression of its text.
    const PATTERN: &str;
}

macro_rules! named_ids {
    ($($type:ty: $name:literal, $prefix:literal;)*) => {
        $(
            impl NamedId for $type {
                const NAME: &str = concat!($name, " (`", $prefix, "…`)");
                // Crockford's base 32 in lower case. 26 digits hold 130 bits, so the first one is below 8.
                const PATTERN: &str = concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{25}$");
            }
        )*
    };
}

named_ids! {
    ProductId: "a product ID", "prd_";
    OrderId: "an order ID", "ord_";
    RefundId: "a refund ID", "ref_";
    DisputeId: "a dispute ID", "dsp_";
    SellerId: "a seller ID", "slr_";
    MessageId: "a message ID", "msg_";
    WebhookEndpointId: "a webhook endpoint ID", "whe_";
}

impl<T: NamedId> FieldValue for Id<T> {
    type Output = T;

    fn read(field: Field<'_>) -> ParseResult<T> {
        field.parsed(T::NAME)
    }

    fn schema() -> RefOr<Schema> {
        string_schema().pattern(Some(T::PATTERN)).into()
    }
}

/// A list of `MIN` to `MAX` entries.
pub(crate) struct List<V, const MIN: usize, const MAX: usize>(PhantomData<V>);

impl<V: FieldValue, const MIN: usize, const MAX: usize> FieldValue for List<V, MIN, MAX> {
    type Output = Vec<V::Output>;

    fn read(field: Field<'_>) -> ParseResult<Self::Output> {
        field.list(MIN..=MAX, V::read)
    }

    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(V::schema()).min_items(Some(MIN)).max_items(Some(MAX)).into()
    }

    fn components(components: &mut Components) {
        V::components(components);
    }
}

/// Starts the schema of a URL.
fn url_schema() -> ObjectBuilder {
    string_schema().format(Some(SchemaFormat::Custom("uri".to_owned())))
}

/// The longest URL that Stripe accepts.
const RETURN_URL_CHARS_MAX: usize = 2048;

/// The URL of a page that Stripe sends the customer to. Its origin must be allowed.
pub(crate) struct ReturnUrl;

impl FieldValue for ReturnUrl {
    type Output = String;

    fn read(field: Field<'_>) -> ParseResult<String> {
        let origins = field.rules().ok_or(Reported)?.return_origins;
        field.string(|text| origins.accept(check_length(text, RETURN_URL_CHARS_MAX)?))
    }

    fn schema() -> RefOr<Schema> {
        url_schema().max_length(Some(RETURN_URL_CHARS_MAX)).into()
    }
}

/// The longest URL of a webhook endpoint.
const WEBHOOK_URL_CHARS_MAX: usize = 2000;

/// The URL of a webhook endpoint. The guard must allow its address.
pub(crate) struct WebhookUrl;

impl FieldValue for WebhookUrl {
    type Output = String;

    fn read(field: Field<'_>) -> ParseResult<String> {
        let guard = field.rules().ok_or(Reported)?.webhook_guard;
        field.string(|text| {
            let url = guard.check_url(check_text(text, WEBHOOK_URL_CHARS_MAX)?);
            url.map(|url| url.to_string()).map_err(|error| ("invalid", error.to_string()))
        })
    }

    fn schema() -> RefOr<Schema> {
        url_schema().max_length(Some(WEBHOOK_URL_CHARS_MAX)).into()
    }
}
