use std::time::Duration;

use quittance_sandbox::Config;
use serde_json::{Value, json};

use crate::support::{Api, Response, TestSandbox, assert_fields, config, id};

const WINNING_EVIDENCE: (&str, &str) = ("evidence[uncategorized_text]", "winning_evidence");
const LOSING_EVIDENCE: (&str, &str) = ("evidence[uncategorized_text]", "losing_evidence");

/// A payment with a card that its owner disputes.
struct Disputed {
    sandbox: TestSandbox,
    paid: Value,
    /// The disputes, newest first.
    disputes: Vec<Value>,
}

impl Disputed {
    /// Pays with a test card that is disputed one minute later.
    async fn create(method: &str) -> Self {
        let config = Config { dispute_delay: Duration::from_mins(1), ..config() };
        let sandbox = TestSandbox::start(config);
        let paid = sandbox.api.pay(method, &[]).await.ok();
        let path = format!("/v1/disputes?payment_intent={}", id(&paid));
        assert_eq!(sandbox.api.get(&path, &[]).await.ok()["data"], json!([]));
        sandbox.api.advance(60).await;
        let list = sandbox.api.get(&path, &[]).await.ok();
        Self { sandbox, paid, disputes: list["data"].as_array().unwrap().clone() }
    }

    fn api(&self) -> &Api {
        &self.sandbox.api
    }

    fn dispute(&self) -> &Value {
        &self.disputes[0]
    }

    fn path(&self) -> String {
        format!("/v1/disputes/{}", id(self.dispute()))
    }

    async fn read(&self) -> Value {
        self.api().get(&self.path(), &[]).await.ok()
    }

    async fn update(&self, params: &[(&str, &str)]) -> Response {
        self.api().post(&self.path(), params).await
    }

    async fn close(&self) -> Response {
        self.api().post(&format!("{}/close", self.path()), &[]).await
    }

    async fn refund(&self) -> Response {
        self.api().post("/v1/refunds", &[("payment_intent", id(&self.paid))]).await
    }
}

/// Returns the sum of a dispute's balance transactions, including fees.
fn net(dispute: &Value) -> i64 {
    let transactions = dispute["balance_transactions"].as_array().unwrap();
    transactions.iter().map(|transaction| transaction["net"].as_i64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn dispute_withdraws_amount_and_fee() {
    let disputed = Disputed::create("pm_card_createDispute").await;

    let dispute = disputed.dispute();

    assert_eq!(disputed.disputes.len(), 1);
    assert_fields(
        dispute,
        &json!({
            "status": "needs_response",
            "reason": "fraudulent",
            "amount": 1000,
            "charge": disputed.paid["latest_charge"],
            "is_charge_refundable": false,
        }),
    );
    assert_eq!(net(dispute), -2500);
    assert!(dispute["evidence_details"]["due_by"].as_i64().unwrap() > dispute["created"].as_i64().unwrap());
    assert_eq!(disputed.api().read_intent(&disputed.paid).await["latest_charge"]["disputed"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn disputed_charge_cannot_be_refunded() {
    let disputed = Disputed::create("pm_card_createDispute").await;

    let error = disputed.refund().await.error(400);

    assert_eq!(error["code"], "charge_disputed");
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_evidence_is_not_submitted() {
    let disputed = Disputed::create("pm_card_createDispute").await;

    let staged = disputed.update(&[WINNING_EVIDENCE, ("submit", "false")]).await.ok();

    let expected = json!({ "status": "needs_response", "evidence_details": { "has_evidence": true } });
    assert_fields(&staged, &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_evidence_can_be_submitted_later() {
    let disputed = Disputed::create("pm_card_createDispute").await;
    disputed.update(&[WINNING_EVIDENCE, ("submit", "false")]).await.ok();

    let submitted = disputed.update(&[("submit", "true")]).await.ok();

    let expected = json!({ "status": "under_review", "evidence_details": { "submission_count": 1 } });
    assert_fields(&submitted, &expected);
}

/// Submits winning evidence, and waits for the decision.
async fn win(disputed: &Disputed) {
    disputed.update(&[WINNING_EVIDENCE]).await.ok();
    disputed.api().advance(60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn winning_evidence_reinstates_the_amount() {
    let disputed = Disputed::create("pm_card_createDispute").await;

    win(&disputed).await;

    let won = disputed.read().await;
    assert_eq!((&won["status"], net(&won)), (&json!("won"), -1500));
}

#[tokio::test(flavor = "multi_thread")]
async fn won_dispute_sends_all_events() {
    let disputed = Disputed::create("pm_card_createDispute").await;

    disputed.update(&[WINNING_EVIDENCE, ("submit", "false")]).await.ok();
    disputed.update(&[("submit", "true")]).await.ok();
    disputed.api().advance(60).await;

    let types = disputed.api().event_types().await;
    let types: Vec<&str> = types.iter().filter_map(|kind| kind.strip_prefix("charge.dispute.")).collect();
    assert_eq!(types, ["created", "funds_withdrawn", "updated", "updated", "closed", "funds_reinstated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn won_dispute_cannot_be_changed_or_closed() {
    let disputed = Disputed::create("pm_card_createDispute").await;
    win(&disputed).await;

    disputed.update(&[WINNING_EVIDENCE]).await.error(400);
    disputed.close().await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_of_won_dispute_can_be_refunded() {
    let disputed = Disputed::create("pm_card_createDispute").await;
    win(&disputed).await;

    let refund = disputed.refund().await.ok();

    assert_eq!(refund["amount"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_evidence_loses_the_dispute() {
    let disputed = Disputed::create("pm_card_createDisputeProductNotReceived").await;
    assert_eq!(disputed.dispute()["reason"], "product_not_received");
    let submitted = disputed.update(&[LOSING_EVIDENCE]).await.ok();
    assert_eq!(submitted["status"], "under_review");

    disputed.api().advance(60).await;

    assert_eq!(disputed.read().await["status"], "lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_dispute_is_lost() {
    let disputed = Disputed::create("pm_card_createDispute").await;

    let closed = disputed.close().await.ok();

    assert_eq!((&closed["status"], net(&closed)), (&json!("lost"), -2500));
}

#[tokio::test(flavor = "multi_thread")]
async fn dispute_without_evidence_is_lost_after_deadline() {
    let disputed = Disputed::create("pm_card_createDispute").await;

    disputed.api().advance(864_001).await;

    let expected = json!({ "status": "lost", "evidence_details": { "past_due": true } });
    assert_fields(&disputed.read().await, &expected);
    assert_eq!(disputed.refund().await.error(400)["code"], "charge_disputed");
}

#[tokio::test(flavor = "multi_thread")]
async fn inquiry_withdraws_nothing() {
    let disputed = Disputed::create("pm_card_createDisputeInquiry").await;

    assert_fields(
        disputed.dispute(),
        &json!({
            "status": "warning_needs_response",
            "is_charge_refundable": true,
            "payment_method_details": { "card": { "case_type": "inquiry" } },
        }),
    );
    assert_eq!(net(disputed.dispute()), 0);
    let types = disputed.api().event_types().await;
    assert!(!types.contains(&"charge.dispute.funds_withdrawn".to_owned()), "{types:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_closes_inquiry() {
    let disputed = Disputed::create("pm_card_createDisputeInquiry").await;

    disputed.refund().await.ok();

    assert_eq!(disputed.read().await["status"], "warning_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn inquiry_with_evidence_is_under_review() {
    let disputed = Disputed::create("pm_card_createDisputeInquiry").await;

    let updated = disputed.update(&[("evidence[product_description]", "A lamp")]).await.ok();

    assert_eq!(updated["status"], "warning_under_review");
}

#[tokio::test(flavor = "multi_thread")]
async fn inquiry_closes_after_120_days() {
    let disputed = Disputed::create("pm_card_createDisputeInquiry").await;

    disputed.api().advance(10_368_000).await;

    assert_eq!(disputed.read().await["status"], "warning_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn multiple_disputes_split_the_amount() {
    let disputed = Disputed::create("pm_card_createMultipleDisputes").await;

    let amounts: Vec<&Value> = disputed.disputes.iter().map(|dispute| &dispute["amount"]).collect();

    assert_eq!(amounts, [500, 500]);
    assert_ne!(disputed.disputes[0]["reason"], disputed.disputes[1]["reason"]);
}

/// Pays with a card without disputes. Returns the path that disputes its charge.
async fn pay_and_dispute_path(sandbox: &TestSandbox, params: &[(&str, &str)]) -> String {
    let paid = sandbox.api.pay("pm_card_visa", params).await.ok();
    format!("/_sandbox/charges/{}/dispute", paid["latest_charge"].as_str().unwrap())
}

/// Decides a dispute with the control API.
async fn decide(sandbox: &TestSandbox, dispute: &Value, outcome: &str) -> Response {
    let path = format!("/_sandbox/disputes/{}/decide", id(dispute));
    sandbox.api.post(&path, &[("outcome", outcome)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_disputes_a_part() {
    let sandbox = TestSandbox::start(config());
    let path = pay_and_dispute_path(&sandbox, &[]).await;

    let dispute = sandbox.api.post(&path, &[("amount", "400"), ("reason", "duplicate")]).await.ok();

    assert_fields(&dispute, &json!({ "amount": 400, "reason": "duplicate" }));
    sandbox.api.post(&path, &[("amount", "601")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_rejects_invalid_dispute() {
    let sandbox = TestSandbox::start(config());
    let path = pay_and_dispute_path(&sandbox, &[]).await;
    for param in [("amount", "0"), ("amount", "1001"), ("reason", "boredom"), ("kind", "war")] {
        sandbox.api.post(&path, &[param]).await.error(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_decides_dispute_once() {
    let sandbox = TestSandbox::start(config());
    let path = pay_and_dispute_path(&sandbox, &[]).await;
    let dispute = sandbox.api.post(&path, &[]).await.ok();

    decide(&sandbox, &dispute, "warning_closed").await.error(400);
    assert_eq!(decide(&sandbox, &dispute, "won").await.ok()["status"], "won");
    decide(&sandbox, &dispute, "lost").await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_opens_and_closes_inquiry() {
    let sandbox = TestSandbox::start(config());
    let path = pay_and_dispute_path(&sandbox, &[]).await;

    let inquiry = sandbox.api.post(&path, &[("kind", "inquiry")]).await.ok();

    assert_fields(&inquiry, &json!({ "amount": 1000, "status": "warning_needs_response" }));
    let decided = decide(&sandbox, &inquiry, "warning_closed").await.ok();
    assert_eq!(decided["status"], "warning_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn authorized_charge_cannot_be_disputed() {
    let sandbox = TestSandbox::start(config());
    let path = pay_and_dispute_path(&sandbox, &[("capture_method", "manual")]).await;

    sandbox.api.post(&path, &[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn dispute_update_with_invalid_parameter_is_rejected() {
    let disputed = Disputed::create("pm_card_createDispute").await;
    for (name, code) in [
        ("evidence[receipt]", Some("parameter_unknown")),
        ("evidence[color]", Some("parameter_unknown")),
        ("evidence", None),
        ("submit", None),
        ("color", Some("parameter_unknown")),
    ] {
        let error = disputed.update(&[(name, "x")]).await.error(400);

        assert_eq!((error["param"].as_str(), error["code"].as_str()), (Some(name), code), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dispute_metadata_can_be_updated() {
    let disputed = Disputed::create("pm_card_createDispute").await;

    let updated = disputed.update(&[("metadata[a]", "b")]).await.ok();

    assert_fields(&updated, &json!({ "metadata": { "a": "b" }, "status": "needs_response" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_dispute_is_not_found() {
    let sandbox = TestSandbox::start(config());

    assert_eq!(sandbox.api.get("/v1/disputes/du_x", &[]).await.error(404)["code"], "resource_missing");
    assert!(sandbox.api.list("/v1/disputes?charge=ch_x").await.is_empty());
}
