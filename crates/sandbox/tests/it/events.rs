use serde_json::{Value, json};

use crate::support::{Api, Receiver, TestSandbox, assert_fields, config, id, intent_path};

/// Returns the types of the listed events, newest first.
async fn list_types(api: &Api, params: &[(&str, &str)]) -> Vec<String> {
    let list = api.get("/v1/events", params).await.ok();
    let events = list["data"].as_array().unwrap().iter();
    events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

/// Starts a sandbox with a successful and a declined payment.
async fn with_payments() -> TestSandbox {
    let sandbox = TestSandbox::start(config());
    sandbox.api.pay("pm_card_visa", &[]).await.ok();
    sandbox.api.pay("pm_card_visa_chargeDeclined", &[]).await.error(402);
    sandbox
}

#[tokio::test(flavor = "multi_thread")]
async fn event_contains_object_and_request() {
    let sandbox = with_payments().await;

    let event = sandbox.api.single("/v1/events?type=payment_intent.succeeded").await;

    assert_fields(
        &event,
        &json!({ "object": "event", "data": { "object": { "status": "succeeded" } }, "livemode": false }),
    );
    assert!(event["request"]["id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(event.get("account"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_can_be_read_by_id() {
    let sandbox = with_payments().await;
    let event = sandbox.api.single("/v1/events?type=payment_intent.succeeded").await;

    let read = sandbox.api.get(&format!("/v1/events/{}", id(&event)), &[]).await.ok();

    assert_eq!(read, event);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_can_be_filtered_by_wildcard() {
    let sandbox = with_payments().await;

    let types = list_types(&sandbox.api, &[("type", "charge.*")]).await;

    assert_eq!(types, ["charge.failed", "charge.succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_can_be_filtered_by_several_types() {
    let sandbox = with_payments().await;

    let params = [("types[]", "charge.failed"), ("types[]", "payment_intent.created")];
    let types = list_types(&sandbox.api, &params).await;

    assert_eq!(types, ["charge.failed", "payment_intent.created", "payment_intent.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_filtered_by_type_and_types_are_rejected() {
    let sandbox = TestSandbox::start(config());

    sandbox.api.get("/v1/events", &[("type", "a.b"), ("types[]", "a.b")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_event_is_not_found() {
    let sandbox = TestSandbox::start(config());

    assert_eq!(sandbox.api.get("/v1/events/evt_x", &[]).await.error(404)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_keeps_object_of_its_time() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();

    sandbox.api.post(&intent_path(&intent), &[("amount", "9900")]).await.ok();

    assert_eq!(sandbox.api.single("/v1/events").await["data"]["object"], intent);
}

const UNDELIVERED: &str = "/v1/events?delivery_success=false";

/// Starts a sandbox with one event whose only delivery attempt failed.
async fn with_undelivered_event() -> (TestSandbox, Receiver, Value) {
    let sandbox = TestSandbox::start(quittance_sandbox::Config { webhook_max_attempts: 1, ..config() });
    let mut receiver = Receiver::start(1);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    sandbox.api.create_intent(&[]).await.ok();
    receiver.next().await;
    let list = sandbox.api.wait_until(UNDELIVERED, |list| list["data"][0]["pending_webhooks"] == 0).await;
    let event = list["data"][0].clone();
    (sandbox, receiver, event)
}

#[tokio::test(flavor = "multi_thread")]
async fn undelivered_event_can_be_resent() {
    let (sandbox, mut receiver, event) = with_undelivered_event().await;

    sandbox.api.post(&format!("/_sandbox/events/{}/resend", id(&event)), &[]).await.ok();

    assert_eq!(receiver.next().await.body["id"], event["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn resent_event_counts_as_delivered() {
    let (sandbox, _receiver, event) = with_undelivered_event().await;

    sandbox.api.post(&format!("/_sandbox/events/{}/resend", id(&event)), &[]).await.ok();

    sandbox.api.wait_until(UNDELIVERED, |list| list["data"] == json!([])).await;
    let delivered = "/v1/events?delivery_success=true";
    sandbox.api.wait_until(delivered, |list| list["data"][0]["id"] == event["id"]).await;
}

/// Creates a payment with a failed refund and a lost dispute, after an older event. Returns the start time.
async fn create_many_events(api: &Api) -> String {
    api.create_intent(&[]).await.ok();
    api.advance(100).await;
    let start = api.get("/_sandbox/clock", &[]).await.ok()["now"].to_string();
    let paid = api.pay("pm_card_refundFail", &[]).await.ok();
    api.post("/v1/refunds", &[("payment_intent", id(&paid)), ("amount", "100")]).await.ok();
    api.advance(2).await;
    let charge = paid["latest_charge"].as_str().unwrap();
    let dispute = api.post(&format!("/_sandbox/charges/{charge}/dispute"), &[]).await.ok();
    api.post(&format!("/v1/disputes/{}/close", id(&dispute)), &[]).await.ok();
    start
}

#[tokio::test(flavor = "multi_thread")]
async fn event_pages_since_a_time_contain_every_later_event_once() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let start = create_many_events(api).await;

    let mut types = Vec::new();
    let mut last_id: Option<String> = None;
    let mut has_more = true;
    while has_more {
        let mut params = vec![("limit", "3"), ("created[gte]", start.as_str())];
        params.extend(last_id.as_deref().map(|id| ("starting_after", id)));
        let page = api.get("/v1/events", &params).await.ok();
        let events = page["data"].as_array().unwrap();
        types.extend(events.iter().map(|event| event["type"].as_str().unwrap().to_owned()));
        last_id = events.last().map(|event| id(event).to_owned());
        has_more = page["has_more"].as_bool().unwrap();
    }
    types.reverse();

    assert_eq!(types, api.event_types().await[1..]);
    assert_eq!(
        types,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "refund.created",
            "charge.refunded",
            "refund.updated",
            "charge.refund.updated",
            "refund.failed",
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.closed",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_can_be_filtered_by_types_and_time() {
    let sandbox = TestSandbox::start(config());
    let start = create_many_events(&sandbox.api).await;

    let params =
        [("types[]", "refund.failed"), ("types[]", "charge.dispute.closed"), ("created[gte]", &start)];

    assert_eq!(list_types(&sandbox.api, &params).await, ["charge.dispute.closed", "refund.failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_without_request_has_no_request_id() {
    let sandbox = TestSandbox::start(config());
    create_many_events(&sandbox.api).await;

    let event = sandbox.api.single("/v1/events?type=refund.failed").await;

    assert_eq!(event["request"]["id"], Value::Null);
}
