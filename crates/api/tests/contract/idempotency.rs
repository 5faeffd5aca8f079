//! Repeated requests.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_persistence::{ClaimKeyOutcome, IdempotentRequest};
use quittance_test_support::wait_until;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::app::{Setup, TestApp, basket, contains, text};

const KEY: &str = "a-key-of-some-length-1";

/// Claims a key for an order request with this body, at a time that the test chooses.
async fn claim(
    app: &TestApp,
    key: &str,
    body: &str,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> ClaimKeyOutcome {
    let row = app.store.secret_key_by_hash(app.key.hash()).await.unwrap().unwrap();
    let request = IdempotentRequest {
        scope: row.id.to_string(),
        key: key.to_owned(),
        fingerprint: hex::encode(Sha256::digest(format!("POST\n/v1/orders\n{body}"))),
        now,
        lease_until: now + lease,
        expired_before: now - TimeDelta::hours(24),
    };
    app.store.claim_key(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_order_request_places_one_order() {
    let app = TestApp::start().await;
    let body = basket(&app.product(100).await);
    let place = || app.post("/v1/orders").key(KEY).json(&body);
    let first = place().send().await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = place().send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.text, first.text, "the replay is byte-identical and includes the token");
    assert_eq!(again.header("content-type"), first.header("content-type"));
    first.ok(201);
    let orders = app.get("/v1/orders").shop().send().await.ok(200);
    assert_eq!(orders["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repeated_requests_place_one_order() {
    let app = TestApp::start().await;
    let body = basket(&app.product(100).await);
    let calls = (0..20).map(|_| app.post("/v1/orders").shop().key(KEY).json(&body).send());
    for answer in futures_util::future::join_all(calls).await {
        match answer.status.as_u16() {
            201 => {}
            _ => drop(answer.problem(409, "idempotency_key_in_use")),
        }
    }
    let orders = app.get("/v1/orders").shop().send().await.ok(200);
    assert_eq!(orders["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_keys_of_different_callers_are_independent() {
    let app = TestApp::start().await;
    let body = basket(&app.product(100).await);
    let mut other_body = body.clone();
    other_body["items"][0]["quantity"] = json!(3);
    let place = |body| app.post("/v1/orders").key(KEY).json(body);
    let anonymous = place(&body).send().await.ok(201);
    let shop = place(&body).shop().send().await.ok(201);
    let other_shopper = place(&other_body).send().await.ok(201);
    let ids = [&anonymous["id"], &shop["id"], &other_shopper["id"]];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    place(&other_body).shop().send().await.problem(422, "idempotency_key_reused");
    let product = json!({"name": "Ink", "unit_amount": 500, "currency": "eur"});
    let answer = app.post("/v1/products").shop().key(KEY).json(&product).send().await;
    answer.problem(422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_idempotency_key_is_rejected() {
    let app = TestApp::start().await;
    let body = basket(&app.product(100).await);
    let place = |key: &str| app.post("/v1/orders").key(key).json(&body);
    for key in ["", "short", "fifteen-chars--", &"x".repeat(256), "clé-de-plus-de-seize"] {
        place(key).send().await.problem(400, "invalid_idempotency_key");
    }
    place("sixteen-chars---").send().await.ok(201);
    place(&"x".repeat(255)).send().await.ok(201);
    place("k").shop().send().await.ok(201);
    let (order_id, token) = app.order().await;
    app.post(&format!("/v1/orders/{order_id}/payment_intent")).bearer(&token).key("k").send().await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key_in_use_is_rejected() {
    let app = TestApp::start().await;
    let body = basket(&app.product(100).await).to_string();
    // The process that claimed the other key is gone: a claim is a lease that expires.
    let an_hour_ago = Utc::now() - TimeDelta::hours(1);
    for (key, now, lease) in
        [("at-work", Utc::now(), TimeDelta::hours(1)), ("left", an_hour_ago, TimeDelta::minutes(59))]
    {
        assert!(matches!(claim(&app, key, &body, now, lease).await, ClaimKeyOutcome::New(_)));
    }
    let place = |key| {
        let call = app.post("/v1/orders").shop().key(key);
        call.header("content-type", "application/json").body(body.clone()).send()
    };
    place("at-work").await.problem(409, "idempotency_key_in_use");
    place("left").await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn final_replies_are_replayed_and_temporary_failures_are_retried() {
    let app = TestApp::start_with(Setup { max_open_orders: 1, ..Setup::default() }).await;
    // Invalid bodies, and products that aren't for sale.
    let product = app.product(100).await;
    let path = format!("/v1/products/{product}");
    app.patch(&path).shop().json(&json!({"active": false})).send().await.ok(200);
    let place = || app.post("/v1/orders").key(KEY).json(&basket(&product));
    place().send().await.problem(422, "invalid_request");
    app.patch(&path).shop().json(&json!({"active": true})).send().await.ok(200);
    let order = place().send().await.ok(201);
    // Too many open orders.
    let second = || app.post("/v1/orders").key("another-key-of-some-length").json(&basket(&product));
    second().send().await.problem(429, "too_many_open_orders");
    let order_path = format!("/v1/orders/{}", text(&order["id"]));
    app.post(&format!("{order_path}/cancel")).shop().send().await.ok(200);
    second().send().await.ok(201);
    // A conflict and a missing object are final replies.
    for (path, status, code) in [
        (format!("{order_path}/payment_intent"), 409, "order_canceled"),
        ("/v1/orders/ord_01kb3m9q4e8v2tz6h0rxw5ncy7/cancel".to_owned(), 404, "not_found"),
    ] {
        let call = || app.post(&path).shop().key(code);
        let first = call().send().await;
        assert_eq!(first.header("idempotency-replayed"), None);
        let again = call().send().await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{again:?}");
        let (first, mut again) = (first.problem(status, code), again.problem(status, code));
        assert_ne!(first["request_id"], again["request_id"]);
        again["request_id"] = first["request_id"].clone();
        assert_eq!(first, again);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_replayed_and_never_stored() {
    // Raw events from Stripe are stored unchanged, so they contain the client secret.
    let app = TestApp::start_with(Setup { with_webhook: false, ..Setup::default() }).await;
    let body = basket(&app.product(100).await);
    let order = app.post("/v1/orders").key(KEY).json(&body).send().await.ok(201);
    let token = text(&order["client_token"]);
    let path = format!("/v1/orders/{}/payment_intent", text(&order["id"]));
    let pay = || app.post(&path).bearer(&token).key("k").send();
    let first = pay().await;
    let again = pay().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.text, again.text);
    let secret = text(&first.json()["client_secret"]);
    assert!(secret.contains("_secret_"));

    let database = app.database_bytes();
    assert!(contains(&database, &text(&order["id"])), "this is the database");
    for secret in [token.as_str(), token.trim_start_matches("oct_"), &secret, app.key.expose()] {
        assert!(!contains(&database, secret), "{secret} is stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_caller_leaves_no_claimed_key() {
    let app = TestApp::start().await;
    let body = basket(&app.product(100).await).to_string();
    let address = app.url.trim_start_matches("http://").to_owned();
    for round in 0..10 {
        let request = format!(
            "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {}\r\nIdempotency-Key: gone-{round}\r\nContent-Length: {}\r\n\r\n{body}",
            app.key.expose(),
            body.len(),
        );
        let mut connection = tokio::net::TcpStream::connect(&address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        drop(connection);
    }
    for round in 0..10 {
        let again = || {
            let call = app.post("/v1/orders").shop().key(&format!("gone-{round}"));
            call.header("content-type", "application/json").body(body.clone()).send()
        };
        // Pending requests end on their own. An hour ago no current lease had expired, so a leaked claim stays visible.
        let an_hour_ago = Utc::now() - TimeDelta::hours(1);
        let answer = wait_until("the key is released", async || {
            match claim(&app, &format!("gone-{round}"), &body, an_hour_ago, TimeDelta::zero()).await {
                ClaimKeyOutcome::InProgress => return None,
                ClaimKeyOutcome::New(claim) => app.store.release_key(claim).await.unwrap(),
                ClaimKeyOutcome::Replay(_) | ClaimKeyOutcome::Mismatch => {}
            }
            Some(again().await).filter(|answer| answer.status != 409)
        });
        answer.await.ok(201);
    }
    app.api.drained().await;
    let orders = app.get("/v1/orders?limit=100").shop().send().await.ok(200);
    assert_eq!(orders["data"].as_array().unwrap().len(), 10);
}
