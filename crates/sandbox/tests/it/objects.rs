//! What the sandbox answers is read by the strict generated parsers of async-stripe, which know every field
//! of the API version and fail on one that is missing.

use serde_json::Value;
use stripe_shared::{Charge, Customer, Event, PaymentIntent, PaymentMethod};

use crate::support::{Running, config};

fn parse<T: miniserde::Deserialize>(value: &Value) -> T {
    miniserde::json::from_str(&value.to_string()).unwrap_or_else(|error| panic!("{error}: {value:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parsers_take_every_object() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let customer = api.post("/v1/customers", &[("name", "A"), ("address[city]", "B")]).await.ok();
    parse::<Customer>(&customer);
    let euros = [("payment_method_types[]", "card"), ("payment_method_types[]", "sepa_debit")];
    let dollars = [("payment_method_types[]", "us_bank_account"), ("currency", "usd")];
    let manual = [("capture_method", "manual")];
    let rich = [
        ("customer", customer["id"].as_str().unwrap()),
        ("setup_future_usage", "off_session"),
        ("shipping[name]", "A"),
        ("shipping[address][line1]", "B"),
        ("transfer_data[destination]", "acct_1"),
        ("transfer_data[amount]", "5"),
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
