use serde_json::{Value, json};

use crate::support::{Api, TestSandbox, assert_fields, config, id, intent_path};

const VISA: (&str, &str) = ("payment_method", "pm_card_visa");
const MANUAL_CAPTURE: (&str, &str) = ("capture_method", "manual");

fn action_path(intent: &Value, action: &str) -> String {
    format!("{}/{action}", intent_path(intent))
}

#[tokio::test(flavor = "multi_thread")]
async fn created_intent_requires_payment_method() {
    let sandbox = TestSandbox::start(config());

    let params = [
        ("metadata[order_id]", "ord_1"),
        ("receipt_email", "a@example.com"),
        ("shipping[name]", "A"),
        ("shipping[address][line1]", "Street 1"),
        ("description", "An order"),
    ];
    let intent = sandbox.api.create_intent(&params).await.ok();

    assert_fields(
        &intent,
        &json!({ "status": "requires_payment_method", "shipping": { "address": { "line1": "Street 1" } } }),
    );
    let secret = intent["client_secret"].as_str().unwrap();
    assert!(secret.starts_with(&format!("{}_secret_", id(&intent))), "{secret}");
}

#[tokio::test(flavor = "multi_thread")]
async fn confirm_without_payment_method_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();

    let error = sandbox.api.post(&action_path(&intent, "confirm"), &[]).await.error(400);

    assert_fields(
        &error,
        &json!({ "code": "payment_intent_unexpected_state", "payment_intent": { "id": intent["id"] } }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn updated_payment_method_requires_confirmation() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[("metadata[order_id]", "ord_1")]).await.ok();

    let params = [VISA, ("amount", "2500"), ("metadata[order_id]", ""), ("metadata[a]", "b")];
    let updated = sandbox.api.post(&intent_path(&intent), &params).await.ok();

    assert_eq!(updated["status"], "requires_confirmation");
    assert_eq!(updated["metadata"], json!({ "a": "b" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_intent_is_charged() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();
    sandbox.api.post(&intent_path(&intent), &[VISA, ("amount", "2500")]).await.ok();

    sandbox.api.post(&action_path(&intent, "confirm"), &[]).await.ok();

    assert_fields(
        &sandbox.api.read_intent(&intent).await,
        &json!({
            "status": "succeeded",
            "amount_received": 2500,
            "latest_charge": { "paid": true, "captured": true, "amount": 2500, "payment_intent": intent["id"] },
        }),
    );
    assert_eq!(
        sandbox.api.event_types().await,
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn succeeded_intent_cannot_be_changed() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    for (path, params) in [
        (action_path(&intent, "confirm"), &[][..]),
        (action_path(&intent, "cancel"), &[]),
        (action_path(&intent, "capture"), &[]),
        (intent_path(&intent), &[("amount", "1")]),
    ] {
        let error = sandbox.api.post(&path, params).await.error(400);

        assert_eq!(error["code"], "payment_intent_unexpected_state", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn succeeded_intent_metadata_can_be_changed() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_card_visa", &[]).await.ok();

    let updated = sandbox.api.post(&intent_path(&intent), &[("metadata[x]", "y")]).await.ok();

    assert_eq!(updated["metadata"]["x"], "y");
}

/// Creates an intent and declines its first payment.
async fn declined_intent(api: &Api) -> Value {
    let intent = api.create_intent(&[]).await.ok();
    let params = [("payment_method", "pm_card_visa_chargeDeclined")];
    api.post(&action_path(&intent, "confirm"), &params).await.error(402);
    intent
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_intent_requires_payment_method() {
    let sandbox = TestSandbox::start(config());

    let intent = declined_intent(&sandbox.api).await;

    assert_fields(
        &sandbox.api.read_intent(&intent).await,
        &json!({ "status": "requires_payment_method", "last_payment_error": { "code": "card_declined" } }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_intent_can_be_paid_with_another_card() {
    let sandbox = TestSandbox::start(config());
    let intent = declined_intent(&sandbox.api).await;

    let params = [("payment_method", "pm_card_mastercard")];
    let paid = sandbox.api.post(&action_path(&intent, "confirm"), &params).await.ok();

    assert_fields(&paid, &json!({ "status": "succeeded", "last_payment_error": null }));
    let charges = sandbox.api.list(&format!("/v1/charges?payment_intent={}", id(&intent))).await;
    assert_eq!(charges.len(), 2);
    assert_eq!(
        sandbox.api.event_types().await,
        [
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
}

/// Authorizes 10.00.
async fn authorize(api: &Api) -> Value {
    api.pay("pm_card_visa", &[MANUAL_CAPTURE]).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_capture_authorizes_the_amount() {
    let sandbox = TestSandbox::start(config());

    let authorized = authorize(&sandbox.api).await;

    assert_fields(
        &authorized,
        &json!({ "status": "requires_capture", "amount_capturable": 1000, "amount_received": 0 }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_above_authorized_amount_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let authorized = authorize(&sandbox.api).await;

    let params = [("amount_to_capture", "1001")];
    let error = sandbox.api.post(&action_path(&authorized, "capture"), &params).await.error(400);

    assert_eq!(error["code"], "amount_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_capture_releases_the_rest() {
    let sandbox = TestSandbox::start(config());
    let authorized = authorize(&sandbox.api).await;

    let params = [("amount_to_capture", "600"), ("expand[]", "latest_charge")];
    let captured = sandbox.api.post(&action_path(&authorized, "capture"), &params).await.ok();

    assert_fields(
        &captured,
        &json!({
            "status": "succeeded",
            "amount_received": 600,
            "amount_capturable": 0,
            "latest_charge": { "amount_captured": 600, "amount_refunded": 400 },
        }),
    );
    assert_eq!(
        sandbox.api.event_types().await,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn canceled_authorization_releases_the_amount() {
    let sandbox = TestSandbox::start(config());
    let authorized = authorize(&sandbox.api).await;

    let params = [("cancellation_reason", "requested_by_customer"), ("expand[]", "latest_charge")];
    let canceled = sandbox.api.post(&action_path(&authorized, "cancel"), &params).await.ok();

    assert_fields(
        &canceled,
        &json!({
            "status": "canceled",
            "amount_capturable": 0,
            "cancellation_reason": "requested_by_customer",
            "latest_charge": { "refunded": true, "amount_refunded": 1000 },
        }),
    );
    assert!(canceled["canceled_at"].is_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn canceled_intent_cannot_be_canceled_again() {
    let sandbox = TestSandbox::start(config());
    let authorized = authorize(&sandbox.api).await;
    sandbox.api.post(&action_path(&authorized, "cancel"), &[]).await.ok();

    let error = sandbox.api.post(&action_path(&authorized, "cancel"), &[]).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("status of canceled"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_with_reserved_reason_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();

    let params = [("cancellation_reason", "automatic")];
    let error = sandbox.api.post(&action_path(&intent, "cancel"), &params).await.error(400);

    assert_eq!(error["param"], "cancellation_reason");
}

/// Creates an intent with automatic payment methods.
async fn create_automatic_intent(api: &Api) -> Value {
    api.post("/v1/payment_intents", &[("amount", "1000"), ("currency", "EUR")]).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_without_types_uses_automatic_payment_methods() {
    let sandbox = TestSandbox::start(config());

    let intent = create_automatic_intent(&sandbox.api).await;

    assert_fields(
        &intent,
        &json!({
            "automatic_payment_methods": { "allow_redirects": "always", "enabled": true },
            "payment_method_types": ["card", "sepa_debit", "multibanco"],
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_payment_methods_require_return_url() {
    let sandbox = TestSandbox::start(config());
    let intent = create_automatic_intent(&sandbox.api).await;

    let error = sandbox.api.post(&action_path(&intent, "confirm"), &[VISA]).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("return_url"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_payment_methods_with_return_url_pay() {
    let sandbox = TestSandbox::start(config());
    let intent = create_automatic_intent(&sandbox.api).await;

    let params = [VISA, ("return_url", "https://example.com/done")];
    let paid = sandbox.api.post(&action_path(&intent, "confirm"), &params).await.ok();

    assert_eq!(paid["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_payment_methods_without_redirects_need_no_return_url() {
    let sandbox = TestSandbox::start(config());

    let params = [
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    let paid = sandbox.api.pay("pm_card_visa", &params).await.ok();

    assert_eq!(paid["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_payment_methods_with_allowed_types_are_rejected() {
    let sandbox = TestSandbox::start(config());

    let params = [("automatic_payment_methods[enabled]", "true"), ("allowed_payment_method_types[]", "card")];

    sandbox.api.create_intent(&params).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn publishable_key_cannot_create_or_cancel_intents() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();
    let browser = sandbox.api.publishable();

    for response in
        [browser.create_intent(&[]).await, browser.post(&action_path(&intent, "cancel"), &[]).await]
    {
        assert_eq!(response.error(401)["code"], "secret_key_required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishable_key_requires_the_client_secret() {
    let sandbox = TestSandbox::start(config());
    let path = intent_path(&sandbox.api.create_intent(&[]).await.ok());
    let browser = sandbox.api.publishable();

    assert_eq!(browser.get(&path, &[]).await.error(400)["code"], "parameter_missing");
    let params = [("client_secret", "pi_x_secret_y")];
    assert_eq!(browser.get(&path, &params).await.error(404)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishable_key_cannot_read_metadata() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[("metadata[internal]", "x")]).await.ok();
    let client_secret = ("client_secret", intent["client_secret"].as_str().unwrap());
    let browser = sandbox.api.publishable();

    let read = browser.get(&intent_path(&intent), &[client_secret]).await.ok();
    assert_eq!((&read["id"], read.get("metadata")), (&intent["id"], None));

    let params = [client_secret, ("payment_method", "pm_card_visa_chargeDeclined")];
    let error = browser.post(&action_path(&intent, "confirm"), &params).await.error(402);
    assert_eq!(error["payment_intent"].get("metadata"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn publishable_key_in_body_confirms_intent() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();

    let params = [
        ("key", "pk_test_x"),
        ("client_secret", intent["client_secret"].as_str().unwrap()),
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][token]", "tok_visa"),
        ("use_stripe_sdk", "true"),
        ("return_url", "https://example.com/"),
    ];
    let browser = sandbox.api.without("authorization");
    let paid = browser.post(&action_path(&intent, "confirm"), &params).await.ok();

    assert_eq!(paid["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn response_for_account_has_account_header() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_123").await;

    let response = seller.create_intent(&[]).await;

    assert_eq!(response.header("stripe-account"), Some("acct_123"));
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_of_connected_account_is_not_found_by_platform() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_123").await;
    let intent = seller.pay("pm_card_visa", &[("application_fee_amount", "100")]).await.ok();

    assert_eq!(sandbox.api.get(&intent_path(&intent), &[]).await.error(404)["code"], "resource_missing");
    assert_eq!(seller.read_intent(&intent).await["application_fee_amount"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn connected_account_lists_its_events_without_account_field() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_123").await;

    seller.create_intent(&[]).await.ok();

    assert_eq!(seller.single("/v1/events").await.get("account"), None);
    assert!(sandbox.api.event_types().await.is_empty());
}

/// Forces a success with the control API.
async fn force_success(api: &Api, intent: &Value) -> crate::support::Response {
    api.post(&format!("/_sandbox/payment_intents/{}/succeed", id(intent)), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_pays_canceled_intent() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();
    sandbox.api.post(&action_path(&intent, "cancel"), &[]).await.ok();

    force_success(&sandbox.api, &intent).await.ok();

    assert_fields(
        &sandbox.api.read_intent(&intent).await,
        &json!({
            "status": "succeeded",
            "amount_received": 1000,
            "canceled_at": null,
            "latest_charge": { "captured": true },
        }),
    );
    let types = sandbox.api.event_types().await;
    assert!(types.contains(&"payment_intent.canceled".to_owned()), "{types:?}");
    assert_eq!(types.last().unwrap(), "payment_intent.succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_cannot_pay_succeeded_intent() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.pay("pm_card_visa", &[]).await.ok();

    force_success(&sandbox.api, &intent).await.error(400);
}

/// Asserts that an authorization has expired, and can't be captured.
async fn assert_authorization_expired(api: &Api, authorized: &Value) {
    assert_fields(
        &api.read_intent(authorized).await,
        &json!({
            "status": "canceled",
            "cancellation_reason": "automatic",
            "amount_capturable": 0,
            "latest_charge": { "captured": false, "refunded": true },
        }),
    );
    let types = api.event_types().await;
    assert_eq!(types[types.len() - 2..], ["charge.expired", "payment_intent.canceled"]);
    api.post(&action_path(authorized, "capture"), &[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_expires_after_seven_days() {
    let sandbox = TestSandbox::start(config());
    let authorized = authorize(&sandbox.api).await;
    sandbox.api.advance(7 * 24 * 3600 - 60).await;
    assert_eq!(sandbox.api.read_intent(&authorized).await["status"], "requires_capture");

    sandbox.api.advance(61).await;

    assert_authorization_expired(&sandbox.api, &authorized).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_expires_authorization_once() {
    let sandbox = TestSandbox::start(config());
    let authorized = authorize(&sandbox.api).await;
    let path = action_path(&authorized, "expire").replace("/v1", "/_sandbox");

    sandbox.api.post(&path, &[]).await.ok();

    assert_authorization_expired(&sandbox.api, &authorized).await;
    sandbox.api.post(&path, &[]).await.error(400);
}
