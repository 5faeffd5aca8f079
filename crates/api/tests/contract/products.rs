//! The catalog.

use serde_json::json;

use crate::app::{TestApp, text};

#[tokio::test(flavor = "multi_thread")]
async fn product_is_created_updated_and_deactivated() {
    let app = TestApp::start().await;
    let body = json!({
        "name": "Fountain pen", "description": "Steel nib", "unit_amount": 2499, "currency": "eur",
        "metadata": {"sku": "FP-1"}
    });
    let created = app.post("/v1/products").shop().json(&body).send().await;
    let location = created.header("location").unwrap().to_owned();
    let product = created.ok(201);
    assert_eq!(location, format!("/v1/products/{}", text(&product["id"])));
    insta::assert_json_snapshot!("product", product, {
        ".id" => "[id]", ".created_at" => "[time]", ".updated_at" => "[time]"
    });
    assert_eq!(app.get(&location).send().await.ok(200), product);

    let change = json!({"description": null, "unit_amount": 1999, "metadata": {}});
    let changed = app.patch(&location).shop().json(&change).send().await.ok(200);
    assert_eq!((&changed["description"], &changed["unit_amount"]), (&json!(null), &json!(1999)));
    assert_eq!((&changed["name"], &changed["metadata"]), (&json!("Fountain pen"), &json!({})));

    app.patch(&location).shop().json(&json!({"active": false})).send().await.ok(200);
    app.get(&location).send().await.problem(404, "not_found");
    app.get(&location).shop().send().await.ok(200);
    assert_eq!(app.get("/v1/products").send().await.ok(200)["data"], json!([]));
    assert_eq!(app.get("/v1/products").shop().send().await.ok(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn price_off_the_currency_step_is_rejected() {
    let app = TestApp::start().await;
    let body = json!({"name": "Lopapeysa", "unit_amount": 150, "currency": "isk"});
    let refused = app.post("/v1/products").shop().json(&body).send().await.problem(422, "invalid_request");
    assert_eq!(refused["errors"][0]["pointer"], "/unit_amount");
    let product = app.product(150).await;
    let path = format!("/v1/products/{product}");
    let refused = app.patch(&path).shop().json(&json!({"currency": "isk"})).send().await;
    let refused = refused.problem(422, "invalid_request");
    assert_eq!(refused["errors"][0]["pointer"], "/unit_amount");
}

#[tokio::test(flavor = "multi_thread")]
async fn catalog_is_paginated() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for amount in 1..=5 {
        ids.insert(0, app.product(amount).await);
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = app.get(&format!("/v1/products?limit=2{after}")).send().await.ok(200);
        assert_eq!(page["object"], "list");
        seen.extend(page["data"].as_array().unwrap().iter().map(|product| text(&product["id"])));
        if page["has_more"] == false {
            break;
        }
        after = format!("&starting_after={}", seen.last().unwrap());
    }
    assert_eq!(seen, ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn frontend_configuration_is_public() {
    let app = TestApp::start().await;
    let config = app.get("/v1/config").send().await.ok(200);
    let currencies = config["currencies"].as_array().unwrap();
    assert!(currencies.contains(&json!({"currency": "jpy", "decimals": 0, "step": 1})));
    insta::assert_json_snapshot!("config", config, { ".currencies" => "[currencies]" });
}
