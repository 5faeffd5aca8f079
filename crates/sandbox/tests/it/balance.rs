use std::time::Duration;

use quittance_sandbox::Config;
use serde_json::Value;

use crate::support::{Api, Running, config};

async fn movements(api: &Api, params: &[(&str, &str)]) -> Vec<(String, i64, i64)> {
    let list = api.get("/v1/balance_transactions", params).await.ok();
    let part = |movement: &Value| {
        let number = |name: &str| movement[name].as_i64().unwrap();
        (movement["type"].as_str().unwrap().to_owned(), number("amount"), number("fee"))
    };
    list["data"].as_array().unwrap().iter().rev().map(part).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_movement_of_money_is_in_the_balance() {
    let later = Duration::from_mins(1);
    let sandbox = Running::start(Config { refund_delay: later, dispute_delay: later, ..config() });
    let api = &sandbox.api;
    let expanded = [("expand[]", "latest_charge.balance_transaction")];
    let paid = api.pay("pm_card_refundFail", &expanded).await.ok();
    let movement = &paid["latest_charge"]["balance_transaction"];
    // 2.9 % of 10.00 and 0.30.
    assert_eq!(
        (&movement["amount"], &movement["fee"], &movement["net"]),
        (&1000.into(), &59.into(), &941.into())
    );
    assert_eq!((&movement["source"], &movement["status"]), (&paid["latest_charge"]["id"], &"pending".into()));
    assert_eq!(movement["fee_details"][0]["amount"], 59);
    api.post("/v1/refunds", &[("payment_intent", paid["id"].as_str().unwrap()), ("amount", "400")])
        .await
        .ok();
    api.advance(60).await;
    let disputed = api.pay("pm_card_createDispute", &[]).await.ok();
    api.advance(60).await;
    let all = [
        ("charge", 1000, 59),
        ("refund", -400, 0),
        ("refund_failure", 400, 0),
        ("charge", 1000, 59),
        ("adjustment", -1000, 1500),
    ];
    let all = all.map(|(type_, amount, fee)| (type_.to_owned(), amount, fee));
    assert_eq!(movements(api, &[]).await, all);
    assert_eq!(movements(api, &[("type", "refund")]).await, all[1..2]);
    let source = [("source", disputed["latest_charge"].as_str().unwrap())];
    assert_eq!(movements(api, &source).await, all[3..4]);
    assert_eq!(movements(api, &[("currency", "usd")]).await, []);

    let sums = api.get("/v1/balance", &[]).await.ok();
    assert_eq!(
        (&sums["available"][0]["amount"], &sums["pending"][0]["amount"]),
        (&(-2500).into(), &1882.into())
    );
    api.advance(172_800).await;
    let sums = api.get("/v1/balance", &[]).await.ok();
    assert_eq!((&sums["available"][0]["amount"], &sums["pending"][0]["amount"]), (&(-618).into(), &0.into()));
    let path = format!("/v1/balance_transactions/{}", movement["id"].as_str().unwrap());
    assert_eq!(api.get(&path, &[]).await.ok()["status"], "available");
    api.get("/v1/balance_transactions/txn_x", &[]).await.error(404);
    api.get("/v1/balance_transactions", &[("type", "gift")]).await.error(400);
    api.get("/v1/balance_transactions", &[("payout", "po_x")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_taken_moves_nothing() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let held =
        api.pay("pm_card_visa", &[("capture_method", "manual"), ("expand[]", "latest_charge")]).await.ok();
    assert_eq!(held["latest_charge"]["balance_transaction"], Value::Null);
    api.pay("pm_card_chargeDeclined", &[]).await.error(402);
    assert_eq!(movements(api, &[]).await, []);
    let path = format!("/v1/payment_intents/{}/capture", held["id"].as_str().unwrap());
    api.post(&path, &[("amount_to_capture", "600")]).await.ok();
    assert_eq!(movements(api, &[]).await, [("charge".to_owned(), 600, 47)]);
    let paid =
        api.pay("pm_card_bypassPending", &[("expand[]", "latest_charge.balance_transaction")]).await.ok();
    assert_eq!(paid["latest_charge"]["balance_transaction"]["status"], "available");
}
