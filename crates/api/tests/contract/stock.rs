//! Stock: reservation, release and expiry.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, basket, text};

impl TestApp {
    /// Adds a product with this stock.
    async fn counted(&self, stock: u32) -> String {
        let body = json!({"name": "Inkwell", "unit_amount": 1200, "currency": "eur", "stock": stock});
        let product = self.post("/v1/products").shop().json(&body).send().await.ok(201);
        assert_eq!(product["stock"], stock);
        text(&product["id"])
    }

    async fn stock(&self, product: &str) -> Value {
        self.get(&format!("/v1/products/{product}")).send().await.ok(200)["stock"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_reserved_and_released() {
    let app = TestApp::start().await;
    let (few, many) = (app.counted(3).await, app.product(100).await);
    assert_eq!(app.stock(&many).await, json!(null));
    let order = app.post("/v1/orders").json(&basket(&few)).send().await.ok(201);
    assert_eq!(app.stock(&few).await, 1);

    let items = json!({"items": [
        {"product_id": many, "quantity": 1}, {"product_id": few, "quantity": 1}, {"product_id": few, "quantity": 1}
    ]});
    let problem = app.post("/v1/orders").json(&items).send().await.problem(409, "insufficient_stock");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{problem}");
    assert_eq!(
        (&errors[0]["pointer"], &errors[0]["code"], &errors[0]["available"]),
        (&json!("/items/1"), &json!("insufficient_stock"), &json!(1))
    );
    assert_eq!(app.stock(&few).await, 1, "no stock was reserved");
    let cancel = format!("/v1/orders/{}/cancel", text(&order["id"]));
    app.post(&cancel).shop().send().await.ok(200);
    assert_eq!(app.stock(&few).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_set_with_a_secret_key() {
    let app = TestApp::start().await;
    let product = app.counted(0).await;
    let path = format!("/v1/products/{product}");
    app.post("/v1/orders").json(&basket(&product)).send().await.problem(409, "insufficient_stock");
    for (stock, sells) in [(json!(2), true), (json!(1), false), (json!(null), true), (json!(0), false)] {
        let changed = app.patch(&path).shop().json(&json!({"stock": stock})).send().await.ok(200);
        assert_eq!(changed["stock"], stock);
        let answer = app.post("/v1/orders").json(&basket(&product)).send().await;
        assert_eq!(answer.status == 201, sells, "{stock} {answer:?}");
    }
    let named = app.patch(&path).shop().json(&json!({"name": "Ink"})).send().await.ok(200);
    assert_eq!(named["stock"], 0, "an omitted field is unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn last_items_are_sold_once() {
    let app = TestApp::start().await;
    let product = app.counted(5).await;
    let body = json!({"items": [{"product_id": product, "quantity": 1}]});
    let calls = (0..20).map(|_| app.post("/v1/orders").json(&body).send());
    let answers = futures_util::future::join_all(calls).await;
    let (sold, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(sold.len(), 5);
    for answer in refused {
        answer.problem(409, "insufficient_stock");
    }
    assert_eq!(app.stock(&product).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unpaid_order_expires() {
    let app =
        TestApp::start_with(Setup { order_lifetime: Duration::from_hours(2), ..Setup::default() }).await;
    let product = app.counted(2).await;
    let order = app.post("/v1/orders").json(&basket(&product)).send().await.ok(201);
    let time = |name: &str| text(&order[name]).parse::<chrono::DateTime<Utc>>().unwrap();
    assert_eq!((time("expires_at") - time("created_at")).num_seconds(), 7200);
    let path = format!("/v1/orders/{}", text(&order["id"]));
    let token = text(&order["client_token"]);
    app.store.expire_order(text(&order["id"]).parse().unwrap(), time("expires_at")).await.unwrap();
    let expired = app.get(&path).bearer(&token).send().await.ok(200);
    assert_eq!(expired["status"], "expired");
    assert_eq!(app.stock(&product).await, 2);
    let list = app.get("/v1/orders?status=expired").shop().send().await.ok(200);
    assert_eq!(list["data"], json!([expired]));
    for action in ["payment_intent", "cancel"] {
        let answer = app.post(&format!("{path}/{action}")).bearer(&token).send().await;
        answer.problem(409, "order_expired");
    }
    let urls = crate::app::return_urls();
    let answer = app.post(&format!("{path}/checkout_session")).bearer(&token).json(&urls).send().await;
    answer.problem(409, "order_expired");
    let change = json!({"customer": {"name": "Ada"}});
    app.patch(&path).bearer(&token).json(&change).send().await.problem(409, "order_expired");
    assert_eq!(app.sent(), Vec::<String>::new());
}
