use serde_json::{Value, json};

use crate::support::{Api, Response, TestSandbox, assert_fields, config, intent_path};

const SEPA: (&str, &str) = ("allowed_payment_method_types[]", "sepa_debit");
const US_BANK_ACCOUNT: [(&str, &str); 2] =
    [("allowed_payment_method_types[]", "us_bank_account"), ("currency", "usd")];

async fn pay_from_iban(api: &Api, iban: &str) -> Value {
    let params = [
        SEPA,
        ("confirm", "true"),
        ("payment_method_data[type]", "sepa_debit"),
        ("payment_method_data[sepa_debit][iban]", iban),
        ("payment_method_data[billing_details][name]", "A"),
        ("payment_method_data[billing_details][email]", "a@example.com"),
        ("mandate_data[customer_acceptance][type]", "offline"),
    ];
    api.create_intent(&params).await.ok()
}

async fn wait_until_settled(api: &Api, intent: &Value) -> Value {
    api.wait_until(&intent_path(intent), |intent| intent["status"] != "processing").await
}

#[tokio::test(flavor = "multi_thread")]
async fn sepa_debit_settles_after_processing() {
    let sandbox = TestSandbox::start(config());
    for (iban, status, code) in [
        ("AT611904300234573201", "succeeded", Value::Null),
        ("AT86 1904 3002 3547 3202", "requires_payment_method", json!("bank_account_declined")),
        ("AT981904300002222227", "requires_payment_method", json!("insufficient_funds")),
    ] {
        let intent = pay_from_iban(&sandbox.api, iban).await;
        assert_eq!(intent["status"], "processing");

        let settled = wait_until_settled(&sandbox.api, &intent).await;

        assert_eq!(settled["status"], status, "{iban}");
        assert_eq!(settled["last_payment_error"]["code"], code, "{iban}");
        assert!(settled["latest_charge"].as_str().unwrap().starts_with("py_"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn successful_debit_sends_pending_and_succeeded_events() {
    let sandbox = TestSandbox::start(config());

    let intent = pay_from_iban(&sandbox.api, "AT611904300234573201").await;
    wait_until_settled(&sandbox.api, &intent).await;

    assert_eq!(
        sandbox.api.event_types().await,
        [
            "payment_intent.created",
            "charge.pending",
            "payment_intent.processing",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_debit_sends_charge_failed_event() {
    let sandbox = TestSandbox::start(config());

    let intent = pay_from_iban(&sandbox.api, "AT981904300002222227").await;
    wait_until_settled(&sandbox.api, &intent).await;

    assert!(sandbox.api.event_types().await.contains(&"charge.failed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_us_bank_account_has_its_code() {
    let sandbox = TestSandbox::start(config());
    for (method, code) in [
        ("pm_usBankAccount_accountClosed", "account_closed"),
        ("pm_usBankAccount_debitNotAuthorized", "debit_not_authorized"),
        ("pm_usBankAccount_noAccount", "no_account"),
    ] {
        let intent = sandbox.api.pay(method, &US_BANK_ACCOUNT).await.ok();

        let settled = wait_until_settled(&sandbox.api, &intent).await;

        assert_eq!(settled["last_payment_error"]["code"], code);
    }
}

async fn settle(api: &Api, intent: &Value, params: &[(&str, &str)]) -> Response {
    let path = intent_path(intent).replace("/v1", "/_sandbox");
    api.post(&format!("{path}/settle"), params).await
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_debit_settles_when_clock_advances() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_sepaDebit_successDelayed_at", &[SEPA]).await.ok();
    assert_eq!(sandbox.api.read_intent(&intent).await["status"], "processing");

    sandbox.api.advance(180).await;

    sandbox.api.wait_until(&intent_path(&intent), |intent| intent["status"] == "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_debit_settles_with_requested_outcome() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_failedDelayed_at", &[SEPA]).await.ok();

    let settled = settle(&sandbox.api, &intent, &[("outcome", "succeeded")]).await.ok();

    assert_eq!(settled["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_debit_cannot_be_settled_again() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_failedDelayed_at", &[SEPA]).await.ok();
    settle(&sandbox.api, &intent, &[("outcome", "succeeded")]).await.ok();

    settle(&sandbox.api, &intent, &[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn debit_can_be_canceled_before_submission() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_usBankAccount_processing", &US_BANK_ACCOUNT).await.ok();

    let canceled = sandbox.api.post(&format!("{}/cancel", intent_path(&intent)), &[]).await.ok();

    assert_fields(&canceled, &json!({ "status": "canceled" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn submitted_debit_cannot_be_canceled() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_sepaDebit_successDelayed_de", &[SEPA]).await.ok();

    let error = sandbox.api.post(&format!("{}/cancel", intent_path(&intent)), &[]).await.error(400);

    assert_eq!(error["code"], "payment_intent_unexpected_state");
}
