//! Stored response bodies, and the fields that are added to them when they are sent.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::json::to_json;

/// The fields of a stored JSON object, in their original order.
struct StoredFields(Vec<(String, Box<RawValue>)>);

impl Serialize for StoredFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for StoredFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = StoredFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StoredFields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(StoredFields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A secret of a response. It is added when the response is sent, and never stored with it.
#[derive(Clone, Serialize)]
pub(crate) enum SecretField {
    /// The client token of a new order.
    #[serde(rename = "client_token", serialize_with = "expose")]
    ClientToken(SecretString),
    /// The client secret of a PaymentIntent.
    #[serde(rename = "client_secret", serialize_with = "expose")]
    ClientSecret(SecretString),
    /// The signing secret of a webhook endpoint.
    #[serde(rename = "secret", serialize_with = "expose")]
    SigningSecret(SecretString),
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// A stored object with the secret that belongs to it.
#[derive(Serialize)]
struct ObjectWithSecret {
    #[serde(flatten)]
    object: StoredFields,
    #[serde(flatten)]
    secret: SecretField,
}

/// A stored problem with the current request's ID.
#[derive(Serialize)]
struct ProblemWithRequestId<'a> {
    #[serde(flatten)]
    problem: StoredFields,
    request_id: &'a str,
}

/// The identifying field of every stored object.
#[derive(Deserialize)]
struct StoredObject {
    id: String,
}

/// Adds a secret to a stored object.
pub(crate) fn with_secret(body: &str, secret: SecretField) -> serde_json::Result<String> {
    let object = serde_json::from_str(body)?;
    Ok(to_json(&ObjectWithSecret { object, secret }))
}

/// Adds a request ID to a stored problem.
pub(crate) fn with_request_id(body: &str, request_id: &str) -> serde_json::Result<String> {
    let problem = serde_json::from_str(body)?;
    Ok(to_json(&ProblemWithRequestId { problem, request_id }))
}

/// Returns a stored object's ID.
pub(crate) fn object_id(body: &str) -> serde_json::Result<String> {
    serde_json::from_str(body).map(|object: StoredObject| object.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_added_after_the_stored_fields() {
        let stored = r#"{"id":"ord_1","b":{"z":1,"a":[1.50]},"a":null}"#;

        let sent = with_secret(stored, SecretField::ClientToken("oct_x".into())).unwrap();

        assert_eq!(sent, r#"{"id":"ord_1","b":{"z":1,"a":[1.50]},"a":null,"client_token":"oct_x"}"#);
    }

    #[test]
    fn request_id_is_added_to_stored_problem() {
        let sent = with_request_id(r#"{"code":"already_paid"}"#, "req_1").unwrap();

        assert_eq!(sent, r#"{"code":"already_paid","request_id":"req_1"}"#);
    }
}
