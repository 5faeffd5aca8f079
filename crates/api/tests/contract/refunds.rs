//! Refunds and disputes.

use quittance_test_support::wait_until;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, text};

impl TestApp {
    async fn refund(&self, order_id: &str, body: &Value) -> Value {
        self.post(&format!("/v1/orders/{order_id}/refunds")).shop().json(body).send().await.ok(201)
    }

    async fn refunds(&self, order_id: &str) -> Vec<Value> {
        let list = self.get(&format!("/v1/orders/{order_id}/refunds")).shop().send().await.ok(200);
        list["data"].as_array().unwrap().clone()
    }
}

/// Returns a refund without the fields that change with every event.
fn lasting(mut refund: Value) -> Value {
    refund.as_object_mut().unwrap().remove("updated_at");
    refund
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_refunds_add_up_to_the_amount_paid() {
    let app = TestApp::start().await;
    let (order_id, ..) = app.paid_order().await;
    let path = format!("/v1/orders/{order_id}");
    let body = json!({"amount": 1000, "reason": "requested_by_customer"});
    let answer = app.post(&format!("{path}/refunds")).shop().json(&body).send().await;
    let location = answer.header("location").unwrap().to_owned();
    let first = answer.ok(201);
    insta::assert_json_snapshot!("refund", first, {
        ".id" => "[id]", ".order_id" => "[id]", ".payment_id" => "[id]", ".stripe_refund_id" => "[id]",
        ".created_at" => "[time]", ".updated_at" => "[time]"
    });
    assert_eq!(location, format!("/v1/refunds/{}", text(&first["id"])));
    assert_eq!(lasting(app.get(&location).shop().send().await.ok(200)), lasting(first.clone()));
    let order = app.get(&path).shop().send().await.ok(200);
    assert_eq!((&order["status"], &order["amount_refunded"]), (&json!("partially_refunded"), &json!(1000)));

    let rest = app.refund(&order_id, &json!({})).await;
    assert_eq!((&rest["amount"], &rest["reason"]), (&json!(3998), &json!(null)));
    let order = app.get(&path).shop().send().await.ok(200);
    assert_eq!((&order["status"], &order["amount_refunded"]), (&json!("refunded"), &json!(4998)));
    assert_eq!(order["amount_paid"], 4998);
    let ids = |list: &[Value]| list.iter().map(|refund| text(&refund["id"])).collect::<Vec<_>>();
    let (first, rest) = (text(&first["id"]), text(&rest["id"]));
    assert_eq!(ids(&app.refunds(&order_id).await), [rest.as_str(), &first], "newest first");
    for (query, expected, has_more) in
        [("limit=1".to_owned(), &rest, true), (format!("limit=1&starting_after={rest}"), &first, false)]
    {
        let page = app.get(&format!("{path}/refunds?{query}")).shop().send().await.ok(200);
        assert_eq!(ids(page["data"].as_array().unwrap()), [expected.as_str()], "{query}");
        assert_eq!((&page["object"], &page["has_more"]), (&json!("list"), &json!(has_more)), "{query}");
    }
    let answer = app.post(&format!("{path}/payment_intent")).shop().send().await;
    answer.problem(409, "already_paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_refund_is_rejected_before_stripe_is_called() {
    let app = TestApp::start().await;
    let (paid_id, ..) = app.paid_order().await;
    app.refund(&paid_id, &json!({"amount": 4000})).await;
    let (held_id, ..) = app.authorized_order().await;
    let (open_id, _) = app.order().await;
    let before = app.sent();
    let paid = format!("/v1/orders/{paid_id}/refunds");
    for (body, pointer, code) in [
        (json!({"amount": 0}), "/amount", "out_of_range"),
        (json!({"amount": -1}), "/amount", "out_of_range"),
        (json!({"amount": 1.5}), "/amount", "wrong_type"),
        (json!({"amount": "1"}), "/amount", "wrong_type"),
        (json!({"reason": "changed_their_mind"}), "/reason", "invalid"),
        (json!({"reason": "expired_uncaptured_charge"}), "/reason", "invalid"),
        (json!({"reason": 7}), "/reason", "wrong_type"),
        (json!({"currency": "eur"}), "/currency", "unknown_field"),
    ] {
        let problem = app.post(&paid).shop().json(&body).send().await.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
    let too_much = app.post(&paid).shop().json(&json!({"amount": 999})).send().await;
    let too_much = too_much.problem(409, "refund_too_large");
    assert_eq!(too_much["errors"][0]["available"], 998);
    for id in [held_id, open_id] {
        let path = format!("/v1/orders/{id}/refunds");
        app.post(&path).shop().send().await.problem(409, "order_not_refundable");
    }
    for path in ["/v1/orders/ord_01kb3m9q4e8v2tz6h0rxw5ncy7/refunds", "/v1/orders/42/refunds"] {
        app.post(path).shop().send().await.problem(404, "not_found");
        app.get(path).shop().send().await.problem(404, "not_found");
    }
    for id in ["ref_01kb3m9q4e8v2tz6h0rxw5ncy7", "nonsense"] {
        app.get(&format!("/v1/refunds/{id}")).shop().send().await.problem(404, "not_found");
    }
    assert_eq!(app.sent(), before, "the API sent nothing to Stripe");
    assert_eq!(app.refunds(&paid_id).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_refunds_never_exceed_the_amount_paid() {
    let app = TestApp::start().await;
    let (order_id, _, intent_id) = app.paid_order().await;
    let path = format!("/v1/orders/{order_id}/refunds");
    let body = json!({"amount": 1000});
    let calls = (0..12).map(|_| app.post(&path).shop().json(&body).send());
    let answers = futures_util::future::join_all(calls).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 4);
    for answer in refused {
        answer.problem(409, "refund_too_large");
    }
    let list = app.read_at_stripe(&format!("/v1/refunds?payment_intent={intent_id}&limit=100")).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_refund_request_creates_one_refund() {
    let app = TestApp::start().await;
    let (order_id, ..) = app.paid_order().await;
    let path = format!("/v1/orders/{order_id}/refunds");
    let ask = || app.post(&path).shop().key("k").json(&json!({"amount": 1000})).send();
    let first = ask().await;
    let again = ask().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!((&again.text, again.header("location")), (&first.text, first.header("location")));
    assert_eq!(first.ok(201)["status"], "succeeded", "the repetition returns Stripe's answer");
    assert_eq!(app.times_sent("POST /v1/refunds"), 1);
    app.post(&path).shop().key("k").send().await.problem(422, "idempotency_key_reused");
}

/// The reply is stored in the transaction that records the refund. A repetition before Stripe answers, or after a
/// crash, gets that reply and creates no second refund.
#[tokio::test(flavor = "multi_thread")]
async fn refund_is_returned_as_soon_as_it_is_recorded() {
    let app = TestApp::start().await;
    let (order_id, ..) = app.paid_order().await;
    let fault = "hang_ms=3000&script[]=POST%20%2Fv1%2Frefunds%201%20hang";
    app.at_stripe("/_sandbox/chaos", fault).await;
    let path = format!("/v1/orders/{order_id}/refunds");
    let ask = || app.post(&path).shop().key("k").json(&json!({"amount": 1000})).send();
    let repeat = async {
        wait_until("the refund is sent", async || app.times_sent("POST /v1/refunds") > 0).await;
        ask().await
    };
    let (first, again) = tokio::join!(ask(), repeat);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let (first, again) = (first.ok(201), again.ok(201));
    assert_eq!((&again["status"], &again["stripe_refund_id"]), (&json!("pending"), &json!(null)));
    assert_eq!((&first["id"], &first["status"]), (&again["id"], &json!("pending")));
    assert_eq!(app.refunds(&order_id).await.len(), 1);
    assert_eq!(app.times_sent("POST /v1/refunds"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_refused_by_stripe_is_reported() {
    let app = TestApp::start().await;
    let (order_id, _, intent_id) = app.paid_order().await;
    // The refund was made in the Dashboard, and its webhook never arrives.
    app.at_stripe("/_sandbox/deliveries", "mode=drop").await;
    app.at_stripe("/v1/refunds", &format!("payment_intent={intent_id}")).await;
    let path = format!("/v1/orders/{order_id}/refunds");
    let ask = || app.post(&path).shop().key("k").json(&json!({"amount": 1000})).send();
    let problem = ask().await.problem(409, "refund_refused");
    assert_eq!(problem["stripe_code"], "charge_already_refunded");
    let again = ask().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    again.problem(409, "refund_refused");
    let refunds = app.refunds(&order_id).await;
    assert_eq!(refunds.len(), 1);
    assert_eq!(
        (&refunds[0]["status"], &refunds[0]["failure_reason"]),
        (&json!("failed"), &json!("charge_already_refunded"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_refund_is_listed() {
    let app = TestApp::start().await;
    let (order_id, _, intent_id) = app.paid_order().await;
    let form = format!("payment_intent={intent_id}&amount=998&reason=duplicate");
    let made = app.at_stripe("/v1/refunds", &form).await;
    let order = app.order_becomes(&order_id, "partially_refunded").await;
    assert_eq!(order["amount_refunded"], 998);
    let refunds = app.refunds(&order_id).await;
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0]["stripe_refund_id"], made["id"]);
    assert_eq!((&refunds[0]["cause"], &refunds[0]["reason"]), (&json!("stripe"), &json!("duplicate")));
    assert_eq!(refunds[0]["surplus"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn dispute_is_listed_and_blocks_refunds() {
    let app = TestApp::start().await;
    let (order_id, _, intent_id) = app.paid_order().await;
    let path = format!("/v1/orders/{order_id}/disputes");
    let none = json!({"object": "list", "data": [], "has_more": false});
    assert_eq!(app.get(&path).shop().send().await.ok(200), none);
    let intent = app.read_at_stripe(&format!("/v1/payment_intents/{intent_id}")).await;
    let charge = format!("/_sandbox/charges/{}/dispute", text(&intent["latest_charge"]));
    let made = app.at_stripe(&charge, "reason=fraudulent").await;
    app.order_becomes(&order_id, "disputed").await;
    let list = app.get(&path).shop().send().await.ok(200);
    insta::assert_json_snapshot!("disputes", list, {
        ".data[].id" => "[id]", ".data[].order_id" => "[id]", ".data[].stripe_dispute_id" => "[id]",
        ".data[].evidence_due_by" => "[time]", ".data[].created_at" => "[time]", ".data[].updated_at" => "[time]"
    });
    let due_by = made["evidence_details"]["due_by"].as_i64().unwrap();
    let due_by = chrono::DateTime::from_timestamp(due_by, 0).unwrap().format("%Y-%m-%dT%H:%M:%S.000000Z");
    assert_eq!(list["data"][0]["evidence_due_by"], due_by.to_string());

    let before = app.sent();
    let refunds = format!("/v1/orders/{order_id}/refunds");
    app.post(&refunds).shop().send().await.problem(409, "order_disputed");
    assert_eq!(app.sent(), before, "the API sent nothing to Stripe");
    let decide = format!("/_sandbox/disputes/{}/decide", text(&made["id"]));
    app.at_stripe(&decide, "outcome=lost").await;
    app.order_becomes(&order_id, "charged_back").await;
    let list = app.get(&path).shop().send().await.ok(200);
    assert_eq!((&list["data"][0]["status"], &list["data"][0]["outcome"]), (&json!("lost"), &json!("lost")));
    app.post(&refunds).shop().send().await.problem(409, "order_not_refundable");
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_counts_without_a_webhook() {
    let app = TestApp::start_with(Setup { with_webhook: false, ..Setup::default() }).await;
    let (order_id, token) = app.order().await;
    let path = format!("/v1/orders/{order_id}");
    let intent_id = text(&app.payment_intent(&order_id, &token).await["payment_intent_id"]);
    app.confirm(&intent_id, "pm_card_visa").await;
    app.get(&format!("{path}/payment?wait=20")).bearer(&token).send().await.ok(200);
    app.refund(&order_id, &json!({})).await;
    assert_eq!(app.get(&path).shop().send().await.ok(200)["status"], "refunded");
}
