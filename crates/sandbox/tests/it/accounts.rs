use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use quittance_sandbox::Config;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Receiver, TestSandbox, assert_fields, config, id};

fn path_of(account: &Value) -> String {
    format!("/v1/accounts/{}", id(account))
}

/// Creates an Express account with some of its details.
async fn create_express_account(api: &Api) -> Value {
    let params = [
        ("type", "express"),
        ("country", "de"),
        ("email", "ada@example.com"),
        ("business_profile[name]", "Ada's Shop"),
        ("business_profile[url]", "https://ada.example"),
        ("metadata[seller]", "7"),
    ];
    api.post("/v1/accounts", &params).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn created_express_account_is_restricted_until_onboarding() {
    let sandbox = TestSandbox::start(config());

    let account = create_express_account(&sandbox.api).await;

    assert!(id(&account).starts_with("acct_1"));
    assert_fields(
        &account,
        &json!({
            "country": "DE",
            "default_currency": "eur",
            "charges_enabled": false,
            "payouts_enabled": false,
            "details_submitted": false,
            "capabilities": { "card_payments": "inactive", "transfers": "inactive" },
            "requirements": { "disabled_reason": "requirements.past_due" },
            "controller": { "stripe_dashboard": { "type": "express" } },
        }),
    );
    assert_eq!(sandbox.api.get(&path_of(&account), &[]).await.ok(), account);
}

#[tokio::test(flavor = "multi_thread")]
async fn created_account_requires_only_missing_details() {
    let sandbox = TestSandbox::start(config());

    let account = create_express_account(&sandbox.api).await;

    let due = account["requirements"]["currently_due"].as_array().unwrap();
    assert!(due.contains(&"external_account".into()), "{due:?}");
    assert!(!due.contains(&"business_profile.url".into()), "{due:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_without_parameters_is_standard_account_in_us() {
    let sandbox = TestSandbox::start(config());

    let account = sandbox.api.post("/v1/accounts", &[]).await.ok();

    assert_fields(&account, &json!({ "type": "standard", "country": "US" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn updated_detail_is_no_longer_required() {
    let sandbox = TestSandbox::start(config());
    let account = create_express_account(&sandbox.api).await;

    let updated = sandbox.api.post(&path_of(&account), &[("business_profile[mcc]", "5734")]).await.ok();

    assert_eq!(updated["business_profile"]["mcc"], "5734");
    assert!(!updated["requirements"]["past_due"].to_string().contains("business_profile.mcc"));
}

#[tokio::test(flavor = "multi_thread")]
async fn account_list_is_sorted_newest_first() {
    let sandbox = TestSandbox::start(config());
    let first = create_express_account(&sandbox.api).await;
    let second = sandbox.api.post("/v1/accounts", &[]).await.ok();

    let list = sandbox.api.get("/v1/accounts", &[]).await.ok();

    assert_eq!(list["data"], json!([second, first]));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_account_is_inaccessible() {
    let sandbox = TestSandbox::start(config());
    let account = create_express_account(&sandbox.api).await;

    let deleted = sandbox.api.delete(&path_of(&account)).await.ok();

    assert_eq!(deleted, json!({ "id": account["id"], "object": "account", "deleted": true }));
    assert_eq!(sandbox.api.get(&path_of(&account), &[]).await.error(403)["code"], "account_invalid");
    assert_eq!(sandbox.api.get("/v1/accounts", &[]).await.ok()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn connected_account_can_read_itself() {
    let sandbox = TestSandbox::start(config());
    let account = sandbox.api.create_account(&[("id", "acct_1")]).await;
    let seller = sandbox.api.with("stripe-account", "acct_1");

    assert_eq!(seller.get("/v1/account", &[]).await.ok(), account);
    assert_eq!(seller.get("/v1/accounts/acct_1", &[]).await.ok(), account);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_for_unconnected_account_is_forbidden() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let unconnected = api.create_account(&[("id", "acct_2"), ("connected_by", "nobody")]).await;
    assert_eq!(unconnected["controller"], json!({ "type": "account" }));
    for account_id in ["acct_2", "acct_unknown", "nonsense"] {
        for client in [api.clone(), api.publishable()] {
            let error = client.with("stripe-account", account_id).get("/v1/events", &[]).await.error(403);

            assert_fields(&error, &json!({ "code": "account_invalid", "type": "invalid_request_error" }));
            let message = error["message"].as_str().unwrap();
            assert!(
                message.contains(&format!("does not have access to account '{account_id}'")),
                "{message}"
            );
            assert!(!message.contains("_test_sandbox"), "the message must not contain the key: {message}");
        }
        let error = api.get(&format!("/v1/accounts/{account_id}"), &[]).await.error(403);
        assert_eq!(error["code"], "account_invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connected_account_cannot_access_other_accounts() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_1").await;
    sandbox.api.create_account(&[("id", "acct_3")]).await;

    assert_eq!(seller.get("/v1/accounts/acct_3", &[]).await.error(403)["code"], "account_invalid");
    assert_eq!(seller.get("/v1/accounts", &[]).await.ok()["data"], json!([]));
    assert_eq!(seller.post("/v1/accounts", &[]).await.error(403)["code"], "platform_account_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_can_name_itself_as_account() {
    let sandbox = TestSandbox::start(config());
    let platform = sandbox.api.get("/v1/account", &[]).await.ok();
    assert_fields(&platform, &json!({ "charges_enabled": true, "object": "account" }));

    let intent = sandbox.api.with("stripe-account", id(&platform)).create_intent(&[]).await.ok();

    sandbox.api.get(&format!("/v1/payment_intents/{}", id(&intent)), &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_account_can_have_any_combination_of_flags() {
    let sandbox = TestSandbox::start(config());
    for flags in 0..8u8 {
        let values = [0, 1, 2].map(|bit| if flags & (1 << bit) == 0 { "false" } else { "true" });
        let params = ["charges_enabled", "payouts_enabled", "details_submitted"];
        let params: Vec<(&str, &str)> = params.into_iter().zip(values).collect();

        let account = sandbox.api.create_account(&params).await;

        for (name, value) in params {
            assert_eq!(account[name].to_string(), value);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_account_can_have_any_requirements() {
    let sandbox = TestSandbox::start(config());

    let account = sandbox
        .api
        .create_account(&[
            ("display_name", ""),
            ("requirements[currently_due][]", "individual.id_number"),
            ("requirements[past_due][]", "external_account"),
            ("requirements[eventually_due][]", "company.tax_id"),
            ("requirements[pending_verification][]", "individual.verification.document"),
            ("requirements[current_deadline]", "1800000000"),
            ("requirements[disabled_reason]", "under_review"),
            ("requirements[errors][0][code]", "invalid_street_address"),
            ("requirements[errors][0][reason]", "Not a street."),
            ("requirements[errors][0][requirement]", "individual.address.line1"),
            ("future_requirements[currently_due][]", "person.later"),
            ("capability_status[card_payments]", "pending"),
        ])
        .await;

    assert_eq!(
        account["requirements"],
        json!({
            "alternatives": [],
            "current_deadline": 1_800_000_000,
            "currently_due": ["individual.id_number"],
            "disabled_reason": "under_review",
            "errors": [{
                "code": "invalid_street_address",
                "reason": "Not a street.",
                "requirement": "individual.address.line1",
            }],
            "eventually_due": ["company.tax_id"],
            "past_due": ["external_account"],
            "pending_verification": ["individual.verification.document"],
        })
    );
    assert_fields(
        &account,
        &json!({
            "settings": { "dashboard": { "display_name": null } },
            "future_requirements": { "currently_due": ["person.later"] },
            "capabilities": { "card_payments": "pending" },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_account_without_parameters_is_enabled() {
    let sandbox = TestSandbox::start(config());

    let account = sandbox.api.create_account(&[]).await;

    assert_fields(
        &account,
        &json!({
            "charges_enabled": true,
            "payouts_enabled": true,
            "settings": { "dashboard": { "display_name": "Test Seller" } },
        }),
    );
}

/// Registers a receiver for events of connected accounts.
fn connect_receiver(sandbox: &TestSandbox) -> Receiver {
    let receiver = Receiver::start(0);
    sandbox.handle.register_connect_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    receiver
}

#[tokio::test(flavor = "multi_thread")]
async fn account_update_sends_previous_attributes() {
    let sandbox = TestSandbox::start(config());
    let mut connect = connect_receiver(&sandbox);
    sandbox.api.create_seller("acct_1").await;

    let params = [("charges_enabled", "false"), ("requirements[past_due][]", "external_account")];
    sandbox.api.post("/_sandbox/accounts/acct_1", &params).await.ok();

    let webhook = connect.next().await.body;
    assert_fields(
        &webhook,
        &json!({
            "type": "account.updated",
            "account": "acct_1",
            "data": {
                "object": { "charges_enabled": false },
                "previous_attributes": { "charges_enabled": true, "requirements": { "past_due": [] } },
            },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn account_update_without_change_sends_no_event() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_1").await;

    sandbox.api.post("/_sandbox/accounts/acct_1", &[]).await.ok();

    assert!(seller.event_types().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn capability_change_sends_account_and_capability_events() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_1").await;

    let params = [("capability_status[transfers]", "inactive")];
    sandbox.api.post("/_sandbox/accounts/acct_1", &params).await.ok();

    let mut types = seller.event_types().await;
    types.sort();
    assert_eq!(types, ["account.updated", "capability.updated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_endpoint_receives_only_events_of_connected_accounts() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let (mut platform, mut connect) = (Receiver::start(0), connect_receiver(&sandbox));
    sandbox.handle.register_webhook_endpoint(&platform.url, "whsec_x").unwrap();
    api.create_seller("acct_1").await;
    api.post("/_sandbox/accounts/acct_1", &[("charges_enabled", "false")]).await.ok();
    assert_eq!(connect.next().await.body["type"], "account.updated");
    assert!(api.event_types().await.is_empty(), "the platform's list must not contain the account's event");

    let intent = api.create_intent(&[]).await.ok();

    assert_eq!(platform.next_object_id().await, intent["id"]);
    assert!(connect.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_account_has_configured_id() {
    let config = Config { account: "acct_1Other".to_owned(), ..config() };
    let sandbox = TestSandbox::start(config);

    assert_eq!(sandbox.api.get("/v1/account", &[]).await.ok()["id"], "acct_1Other");
    assert_eq!(sandbox.api.get("/v1/accounts/acct_1Other", &[]).await.ok()["id"], "acct_1Other");
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_account_has_default_id() {
    let default_id = config().account;
    let sandbox = TestSandbox::start(config());

    assert_eq!(sandbox.api.get("/v1/account", &[]).await.ok()["id"], *default_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_intent_is_not_found() {
    let sandbox = TestSandbox::start(config());
    let intent = sandbox.api.create_intent(&[]).await.ok();

    sandbox.api.post(&format!("/_sandbox/payment_intents/{}/forget", id(&intent)), &[]).await.ok();

    let error = sandbox.api.get(&format!("/v1/payment_intents/{}", id(&intent)), &[]).await.error(404);
    assert_eq!(error["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnect_sends_deauthorized_event() {
    let sandbox = TestSandbox::start(config());
    let mut connect = connect_receiver(&sandbox);
    sandbox.api.create_seller("acct_1").await;

    sandbox.api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();

    let webhook = connect.next().await.body;
    assert_fields(
        &webhook,
        &json!({
            "type": "account.application.deauthorized",
            "account": "acct_1",
            "data": { "object": { "object": "application" } },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_account_is_inaccessible() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let seller = api.create_seller("acct_1").await;
    let with_key = seller.with("idempotency-key", "k1");
    let intent = with_key.create_intent(&[]).await.ok();
    let path = format!("/v1/payment_intents/{}", id(&intent));
    let client_secret = [("client_secret", intent["client_secret"].as_str().unwrap())];

    api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();

    for response in [
        seller.get(&path, &[]).await,
        seller.publishable().get(&path, &client_secret).await,
        with_key.create_intent(&[]).await,
        api.get("/v1/accounts/acct_1", &[]).await,
        api.delete("/v1/accounts/acct_1").await,
    ] {
        assert_eq!(response.error(403)["code"], "account_invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_account_sends_no_further_events() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut connect = connect_receiver(&sandbox);
    let seller = api.create_seller("acct_1").await;
    let intent = seller.create_intent(&[]).await.ok();
    assert_eq!(connect.next().await.body["type"], "payment_intent.created");
    api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();
    assert_eq!(connect.next().await.body["type"], "account.application.deauthorized");

    seller.post(&format!("/_sandbox/payment_intents/{}/succeed", id(&intent)), &[]).await.ok();

    api.create_seller("acct_2").await.create_intent(&[]).await.ok();
    assert_eq!(connect.next().await.body["account"], "acct_2");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_account_cannot_be_disconnected_again() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_seller("acct_1").await;
    sandbox.api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();

    sandbox.api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn account_rejected_by_platform_is_restricted() {
    let sandbox = TestSandbox::start(config());
    let account = sandbox.api.create_account(&[("type", "custom")]).await;

    let path = format!("{}/reject", path_of(&account));
    let rejected = sandbox.api.post(&path, &[("reason", "fraud")]).await.ok();

    assert_fields(
        &rejected,
        &json!({
            "requirements": { "disabled_reason": "rejected.platform_fraud" },
            "charges_enabled": false,
            "payouts_enabled": false,
            "capabilities": { "transfers": "inactive" },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn account_rejected_by_stripe_has_disabled_reason() {
    let sandbox = TestSandbox::start(config());
    let account = sandbox.api.create_account(&[]).await;

    let path = format!("/_sandbox/accounts/{}/reject", id(&account));
    let rejected = sandbox.api.post(&path, &[("reason", "rejected.listed")]).await.ok();

    assert_eq!(rejected["requirements"]["disabled_reason"], "rejected.listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for (params, param) in [
        (&[("type", "none")][..], "type"),
        (&[("type", "premium")], "type"),
        (&[("country", "Germany")], "country"),
        (&[("email", "nobody")], "email"),
        (&[("default_currency", "xxx")], "default_currency"),
        (&[("business_profile[url]", "ada.example")], "business_profile[url]"),
        (&[("business_profile[foo]", "1")], "business_profile[foo]"),
        (&[("capabilities[fly][requested]", "true")], "capabilities[fly]"),
        (&[("capabilities[transfers][requested]", "maybe")], "capabilities[transfers][requested]"),
        (&[("individual[first_name]", "Ada")], "individual"),
        (&[("color", "red")], "color"),
        (&[("type", "express"), ("controller[fees][payer]", "account")], "controller"),
        (&[("controller[losses][payments]", "application")], "controller[fees][payer]"),
        (&[("controller[losses][payments]", "account")], "controller[losses][payments]"),
    ] {
        let error = sandbox.api.post("/v1/accounts", params).await.error(400);

        assert_eq!(error["param"], param, "{error}");
    }
    assert_eq!(sandbox.api.get("/v1/accounts", &[]).await.ok()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_account_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for params in [
        &[("id", "nonsense")][..],
        &[("requirements[disabled_reason]", "whim")],
        &[("requirements[current_deadline]", "soon")],
        &[("requirements[foo]", "1")],
        &[("capability_status[card_payments]", "maybe")],
        &[("client_id", "x")],
        &[("charges_enabled", "perhaps")],
    ] {
        sandbox.api.post("/_sandbox/accounts", params).await.error(400);
    }
    assert_eq!(sandbox.api.get("/v1/accounts", &[]).await.ok()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_account_with_existing_id_is_rejected() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_1")]).await;

    sandbox.api.post("/_sandbox/accounts", &[("id", "acct_1")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_update_of_unknown_account_is_not_found() {
    let sandbox = TestSandbox::start(config());

    sandbox.api.post("/_sandbox/accounts/acct_none", &[]).await.error(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth_account_cannot_be_changed_by_platform() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_2"), ("connected_by", "oauth")]).await;

    for response in [
        sandbox.api.post("/v1/accounts/acct_2", &[("email", "b@example.com")]).await,
        sandbox.api.delete("/v1/accounts/acct_2").await,
    ] {
        assert_eq!(response.error(403)["code"], "more_permissions_required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn account_with_controller_has_type_none() {
    let sandbox = TestSandbox::start(config());

    let params = [
        ("controller[fees][payer]", "application"),
        ("controller[losses][payments]", "application"),
        ("controller[requirement_collection]", "application"),
        ("controller[stripe_dashboard][type]", "none"),
    ];
    let account = sandbox.api.post("/v1/accounts", &params).await.ok();

    assert_eq!(account["type"], "none");
    assert_eq!(
        account["controller"],
        json!({
            "fees": { "payer": "application" },
            "is_controller": true,
            "losses": { "payments": "application" },
            "requirement_collection": "application",
            "stripe_dashboard": { "type": "none" },
            "type": "application",
        })
    );
}

const FUZZ_NAMES: &str = "account amount application_fee_amount business_profile business_profile[url] \
    capabilities[card_payments][requested] capability_status[transfers] charges_enabled client_id code \
    collection_options[fields] confirm controller[losses][payments] country created currency default_currency email \
    expand[] grant_type id limit metadata[a] payment_method reason refresh_url requested requirements \
    requirements[currently_due] requirements[current_deadline] requirements[errors][0][code] return_url \
    stripe_user_id transfer_data[amount] transfer_data[destination] type";

const FUZZ_VALUES: &str = "true 1000 eur acct_1 express account_onboarding https://shop.example/ ca_Test1 DE active \
    pm_card_visa ac_x authorization_code fraud account";

const FUZZ_PATHS: &str = "/v1/accounts /v1/accounts/acct_1 /v1/accounts/acct_1/capabilities/card_payments \
    /v1/accounts/acct_1/reject /v1/account_links /v1/application_fees /v1/transfers /v1/payment_intents \
    /_sandbox/accounts /_sandbox/accounts/acct_1 /oauth/token /oauth/deauthorize /oauth/authorize";

fn fuzz_params() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let value = prop_oneof![
        8 => select(FUZZ_VALUES.split_ascii_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => ".{0,12}",
    ];
    let name = select(FUZZ_NAMES.split_ascii_whitespace().collect::<Vec<_>>());
    proptest::collection::vec((name, value), 0..8)
}

#[test]
fn random_parameters_never_cause_server_errors() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sandbox = runtime.block_on(async {
        let sandbox = TestSandbox::start(config());
        sandbox.api.create_seller("acct_1").await;
        sandbox
    });

    TestRunner::new(ProptestConfig::with_cases(100))
        .run(&fuzz_params(), |pairs| {
            let params: Vec<(&str, &str)> =
                pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for path in FUZZ_PATHS.split_ascii_whitespace() {
                for method in [Method::POST, Method::GET] {
                    let response = runtime.block_on(sandbox.api.send(method, path, &params));

                    prop_assert!(response.status < 500, "{path}: {}", response.text);
                    let error = &response.body["error"];
                    let is_page = path == "/oauth/authorize";
                    let is_error = error["type"].is_string() || error.is_string();
                    prop_assert!(response.status == 200 || is_error || is_page, "{path}: {}", response.text);
                }
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(sandbox.stop());
}
