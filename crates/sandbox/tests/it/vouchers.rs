use serde_json::{Value, json};

use crate::support::{Api, Response, TestSandbox, assert_fields, config, id, intent_path};

/// Confirms a PaymentIntent with a Multibanco voucher. The sandbox derives the outcome from the email address.
async fn create_voucher(api: &Api, email: &str) -> Value {
    let params = [
        ("confirm", "true"),
        ("allowed_payment_method_types[]", "multibanco"),
        ("payment_method_data[type]", "multibanco"),
        ("payment_method_data[billing_details][email]", email),
    ];
    api.create_intent(&params).await.ok()
}

async fn status(api: &Api, intent: &Value) -> Value {
    api.read_intent(intent).await["status"].clone()
}

/// Settles a voucher with the control API.
async fn settle(api: &Api, intent: &Value, outcome: &str) -> Response {
    let path = format!("{}/settle", intent_path(intent).replace("/v1", "/_sandbox"));
    api.post(&path, &[("outcome", outcome)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn voucher_payment_displays_reference() {
    let sandbox = TestSandbox::start(config());

    let intent = create_voucher(&sandbox.api, "ana@example.com").await;

    assert_fields(
        &intent,
        &json!({
            "status": "requires_action",
            "next_action": { "type": "multibanco_display_details" },
            "latest_charge": null,
        }),
    );
    let details = &intent["next_action"]["multibanco_display_details"];
    assert_eq!(details["reference"].as_str().unwrap().len(), 9);
    assert!(details["expires_at"].as_i64().unwrap() > intent["created"].as_i64().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn voucher_is_paid_after_three_minutes() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let intent = create_voucher(api, "ana@example.com").await;
    api.advance(120).await;
    assert_eq!(status(api, &intent).await, "requires_action");

    api.advance(60).await;

    let reference = &intent["next_action"]["multibanco_display_details"]["reference"];
    let details = json!({ "multibanco": { "reference": reference } });
    assert_fields(
        &api.read_intent(&intent).await,
        &json!({
            "status": "succeeded",
            "next_action": null,
            "latest_charge": { "payment_method_details": details },
        }),
    );
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
async fn unpaid_voucher_expires_after_seven_days() {
    let sandbox = TestSandbox::start(config());
    let intent = create_voucher(&sandbox.api, "ana+fill_never@example.com").await;

    sandbox.api.advance(7 * 24 * 3600).await;

    assert_fields(
        &sandbox.api.read_intent(&intent).await,
        &json!({
            "status": "requires_payment_method",
            "last_payment_error": { "code": "payment_intent_payment_attempt_expired" },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn voucher_can_settle_immediately() {
    let sandbox = TestSandbox::start(config());
    for (email, status) in [
        ("expire_immediately@example.com", "requires_payment_method"),
        ("succeed_immediately@example.com", "succeeded"),
    ] {
        let intent = create_voucher(&sandbox.api, email).await;

        sandbox.api.wait_until(&intent_path(&intent), |intent| intent["status"] == status).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn voucher_can_expire_with_delay() {
    let sandbox = TestSandbox::start(config());
    let intent = create_voucher(&sandbox.api, "expire_with_delay@example.com").await;

    sandbox.api.advance(180).await;

    assert_eq!(status(&sandbox.api, &intent).await, "requires_payment_method");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_fails_voucher_once() {
    let sandbox = TestSandbox::start(config());
    let intent = create_voucher(&sandbox.api, "ana@example.com").await;

    let failed = settle(&sandbox.api, &intent, "failed").await.ok();

    assert_eq!(failed["status"], "requires_payment_method");
    settle(&sandbox.api, &intent, "succeeded").await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_pays_voucher() {
    let sandbox = TestSandbox::start(config());
    let intent = create_voucher(&sandbox.api, "ana+fill_never@example.com").await;

    let paid = settle(&sandbox.api, &intent, "succeeded").await.ok();

    assert_eq!(paid["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn canceled_voucher_is_never_paid() {
    let sandbox = TestSandbox::start(config());
    let intent = create_voucher(&sandbox.api, "ana@example.com").await;
    sandbox.api.post(&format!("{}/cancel", intent_path(&intent)), &[]).await.ok();

    sandbox.api.advance(3_600).await;

    assert_eq!(status(&sandbox.api, &intent).await, "canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn voucher_without_email_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let params = [("payment_method_data[type]", "multibanco")];
    let error = sandbox.api.create_intent(&params).await.error(400);

    assert_eq!(error["param"], "payment_method_data[billing_details][email]");
}

#[tokio::test(flavor = "multi_thread")]
async fn voucher_completes_session_before_payment() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let session = api.create_session(&[]).await.ok();

    let params = [
        ("payment_method_data[type]", "multibanco"),
        ("payment_method_data[billing_details][email]", "ana@example.com"),
    ];
    let path = format!("/_sandbox/checkout/sessions/{}/pay", id(&session));
    let paid = api.post(&path, &params).await.ok();

    assert_fields(&paid, &json!({ "status": "complete", "payment_status": "unpaid" }));
    settle(api, &json!({ "id": paid["payment_intent"] }), "failed").await.ok();
    assert_eq!(api.event_types().await.last().unwrap(), "checkout.session.async_payment_failed");
}
