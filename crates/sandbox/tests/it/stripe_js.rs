//! Tests of the sandbox's Stripe.js files, and of the requests that Stripe.js sends. Tests of its behavior in a page are
//! in `tests/browser`.

use serde_json::{Value, json};

use crate::support::{Api, Response, TestSandbox, assert_fields, config, intent_path};

const VISA: &str = "4242424242424242";
const DECLINED: &str = "4000000000000002";
const THREE_D_SECURE: &str = "4000002760003184";
const USE_STRIPE_SDK: (&str, &str) = ("use_stripe_sdk", "true");

#[tokio::test(flavor = "multi_thread")]
async fn script_is_served_at_stripes_paths() {
    let sandbox = TestSandbox::start(config());
    let script = sandbox.api.get("/v3", &[]).await.text;
    assert!(script.contains("window.Stripe = Stripe"));
    for path in ["/v3/", "/basil/stripe.js"] {
        assert_eq!(sandbox.api.get(path, &[]).await.text, script, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn script_can_be_loaded_from_other_origins() {
    let sandbox = TestSandbox::start(config());

    let response = sandbox.api.with("origin", "https://shop.example").get("/v3/", &[]).await;

    for (name, value) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("access-control-allow-origin", "https://shop.example"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_script_version_is_not_found() {
    let sandbox = TestSandbox::start(config());

    assert_eq!(sandbox.api.get("/v4/", &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn frame_has_content_types_and_policy() {
    let sandbox = TestSandbox::start(config());

    let page = sandbox.api.get("/v3/payment-element.html", &[]).await;
    let style = sandbox.api.get("/v3/payment-element.css", &[]).await;

    assert!(page.header("content-security-policy").unwrap().contains("connect-src 'self'"));
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn frame_knows_the_test_cards() {
    let sandbox = TestSandbox::start(config());

    let script = sandbox.api.get("/v3/payment-element.js", &[]).await.text;

    assert!(script.contains(VISA) && script.contains(THREE_D_SECURE));
}

#[tokio::test(flavor = "multi_thread")]
async fn frame_has_no_external_resources() {
    let sandbox = TestSandbox::start(config());
    for extension in ["html", "js", "css"] {
        let text = sandbox.api.get(&format!("/v3/payment-element.{extension}"), &[]).await.text;

        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http://") && !text.contains("https://"), "{extension}");
    }
}

/// Sends the request of Stripe.js when a customer pays in the Payment Element.
async fn confirm(api: &Api, intent: &Value, number: &str, params: &[(&str, &str)]) -> Response {
    let mut all = vec![
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][number]", number),
        ("payment_method_data[card][exp_month]", "12"),
        ("payment_method_data[card][exp_year]", "2030"),
        ("payment_method_data[card][cvc]", "123"),
        ("payment_method_data[billing_details][address][country]", "IE"),
        ("expected_payment_method_type", "card"),
        ("client_secret", intent["client_secret"].as_str().unwrap()),
    ];
    all.extend_from_slice(params);
    api.publishable().post(&format!("{}/confirm", intent_path(intent)), &all).await
}

/// Creates an intent with automatic payment methods.
async fn create_intent(api: &Api) -> Value {
    let params = [("automatic_payment_methods[enabled]", "true"), ("metadata[secret]", "shop")];
    api.create_intent(&params).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmation_without_return_url_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let intent = create_intent(&sandbox.api).await;

    let error = confirm(&sandbox.api, &intent, VISA, &[]).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("`return_url`"), "{error}");
}

/// Confirms an intent that requires authentication in a dialog, and completes it. Returns the dialog's response.
async fn complete_in_dialog(sandbox: &TestSandbox, intent: &Value) -> reqwest::Response {
    let params = [USE_STRIPE_SDK, ("return_url", "https://shop.example/done")];
    let confirmed = confirm(&sandbox.api, intent, THREE_D_SECURE, &params).await.ok();
    assert_eq!(confirmed["next_action"]["type"], "use_stripe_sdk");
    let url = confirmed["next_action"]["use_stripe_sdk"]["stripe_js"].as_str().unwrap();
    let request = sandbox.api.http.post(format!("{url}?in_dialog=1"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body("outcome=complete").send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_in_dialog_sends_a_message_instead_of_a_redirect() {
    let sandbox = TestSandbox::start(config());
    let intent = create_intent(&sandbox.api).await;

    let response = complete_in_dialog(&sandbox, &intent).await;

    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("parent.postMessage"));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_confirmation_returns_the_paid_intent_without_metadata() {
    let sandbox = TestSandbox::start(config());
    let intent = create_intent(&sandbox.api).await;
    complete_in_dialog(&sandbox, &intent).await;

    let error = confirm(&sandbox.api, &intent, VISA, &[USE_STRIPE_SDK]).await.error(400);

    assert_eq!(error["payment_intent"]["status"], "succeeded");
    assert_eq!(error["payment_intent"].get("metadata"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmation_with_server_side_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let intent = create_intent(&sandbox.api).await;
    for name in [
        "amount",
        "capture_method",
        "off_session",
        "payment_method_types[]",
        "allowed_payment_method_types[]",
        "excluded_payment_method_types[]",
        "metadata[a]",
    ] {
        let error = confirm(&sandbox.api, &intent, VISA, &[(name, "1"), USE_STRIPE_SDK]).await.error(400);

        assert_eq!(error["code"], "parameter_unknown", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmation_can_set_receipt_email_and_shipping() {
    let sandbox = TestSandbox::start(config());
    let intent = create_intent(&sandbox.api).await;

    let params = [
        USE_STRIPE_SDK,
        ("receipt_email", "ada@example.com"),
        ("shipping[name]", "Ada"),
        ("shipping[address][line1]", "High Street 1"),
    ];
    let paid = confirm(&sandbox.api, &intent, VISA, &params).await.ok();

    assert_fields(
        &paid,
        &json!({
            "status": "succeeded",
            "receipt_email": "ada@example.com",
            "shipping": { "name": "Ada" },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_confirmation_returns_no_metadata() {
    let sandbox = TestSandbox::start(config());
    let intent = create_intent(&sandbox.api).await;

    let error = confirm(&sandbox.api, &intent, DECLINED, &[USE_STRIPE_SDK]).await.error(402);

    assert_eq!(error["payment_intent"].get("metadata"), None);
}
