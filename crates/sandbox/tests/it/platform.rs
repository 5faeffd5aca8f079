//! What a platform relies on: who made a payment, whose events it is told of, and what is over after a disconnect.

use serde_json::Value;
use stripe_shared::{Charge, PaymentIntent};

use crate::oauth::{code, exchange};
use crate::objects::parse;
use crate::support::{Api, Receiver, TestSandbox, config};

const NOT_READY: &str = "insufficient_capabilities_for_transfer";

/// A seller who has let the application `ca_Shop` in.
async fn partner(api: &Api) -> Api {
    let params = [("id", "acct_1"), ("country", "DE"), ("connected_by", "oauth"), ("client_id", "ca_Shop")];
    api.create_account(&params).await;
    api.with("stripe-account", "acct_1")
}

/// The owner of an account, by a key of their own.
async fn owner(api: &Api, account: &str) -> Api {
    let key = api.post(&format!("/_sandbox/accounts/{account}/keys"), &[]).await.ok();
    api.without("stripe-account")
        .with("authorization", format!("Bearer {}", key["secret_key"].as_str().unwrap()))
}

fn path_of(object: &Value) -> String {
    format!("/v1/payment_intents/{}", object["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_says_which_application_made_it() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut connect = Receiver::start(0);
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    let seller = partner(api).await;
    let fee = [("application_fee_amount", "100"), ("expand[]", "latest_charge")];
    let direct = seller.pay("pm_card_visa", &fee).await.ok();
    parse::<PaymentIntent>(&direct);
    assert_eq!((&direct["application"], &direct["application_fee_amount"]), (&"ca_Shop".into(), &100.into()));
    assert_eq!(direct["latest_charge"]["application"], "ca_Shop");
    parse::<Charge>(&direct["latest_charge"]);
    for _ in 0..3 {
        let told = connect.next().await.body["data"]["object"].clone();
        assert_eq!((&told["application"], &told["application_fee_amount"]), (&"ca_Shop".into(), &100.into()));
    }
    let read = seller.get(&path_of(&direct), &[("expand[]", "application")]).await.ok();
    parse::<PaymentIntent>(&read);
    assert_eq!(read["application"]["id"], "ca_Shop");
    let controlled = api.create_seller("acct_2").await.create_intent(&[]).await.ok();
    assert_eq!(controlled["application"], "ca_SandboxPlatform");
    // Keys that the application has got by OAuth are the application.
    let code = code(api, "read_write", &[]).await;
    let token = exchange(api, &code).await.ok();
    let by_token = api.with("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()));
    assert_eq!(by_token.create_intent(&fee[..1]).await.ok()["application"], "ca_Test1");
    // What a platform sells itself is no application's, wherever the money goes.
    let to = [("transfer_data[destination]", "acct_1"), ("application_fee_amount", "100")];
    assert_eq!(api.pay("pm_card_visa", &to).await.ok()["application"], Value::Null);
    let browser = [("client_secret", direct["client_secret"].as_str().unwrap())];
    let seen = seller.publishable().get(&path_of(&direct), &browser).await.ok();
    assert_eq!(seen.get("application"), None, "customers need not know");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owner_sells_alone_is_no_applications() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut connect = Receiver::start(0);
    let seller = partner(api).await;
    let owner = owner(api, "acct_1").await;
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    let own = owner.pay("pm_card_visa", &[("expand[]", "latest_charge")]).await.ok();
    assert_eq!((&own["application"], &own["latest_charge"]["application"]), (&Value::Null, &Value::Null));
    for _ in 0..3 {
        let told = connect.next().await.body;
        assert_eq!(
            (&told["account"], &told["data"]["object"]["application"]),
            (&"acct_1".into(), &Value::Null)
        );
    }
    assert_eq!(seller.get(&path_of(&own), &[]).await.ok(), owner.get(&path_of(&own), &[]).await.ok());
    let error = owner.create_intent(&[("application_fee_amount", "1")]).await.error(400);
    assert!(error["message"].as_str().unwrap().starts_with("Can only apply an application_fee_amount"));
    let session = owner.create_session(&[]).await.ok();
    let pay = format!("/_sandbox/checkout/sessions/{}/pay", session["id"].as_str().unwrap());
    let paid = owner.post(&pay, &[]).await.ok()["payment_intent"].as_str().unwrap().to_owned();
    let paid = owner.get(&format!("/v1/payment_intents/{paid}"), &[]).await.ok();
    assert_eq!(paid["application"], Value::Null);
    // It is a key for one account, and outlives the application's access.
    let error = owner.with("stripe-account", "acct_2").get("/v1/events", &[]).await.error(403);
    assert_eq!(error["code"], "account_invalid");
    api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();
    assert_eq!(owner.get(&path_of(&own), &[]).await.ok()["id"], own["id"]);
    assert_eq!(seller.get(&path_of(&own), &[]).await.error(403)["code"], "account_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_name_their_account_only_to_the_platforms_endpoints() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let (mut connect, mut sellers) = (Receiver::start(0), Receiver::start(0));
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    let seller = partner(api).await;
    let own = [("url", sellers.url.as_str()), ("enabled_events[]", "payment_intent.created")];
    seller.post("/v1/webhook_endpoints", &own).await.ok();
    seller.create_intent(&[]).await.ok();
    assert_eq!(connect.next().await.body["account"], "acct_1");
    let told = sellers.next().await.body;
    assert_eq!((&told["type"], told.get("account")), (&"payment_intent.created".into(), None));
    let listed = seller.get("/v1/events", &[]).await.ok()["data"][0].clone();
    assert_eq!((&listed["id"], listed.get("account")), (&told["id"], None));
    let read = seller.get(&format!("/v1/events/{}", told["id"].as_str().unwrap()), &[]).await.ok();
    assert_eq!(read.get("account"), None);
    assert!(api.event_types().await.is_empty(), "they are not the platform's");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_hears_that_it_is_out_although_it_is() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut connect = Receiver::start(2);
    let seller = partner(api).await;
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();
    // The first two tries are refused; by then there is no access any more.
    for _ in 0..3 {
        let told = connect.next().await.body;
        assert_eq!(
            (&told["type"], &told["account"]),
            (&"account.application.deauthorized".into(), &"acct_1".into())
        );
        assert_eq!(told["data"]["object"]["id"], "ca_Shop");
        let event = format!("/v1/events/{}", told["id"].as_str().unwrap());
        assert_eq!(seller.get(&event, &[]).await.error(403)["code"], "account_invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_disconnect_nothing_is_left_of_the_access() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let seller = partner(api).await;
    let intent = seller.create_intent(&[("application_fee_amount", "100")]).await.ok();
    let secret = intent["client_secret"].as_str().unwrap();
    let intent = path_of(&intent);
    api.post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();
    for path in [
        "/v1/account",
        "/v1/accounts/acct_1",
        "/v1/balance",
        "/v1/charges",
        "/v1/checkout/sessions",
        "/v1/events",
        "/v1/prices",
        "/v1/products",
        "/v1/refunds",
        intent.as_str(),
    ] {
        assert_eq!(seller.get(path, &[]).await.error(403)["code"], "account_invalid", "{path}");
    }
    for (path, params) in [
        ("/v1/products", vec![("name", "Mug")]),
        ("/v1/refunds", vec![("payment_intent", "pi_x")]),
        ("/v1/payment_intents", vec![("amount", "1000"), ("currency", "eur")]),
        (intent.as_str(), vec![("metadata[a]", "b")]),
    ] {
        assert_eq!(seller.post(path, &params).await.error(403)["code"], "account_invalid", "{path}");
    }
    for (path, params) in [
        ("/v1/accounts/acct_1", vec![("email", "a@example.com")]),
        ("/v1/accounts/acct_1/capabilities/transfers", vec![("requested", "true")]),
    ] {
        assert_eq!(api.post(path, &params).await.error(403)["code"], "account_invalid", "{path}");
    }
    for path in ["/v1/accounts/acct_1", "/v1/accounts/acct_1/capabilities"] {
        assert_eq!(api.get(path, &[]).await.error(403)["code"], "account_invalid", "{path}");
    }
    let in_body = [("client_secret", secret), ("_stripe_account", "acct_1")];
    let browser = api.publishable().get(&intent, &in_body).await;
    assert_eq!(browser.error(403)["code"], "account_invalid");
    let to = [("transfer_data[destination]", "acct_1")];
    assert_eq!(api.create_intent(&to).await.error(400)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn checkout_shares_the_money_either_way() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let seller = partner(api).await;
    let fee = ("payment_intent_data[application_fee_amount]", "99");
    let to = ("payment_intent_data[transfer_data][destination]", "acct_1");
    for (world, params, application) in
        [(&seller, &[fee][..], Value::from("ca_Shop")), (api, &[fee, to], Value::Null)]
    {
        let session = world.create_session(params).await.ok();
        let pay = format!("/_sandbox/checkout/sessions/{}/pay", session["id"].as_str().unwrap());
        let paid = world.post(&pay, &[]).await.ok()["payment_intent"].as_str().unwrap().to_owned();
        let paid = world.get(&format!("/v1/payment_intents/{paid}"), &[]).await.ok();
        assert_eq!((&paid["status"], &paid["application"]), (&"succeeded".into(), &application));
        assert_eq!(paid["application_fee_amount"], 99);
        let fees = api.get("/v1/application_fees", &[("limit", "1")]).await.ok();
        assert_eq!((&fees["data"][0]["amount"], &fees["data"][0]["account"]), (&99.into(), &"acct_1".into()));
        assert_eq!(fees["data"][0]["application"], "ca_Shop");
    }
    let transfers = api.get("/v1/transfers", &[]).await.ok();
    assert_eq!(transfers["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&transfers["data"][0]["amount"], &transfers["data"][0]["destination"]),
        (&999.into(), &"acct_1".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_must_be_able_to_get_money() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    partner(api).await;
    let to = ("transfer_data[destination]", "acct_1");
    let open = api.create_intent(&[to]).await.ok();
    let in_session = [("payment_intent_data[transfer_data][destination]", "acct_1")];
    let session = api.create_session(&in_session).await.ok();
    let pay = format!("/_sandbox/checkout/sessions/{}/pay", session["id"].as_str().unwrap());
    for status in ["inactive", "pending", "unrequested"] {
        api.post("/_sandbox/accounts/acct_1", &[("capability_status[transfers]", status)]).await.ok();
        for refused in [
            api.create_intent(&[to]).await,
            api.post(&format!("{}/confirm", path_of(&open)), &[("payment_method", "pm_card_visa")]).await,
            api.create_session(&in_session).await,
            api.post(&pay, &[]).await,
        ] {
            let error = refused.error(400);
            assert_eq!(
                (error["code"].as_str(), error["param"].as_str()),
                (Some(NOT_READY), Some("transfer_data[destination]"))
            );
        }
    }
    assert_eq!(api.get("/v1/transfers", &[]).await.ok()["data"].as_array().unwrap().len(), 0);
    api.post("/_sandbox/accounts/acct_1", &[("capability_status[transfers]", "active")]).await.ok();
    assert_eq!(api.post(&pay, &[]).await.ok()["status"], "complete");
}

/// What Stripe.js sends with `stripeAccount`: its key and the account in the body.
#[tokio::test(flavor = "multi_thread")]
async fn stripe_js_pays_direct_charges() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let seller = partner(api).await;
    let intent = seller.create_intent(&[("application_fee_amount", "100")]).await.ok();
    let confirm = format!("{}/confirm", path_of(&intent));
    let params = |account: &'static str| {
        [
            ("key", "pk_test_platform"),
            ("_stripe_account", account),
            ("client_secret", intent["client_secret"].as_str().unwrap()),
            ("use_stripe_sdk", "true"),
            ("payment_method_data[type]", "card"),
            ("payment_method_data[card][number]", "4242424242424242"),
            ("payment_method_data[card][exp_month]", "12"),
            ("payment_method_data[card][exp_year]", "2034"),
            ("payment_method_data[card][cvc]", "123"),
        ]
    };
    api.create_account(&[("id", "acct_2")]).await;
    let browser = api.without("authorization");
    assert_eq!(browser.post(&confirm, &params("acct_2")).await.error(404)["code"], "resource_missing");
    assert_eq!(browser.post(&confirm, &params("acct_1")).await.ok()["status"], "succeeded");
    let paid = seller.get(&path_of(&intent), &[]).await.ok();
    assert_eq!((&paid["application"], &paid["amount_received"]), (&"ca_Shop".into(), &1000.into()));
    assert_eq!(api.get("/v1/application_fees", &[]).await.ok()["data"][0]["amount"], 100);
}
