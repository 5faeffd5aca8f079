//! Invalid requests name every wrong field and never cause a 500.

use serde_json::{Value, json};

use crate::app::{TestApp, basket};
use crate::marketplace::path_of;

const PRODUCT: &str = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7";

/// Returns the field errors as sorted `pointer code` texts.
fn errors(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {problem}"));
    let mut found: Vec<_> = errors
        .iter()
        .map(|error| format!("{} {}", error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn order_bodies_with_invalid_fields_are_rejected() {
    let app = TestApp::start().await;
    let item = json!({"product_id": PRODUCT, "quantity": 1});
    let with = |name: &str, value: Value| {
        let mut body = json!({"items": [item]});
        body[name] = value;
        body
    };
    let quantity = |quantity: Value| json!({"items": [{"product_id": PRODUCT, "quantity": quantity}]});
    let address = |address: Value| with("shipping", json!({"name": "Ada", "address": address}));
    let many_keys: Value =
        (0..49).map(|n| (n.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let cases: Vec<(Value, Vec<&str>)> = vec![
        (json!({}), vec!["/items required"]),
        (json!([]), vec![" wrong_type"]),
        (json!("text"), vec![" wrong_type"]),
        (json!({"items": []}), vec!["/items required"]),
        (json!({"items": null}), vec!["/items wrong_type"]),
        (json!({"items": vec![item.clone(); 101]}), vec!["/items too_many"]),
        (json!({"items": [7]}), vec!["/items/0 wrong_type"]),
        (json!({"items": [{}]}), vec!["/items/0/product_id required", "/items/0/quantity required"]),
        (quantity(json!(0)), vec!["/items/0/quantity out_of_range"]),
        (quantity(json!(-1)), vec!["/items/0/quantity out_of_range"]),
        (quantity(json!(10_001)), vec!["/items/0/quantity out_of_range"]),
        (quantity(json!(18_446_744_073_709_551_615_u64)), vec!["/items/0/quantity out_of_range"]),
        (quantity(json!(1.5)), vec!["/items/0/quantity wrong_type"]),
        (quantity(json!("1")), vec!["/items/0/quantity wrong_type"]),
        (quantity(json!(null)), vec!["/items/0/quantity wrong_type"]),
        (json!({"items": [{"product_id": "x", "quantity": 1}]}), vec!["/items/0/product_id invalid"]),
        (
            json!({"items": [{"product_id": PRODUCT, "quantity": 1, "price": 1}], "total": 1, "a/b~c": 2}),
            vec!["/a~1b~0c unknown_field", "/items/0/price unknown_field", "/total unknown_field"],
        ),
        (with("customer", json!("Ada")), vec!["/customer wrong_type"]),
        (with("customer", json!({"email": "ada"})), vec!["/customer/email invalid"]),
        (
            with("customer", json!({"email": format!("a@{}.de", "x".repeat(300))})),
            vec!["/customer/email too_long"],
        ),
        (with("customer", json!({"name": ""})), vec!["/customer/name invalid"]),
        (with("customer", json!({"name": "a\u{0}b"})), vec!["/customer/name invalid"]),
        (with("customer", json!({"name": "x".repeat(201)})), vec!["/customer/name too_long"]),
        (
            with("customer", json!({"email": 1, "name": [], "phone": "1"})),
            vec!["/customer/email wrong_type", "/customer/name wrong_type", "/customer/phone unknown_field"],
        ),
        (with("shipping", json!({})), vec!["/shipping/address required", "/shipping/name required"]),
        (address(json!({})), vec!["/shipping/address/country required", "/shipping/address/line1 required"]),
        (address(json!({"line1": "x", "country": "de"})), vec!["/shipping/address/country invalid"]),
        (address(json!({"line1": "x", "country": "DEU"})), vec!["/shipping/address/country too_long"]),
        (with("metadata", json!({"a": 1})), vec!["/metadata/a wrong_type"]),
        (with("metadata", json!({"": "x"})), vec!["/metadata/ invalid"]),
        (with("metadata", json!({"a[b]": "x"})), vec!["/metadata/a[b] invalid"]),
        (
            with("metadata", json!({"x".repeat(41): "x"})),
            vec!["/metadata/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx invalid"],
        ),
        (with("metadata", json!({"a": "x".repeat(501)})), vec!["/metadata/a too_long"]),
        (with("metadata", json!({"a": "\u{0}"})), vec!["/metadata/a invalid"]),
        (with("metadata", many_keys), vec!["/metadata too_many"]),
    ];
    for (body, expected) in cases {
        let answer = app.post("/v1/orders").json(&body).send().await;
        let problem = answer.problem(422, "invalid_request");
        assert_eq!(errors(&problem), expected, "{body}");
    }
    let problem = app.post("/v1/orders").json(&json!({"items": [{"quantity": 0}], "x": 1})).send().await;
    insta::assert_json_snapshot!("invalid_request", problem.json(), { ".request_id" => "[id]" });
}

#[tokio::test(flavor = "multi_thread")]
async fn product_bodies_with_invalid_fields_are_rejected() {
    let app = TestApp::start().await;
    let id = app.product(100).await;
    let fine = json!({"name": "Ink", "unit_amount": 1, "currency": "eur"});
    let with = |name: &str, value: Value| {
        let mut body = fine.clone();
        body[name] = value;
        body
    };
    for (body, expected) in [
        (json!({}), vec!["/currency required", "/name required", "/unit_amount required"]),
        (with("unit_amount", json!(-1)), vec!["/unit_amount out_of_range"]),
        (with("unit_amount", json!(1_000_000_000_000_i64)), vec!["/unit_amount out_of_range"]),
        (with("unit_amount", json!(9.99)), vec!["/unit_amount wrong_type"]),
        (with("currency", json!("EUR")), vec!["/currency invalid"]),
        (with("currency", json!("xxx")), vec!["/currency invalid"]),
        (with("active", json!("yes")), vec!["/active wrong_type"]),
        (with("name", json!("x".repeat(251))), vec!["/name too_long"]),
        (with("stock", json!(-1)), vec!["/stock out_of_range"]),
        (with("stock", json!(4_294_967_296_i64)), vec!["/stock out_of_range"]),
        (with("stock", json!(1.5)), vec!["/stock wrong_type"]),
        (with("stock", json!("3")), vec!["/stock wrong_type"]),
        (with("held", json!(3)), vec!["/held unknown_field"]),
    ] {
        let answer = app.post("/v1/products").shop().json(&body).send().await;
        assert_eq!(errors(&answer.problem(422, "invalid_request")), expected, "{body}");
    }
    for (body, expected) in [
        (json!({"name": null}), vec!["/name wrong_type"]),
        (json!({"unit_amount": null, "active": null}), vec!["/active wrong_type", "/unit_amount wrong_type"]),
        (json!({"id": "x"}), vec!["/id unknown_field"]),
        (json!({"stock": -1}), vec!["/stock out_of_range"]),
    ] {
        let answer = app.patch(&format!("/v1/products/{id}")).shop().json(&body).send().await;
        assert_eq!(errors(&answer.problem(422, "invalid_request")), expected, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bodies_with_invalid_fields_are_rejected() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    for (method, path, body, expected) in [
        ("POST", format!("{path}/cancel"), json!({"why": "x"}), vec!["/why unknown_field"]),
        ("POST", format!("{path}/payment_intent"), json!({"amount": 1}), vec!["/amount unknown_field"]),
        ("PATCH", path.clone(), json!({"items": []}), vec!["/items not_allowed"]),
        ("PATCH", path.clone(), json!({"shipping": null}), vec!["/shipping wrong_type"]),
        ("PATCH", path.clone(), json!({"customer": null}), vec!["/customer wrong_type"]),
    ] {
        let answer = app.call(method.parse().unwrap(), &path).bearer(&token).json(&body).send().await;
        assert_eq!(errors(&answer.problem(422, "invalid_request")), expected, "{body}");
    }
    let answer = app
        .post(&format!("{path}/payment_intent"))
        .shop()
        .json(&json!({"capture_method": "automatic_async"}))
        .send()
        .await;
    assert_eq!(errors(&answer.problem(422, "invalid_request")), ["/capture_method invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_bodies_with_invalid_fields_are_rejected() {
    let app = TestApp::start().await;
    let seller = path_of(&app.created_seller("merchant-7").await);
    let before = app.sent();
    let create =
        |name: &str, value: Value| ("/v1/sellers".to_owned(), json!({"type": "express", name: value}));
    let begin = |body: Value| ("/v1/sellers/oauth/authorize".to_owned(), body);
    let back = |body: Value| ("/v1/sellers/oauth/callback".to_owned(), body);
    let link = |body: Value| (format!("{seller}/account_link"), body);
    let fine = "https://shop.example/7";
    for ((path, body), expected) in [
        (("/v1/sellers".to_owned(), json!({})), vec!["/type required"]),
        (("/v1/sellers".to_owned(), json!([])), vec![" wrong_type"]),
        (create("type", json!("custom")), vec!["/type invalid"]),
        (create("type", json!(null)), vec!["/type wrong_type"]),
        (create("country", json!("de")), vec!["/country invalid"]),
        (create("country", json!("DEU")), vec!["/country too_long"]),
        (create("email", json!("ada")), vec!["/email invalid"]),
        (create("business_type", json!("sole_trader")), vec!["/business_type invalid"]),
        (create("reference", json!("x".repeat(201))), vec!["/reference too_long"]),
        (create("reference", json!("a\u{0}b")), vec!["/reference invalid"]),
        (create("metadata", json!({"a": 1})), vec!["/metadata/a wrong_type"]),
        (create("charge_type", json!("separate")), vec!["/charge_type invalid"]),
        (create("fee_basis_points", json!(10_001)), vec!["/fee_basis_points out_of_range"]),
        (create("fee_basis_points", json!(-1)), vec!["/fee_basis_points out_of_range"]),
        (create("fee_basis_points", json!(2.5)), vec!["/fee_basis_points wrong_type"]),
        (create("fee_basis_points", json!("250")), vec!["/fee_basis_points wrong_type"]),
        (create("fee_fixed", json!(-1)), vec!["/fee_fixed out_of_range"]),
        (create("fee_minimum", json!(1_000_000_000_000_i64)), vec!["/fee_minimum out_of_range"]),
        (create("account_id", json!("acct_1")), vec!["/account_id unknown_field"]),
        (begin(json!({})), vec!["/binding required"]),
        (begin(json!({"binding": ""})), vec!["/binding invalid"]),
        (begin(json!({"binding": "x".repeat(501)})), vec!["/binding too_long"]),
        (
            begin(json!({"binding": 7, "redirect_uri": "https://evil.example/"})),
            vec!["/binding wrong_type", "/redirect_uri return_origin_not_allowed"],
        ),
        (begin(json!({"binding": "a", "state": "mine"})), vec!["/state unknown_field"]),
        (back(json!({})), vec!["/binding required", "/code required", "/state required"]),
        (
            back(json!({"code": "", "state": 1, "binding": []})),
            vec!["/binding wrong_type", "/code invalid", "/state wrong_type"],
        ),
        (
            back(json!({"code": "x".repeat(1001), "state": "x".repeat(1001), "binding": "a"})),
            vec!["/code too_long", "/state too_long"],
        ),
        (link(json!({})), vec!["/refresh_url required", "/return_url required"]),
        (
            link(json!({"return_url": fine, "refresh_url": "https://shop.example.evil.example/"})),
            vec!["/refresh_url return_origin_not_allowed"],
        ),
        (
            link(json!({"return_url": "/7", "refresh_url": fine, "collect": "everything"})),
            vec!["/collect invalid", "/return_url invalid_return_url"],
        ),
        ((format!("{seller}/refresh"), json!({"now": true})), vec!["/now unknown_field"]),
        ((format!("{seller}/stripe_products"), json!({"product_id": "prod_1"})), vec!["/product_id invalid"]),
    ] {
        let answer = app.post(&path).shop().json(&body).send().await;
        assert_eq!(errors(&answer.problem(422, "invalid_request")), expected, "{path} {body}");
    }
    assert_eq!(app.sent(), before, "the API sends nothing to Stripe");
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_updates_with_invalid_fields_are_rejected() {
    let app = TestApp::start().await;
    let seller = path_of(&app.created_seller("merchant-7").await);
    for (body, expected) in [
        (json!({"charge_type": null}), "/charge_type wrong_type"),
        (json!({"fee_fixed": null}), "/fee_fixed wrong_type"),
        (json!({"fee_minimum": -5}), "/fee_minimum out_of_range"),
        (json!({"metadata": null}), "/metadata wrong_type"),
        (json!({"origin": "oauth"}), "/origin unknown_field"),
    ] {
        let answer = app.patch(&seller).shop().json(&body).send().await;
        assert_eq!(errors(&answer.problem(422, "invalid_request")), [expected], "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_is_rejected_with_its_position() {
    let app = TestApp::start().await;
    for body in ["{", "{\"items\": [}", "{'items': 1}", "nonsense", "{} {}", "\u{feff}{}"] {
        let call = app.post("/v1/orders").header("content-type", "application/json").body(body);
        call.send().await.problem(400, "malformed_json");
    }
    let deep = "[".repeat(20_000);
    let call = app.post("/v1/orders").header("content-type", "application/json").body(deep);
    call.send().await.problem(400, "malformed_json");
    let latin = b"{\"a\": \"\xe9\"}".to_vec();
    let call = app.post("/v1/orders").header("content-type", "application/json").body(latin);
    call.send().await.problem(400, "malformed_json");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let call = app.post("/v1/orders").header("content-type", kind).body("{}");
        call.send().await.problem(415, "unsupported_media_type");
    }
    let body = basket(&app.product(1).await).to_string();
    let call = app.post("/v1/orders").header("content-type", "Application/JSON; charset=utf-8").body(body);
    call.send().await.ok(201);
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(64 * 1024));
    let call = app.post("/v1/orders").header("content-type", "application/json").body(large);
    call.send().await.problem(413, "body_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_query_parameters_are_rejected() {
    let app = TestApp::start().await;
    let (order_id, _) = app.order().await;
    let payment = format!("/v1/orders/{order_id}/payment");
    for (path, expected) in [
        ("/v1/products?limit=0".to_owned(), vec!["/limit out_of_range"]),
        ("/v1/products?limit=101".to_owned(), vec!["/limit out_of_range"]),
        ("/v1/products?limit=ten&page=2".to_owned(), vec!["/limit wrong_type", "/page unknown_field"]),
        ("/v1/products?limit=1&limit=2".to_owned(), vec!["/limit invalid"]),
        ("/v1/products?starting_after=ord_1".to_owned(), vec!["/starting_after invalid"]),
        (
            "/v1/orders?status=sold&created_after=yesterday&customer_email=%00".to_owned(),
            vec!["/created_after invalid", "/customer_email invalid", "/status invalid"],
        ),
        ("/v1/sellers?ready=1&limit=0".to_owned(), vec!["/limit out_of_range", "/ready wrong_type"]),
        (
            "/v1/sellers?account_id=ada&reference=".to_owned(),
            vec!["/account_id invalid", "/reference invalid"],
        ),
        ("/v1/sellers?starting_after=acct_1".to_owned(), vec!["/starting_after invalid"]),
        (format!("{payment}?wait=31"), vec!["/wait out_of_range"]),
        (format!("{payment}?wait=-1&after=x"), vec!["/after wrong_type", "/wait wrong_type"]),
        (format!("{payment}?wait=99999999999999999999"), vec!["/wait out_of_range"]),
    ] {
        let answer = app.get(&path).shop().send().await;
        assert_eq!(errors(&answer.problem(422, "invalid_parameter")), expected, "{path}");
    }
}

/// The document and the readers name the same fields.
#[tokio::test(flavor = "multi_thread")]
async fn document_and_reader_name_the_same_fields() {
    let app = TestApp::start().await;
    let (order_id, _) = app.order().await;
    let product = app.product(1).await;
    let seller = path_of(&app.created_seller("merchant-7").await);
    let document: Value = serde_json::from_str(&quittance_api::openapi_json()).unwrap();
    for (method, path, schema) in [
        ("POST", "/v1/products".to_owned(), "ProductCreate"),
        ("PATCH", format!("/v1/products/{product}"), "ProductUpdate"),
        ("POST", "/v1/orders".to_owned(), "OrderCreate"),
        ("PATCH", format!("/v1/orders/{order_id}"), "OrderUpdate"),
        ("POST", format!("/v1/orders/{order_id}/payment_intent"), "PaymentIntentCreate"),
        ("POST", format!("/v1/orders/{order_id}/checkout_session"), "CheckoutSessionCreate"),
        ("POST", format!("/v1/orders/{order_id}/capture"), "Capture"),
        ("POST", format!("/v1/orders/{order_id}/refunds"), "RefundCreate"),
        ("POST", "/v1/sellers".to_owned(), "SellerCreate"),
        ("PATCH", seller.clone(), "SellerUpdate"),
        ("POST", "/v1/sellers/oauth/authorize".to_owned(), "OAuthAuthorize"),
        ("POST", "/v1/sellers/oauth/callback".to_owned(), "OAuthCallback"),
        ("POST", format!("{seller}/account_link"), "AccountLinkCreate"),
        ("POST", format!("{seller}/stripe_products"), "StripeProductCreate"),
    ] {
        let schema = &document["components"]["schemas"][schema];
        let fields: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let body: Value =
            fields.iter().map(|name| (name.clone(), json!([[]]))).collect::<serde_json::Map<_, _>>().into();
        let answer = app.call(method.parse().unwrap(), &path).shop().json(&body).send().await;
        let found = errors(&answer.problem(422, "invalid_request"));
        for name in &fields {
            let is_read =
                |error: &String| error.starts_with(&format!("/{name}")) && !error.ends_with("unknown_field");
            assert!(found.iter().any(is_read), "{path} {name}: {found:?}");
        }
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().cloned().collect();
        let answer = app.call(method.parse().unwrap(), &path).shop().json(&json!({"no": 1})).send().await;
        let missing = errors(&answer.problem(422, "invalid_request"));
        for name in required {
            assert!(
                missing.contains(&format!("/{} required", name.as_str().unwrap())),
                "{path}: {missing:?}"
            );
        }
    }
}
