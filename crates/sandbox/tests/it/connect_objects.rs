//! The strict parsers of async-stripe on the objects of Connect.

use stripe_core::Balance;
use stripe_shared::{
    Account, ApplicationFee, ApplicationFeeRefund, BalanceTransaction, Capability, Charge, Event, Refund,
    Transfer, TransferReversal,
};

use crate::objects::{parse, parse_all};
use crate::support::{Running, config};

#[tokio::test(flavor = "multi_thread")]
async fn strict_parsers_take_every_account() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    for params in [
        &[("type", "standard")][..],
        &[("type", "express"), ("country", "DE"), ("business_profile[name]", "Ada")],
        &[("type", "custom"), ("capabilities[transfers][requested]", "true"), ("email", "a@example.com")],
        &[("controller[stripe_dashboard][type]", "none"), ("metadata[a]", "b")],
    ] {
        parse::<Account>(&api.post("/v1/accounts", params).await.ok());
    }
    let odd = api
        .account(&[
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
        .await;
    parse::<Account>(&odd);
    let capabilities = format!("/v1/accounts/{}/capabilities", odd["id"].as_str().unwrap());
    for capability in api.get(&capabilities, &[]).await.ok()["data"].as_array().unwrap() {
        parse::<Capability>(capability);
    }
    parse::<Capability>(&api.get(&format!("{capabilities}/treasury"), &[]).await.ok());
    parse::<Account>(&api.get("/v1/account", &[]).await.ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_parsers_take_every_way_money_is_shared() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let shares = [
        ("transfer_data[destination]", "acct_1"),
        ("application_fee_amount", "100"),
        ("on_behalf_of", "acct_1"),
    ];
    let direct = seller.pay("pm_card_visa", &[("application_fee_amount", "100")]).await.ok();
    let sent = api.pay("pm_card_visa", &shares).await.ok();
    let take_back = [("reverse_transfer", "true"), ("refund_application_fee", "true"), ("amount", "300")];
    let mut params = vec![("payment_intent", sent["id"].as_str().unwrap())];
    params.extend_from_slice(&take_back);
    let refund = api.post("/v1/refunds", &params).await.ok();
    parse::<Refund>(&refund);
    let params = [("payment_intent", direct["id"].as_str().unwrap()), take_back[1]];
    parse::<Refund>(&seller.post("/v1/refunds", &params).await.ok());
    parse_all::<ApplicationFee>(
        api,
        "/v1/application_fees",
        "application_fee",
        &["data.account", "data.charge", "data.balance_transaction", "data.originating_transaction"],
    )
    .await;
    parse_all::<Transfer>(
        api,
        "/v1/transfers",
        "transfer",
        &[
            "data.destination",
            "data.destination_payment",
            "data.source_transaction",
            "data.balance_transaction",
        ],
    )
    .await;
    parse_all::<Charge>(api, "/v1/charges", "charge", &["data.transfer", "data.application_fee"]).await;
    parse_all::<Charge>(&seller, "/v1/charges", "charge", &["data.application_fee"]).await;
    for (list, of) in [("application_fees", "refunds"), ("transfers", "reversals")] {
        let first = api.get(&format!("/v1/{list}"), &[("limit", "1")]).await.ok()["data"][0]["id"].clone();
        let path = format!("/v1/{list}/{}/{of}", first.as_str().unwrap());
        let part = api.get(&path, &[]).await.ok()["data"][0].clone();
        if of == "refunds" {
            drop(parse::<ApplicationFeeRefund>(&part));
        } else {
            drop(parse::<TransferReversal>(&part));
        }
    }
    for world in [api, &seller] {
        parse_all::<BalanceTransaction>(world, "/v1/balance_transactions", "balance_transaction", &[]).await;
        parse::<Balance>(&world.get("/v1/balance", &[]).await.ok());
    }
    api.post(
        "/_sandbox/accounts/acct_1",
        &[("payouts_enabled", "false"), ("capability_status[transfers]", "inactive")],
    )
    .await
    .ok();
    for event in seller.get("/v1/events", &[("limit", "100")]).await.ok()["data"].as_array().unwrap() {
        let parsed: Event = parse(event);
        assert_eq!(parsed.account, None);
        match event["data"]["object"]["object"].as_str().unwrap() {
            "account" => drop(parse::<Account>(&event["data"]["object"])),
            "capability" => drop(parse::<Capability>(&event["data"]["object"])),
            _ => {}
        }
    }
}
