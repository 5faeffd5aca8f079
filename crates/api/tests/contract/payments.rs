//! Payments of an order: PaymentIntents, waiting lookups, declines.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::{Setup, TestApp, text};

#[tokio::test(flavor = "multi_thread")]
async fn succeeded_payment_makes_the_order_paid() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    let before = app.get(&format!("{path}/payment")).bearer(&token).send().await.ok(200);
    insta::assert_json_snapshot!("lookup_before_an_attempt", before, { ".order_id" => "[id]" });
    let intent = app.payment_intent(&order_id, &token).await;
    insta::assert_json_snapshot!("payment_intent", intent, {
        ".id" => "[id]", ".order_id" => "[id]", ".payment_intent_id" => "[id]", ".client_secret" => "[secret]"
    });
    let again = app.payment_intent(&order_id, &token).await;
    assert_eq!(again, intent, "only one PaymentIntent is live");

    let intent_id = text(&intent["payment_intent_id"]);
    let waiting = {
        let call = app.get(&format!("{path}/payment?wait=20")).bearer(&token);
        async move { call.send().await.ok(200) }
    };
    let confirmed = app.confirm(&intent_id, "pm_card_visa");
    let (seen, ()) = tokio::join!(waiting, confirmed);
    assert_eq!((&seen["order_status"], &seen["status"]), (&json!("paid"), &json!("succeeded")));
    insta::assert_json_snapshot!("lookup_of_a_paid_order", seen, {
        ".order_id" => "[id]", ".payment_intent_id" => "[id]", ".version" => "[version]"
    });
    let by_secret = app
        .get(&format!("/v1/payment_intents/{intent_id}"))
        .header("stripe-client-secret", &text(&intent["client_secret"]))
        .send()
        .await
        .ok(200);
    assert_eq!(by_secret, seen);
    let order = app.get(&path).bearer(&token).send().await.ok(200);
    insta::assert_json_snapshot!("paid_order", order, {
        ".id" => "[id]", ".items[].product_id" => "[id]", ".payment.payment_intent_id" => "[id]",
        ".version" => "[version]", ".expires_at" => "[time]", ".created_at" => "[time]", ".updated_at" => "[time]"
    });

    app.post(&format!("{path}/payment_intent")).bearer(&token).send().await.problem(409, "already_paid");
    app.post(&format!("{path}/cancel")).bearer(&token).send().await.problem(409, "already_paid");
    let change = json!({"customer": {"name": "Ada"}});
    app.patch(&path).bearer(&token).json(&change).send().await.problem(409, "already_paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn decline_is_reported_and_too_many_end_the_attempts() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}/payment");
    let intent_id = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    let mut version = 0;
    for _ in 0..3 {
        app.confirm(&intent_id, "pm_card_visa_chargeDeclinedInsufficientFunds").await;
        let seen = app.get(&format!("{path}?wait=20&after={version}")).bearer(&token).send().await.ok(200);
        assert_eq!(seen["order_status"], "payment_failed");
        assert_eq!(seen["last_error"]["code"], "card_declined");
        assert_eq!(seen["last_error"]["decline_code"], "insufficient_funds");
        assert!(seen["version"].as_i64().unwrap() > version);
        version = seen["version"].as_i64().unwrap();
    }
    let answer = app.post(&format!("/v1/orders/{order_id}/payment_intent")).bearer(&token).send().await;
    let code = text(&answer.json()["code"]);
    assert!(["too_many_attempts", "order_closing"].contains(&code.as_str()), "{answer:?}");
    assert_eq!(answer.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_lookup_is_answered_on_shutdown() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}/payment?wait=30");
    app.get("/readyz").send().await.ok(200);
    let started = Instant::now();
    let waiting = app.get(&path).bearer(&token).send();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        app.api.set_ready(false);
    };
    let (seen, ()) = tokio::join!(waiting, stop);
    assert_eq!(seen.ok(200)["order_status"], "pending");
    assert!(started.elapsed() < Duration::from_secs(25));
    app.get("/readyz").send().await.problem(503, "service_unavailable");
    app.get("/healthz").send().await.ok(200);
    app.get(&path).bearer(&token).send().await.ok(200);
    app.api.drained().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_lookup_reads_stripe_when_the_webhook_is_late() {
    let app = TestApp::start_with(Setup { with_webhook: false, ..Setup::default() }).await;
    let (order_id, token) = app.order().await;
    let intent_id = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    app.confirm(&intent_id, "pm_card_visa").await;
    let path = format!("/v1/payment_intents/{intent_id}?wait=20");
    let seen = app.get(&path).bearer(&token).send().await.ok(200);
    assert_eq!(seen["order_status"], "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn authorized_payment_is_canceled_only_with_a_secret_key() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    let body = json!({"capture_method": "manual"});
    let intent = app.post(&format!("{path}/payment_intent")).shop().json(&body).send().await.ok(200);
    app.confirm(&text(&intent["payment_intent_id"]), "pm_card_visa").await;
    app.order_becomes(&order_id, "authorized").await;
    app.post(&format!("{path}/cancel")).bearer(&token).send().await.problem(409, "not_cancelable");
    let canceled = app.post(&format!("{path}/cancel")).shop().send().await.ok(200);
    assert_eq!(
        (&canceled["status"], &canceled["payment"]["status"]),
        (&json!("canceled"), &json!("canceled"))
    );
    app.post(&format!("{path}/payment_intent")).shop().send().await.problem(409, "order_canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stripe_that_is_away_is_a_503() {
    // This port has no listener; only root may open it.
    let setup = Setup { stripe_base: Some("http://127.0.0.1:1".to_owned()), ..Setup::default() };
    let app = TestApp::start_with(setup).await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}/payment_intent");
    app.post(&path).bearer(&token).send().await.problem(503, "stripe_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_intent_lookup_shows_its_own_status_and_the_orders() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let first = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    app.confirm(&first, "pm_card_visa_chargeDeclined").await;
    let version = app.order_becomes(&order_id, "payment_failed").await["version"].clone();
    app.at_stripe(&format!("/v1/payment_intents/{first}/cancel"), "").await;
    let look = async |id: &str, query: &str| {
        app.get(&format!("/v1/payment_intents/{id}{query}")).bearer(&token).send().await.ok(200)
    };
    assert_eq!(look(&first, &format!("?wait=20&after={version}")).await["status"], "canceled");
    let second = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    assert_ne!(first, second);
    app.confirm(&second, "pm_card_visa").await;
    app.order_becomes(&order_id, "paid").await;
    for query in ["", "?wait=5"] {
        for (id, status) in [(&first, "canceled"), (&second, "succeeded")] {
            let seen = look(id, query).await;
            assert_eq!((&seen["payment_intent_id"], &seen["status"]), (&json!(id), &json!(status)));
            assert_eq!((&seen["order_status"], &seen["order_id"]), (&json!("paid"), &json!(order_id)));
            assert_eq!((&seen["amount"], &seen["currency"]), (&json!(4998), &json!("eur")));
        }
    }
    let of_the_order = app.get(&format!("/v1/orders/{order_id}/payment")).bearer(&token).send().await.ok(200);
    assert_eq!(of_the_order["payment_intent_id"], json!(second));
}

/// A Stripe server that rejects the key.
fn refuses_the_key(status: u16) -> String {
    let answer = move || async move {
        let status = actix_web::http::StatusCode::from_u16(status).unwrap();
        let error =
            json!({"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}});
        actix_web::HttpResponse::build(status).json(error)
    };
    let app = move || actix_web::App::new().default_service(actix_web::web::to(answer));
    let server = actix_web::HttpServer::new(app).workers(1).disable_signals();
    let server = server.bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_stripe_key_returns_503_without_details() {
    for status in [401, 403] {
        let setup = Setup { stripe_base: Some(refuses_the_key(status)), ..Setup::default() };
        let app = TestApp::start_with(setup).await;
        let (order_id, token) = app.order().await;
        let path = format!("/v1/orders/{order_id}/payment_intent");
        let problem = app.post(&path).bearer(&token).send().await.problem(503, "stripe_misconfigured");
        assert_eq!(problem["title"], "Invalid Stripe configuration");
        assert!(!problem.to_string().contains("API Key"), "{problem}");
        // The order can be paid once the key is fixed.
        assert_eq!(
            app.get(&format!("/v1/orders/{order_id}")).bearer(&token).send().await.ok(200)["status"],
            "pending"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn amount_refused_by_stripe_is_reported() {
    let app = TestApp::start().await;
    let product = app.product(1).await;
    let body = json!({"items": [{"product_id": product, "quantity": 1}]});
    let order = app.post("/v1/orders").json(&body).send().await.ok(201);
    let path = format!("/v1/orders/{}/payment_intent", text(&order["id"]));
    let answer = app.post(&path).bearer(&text(&order["client_token"])).send().await;
    let problem = answer.problem(422, "payment_refused");
    assert_eq!(problem["stripe_code"], "amount_too_small");
}
