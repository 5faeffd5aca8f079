//! Payments on a connected account, of which the platform takes a fee, and what becomes of the fee.

use serde_json::{Value, json};

use crate::support::{Api, Receiver, Running, config};

async fn balance(api: &Api) -> i64 {
    let balance = api.get("/v1/balance", &[]).await.ok();
    let sum = |part: &Value| -> i64 {
        part.as_array().unwrap().iter().map(|one| one["amount"].as_i64().unwrap()).sum()
    };
    sum(&balance["available"]) + sum(&balance["pending"])
}

async fn only_fee(api: &Api) -> Value {
    let fees = api.get("/v1/application_fees", &[]).await.ok();
    assert_eq!(fees["data"].as_array().unwrap().len(), 1);
    fees["data"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_gets_its_fee_of_a_sellers_payment() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let (mut own, mut connect) = (Receiver::start(0), Receiver::start(0));
    sandbox.handle.register_webhook_endpoint(&own.url, "whsec_x").unwrap();
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    let seller = api.seller("acct_1").await;
    let expand = [("application_fee_amount", "123"), ("expand[]", "latest_charge")];
    let paid = seller.pay("pm_card_visa", &expand).await.ok();
    let charge = &paid["latest_charge"];
    let fee = only_fee(api).await;
    assert_eq!((&fee["amount"], &fee["account"]), (&123.into(), &"acct_1".into()));
    assert_eq!((&fee["charge"], &charge["application_fee"]), (&charge["id"], &fee["id"]));
    assert_eq!(fee["originating_transaction"], Value::Null);
    assert_eq!((&fee["refunded"], &fee["refunds"]["data"]), (&false.into(), &json!([])));
    // 2.9 % and 30 are Stripe's.
    assert_eq!((balance(&seller).await, balance(api).await), (1_000 - 59 - 123, 123));
    let moved = charge["balance_transaction"].as_str().unwrap();
    let moved = seller.get(&format!("/v1/balance_transactions/{moved}"), &[]).await.ok();
    assert_eq!((&moved["fee"], &moved["net"]), (&182.into(), &818.into()));
    let kinds: Vec<&Value> =
        moved["fee_details"].as_array().unwrap().iter().map(|fee| &fee["type"]).collect();
    assert_eq!(kinds, ["application_fee", "stripe_fee"]);
    let told = own.next().await.body;
    assert_eq!(
        (&told["type"], &told["data"]["object"]["id"]),
        (&"application_fee.created".into(), &fee["id"])
    );
    assert_eq!(told.get("account"), None, "a fee is the platform's own");
    assert_eq!(api.event_types().await, ["application_fee.created"]);
    for _ in 0..3 {
        assert_eq!(connect.next().await.body["account"], "acct_1");
    }
    // The same id under another account is nothing.
    let path = format!("/v1/payment_intents/{}", paid["id"].as_str().unwrap());
    let neighbour = api.seller("acct_2").await;
    assert_eq!(neighbour.get(&path, &[]).await.error(404)["code"], "resource_missing");
    let seen = seller.get("/v1/application_fees", &[]).await.ok();
    assert_eq!(seen["data"], json!([]), "fees belong to the platform");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_gives_the_fee_back_if_it_is_asked_to() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let paid = seller.pay("pm_card_visa", &[("application_fee_amount", "101")]).await.ok();
    let intent = ("payment_intent", paid["id"].as_str().unwrap());
    seller.post("/v1/refunds", &[intent, ("amount", "100")]).await.ok();
    assert_eq!(only_fee(api).await["amount_refunded"], 0);
    let with_fee = ("refund_application_fee", "true");
    seller.post("/v1/refunds", &[intent, ("amount", "500"), with_fee]).await.ok();
    let fee = only_fee(api).await;
    assert_eq!((&fee["amount_refunded"], &fee["refunded"]), (&51.into(), &false.into()), "half, rounded");
    assert_eq!(fee["refunds"]["data"][0]["amount"], 51);
    assert_eq!(fee["refunds"]["data"][0]["fee"], fee["id"]);
    seller.post("/v1/refunds", &[intent, with_fee]).await.ok();
    assert_eq!(only_fee(api).await["amount_refunded"], 91, "forty of a hundred, rounded");
    assert_eq!((balance(api).await, balance(&seller).await), (101 - 91, -59 - 10));
    let whole = seller.pay("pm_card_visa", &[("application_fee_amount", "101")]).await.ok();
    seller.post("/v1/refunds", &[("payment_intent", whole["id"].as_str().unwrap()), with_fee]).await.ok();
    let fees = api.get("/v1/application_fees", &[("limit", "1")]).await.ok();
    assert_eq!(
        (&fees["data"][0]["amount_refunded"], &fees["data"][0]["refunded"]),
        (&101.into(), &true.into())
    );
    let told = api.event_types().await;
    assert_eq!(told.iter().filter(|type_| *type_ == "application_fee.refunded").count(), 3);
    let unshared = seller.pay("pm_card_visa", &[]).await.ok();
    let refused = [("payment_intent", unshared["id"].as_str().unwrap()), with_fee];
    let refused = seller.post("/v1/refunds", &refused).await.error(400);
    assert!(refused["message"].as_str().unwrap().contains("it has no application fee"));
    let path = format!("/v1/payment_intents/{}", unshared["id"].as_str().unwrap());
    let charge = seller.get(&path, &[("expand[]", "latest_charge")]).await.ok()["latest_charge"].clone();
    assert_eq!(charge["amount_refunded"], 0, "what was refused has changed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_gives_a_fee_back_by_itself() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    seller.pay("pm_card_visa", &[("application_fee_amount", "100")]).await.ok();
    let fee = only_fee(api).await;
    let path = format!("/v1/application_fees/{}", fee["id"].as_str().unwrap());
    let refunds = format!("{path}/refunds");
    let first = api.post(&refunds, &[("amount", "30"), ("metadata[why]", "kind")]).await.ok();
    assert_eq!((&first["object"], &first["amount"]), (&"fee_refund".into(), &30.into()));
    let one = format!("{refunds}/{}", first["id"].as_str().unwrap());
    assert_eq!(api.get(&one, &[]).await.ok(), first);
    assert_eq!(api.post(&one, &[("metadata[why]", "")]).await.ok()["metadata"], json!({}));
    for amount in ["71", "0", "-1", "x"] {
        assert_eq!(api.post(&refunds, &[("amount", amount)]).await.error(400)["param"], "amount");
    }
    api.post(&refunds, &[]).await.ok();
    api.post(&refunds, &[]).await.error(400);
    let after = api.get(&path, &[]).await.ok();
    assert_eq!((&after["amount_refunded"], &after["refunded"]), (&100.into(), &true.into()));
    assert_eq!(api.get(&refunds, &[("limit", "1")]).await.ok()["has_more"], true);
    assert_eq!((balance(api).await, balance(&seller).await), (0, 1_000 - 59));
    assert_eq!(api.get("/v1/application_fees/fee_x", &[]).await.error(404)["code"], "resource_missing");
    assert_eq!(api.get(&format!("{refunds}/fr_x"), &[]).await.error(404)["code"], "resource_missing");
    let of_charge = [("charge", fee["charge"].as_str().unwrap())];
    assert_eq!(api.get("/v1/application_fees", &of_charge).await.ok()["data"].as_array().unwrap().len(), 1);
    assert_eq!(api.get("/v1/application_fees", &[("charge", "ch_x")]).await.ok()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_fits_its_payment() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    for fee in ["1001", "-1"] {
        let error = seller.create(&[("application_fee_amount", fee)]).await.error(400);
        assert_eq!(error["param"], "application_fee_amount");
    }
    let error = api.create(&[("application_fee_amount", "1")]).await.error(400);
    assert!(error["message"].as_str().unwrap().starts_with("Can only apply an application_fee_amount"));
    let all = seller.pay("pm_card_visa", &[("application_fee_amount", "1000")]).await.ok();
    assert_eq!(all["status"], "succeeded");
    seller.pay("pm_card_visa", &[("application_fee_amount", "0")]).await.ok();
    assert_eq!(only_fee(api).await["amount"], 1_000, "no fee, no object");
    // Of what is held, the fee is taken when the money is.
    let manual = [("capture_method", "manual"), ("application_fee_amount", "500")];
    let held = seller.pay("pm_card_visa", &manual).await.ok();
    only_fee(api).await;
    let path = format!("/v1/payment_intents/{}/capture", held["id"].as_str().unwrap());
    let error = seller.post(&path, &[("amount_to_capture", "400")]).await.error(400);
    assert_eq!(error["param"], "application_fee_amount", "more than is captured");
    seller.post(&path, &[("amount_to_capture", "400"), ("application_fee_amount", "40")]).await.ok();
    let fees = api.get("/v1/application_fees", &[("limit", "1")]).await.ok();
    assert_eq!(fees["data"][0]["amount"], 40);
    let declined = seller.pay("pm_card_visa_chargeDeclined", &[("application_fee_amount", "100")]).await;
    declined.error(402);
    assert_eq!(api.get("/v1/application_fees", &[]).await.ok()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_ready_charges_nothing() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let intent = seller.create(&[]).await.ok();
    let secret = intent["client_secret"].as_str().unwrap().to_owned();
    let confirm = format!("/v1/payment_intents/{}/confirm", intent["id"].as_str().unwrap());
    let session = [
        ("mode", "payment"),
        ("success_url", "https://shop.example/done"),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "1000"),
        ("line_items[0][price_data][product_data][name]", "Mug"),
        ("line_items[0][quantity]", "1"),
    ];
    let open = seller.post("/v1/checkout/sessions", &session).await.ok();
    let pay_session = format!("/_sandbox/checkout/sessions/{}/pay", open["id"].as_str().unwrap());
    let change = "/_sandbox/accounts/acct_1";
    for (off, on, message) in [
        (("charges_enabled", "false"), ("charges_enabled", "true"), "cannot currently make charges"),
        (
            ("capability_status[card_payments]", "inactive"),
            ("capability_status[card_payments]", "active"),
            "without the `card_payments` capability",
        ),
    ] {
        api.post(change, &[off]).await.ok();
        let visa = ("payment_method", "pm_card_visa");
        for refused in [
            seller.create(&[]).await,
            seller.post(&confirm, &[visa]).await,
            seller.publishable().post(&confirm, &[visa, ("client_secret", &secret)]).await,
            seller.post("/v1/checkout/sessions", &session).await,
            seller.post(&pay_session, &[]).await,
        ] {
            let error = refused.error(400);
            assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        }
        api.post(change, &[on]).await.ok();
    }
    seller.post(&confirm, &[("payment_method", "pm_card_visa")]).await.ok();
    assert_eq!(seller.post(&pay_session, &[]).await.ok()["status"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn checkout_on_a_connected_account_pays_the_fee_too() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let session = seller
        .post(
            "/v1/checkout/sessions",
            &[
                ("mode", "payment"),
                ("success_url", "https://shop.example/done"),
                ("line_items[0][price_data][currency]", "eur"),
                ("line_items[0][price_data][unit_amount]", "1000"),
                ("line_items[0][price_data][product_data][name]", "Mug"),
                ("line_items[0][quantity]", "2"),
                ("payment_intent_data[application_fee_amount]", "250"),
            ],
        )
        .await
        .ok();
    let id = session["id"].as_str().unwrap();
    seller.post(&format!("/_sandbox/checkout/sessions/{id}/pay"), &[]).await.ok();
    assert_eq!(only_fee(api).await["amount"], 250);
    api.get(&format!("/v1/checkout/sessions/{id}"), &[]).await.error(404);
    assert!(seller.event_types().await.contains(&"checkout.session.completed".to_owned()));
}
