//! The OpenAPI document and the page that shows it.

use std::path::Path;

use serde_json::Value;

use crate::app::TestApp;

const COMMITTED: &str = "../../openapi/quittance.json";

#[test]
fn committed_document_matches_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMMITTED);
    let generated = quittance_api::openapi_json();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "openapi/quittance.json doesn't match the code; regenerate it with \
         `quittance openapi > openapi/quittance.json` and review the difference"
    );
}

#[test]
fn document_suits_generated_clients() {
    let document: Value = serde_json::from_str(&quittance_api::openapi_json()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operation_ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{id}");
            assert!(operation["summary"].is_string(), "{method} {path}");
            let asked = operation["security"].as_array().expect("a security requirement");
            // Generators treat an empty requirement as a mandatory credential.
            assert!(!asked.contains(&serde_json::json!({})), "{method} {path}");
            let is_public = !path.starts_with("/v1/")
                || path == "/v1/config"
                || matches!((method.as_str(), path.as_str()), ("post", "/v1/orders"))
                || (method == "get" && path.starts_with("/v1/products"))
                || path.starts_with("/v1/checkout_sessions/");
            assert_eq!(asked.is_empty(), is_public, "{method} {path}");
            operation_ids.push(id);
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = response["content"].as_object();
                let is_problem =
                    content.is_some_and(|content| content.contains_key("application/problem+json"));
                assert_eq!(is_problem, status.as_str() >= "400", "{method} {path} {status}");
                assert!(response["headers"]["X-Request-Id"].is_object(), "{method} {path} {status}");
            }
        }
    }
    let count = operation_ids.len();
    operation_ids.sort();
    operation_ids.dedup();
    assert_eq!(operation_ids.len(), count);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema.get("description").is_some() || schema.get("allOf").is_some(), "{name}");
        for (property, value) in schema["properties"].as_object().into_iter().flatten() {
            let is_anonymous =
                value.get("properties").is_some() || value["items"].get("properties").is_some();
            assert!(!is_anonymous, "{name}.{property} has no name");
            let is_unnamed_enum = value.get("enum").is_some();
            assert!(!is_unnamed_enum, "{name}.{property} has no name");
        }
    }
    assert_no_dangling_references(&document, &document);
}

fn assert_no_dangling_references(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = reference.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            for field in fields.values() {
                assert_no_dangling_references(document, field);
            }
        }
        Value::Array(values) => {
            for value in values {
                assert_no_dangling_references(document, value);
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn document_is_served_and_the_docs_page_loads_nothing_external() {
    let app = TestApp::start().await;
    let served = app.get("/openapi.json").send().await.ok(200);
    assert_eq!(served, serde_json::from_str::<Value>(&quittance_api::openapi_json()).unwrap());

    let redirect = app.get("/docs").send().await;
    assert_eq!((redirect.status.as_u16(), redirect.header("location")), (307, Some("/docs/")));
    let page = app.get("/docs/").send().await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("https://"), "{}", page.text);
    let initializer = app.get("/docs/swagger-initializer.js").send().await;
    assert!(initializer.text.contains("/openapi.json") && initializer.text.contains("\"none\""));
    for asset in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"] {
        assert_eq!(app.get(&format!("/docs/{asset}")).send().await.status, 200, "{asset}");
    }
    app.get("/docs/nothing.js").send().await.problem(404, "unknown_route");
}

#[test]
fn every_object_has_example_with_its_fields() {
    let document: Value = serde_json::from_str(&quittance_api::openapi_json()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let has_fields = |schema: &Value| schema["properties"].is_object();

    for (name, schema) in schemas.iter().filter(|(_, schema)| has_fields(schema)) {
        let example = schema["example"].as_object().unwrap_or_else(|| panic!("{name} has no example"));
        for field in example.keys() {
            assert!(schema["properties"].get(field).is_some(), "the example of {name} has {field}");
        }
        for field in schema["required"].as_array().into_iter().flatten() {
            assert!(example.contains_key(field.as_str().unwrap()), "the example of {name} lacks {field}");
        }
    }
}
