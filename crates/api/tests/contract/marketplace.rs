//! Sellers at the sandbox: steps of account owners in a browser, and of the platform.

use quittance_test_support::wait_until;
use reqwest::Url;
use serde_json::{Value, json};

use crate::app::{CLIENT_ID, TestApp, basket, text};

/// The return URL of the OAuth flow.
pub(crate) const BACK: &str = "https://shop.example/connected";

/// The parameters with which an owner returns.
pub(crate) struct CameBack {
    pub(crate) code: String,
    pub(crate) state: String,
}

impl CameBack {
    /// The callback request that the platform sends for this owner.
    pub(crate) fn with(&self, binding: &str) -> Value {
        json!({"code": self.code, "state": self.state, "binding": binding})
    }
}

/// Returns a parameter of a URL.
pub(crate) fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name} in {url}")).1.into_owned()
}

impl TestApp {
    /// Starts connecting an account; returns the URL for the owner.
    pub(crate) async fn authorize(&self, binding: &str) -> String {
        let body = json!({"binding": binding, "redirect_uri": BACK});
        let began = self.post("/v1/sellers/oauth/authorize").shop().json(&body).send().await.ok(201);
        text(&began["url"])
    }

    /// Authorizes the platform on Stripe's page as the account's owner.
    pub(crate) async fn approve(&self, url: &str, choices: &[(&str, &str)]) -> CameBack {
        assert_eq!(self.http.get(url).send().await.unwrap().status(), 200, "Stripe's page");
        let asked = ["client_id", "redirect_uri", "scope", "state"].map(|name| (name, parameter(url, name)));
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(asked).append_pair("decision", "connect").extend_pairs(choices);
        let request = self.http.post(format!("{}/oauth/authorize", self.sandbox_url));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form.finish()).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let location = answer.headers()["location"].to_str().unwrap();
        assert!(location.starts_with(BACK), "{location}");
        CameBack { code: parameter(location, "code"), state: parameter(location, "state") }
    }

    /// Connects a new account that is ready to accept payments.
    pub(crate) async fn connected_seller(&self, binding: &str) -> Value {
        let url = self.authorize(binding).await;
        let choices = [("account", "new"), ("business_name", "Ada's Pens"), ("country", "DE")];
        let came_back = self.approve(&url, &choices).await;
        let call = self.post("/v1/sellers/oauth/callback").shop().json(&came_back.with(binding));
        call.send().await.ok(200)
    }

    /// Creates an account that can't accept payments yet.
    pub(crate) async fn created_seller(&self, reference: &str) -> Value {
        let body = json!({"type": "express", "country": "DE", "reference": reference});
        self.post("/v1/sellers").shop().json(&body).send().await.ok(201)
    }

    /// Updates a seller's terms.
    pub(crate) async fn change_seller(&self, seller: &Value, body: &Value) -> Value {
        self.patch(&path_of(seller)).shop().json(body).send().await.ok(200)
    }

    /// Adds a product of a seller and returns its ID.
    pub(crate) async fn product_of(&self, seller: &Value, unit_amount: i64) -> String {
        let body = json!({
            "name": "Ink", "unit_amount": unit_amount, "currency": "eur", "seller_id": seller["id"]
        });
        text(&self.post("/v1/products").shop().json(&body).send().await.ok(201)["id"])
    }

    /// Places an order for two of a seller's products, 49.98 EUR in total.
    pub(crate) async fn order_of(&self, seller: &Value) -> Value {
        let product = self.product_of(seller, 2499).await;
        self.post("/v1/orders").json(&basket(&product)).send().await.ok(201)
    }

    /// Places and pays an order of a seller; returns the PaymentIntent response.
    pub(crate) async fn paid_order_of(&self, seller: &Value) -> Value {
        let order = self.order_of(seller).await;
        let intent = self.payment_intent(&text(&order["id"]), &text(&order["client_token"])).await;
        let path = format!("/v1/payment_intents/{}/confirm", text(&intent["payment_intent_id"]));
        let form = "payment_method=pm_card_visa&return_url=https%3A%2F%2Fshop.example%2Freturn";
        self.on_account(intent["stripe_account"].as_str(), &path, form).await;
        self.order_becomes(&text(&order["id"]), "paid").await;
        intent
    }

    /// Changes an account at the sandbox, as Stripe or its owner would.
    pub(crate) async fn change_account(&self, seller: &Value, form: &str) {
        self.at_stripe(&format!("/_sandbox/accounts/{}", text(&seller["account_id"])), form).await;
    }

    /// Waits until a field of a seller has this value.
    pub(crate) async fn seller_becomes(&self, seller: &Value, field: &str, value: &Value) -> Value {
        wait_until(&format!("{field} is {value}"), async || {
            let seller = self.get(&path_of(seller)).shop().send().await.ok(200);
            (seller[field] == *value).then_some(seller)
        })
        .await
    }
}

/// Returns the path of a seller.
pub(crate) fn path_of(seller: &Value) -> String {
    format!("/v1/sellers/{}", text(&seller["id"]))
}

/// Returns whether a URL is Stripe's authorization page for the platform's client.
pub(crate) fn asks_for_us(app: &TestApp, url: &str) -> bool {
    url.starts_with(&format!("{}/oauth/authorize?", app.sandbox_url))
        && parameter(url, "client_id") == CLIENT_ID
        && parameter(url, "scope") == "read_write"
        && parameter(url, "response_type") == "code"
        && parameter(url, "redirect_uri") == BACK
}
