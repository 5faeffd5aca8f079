use serde_json::{Value, json};

use crate::support::{TestSandbox, assert_fields, config, id, intent_path};

/// The response to a decision on the bank's page.
struct Decision {
    status: u16,
    redirect: Option<String>,
    page: String,
}

/// Opens the bank's page and submits a decision.
async fn decide(sandbox: &TestSandbox, url: &str, outcome: &str) -> Decision {
    let page = sandbox.api.http.get(url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    post_outcome(sandbox, url, outcome).await
}

async fn post_outcome(sandbox: &TestSandbox, url: &str, outcome: &str) -> Decision {
    let request = sandbox.api.http.post(url).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(format!("outcome={outcome}")).send().await.unwrap();
    let redirect = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    Decision { status: response.status().as_u16(), redirect, page: response.text().await.unwrap() }
}

async fn page_status(sandbox: &TestSandbox, url: &str) -> u16 {
    sandbox.api.http.get(url).send().await.unwrap().status().as_u16()
}

/// Creates a payment that requires authentication. Returns the intent and the URL of the bank's page.
async fn require_authentication(
    sandbox: &TestSandbox,
    method: &str,
    params: &[(&str, &str)],
) -> (Value, String) {
    let mut all = vec![("return_url", "https://shop.example/done?order=7#top")];
    all.extend_from_slice(params);
    let intent = sandbox.api.pay(method, &all).await.ok();
    assert_fields(
        &intent,
        &json!({ "status": "requires_action", "next_action": { "type": "redirect_to_url" } }),
    );
    let url = intent["next_action"]["redirect_to_url"]["url"].as_str().unwrap().to_owned();
    (intent, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_page_has_both_buttons_and_no_external_resources() {
    let sandbox = TestSandbox::start(config());
    let (_, url) = require_authentication(&sandbox, "pm_card_authenticationRequired", &[]).await;

    let page = sandbox.api.http.get(url).send().await.unwrap().text().await.unwrap();

    assert!(page.contains("Complete authentication") && page.contains("Fail authentication"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_authentication_pays_and_redirects() {
    let sandbox = TestSandbox::start(config());
    for method in [
        "pm_card_authenticationRequired",
        "pm_card_threeDSecure2Required",
        "pm_card_authenticationRequiredOnSetup",
    ] {
        let (intent, url) = require_authentication(&sandbox, method, &[]).await;

        let decision = decide(&sandbox, &url, "complete").await;

        let expected = format!(
            "https://shop.example/done?order=7&payment_intent={}&payment_intent_client_secret={}&\
             redirect_status=succeeded#top",
            id(&intent),
            intent["client_secret"].as_str().unwrap()
        );
        assert_eq!((decision.status, decision.redirect), (303, Some(expected)));
        let card = json!({ "three_d_secure": { "result": "authenticated" } });
        assert_fields(
            &sandbox.api.read_intent(&intent).await,
            &json!({
                "status": "succeeded",
                "next_action": null,
                "latest_charge": { "payment_method_details": { "card": card } },
            }),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_page_can_be_used_once() {
    let sandbox = TestSandbox::start(config());
    let (_, url) = require_authentication(&sandbox, "pm_card_authenticationRequired", &[]).await;

    decide(&sandbox, &url, "complete").await;

    assert_eq!(page_status(&sandbox, &url).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_authentication_requires_another_payment_method() {
    let sandbox = TestSandbox::start(config());
    let (intent, url) = require_authentication(&sandbox, "pm_card_authenticationRequired", &[]).await;

    let decision = decide(&sandbox, &url, "fail").await;

    assert!(decision.redirect.unwrap().contains("redirect_status=failed"));
    assert_fields(
        &sandbox.api.read_intent(&intent).await,
        &json!({
            "status": "requires_payment_method",
            "last_payment_error": { "code": "payment_intent_authentication_failure" },
            "latest_charge": null,
        }),
    );
    assert_eq!(
        sandbox.api.event_types().await,
        ["payment_intent.created", "payment_intent.requires_action", "payment_intent.payment_failed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn card_can_be_declined_after_authentication() {
    let sandbox = TestSandbox::start(config());
    for (method, code) in [
        ("pm_card_threeDSecureRequiredChargeDeclined", "generic_decline"),
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "insufficient_funds"),
    ] {
        let (intent, url) = require_authentication(&sandbox, method, &[]).await;

        let decision = decide(&sandbox, &url, "complete").await;

        assert!(decision.redirect.unwrap().contains("redirect_status=failed"));
        assert_fields(
            &sandbox.api.read_intent(&intent).await,
            &json!({ "status": "requires_payment_method", "last_payment_error": { "decline_code": code } }),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_with_processing_error_declines_immediately() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.pay("pm_card_threeDSecureRequiredProcessingError", &[]).await.error(402);

    assert_eq!(error["code"], "card_declined");
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_page_without_return_url_shows_the_result() {
    let sandbox = TestSandbox::start(config());
    let params = [("capture_method", "manual")];
    let intent = sandbox.api.pay("pm_card_authenticationRequired", &params).await.ok();
    assert_eq!(intent["next_action"]["type"], "use_stripe_sdk");

    let url = intent["next_action"]["use_stripe_sdk"]["stripe_js"].as_str().unwrap();
    let decision = decide(&sandbox, url, "complete").await;

    assert_eq!((decision.status, decision.redirect), (200, None));
    assert!(decision.page.contains("authenticated"), "{}", decision.page);
    assert_eq!(sandbox.api.read_intent(&intent).await["status"], "requires_capture");
}

#[tokio::test(flavor = "multi_thread")]
async fn optional_authentication_is_skipped_by_default() {
    let sandbox = TestSandbox::start(config());

    let intent = sandbox.api.pay("pm_card_threeDSecureOptional", &[]).await.ok();

    assert_eq!(intent["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn optional_authentication_can_be_requested() {
    let sandbox = TestSandbox::start(config());

    let params = [("payment_method_options[card][request_three_d_secure]", "any")];
    let intent = sandbox.api.pay("pm_card_threeDSecureOptional", &params).await.ok();

    assert_eq!(intent["status"], "requires_action");
}

#[tokio::test(flavor = "multi_thread")]
async fn required_authentication_that_is_impossible_is_declined() {
    let sandbox = TestSandbox::start(config());
    for param in [("error_on_requires_action", "true"), ("off_session", "true")] {
        let error = sandbox.api.pay("pm_card_authenticationRequired", &[param]).await.error(402);

        assert_fields(
            &error,
            &json!({
                "code": "authentication_required",
                "payment_intent": { "status": "requires_payment_method" },
            }),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn card_set_up_for_off_session_use_needs_no_authentication() {
    let sandbox = TestSandbox::start(config());

    let params = [("off_session", "true")];
    let intent = sandbox.api.pay("pm_card_authenticationRequiredSetupForOffSession", &params).await.ok();

    assert_eq!(intent["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn card_authenticated_on_setup_can_be_charged_off_session() {
    let sandbox = TestSandbox::start(config());
    let customer = sandbox.api.post("/v1/customers", &[]).await.ok();
    let customer = ("customer", id(&customer));
    let params = [customer, ("setup_future_usage", "off_session")];
    let method = "pm_card_authenticationRequiredOnSetup";
    let (intent, url) = require_authentication(&sandbox, method, &params).await;
    decide(&sandbox, &url, "complete").await;
    let card = sandbox.api.read_intent(&intent).await["payment_method"].clone();

    let params = [customer, ("off_session", "true")];
    let second = sandbox.api.pay(card.as_str().unwrap(), &params).await.ok();

    assert_eq!(second["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessed_authentication_page_is_not_found() {
    let sandbox = TestSandbox::start(config());
    let (_, url) = require_authentication(&sandbox, "pm_card_authenticationRequired", &[]).await;

    let guessed = format!("{}x", &url[..url.len() - 1]);

    assert_eq!(page_status(&sandbox, &guessed).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_page_of_canceled_intent_is_not_found() {
    let sandbox = TestSandbox::start(config());
    let (intent, url) = require_authentication(&sandbox, "pm_card_authenticationRequired", &[]).await;
    sandbox.api.post(&format!("{}/cancel", intent_path(&intent)), &[]).await.ok();

    let decision = post_outcome(&sandbox, &url, "complete").await;

    assert_eq!(decision.status, 404);
    assert_eq!(sandbox.api.read_intent(&intent).await["status"], "canceled");
}
