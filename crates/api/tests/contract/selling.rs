//! Sales through sellers: a product's seller, the order's terms, and the charged account.

use serde_json::{Value, json};

use crate::app::{Setup, TestApp, basket, return_urls, text};
use crate::marketplace::path_of;

/// Returns the seller fields of an order.
fn seller_terms(order: &Value) -> [Value; 3] {
    ["seller_id", "charge_type", "application_fee_amount"].map(|name| order[name].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn product_belongs_to_a_seller_or_the_platform() {
    let app = TestApp::start().await;
    let (seller, other) = (app.connected_seller("ada").await, app.connected_seller("eve").await);
    let product = app.product_of(&seller, 2499).await;
    let path = format!("/v1/products/{product}");
    assert_eq!(app.get(&path).send().await.ok(200)["seller_id"], seller["id"]);
    let change = async |body: Value| app.patch(&path).shop().json(&body).send().await;
    assert_eq!(
        change(json!({"name": "Ink"})).await.ok(200)["seller_id"],
        seller["id"],
        "the seller is unchanged"
    );
    assert_eq!(change(json!({"seller_id": other["id"]})).await.ok(200)["seller_id"], other["id"]);
    assert_eq!(change(json!({"seller_id": null})).await.ok(200)["seller_id"], json!(null));
    let unknown = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7";
    let new = json!({"name": "Ink", "unit_amount": 1, "currency": "eur", "seller_id": unknown});
    for answer in
        [change(json!({"seller_id": unknown})).await, app.post("/v1/products").shop().json(&new).send().await]
    {
        let error = &answer.problem(422, "invalid_request")["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!("/seller_id"), &json!("unknown_seller")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_has_one_seller_and_keeps_its_terms() {
    let app = TestApp::start().await;
    let (seller, other) = (app.connected_seller("ada").await, app.connected_seller("eve").await);
    let order = app.order_of(&seller).await;
    assert_eq!(
        seller_terms(&order),
        [seller["id"].clone(), json!("direct"), json!(null)],
        "the order's holder"
    );
    let path = format!("/v1/orders/{}", text(&order["id"]));
    let token = text(&order["client_token"]);
    assert_eq!(seller_terms(&app.get(&path).bearer(&token).send().await.ok(200)), seller_terms(&order));
    let order = app.get(&path).shop().send().await.ok(200);
    // 2.5% of 49.98 is 1.2495, plus 0.30.
    assert_eq!(seller_terms(&order), [seller["id"].clone(), json!("direct"), json!(155)]);
    app.change_seller(&seller, &json!({"charge_type": "destination", "fee_basis_points": 0})).await;
    assert_eq!(seller_terms(&app.get(&path).shop().send().await.ok(200)), seller_terms(&order));
    let (own, foreign) = (app.product(100).await, app.product_of(&other, 100).await);
    let of_seller = text(&order["items"][0]["product_id"]);
    let items = |ids: &[&str]| -> Value {
        ids.iter().map(|id| json!({"product_id": id, "quantity": 1})).collect::<Vec<_>>().into()
    };
    for ids in [[&*of_seller, &*own], [&*own, &*of_seller], [&*of_seller, &*foreign]] {
        let body = json!({"items": items(&ids)});
        for answer in [
            app.post("/v1/orders").json(&body).send().await,
            app.patch(&path).shop().json(&body).send().await,
        ] {
            let error = &answer.problem(422, "invalid_request")["errors"][0];
            assert_eq!(error["pointer"], "/items/1/product_id");
            assert_eq!(error["code"], "mixed_sellers");
        }
    }
    let again = json!({"items": items(&[&of_seller])});
    let changed = app.patch(&path).shop().json(&again).send().await.ok(200);
    assert_eq!(seller_terms(&changed), [seller["id"].clone(), json!("destination"), json!(30)]);
    let changed = app.patch(&path).shop().json(&json!({"items": items(&[&own])})).send().await.ok(200);
    assert_eq!(seller_terms(&changed), [json!(null), json!(null), json!(null)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_charge_is_made_on_the_sellers_account_with_the_platform_fee() {
    let app = TestApp::start().await;
    let seller = app.connected_seller("ada").await;
    let account = text(&seller["account_id"]);
    let intent = app.paid_order_of(&seller).await;
    assert_eq!(intent["stripe_account"], seller["account_id"]);
    let order = format!("/v1/orders/{}", text(&intent["order_id"]));
    let lookup = app.get(&format!("{order}/payment")).shop().send().await.ok(200);
    assert_eq!(lookup["stripe_account"], seller["account_id"]);
    let at_stripe = format!("/v1/payment_intents/{}", text(&intent["payment_intent_id"]));
    let charged = app.read_on_account(Some(&account), &at_stripe).await;
    assert_eq!((&charged["application_fee_amount"], &charged["transfer_data"]), (&json!(155), &json!(null)));
    assert_eq!(app.read_at_stripe(&at_stripe).await["error"]["code"], "resource_missing");

    let refunds = format!("{order}/refunds");
    let refused = app.post(&refunds).shop().json(&json!({"reverse_transfer": true})).send().await;
    let error = &refused.problem(422, "invalid_request")["errors"][0];
    assert_eq!(
        (&error["pointer"], &error["code"]),
        (&json!("/reverse_transfer"), &json!("no_transfer_to_reverse"))
    );
    let kept = json!({"amount": 1000, "refund_application_fee": false, "reverse_transfer": false});
    let kept = app.post(&refunds).shop().json(&kept).send().await.ok(201);
    assert_eq!((&kept["refund_application_fee"], &kept["reverse_transfer"]), (&json!(false), &json!(false)));
    let whole = app.post(&refunds).shop().send().await.ok(201);
    assert_eq!((&whole["refund_application_fee"], &whole["reverse_transfer"]), (&json!(true), &json!(false)));
    let fees = app.read_at_stripe("/v1/application_fees").await;
    // 39.98 of 49.98 was refunded with its share of the fee.
    assert_eq!((&fees["data"][0]["amount"], &fees["data"][0]["amount_refunded"]), (&json!(155), &json!(124)));
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_charge_is_made_on_the_platform_and_transferred() {
    let app = TestApp::start().await;
    let seller = app.connected_seller("ada").await;
    app.change_seller(&seller, &json!({"charge_type": "destination"})).await;
    let intent = app.paid_order_of(&seller).await;
    assert_eq!(intent["stripe_account"], json!(null));
    let at_stripe = format!("/v1/payment_intents/{}", text(&intent["payment_intent_id"]));
    let charged = app.read_at_stripe(&at_stripe).await;
    assert_eq!(charged["application_fee_amount"], 155);
    assert_eq!(charged["transfer_data"]["destination"], seller["account_id"]);
    let refunds = format!("/v1/orders/{}/refunds", text(&intent["order_id"]));
    let kept = json!({"amount": 1000, "reverse_transfer": false, "refund_application_fee": false});
    let kept = app.post(&refunds).shop().json(&kept).send().await.ok(201);
    assert_eq!((&kept["refund_application_fee"], &kept["reverse_transfer"]), (&json!(false), &json!(false)));
    let transfers = app.read_at_stripe("/v1/transfers").await;
    assert_eq!(transfers["data"][0]["amount_reversed"], 0);
    let rest = json!({"reverse_transfer": true, "refund_application_fee": true});
    let rest = app.post(&refunds).shop().json(&rest).send().await.ok(201);
    assert_eq!((&rest["refund_application_fee"], &rest["reverse_transfer"]), (&json!(true), &json!(true)));
    let transfers = app.read_at_stripe("/v1/transfers").await;
    assert!(transfers["data"][0]["amount_reversed"].as_i64() > Some(0), "{transfers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_order_has_no_transfer_and_no_fee() {
    let app = TestApp::start().await;
    let (order_id, token, _) = app.paid_order().await;
    let order = app.get(&format!("/v1/orders/{order_id}")).bearer(&token).send().await.ok(200);
    assert_eq!(seller_terms(&order), [json!(null), json!(null), json!(null)]);
    let before = app.sent();
    for (name, code) in
        [("reverse_transfer", "no_transfer_to_reverse"), ("refund_application_fee", "no_application_fee")]
    {
        let path = format!("/v1/orders/{order_id}/refunds");
        let refused = app.post(&path).shop().json(&json!({name: true})).send().await;
        let error = &refused.problem(422, "invalid_request")["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!(format!("/{name}")), &json!(code)));
    }
    assert_eq!(app.sent(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_through_a_seller_that_is_not_ready_is_rejected() {
    let app = TestApp::start().await;
    let seller = app.connected_seller("ada").await;
    let order = app.order_of(&seller).await;
    let path = format!("/v1/orders/{}", text(&order["id"]));
    let token = text(&order["client_token"]);
    app.change_account(&seller, "charges_enabled=false&payouts_enabled=false").await;
    let told = app.seller_becomes(&seller, "ready", &json!(false)).await;
    let before = app.sent();
    for (flow, body) in [("payment_intent", json!({})), ("checkout_session", return_urls())] {
        let paying = || app.post(&format!("{path}/{flow}")).json(&body);
        let refused = paying().bearer(&token).send().await.problem(409, "seller_not_ready");
        assert_eq!(refused["errors"], json!(null), "the customer doesn't see the seller's blockers");
        let refused = paying().shop().send().await.problem(409, "seller_not_ready");
        let errors = refused["errors"].as_array().unwrap();
        let codes: Value = errors.iter().map(|error| error["code"].clone()).collect::<Vec<_>>().into();
        assert_eq!(codes, told["blockers"], "{flow}");
        assert!(errors.iter().all(|error| error["pointer"] == "/seller_id"), "{flow}");
    }
    assert_eq!(app.sent(), before, "Stripe is not asked");
    app.change_account(&seller, "charges_enabled=true&payouts_enabled=true").await;
    app.seller_becomes(&seller, "ready", &json!(true)).await;
    let page = app.post(&format!("{path}/checkout_session")).bearer(&token).json(&return_urls());
    assert_eq!(page.send().await.ok(200)["stripe_account"], seller["account_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_of_an_unsupported_country_or_currency_is_not_charged() {
    let sellers_supported = quittance_domain::seller::SupportedSellers {
        countries: ["FR".to_owned()].into(),
        currencies: ["usd".to_owned()].into(),
    };
    let app = TestApp::start_with(Setup { sellers_supported, ..Setup::default() }).await;
    let seller = app.connected_seller("ada").await;
    assert_eq!(seller["blockers"], json!(["country_not_supported", "currency_not_supported"]));
    assert_eq!(seller["next_action"], "connect_another_account");
    let order = app.order_of(&seller).await;
    let path = format!("/v1/orders/{}/payment_intent", text(&order["id"]));
    let answer = app.post(&path).shop().send().await;
    answer.problem(409, "seller_not_ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_seller_account_is_reported() {
    // No event reports the disconnection; Stripe refuses the next request.
    let app = TestApp::start_with(Setup { with_webhook: false, ..Setup::default() }).await;
    let seller = app.connected_seller("ada").await;
    let order = app.order_of(&seller).await;
    let account = text(&seller["account_id"]);
    app.at_stripe(&format!("/_sandbox/accounts/{account}/disconnect"), "").await;
    let path = format!("/v1/orders/{}/payment_intent", text(&order["id"]));
    app.post(&path).shop().send().await.problem(409, "seller_disconnected");
    let told = app.post(&format!("{}/refresh", path_of(&seller))).shop().send().await.ok(200);
    assert_eq!(told["connected"], false, "even in the second of the connection");
    let refused = app.post(&path).shop().send().await.problem(409, "seller_not_ready");
    assert_eq!(refused["errors"][0]["code"], "not_connected");
    let body = basket(&text(&order["items"][0]["product_id"]));
    app.post("/v1/orders").json(&body).send().await.ok(201);

    // The account works again without any event: the next refresh finds out.
    let url = app.authorize("ada").await;
    let came_back = app.approve(&url, &[("account", &account)]).await;
    let form = format!("grant_type=authorization_code&code={}", came_back.code);
    app.at_stripe("/oauth/token", &form).await;
    let told = app.post(&format!("{}/refresh", path_of(&seller))).shop().send().await.ok(200);
    assert_eq!((&told["connected"], &told["ready"]), (&json!(true), &json!(true)));
}
