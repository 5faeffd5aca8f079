//! Products and their prices.

use serde_json::{Value, json};
use stripe_shared::{DeletedProduct, Price, Product};

use crate::objects::parse;
use crate::support::{Api, TestSandbox, config};

fn path(object: &Value) -> String {
    format!("/v1/{}s/{}", object["object"].as_str().unwrap(), object["id"].as_str().unwrap())
}

async fn mug(api: &Api, params: &[(&str, &str)]) -> Value {
    let mut all = vec![("name", "Mug")];
    all.extend_from_slice(params);
    let product = api.post("/v1/products", &all).await.ok();
    parse::<Product>(&product);
    product
}

async fn ids(api: &Api, list: &str, params: &[(&str, &str)]) -> Vec<Value> {
    let list = api.get(list, params).await.ok();
    list["data"].as_array().unwrap().iter().map(|object| object["id"].clone()).collect()
}

const PRICE: [(&str, &str); 2] =
    [("default_price_data[currency]", "EUR"), ("default_price_data[unit_amount]", "1999")];

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_makes_a_product_on_an_account() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let seller = api.create_seller("acct_1").await;
    let rich = [
        PRICE[0],
        PRICE[1],
        ("default_price_data[metadata][a]", "b"),
        ("default_price_data[tax_behavior]", "inclusive"),
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
    let made = mug(&seller, &rich).await;
    assert_eq!((&made["active"], &made["description"]), (&true.into(), &"Holds coffee".into()));
    assert_eq!(made["images"], json!(["https://shop.example/mug.png"]));
    assert_eq!(made["marketing_features"], json!([{ "name": "Dishwasher-safe" }]));
    assert_eq!((&made["metadata"]["sku"], &made["shippable"]), (&"mug".into(), &true.into()));
    assert_eq!((&made["tax_code"], &made["unit_label"]), (&"txcd_99999999".into(), &"mug".into()));
    assert_eq!(seller.get(&path(&made), &[]).await.ok(), made);
    let price =
        seller.get(&path(&made), &[("expand[]", "default_price")]).await.ok()["default_price"].clone();
    parse::<Price>(&price);
    assert_eq!((&price["currency"], &price["unit_amount"]), (&"eur".into(), &1999.into()));
    assert_eq!((&price["type"], &price["recurring"]), (&"one_time".into(), &Value::Null));
    assert_eq!((&price["tax_behavior"], &price["metadata"]["a"]), (&"inclusive".into(), &"b".into()));
    assert_eq!((&price["active"], &price["product"]), (&true.into(), &made["id"]));
    let product = seller.get(&path(&price), &[("expand[]", "product")]).await.ok()["product"].clone();
    assert_eq!(product, made);
    // What is the account's is nobody else's.
    let neighbour = api.create_seller("acct_2").await;
    for stranger in [api, &neighbour] {
        for object in [&made, &price] {
            assert_eq!(stranger.get(&path(object), &[]).await.error(404)["code"], "resource_missing");
        }
        stranger.post(&path(&made), &[("name", "Cup")]).await.error(404);
        stranger.delete(&path(&made)).await.error(404);
        assert!(ids(stranger, "/v1/products", &[]).await.is_empty());
        assert!(ids(stranger, "/v1/prices", &[]).await.is_empty());
        assert!(stranger.event_types().await.is_empty());
    }
    assert_eq!(seller.event_types().await, ["product.created", "price.created"]);
    let once = seller.with("idempotency-key", "k");
    let first = mug(&once, &PRICE).await;
    assert_eq!(mug(&once, &PRICE).await, first, "a key makes one product");
    assert_eq!(ids(&seller, "/v1/products", &[]).await, [first["id"].clone(), made["id"].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn products_change_and_go() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let made =
        mug(api, &[("description", "Old"), ("images[]", "https://a.example/b.png"), ("metadata[a]", "b")])
            .await;
    assert_eq!((&made["default_price"], &made["type"]), (&Value::Null, &"service".into()));
    api.advance(10).await;
    let change = [
        ("active", "false"),
        ("description", ""),
        ("images", ""),
        ("marketing_features[0][name]", "New"),
        ("metadata[a]", ""),
        ("name", "Cup"),
    ];
    let changed = api.post(&path(&made), &change).await.ok();
    parse::<Product>(&changed);
    assert_eq!((&changed["active"], &changed["name"]), (&false.into(), &"Cup".into()));
    assert_eq!((&changed["description"], &changed["images"]), (&Value::Null, &json!([])));
    assert_eq!((&changed["metadata"], &changed["created"]), (&json!({}), &made["created"]));
    assert_eq!(changed["updated"], made["updated"].as_i64().unwrap() + 10);
    let bare = api.post(&path(&made), &[("marketing_features", "")]).await.ok();
    assert_eq!(bare["marketing_features"], json!([]));
    let gone = api.delete(&path(&made)).await.ok();
    parse::<DeletedProduct>(&gone);
    assert_eq!(gone, json!({ "id": made["id"], "object": "product", "deleted": true }));
    for answer in
        [api.get(&path(&made), &[]).await, api.post(&path(&made), &[]).await, api.delete(&path(&made)).await]
    {
        assert_eq!(answer.error(404)["code"], "resource_missing");
    }
    assert_eq!(
        api.event_types().await,
        ["product.created", "product.updated", "product.updated", "product.deleted"]
    );
    // A product with a price can only be archived.
    let priced = mug(api, &PRICE).await;
    let error = api.delete(&path(&priced)).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("one or more user-created prices"));
    assert_eq!(api.post(&path(&priced), &[("active", "false")]).await.ok()["active"], false);
    let unset = api.post(&path(&priced), &[("default_price", "")]).await.ok();
    assert_eq!(unset["default_price"], Value::Null);
    api.delete(&path(&priced)).await.error(400);
    let other = mug(api, &PRICE).await;
    let wrong = [("default_price", other["default_price"].as_str().unwrap())];
    assert_eq!(api.post(&path(&priced), &wrong).await.error(400)["param"], "default_price");
    let missing = api.post(&path(&priced), &[("default_price", "price_x")]).await.error(400);
    assert_eq!(missing["code"], "resource_missing");
    let idle = [
        ("product", priced["id"].as_str().unwrap()),
        ("currency", "eur"),
        ("unit_amount", "1"),
        ("active", "false"),
    ];
    let idle = api.post("/v1/prices", &idle).await.ok();
    let idle = [("default_price", idle["id"].as_str().unwrap())];
    assert_eq!(api.post(&path(&priced), &idle).await.error(400)["param"], "default_price");
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_made_alone_or_with_their_product() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let made = mug(api, &[]).await;
    let product = made["id"].as_str().unwrap();
    let params = [
        ("product", product),
        ("currency", "usd"),
        ("unit_amount", "0"),
        ("nickname", "Free"),
        ("billing_scheme", "per_unit"),
        ("active", "false"),
    ];
    let free = api.post("/v1/prices", &params).await.ok();
    parse::<Price>(&free);
    assert_eq!((&free["nickname"], &free["active"]), (&"Free".into(), &false.into()));
    assert_eq!(free["unit_amount_decimal"], "0");
    let params = [("product_data[name]", "Spoon"), ("currency", "eur"), ("unit_amount", "500")];
    let spoon = api.post("/v1/prices", &params).await.ok();
    let its = api.get(&format!("/v1/products/{}", spoon["product"].as_str().unwrap()), &[]).await.ok();
    assert_eq!((&its["name"], &its["default_price"]), (&"Spoon".into(), &Value::Null));
    let (free, spoon) = (free["id"].clone(), spoon["id"].clone());
    for (params, expected) in [
        (&[][..], vec![&spoon, &free]),
        (&[("product", product)], vec![&free]),
        (&[("active", "true")], vec![&spoon]),
        (&[("active", "false")], vec![&free]),
        (&[("currency", "EUR")], vec![&spoon]),
        (&[("type", "one_time")], vec![&spoon, &free]),
        (&[("type", "recurring")], vec![]),
        (&[("limit", "1"), ("starting_after", spoon.as_str().unwrap())], vec![&free]),
        (&[("created[gt]", "9999999999")], vec![]),
    ] {
        assert_eq!(ids(api, "/v1/prices", params).await.iter().collect::<Vec<_>>(), expected, "{params:?}");
    }
    assert_eq!(
        api.event_types().await,
        ["product.created", "price.created", "product.created", "price.created"]
    );
    assert_eq!(api.get("/v1/prices/price_x", &[]).await.error(404)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_listed() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let first = mug(api, &[("active", "false"), ("url", "https://a.example/")]).await["id"].clone();
    api.advance(100).await;
    let second = mug(api, &[("shippable", "true"), ("type", "good")]).await["id"].clone();
    let since = api.get("/_sandbox/clock", &[]).await.ok()["now"].to_string();
    let (one, two) = (first.as_str().unwrap(), second.as_str().unwrap());
    for (params, expected) in [
        (&[][..], vec![&second, &first]),
        (&[("active", "true")], vec![&second]),
        (&[("active", "false")], vec![&first]),
        (&[("ids[]", one)], vec![&first]),
        (&[("ids[]", one), ("ids[]", two), ("ids[]", "prod_x")], vec![&second, &first]),
        (&[("ids[]", "prod_x")], vec![]),
        (&[("shippable", "true")], vec![&second]),
        (&[("type", "good")], vec![&second]),
        (&[("url", "https://a.example/")], vec![&first]),
        (&[("created[lt]", &since)], vec![&first]),
        (&[("limit", "1"), ("starting_after", two)], vec![&first]),
        (&[("limit", "1"), ("ending_before", one)], vec![&second]),
    ] {
        assert_eq!(ids(api, "/v1/products", params).await.iter().collect::<Vec<_>>(), expected, "{params:?}");
    }
    let both = [("ids[]", one), ("starting_after", two)];
    assert_eq!(api.get("/v1/products", &both).await.error(400)["param"], "ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_products_are_named() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let nine = "https://a.example/b.png";
    let images: Vec<String> = (0..9).map(|index| format!("images[{index}]")).collect();
    let images: Vec<(&str, &str)> = images.iter().map(|name| (name.as_str(), nine)).collect();
    let long = "x".repeat(81);
    for (params, code, param) in [
        (&[("name", "")][..], Some("parameter_invalid_empty"), "name"),
        (&[("colour", "red")], Some("parameter_unknown"), "colour"),
        (&[("id", "mug")], Some("parameter_unknown"), "id"),
        (&[("package_dimensions[height]", "1")], Some("parameter_unknown"), "package_dimensions"),
        (&[("active", "yes")], None, "active"),
        (&images, None, "images"),
        (&[("images[]", "mug")], Some("url_invalid"), "images"),
        (&[("url", "javascript:alert(1)")], Some("url_invalid"), "url"),
        (&[("marketing_features[0][name]", &long)], None, "marketing_features[0][name]"),
        (&[("marketing_features[0][colour]", "x")], Some("parameter_missing"), "marketing_features[0][name]"),
        (&[("statement_descriptor", "<mug>")], None, "statement_descriptor"),
        (&[("statement_descriptor", "12345")], None, "statement_descriptor"),
        (&[("tax_code", "books")], Some("resource_missing"), "tax_code"),
        (&[("type", "toy")], None, "type"),
        (&[PRICE[0]], Some("parameter_missing"), "default_price_data[unit_amount]"),
        (&[PRICE[1]], Some("parameter_missing"), "default_price_data[currency]"),
        (
            &[PRICE[0], ("default_price_data[unit_amount]", "-1")],
            Some("parameter_invalid_integer"),
            "default_price_data[unit_amount]",
        ),
        (
            &[PRICE[0], PRICE[1], ("default_price_data[recurring][interval]", "month")],
            Some("parameter_unknown"),
            "default_price_data[recurring]",
        ),
        (
            &[PRICE[0], PRICE[1], ("default_price_data[active]", "true")],
            Some("parameter_unknown"),
            "default_price_data[active]",
        ),
    ] {
        let mut all = vec![("name", "Mug")];
        all.extend_from_slice(params);
        let error = api.post("/v1/products", &all).await.error(400);
        assert_eq!((error["code"].as_str(), error["param"].as_str()), (code, Some(param)), "{error}");
    }
    assert_eq!(api.post("/v1/products", &[]).await.error(400)["param"], "name");
    assert_eq!(
        api.post("/v1/products/prod_x", &[("type", "good")]).await.error(400)["code"],
        "parameter_unknown"
    );
    assert!(ids(api, "/v1/products", &[]).await.is_empty() && api.event_types().await.is_empty());
    let browser = api.publishable();
    assert_eq!(browser.get("/v1/products", &[]).await.error(401)["code"], "secret_key_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_prices_are_named() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let known = mug(api, &[]).await;
    let known = ("product", known["id"].as_str().unwrap());
    let money = [("currency", "eur"), ("unit_amount", "1")];
    for (params, code, param) in [
        (&[][..], Some("parameter_missing"), "product"),
        (&[("product", "prod_x")], Some("resource_missing"), "product"),
        (&[known, ("product_data[name]", "Cup")], None, "product_data"),
        (&[("product_data[active]", "true")], Some("parameter_missing"), "product_data[name]"),
        (
            &[("product_data[name]", "Cup"), ("product_data[url]", "https://a.example")],
            Some("parameter_unknown"),
            "product_data[url]",
        ),
        (&[known, ("recurring[interval]", "month")], Some("parameter_unknown"), "recurring"),
        (&[known, ("billing_scheme", "tiered")], None, "billing_scheme"),
        (&[known, ("lookup_key", "mug")], Some("parameter_unknown"), "lookup_key"),
        (&[known, ("colour", "red")], Some("parameter_unknown"), "colour"),
    ] {
        let mut all = money.to_vec();
        all.extend_from_slice(params);
        let error = api.post("/v1/prices", &all).await.error(400);
        assert_eq!((error["code"].as_str(), error["param"].as_str()), (code, Some(param)), "{error}");
    }
    let recurring = [money[0], money[1], known, ("recurring[interval]", "month")];
    let error = api.post("/v1/prices", &recurring).await.error(400);
    assert!(
        error["message"].as_str().unwrap().contains("The sandbox does not support the parameter recurring")
    );
    assert!(ids(api, "/v1/prices", &[]).await.is_empty());
    assert_eq!(ids(api, "/v1/products", &[]).await.len(), 1, "a refused price brings no product along");
}

#[tokio::test(flavor = "multi_thread")]
async fn products_and_prices_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        || quittance_sandbox::Config { state_file: Some(folder.path().join("state.db")), ..config() };
    let sandbox = TestSandbox::start(config());
    let made = mug(&sandbox.api.create_seller("acct_1").await, &PRICE).await;
    sandbox.stop().await;
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.with("stripe-account", "acct_1");
    assert_eq!(seller.get(&path(&made), &[]).await.ok(), made);
    assert_eq!(ids(&seller, "/v1/prices", &[]).await, [made["default_price"].clone()]);
}
