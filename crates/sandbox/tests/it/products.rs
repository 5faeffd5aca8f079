//! Tests of products and their prices.

use serde_json::{Value, json};
use stripe_shared::{DeletedProduct, Price, Product};

use crate::objects::parse;
use crate::support::{Api, TestSandbox, assert_fields, config, id};

const PRICE: [(&str, &str); 2] =
    [("default_price_data[currency]", "EUR"), ("default_price_data[unit_amount]", "1999")];

fn path(object: &Value) -> String {
    format!("/v1/{}s/{}", object["object"].as_str().unwrap(), id(object))
}

/// Creates a product called Mug, with additional parameters.
async fn create_mug(api: &Api, params: &[(&str, &str)]) -> Value {
    let mut all = vec![("name", "Mug")];
    all.extend_from_slice(params);
    let product = api.post("/v1/products", &all).await.ok();
    parse::<Product>(&product);
    product
}

/// Reads a product's default price.
async fn default_price(api: &Api, product: &Value) -> Value {
    api.get(&path(product), &[("expand[]", "default_price")]).await.ok()["default_price"].clone()
}

async fn list_ids(api: &Api, path: &str, params: &[(&str, &str)]) -> Vec<String> {
    let list = api.get(path, params).await.ok();
    list["data"].as_array().unwrap().iter().map(|object| id(object).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn created_product_returns_its_details() {
    let sandbox = TestSandbox::start(config());

    let params = [
        ("description", "Holds coffee"),
        ("images[]", "https://shop.example/mug.png"),
        ("marketing_features[0][name]", "Dishwasher-safe"),
        ("metadata[sku]", "mug"),
        ("shippable", "true"),
        ("statement_descriptor", "MUGS"),
        ("tax_code", "txcd_99999999"),
        ("unit_label", "mug"),
        ("url", "https://shop.example/mug"),
    ];
    let product = create_mug(&sandbox.api, &params).await;

    assert_fields(
        &product,
        &json!({
            "active": true,
            "description": "Holds coffee",
            "images": ["https://shop.example/mug.png"],
            "marketing_features": [{ "name": "Dishwasher-safe" }],
            "metadata": { "sku": "mug" },
            "shippable": true,
            "tax_code": "txcd_99999999",
            "unit_label": "mug",
        }),
    );
    assert_eq!(sandbox.api.get(&path(&product), &[]).await.ok(), product);
}

#[tokio::test(flavor = "multi_thread")]
async fn product_without_details_is_service_without_price() {
    let sandbox = TestSandbox::start(config());

    let product = create_mug(&sandbox.api, &[]).await;

    assert_fields(&product, &json!({ "default_price": null, "type": "service" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn product_can_be_created_with_default_price() {
    let sandbox = TestSandbox::start(config());
    let details =
        [("default_price_data[metadata][a]", "b"), ("default_price_data[tax_behavior]", "inclusive")];

    let product = create_mug(&sandbox.api, &[PRICE, details].concat()).await;

    let price = default_price(&sandbox.api, &product).await;
    parse::<Price>(&price);
    assert_fields(
        &price,
        &json!({
            "currency": "eur",
            "unit_amount": 1999,
            "type": "one_time",
            "recurring": null,
            "tax_behavior": "inclusive",
            "metadata": { "a": "b" },
            "active": true,
            "product": product["id"],
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn price_expands_its_product() {
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api, &PRICE).await;
    let price = default_price(&sandbox.api, &product).await;

    let read = sandbox.api.get(&path(&price), &[("expand[]", "product")]).await.ok();

    assert_eq!(read["product"], product);
}

#[tokio::test(flavor = "multi_thread")]
async fn product_of_account_is_invisible_to_platform_and_other_accounts() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_1").await;
    let product = create_mug(&seller, &PRICE).await;
    let price = default_price(&seller, &product).await;
    let other = sandbox.api.create_seller("acct_2").await;
    for api in [&sandbox.api, &other] {
        for object in [&product, &price] {
            assert_eq!(api.get(&path(object), &[]).await.error(404)["code"], "resource_missing");
        }
        api.post(&path(&product), &[("name", "Cup")]).await.error(404);
        api.delete(&path(&product)).await.error(404);
        for list in ["/v1/products", "/v1/prices", "/v1/events"] {
            assert!(api.list(list).await.is_empty(), "{list}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn product_with_price_sends_two_events() {
    let sandbox = TestSandbox::start(config());

    create_mug(&sandbox.api, &PRICE).await;

    assert_eq!(sandbox.api.event_types().await, ["product.created", "price.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_creation_with_one_key_creates_one_product() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k");
    let product = create_mug(&api, &PRICE).await;

    let repeated = create_mug(&api, &PRICE).await;

    assert_eq!(repeated, product);
    sandbox.api.single("/v1/products").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn updated_product_changes_and_clears_details() {
    let sandbox = TestSandbox::start(config());
    let params = [("description", "Old"), ("images[]", "https://a.example/b.png"), ("metadata[a]", "b")];
    let product = create_mug(&sandbox.api, &params).await;
    sandbox.api.advance(10).await;

    let params = [
        ("active", "false"),
        ("description", ""),
        ("images", ""),
        ("marketing_features[0][name]", "New"),
        ("metadata[a]", ""),
        ("name", "Cup"),
    ];
    let updated = sandbox.api.post(&path(&product), &params).await.ok();

    parse::<Product>(&updated);
    assert_fields(
        &updated,
        &json!({
            "active": false,
            "name": "Cup",
            "description": null,
            "images": [],
            "metadata": {},
            "marketing_features": [{ "name": "New" }],
            "created": product["created"],
            "updated": product["updated"].as_i64().unwrap() + 10,
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn marketing_features_can_be_cleared() {
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api, &[("marketing_features[0][name]", "New")]).await;

    let updated = sandbox.api.post(&path(&product), &[("marketing_features", "")]).await.ok();

    assert_eq!(updated["marketing_features"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_product_is_not_found() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let product = create_mug(api, &[]).await;

    let deleted = api.delete(&path(&product)).await.ok();

    parse::<DeletedProduct>(&deleted);
    assert_eq!(deleted, json!({ "id": product["id"], "object": "product", "deleted": true }));
    for response in [
        api.get(&path(&product), &[]).await,
        api.post(&path(&product), &[]).await,
        api.delete(&path(&product)).await,
    ] {
        assert_eq!(response.error(404)["code"], "resource_missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn product_update_and_deletion_send_events() {
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api, &[]).await;

    sandbox.api.post(&path(&product), &[("name", "Cup")]).await.ok();
    sandbox.api.delete(&path(&product)).await.ok();

    assert_eq!(sandbox.api.event_types().await, ["product.created", "product.updated", "product.deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn product_with_price_can_be_archived_but_not_deleted() {
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api, &PRICE).await;

    let error = sandbox.api.delete(&path(&product)).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("one or more user-created prices"), "{error}");
    let archived = sandbox.api.post(&path(&product), &[("active", "false")]).await.ok();
    assert_eq!(archived["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn product_without_default_price_but_with_price_cannot_be_deleted() {
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api, &PRICE).await;

    let updated = sandbox.api.post(&path(&product), &[("default_price", "")]).await.ok();

    assert_eq!(updated["default_price"], Value::Null);
    sandbox.api.delete(&path(&product)).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn default_price_of_other_product_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let (product, other) = (create_mug(&sandbox.api, &[]).await, create_mug(&sandbox.api, &PRICE).await);

    let params = [("default_price", other["default_price"].as_str().unwrap())];
    let error = sandbox.api.post(&path(&product), &params).await.error(400);

    assert_eq!(error["param"], "default_price");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_default_price_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api, &[]).await;

    let error = sandbox.api.post(&path(&product), &[("default_price", "price_x")]).await.error(400);

    assert_eq!(error["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn inactive_default_price_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api, &[]).await;
    let params = [("product", id(&product)), ("currency", "eur"), ("unit_amount", "1"), ("active", "false")];
    let price = sandbox.api.post("/v1/prices", &params).await.ok();

    let error = sandbox.api.post(&path(&product), &[("default_price", id(&price))]).await.error(400);

    assert_eq!(error["param"], "default_price");
}

/// Creates an inactive price of zero for a product.
async fn create_free_price(api: &Api, product: &Value) -> Value {
    let params = [
        ("product", id(product)),
        ("currency", "usd"),
        ("unit_amount", "0"),
        ("nickname", "Free"),
        ("billing_scheme", "per_unit"),
        ("active", "false"),
    ];
    api.post("/v1/prices", &params).await.ok()
}

/// Creates a price with a new product.
async fn create_spoon_price(api: &Api) -> Value {
    let params = [("product_data[name]", "Spoon"), ("currency", "eur"), ("unit_amount", "500")];
    api.post("/v1/prices", &params).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn price_can_be_created_for_existing_product() {
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api, &[]).await;

    let price = create_free_price(&sandbox.api, &product).await;

    parse::<Price>(&price);
    assert_fields(&price, &json!({ "nickname": "Free", "active": false, "unit_amount_decimal": "0" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn price_can_be_created_with_new_product() {
    let sandbox = TestSandbox::start(config());

    let price = create_spoon_price(&sandbox.api).await;

    let product = sandbox.api.single("/v1/products").await;
    assert_fields(&product, &json!({ "id": price["product"], "name": "Spoon", "default_price": null }));
    assert_eq!(sandbox.api.event_types().await, ["product.created", "price.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn price_list_can_be_filtered() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mug = create_mug(api, &[]).await;
    let (free, spoon) = (create_free_price(api, &mug).await, create_spoon_price(api).await);
    let (free, spoon) = (id(&free), id(&spoon));
    for (params, expected) in [
        (&[][..], vec![spoon, free]),
        (&[("product", id(&mug))], vec![free]),
        (&[("active", "true")], vec![spoon]),
        (&[("active", "false")], vec![free]),
        (&[("currency", "EUR")], vec![spoon]),
        (&[("type", "one_time")], vec![spoon, free]),
        (&[("type", "recurring")], vec![]),
        (&[("limit", "1"), ("starting_after", spoon)], vec![free]),
        (&[("created[gt]", "9999999999")], vec![]),
    ] {
        assert_eq!(list_ids(api, "/v1/prices", params).await, expected, "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_price_is_not_found() {
    let sandbox = TestSandbox::start(config());

    assert_eq!(sandbox.api.get("/v1/prices/price_x", &[]).await.error(404)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn product_list_can_be_filtered() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let old = create_mug(api, &[("active", "false"), ("url", "https://a.example/")]).await;
    api.advance(100).await;
    let new = create_mug(api, &[("shippable", "true"), ("type", "good")]).await;
    let now = api.get("/_sandbox/clock", &[]).await.ok()["now"].to_string();
    let (old, new) = (id(&old), id(&new));
    for (params, expected) in [
        (&[][..], vec![new, old]),
        (&[("active", "true")], vec![new]),
        (&[("active", "false")], vec![old]),
        (&[("ids[]", old)], vec![old]),
        (&[("ids[]", old), ("ids[]", new), ("ids[]", "prod_x")], vec![new, old]),
        (&[("ids[]", "prod_x")], vec![]),
        (&[("shippable", "true")], vec![new]),
        (&[("type", "good")], vec![new]),
        (&[("url", "https://a.example/")], vec![old]),
        (&[("created[lt]", &now)], vec![old]),
        (&[("limit", "1"), ("starting_after", new)], vec![old]),
        (&[("limit", "1"), ("ending_before", old)], vec![new]),
    ] {
        assert_eq!(list_ids(api, "/v1/products", params).await, expected, "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn product_list_with_ids_and_page_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let params = [("ids[]", "prod_x"), ("starting_after", "prod_y")];

    assert_eq!(sandbox.api.get("/v1/products", &params).await.error(400)["param"], "ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn product_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let images: Vec<String> = (0..9).map(|index| format!("images[{index}]")).collect();
    let images: Vec<(&str, &str)> =
        images.iter().map(|name| (name.as_str(), "https://a.example/b.png")).collect();
    let too_long = "x".repeat(81);
    for (params, code, param) in [
        (&[("name", "")][..], Some("parameter_invalid_empty"), "name"),
        (&[("color", "red")], Some("parameter_unknown"), "color"),
        (&[("id", "mug")], Some("parameter_unknown"), "id"),
        (&[("package_dimensions[height]", "1")], Some("parameter_unknown"), "package_dimensions"),
        (&[("active", "yes")], None, "active"),
        (&images, None, "images"),
        (&[("images[]", "mug")], Some("url_invalid"), "images"),
        (&[("url", "javascript:alert(1)")], Some("url_invalid"), "url"),
        (&[("marketing_features[0][name]", &too_long)], None, "marketing_features[0][name]"),
        (&[("marketing_features[0][color]", "x")], Some("parameter_missing"), "marketing_features[0][name]"),
        (&[("statement_descriptor", "<mug>")], None, "statement_descriptor"),
        (&[("statement_descriptor", "12345")], None, "statement_descriptor"),
        (&[("tax_code", "books")], Some("resource_missing"), "tax_code"),
        (&[("type", "toy")], None, "type"),
    ] {
        let mut all = vec![("name", "Mug")];
        all.extend_from_slice(params);

        let error = sandbox.api.post("/v1/products", &all).await.error(400);

        assert_eq!((error["code"].as_str(), error["param"].as_str()), (code, Some(param)), "{error}");
    }
    assert!(sandbox.api.list("/v1/products").await.is_empty());
    assert!(sandbox.api.event_types().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn product_with_invalid_default_price_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for (params, code, param) in [
        (&[PRICE[0]][..], "parameter_missing", "default_price_data[unit_amount]"),
        (&[PRICE[1]], "parameter_missing", "default_price_data[currency]"),
        (
            &[PRICE[0], ("default_price_data[unit_amount]", "-1")],
            "parameter_invalid_integer",
            "default_price_data[unit_amount]",
        ),
        (
            &[PRICE[0], PRICE[1], ("default_price_data[recurring][interval]", "month")],
            "parameter_unknown",
            "default_price_data[recurring]",
        ),
        (
            &[PRICE[0], PRICE[1], ("default_price_data[active]", "true")],
            "parameter_unknown",
            "default_price_data[active]",
        ),
    ] {
        let mut all = vec![("name", "Mug")];
        all.extend_from_slice(params);

        let error = sandbox.api.post("/v1/products", &all).await.error(400);

        assert_fields(&error, &json!({ "code": code, "param": param }));
    }
    assert!(sandbox.api.list("/v1/products").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn product_without_name_is_rejected() {
    let sandbox = TestSandbox::start(config());

    assert_eq!(sandbox.api.post("/v1/products", &[]).await.error(400)["param"], "name");
}

#[tokio::test(flavor = "multi_thread")]
async fn product_type_cannot_be_updated() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.post("/v1/products/prod_x", &[("type", "good")]).await.error(400);

    assert_eq!(error["code"], "parameter_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn products_require_a_secret_key() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.publishable().get("/v1/products", &[]).await.error(401);

    assert_eq!(error["code"], "secret_key_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn price_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let mug = create_mug(&sandbox.api, &[]).await;
    let product = ("product", id(&mug));
    for (params, code, param) in [
        (&[][..], Some("parameter_missing"), "product"),
        (&[("product", "prod_x")], Some("resource_missing"), "product"),
        (&[product, ("product_data[name]", "Cup")], None, "product_data"),
        (&[("product_data[active]", "true")], Some("parameter_missing"), "product_data[name]"),
        (
            &[("product_data[name]", "Cup"), ("product_data[url]", "https://a.example")],
            Some("parameter_unknown"),
            "product_data[url]",
        ),
        (&[product, ("recurring[interval]", "month")], Some("parameter_unknown"), "recurring"),
        (&[product, ("billing_scheme", "tiered")], None, "billing_scheme"),
        (&[product, ("lookup_key", "mug")], Some("parameter_unknown"), "lookup_key"),
        (&[product, ("color", "red")], Some("parameter_unknown"), "color"),
    ] {
        let mut all = vec![("currency", "eur"), ("unit_amount", "1")];
        all.extend_from_slice(params);

        let error = sandbox.api.post("/v1/prices", &all).await.error(400);

        assert_eq!((error["code"].as_str(), error["param"].as_str()), (code, Some(param)), "{error}");
    }
    assert!(sandbox.api.list("/v1/prices").await.is_empty());
    assert_eq!(sandbox.api.single("/v1/products").await, mug, "a rejected price creates no product");
}

#[tokio::test(flavor = "multi_thread")]
async fn recurring_price_names_the_unsupported_parameter() {
    let sandbox = TestSandbox::start(config());
    let mug = create_mug(&sandbox.api, &[]).await;

    let params =
        [("currency", "eur"), ("unit_amount", "1"), ("product", id(&mug)), ("recurring[interval]", "month")];
    let error = sandbox.api.post("/v1/prices", &params).await.error(400);

    let message = error["message"].as_str().unwrap();
    assert!(message.contains("The sandbox does not support the parameter recurring"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn products_and_prices_survive_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        || quittance_sandbox::Config { state_file: Some(folder.path().join("state.db")), ..config() };
    let sandbox = TestSandbox::start(config());
    let product = create_mug(&sandbox.api.create_seller("acct_1").await, &PRICE).await;
    sandbox.stop().await;

    let sandbox = TestSandbox::start(config());

    let seller = sandbox.api.with("stripe-account", "acct_1");
    assert_eq!(seller.get(&path(&product), &[]).await.ok(), product);
    assert_eq!(seller.single("/v1/prices").await["id"], product["default_price"]);
}
