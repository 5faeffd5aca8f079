//! The stand-in for Stripe.js as it is served, and the requests it makes. What it does in a page is tested in a
//! browser, in `tests/browser`.

use serde_json::Value;

use crate::support::{Api, TestSandbox, config};

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_at_stripes_addresses() {
    let sandbox = TestSandbox::start(config());
    let mut scripts = Vec::new();
    for path in ["/v3", "/v3/", "/basil/stripe.js"] {
        let answer = sandbox.api.with("origin", "https://shop.example").get(path, &[]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        scripts.push(answer.text);
    }
    assert!(
        scripts[0].contains("window.Stripe = Stripe") && scripts.iter().all(|script| *script == scripts[0])
    );
    assert_eq!(sandbox.api.get("/v4/", &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frame_needs_nothing_from_elsewhere_and_knows_the_test_numbers() {
    let sandbox = TestSandbox::start(config());
    let page = sandbox.api.get("/v3/payment-element.html", &[]).await;
    assert!(page.header("content-security-policy").unwrap().contains("connect-src 'self'"));
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let script = sandbox.api.get("/v3/payment-element.js", &[]).await.text;
    let style = sandbox.api.get("/v3/payment-element.css", &[]).await;
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert!(script.contains("4242424242424242") && script.contains("4000002760003184"));
    for text in [page.text, script, style.text] {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http://") && !text.contains("https://"), "no outside resources");
    }
}

/// What Stripe.js sends when a customer pays in the Payment Element.
fn card(number: &str) -> Vec<(&'static str, String)> {
    [
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][number]", number),
        ("payment_method_data[card][exp_month]", "12"),
        ("payment_method_data[card][exp_year]", "2030"),
        ("payment_method_data[card][cvc]", "123"),
        ("payment_method_data[billing_details][address][country]", "IE"),
        ("expected_payment_method_type", "card"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

async fn confirm(api: &Api, intent: &Value, number: &str, more: &[(&str, &str)]) -> crate::support::Response {
    let card = card(number);
    let mut params: Vec<(&str, &str)> = card.iter().map(|(name, value)| (*name, value.as_str())).collect();
    params.push(("client_secret", intent["client_secret"].as_str().unwrap()));
    params.extend_from_slice(more);
    api.publishable()
        .post(&format!("/v1/payment_intents/{}/confirm", intent["id"].as_str().unwrap()), &params)
        .await
}

async fn automatic(api: &Api) -> Value {
    let params = [("automatic_payment_methods[enabled]", "true"), ("metadata[secret]", "shop")];
    api.create_intent(&params).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_stays_needs_no_return_url_and_gets_the_action_to_show() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let intent = automatic(api).await;
    let error = confirm(api, &intent, "4242424242424242", &[]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("`return_url`"));
    let stays = [("use_stripe_sdk", "true"), ("return_url", "https://shop.example/done")];
    let secured = confirm(api, &intent, "4000002760003184", &stays).await.ok();
    assert_eq!(secured["next_action"]["type"], "use_stripe_sdk");
    let url = secured["next_action"]["use_stripe_sdk"]["stripe_js"].as_str().unwrap();
    let answer = api
        .http
        .post(format!("{url}?in_dialog=1"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("outcome=complete")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "the dialog is told, and does not go to the return URL");
    assert!(answer.text().await.unwrap().contains("parent.postMessage"));
    let again = confirm(api, &intent, "4242424242424242", &stays[..1]).await.error(400);
    assert_eq!(again["payment_intent"]["status"], "succeeded");
    assert_eq!(again["payment_intent"].get("metadata"), None, "a publishable key sees the public fields");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_say_where_goods_and_receipt_go_and_nothing_else() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let intent = automatic(api).await;
    for name in [
        "amount",
        "capture_method",
        "off_session",
        "payment_method_types[]",
        "allowed_payment_method_types[]",
        "excluded_payment_method_types[]",
        "metadata[a]",
    ] {
        let error =
            confirm(api, &intent, "4242424242424242", &[(name, "1"), ("use_stripe_sdk", "true")]).await;
        assert_eq!(error.error(400)["code"], "parameter_unknown", "{name}");
    }
    let details = [
        ("use_stripe_sdk", "true"),
        ("receipt_email", "ada@example.com"),
        ("shipping[name]", "Ada"),
        ("shipping[address][line1]", "High Street 1"),
    ];
    let declined = confirm(api, &intent, "4000000000000002", &details[..1]).await.error(402);
    assert_eq!(declined["payment_intent"].get("metadata"), None);
    let paid = confirm(api, &intent, "4242424242424242", &details).await.ok();
    assert_eq!((&paid["status"], &paid["receipt_email"]), (&"succeeded".into(), &"ada@example.com".into()));
    assert_eq!(paid["shipping"]["name"], "Ada");
}
