//! Tests of Connect platforms: the application of a payment, the receivers of events, and access after disconnection.

use serde_json::{Value, json};
use stripe_shared::{Charge, PaymentIntent};

use crate::oauth::{authorize_code, exchange};
use crate::objects::parse;
use crate::support::{Api, Receiver, TestSandbox, assert_fields, config, id, intent_path};

const FEE: (&str, &str) = ("application_fee_amount", "100");
const DESTINATION: (&str, &str) = ("transfer_data[destination]", "acct_1");
const EXPAND_CHARGE: (&str, &str) = ("expand[]", "latest_charge");

/// A sandbox with an account `acct_1` that is connected to the application `ca_Shop`.
struct Marketplace {
    sandbox: TestSandbox,
    seller: Api,
}

impl Marketplace {
    async fn start() -> Self {
        let sandbox = TestSandbox::start(config());
        let params =
            [("id", "acct_1"), ("country", "DE"), ("connected_by", "oauth"), ("client_id", "ca_Shop")];
        sandbox.api.create_account(&params).await;
        let seller = sandbox.api.with("stripe-account", "acct_1");
        Self { sandbox, seller }
    }

    fn api(&self) -> &Api {
        &self.sandbox.api
    }

    /// Returns a client for the account's owner, with the account's own key.
    async fn owner(&self) -> Api {
        let key = self.api().post("/_sandbox/accounts/acct_1/keys", &[]).await.ok();
        self.api().with("authorization", format!("Bearer {}", key["secret_key"].as_str().unwrap()))
    }

    fn connect_receiver(&self, failures: u32) -> Receiver {
        let receiver = Receiver::start(failures);
        self.sandbox.handle.register_connect_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
        receiver
    }

    async fn disconnect(&self) {
        self.api().post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();
    }
}

/// Pays a Checkout Session. Returns its PaymentIntent.
async fn pay_session(api: &Api, session: &Value) -> Value {
    let paid = api.post(&format!("/_sandbox/checkout/sessions/{}/pay", id(session)), &[]).await.ok();
    let intent_id = paid["payment_intent"].as_str().unwrap();
    api.get(&format!("/v1/payment_intents/{intent_id}"), &[]).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_charge_contains_its_application() {
    let market = Marketplace::start().await;

    let intent = market.seller.pay("pm_card_visa", &[FEE, EXPAND_CHARGE]).await.ok();

    parse::<PaymentIntent>(&intent);
    parse::<Charge>(&intent["latest_charge"]);
    assert_fields(
        &intent,
        &json!({
            "application": "ca_Shop",
            "application_fee_amount": 100,
            "latest_charge": { "application": "ca_Shop" },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_direct_charge_contain_its_application() {
    let market = Marketplace::start().await;
    let mut connect = market.connect_receiver(0);

    market.seller.pay("pm_card_visa", &[FEE]).await.ok();

    for _ in 0..3 {
        let object = connect.next().await.body["data"]["object"].clone();
        assert_fields(&object, &json!({ "application": "ca_Shop", "application_fee_amount": 100 }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn application_can_be_expanded() {
    let market = Marketplace::start().await;
    let intent = market.seller.create_intent(&[]).await.ok();

    let read = market.seller.get(&intent_path(&intent), &[("expand[]", "application")]).await.ok();

    parse::<PaymentIntent>(&read);
    assert_eq!(read["application"]["id"], "ca_Shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_on_controlled_account_has_default_application() {
    let sandbox = TestSandbox::start(config());

    let intent = sandbox.api.create_seller("acct_2").await.create_intent(&[]).await.ok();

    assert_eq!(intent["application"], "ca_SandboxPlatform");
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_with_access_token_has_its_application() {
    let sandbox = TestSandbox::start(config());
    let code = authorize_code(&sandbox.api, "read_write", &[]).await;
    let token = exchange(&sandbox.api, &code).await.ok();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());

    let intent = sandbox.api.with("authorization", bearer).create_intent(&[FEE]).await.ok();

    assert_eq!(intent["application"], "ca_Test1");
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_charge_has_no_application() {
    let market = Marketplace::start().await;

    let intent = market.api().pay("pm_card_visa", &[DESTINATION, FEE]).await.ok();

    assert_eq!(intent["application"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn publishable_key_cannot_read_the_application() {
    let market = Marketplace::start().await;
    let intent = market.seller.create_intent(&[]).await.ok();

    let params = [("client_secret", intent["client_secret"].as_str().unwrap())];
    let read = market.seller.publishable().get(&intent_path(&intent), &params).await.ok();

    assert_eq!(read.get("application"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_with_owner_key_has_no_application() {
    let market = Marketplace::start().await;

    let intent = market.owner().await.pay("pm_card_visa", &[EXPAND_CHARGE]).await.ok();

    assert_fields(&intent, &json!({ "application": null, "latest_charge": { "application": null } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_receives_events_of_owner_payment() {
    let market = Marketplace::start().await;
    let mut connect = market.connect_receiver(0);

    market.owner().await.pay("pm_card_visa", &[]).await.ok();

    for _ in 0..3 {
        let webhook = connect.next().await.body;
        assert_fields(
            &webhook,
            &json!({ "account": "acct_1", "data": { "object": { "application": null } } }),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_reads_owner_payment_like_its_owner() {
    let market = Marketplace::start().await;
    let owner = market.owner().await;
    let intent = owner.pay("pm_card_visa", &[]).await.ok();

    assert_eq!(market.seller.read_intent(&intent).await, owner.read_intent(&intent).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_payment_cannot_have_application_fee() {
    let market = Marketplace::start().await;

    let error = market.owner().await.create_intent(&[FEE]).await.error(400);

    assert!(error["message"].as_str().unwrap().starts_with("Can only apply an application_fee_amount"));
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_session_has_no_application() {
    let market = Marketplace::start().await;
    let owner = market.owner().await;
    let session = owner.create_session(&[]).await.ok();

    let intent = pay_session(&owner, &session).await;

    assert_eq!(intent["application"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_key_cannot_access_other_account() {
    let market = Marketplace::start().await;

    let owner = market.owner().await.with("stripe-account", "acct_2");

    assert_eq!(owner.get("/v1/events", &[]).await.error(403)["code"], "account_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_key_is_valid_after_disconnection() {
    let market = Marketplace::start().await;
    let owner = market.owner().await;
    let intent = owner.create_intent(&[]).await.ok();

    market.disconnect().await;

    assert_eq!(owner.read_intent(&intent).await["id"], intent["id"]);
    let error = market.seller.get(&intent_path(&intent), &[]).await.error(403);
    assert_eq!(error["code"], "account_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_contains_account_only_for_platform_endpoint() {
    let market = Marketplace::start().await;
    let (mut connect, mut own) = (market.connect_receiver(0), Receiver::start(0));
    let endpoint = [("url", own.url.as_str()), ("enabled_events[]", "payment_intent.created")];
    market.seller.post("/v1/webhook_endpoints", &endpoint).await.ok();

    market.seller.create_intent(&[]).await.ok();

    assert_eq!(connect.next().await.body["account"], "acct_1");
    let webhook = own.next().await.body;
    assert_eq!((&webhook["type"], webhook.get("account")), (&"payment_intent.created".into(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn account_reads_its_events_without_account_field() {
    let market = Marketplace::start().await;

    market.seller.create_intent(&[]).await.ok();

    let event = market.seller.single("/v1/events").await;
    let read = market.seller.get(&format!("/v1/events/{}", id(&event)), &[]).await.ok();
    assert_eq!((event.get("account"), read.get("account")), (None, None));
    assert!(market.api().event_types().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn deauthorized_event_is_retried_after_disconnection() {
    let market = Marketplace::start().await;
    let mut connect = market.connect_receiver(2);

    market.disconnect().await;

    for _ in 0..3 {
        let webhook = connect.next().await.body;
        assert_fields(
            &webhook,
            &json!({
                "type": "account.application.deauthorized",
                "account": "acct_1",
                "data": { "object": { "id": "ca_Shop" } },
            }),
        );
        let path = format!("/v1/events/{}", id(&webhook));
        assert_eq!(market.seller.get(&path, &[]).await.error(403)["code"], "account_invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_account_cannot_be_read() {
    let market = Marketplace::start().await;
    let intent = market.seller.create_intent(&[FEE]).await.ok();

    market.disconnect().await;

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
        &intent_path(&intent),
    ] {
        assert_eq!(market.seller.get(path, &[]).await.error(403)["code"], "account_invalid", "{path}");
    }
    for path in ["/v1/accounts/acct_1", "/v1/accounts/acct_1/capabilities"] {
        assert_eq!(market.api().get(path, &[]).await.error(403)["code"], "account_invalid", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_account_cannot_be_written() {
    let market = Marketplace::start().await;
    let intent = market.seller.create_intent(&[FEE]).await.ok();

    market.disconnect().await;

    for (path, params) in [
        ("/v1/products", &[("name", "Mug")][..]),
        ("/v1/refunds", &[("payment_intent", "pi_x")]),
        ("/v1/payment_intents", &[("amount", "1000"), ("currency", "eur")]),
        (&intent_path(&intent), &[("metadata[a]", "b")]),
    ] {
        let error = market.seller.post(path, params).await.error(403);
        assert_eq!(error["code"], "account_invalid", "{path}");
    }
    for (path, params) in [
        ("/v1/accounts/acct_1", [("email", "a@example.com")]),
        ("/v1/accounts/acct_1/capabilities/transfers", [("requested", "true")]),
    ] {
        assert_eq!(market.api().post(path, &params).await.error(403)["code"], "account_invalid", "{path}");
    }
    assert_eq!(market.api().create_intent(&[DESTINATION]).await.error(400)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_account_cannot_be_used_by_stripe_js() {
    let market = Marketplace::start().await;
    let intent = market.seller.create_intent(&[]).await.ok();
    market.disconnect().await;

    let params =
        [("client_secret", intent["client_secret"].as_str().unwrap()), ("_stripe_account", "acct_1")];
    let error = market.api().publishable().get(&intent_path(&intent), &params).await.error(403);

    assert_eq!(error["code"], "account_invalid");
}

const SESSION_FEE: (&str, &str) = ("payment_intent_data[application_fee_amount]", "99");
const SESSION_DESTINATION: (&str, &str) = ("payment_intent_data[transfer_data][destination]", "acct_1");

/// Asserts that the only application fee was collected from `acct_1`.
async fn assert_session_fee(market: &Marketplace) {
    let fee = market.api().single("/v1/application_fees").await;
    assert_fields(&fee, &json!({ "amount": 99, "account": "acct_1", "application": "ca_Shop" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn session_with_direct_charge_collects_fee() {
    let market = Marketplace::start().await;
    let session = market.seller.create_session(&[SESSION_FEE]).await.ok();

    let intent = pay_session(&market.seller, &session).await;

    let expected = json!({ "status": "succeeded", "application": "ca_Shop", "application_fee_amount": 99 });
    assert_fields(&intent, &expected);
    assert_session_fee(&market).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn session_with_destination_charge_collects_fee_and_transfers() {
    let market = Marketplace::start().await;
    let session = market.api().create_session(&[SESSION_FEE, SESSION_DESTINATION]).await.ok();

    let intent = pay_session(market.api(), &session).await;

    let expected = json!({ "status": "succeeded", "application": null, "application_fee_amount": 99 });
    assert_fields(&intent, &expected);
    assert_session_fee(&market).await;
    let transfer = market.api().single("/v1/transfers").await;
    assert_fields(&transfer, &json!({ "amount": 999, "destination": "acct_1" }));
}

async fn set_transfers_capability(market: &Marketplace, status: &str) {
    let params = [("capability_status[transfers]", status)];
    market.api().post("/_sandbox/accounts/acct_1", &params).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_without_active_transfers_is_rejected() {
    let market = Marketplace::start().await;
    let api = market.api();
    let intent = api.create_intent(&[DESTINATION]).await.ok();
    let session = api.create_session(&[SESSION_DESTINATION]).await.ok();
    let pay_session = format!("/_sandbox/checkout/sessions/{}/pay", id(&session));
    for status in ["inactive", "pending", "unrequested"] {
        set_transfers_capability(&market, status).await;

        for response in [
            api.create_intent(&[DESTINATION]).await,
            api.post(&format!("{}/confirm", intent_path(&intent)), &[("payment_method", "pm_card_visa")])
                .await,
            api.create_session(&[SESSION_DESTINATION]).await,
            api.post(&pay_session, &[]).await,
        ] {
            assert_fields(
                &response.error(400),
                &json!({
                    "code": "insufficient_capabilities_for_transfer",
                    "param": "transfer_data[destination]",
                }),
            );
        }
    }
    assert!(api.list("/v1/transfers").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn session_can_be_paid_after_transfers_are_active_again() {
    let market = Marketplace::start().await;
    let session = market.api().create_session(&[SESSION_DESTINATION]).await.ok();
    set_transfers_capability(&market, "inactive").await;

    set_transfers_capability(&market, "active").await;

    assert_eq!(pay_session(market.api(), &session).await["status"], "succeeded");
}

/// Returns the parameters that Stripe.js sends with the option `stripeAccount`.
fn stripe_js_params<'a>(intent: &'a Value, account: &'a str) -> [(&'static str, &'a str); 9] {
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
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_js_pays_direct_charge() {
    let market = Marketplace::start().await;
    let intent = market.seller.create_intent(&[FEE]).await.ok();

    let browser = market.api().without("authorization");
    let params = stripe_js_params(&intent, "acct_1");
    let paid = browser.post(&format!("{}/confirm", intent_path(&intent)), &params).await.ok();

    assert_eq!(paid["status"], "succeeded");
    let expected = json!({ "application": "ca_Shop", "amount_received": 1000 });
    assert_fields(&market.seller.read_intent(&intent).await, &expected);
    assert_eq!(market.api().single("/v1/application_fees").await["amount"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_js_with_other_account_does_not_find_the_intent() {
    let market = Marketplace::start().await;
    market.api().create_account(&[("id", "acct_2")]).await;
    let intent = market.seller.create_intent(&[]).await.ok();

    let browser = market.api().without("authorization");
    let params = stripe_js_params(&intent, "acct_2");
    let error = browser.post(&format!("{}/confirm", intent_path(&intent)), &params).await.error(404);

    assert_eq!(error["code"], "resource_missing");
}
