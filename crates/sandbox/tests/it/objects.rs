//! Checks objects with the strict generated parsers of async-stripe. They know every field of the API version, and fail
//! on missing fields.

use serde_json::Value;
use stripe_core::Balance;
use stripe_shared::{
    ApiErrors, BalanceTransaction, Charge, CheckoutSession, CheckoutSessionItem, Customer, Dispute, Event,
    PaymentIntent, PaymentMethod, Refund,
};

use crate::support::{Api, TestSandbox, config, id, intent_path};

pub(crate) fn parse<T: miniserde::Deserialize>(value: &Value) -> T {
    miniserde::json::from_str(&value.to_string()).unwrap_or_else(|error| panic!("{error}: {value:#}"))
}

/// Parses all objects of a list, and the objects of all events about them.
pub(crate) async fn parse_all<T: miniserde::Deserialize>(api: &Api, list: &str, kind: &str, expand: &[&str]) {
    let mut params = vec![("limit", "100")];
    params.extend(expand.iter().map(|path| ("expand[]", *path)));
    let list = api.get(list, &params).await.ok();
    let events = api.list("/v1/events").await;
    let objects = list["data"].as_array().unwrap();
    let event_objects: Vec<&Value> = events
        .iter()
        .map(|event| &event["data"]["object"])
        .filter(|object| object["object"] == kind)
        .collect();
    assert!(!objects.is_empty() && (!event_objects.is_empty() || kind == "balance_transaction"), "{kind}");
    for object in objects.iter().chain(event_objects) {
        parse::<T>(object);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_customer() {
    let sandbox = TestSandbox::start(config());

    let params = [("name", "A"), ("address[city]", "B")];
    parse::<Customer>(&sandbox.api.post("/v1/customers", &params).await.ok());
}

/// Creates intents with all kinds of payment methods and parameters. Returns the responses.
async fn create_intents(api: &Api) -> Vec<Value> {
    let customer = api.post("/v1/customers", &[]).await.ok();
    api.create_seller("acct_1").await;
    let euros =
        [("allowed_payment_method_types[]", "card"), ("allowed_payment_method_types[]", "sepa_debit")];
    let dollars = [("allowed_payment_method_types[]", "us_bank_account"), ("currency", "usd")];
    let manual = [("capture_method", "manual")];
    let all_params = [
        ("customer", id(&customer)),
        ("setup_future_usage", "off_session"),
        ("shipping[name]", "A"),
        ("shipping[address][line1]", "B"),
        ("transfer_data[destination]", "acct_1"),
        ("on_behalf_of", "acct_1"),
        ("application_fee_amount", "1"),
        ("return_url", "https://example.com/"),
    ];
    let mut intents = Vec::new();
    for (method, params) in [
        ("pm_card_visa", &all_params[..]),
        ("pm_card_visa", &manual),
        ("pm_card_authenticationRequired", &[]),
        ("pm_card_authenticationRequired", &all_params),
        ("pm_sepaDebit_success_de", &euros),
        ("pm_usBankAccount_insufficientFunds", &dollars),
    ] {
        intents.push(api.pay(method, params).await.ok());
    }
    intents
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_intents_in_every_status() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    for intent in create_intents(api).await {
        parse::<PaymentIntent>(&intent);
    }

    // Wait until the debits are settled.
    api.wait_until("/v1/payment_intents", |list| {
        list["data"].as_array().unwrap().iter().all(|intent| intent["status"] != "processing")
    })
    .await;

    for expansion in ["data.latest_charge", "data.payment_method", "data.customer"] {
        let intents = api.get("/v1/payment_intents", &[("expand[]", expansion)]).await.ok();
        for intent in intents["data"].as_array().unwrap() {
            parse::<PaymentIntent>(intent);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_charges_and_events_of_intents() {
    let sandbox = TestSandbox::start(config());
    create_intents(&sandbox.api).await;

    for charge in sandbox.api.list("/v1/charges").await {
        parse::<Charge>(&charge);
    }
    for event in sandbox.api.list("/v1/events").await {
        let parsed: Event = parse(&event);
        assert_eq!(parsed.api_version.as_deref(), Some(quittance_sandbox::API_VERSION));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_declines() {
    let sandbox = TestSandbox::start(config());
    for method in ["pm_card_visa_chargeDeclined", "pm_card_radarBlock", "pm_card_chargeDeclinedIncorrectCvc"]
    {
        let error = sandbox.api.pay(method, &[]).await.error(402);

        let intent: PaymentIntent = parse(&error["payment_intent"]);
        assert!(intent.last_payment_error.is_some());
        parse::<ApiErrors>(&error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_payment_methods() {
    let sandbox = TestSandbox::start(config());
    for method in ["pm_card_amex", "pm_success_at", "pm_usBankAccount_success"] {
        parse::<PaymentMethod>(&sandbox.api.get(&format!("/v1/payment_methods/{method}"), &[]).await.ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_refunds() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    for method in ["pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"] {
        let paid = api.pay(method, &[]).await.ok();
        let params = [("payment_intent", id(&paid)), ("reason", "duplicate"), ("amount", "400")];
        parse::<Refund>(&api.post("/v1/refunds", &params).await.ok());
    }
    api.advance(2).await;

    let expand = ["data.charge", "data.payment_intent", "data.balance_transaction"];
    parse_all::<Refund>(api, "/v1/refunds", "refund", &expand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_voucher_payment_and_its_refund() {
    let sandbox = TestSandbox::start(config());
    let params = [
        ("allowed_payment_method_types[]", "multibanco"),
        ("payment_method_data[type]", "multibanco"),
        ("payment_method_data[billing_details][email]", "ana@example.com"),
        ("confirm", "true"),
    ];
    let intent = sandbox.api.create_intent(&params).await.ok();
    parse::<PaymentIntent>(&intent);

    let settle = format!("{}/settle", intent_path(&intent).replace("/v1", "/_sandbox"));
    sandbox.api.post(&settle, &[("outcome", "succeeded")]).await.ok();

    let params = [("payment_intent", id(&intent))];
    parse::<Refund>(&sandbox.api.post("/v1/refunds", &params).await.ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_disputes() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    for method in ["pm_card_createDispute", "pm_card_createDisputeInquiry", "pm_card_createMultipleDisputes"]
    {
        api.pay(method, &[]).await.ok();
    }
    api.advance(2).await;
    let won = format!("/v1/disputes/{}", id(&api.list("/v1/disputes").await[0]));
    api.post(&won, &[("evidence[uncategorized_text]", "winning_evidence")]).await.ok();
    api.advance(2).await;

    parse::<Dispute>(&api.get(&won, &[("expand[]", "charge"), ("expand[]", "payment_intent")]).await.ok());
    parse_all::<Dispute>(api, "/v1/disputes", "dispute", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_checkout_sessions() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let all_params = [
        ("customer_email", "a@example.com"),
        ("billing_address_collection", "required"),
        ("submit_type", "pay"),
        ("locale", "auto"),
    ];
    for (method, params) in [("pm_card_visa", &all_params[..]), ("pm_sepaDebit_successDelayed_de", &[])] {
        let session = api.create_session(params).await.ok();
        parse::<CheckoutSession>(&session);
        let pay = format!("/_sandbox/checkout/sessions/{}/pay", id(&session));
        api.post(&pay, &[("payment_method", method)]).await.ok();
    }
    let expired = api.create_session(&[]).await.ok();
    api.post(&format!("/v1/checkout/sessions/{}/expire", id(&expired)), &[]).await.ok();

    let expand = ["data.payment_intent", "data.line_items", "data.customer"];
    parse_all::<CheckoutSession>(api, "/v1/checkout/sessions", "checkout.session", &expand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_line_items() {
    let sandbox = TestSandbox::start(config());
    let session = sandbox.api.create_session(&[]).await.ok();

    let item = sandbox.api.single(&format!("/v1/checkout/sessions/{}/line_items", id(&session))).await;

    parse::<CheckoutSessionItem>(&item);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_all_movements_of_money() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    for method in ["pm_card_refundFail", "pm_card_createDispute"] {
        let paid = api.pay(method, &[]).await.ok();
        api.post("/v1/refunds", &[("payment_intent", id(&paid)), ("amount", "400")]).await.ok();
    }
    api.advance(2).await;

    let expand = ["data.balance_transaction", "data.refunds", "data.payment_intent"];
    parse_all::<Charge>(api, "/v1/charges", "charge", &expand).await;
    let path = "/v1/balance_transactions";
    parse_all::<BalanceTransaction>(api, path, "balance_transaction", &["data.source"]).await;
    parse::<Balance>(&api.get("/v1/balance", &[]).await.ok());
    for event in api.list("/v1/events").await {
        parse::<Event>(&event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_contains_every_field_even_if_null() {
    let sandbox = TestSandbox::start(config());

    let intent = sandbox.api.pay("pm_card_visa", &[]).await.ok();

    for field in [
        "id",
        "object",
        "amount",
        "amount_capturable",
        "amount_details",
        "amount_received",
        "application",
        "application_fee_amount",
        "automatic_payment_methods",
        "canceled_at",
        "cancellation_reason",
        "capture_method",
        "client_secret",
        "confirmation_method",
        "created",
        "currency",
        "customer",
        "description",
        "last_payment_error",
        "latest_charge",
        "livemode",
        "metadata",
        "next_action",
        "on_behalf_of",
        "payment_method",
        "payment_method_configuration_details",
        "payment_method_options",
        "payment_method_types",
        "processing",
        "receipt_email",
        "review",
        "setup_future_usage",
        "shipping",
        "source",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "status",
        "transfer_data",
        "transfer_group",
    ] {
        assert!(intent.get(field).is_some(), "{field}");
    }
}
