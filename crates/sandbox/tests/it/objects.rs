//! What the sandbox answers is read by the strict generated parsers of async-stripe, which know every field
//! of the API version and fail on one that is missing.

use serde_json::Value;
use stripe_core::Balance;
use stripe_shared::{
    BalanceTransaction, Charge, CheckoutSession, CheckoutSessionItem, Customer, Dispute, Event,
    PaymentIntent, PaymentMethod, Refund,
};

use crate::support::{Api, Running, config};

pub(crate) fn parse<T: miniserde::Deserialize>(value: &Value) -> T {
    miniserde::json::from_str(&value.to_string()).unwrap_or_else(|error| panic!("{error}: {value:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parsers_take_every_object() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let customer = api.post("/v1/customers", &[("name", "A"), ("address[city]", "B")]).await.ok();
    parse::<Customer>(&customer);
    api.seller("acct_1").await;
    let euros =
        [("allowed_payment_method_types[]", "card"), ("allowed_payment_method_types[]", "sepa_debit")];
    let dollars = [("allowed_payment_method_types[]", "us_bank_account"), ("currency", "usd")];
    let manual = [("capture_method", "manual")];
    let rich = [
        ("customer", customer["id"].as_str().unwrap()),
        ("setup_future_usage", "off_session"),
        ("shipping[name]", "A"),
        ("shipping[address][line1]", "B"),
        ("transfer_data[destination]", "acct_1"),
        ("on_behalf_of", "acct_1"),
        ("application_fee_amount", "1"),
        ("return_url", "https://example.com/"),
    ];
    for (method, params) in [
        ("pm_card_visa", &rich[..]),
        ("pm_card_visa", &manual),
        ("pm_card_authenticationRequired", &[]),
        ("pm_card_authenticationRequired", &rich),
        ("pm_sepaDebit_success_de", &euros),
        ("pm_usBankAccount_insufficientFunds", &dollars),
    ] {
        parse::<PaymentIntent>(&api.pay(method, params).await.ok());
    }
    for method in ["pm_card_visa_chargeDeclined", "pm_card_radarBlock", "pm_card_chargeDeclinedIncorrectCvc"]
    {
        let error = api.pay(method, &[]).await.error(402);
        let failed: PaymentIntent = parse(&error["payment_intent"]);
        assert!(failed.last_payment_error.is_some());
        parse::<stripe_shared::ApiErrors>(&error);
    }
    for method in ["pm_card_amex", "pm_success_at", "pm_usBankAccount_success"] {
        parse::<PaymentMethod>(&api.get(&format!("/v1/payment_methods/{method}"), &[]).await.ok());
    }
    // Includes the debits that have settled meanwhile, in either way.
    api.until("/v1/payment_intents", |list| {
        list["data"].as_array().unwrap().iter().all(|intent| intent["status"] != "processing")
    })
    .await;
    for expanded in ["data.latest_charge", "data.payment_method", "data.customer"] {
        let intents = api.get("/v1/payment_intents", &[("limit", "100"), ("expand[]", expanded)]).await.ok();
        for intent in intents["data"].as_array().unwrap() {
            parse::<PaymentIntent>(intent);
        }
    }
    for charge in api.get("/v1/charges", &[("limit", "100")]).await.ok()["data"].as_array().unwrap() {
        parse::<Charge>(charge);
    }
    for event in api.get("/v1/events", &[("limit", "100")]).await.ok()["data"].as_array().unwrap() {
        let parsed: Event = parse(event);
        assert_eq!(parsed.api_version.as_deref(), Some(quittance_sandbox::API_VERSION));
    }
}

/// The answer and the events' objects, by the parser of their kind.
pub(crate) async fn parse_all<T: miniserde::Deserialize>(api: &Api, list: &str, kind: &str, expand: &[&str]) {
    let mut params = vec![("limit", "100")];
    params.extend(expand.iter().map(|path| ("expand[]", *path)));
    let objects = api.get(list, &params).await.ok();
    let events = api.get("/v1/events", &[("limit", "100")]).await.ok();
    let objects = objects["data"].as_array().unwrap();
    let events = events["data"].as_array().unwrap().iter().map(|event| &event["data"]["object"]);
    let told: Vec<&Value> = events.filter(|object| object["object"] == kind).collect();
    assert!(!objects.is_empty() && (!told.is_empty() || kind == "balance_transaction"), "{kind}");
    for object in objects.iter().chain(told) {
        parse::<T>(object);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parsers_take_every_way_money_moves() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    for method in ["pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"] {
        let paid = api.pay(method, &[]).await.ok();
        let params =
            [("payment_intent", paid["id"].as_str().unwrap()), ("reason", "duplicate"), ("amount", "400")];
        parse::<Refund>(&api.post("/v1/refunds", &params).await.ok());
    }
    let voucher = [
        ("allowed_payment_method_types[]", "multibanco"),
        ("payment_method_data[type]", "multibanco"),
        ("payment_method_data[billing_details][email]", "ana@example.com"),
        ("confirm", "true"),
    ];
    let voucher = api.create(&voucher).await.ok();
    parse::<PaymentIntent>(&voucher);
    let voucher = voucher["id"].as_str().unwrap();
    api.post(&format!("/_sandbox/payment_intents/{voucher}/settle"), &[("outcome", "succeeded")]).await.ok();
    parse::<Refund>(&api.post("/v1/refunds", &[("payment_intent", voucher)]).await.ok());
    for method in ["pm_card_createDispute", "pm_card_createDisputeInquiry", "pm_card_createMultipleDisputes"]
    {
        api.pay(method, &[]).await.ok();
    }
    api.advance(2).await;
    let disputes = api.get("/v1/disputes", &[]).await.ok();
    let won = format!("/v1/disputes/{}", disputes["data"][0]["id"].as_str().unwrap());
    api.post(&won, &[("evidence[uncategorized_text]", "winning_evidence")]).await.ok();
    api.advance(2).await;
    parse::<Dispute>(&api.get(&won, &[("expand[]", "charge"), ("expand[]", "payment_intent")]).await.ok());
    let rich = [
        ("customer_email", "a@example.com"),
        ("billing_address_collection", "required"),
        ("submit_type", "pay"),
        ("locale", "auto"),
    ];
    for (method, more) in [("pm_card_visa", &rich[..]), ("pm_sepaDebit_successDelayed_de", &[])] {
        let session = api.sell(more).await.ok();
        parse::<CheckoutSession>(&session);
        let pay = format!("/_sandbox/checkout/sessions/{}/pay", session["id"].as_str().unwrap());
        api.post(&pay, &[("payment_method", method)]).await.ok();
    }
    let open = api.sell(&[]).await.ok();
    let expire = format!("/v1/checkout/sessions/{}", open["id"].as_str().unwrap());
    for item in api.get(&format!("{expire}/line_items"), &[]).await.ok()["data"].as_array().unwrap() {
        parse::<CheckoutSessionItem>(item);
    }
    api.post(&format!("{expire}/expire"), &[]).await.ok();

    let session_parts = ["data.payment_intent", "data.line_items", "data.customer"];
    parse_all::<CheckoutSession>(api, "/v1/checkout/sessions", "checkout.session", &session_parts).await;
    let refund_parts = ["data.charge", "data.payment_intent", "data.balance_transaction"];
    parse_all::<Refund>(api, "/v1/refunds", "refund", &refund_parts).await;
    parse_all::<Dispute>(api, "/v1/disputes", "dispute", &[]).await;
    let charge_parts = ["data.balance_transaction", "data.refunds", "data.payment_intent"];
    parse_all::<Charge>(api, "/v1/charges", "charge", &charge_parts).await;
    parse_all::<BalanceTransaction>(api, "/v1/balance_transactions", "balance_transaction", &["data.source"])
        .await;
    parse::<Balance>(&api.get("/v1/balance", &[]).await.ok());
    for event in api.get("/v1/events", &[("limit", "100")]).await.ok()["data"].as_array().unwrap() {
        parse::<Event>(event);
    }
}

/// Every field that the parser has is in the answer, null or not: nobody has to tell absent from null.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_intent_has_stripes_fields() {
    let sandbox = Running::start(config());
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
