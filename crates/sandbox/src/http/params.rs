//! Typed access to a request's parameters. Each accessor removes the parameter it reads, and `finish` rejects
//! the remaining ones as Stripe does, so an endpoint can't ignore a parameter silently.

use std::collections::BTreeMap;

use crate::http::error::ApiError;
use crate::http::form::Node;
use crate::http::string_enum::StringEnum;
use crate::http::url::is_http_url;

/// The metadata limits: <https://docs.stripe.com/api/metadata>.
const METADATA_MAX_KEYS: usize = 50;

const METADATA_MAX_KEY_CHARS: usize = 40;
const METADATA_MAX_VALUE_CHARS: usize = 500;

/// The maximum length of most text fields.
pub(crate) const MAX_TEXT_CHARS: usize = 5_000;

/// A change of a field in an update: unchanged, unset (an empty value), or a new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<T> {
    Unchanged,
    Unset,
    Set(T),
}

impl<T> Change<T> {
    pub(crate) fn apply(self, slot: &mut Option<T>) {
        match self {
            Self::Unchanged => {}
            Self::Unset => *slot = None,
            Self::Set(value) => *slot = Some(value),
        }
    }
}

/// A change of metadata: a new value per key, or empty text to remove the key. `None` removes all keys.
pub(crate) struct MetadataChange(Option<BTreeMap<String, String>>);

impl MetadataChange {
    pub(crate) fn apply(self, metadata: &mut BTreeMap<String, String>) -> Result<(), ApiError> {
        let Some(changes) = self.0 else {
            metadata.clear();
            return Ok(());
        };
        for (key, value) in changes {
            if value.is_empty() {
                metadata.remove(&key);
            } else {
                metadata.insert(key, value);
            }
        }
        if metadata.len() > METADATA_MAX_KEYS {
            return Err(ApiError::invalid(format!(
                "Metadata can have up to {METADATA_MAX_KEYS} keys, but you have provided {}.",
                metadata.len()
            ))
            .with_param("metadata"));
        }
        Ok(())
    }
}

/// The parameters of a request, or of a nested object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    prefix: String,
    entries: BTreeMap<String, Node>,
}

impl Params {
    pub(crate) fn new(entries: BTreeMap<String, Node>) -> Self {
        Self { prefix: String::new(), entries }
    }

    /// Returns the parameter's full name, such as `shipping[address][line1]`.
    fn full_name(&self, name: &str) -> String {
        match name.split_once('[') {
            _ if self.prefix.is_empty() => name.to_owned(),
            Some((first, rest)) => format!("{}[{first}][{rest}", self.prefix),
            None => format!("{}[{name}]", self.prefix),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Removes and returns a parameter if `read` accepts it.
    pub(crate) fn take_if<R>(&mut self, name: &str, read: impl Fn(&Node) -> Option<R>) -> Option<R> {
        let value = read(self.entries.get(name)?)?;
        self.entries.remove(name);
        Some(value)
    }

    fn take_text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.entries.remove(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(Node::Map(_)) => {
                let full = self.full_name(name);
                Err(ApiError::invalid(format!("Invalid string: {full} must be a single value."))
                    .with_param(full))
            }
        }
    }

    /// Reads text that must not be empty.
    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let text = self.take_text(name)?;
        if text.as_deref() == Some("") {
            return Err(self.empty(name));
        }
        Ok(text)
    }

    pub(crate) fn required_string(&mut self, name: &str) -> Result<String, ApiError> {
        self.string(name)?.ok_or_else(|| self.missing(name))
    }

    /// Reads text of at most `max_chars` characters. An empty value unsets the field.
    pub(crate) fn text(&mut self, name: &str, max_chars: usize) -> Result<Change<String>, ApiError> {
        Ok(match self.take_text(name)? {
            None => Change::Unchanged,
            Some(text) if text.is_empty() => Change::Unset,
            Some(text) if text.chars().count() > max_chars => {
                let full = self.full_name(name);
                return Err(ApiError::invalid(format!(
                    "Invalid string: {full} must be at most {max_chars} characters"
                ))
                .with_param(full));
            }
            Some(text) => Change::Set(text),
        })
    }

    /// Reads an absolute `http` or `https` URL.
    pub(crate) fn url(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.string(name)? {
            Some(url) if !is_http_url(&url) => {
                Err(self.invalid(name, "Not a valid URL").with_code("url_invalid"))
            }
            url => Ok(url),
        }
    }

    pub(crate) fn required_url(&mut self, name: &str) -> Result<String, ApiError> {
        self.url(name)?.ok_or_else(|| self.missing(name))
    }

    /// Reads an email address. An empty value unsets the field.
    pub(crate) fn email(&mut self, name: &str) -> Result<Change<String>, ApiError> {
        let email = self.text(name, MAX_TEXT_CHARS)?;
        match &email {
            Change::Set(text)
                if !text
                    .split_once('@')
                    .is_some_and(|(user, host)| !user.is_empty() && host.contains('.')) =>
            {
                Err(self.invalid(name, format!("Invalid email address: {text}")).with_code("email_invalid"))
            }
            _ => Ok(email),
        }
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            ApiError::invalid(format!("Invalid integer: {text}"))
                .with_code("parameter_invalid_integer")
                .with_param(self.full_name(name))
        })
    }

    pub(crate) fn required_integer(&mut self, name: &str) -> Result<i64, ApiError> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.string(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                Err(ApiError::invalid(format!("Invalid boolean: {other}")).with_param(self.full_name(name)))
            }
        }
    }

    /// Reads an enum value.
    pub(crate) fn enum_value<W: StringEnum>(&mut self, name: &str) -> Result<Option<W>, ApiError> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        self.parse_enum(name, &text).map(Some)
    }

    /// Reads an enum value. An empty value unsets the field.
    pub(crate) fn enum_change<W: StringEnum>(&mut self, name: &str) -> Result<Change<W>, ApiError> {
        Ok(match self.take_text(name)? {
            None => Change::Unchanged,
            Some(text) if text.is_empty() => Change::Unset,
            Some(text) => Change::Set(self.parse_enum(name, &text)?),
        })
    }

    fn parse_enum<W: StringEnum>(&self, name: &str, text: &str) -> Result<W, ApiError> {
        W::ALL.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let full = self.full_name(name);
            let values: Vec<&str> = W::ALL.iter().map(|(name, _)| *name).collect();
            let known = match values.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("one of {}, or {last}", rest.join(", ")),
                _ => values.concat(),
            };
            ApiError::invalid(format!("Invalid {full}: must be {known}")).with_param(full)
        })
    }

    /// Reads a nested object. An empty value unsets it.
    pub(crate) fn object(&mut self, name: &str) -> Result<Change<Params>, ApiError> {
        match self.entries.remove(name) {
            None => Ok(Change::Unchanged),
            Some(Node::Text(text)) if text.is_empty() => Ok(Change::Unset),
            Some(Node::Text(_)) => Err(ApiError::invalid("Invalid object").with_param(self.full_name(name))),
            Some(Node::Map(entries)) => Ok(Change::Set(Self { prefix: self.full_name(name), entries })),
        }
    }

    /// Reads a nested object that can't be unset.
    pub(crate) fn nested(&mut self, name: &str) -> Result<Option<Params>, ApiError> {
        match self.object(name)? {
            Change::Unchanged => Ok(None),
            Change::Set(params) => Ok(Some(params)),
            Change::Unset => Err(self.empty(name)),
        }
    }

    /// Reads a list of texts, sorted by index.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let full = self.full_name(name);
        let invalid = || ApiError::invalid("Invalid array").with_param(full.as_str());
        let entries = match self.entries.remove(name) {
            None => return Ok(None),
            Some(Node::Map(entries)) => entries,
            Some(Node::Text(_)) => return Err(invalid()),
        };
        let mut numbered = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            match (key.parse::<u32>(), node) {
                (Ok(index), Node::Text(text)) => numbered.push((index, text)),
                _ => return Err(invalid()),
            }
        }
        numbered.sort_by_key(|(index, _)| *index);
        Ok(Some(numbered.into_iter().map(|(_, text)| text).collect()))
    }

    /// Reads a list of texts. An empty value unsets it.
    pub(crate) fn list_change(&mut self, name: &str) -> Result<Change<Vec<String>>, ApiError> {
        if self.take_empty(name) {
            return Ok(Change::Unset);
        }
        Ok(self.strings(name)?.map_or(Change::Unchanged, Change::Set))
    }

    /// Reads a number. An empty value unsets it.
    pub(crate) fn integer_change(&mut self, name: &str) -> Result<Change<i64>, ApiError> {
        if self.take_empty(name) {
            return Ok(Change::Unset);
        }
        Ok(self.integer(name)?.map_or(Change::Unchanged, Change::Set))
    }

    /// Removes a parameter if its value is empty.
    fn take_empty(&mut self, name: &str) -> bool {
        let is_empty = |node: &Node| matches!(node, Node::Text(text) if text.is_empty()).then_some(());
        self.take_if(name, is_empty).is_some()
    }

    /// Returns the names of the remaining parameters.
    pub(crate) fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Reads a list of objects, sorted by index.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Option<Vec<Params>>, ApiError> {
        let Some(list) = self.nested(name)? else { return Ok(None) };
        let invalid = || ApiError::invalid("Invalid array").with_param(self.full_name(name));
        let mut numbered = Vec::with_capacity(list.entries.len());
        for (key, node) in &list.entries {
            match (key.parse::<u32>(), node) {
                (Ok(index), Node::Map(entries)) => {
                    numbered.push((index, Self { prefix: list.full_name(key), entries: entries.clone() }));
                }
                _ => return Err(invalid()),
            }
        }
        numbered.sort_by_key(|(index, _)| *index);
        Ok(Some(numbered.into_iter().map(|(_, params)| params).collect()))
    }

    /// Reads a list of objects. An empty value unsets it.
    pub(crate) fn objects_change(&mut self, name: &str) -> Result<Change<Vec<Params>>, ApiError> {
        if self.take_empty(name) {
            return Ok(Change::Unset);
        }
        Ok(self.objects(name)?.map_or(Change::Unchanged, Change::Set))
    }

    pub(crate) fn metadata(&mut self) -> Result<Option<MetadataChange>, ApiError> {
        let mut params = match self.object("metadata")? {
            Change::Unchanged => return Ok(None),
            Change::Unset => return Ok(Some(MetadataChange(None))),
            Change::Set(params) => params,
        };
        let mut changes = BTreeMap::new();
        for key in params.entries.keys().cloned().collect::<Vec<_>>() {
            let value = params.take_text(&key)?.unwrap_or_default();
            if key.chars().count() > METADATA_MAX_KEY_CHARS {
                return Err(ApiError::invalid(format!(
                    "Metadata keys must be under {METADATA_MAX_KEY_CHARS} characters: {key}"
                ))
                .with_param(params.full_name(&key)));
            }
            if value.chars().count() > METADATA_MAX_VALUE_CHARS {
                return Err(ApiError::invalid(format!(
                    "Metadata values can have up to {METADATA_MAX_VALUE_CHARS} characters, but the value of \
                     {key} is longer."
                ))
                .with_param(params.full_name(&key)));
            }
            changes.insert(key, value);
        }
        Ok(Some(MetadataChange(Some(changes))))
    }

    /// Rejects parameters that Stripe supports and the sandbox doesn't. Ignoring them would hide the difference.
    pub(crate) fn reject_unsupported(&self, names: &[&str]) -> Result<(), ApiError> {
        match names.iter().find(|name| self.has(name)) {
            None => Ok(()),
            Some(name) => {
                let full = self.full_name(name);
                Err(ApiError::invalid(format!(
                    "The sandbox does not support the parameter {full}. Stripe does."
                ))
                .with_code("parameter_unknown")
                .with_param(full))
            }
        }
    }

    /// Rejects parameters that other endpoints have and this one doesn't.
    pub(crate) fn reject_unknown(&self, names: &[&str]) -> Result<(), ApiError> {
        self.unknown(|name| names.contains(&name))
    }

    /// Rejects all remaining parameters.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        self.unknown(|_| true)
    }

    fn unknown(&self, is_unknown: impl Fn(&str) -> bool) -> Result<(), ApiError> {
        let names = self.entries.keys().filter(|name| is_unknown(name));
        let unknown: Vec<String> = names.map(|name| self.full_name(name)).collect();
        let Some(first) = unknown.first() else { return Ok(()) };
        let message = if unknown.len() == 1 {
            format!("Received unknown parameter: {first}")
        } else {
            format!("Received unknown parameters: {}", unknown.join(", "))
        };
        Err(ApiError::invalid(message).with_code("parameter_unknown").with_param(first.as_str()))
    }

    /// Returns an error for a missing parameter.
    pub(crate) fn missing(&self, name: &str) -> ApiError {
        let full = self.full_name(name);
        ApiError::invalid(format!("Missing required param: {full}."))
            .with_code("parameter_missing")
            .with_param(full)
    }

    /// Returns an error for an invalid parameter.
    pub(crate) fn invalid(&self, name: &str, message: impl Into<String>) -> ApiError {
        ApiError::invalid(message).with_param(self.full_name(name))
    }

    fn empty(&self, name: &str) -> ApiError {
        let full = self.full_name(name);
        ApiError::invalid(format!(
            "You passed an empty string for '{full}'. We assume empty values are an attempt to unset a \
             parameter; however '{full}' cannot be unset. You should remove '{full}' from your request or \
             supply a non-empty value."
        ))
        .with_code("parameter_invalid_empty")
        .with_param(full)
    }
}
