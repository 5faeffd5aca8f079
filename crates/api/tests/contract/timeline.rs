//! The timeline of an order.

use quittance_test_support::wait_until;
use serde_json::{Value, json};

use crate::app::{TestApp, text};

fn whats(timeline: &Value) -> Vec<String> {
    let line = |entry: &Value| format!("{} {}", text(&entry["kind"]), text(&entry["what"]));
    timeline["data"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn timeline_is_complete_for_the_shop_and_short_for_the_holder() {
    let app = TestApp::start().await;
    let (order_id, token, _) = app.paid_order().await;
    // A foreign PaymentIntent carries this order's ID: the event is recorded and ignored.
    let form = format!(
        "amount=100&currency=eur&confirm=true&payment_method=pm_card_visa&allowed_payment_method_types[]=card\
         &metadata[order_id]={order_id}&metadata[payment_id]=pay_01kb3m9q4e8v2tz6h0rxw5ncy7"
    );
    app.at_stripe("/v1/payment_intents", &form).await;
    app.post(&format!("/v1/orders/{order_id}/refunds")).shop().send().await.ok(201);
    let path = format!("/v1/orders/{order_id}/timeline");
    let is_ignored =
        |entry: &Value| entry["outcome"] == "ignored" && entry["what"] == "payment_intent.succeeded";
    let seen = wait_until("the events at Stripe are in the timeline", async || {
        let seen = app.get(&path).shop().send().await.ok(200);
        let is_refunded = whats(&seen).iter().any(|line| line == "fact charge.refunded");
        let has_ignored = seen["data"].as_array().unwrap().iter().any(is_ignored);
        (is_refunded && has_ignored).then_some(seen)
    })
    .await;
    assert_eq!((&seen["object"], &seen["has_more"]), (&json!("list"), &json!(false)));
    let entries = seen["data"].as_array().unwrap();
    let times: Vec<_> = entries.iter().map(|entry| text(&entry["at"])).collect();
    assert!(times.is_sorted(), "{times:?}");
    let lines = whats(&seen);
    for line in [
        "act order.placed",
        "act payment.begun",
        "request payment_intents.create",
        "fact payment_intent.succeeded",
        "decision accepted",
        "effect order.paid",
        "act refund.requested",
        "request refunds.create",
        "effect refund.succeeded",
    ] {
        assert!(lines.iter().any(|one| one == line), "no {line}: {lines:#?}");
    }
    assert!(entries.iter().any(|entry| is_ignored(entry) && entry["reason"].is_string()), "{entries:#?}");
    let request = entries.iter().find(|entry| entry["kind"] == "request").unwrap();
    assert!(text(&request["request_id"]).starts_with("req_"), "{request}");

    let short = app.get(&path).bearer(&token).send().await.ok(200);
    let lines = whats(&short);
    for line in
        ["act order.placed", "fact payment_intent.succeeded", "decision accepted", "act refund.requested"]
    {
        assert!(lines.iter().any(|one| one == line), "no {line}: {lines:#?}");
    }
    assert!(
        lines.iter().all(|line| !line.starts_with("request") && !line.starts_with("effect")),
        "{lines:#?}"
    );
    assert_eq!(
        lines.iter().filter(|line| *line == "fact payment_intent.succeeded").count(),
        1,
        "none ignored"
    );
    for entry in short["data"].as_array().unwrap() {
        let fields: Vec<_> = entry.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["at", "kind", "what"], "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timeline_of_an_unknown_order_returns_404() {
    let app = TestApp::start().await;
    for path in ["/v1/orders/ord_01kb3m9q4e8v2tz6h0rxw5ncy7/timeline", "/v1/orders/42/timeline"] {
        app.get(path).shop().send().await.problem(404, "not_found");
    }
}
