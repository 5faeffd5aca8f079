//! Orders: place, read, list, update, cancel.

use serde_json::json;

use crate::app::{Setup, TestApp, basket, text};

#[tokio::test(flavor = "multi_thread")]
async fn order_is_priced_from_the_catalog() {
    let app = TestApp::start().await;
    let product = app.product(2499).await;
    let body = json!({
        "items": [{"product_id": product, "quantity": 2}, {"product_id": product, "quantity": 1}],
        "customer": {"email": "ada@example.com", "name": "Ada Lovelace"},
        "shipping": {"name": "Ada Lovelace", "address": {"line1": "12 St James's Square", "country": "GB"}},
        "metadata": {"cart": "7"}
    });
    let placed = app.post("/v1/orders").json(&body).send().await;
    let location = placed.header("location").unwrap().to_owned();
    let order = placed.ok(201);
    insta::assert_json_snapshot!("placed_order", order, {
        ".id" => "[id]", ".items[].product_id" => "[id]", ".client_token" => "[token]",
        ".expires_at" => "[time]", ".created_at" => "[time]", ".updated_at" => "[time]"
    });
    let read = app.get(&location).bearer(&text(&order["client_token"])).send().await.ok(200);
    let mut without_token = order.clone();
    without_token.as_object_mut().unwrap().remove("client_token");
    assert_eq!(read, without_token);
    // The order keeps the price of its placement.
    let path = format!("/v1/products/{product}");
    app.patch(&path).shop().json(&json!({"unit_amount": 1, "name": "Pen"})).send().await.ok(200);
    assert_eq!(app.get(&location).shop().send().await.ok(200), without_token);
}

#[tokio::test(flavor = "multi_thread")]
async fn order_without_a_valid_price_is_rejected() {
    let app = TestApp::start().await;
    let pen = app.product(2499).await;
    let free = app.product(0).await;
    let huge = app.product(999_999_999_999).await;
    let yen = json!({"name": "Brush", "unit_amount": 500, "currency": "jpy"});
    let yen = text(&app.post("/v1/products").shop().json(&yen).send().await.ok(201)["id"]);
    let gone = app.product(1).await;
    let path = format!("/v1/products/{gone}");
    app.patch(&path).shop().json(&json!({"active": false})).send().await.ok(200);
    let unknown = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7";
    for (items, pointer, code) in [
        (vec![&pen, &gone], "/items/1/product_id", "not_for_sale"),
        (vec![&unknown.to_owned()], "/items/0/product_id", "not_for_sale"),
        (vec![&pen, &yen], "/items/1/product_id", "mixed_currencies"),
        (vec![&free], "/items", "out_of_range"),
        (vec![&huge, &pen], "/items", "out_of_range"),
    ] {
        let items: Vec<_> = items.into_iter().map(|id| json!({"product_id": id, "quantity": 1})).collect();
        let answer = app.post("/v1/orders").json(&json!({"items": items})).send().await;
        let problem = answer.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_orders_per_address_are_limited() {
    let setup = Setup {
        max_open_orders: 2,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..Setup::default()
    };
    let app = TestApp::start_with(setup).await;
    let body = basket(&app.product(100).await);
    let from = |address: &'static str| app.post("/v1/orders").header("x-forwarded-for", address).json(&body);
    let first = from("198.51.100.1").send().await.ok(201);
    from("198.51.100.1").send().await.ok(201);
    from("198.51.100.1").send().await.problem(429, "too_many_open_orders");
    from("198.51.100.2").send().await.ok(201);
    app.post("/v1/orders").shop().header("x-forwarded-for", "198.51.100.1").json(&body).send().await.ok(201);
    let path = format!("/v1/orders/{}/cancel", text(&first["id"]));
    app.post(&path).bearer(&text(&first["client_token"])).send().await.ok(200);
    from("198.51.100.1").send().await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_and_filtered() {
    let app = TestApp::start().await;
    let product = app.product(100).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let mut body = basket(&product);
        body["customer"] =
            json!({"email": format!("c{number}@example.com"), "reference": format!("user-{number}")});
        let order = app.post("/v1/orders").shop().json(&body).send().await.ok(201);
        ids.insert(0, text(&order["id"]));
    }
    app.post(&format!("/v1/orders/{}/cancel", ids[1])).shop().send().await.ok(200);
    let middle = app.get(&format!("/v1/orders/{}", ids[1])).shop().send().await.ok(200);
    let time = text(&middle["created_at"]);
    for (query, expected) in [
        (String::new(), vec![0, 1, 2]),
        ("?limit=1".to_owned(), vec![0]),
        (format!("?starting_after={}", ids[0]), vec![1, 2]),
        ("?status=canceled".to_owned(), vec![1]),
        ("?status=pending".to_owned(), vec![0, 2]),
        ("?customer_email=c2%40example.com".to_owned(), vec![0]),
        ("?customer_reference=user-0".to_owned(), vec![2]),
        (format!("?created_after={time}"), vec![0]),
        (format!("?created_before={time}"), vec![2]),
    ] {
        let list = app.get(&format!("/v1/orders{query}")).shop().send().await.ok(200);
        let found: Vec<_> = list["data"].as_array().unwrap().iter().map(|order| text(&order["id"])).collect();
        let expected: Vec<_> = expected.into_iter().map(|place: usize| ids[place].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn customer_and_shipping_can_change_until_the_order_ends() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    let change = json!({
        "customer": {"email": "ada@example.com", "name": "Ada"},
        "shipping": {"name": "Ada", "address": {"line1": "Here 1", "country": "DE"}}
    });
    let changed = app.patch(&path).bearer(&token).json(&change).send().await.ok(200);
    assert_eq!(changed["customer"]["email"], "ada@example.com");
    assert_eq!(changed["shipping"]["address"]["line2"], json!(null));
    let change = json!({"customer": {"email": null}});
    let changed = app.patch(&path).bearer(&token).json(&change).send().await.ok(200);
    assert_eq!(changed["customer"], json!({"email": null, "name": "Ada", "reference": null}));
    assert_eq!(changed["shipping"]["name"], "Ada");
    assert_eq!(app.patch(&path).bearer(&token).json(&json!({})).send().await.ok(200), changed);

    let canceled = app.post(&format!("{path}/cancel")).bearer(&token).send().await.ok(200);
    assert_eq!(canceled["status"], "canceled");
    app.patch(&path).bearer(&token).json(&change).send().await.problem(409, "order_canceled");
    let metadata = json!({"metadata": {"why": "changed their mind"}});
    app.patch(&path).shop().json(&metadata).send().await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_order_id_returns_404() {
    let app = TestApp::start().await;
    for path in [
        "/v1/orders/ord_01kb3m9q4e8v2tz6h0rxw5ncy7",
        "/v1/orders/42",
        "/v1/orders/%00",
        "/v1/orders/ord_01kb3m9q4e8v2tz6h0rxw5ncy7/payment",
        "/v1/products/prd_01kb3m9q4e8v2tz6h0rxw5ncy7",
        "/v1/products/nonsense",
        "/v1/products/%F0%28%8C%28",
        "/v1/payment_intents/pi_unknown",
        "/v1/payment_intents/ch_1",
        "/v1/payment_intents/pi_%00",
    ] {
        let answer = app.get(path).shop().send().await;
        assert_eq!(answer.status, 404, "{path} {answer:?}");
    }
}
