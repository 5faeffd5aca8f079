//! Events for the shop's systems: endpoints, messages and payloads.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use quittance_test_support::wait_until;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, basket, contains, text};

/// A request that a receiver got.
#[derive(Debug, Clone)]
struct Got {
    id: String,
    body: Value,
}

/// A receiver that accepts every message.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    fn start() -> Self {
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let kept = Arc::clone(&got);
        let take = move |request: HttpRequest, body: Bytes| {
            let id = request.headers().get("webhook-id").unwrap().to_str().unwrap().to_owned();
            kept.lock().unwrap().push(Got { id, body: serde_json::from_slice(&body).unwrap() });
            async { Ok::<_, Infallible>(HttpResponse::Ok().body("thanks")) }
        };
        let server = HttpServer::new(move || App::new().default_service(web::to(take.clone())))
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        let url = format!("http://{}/hooks", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, got }
    }

    async fn has(&self, count: usize) -> Vec<Got> {
        wait_until(&format!("{count} messages arrive"), async || {
            let got = self.got.lock().unwrap().clone();
            (got.len() >= count).then_some(got)
        })
        .await
    }
}

async fn with_outbound() -> TestApp {
    TestApp::start_with(Setup { with_outbound: true, ..Setup::default() }).await
}

async fn endpoint(app: &TestApp, url: &str, event_types: &Value) -> Value {
    let body = json!({"url": url, "event_types": event_types});
    app.post("/v1/webhook_endpoints").shop().json(&body).send().await.ok(201)
}

/// Waits until every delivery of a message has this state.
async fn message_becomes(app: &TestApp, id: &str, state: &str) -> Value {
    wait_until(&format!("every delivery is {state}"), async || {
        let message = app.get(&format!("/v1/messages/{id}")).shop().send().await.ok(200);
        let deliveries = message["deliveries"].as_array().unwrap();
        deliveries.iter().all(|delivery| delivery["state"] == state).then_some(message)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_endpoint_is_created_updated_and_deleted() {
    let app = TestApp::start().await;
    let body =
        json!({"url": "https://shop.example/hooks", "description": "Stock", "event_types": ["order.*"]});
    let made = app.post("/v1/webhook_endpoints").shop().json(&body).send().await;
    let location = made.header("location").unwrap().to_owned();
    let made = made.ok(201);
    let secret = text(&made["secret"]);
    assert!(secret.starts_with("whsec_"));
    insta::assert_json_snapshot!("webhook_endpoint", made, {
        ".id" => "[id]", ".secret" => "[secret]", ".created_at" => "[time]", ".updated_at" => "[time]"
    });
    let read = app.get(&location).shop().send().await.ok(200);
    assert!(read.get("secret").is_none(), "the secret is shown once");
    let list = app.get("/v1/webhook_endpoints").shop().send().await.ok(200);
    assert_eq!(list["data"], json!([read]));

    let change = json!({"description": null, "event_types": ["*"], "enabled": false});
    let changed = app.patch(&location).shop().json(&change).send().await.ok(200);
    assert_eq!((&changed["enabled"], &changed["disabled_reason"]), (&json!(false), &json!("requested")));
    assert_eq!((&changed["description"], &changed["event_types"]), (&json!(null), &json!(["*"])));
    let ping = format!("{location}/ping");
    app.post(&ping).shop().send().await.problem(409, "webhook_endpoint_disabled");

    let removed = app.delete(&location).shop().send().await.ok(200);
    assert_eq!(removed["deleted"], true);
    app.delete(&location).shop().send().await.problem(404, "not_found");
    app.get(&location).shop().send().await.problem(404, "not_found");
    app.post(&ping).shop().send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_secret_is_replayed_and_stored_once() {
    let app = TestApp::start().await;
    let body = json!({"url": "https://shop.example/hooks"});
    let ask = || app.post("/v1/webhook_endpoints").shop().key("make").json(&body);
    let made = ask().send().await.ok(201);
    let again = ask().send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(201), made);
    let stored = String::from_utf8_lossy(&app.database_bytes()).into_owned();
    let replies = stored.matches("\"object\":\"webhook_endpoint\"").count();
    assert!(replies > 0, "the answer is stored");
    assert!(!stored.contains(&format!("\"secret\":\"{}", text(&made["secret"]))), "without the secret");

    let path = format!("/v1/webhook_endpoints/{}/roll_secret", text(&made["id"]));
    let body = json!({"overlap_seconds": 0});
    let roll = || app.post(&path).shop().key("roll").json(&body);
    let rolled = roll().send().await.ok(200);
    assert_ne!(rolled["secret"], made["secret"]);
    assert_eq!(roll().send().await.ok(200), rolled);
    let gone = ask().send().await.ok(201);
    assert!(gone.get("secret").is_none(), "the first secret no longer signs");
    assert!(!contains(&app.database_bytes(), "no such text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_webhook_endpoint_is_rejected() {
    let app = TestApp::start().await;
    let fine = "https://shop.example/hooks";
    for (body, pointer) in [
        (json!({}), "/url"),
        (json!({"url": "shop.example"}), "/url"),
        (json!({"url": "ftp://shop.example/"}), "/url"),
        (json!({"url": "https://user:password@shop.example/"}), "/url"),
        (json!({"url": "https://10.0.0.1/"}), "/url"),
        (json!({"url": "https://[::ffff:169.254.169.254]/"}), "/url"),
        (json!({"url": fine, "event_types": []}), "/event_types"),
        (json!({"url": fine, "event_types": ["order.payed"]}), "/event_types/0"),
        (json!({"url": fine, "secret": "whsec_mine"}), "/secret"),
        (json!({"url": fine, "enabled": "yes"}), "/enabled"),
    ] {
        let refused = app.post("/v1/webhook_endpoints").shop().json(&body).send().await;
        let refused = refused.problem(422, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}");
    }
    let made = endpoint(&app, fine, &json!(["*"])).await;
    let path = format!("/v1/webhook_endpoints/{}", text(&made["id"]));
    let refused = app.patch(&path).shop().json(&json!({"url": "https://127.1.2.3.4.5/"})).send().await;
    refused.problem(422, "invalid_request");
    for (action, body) in [
        ("roll_secret", json!({"overlap_seconds": 604_801})),
        ("recover", json!({})),
        ("recover", json!({"since": "yesterday"})),
        ("ping", json!({"loud": true})),
    ] {
        let refused = app.post(&format!("{path}/{action}")).shop().json(&body).send().await;
        refused.problem(422, "invalid_request");
    }
    for query in ["state=lost", "order_id=ord_1", "webhook_endpoint_id=x", "kind=order.paid", "limit=0"] {
        let refused = app.get(&format!("/v1/messages?{query}")).shop().send().await;
        refused.problem(422, "invalid_parameter");
    }
    app.get("/v1/messages/msg_1").shop().send().await.problem(404, "not_found");
    let nothing = "/v1/messages/msg_01kb3m9q4e8v2tz6h0rxw5ncy7/resend";
    app.post(nothing).shop().send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_events_are_sent_from_placement_to_payment() {
    let app = with_outbound().await;
    let receiver = Receiver::start();
    let made = endpoint(&app, &receiver.url, &json!(["order.created", "order.paid"])).await;
    let (order_id, token) = app.order().await;
    let intent = app.payment_intent(&order_id, &token).await;
    app.confirm(&text(&intent["payment_intent_id"]), "pm_card_visa").await;
    let order = app.order_becomes(&order_id, "paid").await;
    let got = receiver.has(2).await;
    let kinds: Vec<_> = got.iter().map(|got| text(&got.body["type"])).collect();
    assert_eq!(kinds, ["order.created", "order.paid"]);
    let paid = &got[1];
    assert_eq!(paid.body["id"], paid.id.as_str());
    assert_eq!((&paid.body["api_version"], &paid.body["data"]), (&json!("v1"), &order));
    assert!(paid.body["sequence"].as_i64() > got[0].body["sequence"].as_i64());
    insta::assert_json_snapshot!("event_order_paid", paid.body, {
        ".id" => "[id]", ".timestamp" => "[time]", ".data" => "[the order]"
    });

    let message = message_becomes(&app, &paid.id, "delivered").await;
    assert_eq!(message["payload"], paid.body);
    let delivery = &message["deliveries"][0];
    assert_eq!((&delivery["webhook_endpoint_id"], &delivery["attempt_count"]), (&made["id"], &json!(1)));
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["answer"]), (&json!(200), &json!("thanks")));
    for (query, count) in [
        (String::new(), 2),
        ("?type=order.paid".to_owned(), 1),
        (format!("?order_id={order_id}&limit=1"), 1),
        (format!("?webhook_endpoint_id={}", text(&made["id"])), 2),
        ("?state=failed".to_owned(), 0),
    ] {
        let list = app.get(&format!("/v1/messages{query}")).shop().send().await.ok(200);
        assert_eq!(list["data"].as_array().unwrap().len(), count, "{query}");
    }

    let path = format!("/v1/messages/{}/resend", paid.id);
    let ask = || app.post(&path).shop().key("again");
    let resent = ask().send().await.ok(200);
    assert_eq!(resent["deliveries"][0]["state"], "pending");
    let again = ask().send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let got = receiver.has(3).await;
    assert_eq!((&got[2].id, &got[2].body), (&paid.id, &paid.body));
    let message = message_becomes(&app, &paid.id, "delivered").await;
    assert_eq!(message["deliveries"][0]["attempt_count"], 2, "it was resent exactly once");
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_events_are_sent_from_connection_to_disconnection() {
    let app = with_outbound().await;
    let receiver = Receiver::start();
    endpoint(&app, &receiver.url, &json!(["seller.*"])).await;
    let seller = app.connected_seller("ada").await;
    let ready = receiver.has(1).await;
    assert_eq!(ready[0].body["type"], "seller.ready");
    assert_eq!(
        (&ready[0].body["data"]["id"], &ready[0].body["data"]["ready"]),
        (&seller["id"], &json!(true))
    );
    insta::assert_json_snapshot!("event_seller_ready", ready[0].body, {
        ".id" => "[id]", ".timestamp" => "[time]", ".data" => "[the seller]"
    });
    app.change_account(&seller, "payouts_enabled=false").await;
    let restricted = receiver.has(2).await[1].body.clone();
    assert_eq!(restricted["type"], "seller.restricted");
    assert_eq!(restricted["data"]["blockers"], json!(["payouts_not_enabled"]));
    let account = text(&seller["account_id"]);
    app.at_stripe(&format!("/_sandbox/accounts/{account}/disconnect"), "").await;
    let gone = receiver.has(3).await[2].body.clone();
    assert_eq!((&gone["type"], &gone["data"]["connected"]), (&json!("seller.disconnected"), &json!(false)));
    let list = app.get("/v1/messages?type=seller.disconnected").shop().send().await.ok(200);
    let message = &list["data"][0];
    assert_eq!((&message["seller_id"], &message["order_id"]), (&seller["id"], &json!(null)));
    let sequences = [&ready[0].body, &restricted, &gone].map(|told| told["sequence"].as_i64().unwrap());
    assert!(sequences.is_sorted() && sequences[0] < sequences[2], "{sequences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_endpoint_is_pinged_and_recovers_missed_messages() {
    let app = with_outbound().await;
    let product = app.product(100).await;
    let before = chrono::Utc::now().to_rfc3339();
    app.post("/v1/orders").json(&basket(&product)).send().await.ok(201);
    let witness = Receiver::start();
    endpoint(&app, &witness.url, &json!(["*"])).await;
    app.post("/v1/orders").json(&basket(&product)).send().await.ok(201);
    witness.has(1).await;
    let receiver = Receiver::start();
    let made = endpoint(&app, &receiver.url, &json!(["order.created"])).await;
    let path = format!("/v1/webhook_endpoints/{}", text(&made["id"]));
    let ping = app.post(&format!("{path}/ping")).shop().send().await.ok(200);
    let got = receiver.has(1).await;
    assert_eq!(
        (got[0].id.as_str(), &got[0].body["type"]),
        (ping["id"].as_str().unwrap(), &json!("webhook_endpoint.ping"))
    );
    assert_eq!((&got[0].body["sequence"], &got[0].body["data"]["id"]), (&json!(null), &made["id"]));
    assert!(got[0].body["data"].get("secret").is_none());
    let since = json!({"since": before});
    let recovery = app.post(&format!("{path}/recover")).shop().json(&since).send().await.ok(200);
    assert_eq!(recovery, json!({"object": "recovery", "message_count": 2}));
    assert_eq!(receiver.has(3).await.len(), 3);
}
