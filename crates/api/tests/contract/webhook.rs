//! Stripe's webhooks over HTTP. The outcome of each event is tested in `quittance-persistence`.

use chrono::Utc;
use quittance_stripe_gateway::signature::sign;
use serde_json::json;

use crate::app::{CONNECT_SECRET, Setup, TestApp, WEBHOOK_SECRET};

fn event() -> Vec<u8> {
    let event = json!({
        "id": "evt_1", "type": "customer.created", "created": Utc::now().timestamp(), "livemode": false,
        "data": {"object": {"id": "cus_1", "object": "customer"}}
    });
    event.to_string().into_bytes()
}

fn signed(body: &[u8]) -> String {
    sign(body, &WEBHOOK_SECRET.into(), Utc::now().timestamp())
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_event_and_its_duplicate_return_200() {
    let app = TestApp::start_with(Setup { rate_limit_per_second: 1, ..Setup::default() }).await;
    let body = event();
    for _ in 0..20 {
        let answer = app
            .post("/webhooks/stripe")
            .header("stripe-signature", &signed(&body))
            .body(body.clone())
            .send()
            .await;
        assert_eq!(answer.ok(200), json!({"received": true}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_event_is_rejected() {
    let app = TestApp::start().await;
    let body = event();
    let call = || app.post("/webhooks/stripe");
    call().body(body.clone()).send().await.problem(400, "invalid_signature");
    call()
        .header("stripe-signature", "nonsense")
        .body(body.clone())
        .send()
        .await
        .problem(400, "invalid_signature");
    let mut flipped = body.clone();
    flipped[10] ^= 1;
    let signature = signed(&body);
    call()
        .header("stripe-signature", &signature)
        .body(flipped)
        .send()
        .await
        .problem(400, "invalid_signature");
    let none = b"{\"not\":\"an event\"}".to_vec();
    call().header("stripe-signature", &signed(&none)).body(none).send().await.problem(400, "not_an_event");
    let large = vec![b' '; 1024 * 1024 + 1];
    call()
        .header("stripe-signature", &signed(&large))
        .body(large)
        .send()
        .await
        .problem(413, "body_too_large");
    app.get("/webhooks/stripe").send().await.problem(405, "method_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_cannot_be_stored_returns_503() {
    let app = TestApp::start().await;
    let body = event();
    app.store.close();
    let call = || app.post("/webhooks/stripe").header("stripe-signature", &signed(&body)).body(body.clone());
    call().send().await.problem(503, "service_unavailable");
    app.receiver.close().await;
    call().send().await.problem(503, "service_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_endpoint_uses_its_own_secrets() {
    let app = TestApp::start().await;
    let body = event();
    let deliver = async |path: &str, secret: &str| {
        let signature = sign(&body, &secret.into(), Utc::now().timestamp());
        app.post(path).header("stripe-signature", &signature).body(body.clone()).send().await
    };
    for (path, secret) in [("/webhooks/stripe", CONNECT_SECRET), ("/webhooks/stripe/connect", WEBHOOK_SECRET)]
    {
        deliver(path, secret).await.problem(400, "invalid_signature");
    }
    for (path, secret) in [("/webhooks/stripe", WEBHOOK_SECRET), ("/webhooks/stripe/connect", CONNECT_SECRET)]
    {
        assert_eq!(deliver(path, secret).await.ok(200), json!({"received": true}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_event_without_a_configured_secret_returns_503() {
    let app = TestApp::start_with(Setup { with_connect: false, ..Setup::default() }).await;
    let body = event();
    for secret in ["", WEBHOOK_SECRET, CONNECT_SECRET] {
        let signature = sign(&body, &secret.into(), Utc::now().timestamp());
        let call = app.post("/webhooks/stripe/connect").header("stripe-signature", &signature);
        call.body(body.clone()).send().await.problem(503, "connect_not_configured");
    }
}
