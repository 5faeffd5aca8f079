use serde_json::Value;

use crate::support::{Running, config};

const SEPA: (&str, &str) = ("allowed_payment_method_types[]", "sepa_debit");
const US: (&str, &str) = ("allowed_payment_method_types[]", "us_bank_account");

fn path_of(intent: &Value) -> String {
    format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn debits_settle_later() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    for (iban, status, code) in [
        ("AT611904300234573201", "succeeded", None),
        ("AT86 1904 3002 3547 3202", "requires_payment_method", Some("bank_account_declined")),
        ("AT981904300002222227", "requires_payment_method", Some("insufficient_funds")),
    ] {
        let intent = api
            .create(&[
                SEPA,
                ("confirm", "true"),
                ("payment_method_data[type]", "sepa_debit"),
                ("payment_method_data[sepa_debit][iban]", iban),
                ("payment_method_data[billing_details][name]", "A"),
                ("payment_method_data[billing_details][email]", "a@example.com"),
                ("mandate_data[customer_acceptance][type]", "offline"),
            ])
            .await
            .ok();
        assert_eq!(intent["status"], "processing");
        let done = api.until(&path_of(&intent), |intent| intent["status"] != "processing").await;
        assert_eq!(done["status"], status, "{iban}");
        assert_eq!(done["last_payment_error"]["code"].as_str(), code, "{iban}");
        assert!(done["latest_charge"].as_str().unwrap().starts_with("py_"));
    }
    let types = api.event_types().await;
    assert_eq!(
        types[..5],
        [
            "payment_intent.created",
            "charge.pending",
            "payment_intent.processing",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
    assert!(types.contains(&"charge.failed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn us_bank_accounts_have_their_failures() {
    let sandbox = Running::start(config());
    let dollars = [US, ("currency", "usd")];
    for (method, code) in [
        ("pm_usBankAccount_accountClosed", "account_closed"),
        ("pm_usBankAccount_debitNotAuthorized", "debit_not_authorized"),
        ("pm_usBankAccount_noAccount", "no_account"),
    ] {
        let intent = sandbox.api.pay(method, &dollars).await.ok();
        let done = sandbox.api.until(&path_of(&intent), |intent| intent["status"] != "processing").await;
        assert_eq!(done["last_payment_error"]["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_debits_wait_for_the_clock_or_the_control_api() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let late = api.pay("pm_sepaDebit_successDelayed_at", &[SEPA]).await.ok();
    let settled = api.pay("pm_failedDelayed_at", &[SEPA]).await.ok();
    let settle = format!("/_sandbox{}/settle", path_of(&settled).trim_start_matches("/v1"));
    assert_eq!(api.post(&settle, &[("outcome", "succeeded")]).await.ok()["status"], "succeeded");
    api.post(&settle, &[]).await.error(400);
    assert_eq!(api.get(&path_of(&late), &[]).await.ok()["status"], "processing");
    api.post("/_sandbox/clock", &[("advance_seconds", "180")]).await.ok();
    api.until(&path_of(&late), |intent| intent["status"] == "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debit_under_way_is_canceled_only_before_it_is_submitted() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let stuck = api.pay("pm_usBankAccount_processing", &[US, ("currency", "usd")]).await.ok();
    let canceled = api.post(&format!("{}/cancel", path_of(&stuck)), &[]).await.ok();
    assert_eq!(canceled["status"], "canceled");
    let submitted = api.pay("pm_sepaDebit_successDelayed_de", &[SEPA]).await.ok();
    let error = api.post(&format!("{}/cancel", path_of(&submitted)), &[]).await.error(400);
    assert_eq!(error["code"], "payment_intent_unexpected_state");
}
