use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reqwest::Method;

use crate::support::{Running, config};

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_for() {
    let sandbox = Running::start(config());
    let api = sandbox.api.without("authorization");
    let answer = api.get("/v1/events", &[]).await;
    assert!(answer.header("request-id").unwrap().starts_with("req_"));
    assert!(answer.header("www-authenticate").is_some());
    assert_eq!(answer.error(401)["type"], "invalid_request_error");
    for (key, part) in [("Bearer nonsense", "Invalid API Key"), ("Bearer sk_live_x", "live key")] {
        let error = api.with("authorization", key).get("/v1/events", &[]).await.error(401);
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    // curl -u sk_test_x:
    api.with("authorization", "Basic c2tfdGVzdF94Og==").get("/v1/events", &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_methods_are_named() {
    let sandbox = Running::start(config());
    let error = sandbox.api.get("/v1/foo", &[]).await.error(404);
    assert!(error["message"].as_str().unwrap().starts_with("Unrecognized request URL (GET: /v1/foo)."));
    let error = sandbox.api.send(Method::PUT, "/v1/payment_intents", &[]).await.error(404);
    assert!(error["message"].as_str().unwrap().contains("(PUT: /v1/payment_intents)"));
    sandbox.api.delete("/v1/events").await.error(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_named() {
    let sandbox = Running::start(config());
    let good: &[(&str, &str)] = &[("amount", "1000"), ("currency", "eur")];
    for (extra, code, param) in [
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
        let mut params = good.to_vec();
        params.extend_from_slice(extra);
        let error = sandbox.api.post("/v1/payment_intents", &params).await.error(400);
        assert_eq!(error["code"].as_str(), code, "{extra:?}: {error}");
        assert_eq!(error["param"], param, "{error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let error = sandbox.api.post("/v1/payment_intents", &[("currency", "eur")]).await.error(400);
    assert_eq!((&error["code"], &error["param"]), (&"parameter_missing".into(), &"amount".into()));
    let error = sandbox.api.get("/v1/payment_intents/pi_x", &[]).await.error(404);
    assert_eq!((&error["code"], &error["param"]), (&"resource_missing".into(), &"intent".into()));
    assert_eq!(error["message"], "No such payment_intent: 'pi_x'");
    let created = sandbox.api.create(&[]).await.ok();
    let path = format!("/v1/payment_intents/{}", created["id"].as_str().unwrap());
    let error = sandbox.api.post(&format!("{path}/confirm"), &[("amount", "5")]).await.error(400);
    assert_eq!(error["code"], "parameter_unknown");
    for bad in ["status", "nothing", "latest_charge.a.b.c.d"] {
        assert_eq!(sandbox.api.get(&path, &[("expand[]", bad)]).await.error(400)["param"], "expand");
    }
    assert!(sandbox.api.get("/v1/payment_intents", &[]).await.ok()["data"].as_array().unwrap().len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_refused() {
    let sandbox = Running::start(config());
    let error = sandbox.api.create(&[("description", &"x".repeat(2 << 20))]).await.error(413);
    assert_eq!(error["type"], "invalid_request_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_bad_versions_are_refused() {
    let sandbox = Running::start(config());
    let answer = sandbox
        .api
        .http
        .post(format!("{}/v1/payment_intents", sandbox.api.base))
        .header("authorization", "Bearer sk_test_x")
        .header("content-type", "application/json")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers().get("stripe-version").unwrap(), quittance_sandbox::API_VERSION);
    sandbox.api.with("stripe-version", "latest").get("/v1/events", &[]).await.error(400);
    let old = sandbox.api.with("stripe-version", "2020-08-27").get("/v1/events", &[]).await;
    assert_eq!(old.header("stripe-version"), Some("2020-08-27"));
}

/// Parameters that many endpoints have, and forms of them that none has.
const NAMES: &[&str] = &[
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

/// Whatever is sent, the answer is an object or one of Stripe's errors, and never a 500.
#[test]
fn random_bodies_get_an_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sandbox = runtime.block_on(async { Running::start(config()) });
    let name = proptest::sample::select(NAMES);
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
    let (charge, dispute) = runtime.block_on(async {
        let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
        let charge = paid["latest_charge"].as_str().unwrap().to_owned();
        let dispute = sandbox.api.post(&format!("/_sandbox/charges/{charge}/dispute"), &[]).await.ok();
        (charge, dispute["id"].as_str().unwrap().to_owned())
    });
    let paths = [
        "/v1/payment_intents".to_owned(),
        "/v1/payment_methods".to_owned(),
        "/v1/customers".to_owned(),
        "/v1/refunds".to_owned(),
        "/v1/balance_transactions".to_owned(),
        "/v1/checkout/sessions".to_owned(),
        format!("/v1/disputes/{dispute}"),
        format!("/_sandbox/disputes/{dispute}/decide"),
        format!("/_sandbox/charges/{charge}/dispute"),
    ];
    let pairs = proptest::collection::vec((name, value), 0..8);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(150));
    runner
        .run(&pairs, |pairs| {
            let params: Vec<(&str, &str)> =
                pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for path in &paths {
                for method in [Method::POST, Method::GET] {
                    let answer = runtime.block_on(sandbox.api.send(method, path, &params));
                    let is_error = answer.body["error"]["type"].is_string();
                    prop_assert!(
                        answer.status == 200 || (is_error && answer.status < 500),
                        "{}",
                        answer.text
                    );
                }
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(sandbox.stop());
}
