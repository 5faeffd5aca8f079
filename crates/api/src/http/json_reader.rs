//! Reads JSON bodies and query strings field by field, and reports every invalid field at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::http::body_rules::BodyRules;
use crate::problem::code::Code;
use crate::problem::{FieldError, Problem};

/// The largest JSON body, in bytes.
pub(crate) const MAX_JSON_BYTES: usize = 64 * 1024;

/// The marker for an invalid value whose error is reported already.
#[derive(Debug)]
pub(crate) struct Reported;

/// A parsed value, unless an error is reported for it.
pub(crate) type ParseResult<T> = Result<T, Reported>;

/// The code and the detail of an invalid value.
pub(crate) type Invalid = (&'static str, String);

/// Reads a body. An empty body counts as an empty object, so that missing fields are named.
pub(crate) fn read_json<T>(
    bytes: &[u8],
    rules: &BodyRules<'_>,
    read: impl FnOnce(&mut Object<'_>) -> ParseResult<T>,
) -> Result<T, Problem> {
    let value = if bytes.is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_slice(bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let detail =
                format!("The body isn't valid JSON at line {line}, column {column}. Send a JSON object.");
            Problem::new(Code::MalformedJson, detail)
        })?
    };
    let mut errors = Vec::new();
    let field = Field { value, pointer: String::new(), source: Source::Body(rules), errors: &mut errors };
    match field.object(read) {
        Ok(read) if errors.is_empty() => Ok(read),
        _ => Err(Problem::invalid_request(errors)),
    }
}

/// Reads a query string.
pub(crate) fn read_query<T>(
    query: &str,
    read: impl FnOnce(&mut Object<'_>) -> ParseResult<T>,
) -> Result<T, Problem> {
    let mut errors = Vec::new();
    let mut fields = Map::new();
    let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(query).map_err(|_| {
        Problem::new(Code::BadRequest, "The query string isn't valid. Send `name=value` pairs, URL-encoded.")
    })?;
    for (name, value) in pairs.into_inner() {
        if fields.insert(name.clone(), Value::String(value)).is_some() {
            errors.push(FieldError::new(pointer_to("", &name), "invalid", "is given more than once"));
        }
    }
    let value = Value::Object(fields);
    let field = Field { value, pointer: String::new(), source: Source::Query, errors: &mut errors };
    match field.object(read) {
        Ok(read) if errors.is_empty() => Ok(read),
        _ => Err(Problem::invalid_parameter(errors)),
    }
}

fn pointer_to(parent: &str, name: &str) -> String {
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The part of a request that a field comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Body(&'a BodyRules<'a>),
    Query,
}

/// An object whose fields are read one by one.
pub(crate) struct Object<'a> {
    fields: Map<String, Value>,
    pointer: String,
    source: Source<'a>,
    errors: &'a mut Vec<FieldError>,
}

/// A value and its JSON Pointer.
pub(crate) struct Field<'a> {
    value: Value,
    pointer: String,
    source: Source<'a>,
    errors: &'a mut Vec<FieldError>,
}

impl Object<'_> {
    /// Reads a field if it is present.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'_>) -> ParseResult<T>,
    ) -> ParseResult<Option<T>> {
        let Some(value) = self.fields.remove(name) else { return Ok(None) };
        let pointer = pointer_to(&self.pointer, name);
        read(Field { value, pointer, source: self.source, errors: self.errors }).map(Some)
    }

    /// Reads a field that must be present.
    pub(crate) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'_>) -> ParseResult<T>,
    ) -> ParseResult<T> {
        match self.take(name, read)? {
            Some(value) => Ok(value),
            None => self.refuse(name, "required", "is missing"),
        }
    }

    /// Reads a field that may be omitted or `null`. The two differ: `Ok(None)` stands for an omitted field.
    #[expect(clippy::option_option, reason = "omitted, `null` and a value are three cases")]
    pub(crate) fn nullable<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Field<'_>) -> ParseResult<T>,
    ) -> ParseResult<Option<Option<T>>> {
        self.take(name, |field| if field.value.is_null() { Ok(None) } else { read(field).map(Some) })
    }

    /// Reports an error of a field, for rules that involve several fields.
    pub(crate) fn refuse<T>(
        &mut self,
        name: &str,
        code: &'static str,
        detail: impl Display,
    ) -> ParseResult<T> {
        let pointer = pointer_to(&self.pointer, name);
        self.errors.push(FieldError::new(pointer, code, detail.to_string()));
        Err(Reported)
    }

    /// Reports an error if a field is present that this caller may not set.
    pub(crate) fn forbid(&mut self, name: &str) -> ParseResult<()> {
        self.take(name, |field| field.refuse::<()>("not_allowed", "can be set with a secret key only"))
            .map(drop)
    }

    /// Returns the rules for the values of a body.
    pub(crate) fn rules(&self) -> Option<&BodyRules<'_>> {
        match self.source {
            Source::Body(rules) => Some(rules),
            Source::Query => None,
        }
    }
}

impl<'a> Field<'a> {
    /// Reports an error of this field.
    pub(crate) fn refuse<T>(self, code: &'static str, detail: impl Display) -> ParseResult<T> {
        self.errors.push(FieldError::new(self.pointer, code, detail.to_string()));
        Err(Reported)
    }

    /// Reports that this field has the wrong JSON type.
    pub(crate) fn wrong_type<T>(self, expected: &str) -> ParseResult<T> {
        self.refuse("wrong_type", format_args!("must be {expected}"))
    }

    /// Returns the rules for the values of a body.
    pub(crate) fn rules(&self) -> Option<&'a BodyRules<'a>> {
        match self.source {
            Source::Body(rules) => Some(rules),
            Source::Query => None,
        }
    }

    /// Reads an object, and reports the fields that `read` leaves as unknown.
    pub(crate) fn object<T>(self, read: impl FnOnce(&mut Object<'_>) -> ParseResult<T>) -> ParseResult<T> {
        let Value::Object(fields) = self.value else { return self.wrong_type("an object") };
        let mut object = Object { fields, pointer: self.pointer, source: self.source, errors: self.errors };
        let result = read(&mut object);
        let is_known = object.fields.is_empty();
        for name in object.fields.keys() {
            let pointer = pointer_to(&object.pointer, name);
            object.errors.push(FieldError::new(pointer, "unknown_field", "is not a known field"));
        }
        if is_known { result } else { Err(Reported) }
    }

    /// Reads the fields of an object whose names are free. `len_max` limits their number.
    pub(crate) fn entries<T>(
        self,
        len_max: usize,
        mut read: impl FnMut(&str, Field<'_>) -> ParseResult<T>,
    ) -> ParseResult<Vec<(String, T)>> {
        let Value::Object(fields) = self.value else { return self.wrong_type("an object of strings") };
        if fields.len() > len_max {
            let detail = format!("must have at most {len_max} keys");
            self.errors.push(FieldError::new(self.pointer, "too_many", detail));
            return Err(Reported);
        }
        let entries: Vec<ParseResult<(String, T)>> = fields
            .into_iter()
            .map(|(key, value)| {
                let pointer = pointer_to(&self.pointer, &key);
                let field = Field { value, pointer, source: self.source, errors: self.errors };
                read(&key, field).map(|value| (key, value))
            })
            .collect();
        entries.into_iter().collect()
    }

    /// Reads a list with a limited number of entries.
    pub(crate) fn list<T>(
        self,
        length: RangeInclusive<usize>,
        mut read: impl FnMut(Field<'_>) -> ParseResult<T>,
    ) -> ParseResult<Vec<T>> {
        let Value::Array(values) = self.value else { return self.wrong_type("a list") };
        if !length.contains(&values.len()) {
            let detail = format!("must have from {} to {} entries", length.start(), length.end());
            let code = if values.is_empty() { "required" } else { "too_many" };
            self.errors.push(FieldError::new(self.pointer, code, detail));
            return Err(Reported);
        }
        let entries: Vec<ParseResult<T>> = values
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                let pointer = format!("{}/{index}", self.pointer);
                read(Field { value, pointer, source: self.source, errors: self.errors })
            })
            .collect();
        entries.into_iter().collect()
    }

    /// Reads a string and converts it. `convert` returns the code and the detail of an invalid string.
    pub(crate) fn string<T>(self, convert: impl FnOnce(&str) -> Result<T, Invalid>) -> ParseResult<T> {
        let Value::String(text) = &self.value else { return self.wrong_type("a string") };
        match convert(text) {
            Ok(value) => Ok(value),
            Err((code, detail)) => self.refuse(code, detail),
        }
    }

    /// Reads a string that its type can parse.
    pub(crate) fn parsed<T: FromStr>(self, expected: &str) -> ParseResult<T> {
        self.string(|text| text.parse().map_err(|_| ("invalid", format!("must be {expected}"))))
    }

    /// Reads a whole number. In a query string, it is written in digits.
    pub(crate) fn integer(self, bounds: RangeInclusive<i64>) -> ParseResult<i64> {
        let number = match (&self.value, self.source) {
            (Value::Number(number), Source::Body(_)) if !number.is_f64() => number.as_i64(),
            (Value::String(text), Source::Query)
                if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                text.parse().ok()
            }
            _ => return self.wrong_type("a whole number"),
        };
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Ok(number),
            None => self
                .refuse("out_of_range", format_args!("must be from {} to {}", bounds.start(), bounds.end())),
        }
    }

    /// Reads `true` or `false`.
    pub(crate) fn boolean(self) -> ParseResult<bool> {
        match (&self.value, self.source) {
            (Value::Bool(value), Source::Body(_)) => Ok(*value),
            (Value::String(text), Source::Query) if text == "true" => Ok(true),
            (Value::String(text), Source::Query) if text == "false" => Ok(false),
            _ => self.wrong_type("true or false"),
        }
    }
}
