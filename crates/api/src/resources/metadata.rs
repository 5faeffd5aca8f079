//! Metadata: the shop's own key-value pairs on an object.

use std::collections::BTreeMap;

use quittance_domain::catalog::{
    MAX_METADATA_KEY_CHARS, MAX_METADATA_KEYS, MAX_METADATA_VALUE_CHARS, Metadata as DomainMetadata,
};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::http::fields::{Components, FieldValue};
use crate::http::json_reader::{Field, ParseResult};
use crate::http::values::{check_control_characters, check_length, string_schema};

/// The shop's own key-value pairs on an object.
#[derive(Debug, Serialize)]
pub(crate) struct Metadata(BTreeMap<String, String>);

impl From<DomainMetadata> for Metadata {
    fn from(metadata: DomainMetadata) -> Self {
        Self(metadata)
    }
}

impl FieldValue for Metadata {
    type Output = DomainMetadata;

    fn read(field: Field<'_>) -> ParseResult<DomainMetadata> {
        let entries = field.entries(MAX_METADATA_KEYS, |key, value| {
            if !is_key(key) {
                let rule =
                    format!("must have a key of 1 to {MAX_METADATA_KEY_CHARS} characters without [ or ]");
                return value.refuse("invalid", rule);
            }
            value.string(|text| {
                check_control_characters(check_length(text, MAX_METADATA_VALUE_CHARS)?).map(str::to_owned)
            })
        })?;
        Ok(entries.into_iter().collect())
    }

    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("Metadata").into()
    }

    fn components(components: &mut Components) {
        components.push(("Metadata".to_owned(), <Self as PartialSchema>::schema()));
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.chars().count() <= MAX_METADATA_KEY_CHARS
        && !key.chars().any(|c| c.is_control() || c == '[' || c == ']')
}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let description = format!(
            "Your own key-value pairs: up to {MAX_METADATA_KEYS} keys of up to {MAX_METADATA_KEY_CHARS} characters, \
             without square brackets, with values of up to {MAX_METADATA_VALUE_CHARS} characters. Quittance copies \
             them to the PaymentIntent."
        );
        let key = string_schema().min_length(Some(1)).max_length(Some(MAX_METADATA_KEY_CHARS));
        let value: RefOr<Schema> = string_schema().max_length(Some(MAX_METADATA_VALUE_CHARS)).into();
        let mut schema = ObjectBuilder::new()
            .description(Some(description))
            .property_names(Some(key))
            .additional_properties(Some(value))
            .max_properties(Some(MAX_METADATA_KEYS))
            .build();
        schema.example = Some(json!({"cart": "7"}));
        RefOr::T(Schema::Object(schema))
    }
}

impl ToSchema for Metadata {}
