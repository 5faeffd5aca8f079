use serde_json::Value;

use crate::support::{TestSandbox, config};

fn path_of(intent: &Value) -> String {
    format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap())
}

/// Opens the page and presses a button; returns status, where it redirects to, and the page.
async fn press(sandbox: &TestSandbox, url: &str, outcome: &str) -> (u16, Option<String>, String) {
    let shown = sandbox.api.http.get(url).send().await.unwrap();
    assert_eq!(shown.status(), 200);
    let html = shown.text().await.unwrap();
    assert!(html.contains("Complete authentication") && html.contains("Fail authentication"));
    assert!(!html.contains("http://") && !html.contains("https://"), "no outside resources");
    let answer = sandbox
        .api
        .http
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("outcome={outcome}"))
        .send()
        .await
        .unwrap();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location, answer.text().await.unwrap())
}

async fn challenged(sandbox: &TestSandbox, method: &str, params: &[(&str, &str)]) -> (Value, String) {
    let mut all = vec![("return_url", "https://shop.example/done?order=7#top")];
    all.extend_from_slice(params);
    let intent = sandbox.api.pay(method, &all).await.ok();
    assert_eq!(intent["status"], "requires_action");
    let action = &intent["next_action"];
    assert_eq!(action["type"], "redirect_to_url");
    let url = action["redirect_to_url"]["url"].as_str().unwrap().to_owned();
    (intent, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passed_authentication_pays_and_returns_to_the_shop() {
    let sandbox = TestSandbox::start(config());
    for method in [
        "pm_card_authenticationRequired",
        "pm_card_threeDSecure2Required",
        "pm_card_authenticationRequiredOnSetup",
    ] {
        let (intent, url) = challenged(&sandbox, method, &[]).await;
        let (status, location, _) = press(&sandbox, &url, "complete").await;
        assert_eq!(status, 303);
        let expected = format!(
            "https://shop.example/done?order=7&payment_intent={}&payment_intent_client_secret={}&redirect_status=succeeded#top",
            intent["id"].as_str().unwrap(),
            intent["client_secret"].as_str().unwrap()
        );
        assert_eq!(location.unwrap(), expected);
        let paid = sandbox.api.get(&path_of(&intent), &[("expand[]", "latest_charge")]).await.ok();
        assert_eq!((&paid["status"], &paid["next_action"]), (&"succeeded".into(), &Value::Null));
        let details = &paid["latest_charge"]["payment_method_details"]["card"];
        assert_eq!(details["three_d_secure"]["result"], "authenticated");
        assert_eq!(sandbox.api.http.get(&url).send().await.unwrap().status(), 404, "the page is used up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_authentication_reopens_the_payment() {
    let sandbox = TestSandbox::start(config());
    let (intent, url) = challenged(&sandbox, "pm_card_authenticationRequired", &[]).await;
    let (_, location, _) = press(&sandbox, &url, "fail").await;
    assert!(location.unwrap().contains("redirect_status=failed"));
    let failed = sandbox.api.get(&path_of(&intent), &[]).await.ok();
    assert_eq!(failed["status"], "requires_payment_method");
    assert_eq!(failed["last_payment_error"]["code"], "payment_intent_authentication_failure");
    assert_eq!(failed["latest_charge"], Value::Null);
    assert_eq!(
        sandbox.api.event_types().await,
        ["payment_intent.created", "payment_intent.requires_action", "payment_intent.payment_failed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_may_be_declined_after_authentication() {
    let sandbox = TestSandbox::start(config());
    for (method, code) in [
        ("pm_card_threeDSecureRequiredChargeDeclined", "generic_decline"),
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "insufficient_funds"),
    ] {
        let (intent, url) = challenged(&sandbox, method, &[]).await;
        let (_, location, _) = press(&sandbox, &url, "complete").await;
        assert!(location.unwrap().contains("redirect_status=failed"));
        let failed = sandbox.api.get(&path_of(&intent), &[]).await.ok();
        assert_eq!(failed["last_payment_error"]["decline_code"], code);
        assert_eq!(failed["status"], "requires_payment_method");
    }
    let error = sandbox.api.pay("pm_card_threeDSecureRequiredProcessingError", &[]).await.error(402);
    assert_eq!(error["code"], "card_declined");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_return_url_the_page_itself_tells() {
    let sandbox = TestSandbox::start(config());
    let intent =
        sandbox.api.pay("pm_card_authenticationRequired", &[("capture_method", "manual")]).await.ok();
    assert_eq!(intent["next_action"]["type"], "use_stripe_sdk");
    let url = intent["next_action"]["use_stripe_sdk"]["stripe_js"].as_str().unwrap();
    let (status, location, html) = press(&sandbox, url, "complete").await;
    assert_eq!((status, location), (200, None));
    assert!(html.contains("authenticated"));
    assert_eq!(sandbox.api.get(&path_of(&intent), &[]).await.ok()["status"], "requires_capture");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_authentication_is_asked_for() {
    let sandbox = TestSandbox::start(config());
    let optional = "pm_card_threeDSecureOptional";
    assert_eq!(sandbox.api.pay(optional, &[]).await.ok()["status"], "succeeded");
    let asked = [("payment_method_options[card][request_three_d_secure]", "any")];
    assert_eq!(sandbox.api.pay(optional, &asked).await.ok()["status"], "requires_action");
    for params in [[("error_on_requires_action", "true")], [("off_session", "true")]] {
        let error = sandbox.api.pay("pm_card_authenticationRequired", &params).await.error(402);
        assert_eq!(error["code"], "authentication_required");
        assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
    }
    let off_session = [("off_session", "true")];
    let saved = sandbox.api.pay("pm_card_authenticationRequiredSetupForOffSession", &off_session).await.ok();
    assert_eq!(saved["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_set_up_by_an_authenticated_payment_is_charged_off_session() {
    let sandbox = TestSandbox::start(config());
    let customer = sandbox.api.post("/v1/customers", &[]).await.ok();
    let customer = [("customer", customer["id"].as_str().unwrap())];
    let mut params = customer.to_vec();
    params.push(("setup_future_usage", "off_session"));
    let (intent, url) = challenged(&sandbox, "pm_card_authenticationRequiredOnSetup", &params).await;
    press(&sandbox, &url, "complete").await;
    let paid = sandbox.api.get(&path_of(&intent), &[]).await.ok();
    let mut later = customer.to_vec();
    later.push(("off_session", "true"));
    let again = sandbox.api.pay(paid["payment_method"].as_str().unwrap(), &later).await.ok();
    assert_eq!(again["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guessed_or_canceled_page_does_nothing() {
    let sandbox = TestSandbox::start(config());
    let (intent, url) = challenged(&sandbox, "pm_card_authenticationRequired", &[]).await;
    let guessed = format!("{}x", &url[..url.len() - 1]);
    assert_eq!(sandbox.api.http.get(guessed).send().await.unwrap().status(), 404);
    sandbox.api.post(&format!("{}/cancel", path_of(&intent)), &[]).await.ok();
    let answer = sandbox
        .api
        .http
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("outcome=complete");
    assert_eq!(answer.send().await.unwrap().status(), 404);
    assert_eq!(sandbox.api.get(&path_of(&intent), &[]).await.ok()["status"], "canceled");
}
