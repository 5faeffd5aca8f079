//! Changes of items before payment.

use serde_json::{Value, json};

use crate::app::{TestApp, return_urls, text};

fn items(product: &str, quantity: u32) -> Value {
    json!({"items": [{"product_id": product, "quantity": quantity}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn new_items_use_current_prices() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    let first = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    let ink = app.product(700).await;
    let mut change = items(&ink, 3);
    change["customer"] = json!({"name": "Ada"});
    let order = app.patch(&path).shop().json(&change).send().await.ok(200);
    assert_eq!((&order["amount_total"], &order["customer"]["name"]), (&json!(2100), &json!("Ada")));
    assert_eq!(order["items"][0]["product_id"], ink);
    assert_eq!(order["items"].as_array().unwrap().len(), 1);
    let closed = app.read_at_stripe(&format!("/v1/payment_intents/{first}")).await;
    assert_eq!(closed["status"], "canceled", "the old Session can't be paid");
    let second = app.payment_intent(&order_id, &token).await;
    assert_eq!(second["amount"], 2100);
    let intent =
        app.read_at_stripe(&format!("/v1/payment_intents/{}", text(&second["payment_intent_id"]))).await;
    assert_eq!(intent["amount"], 2100);
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_items_closes_the_checkout_session() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    let ask = || app.post(&format!("{path}/checkout_session")).bearer(&token).json(&return_urls()).send();
    let first = text(&ask().await.ok(200)["checkout_session_id"]);
    app.patch(&path).shop().json(&items(&app.product(700).await, 1)).send().await.ok(200);
    let closed = app.read_at_stripe(&format!("/v1/checkout/sessions/{first}")).await;
    assert_eq!(closed["status"], "expired");
    let second = text(&ask().await.ok(200)["checkout_session_id"]);
    let open = app.read_at_stripe(&format!("/v1/checkout/sessions/{second}")).await;
    assert_eq!((&open["status"], &open["amount_total"]), (&json!("open"), &json!(700)));
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_items_change_nothing() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    let scarce = json!({"name": "Quill", "unit_amount": 100, "currency": "eur", "stock": 1});
    let scarce = text(&app.post("/v1/products").shop().json(&scarce).send().await.ok(201)["id"]);
    let free = app.product(0).await;
    let gone = app.product(1).await;
    app.patch(&format!("/v1/products/{gone}")).shop().json(&json!({"active": false})).send().await.ok(200);
    let intent_id = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    let before = app.get(&path).shop().send().await.ok(200);
    let sent = app.sent();
    for (body, pointer, code) in [
        (json!({"items": []}), "/items", "required"),
        (json!({"items": null}), "/items", "wrong_type"),
        (items(&gone, 1), "/items/0/product_id", "not_for_sale"),
        (items(&free, 1), "/items", "out_of_range"),
        (items(&scarce, 0), "/items/0/quantity", "out_of_range"),
    ] {
        let problem = app.patch(&path).shop().json(&body).send().await.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
    let problem = app.patch(&path).shop().json(&items(&scarce, 2)).send().await;
    let problem = problem.problem(409, "insufficient_stock");
    assert_eq!(problem["errors"][0]["available"], 1);
    let answer = app.patch(&path).bearer(&token).json(&items(&scarce, 1)).send().await;
    assert_eq!(answer.problem(422, "invalid_request")["errors"][0]["code"], "not_allowed");
    assert_eq!(app.get(&path).shop().send().await.ok(200), before);
    assert_eq!(app.sent(), sent, "the API sent nothing to Stripe");
    let intent = app.read_at_stripe(&format!("/v1/payment_intents/{intent_id}")).await;
    assert_eq!(intent["status"], "requires_payment_method", "the customer can still pay");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_a_processing_or_paid_order_cannot_change() {
    let app = TestApp::start().await;
    let ink = items(&app.product(700).await, 1);
    let (flying_id, token) = app.order().await;
    let intent = app.payment_intent(&flying_id, &token).await;
    app.confirm(&text(&intent["payment_intent_id"]), "pm_sepaDebit_successDelayed_de").await;
    app.order_becomes(&flying_id, "processing").await;
    let (paid_id, ..) = app.paid_order().await;
    let (canceled_id, _) = app.order().await;
    app.post(&format!("/v1/orders/{canceled_id}/cancel")).shop().send().await.ok(200);
    for (id, code) in
        [(flying_id, "payment_in_flight"), (paid_id, "already_paid"), (canceled_id, "order_canceled")]
    {
        let path = format!("/v1/orders/{id}");
        app.patch(&path).shop().json(&ink).send().await.problem(409, code);
        let order = app.get(&path).shop().send().await.ok(200);
        assert_eq!(order["amount_total"], 4998);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processing_payment_is_not_replaced_by_the_other_flow() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let intent = app.payment_intent(&order_id, &token).await;
    app.confirm(&text(&intent["payment_intent_id"]), "pm_sepaDebit_successDelayed_de").await;
    app.order_becomes(&order_id, "processing").await;
    let path = format!("/v1/orders/{order_id}/checkout_session");
    let answer = app.post(&path).bearer(&token).json(&return_urls()).send().await;
    answer.problem(409, "payment_in_flight");
    assert_eq!(app.times_sent("POST /v1/checkout/sessions"), 0);
}
