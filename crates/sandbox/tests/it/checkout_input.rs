//! Tests of invalid parameters of Checkout Sessions.

use crate::checkout::{clock_now, create};
use crate::support::{TestSandbox, config};

#[tokio::test(flavor = "multi_thread")]
async fn session_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let now = clock_now(&sandbox.api).await;
    let (too_soon, too_late) = ((now + 1_700).to_string(), (now + 86_500).to_string());
    for (name, value, code) in [
        ("mode", "subscription", None),
        ("mode", "gift", None),
        ("ui_mode", "embedded_page", None),
        ("success_url", "shop", Some("url_invalid")),
        ("cancel_url", "javascript:alert(1)", Some("url_invalid")),
        ("expires_at", &too_soon, None),
        ("expires_at", &too_late, None),
        ("customer", "cus_x", Some("resource_missing")),
        ("customer_email", "nobody", Some("email_invalid")),
        ("locale", "xx", None),
        ("submit_type", "beg", None),
        ("payment_method_types[]", "card", Some("parameter_unknown")),
        ("allowed_payment_method_types", "card", None),
        ("shipping_options", "x", Some("parameter_unknown")),
        ("color", "red", Some("parameter_unknown")),
        ("adaptive_pricing[color]", "red", Some("parameter_unknown")),
        ("payment_intent_data[amount]", "5", Some("parameter_unknown")),
        ("payment_intent_data[application_fee_amount]", "2499", None),
        ("line_items[0][quantity]", "0", Some("parameter_invalid_integer")),
        ("line_items[0][price]", "price_x", Some("parameter_unknown")),
        ("line_items[0][price_data][currency]", "xxx", None),
        ("line_items[0][price_data][unit_amount]", "-1", Some("parameter_invalid_integer")),
        ("line_items[0][price_data][tax_behavior]", "inclusive", Some("parameter_unknown")),
        ("line_items[0][price_data][product_data][name]", "", Some("parameter_invalid_empty")),
        ("line_items[1][price_data][product_data][images][0]", "spoon", Some("url_invalid")),
    ] {
        let error = create(&sandbox.api, &[(name, value)]).await.error(400);

        assert_eq!(error["code"].as_str(), code, "{name}: {error}");
        assert!(name.starts_with(error["param"].as_str().unwrap()), "{name}: {error}");
    }
    assert!(sandbox.api.list("/v1/checkout/sessions").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn session_with_two_currencies_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let params = [("line_items[0][price_data][currency]", "usd")];
    let error = create(&sandbox.api, &params).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("same currency"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_below_minimum_amount_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let params =
        [("line_items[0][price_data][unit_amount]", "10"), ("line_items[1][price_data][unit_amount]", "10")];
    let error = create(&sandbox.api, &params).await.error(400);

    assert_eq!(error["code"], "amount_too_small");
    assert!(error["message"].as_str().unwrap().ends_with("must add up to at least €0.50 eur"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_above_maximum_amount_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let params = [
        ("line_items[0][price_data][unit_amount]", "999999999999"),
        ("line_items[0][quantity]", "999999999"),
    ];
    let error = create(&sandbox.api, &params).await.error(400);

    assert_eq!(error["code"], "amount_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_without_line_items_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.post("/v1/checkout/sessions", &[("mode", "payment")]).await.error(400);

    assert_eq!(error["param"], "line_items");
    let params = [("mode", "payment"), ("line_items", "x")];
    sandbox.api.post("/v1/checkout/sessions", &params).await.error(400);
}
