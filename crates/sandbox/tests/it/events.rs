use crate::support::{Receiver, TestSandbox, config};

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_by_type_and_read_by_id() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    api.pay("pm_card_visa", &[]).await.ok();
    api.pay("pm_card_visa_chargeDeclined", &[]).await.error(402);
    let types = |list: serde_json::Value| -> Vec<String> {
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    };
    let succeeded = api.get("/v1/events", &[("type", "payment_intent.succeeded")]).await.ok();
    let event = &succeeded["data"][0];
    assert_eq!(event["object"], "event");
    assert_eq!(event["data"]["object"]["status"], "succeeded");
    assert_eq!(event["livemode"], false);
    assert!(event["request"]["id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(event.get("account"), None);
    let path = format!("/v1/events/{}", event["id"].as_str().unwrap());
    assert_eq!(api.get(&path, &[]).await.ok(), *event);
    assert_eq!(
        types(api.get("/v1/events", &[("type", "charge.*")]).await.ok()),
        ["charge.failed", "charge.succeeded"]
    );
    let both = [("types[]", "charge.failed"), ("types[]", "payment_intent.created")];
    assert_eq!(
        types(api.get("/v1/events", &both).await.ok()),
        ["charge.failed", "payment_intent.created", "payment_intent.created"]
    );
    api.get("/v1/events", &[("type", "a.b"), ("types[]", "a.b")]).await.error(400);
    assert_eq!(api.get("/v1/events/evt_x", &[]).await.error(404)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_keeps_the_object_as_it_was() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();
    let path = format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap());
    sandbox.api.post(&path, &[("amount", "9900")]).await.ok();
    let events = sandbox.api.get("/v1/events", &[]).await.ok();
    assert_eq!(events["data"][0]["data"]["object"], intent);
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_success_tells_what_was_missed() {
    let sandbox = TestSandbox::start(quittance_sandbox::Config { webhook_max_attempts: 1, ..config() });
    let mut receiver = Receiver::start(1);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    sandbox.api.create_intent(&[]).await.ok();
    receiver.next().await;
    let missed = "/v1/events?delivery_success=false";
    let list = sandbox.api.wait_until(missed, |list| list["data"][0]["pending_webhooks"] == 0).await;
    let id = list["data"][0]["id"].as_str().unwrap();
    sandbox.api.post(&format!("/_sandbox/events/{id}/resend"), &[]).await.ok();
    assert_eq!(receiver.next().await.body["id"], id);
    sandbox.api.wait_until(missed, |list| list["data"].as_array().unwrap().is_empty()).await;
    sandbox.api.wait_until("/v1/events?delivery_success=true", |list| list["data"][0]["id"] == id).await;
}

/// A walk over the pages from a moment on meets every event once, whatever it is about.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_over_the_pages_meets_every_event() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    api.create_intent(&[]).await.ok();
    api.advance(100).await;
    let from = api.get("/_sandbox/clock", &[]).await.ok()["now"].to_string();
    let paid = api.pay("pm_card_refundFail", &[]).await.ok();
    api.post("/v1/refunds", &[("payment_intent", paid["id"].as_str().unwrap()), ("amount", "100")])
        .await
        .ok();
    api.advance(2).await;
    let charge = paid["latest_charge"].as_str().unwrap();
    let dispute = api.post(&format!("/_sandbox/charges/{charge}/dispute"), &[]).await.ok();
    api.post(&format!("/v1/disputes/{}/close", dispute["id"].as_str().unwrap()), &[]).await.ok();
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut params = vec![("limit", "3"), ("created[gte]", from.as_str())];
        params.extend(cursor.as_deref().map(|cursor| ("starting_after", cursor)));
        let page = api.get("/v1/events", &params).await.ok();
        let events = page["data"].as_array().unwrap();
        seen.extend(events.iter().map(|event| event["type"].as_str().unwrap().to_owned()));
        cursor = events.last().map(|event| event["id"].as_str().unwrap().to_owned());
        if page["has_more"] == false {
            break;
        }
    }
    seen.reverse();
    assert_eq!(seen, api.event_types().await[1..]);
    assert_eq!(
        seen,
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
    let some = [("types[]", "refund.failed"), ("types[]", "charge.dispute.closed"), ("created[gte]", &from)];
    assert_eq!(api.get("/v1/events", &some).await.ok()["data"].as_array().unwrap().len(), 2);
    let failed = api.get("/v1/events", &[("type", "refund.failed")]).await.ok();
    assert_eq!(failed["data"][0]["request"]["id"], serde_json::Value::Null, "nobody has asked for it");
}
