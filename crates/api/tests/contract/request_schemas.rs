//! The readers of requests and the OpenAPI document agree on every field.
//!
//! Each request carries an unknown field, so no request is executed. The response then lists the errors of all fields.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::app::{TestApp, text};

/// A field that no request has.
const UNKNOWN: &str = "unknown_field_of_this_test";

/// Regular expressions of the document, each with a matching text and texts that don't match.
const PATTERNS: &[(&str, &str, &[&str])] = &[
    ("^[A-Z]{2}$", "DE", &["D", "DEU", "de"]),
    ("^[a-z]{3}$", "eur", &["eu", "euro", "EUR"]),
    ("^acct_[A-Za-z0-9_]*$", "acct_1SWcLdKnR7uC1oLi", &["pi_1", "acct_-"]),
];

/// The end of the regular expressions of Quittance's IDs.
const ID_PATTERN: &str = "[0-7][0-9a-hjkmnp-tv-z]{25}$";

/// The digits of an ID.
const ID_DIGITS: &str = "01kb3m9q4e8v2tz6h0rxw5ncy7";

/// An operation of the document with its concrete path.
struct Operation<'a> {
    id: &'a str,
    method: Method,
    path: String,
    spec: &'a Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, spec)| Operation {
            id: spec["operationId"].as_str().unwrap(),
            method: method.to_uppercase().parse().unwrap(),
            path: concrete_path(path, spec),
            spec,
        })
    });
    operations.filter(|operation| operation.path.starts_with("/v1/")).collect()
}

fn concrete_path(path: &str, spec: &Value) -> String {
    let parameters = spec["parameters"].as_array().into_iter().flatten();
    let ids = parameters.filter(|parameter| parameter["in"] == "path");
    ids.fold(path.to_owned(), |path, parameter| {
        path.replace(&format!("{{{}}}", text(&parameter["name"])), &text(&parameter["example"]))
    })
}

fn document() -> Value {
    serde_json::from_str(&quittance_api::openapi_json()).unwrap()
}

/// Follows a reference to a named schema.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Returns the schema without `null`, and whether `null` is valid.
fn split_null<'a>(document: &'a Value, schema: &'a Value) -> (&'a Value, bool) {
    if let Some(choices) = schema["oneOf"].as_array() {
        let has_null = choices.iter().any(|choice| choice["type"] == "null");
        let schema = choices.iter().find(|choice| choice["type"] != "null").unwrap();
        return (resolve(document, schema), has_null);
    }
    let schema = resolve(document, schema);
    let is_nullable = schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
    (schema, is_nullable)
}

fn type_of(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(name) => name,
        Value::Array(names) => names[0].as_str().unwrap(),
        other => panic!("no type: {other} in {schema}"),
    }
}

/// Returns a text of this length that has the schema's form.
fn text_of_length(schema: &Value, length: usize) -> String {
    let example = schema["example"].as_str().unwrap_or_default();
    match schema["format"].as_str() {
        Some("uri") => {
            let base = if example.is_empty() { "https://shop.example/" } else { example };
            format!("{base}{}", "a".repeat(length - base.chars().count()))
        }
        Some("email") => format!("a@{}.com", "b".repeat(length - 6)),
        Some(format) => panic!("a limit for the format {format}"),
        None if schema["pattern"].is_string() => format!("acct_{}", "a".repeat(length - 5)),
        None => "x".repeat(length),
    }
}

/// A value of a field, whether the schema accepts it, and the place of the error if it doesn't.
struct Candidate {
    value: Value,
    is_valid: bool,
    place: String,
}

fn candidate(value: Value, is_valid: bool) -> Candidate {
    Candidate { value, is_valid, place: String::new() }
}

/// Returns a valid value of a schema.
fn valid(document: &Value, schema: &Value) -> Value {
    let (schema, _) = split_null(document, schema);
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    match type_of(schema) {
        "object" if schema["properties"].is_object() => {
            let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
            let fields = schema["properties"].as_object().unwrap().iter();
            let fields = fields.filter(|(name, _)| required.contains(&&json!(name)));
            fields.map(|(name, field)| (name.clone(), valid(document, field))).collect::<Map<_, _>>().into()
        }
        "object" => json!({"cart": "7"}),
        "array" => json!([valid(document, &schema["items"])]),
        "boolean" => json!(true),
        "integer" => schema["minimum"].clone(),
        "string" => valid_text(schema),
        other => panic!("unknown type {other}"),
    }
}

fn valid_text(schema: &Value) -> Value {
    if schema["example"].is_string() {
        return schema["example"].clone();
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        if let Some(prefix) = pattern.strip_suffix(ID_PATTERN) {
            return json!(format!("{}{ID_DIGITS}", prefix.trim_start_matches('^')));
        }
        let known = PATTERNS.iter().find(|(known, ..)| *known == pattern);
        return json!(known.unwrap_or_else(|| panic!("unknown pattern {pattern}")).1);
    }
    match schema["format"].as_str() {
        Some("date-time") => json!("2026-11-22T17:00:00Z"),
        Some("email") => json!("ada@example.com"),
        Some("uri") => json!("https://shop.example/"),
        _ if schema["maxLength"].is_u64() => json!("x"),
        _ => json!("*"),
    }
}

fn text_candidates(schema: &Value) -> Vec<Candidate> {
    let mut candidates = vec![candidate(valid_text(schema), true), candidate(json!(7), false)];
    if let Some(max) = schema["maxLength"].as_u64() {
        let max = usize::try_from(max).unwrap();
        candidates.push(candidate(json!(text_of_length(schema, max)), true));
        candidates.push(candidate(json!(text_of_length(schema, max + 1)), false));
    }
    match schema["minLength"].as_u64() {
        Some(min) => {
            let min = usize::try_from(min).unwrap();
            candidates.push(candidate(json!(text_of_length(schema, min)), true));
            candidates.push(candidate(json!(text_of_length(schema, min - 1)), false));
        }
        None if schema["maxLength"].is_u64() && schema["format"].is_null() && schema["pattern"].is_null() => {
            candidates.push(candidate(json!(""), true));
        }
        None => {}
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let known = PATTERNS.iter().find(|(known, ..)| *known == pattern);
        let refused =
            known.map_or(&["prd_1", "xxx_01kb3m9q4e8v2tz6h0rxw5ncy7"][..], |(_, _, refused)| refused);
        candidates.extend(refused.iter().map(|refused| candidate(json!(refused), false)));
    }
    if schema["format"].is_string() {
        candidates.push(candidate(json!("x"), false));
    }
    candidates
}

fn integer_candidates(schema: &Value) -> Vec<Candidate> {
    let min = schema["minimum"].as_i64().unwrap();
    let mut candidates = vec![
        candidate(json!(min), true),
        candidate(json!(min - 1), false),
        candidate(json!(1.5), false),
        candidate(json!("x"), false),
    ];
    if let Some(max) = schema["maximum"].as_i64() {
        candidates.push(candidate(json!(max), true));
        candidates.push(candidate(json!(max + 1), false));
    }
    candidates
}

fn array_candidates(document: &Value, schema: &Value) -> Vec<Candidate> {
    let (min, max) = (schema["minItems"].as_u64().unwrap(), schema["maxItems"].as_u64().unwrap());
    let item = valid(document, &schema["items"]);
    let list = |length: u64| json!(vec![item.clone(); usize::try_from(length).unwrap()]);
    let mut candidates = vec![
        candidate(list(min), true),
        candidate(list(min - 1), false),
        candidate(list(max), true),
        candidate(list(max + 1), false),
        candidate(json!({}), false),
    ];
    for inner in self::candidates(document, &schema["items"]) {
        let place = format!("/0{}", inner.place);
        candidates.push(Candidate { value: json!([inner.value]), is_valid: inner.is_valid, place });
    }
    candidates
}

fn map_candidates(schema: &Value) -> Vec<Candidate> {
    let keys = schema["maxProperties"].as_u64().unwrap();
    let key_length = usize::try_from(schema["propertyNames"]["maxLength"].as_u64().unwrap()).unwrap();
    let length = usize::try_from(schema["additionalProperties"]["maxLength"].as_u64().unwrap()).unwrap();
    let map = |count: u64| -> Value {
        (0..count).map(|number| (format!("k{number}"), json!("x"))).collect::<Map<_, _>>().into()
    };
    let entry = |key: String, value: Value, is_valid: bool| Candidate {
        place: if is_valid { String::new() } else { format!("/{key}") },
        value: [(key, value)].into_iter().collect::<Map<_, _>>().into(),
        is_valid,
    };
    vec![
        candidate(map(keys), true),
        candidate(map(keys + 1), false),
        candidate(json!([]), false),
        entry("k".repeat(key_length), json!("x"), true),
        entry("k".repeat(key_length + 1), json!("x"), false),
        entry(String::new(), json!("x"), false),
        entry("k".to_owned(), json!("x".repeat(length)), true),
        entry("k".to_owned(), json!("x".repeat(length + 1)), false),
        entry("k".to_owned(), json!(7), false),
    ]
}

fn object_candidates(document: &Value, schema: &Value) -> Vec<Candidate> {
    let base = valid(document, schema);
    let mut unknown = base.clone();
    unknown[UNKNOWN] = json!(1);
    let mut candidates = vec![
        candidate(base.clone(), true),
        candidate(json!([]), false),
        Candidate { value: unknown, is_valid: false, place: format!("/{UNKNOWN}") },
    ];
    for (name, field) in schema["properties"].as_object().unwrap() {
        for inner in self::candidates(document, field) {
            let mut value = base.clone();
            value[name] = inner.value;
            let place = format!("/{name}{}", inner.place);
            candidates.push(Candidate { value, is_valid: inner.is_valid, place });
        }
    }
    candidates
}

/// Returns values at and beyond every limit of a schema.
fn candidates(document: &Value, schema: &Value) -> Vec<Candidate> {
    let (schema, is_nullable) = split_null(document, schema);
    let mut candidates = match schema["enum"].as_array() {
        Some(values) => {
            let mut all: Vec<_> = values.iter().map(|value| candidate(value.clone(), true)).collect();
            all.extend([candidate(json!("no_such_value"), false), candidate(json!(7), false)]);
            all
        }
        None => match type_of(schema) {
            "string" => text_candidates(schema),
            "integer" => integer_candidates(schema),
            "boolean" => vec![
                candidate(json!(true), true),
                candidate(json!(false), true),
                candidate(json!("true"), false),
            ],
            "array" => array_candidates(document, schema),
            "object" if schema["properties"].is_object() => object_candidates(document, schema),
            "object" => map_candidates(schema),
            other => panic!("unknown type {other}"),
        },
    };
    candidates.push(candidate(Value::Null, is_nullable));
    candidates
}

/// Sends a body with an unknown field, and returns the pointers of all errors.
async fn errors(app: &TestApp, operation: &Operation<'_>, mut body: Value) -> BTreeSet<String> {
    body[UNKNOWN] = json!(1);
    let call = app.call(operation.method.clone(), &operation.path);
    let answer = call.shop().json(&body).send().await;
    let problem = answer.problem(422, "invalid_request");
    let pointers: BTreeSet<String> =
        problem["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect();
    assert!(pointers.contains(&format!("/{UNKNOWN}")), "{} accepts unknown fields", operation.id);
    pointers
}

/// Returns the operations with a JSON body, each with the schema of the body.
fn bodies<'a>(document: &'a Value, operations: &'a [Operation<'a>]) -> Vec<(&'a Operation<'a>, &'a Value)> {
    let body = |operation: &'a Operation<'a>| {
        let schema = operation.spec.pointer("/requestBody/content/application~1json/schema")?;
        Some((operation, resolve(document, schema)))
    };
    operations.iter().filter_map(body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn body_fields_are_read_as_documented() {
    let app = TestApp::start().await;
    let document = document();
    let operations = operations(&document);
    let bodies = bodies(&document, &operations);
    assert!(bodies.len() >= 19, "{} bodies", bodies.len());

    for (operation, schema) in bodies {
        for Candidate { value, is_valid, place } in object_candidates(&document, schema) {
            if !value.is_object() || place == format!("/{UNKNOWN}") {
                continue;
            }
            let found = errors(&app, operation, value.clone()).await;
            let is_refused = found.iter().any(|pointer| !place.is_empty() && pointer.starts_with(&place));
            assert_eq!(is_refused, !is_valid, "{} {place}: {value}\n{found:?}", operation.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn required_body_fields_are_documented() {
    let app = TestApp::start().await;
    let document = document();
    let operations = operations(&document);

    for (operation, schema) in bodies(&document, &operations) {
        let required: BTreeSet<String> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|name| format!("/{}", name.as_str().unwrap()))
            .chain([format!("/{UNKNOWN}")])
            .collect();

        assert_eq!(errors(&app, operation, json!({})).await, required, "{}", operation.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn body_examples_are_valid() {
    let app = TestApp::start().await;
    let document = document();
    let operations = operations(&document);

    for (operation, schema) in bodies(&document, &operations) {
        let example = &schema["example"];
        assert!(example.is_object(), "{} has no example", operation.id);

        let found = errors(&app, operation, example.clone()).await;

        assert_eq!(found.len(), 1, "{} {example}: {found:?}", operation.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn query_parameters_are_read_as_documented() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let intent = app.payment_intent(&order_id, &token).await;
    let document = document();

    for operation in operations(&document) {
        let parameters = operation.spec["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            let name = text(&parameter["name"]);
            for Candidate { value, is_valid, .. } in candidates(&document, &parameter["schema"]) {
                // A number is a text, too, in a query string.
                if type_of(resolve(&document, &parameter["schema"])) == "string" && value.is_number() {
                    continue;
                }
                let Some(value) = as_query_value(&value) else { continue };
                let path = match operation.id {
                    "payment_intent_get" => {
                        format!("/v1/payment_intents/{}", text(&intent["payment_intent_id"]))
                    }
                    _ => operation.path.clone(),
                };
                let query = format!("{name}={value}&{UNKNOWN}=1");
                let call = app.call(operation.method.clone(), &format!("{path}?{query}"));
                let problem = call.shop().send().await.problem(422, "invalid_parameter");
                let errors = problem["errors"].as_array().unwrap();
                let is_refused = errors.iter().any(|error| error["pointer"] == format!("/{name}"));
                assert_eq!(is_refused, !is_valid, "{} {query}\n{problem}", operation.id);
            }
        }
    }
}

/// Returns a value as it stands in a query string. Some values differ from others in JSON only.
fn as_query_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text == "true" => None,
        Value::String(text) => {
            Some(text.replace('%', "%25").replace('+', "%2B").replace('&', "%26").replace('#', "%23"))
        }
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
