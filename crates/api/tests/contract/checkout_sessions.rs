//! Payment on the hosted Checkout page, and lookups by its success page.

use serde_json::{Value, json};

use crate::app::{Setup, TestApp, return_urls, text};

impl TestApp {
    async fn checkout_session(&self, order_id: &str, token: &str) -> Value {
        let path = format!("/v1/orders/{order_id}/checkout_session");
        self.post(&path).bearer(token).json(&return_urls()).send().await.ok(200)
    }

    /// Completes the hosted page as a customer would; returns the URL of the redirect.
    async fn pay_session(&self, session_id: &str, payment_method: &str) -> Value {
        let path = format!("/_sandbox/checkout/sessions/{session_id}/pay");
        let form = format!("payment_method={payment_method}&email=ada%40example.com");
        self.at_stripe(&path, &form).await["sandbox_next_url"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_is_paid_on_the_hosted_checkout_page() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let session = app.checkout_session(&order_id, &token).await;
    insta::assert_json_snapshot!("checkout_session", session, {
        ".order_id" => "[id]", ".checkout_session_id" => "[id]", ".url" => "[url]", ".expires_at" => "[time]"
    });
    assert_eq!(app.checkout_session(&order_id, &token).await, session, "only one Session is live");
    let session_id = text(&session["checkout_session_id"]);
    let order = app.get(&format!("/v1/orders/{order_id}")).bearer(&token).send().await.ok(200);
    assert_eq!(order["payment"]["checkout_session_id"], session_id);
    assert!(text(&order["expires_at"]) >= text(&session["expires_at"]), "{order}");

    let path = format!("/v1/checkout_sessions/{session_id}");
    let open = json!({
        "object": "checkout_session_lookup", "order_id": order_id, "order_status": "pending",
        "status": "requires_payment_method"
    });
    assert_eq!(app.get(&path).send().await.ok(200), open, "no other field is shown");
    let wait = format!("{path}?wait=20");
    let (seen, next_url) = tokio::join!(app.get(&wait).send(), app.pay_session(&session_id, "pm_card_visa"));
    assert_eq!(next_url, format!("https://shop.example/thanks?session={session_id}"));
    let paid = json!({
        "object": "checkout_session_lookup", "order_id": order_id, "order_status": "paid", "status": "succeeded"
    });
    assert_eq!(seen.ok(200), paid);
    let create = format!("/v1/orders/{order_id}/checkout_session");
    let again = app.post(&create).bearer(&token).json(&return_urls()).send().await;
    again.problem(409, "already_paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn return_url_outside_the_allowed_origins_is_rejected() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}/checkout_session");
    let mine = "https://shop.example/cart";
    for (success_url, cancel_url, pointer, code) in [
        (json!("https://evil.example/"), json!(mine), "/success_url", "return_origin_not_allowed"),
        (
            json!(mine),
            json!("https://shop.example.evil.example/"),
            "/cancel_url",
            "return_origin_not_allowed",
        ),
        (json!("http://shop.example/"), json!(mine), "/success_url", "return_origin_not_allowed"),
        (json!("https://shop.example:444/"), json!(mine), "/success_url", "return_origin_not_allowed"),
        (json!("http://127.0.0.1/"), json!(mine), "/success_url", "return_origin_not_allowed"),
        (json!("https://a@shop.example/"), json!(mine), "/success_url", "invalid_return_url"),
        (json!("/thanks"), json!(mine), "/success_url", "invalid_return_url"),
        (json!("javascript:alert(1)"), json!(mine), "/success_url", "invalid_return_url"),
        (json!(7), json!(mine), "/success_url", "wrong_type"),
        (json!(format!("{mine}?{}", "x".repeat(2048))), json!(mine), "/success_url", "too_long"),
    ] {
        let body = json!({"success_url": success_url, "cancel_url": cancel_url});
        let answer = app.post(&path).bearer(&token).key("the same").json(&body).send().await;
        let problem = answer.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
    app.post(&path).bearer(&token).send().await.problem(422, "invalid_request");
    let mut manual = return_urls();
    manual["capture_method"] = json!("manual");
    let refused = app.post(&path).bearer(&token).json(&manual).send().await.problem(422, "invalid_request");
    assert_eq!(refused["errors"][0]["code"], "not_allowed");
    assert_eq!(app.sent(), Vec::<String>::new(), "the API sent nothing to Stripe");
    app.post(&path).shop().json(&manual).send().await.ok(200);
    assert_eq!(app.times_sent("POST /v1/checkout/sessions"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_checkout_session_id_returns_404() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let intent_id = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    for id in [order_id.as_str(), &intent_id, "cs_test_unknown", "cs_%00", "nonsense"] {
        let path = format!("/v1/checkout_sessions/{id}");
        app.get(&path).send().await.problem(404, "not_found");
        app.get(&path).shop().send().await.problem(404, "not_found");
    }
    let session = app.checkout_session(&order_id, &token).await;
    let path = format!("/v1/checkout_sessions/{}", text(&session["checkout_session_id"]));
    app.get(&format!("{path}?wait=31")).send().await.problem(422, "invalid_parameter");
    app.get(&format!("{path}?after=1")).send().await.problem(422, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_payment_flow_is_live() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let intent_id = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    let first = text(&app.checkout_session(&order_id, &token).await["checkout_session_id"]);
    let intent = app.read_at_stripe(&format!("/v1/payment_intents/{intent_id}")).await;
    assert_eq!(intent["status"], "canceled");

    let mut others = return_urls();
    others["cancel_url"] = json!("https://shop.example/elsewhere");
    let path = format!("/v1/orders/{order_id}/checkout_session");
    let second = app.post(&path).bearer(&token).json(&others).send().await.ok(200);
    assert_ne!(second["checkout_session_id"], first);
    let lookup = app.get(&format!("/v1/checkout_sessions/{first}?wait=20")).send().await.ok(200);
    assert_eq!((&lookup["order_status"], &lookup["status"]), (&json!("pending"), &json!("canceled")));

    app.payment_intent(&order_id, &token).await;
    let second = text(&second["checkout_session_id"]);
    let closed = app.read_at_stripe(&format!("/v1/checkout/sessions/{second}")).await;
    assert_eq!(closed["status"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_checkout_session_request_returns_the_same_session() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}/checkout_session");
    let ask = || app.post(&path).bearer(&token).key("k").json(&return_urls()).send();
    let first = ask().await;
    let sent = app.sent();
    let again = ask().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!((&again.text, app.sent()), (&first.text, sent));
    first.ok(200);
    let call = app.post(&path).bearer(&token).key("k").json(&json!({"success_url": "https://shop.example/"}));
    call.send().await.problem(422, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_lookup_waits_past_a_failed_attempt() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let session_id = text(&app.checkout_session(&order_id, &token).await["checkout_session_id"]);
    app.pay_session(&session_id, "pm_card_visa_chargeDeclined").await;
    app.order_becomes(&order_id, "payment_failed").await;
    let wait = format!("/v1/checkout_sessions/{session_id}?wait=20");
    let (seen, _) = tokio::join!(app.get(&wait).send(), app.pay_session(&session_id, "pm_card_visa"));
    assert_eq!(seen.ok(200)["order_status"], "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_lookup_reads_stripe_when_the_webhook_is_late() {
    let app = TestApp::start_with(Setup { with_webhook: false, ..Setup::default() }).await;
    let (order_id, token) = app.order().await;
    let session_id = text(&app.checkout_session(&order_id, &token).await["checkout_session_id"]);
    app.pay_session(&session_id, "pm_card_visa").await;
    let seen = app.get(&format!("/v1/checkout_sessions/{session_id}?wait=20")).send().await.ok(200);
    assert_eq!((&seen["order_status"], &seen["status"]), (&json!("paid"), &json!("succeeded")));
}

#[tokio::test(flavor = "multi_thread")]
async fn session_lookups_are_rate_limited() {
    let setup = Setup { rate_limit_per_second: 1, ..Setup::default() };
    let app = TestApp::start_with(setup).await;
    // The burst is five seconds' worth of requests; each second that the loop takes adds one more.
    let guesses = (0..60).map(|_| app.get("/v1/checkout_sessions/cs_test_guess").send());
    let answers = futures_util::future::join_all(guesses).await;
    let (looked, limited): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 404);
    assert!(looked.len() >= 5 && !limited.is_empty(), "{} of 60 were accepted", looked.len());
    for looked in looked {
        looked.problem(404, "not_found");
    }
    for limited in limited {
        limited.problem(429, "rate_limited");
    }
    app.get("/v1/checkout_sessions/cs_test_guess").shop().send().await.problem(404, "not_found");
    app.get("/v1/products").send().await.ok(200);
}
