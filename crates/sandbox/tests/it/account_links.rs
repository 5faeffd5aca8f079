use serde_json::{Value, json};

use crate::support::{Api, TestSandbox, assert_fields, config, id};

const REFRESH_URL: &str = "https://shop.example/again?seller=7";
const RETURN_URL: &str = "https://shop.example/back?seller=7";

/// Returns the parameters of an onboarding link.
fn link_params(account: &str) -> [(&str, &str); 4] {
    [
        ("refresh_url", REFRESH_URL),
        ("return_url", RETURN_URL),
        ("account", account),
        ("type", "account_onboarding"),
    ]
}

async fn create_link(api: &Api, account: &str) -> Value {
    api.post("/v1/account_links", &link_params(account)).await.ok()
}

/// Creates an account without details, and an onboarding link. Returns the account's ID and the URL.
async fn account_with_link(api: &Api, account_type: &str) -> (String, String) {
    let account = api.post("/v1/accounts", &[("type", account_type), ("country", "DE")]).await.ok();
    let link = create_link(api, id(&account)).await;
    (id(&account).to_owned(), link["url"].as_str().unwrap().to_owned())
}

/// Opens a link. Returns the status, the redirect's URL, and the page.
async fn open(api: &Api, url: &str) -> (u16, Option<String>, String) {
    let response = api.http.get(url).send().await.unwrap();
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), location, response.text().await.unwrap())
}

/// Opens a link. Returns the redirect's URL.
async fn open_redirect(api: &Api, url: &str) -> String {
    let (status, location, _) = open(api, url).await;
    assert_eq!(status, 303);
    location.unwrap()
}

/// Returns the URL that the page's form posts to.
fn form_action(api: &Api, page: &str) -> String {
    let (_, rest) = page.split_once("action=\"").unwrap();
    format!("{}{}", api.base, rest.split_once('"').unwrap().0)
}

/// Submits the page's form. Returns the redirect's URL.
async fn submit(api: &Api, page: &str, body: &str) -> String {
    let request =
        api.http.post(form_action(api, page)).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(body.to_owned()).send().await.unwrap();
    assert_eq!(response.status(), 303);
    response.headers()["location"].to_str().unwrap().to_owned()
}

/// Submits the onboarding of a new account with a button. Returns the account and its event types.
async fn onboard(api: &Api, button: &str) -> (Value, Vec<String>) {
    let (account_id, url) = account_with_link(api, "standard").await;
    let (_, _, page) = open(api, &url).await;
    let redirect = submit(api, &page, &format!("outcome={button}&business_name=%3Cb%3EAda")).await;
    assert_eq!(redirect, RETURN_URL);
    let account = api.get(&format!("/v1/accounts/{account_id}"), &[]).await.ok();
    (account, api.with("stripe-account", account_id).event_types().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn account_link_expires_after_five_minutes() {
    let sandbox = TestSandbox::start(config());
    let (account_id, _) = account_with_link(&sandbox.api, "express").await;

    let link = create_link(&sandbox.api, &account_id).await;

    assert_eq!(link["object"], "account_link");
    assert_eq!(link["expires_at"].as_i64().unwrap() - link["created"].as_i64().unwrap(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn onboarding_page_lists_requirements_without_external_resources() {
    let sandbox = TestSandbox::start(config());
    let (account_id, url) = account_with_link(&sandbox.api, "standard").await;

    let (status, _, page) = open(&sandbox.api, &url).await;

    assert_eq!(status, 200);
    assert!(page.contains("external_account") && page.contains(&account_id), "{page}");
    assert!(!page.contains("https://"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_onboarding_enables_charges_and_payouts() {
    let sandbox = TestSandbox::start(config());

    let (account, events) = onboard(&sandbox.api, "complete").await;

    assert_fields(
        &account,
        &json!({
            "details_submitted": true,
            "charges_enabled": true,
            "payouts_enabled": true,
            "requirements": { "disabled_reason": null, "currently_due": [] },
            "capabilities": { "card_payments": "active" },
            "settings": { "dashboard": { "display_name": "<b>Ada" } },
        }),
    );
    assert!(events.contains(&"account.updated".to_owned()), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_onboarding_waits_for_verification() {
    let sandbox = TestSandbox::start(config());

    let (account, events) = onboard(&sandbox.api, "pending").await;

    assert_fields(
        &account,
        &json!({
            "details_submitted": true,
            "charges_enabled": false,
            "payouts_enabled": false,
            "requirements": { "disabled_reason": "requirements.pending_verification" },
            "capabilities": { "card_payments": "pending" },
        }),
    );
    assert!(events.contains(&"account.updated".to_owned()), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_onboarding_keeps_account_restricted() {
    let sandbox = TestSandbox::start(config());

    let (account, events) = onboard(&sandbox.api, "incomplete").await;

    assert_fields(
        &account,
        &json!({
            "details_submitted": true,
            "charges_enabled": false,
            "payouts_enabled": false,
            "requirements": { "disabled_reason": "requirements.past_due" },
            "capabilities": { "card_payments": "inactive" },
        }),
    );
    assert!(events.contains(&"account.updated".to_owned()), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_onboarding_changes_nothing() {
    let sandbox = TestSandbox::start(config());

    let (account, events) = onboard(&sandbox.api, "leave").await;

    assert_fields(
        &account,
        &json!({
            "details_submitted": false,
            "charges_enabled": false,
            "payouts_enabled": false,
            "requirements": { "disabled_reason": "requirements.past_due" },
            "capabilities": { "card_payments": "inactive" },
        }),
    );
    assert!(!events.contains(&"account.updated".to_owned()), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn visited_link_redirects_to_refresh_url() {
    let sandbox = TestSandbox::start(config());
    let (_, url) = account_with_link(&sandbox.api, "express").await;
    open(&sandbox.api, &url).await;

    let redirect = open_redirect(&sandbox.api, &url).await;

    assert_eq!(redirect, REFRESH_URL);
}

#[tokio::test(flavor = "multi_thread")]
async fn onboarding_form_can_be_submitted_once() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let (account_id, url) = account_with_link(api, "express").await;
    let (_, _, page) = open(api, &url).await;
    // A second visit doesn't invalidate the open form.
    open_redirect(api, &url).await;
    assert_eq!(submit(api, &page, "outcome=leave").await, RETURN_URL);

    let redirect = submit(api, &page, "outcome=complete").await;

    assert_eq!(redirect, REFRESH_URL);
    let account = api.get(&format!("/v1/accounts/{account_id}"), &[]).await.ok();
    assert_eq!(account["details_submitted"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_link_redirects_to_refresh_url() {
    let sandbox = TestSandbox::start(config());
    let (_, url) = account_with_link(&sandbox.api, "express").await;
    sandbox.api.advance(300).await;

    let redirect = open_redirect(&sandbox.api, &url).await;

    assert_eq!(redirect, REFRESH_URL);
}

#[tokio::test(flavor = "multi_thread")]
async fn link_with_another_account_is_not_found() {
    let sandbox = TestSandbox::start(config());
    let (account_id, url) = account_with_link(&sandbox.api, "express").await;

    let (status, ..) = open(&sandbox.api, &url.replace(&account_id, "acct_1")).await;

    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn link_of_disconnected_account_redirects_to_refresh_url() {
    let sandbox = TestSandbox::start(config());
    let (account_id, url) = account_with_link(&sandbox.api, "express").await;
    sandbox.api.post(&format!("/_sandbox/accounts/{account_id}/disconnect"), &[]).await.ok();

    let redirect = open_redirect(&sandbox.api, &url).await;

    assert_eq!(redirect, REFRESH_URL);
}

#[tokio::test(flavor = "multi_thread")]
async fn link_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    api.create_account(&[("id", "acct_1")]).await;
    for (name, value) in [
        ("account", "acct_none"),
        ("account", ""),
        ("type", "onboarding"),
        ("refresh_url", "shop"),
        ("return_url", "javascript:alert(1)"),
        ("type", "account_update"),
        ("collection_options[fields]", "all"),
        ("color", "red"),
    ] {
        let mut params = link_params("acct_1").to_vec();
        params.retain(|(other, _)| *other != name);
        params.push((name, value));

        let error = api.post("/v1/account_links", &params).await.error(400);

        assert_eq!(error["param"], name, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn link_without_required_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    api.create_account(&[("id", "acct_1")]).await;
    for missing in ["account", "type", "refresh_url", "return_url"] {
        let mut params = link_params("acct_1").to_vec();
        params.retain(|(name, _)| *name != missing);

        let error = api.post("/v1/account_links", &params).await.error(400);

        assert_fields(&error, &json!({ "code": "parameter_missing", "param": missing }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn update_link_is_allowed_for_custom_account() {
    let sandbox = TestSandbox::start(config());
    let account = sandbox.api.create_account(&[("type", "custom")]).await;
    let mut params = link_params(id(&account)).to_vec();
    params.retain(|(name, _)| *name != "type");
    params.extend([("type", "account_update"), ("collection_options[fields]", "eventually_due")]);

    sandbox.api.post("/v1/account_links", &params).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn link_for_oauth_account_is_forbidden() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_2"), ("connected_by", "oauth")]).await;

    sandbox.api.post("/v1/account_links", &link_params("acct_2")).await.error(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn link_created_by_connected_account_is_rejected() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_1")]).await;
    let seller = sandbox.api.with("stripe-account", "acct_1");

    seller.post("/v1/account_links", &link_params("acct_1")).await.error(400);
}
