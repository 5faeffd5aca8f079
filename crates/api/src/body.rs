//! Reading JSON bodies and queries: every field is looked at, and everything that is wrong is said at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use quittance_domain::catalog::{
    MAX_METADATA_KEY_CHARS, MAX_METADATA_KEYS, MAX_METADATA_VALUE_CHARS, Metadata,
};
use quittance_domain::order::{MAX_QUANTITY, Quantity};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::code::Code;
use crate::problem::{FieldError, Problem};

/// The largest JSON body, in bytes.
pub(crate) const MAX_JSON_BYTES: usize = 64 * 1024;

/// The JSON of one of our own types.
pub(crate) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types have no part that can not be JSON")
}

/// The same for people to read, and to compare.
pub(crate) fn to_pretty_json<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_string_pretty(value).expect("our own types have no part that can not be JSON");
    format!("{json}\n")
}

/// What is wrong has been said; there is nothing to read.
#[derive(Debug)]
pub(crate) struct Said;

/// What was read, unless something is wrong with it.
pub(crate) type Read<T> = Result<T, Said>;

/// Reads a body. No body at all is an empty object: what is missing in it is named.
pub(crate) fn read_json<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut Object<'_>) -> Read<T>,
) -> Result<T, Problem> {
    let value = if bytes.is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_slice(bytes).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Problem::new(Code::MalformedJson, format!("The body is no JSON from {place} on."))
        })?
    };
    let mut errors = Vec::new();
    let field = Field { value, pointer: String::new(), errors: &mut errors };
    match field.object(read) {
        Ok(read) if errors.is_empty() => Ok(read),
        _ => Err(Problem::invalid_request(errors)),
    }
}

/// Reads a query.
pub(crate) fn read_query<T>(
    query: &str,
    read: impl FnOnce(&mut Object<'_>) -> Read<T>,
) -> Result<T, Problem> {
    let mut errors = Vec::new();
    let mut fields = Map::new();
    let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(query)
        .map_err(|_| Problem::new(Code::BadRequest, "The query can not be read."))?;
    for (name, value) in pairs.into_inner() {
        if fields.insert(name.clone(), Value::String(value)).is_some() {
            errors.push(FieldError::new(pointer_to("", &name), "invalid", "is given more than once"));
        }
    }
    let field = Field { value: Value::Object(fields), pointer: String::new(), errors: &mut errors };
    match field.object(read) {
        Ok(read) if errors.is_empty() => Ok(read),
        _ => Err(Problem::invalid_parameter(errors)),
    }
}

fn pointer_to(parent: &str, name: &str) -> String {
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// An object whose fields are read one by one.
pub(crate) struct Object<'a> {
    fields: Map<String, Value>,
    pointer: String,
    errors: &'a mut Vec<FieldError>,
}

/// One value, and where it stands.
pub(crate) struct Field<'a> {
    value: Value,
    pointer: String,
    errors: &'a mut Vec<FieldError>,
}

impl Object<'_> {
    fn take<T>(&mut self, name: &str, read: impl FnOnce(Field<'_>) -> Read<T>) -> Read<Option<T>> {
        let Some(value) = self.fields.remove(name) else { return Ok(None) };
        let pointer = pointer_to(&self.pointer, name);
        read(Field { value, pointer, errors: self.errors }).map(Some)
    }

    /// A field that must be there.
    pub(crate) fn required<T>(&mut self, name: &str, read: impl FnOnce(Field<'_>) -> Read<T>) -> Read<T> {
        match self.take(name, read)? {
            Some(found) => Ok(found),
            None => self.refuse(name, "required", "is missing"),
        }
    }

    /// A field that may be left out or `null`, which mean the same.
    pub(crate) fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'_>) -> Read<T>,
    ) -> Read<Option<T>> {
        self.change(name, read).map(Option::flatten)
    }

    /// A field of a change: left out it leaves a thing as it is, `null` takes it away.
    #[expect(clippy::option_option, reason = "left out, `null` and a value are three things")]
    pub(crate) fn change<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'_>) -> Read<T>,
    ) -> Read<Option<Option<T>>> {
        self.take(name, |field| if field.value.is_null() { Ok(None) } else { read(field).map(Some) })
    }

    /// A field of a change that can be given anew, and not taken away.
    pub(crate) fn replacement<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'_>) -> Read<T>,
    ) -> Read<Option<T>> {
        self.take(name, read)
    }

    /// Says what is wrong with a field in the light of others.
    pub(crate) fn refuse<T>(&mut self, name: &str, code: &'static str, detail: impl Display) -> Read<T> {
        let pointer = pointer_to(&self.pointer, name);
        self.errors.push(FieldError::new(pointer, code, detail.to_string()));
        Err(Said)
    }

    /// Says that a field, if it is there, is not for this caller.
    pub(crate) fn forbidden(&mut self, name: &str) -> Read<()> {
        self.take(name, |field| field.refuse::<()>("not_allowed", "can be set with a secret key only"))
            .map(drop)
    }
}

impl Field<'_> {
    /// Says what is wrong with it.
    pub(crate) fn refuse<T>(self, code: &'static str, detail: impl Display) -> Read<T> {
        self.errors.push(FieldError::new(self.pointer, code, detail.to_string()));
        Err(Said)
    }

    fn wrong_type<T>(self, expected: &str) -> Read<T> {
        self.refuse("wrong_type", format_args!("must be {expected}"))
    }

    /// An object, of which nothing may be left over when it is read.
    pub(crate) fn object<T>(self, read: impl FnOnce(&mut Object<'_>) -> Read<T>) -> Read<T> {
        let Value::Object(fields) = self.value else { return self.wrong_type("an object") };
        let mut object = Object { fields, pointer: self.pointer, errors: self.errors };
        let found = read(&mut object);
        let is_known = object.fields.is_empty();
        for name in object.fields.keys() {
            let pointer = pointer_to(&object.pointer, name);
            object.errors.push(FieldError::new(pointer, "unknown_field", "is not known"));
        }
        if is_known { found } else { Err(Said) }
    }

    /// A list of so many.
    pub(crate) fn list<T>(
        self,
        length: RangeInclusive<usize>,
        mut read: impl FnMut(Field<'_>) -> Read<T>,
    ) -> Read<Vec<T>> {
        let Value::Array(values) = self.value else { return self.wrong_type("a list") };
        if !length.contains(&values.len()) {
            let detail = format!("must have from {} to {} entries", length.start(), length.end());
            let code = if values.is_empty() { "required" } else { "too_many" };
            self.errors.push(FieldError::new(self.pointer, code, detail));
            return Err(Said);
        }
        let read: Vec<Read<T>> = values
            .into_iter()
            .enumerate()
            .map(|(place, value)| {
                read(Field { value, pointer: format!("{}/{place}", self.pointer), errors: self.errors })
            })
            .collect();
        read.into_iter().collect()
    }

    /// A text of at most so many characters, with something in it.
    pub(crate) fn text(self, max_chars: usize) -> Read<String> {
        let Value::String(text) = &self.value else { return self.wrong_type("a text") };
        if text.trim().is_empty() {
            return self.refuse("invalid", "must not be empty");
        }
        if text.chars().count() > max_chars {
            return self.refuse("too_long", format_args!("must have at most {max_chars} characters"));
        }
        if has_control_characters(text) {
            return self.refuse("invalid", "must have no control characters");
        }
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(Said),
        }
    }

    /// A text of at most so many characters for which a rule holds.
    pub(crate) fn checked_text(
        self,
        max_chars: usize,
        is_fine: impl FnOnce(&str) -> bool,
        rule: &str,
    ) -> Read<String> {
        let Value::String(text) = &self.value else { return self.wrong_type("a text") };
        if text.chars().count() > max_chars {
            return self.refuse("too_long", format_args!("must have at most {max_chars} characters"));
        }
        if is_fine(text) { Ok(text.clone()) } else { self.refuse("invalid", rule) }
    }

    /// A text that means something.
    pub(crate) fn parsed<T: FromStr>(self, expected: &str) -> Read<T> {
        let Value::String(text) = &self.value else { return self.wrong_type("a text") };
        match text.parse() {
            Ok(parsed) => Ok(parsed),
            Err(_) => self.refuse("invalid", format_args!("must be {expected}")),
        }
    }

    /// A text of at most so many characters that is made into something else. What is wrong with it is said as a
    /// code and a detail.
    pub(crate) fn converted<T>(
        self,
        max_chars: usize,
        convert: impl FnOnce(&str) -> Result<T, (&'static str, String)>,
    ) -> Read<T> {
        let Value::String(text) = &self.value else { return self.wrong_type("a text") };
        if text.chars().count() > max_chars {
            return self.refuse("too_long", format_args!("must have at most {max_chars} characters"));
        }
        match convert(text) {
            Ok(made) => Ok(made),
            Err((code, detail)) => self.refuse(code, detail),
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: FromStr>(self, words: &str) -> Read<T> {
        let Value::String(text) = &self.value else { return self.wrong_type("a text") };
        match text.parse() {
            Ok(meaning) => Ok(meaning),
            Err(_) => self.refuse("invalid", format_args!("must be one of {words}")),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn integer(self, bounds: RangeInclusive<i64>) -> Read<i64> {
        let Value::Number(number) = &self.value else { return self.wrong_type("a whole number") };
        if number.is_f64() {
            return self.wrong_type("a whole number");
        }
        let within = number.as_i64().filter(|number| bounds.contains(number));
        self.or_out_of_range(within, &bounds)
    }

    /// A whole number within bounds, as a query has it.
    pub(crate) fn integer_in_text(self, bounds: RangeInclusive<i64>) -> Read<i64> {
        let Value::String(text) = &self.value else { return self.wrong_type("a whole number") };
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
        if !is_number {
            return self.wrong_type("a whole number");
        }
        let within = text.parse().ok().filter(|number| bounds.contains(number));
        self.or_out_of_range(within, &bounds)
    }

    fn or_out_of_range(self, within: Option<i64>, bounds: &RangeInclusive<i64>) -> Read<i64> {
        match within {
            Some(number) => Ok(number),
            None => self
                .refuse("out_of_range", format_args!("must be from {} to {}", bounds.start(), bounds.end())),
        }
    }

    fn metadata_value(self, key: &str) -> Read<String> {
        let is_key = !key.is_empty()
            && key.chars().count() <= MAX_METADATA_KEY_CHARS
            && !key.chars().any(|c| c.is_control() || c == '[' || c == ']');
        if !is_key {
            let rule = format!("a key has 1 to {MAX_METADATA_KEY_CHARS} characters, none of them [ or ]");
            return self.refuse("invalid", rule);
        }
        let Value::String(value) = &self.value else { return self.wrong_type("a text") };
        if value.chars().count() > MAX_METADATA_VALUE_CHARS {
            let rule = format!("must have at most {MAX_METADATA_VALUE_CHARS} characters");
            return self.refuse("too_long", rule);
        }
        if has_control_characters(value) {
            return self.refuse("invalid", "must have no control characters");
        }
        Ok(value.clone())
    }
}

/// How many of one product.
pub(crate) fn quantity(field: Field<'_>) -> Read<Quantity> {
    let number = field.integer(1..=i64::from(MAX_QUANTITY))?;
    u32::try_from(number).ok().and_then(|number| number.try_into().ok()).ok_or(Said)
}

/// `true` or `false`.
pub(crate) fn boolean(field: Field<'_>) -> Read<bool> {
    match field.value {
        Value::Bool(value) => Ok(value),
        _ => field.wrong_type("true or false"),
    }
}

/// `true` or `false`, as a query has it.
pub(crate) fn boolean_in_text(field: Field<'_>) -> Read<bool> {
    match field.value.as_str() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => field.wrong_type("true or false"),
    }
}

/// The shop's own words: text by text, within Stripe's limits.
pub(crate) fn metadata(field: Field<'_>) -> Read<Metadata> {
    let Value::Object(fields) = field.value else { return field.wrong_type("an object of texts") };
    if fields.len() > MAX_METADATA_KEYS {
        let detail = format!("must have at most {MAX_METADATA_KEYS} keys");
        field.errors.push(FieldError::new(field.pointer, "too_many", detail));
        return Err(Said);
    }
    let entries: Vec<Read<(String, String)>> = fields
        .into_iter()
        .map(|(key, value)| {
            let pointer = pointer_to(&field.pointer, &key);
            let entry = Field { value, pointer, errors: field.errors };
            entry.metadata_value(&key).map(|value| (key, value))
        })
        .collect();
    entries.into_iter().collect()
}

/// Characters that no text needs, and of which PostgreSQL can not store one (NUL). Line breaks and tabs are fine.
fn has_control_characters(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}
