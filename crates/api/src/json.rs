//! Serialization of the crate's own types.

use serde::Serialize;

/// Serializes a value to JSON.
pub(crate) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the API's own types serialize to JSON")
}

/// Serializes a value to indented JSON with a final newline.
pub(crate) fn to_pretty_json<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_string_pretty(value).expect("the API's own types serialize to JSON");
    format!("{json}\n")
}
