use serde_json::{Value, json};

use crate::support::{Api, TestSandbox, assert_fields, config, id};

const PATH: &str = "/v1/accounts/acct_1/capabilities";

/// Requests a capability of `acct_1`, or stops requesting it.
async fn request(api: &Api, capability: &str, requested: &str) -> Value {
    api.post(&format!("{PATH}/{capability}"), &[("requested", requested)]).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn capability_list_contains_requested_capabilities() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_seller("acct_1").await;

    let list = sandbox.api.get(PATH, &[]).await.ok();

    let names: Vec<&str> = list["data"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(names, ["card_payments", "transfers"]);
    assert_fields(
        &list["data"][0],
        &json!({ "status": "active", "requested": true, "requirements": { "disabled_reason": null } }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connected_account_can_list_its_capabilities() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_1").await;

    let list = seller.get(PATH, &[]).await.ok();

    assert_eq!(list["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn capability_that_was_never_requested_is_unrequested() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_seller("acct_1").await;

    let capability = sandbox.api.get(&format!("{PATH}/sepa_debit_payments"), &[]).await.ok();

    assert_fields(&capability, &json!({ "status": "unrequested", "requested": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_capability_of_enabled_account_is_active() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_seller("acct_1").await;

    let capability = request(&sandbox.api, "sepa_debit_payments", "true").await;

    assert_fields(&capability, &json!({ "status": "active", "account": "acct_1" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn account_update_can_stop_requesting_a_capability() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_seller("acct_1").await;
    request(&sandbox.api, "sepa_debit_payments", "true").await;

    let params = [("capabilities[sepa_debit_payments][requested]", "false")];
    let account = sandbox.api.post("/v1/accounts/acct_1", &params).await.ok();

    assert_eq!(account["capabilities"], json!({ "card_payments": "active", "transfers": "active" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn account_without_payment_capability_cannot_charge() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_seller("acct_1").await;

    request(&sandbox.api, "card_payments", "false").await;

    let account = sandbox.api.get("/v1/accounts/acct_1", &[]).await.ok();
    assert_eq!(account["charges_enabled"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_capability_change_sends_an_event() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_1").await;

    request(&sandbox.api, "sepa_debit_payments", "true").await;
    request(&sandbox.api, "sepa_debit_payments", "false").await;
    request(&sandbox.api, "card_payments", "false").await;

    let types = seller.event_types().await;
    assert_eq!(types.iter().filter(|kind| *kind == "capability.updated").count(), 3, "{types:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_account_has_no_capabilities_by_default() {
    let sandbox = TestSandbox::start(config());

    let account = sandbox.api.post("/v1/accounts", &[("type", "custom"), ("country", "DE")]).await.ok();

    assert_eq!(account["capabilities"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_capability_without_details_is_inactive() {
    let sandbox = TestSandbox::start(config());
    let account = sandbox.api.post("/v1/accounts", &[("type", "custom"), ("country", "DE")]).await.ok();

    let path = format!("/v1/accounts/{}/capabilities/transfers", id(&account));
    let capability = sandbox.api.post(&path, &[("requested", "true")]).await.ok();

    assert_fields(
        &capability,
        &json!({ "status": "inactive", "requirements": { "disabled_reason": "requirements.fields_needed" } }),
    );
    assert!(!capability["requirements"]["currently_due"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_capability_is_not_found() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_seller("acct_1").await;

    let error = sandbox.api.get(&format!("{PATH}/fly"), &[]).await.error(404);

    assert_eq!(error["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn capability_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_seller("acct_1").await;

    sandbox.api.post(&format!("{PATH}/transfers"), &[("requested", "maybe")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_of_unknown_account_are_forbidden() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.get("/v1/accounts/acct_x/capabilities", &[]).await.error(403);

    assert_eq!(error["code"], "account_invalid");
}
