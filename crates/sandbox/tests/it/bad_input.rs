use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::json;

use crate::support::{TestSandbox, assert_fields, config, id};

#[tokio::test(flavor = "multi_thread")]
async fn request_without_key_is_unauthorized() {
    let sandbox = TestSandbox::start(config());

    let response = sandbox.api.without("authorization").get("/v1/events", &[]).await;

    assert!(response.header("request-id").unwrap().starts_with("req_"));
    assert!(response.header("www-authenticate").is_some());
    assert_eq!(response.error(401)["type"], "invalid_request_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_with_invalid_key_is_unauthorized() {
    let sandbox = TestSandbox::start(config());
    for (key, expected) in [("Bearer nonsense", "Invalid API Key"), ("Bearer sk_live_x", "live key")] {
        let error = sandbox.api.with("authorization", key).get("/v1/events", &[]).await.error(401);

        assert!(error["message"].as_str().unwrap().contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_with_basic_authentication_is_accepted() {
    let sandbox = TestSandbox::start(config());

    // This is the header of `curl -u sk_test_x:`.
    let api = sandbox.api.with("authorization", "Basic c2tfdGVzdF94Og==");

    api.get("/v1/events", &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_route_is_not_found() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.get("/v1/foo", &[]).await.error(404);

    assert!(error["message"].as_str().unwrap().starts_with("Unrecognized request URL (GET: /v1/foo)."));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_method_is_not_found() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.send(Method::PUT, "/v1/payment_intents", &[]).await.error(404);

    assert!(error["message"].as_str().unwrap().contains("(PUT: /v1/payment_intents)"));
    sandbox.api.delete("/v1/events").await.error(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for (params, code, param) in [
        (&[("foo", "1")][..], Some("parameter_unknown"), "foo"),
        (
            &[("shipping[name]", "A"), ("shipping[address][street]", "B")],
            Some("parameter_unknown"),
            "shipping[address][street]",
        ),
        (&[("shipping[name]", "A")], Some("parameter_missing"), "shipping[address]"),
        (&[("amount", "ten")], Some("parameter_invalid_integer"), "amount"),
        (&[("amount", "10")], Some("amount_too_small"), "amount"),
        (&[("amount", "-5")], Some("parameter_invalid_integer"), "amount"),
        (&[("amount", "100000000")], Some("amount_too_large"), "amount"),
        (&[("amount", "")], Some("parameter_invalid_empty"), "amount"),
        (&[("currency", "xxx")], None, "currency"),
        (&[("confirm", "yes")], None, "confirm"),
        (&[("capture_method", "later")], None, "capture_method"),
        (&[("metadata", "x")], None, "metadata"),
        (&[("expand", "x")], None, "expand"),
        (&[("allowed_payment_method_types[]", "bitcoin")], None, "allowed_payment_method_types"),
        (&[("receipt_email", "nobody")], Some("email_invalid"), "receipt_email"),
        (&[("return_url", "https://example.com")], None, "return_url"),
        (&[("confirmation_token", "x")], Some("parameter_unknown"), "confirmation_token"),
        (&[("customer", "cus_x")], Some("resource_missing"), "customer"),
        (&[("payment_method", "pm_x")], Some("resource_missing"), "payment_method"),
    ] {
        let mut all = vec![("amount", "1000"), ("currency", "eur")];
        all.extend_from_slice(params);

        let error = sandbox.api.post("/v1/payment_intents", &all).await.error(400);

        assert_eq!(error["code"].as_str(), code, "{params:?}: {error}");
        assert_fields(&error, &json!({ "param": param, "type": "invalid_request_error" }));
    }
    assert_eq!(sandbox.api.get("/v1/payment_intents", &[]).await.ok()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_without_amount_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.post("/v1/payment_intents", &[("currency", "eur")]).await.error(400);

    assert_fields(&error, &json!({ "code": "parameter_missing", "param": "amount" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_intent_is_not_found() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.get("/v1/payment_intents/pi_x", &[]).await.error(404);

    assert_fields(
        &error,
        &json!({
            "code": "resource_missing",
            "param": "intent",
            "message": "No such payment_intent: 'pi_x'",
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn confirm_with_unknown_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();

    let path = format!("/v1/payment_intents/{}/confirm", id(&intent));
    let error = sandbox.api.post(&path, &[("amount", "5")]).await.error(400);

    assert_eq!(error["code"], "parameter_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_expansion_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();
    let path = format!("/v1/payment_intents/{}", id(&intent));
    for expansion in ["status", "nothing", "latest_charge.a.b.c.d"] {
        let error = sandbox.api.get(&path, &[("expand[]", expansion)]).await.error(400);

        assert_eq!(error["param"], "expand");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_body_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.create_intent(&[("description", &"x".repeat(2 << 20))]).await.error(413);

    assert_eq!(error["type"], "invalid_request_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_body_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let response = sandbox
        .api
        .http
        .post(format!("{}/v1/payment_intents", sandbox.api.base))
        .header("authorization", "Bearer sk_test_x")
        .header("content-type", "application/json")
        .body("{}")
        .send()
        .await
        .unwrap();

    assert_eq!(response.status(), 400);
    assert_eq!(response.headers().get("stripe-version").unwrap(), quittance_sandbox::API_VERSION);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_api_version_is_rejected() {
    let sandbox = TestSandbox::start(config());

    sandbox.api.with("stripe-version", "latest").get("/v1/events", &[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_api_version_is_returned() {
    let sandbox = TestSandbox::start(config());

    let response = sandbox.api.with("stripe-version", "2020-08-27").get("/v1/events", &[]).await;

    assert_eq!(response.header("stripe-version"), Some("2020-08-27"));
}

/// Valid names of parameters, and malformed variants of them.
const FUZZ_NAMES: &[&str] = &[
    "amount",
    "currency",
    "confirm",
    "payment_method",
    "payment_method_data[type]",
    "payment_method_data[card][number]",
    "payment_method_data[card]",
    "shipping[address][line1]",
    "metadata[a]",
    "metadata",
    "expand[]",
    "expand[0]",
    "allowed_payment_method_types[]",
    "created[gte]",
    "limit",
    "charge",
    "mode",
    "success_url",
    "expires_at",
    "evidence[uncategorized_text]",
    "submit",
    "line_items[0][price_data][currency]",
    "line_items[0][price_data][unit_amount]",
    "line_items[0][price_data][product_data][name]",
    "line_items[0][quantity]",
    "line_items[9][quantity]",
    "line_items[]",
    "payment_intent_data[metadata]",
    "outcome",
    "advance_seconds",
];

fn fuzz_params() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let value = prop_oneof![
        Just("1000".to_owned()),
        Just("eur".to_owned()),
        Just("true".to_owned()),
        Just("card".to_owned()),
        Just("pm_card_visa".to_owned()),
        Just("payment".to_owned()),
        Just("won".to_owned()),
        Just("https://shop.example/".to_owned()),
        Just("latest_charge".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        ".{0,12}",
    ];
    proptest::collection::vec((proptest::sample::select(FUZZ_NAMES), value), 0..8)
}

/// Creates a disputed payment. Returns the paths to send random parameters to.
async fn fuzz_paths(sandbox: &TestSandbox) -> [String; 9] {
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    let charge = paid["latest_charge"].as_str().unwrap();
    let dispute = sandbox.api.post(&format!("/_sandbox/charges/{charge}/dispute"), &[]).await.ok();
    [
        "/v1/payment_intents".to_owned(),
        "/v1/payment_methods".to_owned(),
        "/v1/customers".to_owned(),
        "/v1/refunds".to_owned(),
        "/v1/balance_transactions".to_owned(),
        "/v1/checkout/sessions".to_owned(),
        format!("/v1/disputes/{}", id(&dispute)),
        format!("/_sandbox/disputes/{}/decide", id(&dispute)),
        format!("/_sandbox/charges/{charge}/dispute"),
    ]
}

#[test]
fn random_parameters_never_cause_server_errors() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sandbox = runtime.block_on(async { TestSandbox::start(config()) });
    let paths = runtime.block_on(fuzz_paths(&sandbox));

    TestRunner::new(ProptestConfig::with_cases(150))
        .run(&fuzz_params(), |pairs| {
            let params: Vec<(&str, &str)> =
                pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for path in &paths {
                for method in [Method::POST, Method::GET] {
                    let response = runtime.block_on(sandbox.api.send(method, path, &params));

                    let is_error = response.body["error"]["type"].is_string() && response.status < 500;
                    prop_assert!(response.status == 200 || is_error, "{}", response.text);
                }
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(sandbox.stop());
}
