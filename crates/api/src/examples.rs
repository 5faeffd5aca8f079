//! Examples of objects in the OpenAPI document, composed from the examples of their fields.

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Components, Schema};

/// Adds an example to every object without one.
pub(crate) fn add_examples(components: &mut Components) {
    let schemas = serde_json::to_value(&components.schemas).expect("schemas serialize to JSON");
    for (name, schema) in &mut components.schemas {
        let example = Some(example_of(&schemas, &schemas[name]));
        match schema {
            RefOr::T(Schema::Object(object)) if !object.properties.is_empty() && object.example.is_none() => {
                object.example = example;
            }
            RefOr::T(Schema::AllOf(parts)) if parts.example.is_none() => parts.example = example,
            _ => {}
        }
    }
}

/// Returns the example of a schema. Optional values without an example are `null`, and lists of words are empty.
fn example_of(schemas: &Value, schema: &Value) -> Value {
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return example_of(schemas, &schemas[name]);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let objects = parts.iter().filter_map(|part| example_of(schemas, part).as_object().cloned());
        return Value::Object(objects.flatten().collect());
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    match schema["type"].as_str() {
        Some("object") => object_example(schemas, schema),
        Some("array") => match example_of(schemas, &schema["items"]) {
            item @ Value::Object(_) => json!([item]),
            _ => json!([]),
        },
        Some("boolean") => json!(true),
        Some("integer") => json!(1),
        Some("string") => json!("string"),
        _ => Value::Null,
    }
}

fn object_example(schemas: &Value, schema: &Value) -> Value {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, field)| (name.clone(), example_of(schemas, field)));
    Value::Object(fields.collect::<Map<_, _>>())
}
