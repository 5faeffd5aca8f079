use std::time::Duration;

use quittance_sandbox::Config;
use serde_json::{Value, json};

use crate::support::{Api, Response, TestSandbox, assert_fields, config, id, intent_path};

/// Returns settings with which debits, refunds, and disputes change only when the clock advances.
fn slow_config() -> Config {
    let delay = Duration::from_mins(1);
    Config { debit_delay: delay, refund_delay: delay, dispute_delay: delay, ..config() }
}

/// Reads an intent's charge with its refunds.
async fn read_charge(api: &Api, intent: &Value) -> Value {
    let path = format!("/v1/charges/{}", intent["latest_charge"].as_str().unwrap());
    api.get(&path, &[("expand[]", "refunds"), ("expand[]", "balance_transaction")]).await.ok()
}

async fn refund(api: &Api, intent: &Value, params: &[(&str, &str)]) -> Response {
    let mut all = vec![("payment_intent", id(intent))];
    all.extend_from_slice(params);
    api.post("/v1/refunds", &all).await
}

fn path(refund: &Value) -> String {
    format!("/v1/refunds/{}", id(refund))
}

/// Settles a pending refund with the control API.
async fn settle_refund(api: &Api, refund: &Value, params: &[(&str, &str)]) -> Response {
    api.post(&format!("/_sandbox/refunds/{}/settle", id(refund)), params).await
}

/// Settles a processing PaymentIntent with the control API.
async fn settle_intent(api: &Api, intent: &Value) {
    let path = format!("{}/settle", intent_path(intent).replace("/v1", "/_sandbox"));
    api.post(&path, &[("outcome", "succeeded")]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_refund_succeeds() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();

    let params = [("amount", "300"), ("reason", "requested_by_customer"), ("metadata[a]", "b")];
    let refunded = refund(&sandbox.api, &paid, &params).await.ok();

    assert_fields(
        &refunded,
        &json!({
            "object": "refund",
            "status": "succeeded",
            "amount": 300,
            "currency": "eur",
            "charge": paid["latest_charge"],
            "payment_intent": paid["id"],
            "reason": "requested_by_customer",
            "metadata": { "a": "b" },
        }),
    );
    let charge = read_charge(&sandbox.api, &paid).await;
    assert_fields(&charge, &json!({ "amount_refunded": 300, "refunded": false }));
    assert_eq!(charge["refunds"]["data"][0]["id"], refunded["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_exceeding_remaining_amount_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    refund(&sandbox.api, &paid, &[("amount", "300")]).await.ok();

    let error = refund(&sandbox.api, &paid, &[("amount", "701")]).await.error(400);

    assert_fields(
        &error,
        &json!({
            "message": "Refund amount (€7.01) is greater than unrefunded amount on charge (€7.00)",
            "param": "amount",
        }),
    );
    assert_eq!(error["code"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_of_charge_without_amount_refunds_the_rest() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    refund(&sandbox.api, &paid, &[("amount", "300")]).await.ok();

    let params = [("charge", paid["latest_charge"].as_str().unwrap())];
    let rest = sandbox.api.post("/v1/refunds", &params).await.ok();

    assert_eq!(rest["amount"], 700);
    assert_fields(
        &read_charge(&sandbox.api, &paid).await,
        &json!({ "amount_refunded": 1000, "refunded": true }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refunded_charge_cannot_be_refunded_again() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    refund(&sandbox.api, &paid, &[]).await.ok();

    let error = refund(&sandbox.api, &paid, &[("amount", "1")]).await.error(400);

    let charge = paid["latest_charge"].as_str().unwrap();
    assert_fields(
        &error,
        &json!({
            "code": "charge_already_refunded",
            "message": format!("Charge {charge} has already been refunded."),
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_sends_refund_and_charge_events() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();

    refund(&sandbox.api, &paid, &[]).await.ok();

    assert_eq!(sandbox.api.event_types().await[3..], ["refund.created", "charge.refunded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunded_intent_stays_succeeded() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();

    refund(&sandbox.api, &paid, &[]).await.ok();

    let expected = json!({ "status": "succeeded", "amount_received": 1000 });
    assert_fields(&sandbox.api.read_intent(&paid).await, &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_without_successful_charge_cannot_be_refunded() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let authorized = api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();
    let open = api.create_intent(&[]).await.ok();
    let declined = api.pay("pm_card_chargeDeclined", &[]).await.error(402)["payment_intent"].clone();
    for intent in [&authorized, &open, &declined] {
        let error = refund(api, intent, &[]).await.error(400);

        let message =
            format!("This PaymentIntent ({}) does not have a successful charge to refund.", id(intent));
        assert_eq!(error["message"], message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorized_charge_cannot_be_refunded() {
    let sandbox = TestSandbox::start(config());
    let authorized = sandbox.api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();

    let params = [("charge", authorized["latest_charge"].as_str().unwrap())];
    let error = sandbox.api.post("/v1/refunds", &params).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("does not have a successful charge"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn partially_captured_charge_refunds_only_the_captured_amount() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();
    let capture = format!("{}/capture", intent_path(&intent));
    sandbox.api.post(&capture, &[("amount_to_capture", "600")]).await.ok();

    let error = refund(&sandbox.api, &intent, &[("amount", "601")]).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("(€6.00)"), "{error}");
    assert_eq!(refund(&sandbox.api, &intent, &[]).await.ok()["amount"], 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    let charge = paid["latest_charge"].as_str().unwrap();
    for (params, status, code, param) in [
        (&[][..], 400, Some("parameter_missing"), None),
        (&[("charge", "ch_x")], 404, Some("resource_missing"), Some("charge")),
        (&[("payment_intent", "pi_x")], 404, Some("resource_missing"), Some("payment_intent")),
        (&[("charge", charge), ("payment_intent", id(&paid))], 400, None, Some("charge")),
        (&[("charge", charge), ("amount", "0")], 400, Some("parameter_invalid_integer"), Some("amount")),
        (&[("charge", charge), ("amount", "-1")], 400, Some("parameter_invalid_integer"), Some("amount")),
        (&[("charge", charge), ("amount", "1.5")], 400, Some("parameter_invalid_integer"), Some("amount")),
        (&[("charge", charge), ("reason", "bored")], 400, None, Some("reason")),
        (&[("charge", charge), ("reverse_transfer", "true")], 400, None, Some("reverse_transfer")),
        (&[("charge", charge), ("currency", "eur")], 400, Some("parameter_unknown"), Some("currency")),
        (&[("charge", charge), ("color", "red")], 400, Some("parameter_unknown"), Some("color")),
    ] {
        let error = sandbox.api.post("/v1/refunds", params).await.error(status);

        assert_eq!((error["code"].as_str(), error["param"].as_str()), (code, param), "{params:?}: {error}");
    }
    assert_eq!(read_charge(&sandbox.api, &paid).await["amount_refunded"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_refund_is_not_found() {
    let sandbox = TestSandbox::start(config());

    assert_eq!(sandbox.api.get("/v1/refunds/re_x", &[]).await.error(404)["code"], "resource_missing");
    sandbox.api.get("/v1/charges/ch_x/refunds", &[]).await.error(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn succeeded_refund_cannot_be_canceled() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    let params = [("reverse_transfer", "false"), ("refund_application_fee", "false")];
    let refunded = refund(&sandbox.api, &paid, &params).await.ok();

    let error = sandbox.api.post(&format!("{}/cancel", path(&refunded)), &[]).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("requires_action"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_refund_counts_as_refunded() {
    let sandbox = TestSandbox::start(slow_config());
    let paid = sandbox.api.pay("pm_card_pendingRefund", &[]).await.ok();

    let pending = refund(&sandbox.api, &paid, &[]).await.ok();

    assert_eq!(pending["status"], "pending");
    assert_eq!(read_charge(&sandbox.api, &paid).await["amount_refunded"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_refund_succeeds_after_delay() {
    let sandbox = TestSandbox::start(slow_config());
    let paid = sandbox.api.pay("pm_card_pendingRefund", &[]).await.ok();
    let pending = refund(&sandbox.api, &paid, &[]).await.ok();
    sandbox.api.advance(30).await;
    assert_eq!(sandbox.api.get(&path(&pending), &[]).await.ok()["status"], "pending");

    sandbox.api.advance(30).await;

    assert_eq!(sandbox.api.get(&path(&pending), &[]).await.ok()["status"], "succeeded");
    assert_eq!(
        sandbox.api.event_types().await[3..],
        ["refund.created", "charge.refunded", "refund.updated", "charge.refund.updated"]
    );
}

/// Creates a refund that succeeds at first, and fails after a minute. Returns the payment and the refund.
async fn failed_refund(api: &Api) -> (Value, Value) {
    let paid = api.pay("pm_card_refundFail", &[]).await.ok();
    let refunded = refund(api, &paid, &[("amount", "400")]).await.ok();
    assert_eq!(refunded["status"], "succeeded");
    api.advance(60).await;
    let failed = api.get(&path(&refunded), &[("expand[]", "failure_balance_transaction")]).await.ok();
    (paid, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_refund_returns_its_amount() {
    let sandbox = TestSandbox::start(slow_config());

    let (paid, failed) = failed_refund(&sandbox.api).await;

    assert_fields(
        &failed,
        &json!({
            "status": "failed",
            "failure_reason": "expired_or_canceled_card",
            "failure_balance_transaction": { "amount": 400 },
        }),
    );
    assert_fields(
        &read_charge(&sandbox.api, &paid).await,
        &json!({ "amount_refunded": 0, "refunded": false }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_refund_sends_events() {
    let sandbox = TestSandbox::start(slow_config());

    failed_refund(&sandbox.api).await;

    let types = sandbox.api.event_types().await;
    assert_eq!(types[5..], ["refund.updated", "charge.refund.updated", "refund.failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_refund_can_be_repeated() {
    let sandbox = TestSandbox::start(slow_config());
    let (paid, _) = failed_refund(&sandbox.api).await;

    let refunded = refund(&sandbox.api, &paid, &[]).await.ok();

    assert_eq!(refunded["amount"], 1000);
}

async fn pay_by_debit(api: &Api) -> Value {
    api.pay("pm_success_de", &[("allowed_payment_method_types[]", "sepa_debit")]).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn processing_debit_cannot_be_refunded() {
    let sandbox = TestSandbox::start(slow_config());
    let debit = pay_by_debit(&sandbox.api).await;

    let error = refund(&sandbox.api, &debit, &[]).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("successful charge"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_fails_pending_refund_once() {
    let sandbox = TestSandbox::start(slow_config());
    let api = &sandbox.api;
    let debit = pay_by_debit(api).await;
    settle_intent(api, &debit).await;
    let pending = refund(api, &debit, &[]).await.ok();
    assert_eq!(pending["status"], "pending");

    let params = [("outcome", "failed"), ("failure_reason", "declined")];
    let failed = settle_refund(api, &pending, &params).await.ok();

    assert_fields(&failed, &json!({ "status": "failed", "failure_reason": "declined" }));
    assert_eq!(read_charge(api, &debit).await["amount_refunded"], 0);
    settle_refund(api, &pending, &[("outcome", "succeeded")]).await.error(400);
}

/// Pays with a voucher.
async fn pay_by_voucher(api: &Api) -> Value {
    let params = [
        ("confirm", "true"),
        ("allowed_payment_method_types[]", "multibanco"),
        ("payment_method_data[type]", "multibanco"),
        ("payment_method_data[billing_details][email]", "ana@example.com"),
    ];
    let intent = api.create_intent(&params).await.ok();
    settle_intent(api, &intent).await;
    api.get(&intent_path(&intent), &[]).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn voucher_refund_requires_action() {
    let sandbox = TestSandbox::start(slow_config());
    let paid = pay_by_voucher(&sandbox.api).await;

    let waiting = refund(&sandbox.api, &paid, &[]).await.ok();

    let email = json!({ "email_sent_to": "ana@example.com" });
    assert_fields(
        &waiting,
        &json!({
            "status": "requires_action",
            "next_action": { "display_details": { "email_sent": email } },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_that_requires_action_can_be_canceled() {
    let sandbox = TestSandbox::start(slow_config());
    let paid = pay_by_voucher(&sandbox.api).await;
    let waiting = refund(&sandbox.api, &paid, &[]).await.ok();

    let canceled = sandbox.api.post(&format!("{}/cancel", path(&waiting)), &[]).await.ok();

    assert_eq!(canceled["status"], "canceled");
    assert_eq!(read_charge(&sandbox.api, &paid).await["amount_refunded"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_completes_refund_that_requires_action() {
    let sandbox = TestSandbox::start(slow_config());
    let paid = pay_by_voucher(&sandbox.api).await;
    let waiting = refund(&sandbox.api, &paid, &[]).await.ok();

    let refunded = settle_refund(&sandbox.api, &waiting, &[("outcome", "succeeded")]).await.ok();

    assert_eq!(refunded["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_refund_with_one_key_refunds_once() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    let api = sandbox.api.with("idempotency-key", "refund-1");
    let first = refund(&api, &paid, &[("amount", "100")]).await;

    let second = refund(&api, &paid, &[("amount", "100")]).await;

    assert_eq!((second.header("idempotent-replayed"), &second.text), (Some("true"), &first.text));
    sandbox.api.single("/v1/refunds").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_list_can_be_filtered() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let (one, other) = (api.pay("pm_card_visa", &[]).await.ok(), api.pay("pm_card_visa", &[]).await.ok());
    let first = refund(api, &one, &[("amount", "100")]).await.ok();
    let second = refund(api, &one, &[("amount", "200")]).await.ok();
    let third = refund(api, &other, &[]).await.ok();
    let (first, second, third) = (id(&first), id(&second), id(&third));
    for (params, expected) in [
        (&[][..], vec![third, second, first]),
        (&[("payment_intent", id(&one))], vec![second, first]),
        (&[("charge", one["latest_charge"].as_str().unwrap())], vec![second, first]),
        (&[("limit", "1"), ("starting_after", third)], vec![second]),
        (&[("created[gt]", "9999999999")], vec![]),
    ] {
        let list = api.get("/v1/refunds", params).await.ok();

        let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, expected, "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_refunds_can_be_listed_by_their_url() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    refund(&sandbox.api, &paid, &[("amount", "100")]).await.ok();

    let refunds = read_charge(&sandbox.api, &paid).await["refunds"].clone();

    assert_eq!(sandbox.api.get(refunds["url"].as_str().unwrap(), &[]).await.ok(), refunds);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_metadata_can_be_updated() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    let refunded = refund(&sandbox.api, &paid, &[]).await.ok();

    let updated = sandbox.api.post(&path(&refunded), &[("metadata[order_id]", "7")]).await.ok();

    assert_eq!(updated["metadata"], json!({ "order_id": "7" }));
    assert_eq!(sandbox.api.event_types().await.last().unwrap(), "charge.refund.updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_amount_cannot_be_updated() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    let refunded = refund(&sandbox.api, &paid, &[]).await.ok();

    sandbox.api.post(&path(&refunded), &[("amount", "5")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_expands_charge_and_intent() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    let refunded = refund(&sandbox.api, &paid, &[]).await.ok();

    let params = [("expand[]", "charge"), ("expand[]", "payment_intent")];
    let read = sandbox.api.get(&path(&refunded), &params).await.ok();

    assert_fields(
        &read,
        &json!({ "charge": { "id": paid["latest_charge"] }, "payment_intent": { "id": paid["id"] } }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_refunds_never_exceed_the_payment() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (api, paid) = (sandbox.api.clone(), paid.clone());
        tasks.spawn(async move { refund(&api, &paid, &[("amount", "30")]).await.status });
    }
    let succeeded = tasks.join_all().await.into_iter().filter(|status| *status == 200).count();

    assert_eq!(succeeded, 33);
    assert_eq!(read_charge(&sandbox.api, &paid).await["amount_refunded"], 990);
}
