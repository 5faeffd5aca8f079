use std::time::Duration;

use quittance_sandbox::Config;
use serde_json::{Value, json};

use crate::support::{Api, Receiver, TestSandbox, config, id};

async fn set_chaos(api: &Api, params: &[(&str, &str)]) -> Value {
    api.post("/_sandbox/chaos", params).await.ok()
}

/// Sends a request that may fail. Returns the status, or `None` without a complete response.
async fn try_post(api: &Api, path: &str, key: &str, body: String) -> Option<u16> {
    let request = api
        .http
        .post(format!("{}{path}", api.base))
        .bearer_auth("sk_test_x")
        .header("idempotency-key", key)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    response.bytes().await.ok().map(|_| status)
}

async fn try_create_intent(api: &Api, key: &str) -> Option<u16> {
    try_post(api, "/v1/payment_intents", key, "amount=1000&currency=eur".to_owned()).await
}

async fn try_refund(api: &Api, intent: &Value, key: &str) -> Option<u16> {
    try_post(api, "/v1/refunds", key, format!("payment_intent={}", id(intent))).await
}

async fn count_intents(api: &Api) -> usize {
    api.list("/v1/payment_intents").await.len()
}

/// Registers a receiver for the platform's events. It responds to the first `failures` webhooks with 500.
fn register_receiver(sandbox: &TestSandbox, failures: u32) -> Receiver {
    let receiver = Receiver::start(failures);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    receiver
}

/// The API faults, the status of the response, and the number of created objects.
const API_FAULTS: [(&str, Option<u16>, usize); 10] = [
    ("conflict", Some(409), 0),
    ("rate_limit", Some(429), 0),
    ("server_error", Some(500), 0),
    ("server_error_after", Some(500), 1),
    ("bad_gateway", Some(502), 0),
    ("bad_gateway_after", Some(502), 1),
    ("cut", None, 0),
    ("cut_after", None, 1),
    ("hang", None, 0),
    ("hang_after", None, 1),
];

async fn script_fault(api: &Api, fault: &str) {
    let step = format!("POST /v1/payment_intents 1 {fault}");
    set_chaos(api, &[("script[]", &step), ("hang_ms", "20")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_fault_has_its_status_and_effect() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    for (fault, status, created) in API_FAULTS {
        let before = count_intents(api).await;
        script_fault(api, fault).await;

        assert_eq!(try_create_intent(api, fault).await, status, "{fault}");

        assert_eq!(count_intents(api).await, before + created, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_api_fault_creates_one_object() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    for (fault, ..) in API_FAULTS {
        let before = count_intents(api).await;
        script_fault(api, fault).await;
        try_create_intent(api, fault).await;

        let status = try_create_intent(api, fault).await;

        // Stripe replays a 500 of a request that was executed.
        let expected = if fault == "server_error_after" { 500 } else { 200 };
        assert_eq!(status, Some(expected), "{fault}");
        assert_eq!(count_intents(api).await, before + 1, "{fault}");
    }
}

/// Runs the same requests with random faults. Returns the outcomes and the log of faults.
async fn run_with_seed(seed: &str) -> (Vec<Option<u16>>, Value) {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    set_chaos(api, &[("seed", seed), ("api_percent", "40"), ("hang_ms", "1")]).await;
    let mut outcomes = Vec::new();
    for call in 0..30 {
        outcomes.push(try_create_intent(api, &format!("key-{call}")).await);
    }
    let log = api.get("/_sandbox/chaos", &[]).await.ok()["faults"].clone();
    api.delete("/_sandbox/chaos").await.ok();
    outcomes.push(u16::try_from(count_intents(api).await).ok());
    (outcomes, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn same_seed_gives_same_faults_and_state() {
    let (first, second) = (run_with_seed("7").await, run_with_seed("7").await);

    assert_eq!(first, second);
    assert!(first.1.as_array().unwrap().len() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_seed_gives_other_faults() {
    assert_ne!(run_with_seed("7").await.1, run_with_seed("8").await.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_chaos_plan_causes_no_faults() {
    let sandbox = TestSandbox::start(config());
    set_chaos(&sandbox.api, &[("seed", "7"), ("api_percent", "100"), ("hang_ms", "1")]).await;

    sandbox.api.delete("/_sandbox/chaos").await.ok();

    assert_eq!(try_create_intent(&sandbox.api, "key").await, Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_fault_has_its_number_of_deliveries() {
    for (fault, deliveries) in [("drop", 1), ("duplicate", 2), ("delay", 1)] {
        let sandbox = TestSandbox::start(config());
        let mut receiver = register_receiver(&sandbox, 0);
        let params = [("delivery_percent", "100"), ("delivery_faults[]", fault), ("delay_ms", "50")];
        set_chaos(&sandbox.api, &params).await;

        let intent = sandbox.api.create_intent(&[]).await.ok();

        for _ in 0..deliveries {
            assert_eq!(receiver.next_object_id().await, intent["id"], "{fault}");
        }
        sandbox.api.wait_until("/v1/events", |list| list["data"][0]["pending_webhooks"] == 0).await;
        assert_eq!(sandbox.api.list("/v1/events").await.len(), 1);
        assert!(receiver.is_empty(), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_chaos_plan_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for param in [
        ("api_percent", "101"),
        ("api_faults[]", "earthquake"),
        ("delivery_faults[]", "cut"),
        ("script[]", "POST /v1/payment_intents first cut"),
        ("hang_ms", "-1"),
        ("mood", "bad"),
    ] {
        sandbox.api.post("/_sandbox/chaos", &[param]).await.error(400);
    }

    let plan = sandbox.api.get("/_sandbox/chaos", &[]).await.ok();
    assert_eq!((&plan["api_percent"], &plan["faults"]), (&json!(0), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn next_request_of_route_has_scripted_fault() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let paid = api.pay("pm_card_visa", &[]).await.ok();
    let params = [("route", "POST /v1/refunds"), ("fault", "hang_after"), ("hang_ms", "20")];
    api.post("/_sandbox/chaos/next", &params).await.ok();

    assert_eq!(try_refund(api, &paid, "a").await, None);
    assert_eq!(try_refund(api, &paid, "a").await, Some(200));

    assert_eq!(api.list("/v1/refunds").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nth_fault_counts_from_now_and_keeps_planned_faults() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let (first, second) = (api.pay("pm_card_visa", &[]).await.ok(), api.pay("pm_card_visa", &[]).await.ok());
    let hang = [("route", "POST /v1/refunds"), ("fault", "hang_after"), ("hang_ms", "20")];
    api.post("/_sandbox/chaos/next", &hang).await.ok();
    try_refund(api, &first, "a").await;
    try_refund(api, &first, "a").await;

    let conflict = [("route", "POST /v1/refunds"), ("fault", "conflict"), ("nth", "2")];
    let plan = api.post("/_sandbox/chaos/next", &conflict).await.ok();

    assert_eq!(plan["script"], json!(["POST /v1/refunds 1 hang_after", "POST /v1/refunds 4 conflict"]));
    assert_eq!(try_refund(api, &second, "b").await, Some(200));
    assert_eq!(try_refund(api, &second, "c").await, Some(409));
    assert_eq!(try_refund(api, &second, "c").await, Some(400), "the payment is already refunded");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_next_fault_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for params in [
        &[("route", "POST /v1/refund"), ("fault", "cut")][..],
        &[("route", "POST /v1/refunds"), ("fault", "earthquake")],
        &[("route", "POST /v1/refunds")],
        &[("fault", "cut")],
        &[("route", "POST /v1/refunds"), ("fault", "cut"), ("nth", "0")],
    ] {
        sandbox.api.post("/_sandbox/chaos/next", params).await.error(400);
    }
}

async fn set_delivery_mode(api: &Api, mode: &str) {
    api.post("/_sandbox/deliveries", &[("mode", mode)]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_webhook_is_listed_as_undelivered_without_retry() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut receiver = register_receiver(&sandbox, 0);
    set_delivery_mode(api, "drop").await;
    let dropped = api.create_intent(&[]).await.ok();
    set_delivery_mode(api, "normal").await;

    let delivered = api.create_intent(&[]).await.ok();

    assert_eq!(receiver.next_object_id().await, delivered["id"]);
    // The second event is delivered as soon as its response is recorded.
    let undelivered = "/v1/events?delivery_success=false";
    api.wait_until(undelivered, |list| list["data"].as_array().unwrap().len() == 1).await;
    let event = api.single(undelivered).await;
    assert_eq!(event["data"]["object"]["id"], dropped["id"]);
    assert_eq!(event["pending_webhooks"], 0);
    assert!(receiver.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_webhook_can_be_resent() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut receiver = register_receiver(&sandbox, 0);
    set_delivery_mode(api, "drop").await;
    let dropped = api.create_intent(&[]).await.ok();
    set_delivery_mode(api, "normal").await;
    let event = api.single("/v1/events").await;

    api.post(&format!("/_sandbox/events/{}/resend", id(&event)), &[]).await.ok();

    assert_eq!(receiver.next_object_id().await, dropped["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_plan_does_not_change_delivery_mode() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    set_delivery_mode(api, "drop").await;

    api.delete("/_sandbox/chaos").await.ok();
    set_chaos(api, &[("seed", "1")]).await;

    assert_eq!(api.get("/_sandbox/deliveries", &[]).await.ok()["mode"], "drop");
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_mode_drops_waiting_retries() {
    let retry_base = Duration::from_hours(1);
    let sandbox = TestSandbox::start(Config { webhook_retry_base: retry_base, ..config() });
    let api = &sandbox.api;
    let mut receiver = register_receiver(&sandbox, 1);
    api.create_intent(&[]).await.ok();
    receiver.next().await;

    set_delivery_mode(api, "drop").await;
    api.advance(3_600).await;

    api.wait_until("/v1/events", |list| list["data"][0]["pending_webhooks"] == 0).await;
    assert!(receiver.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_mode_drops_delayed_webhooks_immediately() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut receiver = register_receiver(&sandbox, 0);
    set_delivery_mode(api, "drop").await;
    let params = [("delivery_percent", "100"), ("delivery_faults[]", "delay"), ("delay_ms", "3600000")];
    set_chaos(api, &params).await;

    api.create_intent(&[]).await.ok();

    assert_eq!(api.single("/v1/events").await["pending_webhooks"], 0);
    assert!(receiver.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn delay_mode_delays_webhooks() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut receiver = register_receiver(&sandbox, 0);
    let params = [("mode", "delay"), ("delay_ms", "3600000")];
    assert_eq!(api.post("/_sandbox/deliveries", &params).await.ok()["delay_ms"], 3_600_000);
    let delayed = api.create_intent(&[]).await.ok();
    set_delivery_mode(api, "normal").await;
    let prompt = api.create_intent(&[]).await.ok();
    assert_eq!(receiver.next_object_id().await, prompt["id"]);

    api.advance(3_600).await;

    assert_eq!(receiver.next_object_id().await, delayed["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_delivery_mode_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for params in [
        &[("mode", "gone")][..],
        &[("delay_ms", "5")],
        &[("color", "red")],
        &[("mode", "delay"), ("delay_ms", "-5")],
    ] {
        sandbox.api.post("/_sandbox/deliveries", params).await.error(400);
    }
}
