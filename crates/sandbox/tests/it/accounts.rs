use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use quittance_sandbox::Config;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, Running, config};

fn path_of(account: &Value, tail: &str) -> String {
    format!("/v1/accounts/{}{tail}", account["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_changed_and_deleted() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let made = api
        .post(
            "/v1/accounts",
            &[
                ("type", "express"),
                ("country", "de"),
                ("email", "ada@example.com"),
                ("business_profile[name]", "Ada's Shop"),
                ("business_profile[url]", "https://ada.example"),
                ("metadata[seller]", "7"),
            ],
        )
        .await
        .ok();
    assert!(made["id"].as_str().unwrap().starts_with("acct_1"));
    assert_eq!((&made["country"], &made["default_currency"]), (&"DE".into(), &"eur".into()));
    assert_eq!(
        (&made["charges_enabled"], &made["payouts_enabled"], &made["details_submitted"]),
        (&false.into(), &false.into(), &false.into())
    );
    assert_eq!(made["capabilities"], json!({ "card_payments": "inactive", "transfers": "inactive" }));
    assert_eq!(made["requirements"]["disabled_reason"], "requirements.past_due");
    let due = made["requirements"]["currently_due"].as_array().unwrap();
    assert!(due.contains(&"external_account".into()) && !due.contains(&"business_profile.url".into()));
    assert_eq!(made["controller"]["stripe_dashboard"]["type"], "express");
    assert_eq!(api.get(&path_of(&made, ""), &[]).await.ok(), made);
    let changed = api.post(&path_of(&made, ""), &[("business_profile[mcc]", "5734")]).await.ok();
    assert_eq!(changed["business_profile"]["mcc"], "5734");
    assert!(!changed["requirements"]["past_due"].to_string().contains("business_profile.mcc"));
    let second = api.post("/v1/accounts", &[]).await.ok();
    assert_eq!((&second["type"], &second["country"]), (&"standard".into(), &"US".into()));
    let listed = api.get("/v1/accounts", &[]).await.ok();
    assert_eq!(listed["data"], json!([second, changed]));
    let deleted = api.delete(&path_of(&made, "")).await.ok();
    assert_eq!(deleted, json!({ "id": made["id"], "object": "account", "deleted": true }));
    assert_eq!(api.get(&path_of(&made, ""), &[]).await.error(403)["code"], "account_invalid");
    assert_eq!(api.get("/v1/accounts", &[]).await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_connected_accounts_can_be_acted_for() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let made = api.account(&[("id", "acct_1")]).await;
    let stranger = api.account(&[("id", "acct_2"), ("connected_by", "nobody")]).await;
    let seller = api.with("stripe-account", "acct_1");
    assert_eq!(seller.get("/v1/account", &[]).await.ok(), made);
    assert_eq!(seller.get("/v1/accounts/acct_1", &[]).await.ok(), made);
    for id in ["acct_2", "acct_unknown", "nonsense"] {
        for other in [api.clone(), api.publishable()] {
            let error = other.with("stripe-account", id).get("/v1/events", &[]).await.error(403);
            assert_eq!(
                (&error["code"], &error["type"]),
                (&"account_invalid".into(), &"invalid_request_error".into())
            );
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(&format!("does not have access to account '{id}'")), "{message}");
            assert!(!message.contains("_test_sandbox"), "no whole key: {message}");
        }
        assert_eq!(api.get(&format!("/v1/accounts/{id}"), &[]).await.error(403)["code"], "account_invalid");
    }
    // A seller sees neither its neighbours nor the platform's list, and can make no accounts.
    api.account(&[("id", "acct_3")]).await;
    assert_eq!(seller.get("/v1/accounts/acct_3", &[]).await.error(403)["code"], "account_invalid");
    assert_eq!(seller.get("/v1/accounts", &[]).await.ok()["data"], json!([]));
    assert_eq!(seller.post("/v1/accounts", &[]).await.error(403)["code"], "platform_account_required");
    assert_eq!(stranger["controller"], json!({ "type": "account" }));
    let own = api.get("/v1/account", &[]).await.ok();
    assert_eq!((&own["charges_enabled"], &own["object"]), (&true.into(), &"account".into()));
    let itself = api.with("stripe-account", own["id"].as_str().unwrap());
    let intent = itself.create(&[]).await.ok();
    api.get(&format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap()), &[]).await.ok();
}

/// Every combination of flags a readiness check can meet, whether it fits together or not.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_can_be_in_any_state() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    for flags in 0..8u8 {
        let words: Vec<&str> =
            (0..3).map(|bit| if flags & (1 << bit) == 0 { "false" } else { "true" }).collect();
        let made = api
            .account(&[
                ("charges_enabled", words[0]),
                ("payouts_enabled", words[1]),
                ("details_submitted", words[2]),
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
        for (name, word) in ["charges_enabled", "payouts_enabled", "details_submitted"].iter().zip(words) {
            assert_eq!(made[name].to_string(), word);
        }
        assert_eq!(made["settings"]["dashboard"]["display_name"], Value::Null);
        assert_eq!(
            made["requirements"],
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
        assert_eq!(made["future_requirements"]["currently_due"], json!(["person.later"]));
        assert_eq!(made["capabilities"]["card_payments"], "pending");
    }
    let usual = api.account(&[]).await;
    assert_eq!((&usual["charges_enabled"], &usual["payouts_enabled"]), (&true.into(), &true.into()));
    assert_eq!(usual["settings"]["dashboard"]["display_name"], "Test Seller");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_with_what_was_before() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let (mut own, mut connect) = (Receiver::start(0), Receiver::start(0));
    sandbox.handle.register_webhook_endpoint(&own.url, "whsec_x").unwrap();
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    let seller = api.seller("acct_1").await;
    api.post("/_sandbox/accounts/acct_1", &[]).await.ok();
    let off = [("charges_enabled", "false"), ("requirements[past_due][]", "external_account")];
    api.post("/_sandbox/accounts/acct_1", &off).await.ok();
    let webhook = connect.next().await.body;
    assert_eq!((&webhook["type"], &webhook["account"]), (&"account.updated".into(), &"acct_1".into()));
    assert_eq!(webhook["data"]["object"]["charges_enabled"], false);
    let before = json!({ "charges_enabled": true, "requirements": { "past_due": [] } });
    assert_eq!(webhook["data"]["previous_attributes"], before);
    assert_eq!(seller.event_types().await, ["account.updated"], "a change of nothing is no event");
    api.post("/_sandbox/accounts/acct_1", &[("capability_status[transfers]", "inactive")]).await.ok();
    let mut types =
        vec![connect.next().await.body["type"].clone(), connect.next().await.body["type"].clone()];
    types.sort_by_key(Value::to_string);
    assert_eq!(types, ["account.updated", "capability.updated"]);
    assert!(api.event_types().await.is_empty(), "the platform's own list has none of it");
    let mine = api.create(&[]).await.ok();
    assert_eq!(own.next().await.body["data"]["object"]["id"], mine["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_own_account_is_as_it_was_set() {
    for given in [None, Some("acct_1Other")] {
        let usual = config();
        let account = given.map_or(usual.account.clone(), str::to_owned);
        let sandbox = Running::start(Config { account: account.clone(), ..usual });
        let api = &sandbox.api;
        assert_eq!(api.get("/v1/account", &[]).await.ok()["id"], *account);
        assert_eq!(api.get(&format!("/v1/accounts/{account}"), &[]).await.ok()["id"], *account);
        // Whoever names it as the connected account means the platform itself.
        let intent = api.with("stripe-account", account.clone()).create(&[]).await.ok();
        let path = format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap());
        assert_eq!(api.get(&path, &[]).await.ok()["id"], intent["id"]);
        // Gone, as if all test data had been deleted.
        api.post(&format!("/_sandbox{}/forget", &path[3..]), &[]).await.ok();
        assert_eq!(api.get(&path, &[]).await.error(404)["code"], "resource_missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_account_is_out_of_reach() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let mut connect = Receiver::start(0);
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    let seller = api.seller("acct_1").await;
    let keyed = seller.with("idempotency-key", "k1");
    let intent = keyed.create(&[]).await.ok();
    assert_eq!(connect.next().await.body["type"], "payment_intent.created");
    api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();
    let webhook = connect.next().await.body;
    assert_eq!(webhook["type"], "account.application.deauthorized");
    assert_eq!(
        (&webhook["account"], &webhook["data"]["object"]["object"]),
        (&"acct_1".into(), &"application".into())
    );
    let id = intent["id"].as_str().unwrap();
    let path = format!("/v1/payment_intents/{id}");
    for refused in [
        seller.get(&path, &[]).await,
        seller
            .publishable()
            .get(&path, &[("client_secret", intent["client_secret"].as_str().unwrap())])
            .await,
        keyed.create(&[]).await,
        api.get("/v1/accounts/acct_1", &[]).await,
        api.delete("/v1/accounts/acct_1").await,
    ] {
        assert_eq!(refused.error(403)["code"], "account_invalid");
    }
    // What happens there from now on the platform does not hear of.
    seller.post(&format!("/_sandbox/payment_intents/{id}/succeed"), &[]).await.ok();
    let other = api.seller("acct_2").await;
    other.create(&[]).await.ok();
    assert_eq!(connect.next().await.body["account"], "acct_2");
    api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_account_can_do_nothing() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let account = api.account(&[("type", "custom")]).await;
    let rejected = api.post(&path_of(&account, "/reject"), &[("reason", "fraud")]).await.ok();
    assert_eq!(rejected["requirements"]["disabled_reason"], "rejected.platform_fraud");
    assert_eq!(
        (&rejected["charges_enabled"], &rejected["payouts_enabled"], &rejected["capabilities"]["transfers"]),
        (&false.into(), &false.into(), &"inactive".into())
    );
    let account = api.account(&[]).await;
    let by_stripe = format!("/_sandbox/accounts/{}/reject", account["id"].as_str().unwrap());
    let rejected = api.post(&by_stripe, &[("reason", "rejected.listed")]).await.ok();
    assert_eq!(rejected["requirements"]["disabled_reason"], "rejected.listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_stripes_errors() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
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
        (&[("colour", "red")], "colour"),
        (&[("type", "express"), ("controller[fees][payer]", "account")], "controller"),
        (&[("controller[losses][payments]", "application")], "controller[fees][payer]"),
        (&[("controller[losses][payments]", "account")], "controller[losses][payments]"),
    ] {
        let error = api.post("/v1/accounts", params).await.error(400);
        assert_eq!(error["param"], param, "{error}");
    }
    for params in [
        &[("id", "nonsense")][..],
        &[("requirements[disabled_reason]", "whim")],
        &[("requirements[current_deadline]", "soon")],
        &[("requirements[foo]", "1")],
        &[("capability_status[card_payments]", "maybe")],
        &[("client_id", "x")],
        &[("charges_enabled", "perhaps")],
    ] {
        api.post("/_sandbox/accounts", params).await.error(400);
    }
    assert_eq!(api.get("/v1/accounts", &[]).await.ok()["data"], json!([]), "nothing was made");
    api.account(&[("id", "acct_1")]).await;
    api.post("/_sandbox/accounts", &[("id", "acct_1")]).await.error(400);
    api.post("/_sandbox/accounts/acct_none", &[]).await.error(404);
    // An account that let the platform in is its owner's.
    api.account(&[("id", "acct_2"), ("connected_by", "oauth")]).await;
    for refused in [
        api.post("/v1/accounts/acct_2", &[("email", "b@example.com")]).await,
        api.delete("/v1/accounts/acct_2").await,
    ] {
        assert_eq!(refused.error(403)["code"], "more_permissions_required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_says_who_answers_for_what() {
    let sandbox = Running::start(config());
    let params = [
        ("controller[fees][payer]", "application"),
        ("controller[losses][payments]", "application"),
        ("controller[requirement_collection]", "application"),
        ("controller[stripe_dashboard][type]", "none"),
    ];
    let made = sandbox.api.post("/v1/accounts", &params).await.ok();
    assert_eq!(made["type"], "none");
    assert_eq!(
        made["controller"],
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

/// Whatever is sent, the answer is an object or one of Stripe's errors, and never a 500.
#[test]
fn random_bodies_get_an_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sandbox = runtime.block_on(async {
        let sandbox = Running::start(config());
        sandbox.api.seller("acct_1").await;
        sandbox
    });
    let names = "account amount application_fee_amount business_profile business_profile[url] \
                 capabilities[card_payments][requested] capability_status[transfers] charges_enabled client_id code \
                 collection_options[fields] confirm controller[losses][payments] country created currency \
                 default_currency email expand[] grant_type id limit metadata[a] payment_method reason refresh_url \
                 requested requirements requirements[currently_due] requirements[current_deadline] \
                 requirements[errors][0][code] return_url stripe_user_id transfer_data[amount] \
                 transfer_data[destination] type";
    let values = "true 1000 eur acct_1 express account_onboarding https://shop.example/ ca_Test1 DE active \
                  pm_card_visa ac_x authorization_code fraud account";
    let value = prop_oneof![
        8 => select(values.split_ascii_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => ".{0,12}",
    ];
    let name = select(names.split_ascii_whitespace().collect::<Vec<_>>());
    let pairs = proptest::collection::vec((name, value), 0..8);
    let paths = "/v1/accounts /v1/accounts/acct_1 /v1/accounts/acct_1/capabilities/card_payments \
                 /v1/accounts/acct_1/reject /v1/account_links /v1/application_fees /v1/transfers \
                 /v1/payment_intents /_sandbox/accounts /_sandbox/accounts/acct_1 /oauth/token /oauth/deauthorize \
                 /oauth/authorize";
    TestRunner::new(ProptestConfig::with_cases(100))
        .run(&pairs, |pairs| {
            let params: Vec<(&str, &str)> =
                pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for path in paths.split_ascii_whitespace() {
                for method in [Method::POST, Method::GET] {
                    let answer = runtime.block_on(sandbox.api.send(method, path, &params));
                    prop_assert!(answer.status < 500, "{path}: {}", answer.text);
                    let error = &answer.body["error"];
                    let is_page = path == "/oauth/authorize";
                    let is_error = error["type"].is_string() || error.is_string();
                    prop_assert!(answer.status == 200 || is_error || is_page, "{path}: {}", answer.text);
                }
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(sandbox.stop());
}
