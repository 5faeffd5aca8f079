//! Capture of authorized payments.

use serde_json::{Value, json};

use crate::app::{Setup, TestApp, text};

#[tokio::test(flavor = "multi_thread")]
async fn capture_without_amount_takes_the_authorized_amount() {
    let app = TestApp::start().await;
    let (order_id, _, intent_id) = app.authorized_order().await;
    let path = format!("/v1/orders/{order_id}/capture");
    let capture = || app.post(&path).shop().key("k").send();
    let first = capture().await;
    let again = capture().await;
    assert_eq!((&again.text, again.header("idempotency-replayed")), (&first.text, Some("true")));
    let order = first.ok(200);
    assert_eq!((&order["status"], &order["amount_paid"]), (&json!("paid"), &json!(4998)));
    assert_eq!(order["payment"]["status"], "succeeded");
    let repeated = app.post(&path).shop().send().await.ok(200);
    assert_eq!(repeated["amount_paid"], 4998, "the repetition returns the same capture");
    let other = app.post(&path).shop().json(&json!({"amount": 1000})).send().await;
    other.problem(409, "order_not_capturable");
    assert_eq!(app.times_sent(&format!("POST /v1/payment_intents/{intent_id}/capture")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_with_amount_takes_that_amount() {
    let app = TestApp::start().await;
    let (order_id, _, intent_id) = app.authorized_order().await;
    let path = format!("/v1/orders/{order_id}/capture");
    let order = app.post(&path).shop().json(&json!({"amount": 1000})).send().await.ok(200);
    assert_eq!(
        (&order["status"], &order["amount_paid"], &order["amount_total"]),
        (&json!("paid"), &json!(1000), &json!(4998))
    );
    let intent = app.read_at_stripe(&format!("/v1/payment_intents/{intent_id}")).await;
    assert_eq!((&intent["amount_received"], &intent["status"]), (&json!(1000), &json!("succeeded")));
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_capture_is_rejected_before_stripe_is_called() {
    let app = TestApp::start().await;
    let (held_id, ..) = app.authorized_order().await;
    let (open_id, open_token) = app.order().await;
    app.payment_intent(&open_id, &open_token).await;
    let (paid_id, ..) = app.paid_order().await;
    let before = app.sent();
    let held = format!("/v1/orders/{held_id}/capture");
    for (body, code) in [
        (json!({"amount": 0}), "out_of_range"),
        (json!({"amount": -1}), "out_of_range"),
        (json!({"amount": 1.5}), "wrong_type"),
        (json!({"amount": "1"}), "wrong_type"),
        (json!({"amout": 1}), "unknown_field"),
    ] {
        let problem = app.post(&held).shop().json(&body).send().await.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
    let too_much = app.post(&held).shop().json(&json!({"amount": 4999})).send().await;
    let too_much = too_much.problem(409, "amount_too_large");
    assert_eq!(too_much["errors"][0]["pointer"], "/amount");
    assert_eq!(too_much["errors"][0]["available"], 4998);
    // The payment was captured immediately, so no authorization exists.
    for id in [open_id.as_str(), &paid_id] {
        let path = format!("/v1/orders/{id}/capture");
        app.post(&path).shop().send().await.problem(409, "order_not_capturable");
    }
    let unknown = "/v1/orders/ord_01kb3m9q4e8v2tz6h0rxw5ncy7/capture";
    app.post(unknown).shop().send().await.problem(404, "not_found");
    app.post(unknown).shop().json(&json!({"amount": 1})).send().await.problem(404, "not_found");
    assert_eq!(app.sent(), before, "the API sent nothing to Stripe");
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_amount_off_the_currency_step_is_rejected() {
    let app = TestApp::start().await;
    let body = json!({"name": "Lopapeysa", "unit_amount": 150_000, "currency": "isk"});
    let product = text(&app.post("/v1/products").shop().json(&body).send().await.ok(201)["id"]);
    let body = json!({"items": [{"product_id": product, "quantity": 1}]});
    let order = app.post("/v1/orders").json(&body).send().await.ok(201);
    for action in ["capture", "refunds"] {
        let path = format!("/v1/orders/{}/{action}", text(&order["id"]));
        let answer = app.post(&path).shop().json(&json!({"amount": 150})).send().await;
        let problem = answer.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/amount");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_without_an_answer_from_stripe_is_resumed() {
    let app = TestApp::start().await;
    let (order_id, ..) = app.authorized_order().await;
    let path = format!("/v1/orders/{order_id}/capture");
    let fault = "script[]=POST%20%2Fv1%2Fpayment_intents%2F%7Bid%7D%2Fcapture%201%20cut";
    app.at_stripe("/_sandbox/chaos", fault).await;
    let take = |amount: Value| app.post(&path).shop().json(&json!({"amount": amount})).send();
    take(json!(1000)).await.problem(503, "stripe_unavailable");
    take(json!(2000)).await.problem(409, "capture_in_progress");
    let order = take(json!(1000)).await.ok(200);
    assert_eq!((&order["status"], &order["amount_paid"]), (&json!("paid"), &json!(1000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_of_an_expired_authorization_is_rejected() {
    let app = TestApp::start().await;
    let (order_id, _, intent_id) = app.authorized_order().await;
    // Stripe's webhook for the capture never arrives.
    app.at_stripe("/_sandbox/deliveries", "mode=drop").await;
    app.at_stripe(&format!("/_sandbox/payment_intents/{intent_id}/expire"), "").await;
    let path = format!("/v1/orders/{order_id}");
    app.post(&format!("{path}/capture")).shop().send().await.problem(409, "order_not_capturable");
    let order = app.get(&path).shop().send().await.ok(200);
    assert_eq!((&order["status"], &order["payment"]["status"]), (&json!("pending"), &json!("canceled")));
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_counts_without_a_webhook() {
    let app = TestApp::start_with(Setup { with_webhook: false, ..Setup::default() }).await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    let body = json!({"capture_method": "manual"});
    let intent = app.post(&format!("{path}/payment_intent")).shop().json(&body).send().await.ok(200);
    app.confirm(&text(&intent["payment_intent_id"]), "pm_card_visa").await;
    let held = app.get(&format!("{path}/payment?wait=20")).bearer(&token).send().await.ok(200);
    assert_eq!((&held["order_status"], &held["status"]), (&json!("authorized"), &json!("requires_capture")));
    let order = app.post(&format!("{path}/capture")).shop().send().await.ok(200);
    assert_eq!(order["status"], "paid");
}
