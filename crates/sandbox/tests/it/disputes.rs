use std::time::Duration;

use quittance_sandbox::Config;
use serde_json::Value;

use crate::support::{Api, Running, config};

fn patient() -> Config {
    Config { dispute_delay: Duration::from_mins(1), ..config() }
}

/// Pays with a card that is disputed a minute later; returns the PaymentIntent and its disputes, the newest first.
async fn disputed(api: &Api, method: &str) -> (Value, Vec<Value>) {
    let paid = api.pay(method, &[]).await.ok();
    assert!(
        api.get("/v1/disputes", &[("payment_intent", id(&paid))]).await.ok()["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    api.advance(60).await;
    let list = api.get("/v1/disputes", &[("payment_intent", id(&paid))]).await.ok();
    (paid, list["data"].as_array().unwrap().clone())
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn path(dispute: &Value) -> String {
    format!("/v1/disputes/{}", id(dispute))
}

/// What the dispute's movements add up to, fees included.
fn net(dispute: &Value) -> i64 {
    let movements = dispute["balance_transactions"].as_array().unwrap();
    movements.iter().map(|movement| movement["net"].as_i64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disputed_charge_is_won_with_winning_evidence() {
    let sandbox = Running::start(patient());
    let api = &sandbox.api;
    let (paid, disputes) = disputed(api, "pm_card_createDispute").await;
    let [dispute] = &disputes[..] else { panic!("{disputes:?}") };
    assert_eq!((&dispute["status"], &dispute["reason"]), (&"needs_response".into(), &"fraudulent".into()));
    assert_eq!((&dispute["amount"], &dispute["charge"]), (&1000.into(), &paid["latest_charge"]));
    assert_eq!((net(dispute), &dispute["is_charge_refundable"]), (-2500, &false.into()));
    assert!(dispute["evidence_details"]["due_by"].as_i64().unwrap() > dispute["created"].as_i64().unwrap());
    let charge = format!("/v1/charges/{}", dispute["charge"].as_str().unwrap());
    assert_eq!(api.get(&charge, &[]).await.ok()["disputed"], true);
    let error = api.post("/v1/refunds", &[("payment_intent", id(&paid))]).await.error(400);
    assert_eq!(error["code"], "charge_disputed");

    // What is only kept for now goes nowhere.
    let text = ("evidence[uncategorized_text]", "winning_evidence");
    let staged = api.post(&path(dispute), &[text, ("submit", "false")]).await.ok();
    assert_eq!(
        (&staged["status"], &staged["evidence_details"]["has_evidence"]),
        (&"needs_response".into(), &true.into())
    );
    let sent = api.post(&path(dispute), &[("submit", "true")]).await.ok();
    assert_eq!(
        (&sent["status"], &sent["evidence_details"]["submission_count"]),
        (&"under_review".into(), &1.into())
    );
    api.advance(60).await;
    let won = api.get(&path(dispute), &[]).await.ok();
    assert_eq!((&won["status"], net(&won)), (&"won".into(), -1500));
    let types = api.event_types().await;
    let types: Vec<&str> = types.iter().filter_map(|type_| type_.strip_prefix("charge.dispute.")).collect();
    assert_eq!(types, ["created", "funds_withdrawn", "updated", "updated", "closed", "funds_reinstated"]);
    api.post(&path(dispute), &[text]).await.error(400);
    api.post(&format!("{}/close", path(dispute)), &[]).await.error(400);
    // The money is the shop's again, and it may give it back.
    assert_eq!(api.post("/v1/refunds", &[("payment_intent", id(&paid))]).await.ok()["amount"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_is_lost_by_evidence_by_giving_in_and_by_waiting() {
    let sandbox = Running::start(patient());
    let api = &sandbox.api;
    let (_, one) = disputed(api, "pm_card_createDisputeProductNotReceived").await;
    assert_eq!(one[0]["reason"], "product_not_received");
    let sent = api.post(&path(&one[0]), &[("evidence[uncategorized_text]", "losing_evidence")]).await.ok();
    assert_eq!(sent["status"], "under_review");
    api.advance(60).await;
    assert_eq!(api.get(&path(&one[0]), &[]).await.ok()["status"], "lost");
    let (_, two) = disputed(api, "pm_card_createDispute").await;
    let closed = api.post(&format!("{}/close", path(&two[0])), &[]).await.ok();
    assert_eq!((&closed["status"], net(&closed)), (&"lost".into(), -2500));
    let (paid, three) = disputed(api, "pm_card_createDispute").await;
    api.advance(864_001).await;
    let late = api.get(&path(&three[0]), &[]).await.ok();
    assert_eq!((&late["status"], &late["evidence_details"]["past_due"]), (&"lost".into(), &true.into()));
    let error = api.post("/v1/refunds", &[("payment_intent", id(&paid))]).await.error(400);
    assert_eq!(error["code"], "charge_disputed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inquiry_takes_no_money_and_ends_with_a_refund_or_by_itself() {
    let sandbox = Running::start(patient());
    let api = &sandbox.api;
    let (paid, inquiries) = disputed(api, "pm_card_createDisputeInquiry").await;
    assert_eq!(inquiries[0]["status"], "warning_needs_response");
    assert_eq!((net(&inquiries[0]), &inquiries[0]["is_charge_refundable"]), (0, &true.into()));
    assert_eq!(inquiries[0]["payment_method_details"]["card"]["case_type"], "inquiry");
    api.post("/v1/refunds", &[("payment_intent", id(&paid))]).await.ok();
    assert_eq!(api.get(&path(&inquiries[0]), &[]).await.ok()["status"], "warning_closed");
    let (_, other) = disputed(api, "pm_card_createDisputeInquiry").await;
    let text = ("evidence[product_description]", "A lamp");
    assert_eq!(api.post(&path(&other[0]), &[text]).await.ok()["status"], "warning_under_review");
    let (_, third) = disputed(api, "pm_card_createDisputeInquiry").await;
    api.advance(10_368_000).await;
    assert_eq!(api.get(&path(&third[0]), &[]).await.ok()["status"], "warning_closed");
    assert!(!api.event_types().await.contains(&"charge.dispute.funds_withdrawn".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_disputes_take_no_more_than_was_paid() {
    let sandbox = Running::start(patient());
    let (_, disputes) = disputed(&sandbox.api, "pm_card_createMultipleDisputes").await;
    let amounts: Vec<&Value> = disputes.iter().map(|dispute| &dispute["amount"]).collect();
    assert_eq!(amounts, [500, 500]);
    assert_ne!(disputes[0]["reason"], disputes[1]["reason"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn banks_dispute_and_decide_by_the_control_api() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let paid = api.pay("pm_card_visa", &[]).await.ok();
    let charge = paid["latest_charge"].as_str().unwrap();
    let open = format!("/_sandbox/charges/{charge}/dispute");
    for wrong in [("amount", "0"), ("amount", "1001"), ("reason", "boredom"), ("kind", "war")] {
        api.post(&open, &[wrong]).await.error(400);
    }
    let part = api.post(&open, &[("amount", "400"), ("reason", "duplicate")]).await.ok();
    assert_eq!((&part["amount"], &part["reason"]), (&400.into(), &"duplicate".into()));
    api.post(&open, &[("amount", "601")]).await.error(400);
    let decide = format!("/_sandbox/disputes/{}/decide", id(&part));
    api.post(&decide, &[("outcome", "warning_closed")]).await.error(400);
    assert_eq!(api.post(&decide, &[("outcome", "won")]).await.ok()["status"], "won");
    api.post(&decide, &[("outcome", "lost")]).await.error(400);
    let inquiry = api.post(&open, &[("kind", "inquiry")]).await.ok();
    assert_eq!((&inquiry["amount"], &inquiry["status"]), (&1000.into(), &"warning_needs_response".into()));
    let decide = format!("/_sandbox/disputes/{}/decide", id(&inquiry));
    assert_eq!(api.post(&decide, &[("outcome", "warning_closed")]).await.ok()["status"], "warning_closed");
    let held = api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();
    let open = format!("/_sandbox/charges/{}/dispute", held["latest_charge"].as_str().unwrap());
    api.post(&open, &[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_disputes_are_named() {
    let sandbox = Running::start(patient());
    let api = &sandbox.api;
    let (_, disputes) = disputed(api, "pm_card_createDispute").await;
    for (name, code) in [
        ("evidence[receipt]", Some("parameter_unknown")),
        ("evidence[colour]", Some("parameter_unknown")),
        ("evidence", None),
        ("submit", None),
        ("colour", Some("parameter_unknown")),
    ] {
        let error = api.post(&path(&disputes[0]), &[(name, "x")]).await.error(400);
        assert_eq!((error["param"].as_str(), error["code"].as_str()), (Some(name), code), "{error}");
    }
    let updated = api.post(&path(&disputes[0]), &[("metadata[a]", "b")]).await.ok();
    assert_eq!((&updated["metadata"]["a"], &updated["status"]), (&"b".into(), &"needs_response".into()));
    assert_eq!(api.get("/v1/disputes/du_x", &[]).await.error(404)["code"], "resource_missing");
    assert!(api.get("/v1/disputes", &[("charge", "ch_x")]).await.ok()["data"].as_array().unwrap().is_empty());
}
