//! Checks Connect objects with the strict parsers of async-stripe.

use serde_json::Value;
use stripe_core::Balance;
use stripe_shared::{
    Account, ApplicationFee, ApplicationFeeRefund, BalanceTransaction, Capability, Charge, Event, Refund,
    Transfer, TransferReversal,
};

use crate::objects::{parse, parse_all};
use crate::support::{Api, TestSandbox, config, id};

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_every_account_type() {
    let sandbox = TestSandbox::start(config());
    for params in [
        &[("type", "standard")][..],
        &[("type", "express"), ("country", "DE"), ("business_profile[name]", "Ada")],
        &[("type", "custom"), ("capabilities[transfers][requested]", "true"), ("email", "a@example.com")],
        &[("controller[stripe_dashboard][type]", "none"), ("metadata[a]", "b")],
    ] {
        parse::<Account>(&sandbox.api.post("/v1/accounts", params).await.ok());
    }
    parse::<Account>(&sandbox.api.get("/v1/account", &[]).await.ok());
}

/// Creates an account with every kind of requirement.
async fn create_restricted_account(api: &Api) -> Value {
    api.create_account(&[
        ("requirements[errors][0][code]", "invalid_street_address"),
        ("requirements[errors][0][reason]", "Not a street."),
        ("requirements[errors][0][requirement]", "individual.address.line1"),
        ("requirements[alternatives][0][alternative_fields_due][]", "a"),
        ("requirements[alternatives][0][original_fields_due][]", "b"),
        ("requirements[disabled_reason]", "rejected.fraud"),
        ("requirements[current_deadline]", "1800000000"),
        ("capability_status[transfers]", "pending"),
        ("capability_status[card_payments]", "inactive"),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_account_with_requirements() {
    let sandbox = TestSandbox::start(config());

    parse::<Account>(&create_restricted_account(&sandbox.api).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_capabilities() {
    let sandbox = TestSandbox::start(config());
    let account = create_restricted_account(&sandbox.api).await;
    let path = format!("/v1/accounts/{}/capabilities", id(&account));

    let list = sandbox.api.get(&path, &[]).await.ok();
    for capability in list["data"].as_array().unwrap() {
        parse::<Capability>(capability);
    }
    parse::<Capability>(&sandbox.api.get(&format!("{path}/treasury"), &[]).await.ok());
}

/// A sandbox with a partially refunded direct charge and destination charge, both with a fee.
struct SharedPayments {
    sandbox: TestSandbox,
    seller: Api,
    refunds: [Value; 2],
}

impl SharedPayments {
    async fn create() -> Self {
        let sandbox = TestSandbox::start(config());
        let api = &sandbox.api;
        let seller = api.create_seller("acct_1").await;
        let destination = [
            ("transfer_data[destination]", "acct_1"),
            ("application_fee_amount", "100"),
            ("on_behalf_of", "acct_1"),
        ];
        let direct = seller.pay("pm_card_visa", &[("application_fee_amount", "100")]).await.ok();
        let transferred = api.pay("pm_card_visa", &destination).await.ok();
        let refund_fee = ("refund_application_fee", "true");
        let params = [
            ("payment_intent", id(&transferred)),
            ("reverse_transfer", "true"),
            refund_fee,
            ("amount", "300"),
        ];
        let transferred_refund = api.post("/v1/refunds", &params).await.ok();
        let params = [("payment_intent", id(&direct)), refund_fee];
        let direct_refund = seller.post("/v1/refunds", &params).await.ok();
        Self { sandbox, seller, refunds: [transferred_refund, direct_refund] }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_refunds_with_fee_and_transfer() {
    let payments = SharedPayments::create().await;

    for refund in &payments.refunds {
        parse::<Refund>(refund);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_application_fees() {
    let payments = SharedPayments::create().await;

    let expand = ["data.account", "data.charge", "data.balance_transaction", "data.originating_transaction"];
    parse_all::<ApplicationFee>(&payments.sandbox.api, "/v1/application_fees", "application_fee", &expand)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_transfers() {
    let payments = SharedPayments::create().await;

    let expand = [
        "data.destination",
        "data.destination_payment",
        "data.source_transaction",
        "data.balance_transaction",
    ];
    parse_all::<Transfer>(&payments.sandbox.api, "/v1/transfers", "transfer", &expand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_charges_of_platform_and_seller() {
    let payments = SharedPayments::create().await;

    let expand = ["data.transfer", "data.application_fee"];
    parse_all::<Charge>(&payments.sandbox.api, "/v1/charges", "charge", &expand).await;
    parse_all::<Charge>(&payments.seller, "/v1/charges", "charge", &expand[1..]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_fee_refund_and_transfer_reversal() {
    let payments = SharedPayments::create().await;
    let api = &payments.sandbox.api;

    let fee = &api.list("/v1/application_fees").await[0];
    let fee_refund = api.single(&format!("/v1/application_fees/{}/refunds", id(fee))).await;
    parse::<ApplicationFeeRefund>(&fee_refund);

    let transfer = api.single("/v1/transfers").await;
    let reversal = api.single(&format!("/v1/transfers/{}/reversals", id(&transfer))).await;
    parse::<TransferReversal>(&reversal);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_balances_of_platform_and_seller() {
    let payments = SharedPayments::create().await;

    for api in [&payments.sandbox.api, &payments.seller] {
        parse_all::<BalanceTransaction>(api, "/v1/balance_transactions", "balance_transaction", &[]).await;
        parse::<Balance>(&api.get("/v1/balance", &[]).await.ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parser_accepts_events_of_connected_account() {
    let payments = SharedPayments::create().await;
    let params = [("payouts_enabled", "false"), ("capability_status[transfers]", "inactive")];
    payments.sandbox.api.post("/_sandbox/accounts/acct_1", &params).await.ok();

    for event in payments.seller.list("/v1/events").await {
        let parsed: Event = parse(&event);
        assert_eq!(parsed.account, None);
        let object = &event["data"]["object"];
        match object["object"].as_str().unwrap() {
            "account" => drop(parse::<Account>(object)),
            "capability" => drop(parse::<Capability>(object)),
            _ => {}
        }
    }
}
