use std::time::Duration;

use quittance_sandbox::Config;
use serde_json::{Value, json};

use crate::support::{Api, TestSandbox, assert_fields, config, id};

/// Returns type, amount, and fee of the balance transactions, oldest first.
async fn transactions(api: &Api, params: &[(&str, &str)]) -> Vec<(String, i64, i64)> {
    let list = api.get("/v1/balance_transactions", params).await.ok();
    let summary = |transaction: &Value| {
        let number = |name: &str| transaction[name].as_i64().unwrap();
        (transaction["type"].as_str().unwrap().to_owned(), number("amount"), number("fee"))
    };
    list["data"].as_array().unwrap().iter().rev().map(summary).collect()
}

fn transaction(kind: &str, amount: i64, fee: i64) -> (String, i64, i64) {
    (kind.to_owned(), amount, fee)
}

/// Returns the available and the pending balance.
async fn balance(api: &Api) -> (i64, i64) {
    let balance = api.get("/v1/balance", &[]).await.ok();
    let amount = |name: &str| balance[name][0]["amount"].as_i64().unwrap();
    (amount("available"), amount("pending"))
}

const PAY_WITH_TRANSACTION: [(&str, &str); 1] = [("expand[]", "latest_charge.balance_transaction")];

/// A payment with a failed refund, and a disputed payment.
struct Movements {
    sandbox: TestSandbox,
    disputed: Value,
}

impl Movements {
    async fn create() -> Self {
        let delay = Duration::from_mins(1);
        let config = Config { refund_delay: delay, dispute_delay: delay, ..config() };
        let sandbox = TestSandbox::start(config);
        let api = &sandbox.api;
        let paid = api.pay("pm_card_refundFail", &[]).await.ok();
        api.post("/v1/refunds", &[("payment_intent", id(&paid)), ("amount", "400")]).await.ok();
        api.advance(60).await;
        let disputed = api.pay("pm_card_createDispute", &[]).await.ok();
        api.advance(60).await;
        Self { sandbox, disputed }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_has_pending_balance_transaction_with_fee() {
    let sandbox = TestSandbox::start(config());

    let paid = sandbox.api.pay("pm_card_visa", &PAY_WITH_TRANSACTION).await.ok();

    // The fee is 2.9 % of 10.00 and 0.30.
    let transaction = &paid["latest_charge"]["balance_transaction"];
    assert_fields(
        transaction,
        &json!({
            "amount": 1000,
            "fee": 59,
            "net": 941,
            "source": paid["latest_charge"]["id"],
            "status": "pending",
        }),
    );
    assert_eq!(transaction["fee_details"][0]["amount"], 59);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_its_failure_and_dispute_have_balance_transactions() {
    let movements = Movements::create().await;

    let transactions = transactions(&movements.sandbox.api, &[]).await;

    assert_eq!(
        transactions,
        [
            transaction("charge", 1000, 59),
            transaction("refund", -400, 0),
            transaction("refund_failure", 400, 0),
            transaction("charge", 1000, 59),
            transaction("adjustment", -1000, 1500),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn balance_transactions_can_be_filtered() {
    let Movements { sandbox, disputed } = Movements::create().await;
    let api = &sandbox.api;
    let source = disputed["latest_charge"].as_str().unwrap();

    assert_eq!(transactions(api, &[("type", "refund")]).await, [transaction("refund", -400, 0)]);
    assert_eq!(transactions(api, &[("source", source)]).await, [transaction("charge", 1000, 59)]);
    assert_eq!(transactions(api, &[("currency", "usd")]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_balance_becomes_available_after_two_days() {
    let movements = Movements::create().await;
    let api = &movements.sandbox.api;
    assert_eq!(balance(api).await, (-2500, 1882));

    api.advance(172_800).await;

    assert_eq!(balance(api).await, (-618, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn balance_transaction_becomes_available_after_two_days() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &PAY_WITH_TRANSACTION).await.ok();
    let path = format!("/v1/balance_transactions/{}", id(&paid["latest_charge"]["balance_transaction"]));

    sandbox.api.advance(172_800).await;

    assert_eq!(sandbox.api.get(&path, &[]).await.ok()["status"], "available");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_balance_transaction_is_not_found() {
    let sandbox = TestSandbox::start(config());

    sandbox.api.get("/v1/balance_transactions/txn_x", &[]).await.error(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn balance_transaction_list_rejects_invalid_filters() {
    let sandbox = TestSandbox::start(config());

    sandbox.api.get("/v1/balance_transactions", &[("type", "gift")]).await.error(400);
    sandbox.api.get("/v1/balance_transactions", &[("payout", "po_x")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn authorized_payment_has_no_balance_transaction() {
    let sandbox = TestSandbox::start(config());

    let params = [("capture_method", "manual"), ("expand[]", "latest_charge")];
    let authorized = sandbox.api.pay("pm_card_visa", &params).await.ok();

    assert_eq!(authorized["latest_charge"]["balance_transaction"], Value::Null);
    assert_eq!(transactions(&sandbox.api, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_payment_has_no_balance_transaction() {
    let sandbox = TestSandbox::start(config());

    sandbox.api.pay("pm_card_chargeDeclined", &[]).await.error(402);

    assert_eq!(transactions(&sandbox.api, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_has_balance_transaction_of_captured_amount() {
    let sandbox = TestSandbox::start(config());
    let authorized = sandbox.api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();

    let path = format!("/v1/payment_intents/{}/capture", id(&authorized));
    sandbox.api.post(&path, &[("amount_to_capture", "600")]).await.ok();

    assert_eq!(transactions(&sandbox.api, &[]).await, [transaction("charge", 600, 47)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bypass_pending_card_makes_balance_available_immediately() {
    let sandbox = TestSandbox::start(config());

    let paid = sandbox.api.pay("pm_card_bypassPending", &PAY_WITH_TRANSACTION).await.ok();

    assert_eq!(paid["latest_charge"]["balance_transaction"]["status"], "available");
}
