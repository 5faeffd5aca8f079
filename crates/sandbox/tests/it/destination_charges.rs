//! Payments on the platform whose money goes on to a connected account, and what comes back of it.

use serde_json::{Value, json};

use crate::support::{Answer, Api, Running, config};

const TO: (&str, &str) = ("transfer_data[destination]", "acct_1");

async fn balance(api: &Api) -> i64 {
    let balance = api.get("/v1/balance", &[]).await.ok();
    let sum = |part: &Value| -> i64 {
        part.as_array().unwrap().iter().map(|one| one["amount"].as_i64().unwrap()).sum()
    };
    sum(&balance["available"]) + sum(&balance["pending"])
}

async fn only(api: &Api, list: &str) -> Value {
    let listed = api.get(list, &[]).await.ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
    listed["data"][0].clone()
}

async fn refund(api: &Api, paid: &Value, more: &[(&str, &str)]) -> Answer {
    let mut params = vec![("payment_intent", paid["id"].as_str().unwrap())];
    params.extend_from_slice(more);
    api.post("/v1/refunds", &params).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_money_goes_on_and_the_fee_stays() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let expand = ("expand[]", "latest_charge.transfer.destination_payment");
    let params = [TO, ("application_fee_amount", "123"), ("on_behalf_of", "acct_1"), expand];
    let paid = api.pay("pm_card_visa", &params).await.ok();
    let charge = &paid["latest_charge"];
    let transfer = only(api, "/v1/transfers").await;
    assert_eq!((&transfer["amount"], &transfer["destination"]), (&1000.into(), &"acct_1".into()));
    assert_eq!(
        (&transfer["source_transaction"], &charge["transfer"]["id"]),
        (&charge["id"], &transfer["id"])
    );
    assert_eq!(transfer["transfer_group"], format!("group_{}", paid["id"].as_str().unwrap()));
    assert_eq!(transfer["transfer_group"], charge["transfer_group"]);
    let payment = &charge["transfer"]["destination_payment"];
    assert_eq!((&payment["object"], &payment["source_transfer"]), (&"charge".into(), &transfer["id"]));
    let fee = only(api, "/v1/application_fees").await;
    assert_eq!((&fee["charge"], &fee["account"]), (&payment["id"], &"acct_1".into()));
    assert_eq!(fee["originating_transaction"], charge["id"]);
    assert_eq!((&charge["application_fee"], &payment["application_fee"]), (&fee["id"], &fee["id"]));
    // The seller sees what the platform has paid, and nothing of the customer's payment.
    let path = format!("/v1/charges/{}", payment["id"].as_str().unwrap());
    assert_eq!(seller.get(&path, &[]).await.ok(), *payment);
    assert_eq!(only(&seller, "/v1/charges").await, *payment);
    api.get(&path, &[]).await.error(404);
    assert_eq!((balance(api).await, balance(&seller).await), (1_000 - 59 - 1_000 + 123, 1_000 - 123));
    let told = api.event_types().await;
    assert!(
        told.contains(&"transfer.created".to_owned()) && told.contains(&"application_fee.created".to_owned())
    );
    assert!(seller.event_types().await.is_empty());
    assert_eq!(seller.get("/v1/transfers", &[]).await.ok()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_may_be_a_part() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let group = ("transfer_group", "order_7");
    api.pay("pm_card_visa", &[TO, ("transfer_data[amount]", "600"), group]).await.ok();
    let transfer = only(api, "/v1/transfers").await;
    assert_eq!((&transfer["amount"], &transfer["transfer_group"]), (&600.into(), &"order_7".into()));
    assert_eq!((balance(api).await, balance(&seller).await), (1_000 - 59 - 600, 600));
    assert_eq!(api.get("/v1/application_fees", &[]).await.ok()["data"], json!([]));
    let path = format!("/v1/transfers/{}", transfer["id"].as_str().unwrap());
    let changed = api.post(&path, &[("metadata[a]", "b"), ("description", "Mugs")]).await.ok();
    assert_eq!((&changed["metadata"]["a"], &changed["description"]), (&"b".into(), &"Mugs".into()));
    for (filter, count) in [
        (("transfer_group", "order_7"), 1),
        (("transfer_group", "order_8"), 0),
        (("destination", "acct_1"), 1),
        (("destination", "acct_2"), 0),
    ] {
        let listed = api.get("/v1/transfers", &[filter]).await.ok();
        assert_eq!(listed["data"].as_array().unwrap().len(), count, "{filter:?}");
    }
    // What is held goes on when it is captured, and no more than that.
    let held = api.pay("pm_card_visa", &[TO, ("capture_method", "manual")]).await.ok();
    only(api, "/v1/transfers").await;
    let capture = format!("/v1/payment_intents/{}/capture", held["id"].as_str().unwrap());
    api.post(&capture, &[("amount_to_capture", "700"), ("application_fee_amount", "70")]).await.ok();
    let listed = api.get("/v1/transfers", &[("limit", "1")]).await.ok();
    assert_eq!(listed["data"][0]["amount"], 700);
    assert_eq!(only(api, "/v1/application_fees").await["amount"], 70);
    // A debit's money goes on when it has come.
    let sepa = [TO, ("allowed_payment_method_types[]", "sepa_debit")];
    let debit = api.pay("pm_sepaDebit_success_de", &sepa).await.ok();
    let path = format!("/v1/payment_intents/{}", debit["id"].as_str().unwrap());
    api.until(&path, |intent| intent["status"] == "succeeded").await;
    assert_eq!(api.get("/v1/transfers", &[]).await.ok()["data"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_takes_transfer_and_fee_back_if_it_is_asked_to() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let paid = api.pay("pm_card_visa", &[TO, ("application_fee_amount", "101")]).await.ok();
    let plain = refund(api, &paid, &[("amount", "100")]).await.ok();
    assert_eq!(plain["transfer_reversal"], Value::Null);
    assert_eq!(only(api, "/v1/transfers").await["amount_reversed"], 0);
    let both = [("reverse_transfer", "true"), ("refund_application_fee", "true"), ("amount", "500")];
    let half = refund(api, &paid, &both).await.ok();
    let transfer = only(api, "/v1/transfers").await;
    let reversal = &transfer["reversals"]["data"][0];
    assert_eq!((&transfer["amount_reversed"], &reversal["id"]), (&500.into(), &half["transfer_reversal"]));
    assert_eq!((&reversal["source_refund"], &reversal["amount"]), (&half["id"], &500.into()));
    assert_eq!(only(api, "/v1/application_fees").await["amount_refunded"], 51);
    let payment = only(&seller, "/v1/charges").await;
    assert_eq!((&payment["amount_refunded"], &payment["refunded"]), (&500.into(), &false.into()));
    assert_eq!(seller.event_types().await, ["charge.refunded"]);
    assert_eq!(balance(&seller).await, 1_000 - 101 - 500 + 51);
    let told = api.event_types().await;
    assert!(
        told.contains(&"transfer.reversed".to_owned())
            && told.contains(&"application_fee.refunded".to_owned())
    );
    let whole = api.pay("pm_card_visa", &[TO, ("application_fee_amount", "101")]).await.ok();
    let before = (balance(api).await, balance(&seller).await);
    refund(api, &whole, &both[..2]).await.ok();
    let listed = api.get("/v1/transfers", &[("limit", "1")]).await.ok();
    assert_eq!(
        (&listed["data"][0]["reversed"], &listed["data"][0]["amount_reversed"]),
        (&true.into(), &1000.into())
    );
    let after = (balance(api).await, balance(&seller).await);
    assert_eq!((after.0 - before.0, after.1 - before.1), (-101, -1_000 + 101));
    let own = api.pay("pm_card_visa", &[]).await.ok();
    for (name, message) in [
        ("reverse_transfer", "does not have an associated transfer"),
        ("refund_application_fee", "it has no application fee"),
    ] {
        let error = refund(api, &own, &[(name, "true")]).await.error(400);
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        assert_eq!(error["param"], name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_reversed_by_itself() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    api.pay("pm_card_visa", &[TO, ("application_fee_amount", "100")]).await.ok();
    let transfer = only(api, "/v1/transfers").await;
    let path = format!("/v1/transfers/{}/reversals", transfer["id"].as_str().unwrap());
    let first = api.post(&path, &[("amount", "300"), ("metadata[a]", "b")]).await.ok();
    assert_eq!((&first["object"], &first["transfer"]), (&"transfer_reversal".into(), &transfer["id"]));
    assert_eq!(only(api, "/v1/application_fees").await["amount_refunded"], 0);
    let one = format!("{path}/{}", first["id"].as_str().unwrap());
    assert_eq!(api.get(&one, &[]).await.ok(), first);
    assert_eq!(api.post(&one, &[("metadata", "")]).await.ok()["metadata"], json!({}));
    for amount in ["701", "0", "x"] {
        assert_eq!(api.post(&path, &[("amount", amount)]).await.error(400)["param"], "amount");
    }
    api.post(&path, &[("refund_application_fee", "true")]).await.ok();
    assert_eq!(only(api, "/v1/application_fees").await["amount_refunded"], 70);
    api.post(&path, &[]).await.error(400);
    assert_eq!(api.get(&path, &[]).await.ok()["data"].as_array().unwrap().len(), 2);
    assert_eq!(balance(&seller).await, 1_000 - 100 - 1_000 + 70);
    assert_eq!(api.get(&format!("{path}/trr_x"), &[]).await.error(404)["code"], "resource_missing");
    assert_eq!(api.get("/v1/transfers/tr_x", &[]).await.error(404)["code"], "resource_missing");
    api.pay("pm_card_visa", &[TO]).await.ok();
    let free = api.get("/v1/transfers", &[("limit", "1")]).await.ok()["data"][0]["id"].clone();
    let path = format!("/v1/transfers/{}/reversals", free.as_str().unwrap());
    let error = api.post(&path, &[("refund_application_fee", "true")]).await.error(400);
    assert_eq!(error["param"], "refund_application_fee");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_not_get_money_is_sent_none() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    for (params, param) in [
        (&[("transfer_data[destination]", "acct_none")][..], "transfer_data[destination]"),
        (&[("on_behalf_of", "acct_none")], "on_behalf_of"),
        (&[TO, ("transfer_data[amount]", "1001")], "transfer_data[amount]"),
        (&[TO, ("transfer_data[amount]", "0")], "transfer_data[amount]"),
        (&[TO, ("transfer_data[amount]", "1"), ("application_fee_amount", "1")], "application_fee_amount"),
        (&[TO, ("application_fee_amount", "1001")], "application_fee_amount"),
    ] {
        assert_eq!(api.create(params).await.error(400)["param"], param, "{params:?}");
    }
    let error = seller.create(&[TO]).await.error(400);
    assert_eq!((&error["code"], &error["param"]), (&"resource_missing".into(), &TO.0.into()));
    let intent = api.create(&[TO]).await.ok();
    let confirm = format!("/v1/payment_intents/{}/confirm", intent["id"].as_str().unwrap());
    let change = "/_sandbox/accounts/acct_1";
    api.post(change, &[("capability_status[transfers]", "inactive")]).await.ok();
    for refused in [api.create(&[TO]).await, api.post(&confirm, &[("payment_method", "pm_card_visa")]).await]
    {
        assert_eq!(refused.error(400)["code"], "insufficient_capabilities_for_transfer");
    }
    api.post(change, &[("capability_status[transfers]", "active")]).await.ok();
    api.post(change, &[("capability_status[card_payments]", "pending")]).await.ok();
    let error = api.create(&[TO, ("on_behalf_of", "acct_1")]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("card_payments"), "{error}");
    api.create(&[TO]).await.ok();
    api.post(&format!("{change}/disconnect"), &[]).await.ok();
    for refused in [api.create(&[TO]).await, api.post(&confirm, &[("payment_method", "pm_card_visa")]).await]
    {
        assert_eq!(refused.error(400)["code"], "resource_missing");
    }
    assert_eq!(api.get("/v1/transfers", &[]).await.ok()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkout_sends_its_money_on() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    api.seller("acct_1").await;
    let session = api
        .post(
            "/v1/checkout/sessions",
            &[
                ("mode", "payment"),
                ("success_url", "https://shop.example/done"),
                ("line_items[0][price_data][currency]", "eur"),
                ("line_items[0][price_data][unit_amount]", "1000"),
                ("line_items[0][price_data][product_data][name]", "Mug"),
                ("line_items[0][quantity]", "1"),
                ("payment_intent_data[application_fee_amount]", "100"),
                ("payment_intent_data[transfer_data][destination]", "acct_1"),
                ("payment_intent_data[on_behalf_of]", "acct_1"),
            ],
        )
        .await
        .ok();
    let id = session["id"].as_str().unwrap();
    api.post(&format!("/_sandbox/checkout/sessions/{id}/pay"), &[]).await.ok();
    assert_eq!(only(api, "/v1/transfers").await["amount"], 1000);
    assert_eq!(only(api, "/v1/application_fees").await["amount"], 100);
}

/// What has gone back already does not go back again.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_comes_back_than_is_left() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let seller = api.seller("acct_1").await;
    let paid = api.pay("pm_card_visa", &[TO, ("application_fee_amount", "100")]).await.ok();
    let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
    let transfer = only(api, "/v1/transfers").await;
    api.post(&format!("/v1/transfers/{}/reversals", id(&transfer)), &[("amount", "800")]).await.ok();
    let fee = only(api, "/v1/application_fees").await;
    api.post(&format!("/v1/application_fees/{}/refunds", id(&fee)), &[("amount", "70")]).await.ok();
    let both = [("reverse_transfer", "true"), ("refund_application_fee", "true")];
    refund(api, &paid, &both).await.ok();
    let transfer = only(api, "/v1/transfers").await;
    assert_eq!((&transfer["amount_reversed"], &transfer["reversed"]), (&1000.into(), &true.into()));
    assert_eq!(transfer["reversals"]["data"][0]["amount"], 200);
    assert_eq!(only(api, "/v1/application_fees").await["amount_refunded"], 100);
    assert_eq!(balance(&seller).await, 0);
}
