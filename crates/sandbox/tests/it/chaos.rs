use serde_json::Value;

use crate::support::{Api, Receiver, Running, config};

async fn set(api: &Api, params: &[(&str, &str)]) -> Value {
    api.post("/_sandbox/chaos", params).await.ok()
}

/// One call whose answer may be anything, or none.
async fn attempt(api: &Api, key: &str) -> Option<u16> {
    let request = api
        .http
        .post(format!("{}/v1/payment_intents", api.base))
        .bearer_auth("sk_test_x")
        .header("idempotency-key", key)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("amount=1000&currency=eur");
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    answer.bytes().await.ok().map(|_| status)
}

async fn count_intents(api: &Api) -> usize {
    api.get("/v1/payment_intents", &[]).await.ok()["data"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_api_leaves_what_it_says() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let faults = [
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
    for (fault, status, made) in faults {
        let before = count_intents(api).await;
        let step = format!("POST /v1/payment_intents 1 {fault}");
        set(api, &[("script[]", &step), ("hang_ms", "20")]).await;
        assert_eq!(attempt(api, fault).await, status, "{fault}");
        assert_eq!(count_intents(api).await, before + made, "{fault}");
        // Tried again with its key, it happens once; a failure of Stripe's own is replayed.
        let again = if fault == "server_error_after" { 500 } else { 200 };
        assert_eq!(attempt(api, fault).await, Some(again), "{fault}");
        assert_eq!(count_intents(api).await, before + 1, "{fault}");
    }
}

/// Makes the same calls; returns every outcome and what the sandbox noted.
async fn run_of(seed: &str) -> (Vec<Option<u16>>, Value) {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    set(api, &[("seed", seed), ("api_percent", "40"), ("hang_ms", "1")]).await;
    let mut outcomes = Vec::new();
    for call in 0..30 {
        outcomes.push(attempt(api, &format!("key-{call}")).await);
    }
    let log = api.get("/_sandbox/chaos", &[]).await.ok()["faults"].clone();
    api.delete("/_sandbox/chaos").await.ok();
    assert_eq!(attempt(api, "afterwards").await, Some(200));
    outcomes.push(u16::try_from(count_intents(api).await).ok());
    (outcomes, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_gives_the_same_faults_and_the_same_state_every_time() {
    let (first, second, other) = (run_of("7").await, run_of("7").await, run_of("8").await);
    assert_eq!(first, second);
    assert_ne!(first.1, other.1);
    assert!(first.1.as_array().unwrap().len() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_lost_doubled_and_late_and_all_arrive() {
    for (fault, deliveries) in [("drop", 1), ("duplicate", 2), ("delay", 1)] {
        let sandbox = Running::start(config());
        let mut receiver = Receiver::start(0);
        sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
        let faults = [("delivery_percent", "100"), ("delivery_faults[]", fault), ("delay_ms", "50")];
        set(&sandbox.api, &faults).await;
        let intent = sandbox.api.create(&[]).await.ok();
        for _ in 0..deliveries {
            assert_eq!(receiver.next().await.body["data"]["object"]["id"], intent["id"], "{fault}");
        }
        let events = sandbox.api.until("/v1/events", |list| list["data"][0]["pending_webhooks"] == 0).await;
        assert_eq!(events["data"].as_array().unwrap().len(), 1);
        assert!(receiver.received.try_recv().is_err(), "{fault}: no more than that");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_makes_no_sense_is_refused() {
    let sandbox = Running::start(config());
    for (name, value) in [
        ("api_percent", "101"),
        ("api_faults[]", "earthquake"),
        ("delivery_faults[]", "cut"),
        ("script[]", "POST /v1/payment_intents first cut"),
        ("hang_ms", "-1"),
        ("mood", "bad"),
    ] {
        sandbox.api.post("/_sandbox/chaos", &[(name, value)]).await.error(400);
    }
    let plan = sandbox.api.get("/_sandbox/chaos", &[]).await.ok();
    assert_eq!((&plan["api_percent"], &plan["faults"]), (&0.into(), &Value::Array(Vec::new())));
}

async fn refund(api: &Api, intent: &Value, key: &str) -> Option<u16> {
    let request = api
        .http
        .post(format!("{}/v1/refunds", api.base))
        .bearer_auth("sk_test_x")
        .header("idempotency-key", key)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("payment_intent={}", intent["id"].as_str().unwrap()));
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    answer.bytes().await.ok().map(|_| status)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nth_next_call_of_a_route_goes_wrong_and_no_other() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let (one, two) = (api.pay("pm_card_visa", &[]).await.ok(), api.pay("pm_card_visa", &[]).await.ok());
    let next = [("route", "POST /v1/refunds"), ("fault", "hang_after"), ("hang_ms", "20")];
    api.post("/_sandbox/chaos/next", &next).await.ok();
    assert_eq!(refund(api, &one, "a").await, None, "it takes effect and nobody is told");
    assert_eq!(refund(api, &one, "a").await, Some(200));
    let refunds = api.get("/v1/refunds", &[]).await.ok();
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1);
    // Counted from now on, beside what is planned already.
    let second = [("route", "POST /v1/refunds"), ("fault", "conflict"), ("nth", "2")];
    let plan = api.post("/_sandbox/chaos/next", &second).await.ok();
    assert_eq!(
        plan["script"],
        serde_json::json!(["POST /v1/refunds 1 hang_after", "POST /v1/refunds 4 conflict"])
    );
    assert_eq!(refund(api, &two, "b").await, Some(200));
    assert_eq!(refund(api, &two, "c").await, Some(409));
    assert_eq!(refund(api, &two, "c").await, Some(400), "it has been refunded by b");
    for wrong in [
        &[("route", "POST /v1/refund"), ("fault", "cut")][..],
        &[("route", "POST /v1/refunds"), ("fault", "earthquake")],
        &[("route", "POST /v1/refunds")],
        &[("fault", "cut")],
        &[("route", "POST /v1/refunds"), ("fault", "cut"), ("nth", "0")],
    ] {
        api.post("/_sandbox/chaos/next", wrong).await.error(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_webhooks_are_lost_while_the_switch_says_so_and_the_events_are_listed() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let mut receiver = Receiver::start(0);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    api.post("/_sandbox/deliveries", &[("mode", "drop")]).await.ok();
    let lost = api.create(&[]).await.ok();
    // A plan that ends does not move the switch.
    api.delete("/_sandbox/chaos").await.ok();
    api.post("/_sandbox/chaos", &[("seed", "1")]).await.ok();
    assert_eq!(api.get("/_sandbox/deliveries", &[]).await.ok()["mode"], "drop");
    api.create(&[]).await.ok();
    api.post("/_sandbox/deliveries", &[("mode", "normal")]).await.ok();
    let heard = api.create(&[]).await.ok();
    assert_eq!(receiver.next().await.body["data"]["object"]["id"], heard["id"]);
    // The third is delivered once its answer has been noted.
    let missed = api
        .until("/v1/events?delivery_success=false", |list| list["data"].as_array().unwrap().len() == 2)
        .await;
    let missed = missed["data"].as_array().unwrap();
    assert_eq!(missed[1]["data"]["object"]["id"], lost["id"]);
    assert!(missed.iter().all(|event| event["pending_webhooks"] == 0), "no further try is made");
    assert!(receiver.received.try_recv().is_err());
    let resend = format!("/_sandbox/events/{}/resend", missed[1]["id"].as_str().unwrap());
    api.post(&resend, &[]).await.ok();
    assert_eq!(receiver.next().await.body["data"]["object"]["id"], lost["id"]);
}

/// What is on its way already is lost when its moment comes, and what happens meanwhile is lost at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_switch_also_stops_what_waits() {
    let hour = std::time::Duration::from_hours(1);
    let sandbox = Running::start(quittance_sandbox::Config { webhook_retry_base: hour, ..config() });
    let api = &sandbox.api;
    let mut receiver = Receiver::start(1);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    api.create(&[]).await.ok();
    receiver.next().await;
    api.post("/_sandbox/deliveries", &[("mode", "drop")]).await.ok();
    api.advance(3_600).await;
    api.until("/v1/events", |list| list["data"][0]["pending_webhooks"] == 0).await;
    let late = [("delivery_percent", "100"), ("delivery_faults[]", "delay"), ("delay_ms", "3600000")];
    set(api, &late).await;
    api.create(&[]).await.ok();
    assert_eq!(api.get("/v1/events", &[]).await.ok()["data"][0]["pending_webhooks"], 0);
    assert!(receiver.received.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_webhooks_are_late_while_the_switch_says_so() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let mut receiver = Receiver::start(0);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    let late = api.post("/_sandbox/deliveries", &[("mode", "delay"), ("delay_ms", "3600000")]).await.ok();
    assert_eq!(late["delay_ms"], 3_600_000);
    let delayed = api.create(&[]).await.ok();
    api.post("/_sandbox/deliveries", &[("mode", "normal")]).await.ok();
    let prompt = api.create(&[]).await.ok();
    assert_eq!(receiver.next().await.body["data"]["object"]["id"], prompt["id"]);
    api.advance(3_600).await;
    assert_eq!(receiver.next().await.body["data"]["object"]["id"], delayed["id"]);
    for wrong in [("mode", "gone"), ("delay_ms", "5"), ("colour", "red")] {
        api.post("/_sandbox/deliveries", &[wrong]).await.error(400);
    }
    api.post("/_sandbox/deliveries", &[("mode", "delay"), ("delay_ms", "-5")]).await.error(400);
}
