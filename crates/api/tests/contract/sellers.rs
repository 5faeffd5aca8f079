//! Sellers with accounts created by the platform: onboarding, reads, updates, disconnection.

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, text};
use crate::marketplace::path_of;

impl TestApp {
    /// Follows an account link and completes Stripe's onboarding as the owner would.
    async fn onboard(&self, link: &str, outcome: &str) {
        let page = self.http.get(link).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let page = page.text().await.unwrap();
        let action = page.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
        let form = format!("business_name=Ada+Pens&outcome={outcome}");
        let request = self.http.post(format!("{}{action}", self.sandbox_url));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["location"], "https://shop.example/sellers/7");
    }

    async fn link(&self, seller: &Value, body: &Value) -> crate::app::Answer {
        self.post(&format!("{}/account_link", path_of(seller))).shop().json(body).send().await
    }

    async fn refresh(&self, seller: &Value) -> Value {
        self.post(&format!("{}/refresh", path_of(seller))).shop().send().await.ok(200)
    }

    async fn unlink(&self, seller: &Value, query: &str) -> crate::app::Answer {
        self.delete(&format!("{}{query}", path_of(seller))).shop().send().await
    }

    /// Lists the seller IDs that a query finds.
    async fn found(&self, query: &str) -> Vec<String> {
        let list = self.get(&format!("/v1/sellers{query}")).shop().send().await.ok(200);
        assert_eq!(list["object"], "list");
        list["data"].as_array().unwrap().iter().map(|seller| text(&seller["id"])).collect()
    }
}

fn urls() -> Value {
    json!({
        "return_url": "https://shop.example/sellers/7", "refresh_url": "https://shop.example/sellers/7/again"
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_account_is_created_and_onboarded() {
    let app = TestApp::start().await;
    let body = json!({
        "type": "express", "country": "DE", "email": "ada@example.com", "business_type": "individual",
        "reference": "merchant-7", "metadata": {"tier": "gold"}, "charge_type": "destination", "fee_fixed": 50
    });
    let ask = || app.post("/v1/sellers").shop().key("make").json(&body);
    let made = ask().send().await;
    let location = made.header("location").unwrap().to_owned();
    let seller = made.ok(201);
    assert_eq!(location, path_of(&seller));
    insta::assert_json_snapshot!("created_seller", seller, {
        ".id" => "[id]", ".account_id" => "[id]", ".checked_at" => "[time]", ".created_at" => "[time]",
        ".updated_at" => "[time]"
    });
    let again = ask().send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(201), seller);
    let sent: Vec<_> =
        app.sent().into_iter().filter(|request| request.starts_with("POST /v1/accounts ")).collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    for part in ["type=express", "country=DE", "business_type=individual", "email=ada@example.com"] {
        assert!(sent[0].contains(part), "{part}: {sent:?}");
    }

    let link = app.link(&seller, &urls()).await;
    assert_eq!(link.header("location"), None);
    let link = link.ok(201);
    assert_eq!(link["object"], "account_link");
    app.onboard(&text(&link["url"]), "incomplete").await;
    let told = app.refresh(&seller).await;
    assert_eq!((&told["ready"], &told["next_action"]), (&json!(false), &json!("provide_information")));
    assert!(!told["requirements"]["currently_due"].as_array().unwrap().is_empty(), "{told}");
    let mut body = urls();
    body["collect"] = json!("eventually_due");
    let link = app.link(&seller, &body).await.ok(201);
    app.onboard(&text(&link["url"]), "complete").await;
    let told = app.refresh(&seller).await;
    assert_eq!((&told["ready"], &told["next_action"]), (&json!(true), &json!("none")), "{told}");
    assert_eq!((&told["blockers"], &told["can_unlink"]), (&json!([]), &json!(false)));
    assert!(told["version"].as_i64() > seller["version"].as_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn account_events_update_the_seller() {
    let app = TestApp::start().await;
    let seller = app.connected_seller("ada").await;
    assert_eq!(seller["ready"], true, "{seller}");
    app.change_account(&seller, "payouts_enabled=false").await;
    let restricted = app.seller_becomes(&seller, "ready", &json!(false)).await;
    assert_eq!(restricted["blockers"], json!(["payouts_not_enabled"]));
    assert_eq!((&restricted["can_unlink"], &restricted["connected"]), (&json!(true), &json!(true)));
    app.change_account(&seller, "payouts_enabled=true").await;
    app.seller_becomes(&seller, "ready", &json!(true)).await;
    let account = text(&seller["account_id"]);
    app.at_stripe(&format!("/_sandbox/accounts/{account}/disconnect"), "").await;
    let gone = app.seller_becomes(&seller, "connected", &json!(false)).await;
    assert_eq!((&gone["blockers"], &gone["next_action"]), (&json!(["not_connected"]), &json!("connect")));
    let told = app.refresh(&seller).await;
    assert_eq!(told["connected"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_are_listed_and_filtered() {
    let app = TestApp::start().await;
    let ready = app.connected_seller("ada").await;
    let first = app.created_seller("merchant-1").await;
    let second = app.created_seller("merchant-2").await;
    let [ready_id, first_id, second_id] = [&ready, &first, &second].map(|seller| text(&seller["id"]));
    assert_eq!(app.found("").await, [&*second_id, &first_id, &ready_id], "newest first");
    assert_eq!(app.found("?reference=merchant-1").await, [&*first_id]);
    assert_eq!(app.found("?reference=merchant-3").await, [""; 0]);
    assert_eq!(app.found(&format!("?account_id={}", text(&second["account_id"]))).await, [&*second_id]);
    assert_eq!(app.found("?ready=true").await, [&*ready_id]);
    assert_eq!(app.found("?ready=false").await, [&*second_id, &first_id]);
    assert_eq!(app.found("?ready=true&reference=merchant-1").await, [""; 0]);
    let page = app.get("/v1/sellers?limit=1").shop().send().await.ok(200);
    assert_eq!((&page["data"][0]["id"], &page["has_more"]), (&json!(second_id), &json!(true)));
    assert_eq!(app.found(&format!("?starting_after={first_id}")).await, [&*ready_id]);
    for nobody in ["/v1/sellers/slr_01kb3m9q4e8v2tz6h0rxw5ncy7", "/v1/sellers/acct_1", "/v1/sellers/oauth"] {
        app.get(nobody).shop().send().await.problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_terms_are_updated() {
    let app = TestApp::start().await;
    let seller = app.created_seller("merchant-7").await;
    let terms = |seller: &Value| {
        ["charge_type", "fee_basis_points", "fee_fixed", "fee_minimum"].map(|name| seller[name].clone())
    };
    assert_eq!(terms(&seller), [json!("direct"), json!(250), json!(30), json!(0)], "the configured defaults");
    let change = json!({"charge_type": "destination", "fee_minimum": 100, "metadata": {"a": "b"}});
    let changed = app.change_seller(&seller, &change).await;
    assert_eq!(terms(&changed), [json!("destination"), json!(250), json!(30), json!(100)]);
    assert_eq!((&changed["reference"], &changed["metadata"]), (&json!("merchant-7"), &json!({"a": "b"})));
    let changed = app.change_seller(&seller, &json!({"fee_basis_points": 10_000, "reference": null})).await;
    assert_eq!(terms(&changed), [json!("destination"), json!(10_000), json!(30), json!(100)]);
    assert_eq!(changed["reference"], json!(null));
    assert_eq!(app.change_seller(&seller, &json!({})).await["fee_basis_points"], 10_000);
    let nobody = "/v1/sellers/slr_01kb3m9q4e8v2tz6h0rxw5ncy7";
    app.patch(nobody).shop().json(&json!({})).send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_link_requires_an_account_created_by_the_platform() {
    let app = TestApp::start().await;
    let own = app.connected_seller("ada").await;
    app.link(&own, &urls()).await.problem(409, "not_onboarded_by_link");
    let made = app.created_seller("merchant-7").await;
    app.unlink(&made, "").await.ok(200);
    app.link(&made, &urls()).await.problem(409, "seller_not_connected");
    let nobody = json!({"id": "slr_01kb3m9q4e8v2tz6h0rxw5ncy7"});
    app.link(&nobody, &urls()).await.problem(404, "not_found");
    assert_eq!(app.times_sent("POST /v1/account_links"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_is_pending_while_stripe_is_unreachable() {
    // This port has no listener; only root may open it.
    let setup = Setup { stripe_base: Some("http://127.0.0.1:1".to_owned()), ..Setup::default() };
    let app = TestApp::start_with(setup).await;
    let seller = app.created_seller("merchant-7").await;
    assert_eq!((&seller["account_id"], &seller["connected"]), (&json!(null), &json!(false)));
    assert_eq!(seller["next_action"], "await_verification");
    app.link(&seller, &urls()).await.problem(409, "seller_not_connected");
    let product = json!({"name": "Ink", "unit_amount": 1, "currency": "eur", "seller_id": seller["id"]});
    let refused = app.post("/v1/products").shop().json(&product).send().await;
    let refused = refused.problem(422, "invalid_request");
    assert_eq!(refused["errors"][0]["code"], "unknown_seller");
}

/// A Stripe server that refuses to create accounts in this country.
fn refuses_the_country() -> String {
    let answer = || async {
        let error = json!({
            "type": "invalid_request_error", "code": "country_unsupported", "param": "country",
            "message": "Country 'KP' is unknown."
        });
        HttpResponse::BadRequest().json(json!({"error": error}))
    };
    let server = HttpServer::new(move || App::new().default_service(web::to(answer)))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let base = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    base
}

#[tokio::test(flavor = "multi_thread")]
async fn account_refused_by_stripe_leaves_no_seller() {
    let setup = Setup { stripe_base: Some(refuses_the_country()), ..Setup::default() };
    let app = TestApp::start_with(setup).await;
    let body = json!({"type": "express", "country": "KP"});
    let ask = || app.post("/v1/sellers").shop().key("make").json(&body);
    let refused = ask().send().await.problem(409, "stripe_refused");
    assert_eq!(refused["stripe_code"], "country_unsupported");
    assert_eq!(app.found("").await, [""; 0]);
    let again = ask().send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    again.problem(409, "stripe_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_a_ready_seller_requires_force() {
    let app = TestApp::start().await;
    let seller = app.connected_seller("ada").await;
    for query in ["", "?force=false"] {
        app.unlink(&seller, query).await.problem(409, "seller_in_use");
    }
    let refused = app.unlink(&seller, "?force=yes").await.problem(422, "invalid_parameter");
    assert_eq!(refused["errors"][0]["pointer"], "/force");
    assert_eq!(app.times_sent("POST /oauth/deauthorize"), 0);
    let order = app.order_of(&seller).await;
    let gone = app.unlink(&seller, "?force=true").await.ok(200);
    assert_eq!((&gone["connected"], &gone["blockers"]), (&json!(false), &json!(["not_connected"])));
    assert_eq!(app.times_sent("POST /oauth/deauthorize"), 1);
    app.order_becomes(&text(&order["id"]), "canceled").await;
    assert_eq!(app.unlink(&seller, "").await.ok(200)["connected"], false, "the repetition succeeds");
    assert_eq!(app.times_sent("POST /oauth/deauthorize"), 1);
    let nobody = json!({"id": "slr_01kb3m9q4e8v2tz6h0rxw5ncy7"});
    app.unlink(&nobody, "?force=true").await.problem(404, "not_found");

    let made = app.created_seller("merchant-7").await;
    assert_eq!(made["can_unlink"], true);
    assert_eq!(app.unlink(&made, "").await.ok(200)["connected"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_with_processing_payments_is_not_disconnected() {
    let app = TestApp::start().await;
    let seller = app.connected_seller("ada").await;
    let order = app.order_of(&seller).await;
    let order_id = text(&order["id"]);
    let path = format!("/v1/orders/{order_id}/payment_intent");
    let body = json!({"capture_method": "manual"});
    let intent = app.post(&path).shop().json(&body).send().await.ok(200);
    let confirm = format!("/v1/payment_intents/{}/confirm", text(&intent["payment_intent_id"]));
    let form = "payment_method=pm_card_visa&return_url=https%3A%2F%2Fshop.example%2Freturn";
    app.on_account(intent["stripe_account"].as_str(), &confirm, form).await;
    app.order_becomes(&order_id, "authorized").await;
    app.change_account(&seller, "payouts_enabled=false").await;
    app.seller_becomes(&seller, "can_unlink", &json!(true)).await;
    app.unlink(&seller, "").await.problem(409, "seller_has_open_payments");
    let still = app.get(&path_of(&seller)).shop().send().await.ok(200);
    assert_eq!(still["connected"], true);
    app.unlink(&seller, "?force=true").await.ok(200);
    app.order_becomes(&order_id, "canceled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_product_is_created_once_on_the_sellers_account() {
    let app = TestApp::start().await;
    let seller = app.connected_seller("ada").await;
    let account = text(&seller["account_id"]);
    let product = app.product_of(&seller, 2499).await;
    let path = format!("{}/stripe_products", path_of(&seller));
    let body = json!({"product_id": product});
    let made = app.post(&path).shop().json(&body).send().await;
    assert_eq!(made.header("location"), None, "the object lives at Stripe");
    let made = made.ok(201);
    assert_eq!((&made["object"], &made["product_id"]), (&json!("stripe_product"), &json!(product)));
    assert_eq!(made["account_id"], seller["account_id"]);
    let at_stripe = app.read_on_account(Some(&account), &format!("/v1/products/{}", text(&made["id"]))).await;
    assert_eq!((&at_stripe["name"], &at_stripe["metadata"]["product_id"]), (&json!("Ink"), &json!(product)));
    assert_eq!(app.post(&path).shop().json(&body).send().await.ok(201), made);
    assert_eq!(app.times_sent("POST /v1/products"), 1);
    app.unlink(&seller, "?force=true").await.ok(200);
    app.post(&path).shop().json(&body).send().await.problem(409, "seller_not_connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_product_of_another_seller_is_rejected() {
    let app = TestApp::start().await;
    let seller = app.connected_seller("ada").await;
    let other = app.connected_seller("eve").await;
    let (foreign, own) = (app.product_of(&other, 100).await, app.product(100).await);
    let path = format!("{}/stripe_products", path_of(&seller));
    for product in [foreign, own, "prd_01kb3m9q4e8v2tz6h0rxw5ncy7".to_owned()] {
        let body = json!({"product_id": product});
        let refused = app.post(&path).shop().json(&body).send().await.problem(422, "invalid_request");
        let error = &refused["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!("/product_id"), &json!("not_of_seller")));
    }
    assert_eq!(app.times_sent("POST /v1/products"), 0);
    let nobody = "/v1/sellers/slr_01kb3m9q4e8v2tz6h0rxw5ncy7/stripe_products";
    let body = json!({"product_id": "prd_01kb3m9q4e8v2tz6h0rxw5ncy7"});
    app.post(nobody).shop().json(&body).send().await.problem(404, "not_found");
}
