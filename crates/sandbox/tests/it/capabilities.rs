use serde_json::{Value, json};

use crate::support::{Running, config};

#[tokio::test(flavor = "multi_thread")]
async fn a_capability_is_asked_for_and_given_up() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let path = "/v1/accounts/acct_1/capabilities";
    let listed = api.get(path, &[]).await.ok();
    let names: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(names, ["card_payments", "transfers"]);
    let cards = &listed["data"][0];
    assert_eq!((&cards["status"], &cards["requested"]), (&"active".into(), &true.into()));
    assert_eq!(cards["requirements"]["disabled_reason"], Value::Null);
    let unknown_yet = api.get(&format!("{path}/sepa_debit_payments"), &[]).await.ok();
    assert_eq!((&unknown_yet["status"], &unknown_yet["requested"]), (&"unrequested".into(), &false.into()));
    let sepa = api.post(&format!("{path}/sepa_debit_payments"), &[("requested", "true")]).await.ok();
    assert_eq!((&sepa["status"], &sepa["account"]), (&"active".into(), &"acct_1".into()));
    let account =
        api.post("/v1/accounts/acct_1", &[("capabilities[sepa_debit_payments][requested]", "false")]);
    assert_eq!(
        account.await.ok()["capabilities"],
        json!({ "card_payments": "active", "transfers": "active" })
    );
    api.post(&format!("{path}/card_payments"), &[("requested", "false")]).await.ok();
    let account = api.get("/v1/accounts/acct_1", &[]).await.ok();
    assert_eq!(account["charges_enabled"], false, "without a way to be paid nothing is charged");
    let told = seller.event_types().await;
    assert_eq!(told.iter().filter(|type_| *type_ == "capability.updated").count(), 3, "{told:?}");
    assert_eq!(seller.get(path, &[]).await.ok()["data"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capability_waits_for_the_details() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let made = api.post("/v1/accounts", &[("type", "custom"), ("country", "DE")]).await.ok();
    assert_eq!(made["capabilities"], json!({}), "of a custom account the platform has to say it");
    let path = format!("/v1/accounts/{}/capabilities/transfers", made["id"].as_str().unwrap());
    let asked = api.post(&path, &[("requested", "true")]).await.ok();
    assert_eq!(asked["status"], "inactive");
    assert_eq!(asked["requirements"]["disabled_reason"], "requirements.fields_needed");
    assert!(!asked["requirements"]["currently_due"].as_array().unwrap().is_empty());
    let missing = path.replace("transfers", "fly");
    assert_eq!(api.get(&missing, &[]).await.error(404)["code"], "resource_missing");
    api.post(&path, &[("requested", "maybe")]).await.error(400);
    assert_eq!(api.get("/v1/accounts/acct_x/capabilities", &[]).await.error(403)["code"], "account_invalid");
}
