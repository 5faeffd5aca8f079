use serde_json::Value;

use crate::support::{Api, TestSandbox, config};

/// Confirms a PaymentIntent with a Multibanco voucher for `email`.
async fn voucher(api: &Api, email: &str) -> Value {
    let params = [
        ("confirm", "true"),
        ("allowed_payment_method_types[]", "multibanco"),
        ("payment_method_data[type]", "multibanco"),
        ("payment_method_data[billing_details][email]", email),
    ];
    api.create_intent(&params).await.ok()
}

fn path(intent: &Value) -> String {
    format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_is_awaited_and_paid_elsewhere() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let intent = voucher(api, "ana@example.com").await;
    assert_eq!(intent["status"], "requires_action");
    assert_eq!(intent["next_action"]["type"], "multibanco_display_details");
    let details = &intent["next_action"]["multibanco_display_details"];
    assert_eq!(details["reference"].as_str().unwrap().len(), 9);
    assert!(details["expires_at"].as_i64().unwrap() > intent["created"].as_i64().unwrap());
    assert_eq!(intent["latest_charge"], Value::Null);
    api.advance(120).await;
    assert_eq!(api.get(&path(&intent), &[]).await.ok()["status"], "requires_action");
    api.advance(60).await;
    let paid = api.get(&path(&intent), &[("expand[]", "latest_charge")]).await.ok();
    assert_eq!((&paid["status"], &paid["next_action"]), (&"succeeded".into(), &Value::Null));
    let paid_with = &paid["latest_charge"]["payment_method_details"]["multibanco"];
    assert_eq!(paid_with["reference"], details["reference"]);
    assert_eq!(
        api.event_types().await,
        [
            "payment_intent.created",
            "payment_intent.requires_action",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_that_nobody_pays_expires() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let never = voucher(api, "ana+fill_never@example.com").await;
    api.advance(7 * 24 * 3600).await;
    let expired = api.get(&path(&never), &[]).await.ok();
    assert_eq!(expired["status"], "requires_payment_method");
    assert_eq!(expired["last_payment_error"]["code"], "payment_intent_payment_attempt_expired");
    let soon = voucher(api, "expire_immediately@example.com").await;
    api.wait_until(&path(&soon), |intent| intent["status"] == "requires_payment_method").await;
    let paid = voucher(api, "succeed_immediately@example.com").await;
    api.wait_until(&path(&paid), |intent| intent["status"] == "succeeded").await;
    let late = voucher(api, "expire_with_delay@example.com").await;
    api.advance(180).await;
    assert_eq!(api.get(&path(&late), &[]).await.ok()["status"], "requires_payment_method");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_ends_as_the_control_api_says_or_is_canceled() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let settle = |intent: &Value| format!("/_sandbox{}/settle", path(intent).trim_start_matches("/v1"));
    let one = voucher(api, "ana@example.com").await;
    let failed = api.post(&settle(&one), &[("outcome", "failed")]).await.ok();
    assert_eq!(failed["status"], "requires_payment_method");
    api.post(&settle(&one), &[("outcome", "succeeded")]).await.error(400);
    let two = voucher(api, "ana+fill_never@example.com").await;
    assert_eq!(api.post(&settle(&two), &[("outcome", "succeeded")]).await.ok()["status"], "succeeded");
    let three = voucher(api, "ana@example.com").await;
    assert_eq!(api.post(&format!("{}/cancel", path(&three)), &[]).await.ok()["status"], "canceled");
    api.advance(3_600).await;
    assert_eq!(api.get(&path(&three), &[]).await.ok()["status"], "canceled", "nobody can pay it any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_needs_an_email_and_completes_a_session() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let error = api.create_intent(&[("payment_method_data[type]", "multibanco")]).await.error(400);
    assert_eq!(error["param"], "payment_method_data[billing_details][email]");
    let session = api.create_session(&[]).await.ok();
    let session = format!("/checkout/sessions/{}", session["id"].as_str().unwrap());
    let params = [
        ("payment_method_data[type]", "multibanco"),
        ("payment_method_data[billing_details][email]", "ana@example.com"),
    ];
    let done = api.post(&format!("/_sandbox{session}/pay"), &params).await.ok();
    assert_eq!((&done["status"], &done["payment_status"]), (&"complete".into(), &"unpaid".into()));
    let intent = done["payment_intent"].as_str().unwrap();
    api.post(&format!("/_sandbox/payment_intents/{intent}/settle"), &[("outcome", "failed")]).await.ok();
    assert_eq!(api.event_types().await.last().unwrap(), "checkout.session.async_payment_failed");
}
