use quittance_sandbox::Config;
use serde_json::{Value, json};

use crate::support::{TestSandbox, assert_fields, config, id};

#[tokio::test(flavor = "multi_thread")]
async fn declined_test_card_returns_its_codes() {
    let sandbox = TestSandbox::start(config());
    for (method, code, decline_code) in [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
        ("pm_card_radarBlock", "card_declined", "fraudulent"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ] {
        let error = sandbox.api.pay(method, &[]).await.error(402);

        let expected = json!({ "type": "card_error", "code": code, "decline_code": decline_code });
        assert_fields(&error, &expected);
        assert!(error["doc_url"].as_str().unwrap().starts_with("https://stripe.com/docs/error-codes/"));
        assert!(error["message"].is_string() && error["request_log_url"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_intent_requires_another_payment_method() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.pay("pm_card_visa_chargeDeclinedLostCard", &[]).await.error(402);

    assert_fields(
        &error["payment_intent"],
        &json!({
            "status": "requires_payment_method",
            "payment_method": null,
            "last_payment_error": { "decline_code": "lost_card" },
            "latest_charge": error["charge"],
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_charge_is_failed() {
    let sandbox = TestSandbox::start(config());
    let error = sandbox.api.pay("pm_card_chargeDeclinedIncorrectCvc", &[]).await.error(402);

    let path = format!("/v1/charges/{}", error["charge"].as_str().unwrap());
    let charge = sandbox.api.get(&path, &[]).await.ok();

    assert_fields(&charge, &json!({ "status": "failed", "failure_code": "incorrect_cvc" }));
}

/// Returns the parameters of an intent that is confirmed with a card number.
fn card_params(number: &str) -> Vec<(&str, &str)> {
    vec![
        ("confirm", "true"),
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][number]", number),
        ("payment_method_data[card][exp_month]", "12"),
        ("payment_method_data[card][exp_year]", "34"),
        ("payment_method_data[card][cvc]", "123"),
        ("payment_method_data[billing_details][email]", "a@example.com"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn test_card_number_pays_with_its_brand() {
    let sandbox = TestSandbox::start(config());
    for (number, brand) in [
        ("4242 4242 4242 4242", "visa"),
        ("5555555555554444", "mastercard"),
        ("378282246310005", "amex"),
        ("3566002020360505", "jcb"),
    ] {
        let mut params = card_params(number);
        params.extend([("expand[]", "payment_method"), ("expand[]", "latest_charge")]);

        let intent = sandbox.api.create_intent(&params).await.ok();

        assert_fields(
            &intent,
            &json!({
                "status": "succeeded",
                "payment_method": { "card": { "brand": brand }, "billing_details": { "email": "a@example.com" } },
                "latest_charge": { "payment_method_details": { "card": { "brand": brand } } },
            }),
        );
        assert!(!intent.to_string().contains(&number.replace(' ', "")), "the number must not be returned");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_test_card_number_is_declined() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.create_intent(&card_params("4000000000009995")).await.error(402);

    assert_eq!(error["decline_code"], "insufficient_funds");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_d_secure_test_card_number_requires_action() {
    let sandbox = TestSandbox::start(config());

    let intent = sandbox.api.create_intent(&card_params("4000002760003184")).await.ok();

    assert_eq!(intent["status"], "requires_action");
}

/// Creates a payment method that is refused. Returns the error.
async fn create_refused_card(
    sandbox: &TestSandbox,
    number: &str,
    month: &str,
    year: &str,
    cvc: &str,
) -> Value {
    let params = [
        ("type", "card"),
        ("card[number]", number),
        ("card[exp_month]", month),
        ("card[exp_year]", year),
        ("card[cvc]", cvc),
    ];
    let api = sandbox.api.with("idempotency-key", "card-key");
    api.post("/v1/payment_methods", &params).await.error(402)
}

/// Passes the check digit, but isn't a test number.
const REAL_NUMBER: &str = "4111111111111111";

#[tokio::test(flavor = "multi_thread")]
async fn real_card_number_is_declined() {
    let sandbox = TestSandbox::start(config());

    let error = create_refused_card(&sandbox, REAL_NUMBER, "12", "2034", "123").await;

    assert_fields(&error, &json!({ "code": "card_declined", "decline_code": "test_mode_live_card" }));
    assert!(!error.to_string().contains(REAL_NUMBER));
}

#[tokio::test(flavor = "multi_thread")]
async fn real_card_number_and_its_idempotency_key_are_never_stored() {
    let folder = tempfile::tempdir().unwrap();
    let state_file = Some(folder.path().join("state.db"));
    let sandbox = TestSandbox::start(Config { state_file, ..config() });
    create_refused_card(&sandbox, REAL_NUMBER, "12", "2034", "123").await;

    sandbox.stop().await;

    for file in std::fs::read_dir(folder.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        let content = String::from_utf8_lossy(&content);
        assert!(!content.contains(REAL_NUMBER) && !content.contains("card-key"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_card_details_return_their_code() {
    let sandbox = TestSandbox::start(config());
    for (number, month, year, cvc, code) in [
        ("4242424242424241", "12", "2034", "123", "incorrect_number"),
        ("4242424242424242", "13", "2034", "123", "invalid_expiry_month"),
        ("4242424242424242", "12", "2020", "123", "invalid_expiry_year"),
        ("4242424242424242", "12", "2034", "12", "invalid_cvc"),
    ] {
        let error = create_refused_card(&sandbox, number, month, year, cvc).await;

        assert_eq!(error["code"], code);
    }
}

/// Creates a customer with an attached test card. Returns their IDs.
async fn customer_with_card(sandbox: &TestSandbox, card: &str) -> (String, String) {
    let params = [("email", "c@example.com"), ("name", "C")];
    let customer = sandbox.api.post("/v1/customers", &params).await.ok();
    let path = format!("/v1/payment_methods/{card}/attach");
    let method = sandbox.api.post(&path, &[("customer", id(&customer))]).await.ok();
    assert_eq!(method["customer"], customer["id"]);
    (id(&customer).to_owned(), id(&method).to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_card_without_its_customer_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let (_, card) = customer_with_card(&sandbox, "pm_card_visa").await;

    let error = sandbox.api.pay(&card, &[]).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("belongs to a customer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_card_with_its_customer_pays() {
    let sandbox = TestSandbox::start(config());
    let (customer, card) = customer_with_card(&sandbox, "pm_card_visa").await;

    let intent = sandbox.api.pay(&card, &[("customer", &customer), ("off_session", "true")]).await.ok();

    assert_fields(&intent, &json!({ "status": "succeeded", "customer": customer }));
}

#[tokio::test(flavor = "multi_thread")]
async fn customer_lists_attached_cards() {
    let sandbox = TestSandbox::start(config());
    let (customer, card) = customer_with_card(&sandbox, "pm_card_visa").await;

    let method = sandbox.api.single(&format!("/v1/customers/{customer}/payment_methods")).await;

    assert_eq!(id(&method), card);
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_failing_card_is_declined() {
    let sandbox = TestSandbox::start(config());
    let (customer, card) = customer_with_card(&sandbox, "pm_card_chargeCustomerFail").await;

    let error = sandbox.api.pay(&card, &[("customer", &customer)]).await.error(402);

    assert_eq!(error["code"], "card_declined");
}

#[tokio::test(flavor = "multi_thread")]
async fn detached_card_pays_without_customer() {
    let sandbox = TestSandbox::start(config());
    let (_, card) = customer_with_card(&sandbox, "pm_card_visa").await;
    sandbox.api.post(&format!("/v1/payment_methods/{card}/detach"), &[]).await.ok();

    let intent = sandbox.api.pay(&card, &[]).await.ok();

    assert_eq!(intent["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_with_deleted_customer_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let (customer, _) = customer_with_card(&sandbox, "pm_card_visa").await;
    sandbox.api.delete(&format!("/v1/customers/{customer}")).await.ok();

    let error = sandbox.api.create_intent(&[("customer", &customer)]).await.error(400);

    assert_eq!(error["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_with_failed_checks_or_elevated_risk_succeeds() {
    let sandbox = TestSandbox::start(config());
    for (name, line1, postal_code, cvc, risk) in [
        ("visa", "pass", "pass", "pass", "normal"),
        ("avsFail", "fail", "fail", "pass", "normal"),
        ("avsLine1Fail", "fail", "pass", "pass", "normal"),
        ("avsZipFail", "pass", "fail", "pass", "normal"),
        ("avsUnchecked", "unavailable", "unavailable", "pass", "normal"),
        ("cvcCheckFail", "pass", "pass", "fail", "normal"),
        ("riskLevelElevated", "pass", "pass", "pass", "elevated"),
        ("cvcCheckFailElevatedRisk", "pass", "pass", "fail", "elevated"),
        ("avsZipFailElevatedRisk", "pass", "fail", "pass", "elevated"),
    ] {
        let method = sandbox.api.get(&format!("/v1/payment_methods/pm_card_{name}"), &[]).await.ok();
        let address = [
            ("billing_details[address][line1]", "High Street 1"),
            ("billing_details[address][postal_code]", "12345"),
        ];
        sandbox.api.post(&format!("/v1/payment_methods/{}", id(&method)), &address).await.ok();

        let intent = sandbox.api.pay(id(&method), &[("expand[]", "latest_charge")]).await.ok();

        let checks = json!({
            "address_line1_check": line1,
            "address_postal_code_check": postal_code,
            "cvc_check": cvc,
        });
        assert_fields(
            &intent["latest_charge"],
            &json!({
                "payment_method_details": { "card": { "checks": checks } },
                "outcome": { "risk_level": risk },
                "paid": true,
            }),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_address_is_not_checked() {
    let sandbox = TestSandbox::start(config());

    let intent = sandbox.api.pay("pm_card_avsFail", &[("expand[]", "latest_charge")]).await.ok();

    let checks = &intent["latest_charge"]["payment_method_details"]["card"]["checks"];
    assert_eq!(checks["address_line1_check"], Value::Null);
}
