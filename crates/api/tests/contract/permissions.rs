//! The permission matrix: every route with every kind of caller.

use quittance_api::client_token;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, Setup, TestApp, add_key, basket, return_urls, text};
use crate::marketplace::{BACK, path_of};

/// The credential of a caller.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Nobody,
    Holder,
    OtherHolder,
    ClientSecret,
    Shop,
    WrongKey,
    WrongToken,
    WrongScheme,
}

const EVERYBODY: [Who; 8] = [
    Who::Nobody,
    Who::Holder,
    Who::OtherHolder,
    Who::ClientSecret,
    Who::Shop,
    Who::WrongKey,
    Who::WrongToken,
    Who::WrongScheme,
];

/// The callers that may use a route.
#[derive(Debug, Clone, Copy)]
enum For {
    Everybody,
    Holder,
    Lookup,
    Shop,
}

/// The expected response: success, or a status with a problem code.
#[expect(clippy::match_same_arms, reason = "it is read caller by caller")]
fn expected(route: For, who: Who) -> Option<(u16, &'static str)> {
    let invalid = Some((401, "invalid_credentials"));
    let missing = Some((401, "missing_credentials"));
    match (who, route) {
        (Who::WrongKey | Who::WrongToken | Who::WrongScheme, _) => invalid,
        (Who::Shop, _) | (_, For::Everybody) => None,
        (Who::Holder, For::Holder | For::Lookup) | (Who::ClientSecret, For::Lookup) => None,
        (Who::OtherHolder, For::Holder | For::Lookup) => Some((404, "not_found")),
        (Who::Holder | Who::OtherHolder, For::Shop) => invalid,
        (Who::Nobody, _) | (Who::ClientSecret, For::Holder | For::Shop) => missing,
    }
}

/// A route and its allowed callers.
type Route = (Method, String, Option<Value>, For);

async fn routes_of_sellers(app: &TestApp) -> Vec<Route> {
    let seller = path_of(&app.created_seller("merchant-7").await);
    let authorize = json!({"binding": "session-7", "redirect_uri": BACK});
    let urls = json!({"return_url": "https://shop.example/7", "refresh_url": "https://shop.example/7"});
    vec![
        (Method::POST, "/v1/sellers/oauth/authorize".into(), Some(authorize), For::Shop),
        (Method::POST, "/v1/sellers".into(), Some(json!({"type": "standard"})), For::Shop),
        (Method::GET, "/v1/sellers".into(), None, For::Shop),
        (Method::GET, seller.clone(), None, For::Shop),
        (Method::PATCH, seller.clone(), Some(json!({"fee_fixed": 1})), For::Shop),
        (Method::POST, format!("{seller}/account_link"), Some(urls), For::Shop),
        (Method::POST, format!("{seller}/refresh"), None, For::Shop),
        (Method::DELETE, seller, None, For::Shop),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_caller_as_documented() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let (_, other_token) = app.order().await;
    let intent = app.payment_intent(&order_id, &token).await;
    let (intent_id, client_secret) = (text(&intent["payment_intent_id"]), text(&intent["client_secret"]));
    let product = app.product(100).await;
    let order = format!("/v1/orders/{order_id}");
    let endpoint = json!({"url": "http://127.0.0.1:9/hooks", "event_types": ["refund.*"]});
    let endpoint_id =
        text(&app.post("/v1/webhook_endpoints").shop().json(&endpoint).send().await.ok(201)["id"]);
    let hook = format!("/v1/webhook_endpoints/{endpoint_id}");
    let ping = app.post(&format!("{hook}/ping")).shop().send().await.ok(200);
    let message = format!("/v1/messages/{}", text(&ping["id"]));
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    let new_product = json!({"name": "Ink", "unit_amount": 500, "currency": "eur"});
    let mut routes: Vec<Route> = vec![
        (Method::GET, "/v1/config".into(), None, For::Everybody),
        (Method::GET, "/v1/products".into(), None, For::Everybody),
        (Method::GET, format!("/v1/products/{product}"), None, For::Everybody),
        (Method::POST, "/v1/products".into(), Some(new_product), For::Shop),
        (Method::PATCH, format!("/v1/products/{product}"), Some(json!({"name": "Ink"})), For::Shop),
        (Method::POST, "/v1/orders".into(), Some(basket(&product)), For::Everybody),
        (Method::GET, "/v1/orders".into(), None, For::Shop),
        (Method::GET, order.clone(), None, For::Holder),
        (Method::PATCH, order.clone(), Some(json!({"customer": {"name": "Ada"}})), For::Holder),
        (Method::POST, format!("{order}/payment_intent"), None, For::Holder),
        (Method::GET, format!("{order}/payment"), None, For::Lookup),
        (Method::GET, format!("/v1/payment_intents/{intent_id}"), None, For::Lookup),
        (Method::POST, format!("{order}/checkout_session"), Some(return_urls()), For::Holder),
        (Method::GET, format!("{order}/timeline"), None, For::Holder),
        (Method::GET, format!("{order}/refunds"), None, For::Shop),
        (Method::GET, format!("{order}/disputes"), None, For::Shop),
        (Method::POST, format!("{order}/cancel"), None, For::Holder),
        (Method::POST, "/v1/webhook_endpoints".into(), Some(endpoint), For::Shop),
        (Method::GET, "/v1/webhook_endpoints".into(), None, For::Shop),
        (Method::GET, hook.clone(), None, For::Shop),
        (Method::PATCH, hook.clone(), Some(json!({"description": "Stock"})), For::Shop),
        (Method::POST, format!("{hook}/roll_secret"), None, For::Shop),
        (Method::POST, format!("{hook}/ping"), None, For::Shop),
        (Method::POST, format!("{hook}/recover"), Some(since), For::Shop),
        (Method::GET, "/v1/messages".into(), None, For::Shop),
        (Method::GET, message.clone(), None, For::Shop),
        (Method::POST, format!("{message}/resend"), None, For::Shop),
        (Method::DELETE, hook.clone(), None, For::Shop),
    ];
    routes.extend(routes_of_sellers(&app).await);
    for (method, path, body, route) in routes {
        for who in EVERYBODY {
            let mut call = app.call(method.clone(), &path);
            if let Some(body) = &body {
                call = call.json(body);
            }
            call = match who {
                Who::Nobody => call,
                Who::Holder => call.bearer(&token),
                Who::OtherHolder => call.bearer(&other_token),
                Who::ClientSecret => call.header("stripe-client-secret", &client_secret),
                Who::Shop => call.shop(),
                Who::WrongKey => call.bearer("qsk_0123456789012345678901234567890123456789012"),
                Who::WrongToken => call.bearer("oct_short"),
                Who::WrongScheme => call.header("authorization", "Basic cXVpdHRhbmNl"),
            };
            check(call.send().await, expected(route, who), &format!("{method} {path} {who:?}"));
        }
    }
}

/// Without a secret key, the response doesn't reveal whether the credentials in the body are valid.
#[tokio::test(flavor = "multi_thread")]
async fn connecting_sellers_requires_a_secret_key() {
    let app = TestApp::start().await;
    let (_, token) = app.order().await;
    let url = app.authorize("session-7").await;
    let came_back = app.approve(&url, &[("account", "new")]).await.with("session-7");
    let (seller, product) = ("/v1/sellers/slr_01kb3m9q4e8v2tz6h0rxw5ncy7", json!({"product_id": "x"}));
    for (path, body) in [
        ("/v1/sellers/oauth/callback".to_owned(), &came_back),
        (format!("{seller}/stripe_products"), &product),
    ] {
        app.post(&path).json(body).send().await.problem(401, "missing_credentials");
        app.post(&path).bearer(&token).json(body).send().await.problem(401, "invalid_credentials");
    }
    assert_eq!(app.times_sent("POST /oauth/token"), 0);
    app.post("/v1/sellers/oauth/callback").shop().json(&came_back).send().await.ok(200);
}

fn check(answer: Answer, expected: Option<(u16, &str)>, asked: &str) {
    match expected {
        None => assert!(answer.status.is_success(), "{asked}: {answer:?}"),
        Some((status, code)) => {
            if status == 401 {
                let asks = answer.header("www-authenticate").is_some_and(|asks| asks.starts_with("Bearer"));
                assert!(asks, "{asked}");
            }
            drop(answer.problem(status, code));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_money_requires_a_secret_key() {
    let app = TestApp::start().await;
    let (held_id, held_token, _) = app.authorized_order().await;
    let (paid_id, paid_token, _) = app.paid_order().await;
    let refund = app.post(&format!("/v1/orders/{paid_id}/refunds")).shop().send().await.ok(201);
    let before = app.sent();
    for (method, path, token) in [
        (Method::POST, format!("/v1/orders/{held_id}/capture"), &held_token),
        (Method::POST, format!("/v1/orders/{paid_id}/refunds"), &paid_token),
        (Method::GET, format!("/v1/refunds/{}", text(&refund["id"])), &paid_token),
    ] {
        app.call(method.clone(), &path).send().await.problem(401, "missing_credentials");
        app.call(method, &path).bearer(token).send().await.problem(401, "invalid_credentials");
    }
    assert_eq!(app.sent(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn client_secret_of_another_order_is_rejected() {
    let app = TestApp::start().await;
    let (order_id, _) = app.order().await;
    let (other_id, other_token) = app.order().await;
    let other = app.payment_intent(&other_id, &other_token).await;
    let path = format!("/v1/orders/{order_id}/payment");
    let secret = text(&other["client_secret"]);
    app.get(&path).header("stripe-client-secret", &secret).send().await.problem(404, "not_found");
    let order = format!("/v1/orders/{other_id}");
    app.get(&order).header("stripe-client-secret", &secret).send().await.problem(401, "missing_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn restricted_fields_require_a_secret_key() {
    let app = TestApp::start().await;
    let product = app.product(100).await;
    let mut body = basket(&product);
    body["customer"] = json!({"reference": "user-1"});
    let refused = app.post("/v1/orders").json(&body).send().await.problem(422, "invalid_request");
    assert_eq!(refused["errors"][0]["pointer"], "/customer/reference");
    assert_eq!(refused["errors"][0]["code"], "not_allowed");
    let order = app.post("/v1/orders").shop().json(&body).send().await.ok(201);
    assert_eq!(order["customer"]["reference"], "user-1");

    let (order_id, token) = app.order().await;
    let order = format!("/v1/orders/{order_id}");
    for (path, body, pointer) in [
        (order.clone(), json!({"metadata": {"a": "b"}}), "/metadata"),
        (order.clone(), json!({"customer": {"reference": "user-1"}}), "/customer/reference"),
        (order.clone(), json!({"items": basket(&product)["items"]}), "/items"),
    ] {
        let refused =
            app.patch(&path).bearer(&token).json(&body).send().await.problem(422, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
        app.patch(&path).shop().json(&body).send().await.ok(200);
    }
    let path = format!("{order}/payment_intent");
    let body = json!({"capture_method": "manual"});
    let refused = app.post(&path).bearer(&token).json(&body).send().await.problem(422, "invalid_request");
    assert_eq!(refused["errors"][0]["pointer"], "/capture_method");
    app.post(&path).shop().json(&body).send().await.ok(200);
    let other = json!({"capture_method": "automatic"});
    app.post(&path).shop().json(&other).send().await.problem(409, "capture_method_fixed");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_token_stays_valid_after_key_rotation() {
    let keys = vec!["the new key", "the old key"];
    let app = TestApp::start_with(Setup { token_keys: keys, ..Setup::default() }).await;
    let (order_id, token) = app.order().await;
    let id = order_id.parse().unwrap();
    assert_eq!(token, client_token(&"the new key".into(), &id));
    let path = format!("/v1/orders/{order_id}");
    app.get(&path).bearer(&client_token(&"the old key".into(), &id)).send().await.ok(200);
    let foreign = client_token(&"another key".into(), &id);
    app.get(&path).bearer(&foreign).send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_secret_key_is_rejected() {
    let app = TestApp::start().await;
    let key = add_key(&app.store).await;
    let row = app.store.secret_key_by_hash(key.hash()).await.unwrap().unwrap();
    app.store.revoke_secret_key(row.id, chrono::Utc::now()).await.unwrap();
    app.get("/v1/orders").bearer(key.expose()).send().await.problem(401, "invalid_credentials");
}
