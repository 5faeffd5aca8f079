//! Tests of payment method types, in the current API version and the previous one.

use serde_json::{Value, json};
use stripe_shared::{CheckoutSession, PaymentIntent};

use crate::objects::parse;
use crate::support::{Api, Response, TestSandbox, assert_fields, config, intent_path};

const LEGACY_CARD: (&str, &str) = ("payment_method_types[]", "card");
const CARD: (&str, &str) = ("allowed_payment_method_types[]", "card");
const KLARNA: (&str, &str) = ("allowed_payment_method_types[]", "klarna");
const US_BANK_ACCOUNT: (&str, &str) = ("allowed_payment_method_types[]", "us_bank_account");
const WITHOUT_MULTIBANCO: (&str, &str) = ("excluded_payment_method_types[]", "multibanco");
const AUTOMATIC: (&str, &str) = ("automatic_payment_methods[enabled]", "true");
const VISA: (&str, &str) = ("payment_method", "pm_card_visa");

/// Creates a PaymentIntent of 10.00 EUR.
async fn create(api: &Api, params: &[(&str, &str)]) -> Response {
    let mut all = vec![("amount", "1000"), ("currency", "eur")];
    all.extend_from_slice(params);
    api.post("/v1/payment_intents", &all).await
}

fn confirm_path(intent: &Value) -> String {
    format!("{}/confirm", intent_path(intent))
}

fn previous_version(api: &Api) -> Api {
    api.with("stripe-version", "2026-08-26.dahlia")
}

#[tokio::test(flavor = "multi_thread")]
async fn current_version_rejects_payment_method_types() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let open = create(api, &[]).await.ok();
    for response in [
        create(api, &[LEGACY_CARD]).await,
        create(&api.with("stripe-version", "2026-09-30.endive"), &[LEGACY_CARD]).await,
        api.post(&intent_path(&open), &[LEGACY_CARD]).await,
        api.post(&confirm_path(&open), &[LEGACY_CARD, VISA]).await,
    ] {
        let error = response.error(400);

        assert_eq!(error["code"], "payment_method_types_no_longer_supported");
        assert_eq!(error["param"], "payment_method_types");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn current_version_rejects_payment_method_types_of_session() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.create_session(&[LEGACY_CARD]).await.error(400);

    assert_eq!(error["code"], "parameter_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn previous_version_accepts_payment_method_types() {
    let sandbox = TestSandbox::start(config());

    let intent = create(&previous_version(&sandbox.api), &[LEGACY_CARD]).await.ok();

    assert_fields(&intent, &json!({ "payment_method_types": ["card"], "automatic_payment_methods": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn previous_version_can_change_payment_method_types() {
    let sandbox = TestSandbox::start(config());
    let api = previous_version(&sandbox.api);
    let intent = create(&api, &[LEGACY_CARD]).await.ok();

    let updated = api.post(&intent_path(&intent), &[("payment_method_types[]", "sepa_debit")]).await.ok();

    assert_eq!(updated["payment_method_types"], json!(["sepa_debit"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn previous_version_accepts_payment_method_types_of_session() {
    let sandbox = TestSandbox::start(config());

    let session = previous_version(&sandbox.api).create_session(&[LEGACY_CARD]).await.ok();

    assert_eq!(session["payment_method_types"], json!(["card"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn previous_version_rejects_invalid_payment_method_types() {
    let sandbox = TestSandbox::start(config());
    let api = previous_version(&sandbox.api);

    assert_eq!(create(&api, &[LEGACY_CARD, AUTOMATIC]).await.error(400)["param"], "payment_method_types");
    create(&api, &[("payment_method_types[]", "klarna")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_types_are_reduced_to_usable_types() {
    let sandbox = TestSandbox::start(config());

    let intent = create(&sandbox.api, &[KLARNA, CARD, US_BANK_ACCOUNT]).await.ok();

    parse::<PaymentIntent>(&intent);
    assert_eq!(intent["payment_method_types"], json!(["card"]));
    assert_eq!(intent["allowed_payment_method_types"], json!(["klarna", "card", "us_bank_account"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn usable_types_follow_the_currency() {
    let sandbox = TestSandbox::start(config());
    let intent = create(&sandbox.api, &[KLARNA, CARD, US_BANK_ACCOUNT]).await.ok();

    let updated = sandbox.api.post(&intent_path(&intent), &[("currency", "usd")]).await.ok();

    assert_eq!(updated["payment_method_types"], json!(["card", "us_bank_account"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_types_can_be_changed() {
    let sandbox = TestSandbox::start(config());
    let intent = create(&sandbox.api, &[CARD, US_BANK_ACCOUNT]).await.ok();

    let params = [("currency", "usd"), US_BANK_ACCOUNT];
    let updated = sandbox.api.post(&intent_path(&intent), &params).await.ok();

    assert_eq!(updated["payment_method_types"], json!(["us_bank_account"]));
}

/// Creates a PaymentIntent in dollars that allows only bank accounts.
async fn create_for_bank_account(api: &Api) -> Value {
    api.create_intent(&[("currency", "usd"), US_BANK_ACCOUNT]).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_method_of_other_type_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let intent = create_for_bank_account(&sandbox.api).await;

    let error = sandbox.api.post(&confirm_path(&intent), &[VISA]).await.error(400);

    assert_eq!(error["code"], "payment_intent_incompatible_payment_method");
}

#[tokio::test(flavor = "multi_thread")]
async fn confirm_can_change_the_allowed_types() {
    let sandbox = TestSandbox::start(config());
    let intent = create_for_bank_account(&sandbox.api).await;

    let paid = sandbox.api.post(&confirm_path(&intent), &[VISA, CARD]).await.ok();

    assert_fields(&paid, &json!({ "status": "succeeded", "payment_method_types": ["card"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_without_usable_types_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let error = create(&sandbox.api, &[KLARNA]).await.error(400);

    assert!(error["message"].as_str().unwrap().starts_with("No valid payment method types"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_types_cannot_be_combined_with_other_selections() {
    let sandbox = TestSandbox::start(config());
    for other in [("excluded_payment_method_types[]", "card"), LEGACY_CARD, AUTOMATIC] {
        create(&sandbox.api, &[CARD, other]).await.error(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_reduces_allowed_types_to_usable_types() {
    let sandbox = TestSandbox::start(config());

    let session = sandbox.api.create_session(&[CARD, KLARNA]).await.ok();

    parse::<CheckoutSession>(&session);
    assert_eq!(session["payment_method_types"], json!(["card"]));
    assert_eq!(session["allowed_payment_method_types"], json!(["card", "klarna"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_types_are_omitted() {
    let sandbox = TestSandbox::start(config());

    let params = [WITHOUT_MULTIBANCO, ("excluded_payment_method_types[]", "klarna")];
    let intent = create(&sandbox.api, &params).await.ok();

    parse::<PaymentIntent>(&intent);
    assert_fields(
        &intent,
        &json!({
            "payment_method_types": ["card", "sepa_debit"],
            "excluded_payment_method_types": ["multibanco", "klarna"],
            "automatic_payment_methods": { "enabled": true },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_types_can_be_removed() {
    let sandbox = TestSandbox::start(config());
    let intent = create(&sandbox.api, &[WITHOUT_MULTIBANCO]).await.ok();

    let params = [("excluded_payment_method_types", "")];
    let updated = sandbox.api.post(&intent_path(&intent), &params).await.ok();

    assert_fields(
        &updated,
        &json!({
            "payment_method_types": ["card", "sepa_debit", "multibanco"],
            "excluded_payment_method_types": null,
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_types_can_be_combined_with_automatic_methods() {
    let sandbox = TestSandbox::start(config());

    let intent = create(&sandbox.api, &[WITHOUT_MULTIBANCO, AUTOMATIC]).await.ok();

    assert_eq!(intent["payment_method_types"], json!(["card", "sepa_debit"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn session_omits_excluded_types() {
    let sandbox = TestSandbox::start(config());

    let session = sandbox.api.create_session(&[WITHOUT_MULTIBANCO]).await.ok();

    assert_eq!(session["payment_method_types"], json!(["card", "sepa_debit"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_excluded_type_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let error = create(&sandbox.api, &[("excluded_payment_method_types[]", "gold")]).await.error(400);

    assert_eq!(error["param"], "excluded_payment_method_types");
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_types_in_payment_intent_data_are_rejected() {
    let sandbox = TestSandbox::start(config());

    let params = [("payment_intent_data[excluded_payment_method_types][]", "card")];
    let error = sandbox.api.create_session(&params).await.error(400);

    assert_eq!(error["code"], "parameter_unknown");
}
