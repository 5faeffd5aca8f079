//! A shop that sells one product. It retries every request until it gets a final response.

use quittance_test_support::wait_until;
use serde_json::{Value, json};

use crate::client::{Answer, Call, Client};
use crate::environment::{Environment, RETURN_ORIGIN};
use crate::event::{CONNECT, Event, OWN};
use crate::sellers::{ChargeRoute, FEE, Platform, Seller};

/// The price of the product.
pub(crate) const AMOUNT: i64 = 2_500;

/// The maximum number of lookups on a return page.
const LOOKUPS_MAX: usize = 3;

/// A shop with one product. Clones share the product.
#[derive(Clone)]
pub(crate) struct Storefront {
    pub(crate) api: Client,
    /// A client of Stripe for the account that charges the customers.
    pub(crate) stripe: Client,
    pub(crate) product_id: String,
    /// The account that charges the customers.
    pub(crate) charge_route: ChargeRoute,
    pub(crate) seller: Option<Seller>,
}

/// An order with its PaymentIntent.
#[derive(Debug, Clone)]
pub(crate) struct IntentOrder {
    pub(crate) order_id: String,
    pub(crate) payment_intent_id: String,
}

/// An order with its Checkout Session.
#[derive(Debug, Clone)]
pub(crate) struct SessionOrder {
    pub(crate) order_id: String,
    pub(crate) session_id: String,
}

/// The intended end of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpectedEnd {
    Paid,
    Canceled,
}

impl Storefront {
    pub(crate) async fn open(env: &Environment<'_>) -> Self {
        Self::open_with_stock(env, None).await
    }

    /// Opens a shop that charges in this way.
    pub(crate) async fn open_with_route(env: &Environment<'_>, charge_route: ChargeRoute) -> Self {
        let seller = match charge_route {
            ChargeRoute::Platform => None,
            ChargeRoute::Direct | ChargeRoute::Destination => {
                Some(Platform::new(env).ready_seller(charge_route).await)
            }
        };
        Self::selling(env, None, charge_route, seller).await
    }

    /// Opens a shop that sells for this seller by direct charges.
    pub(crate) async fn open_for_seller(env: &Environment<'_>, seller: &Seller) -> Self {
        Self::selling(env, None, ChargeRoute::Direct, Some(seller.clone())).await
    }

    /// Opens a shop with this stock, or without counted stock.
    pub(crate) async fn open_with_stock(env: &Environment<'_>, stock: Option<i64>) -> Self {
        Self::selling(env, stock, ChargeRoute::Platform, None).await
    }

    async fn selling(
        env: &Environment<'_>,
        stock: Option<i64>,
        charge_route: ChargeRoute,
        seller: Option<Seller>,
    ) -> Self {
        let seller_id = seller.as_ref().map(|seller| &seller.id);
        let product = json!({
            "name": "Kettle", "unit_amount": AMOUNT, "currency": "eur", "stock": stock, "seller_id": seller_id,
        });
        let answer = env.api.post("/v1/products").json(&product).send().await.expect(201);
        let account = seller.as_ref().filter(|_| charge_route == ChargeRoute::Direct);
        let stripe = env.stripe.on(account.map(|seller| &*seller.account_id));
        Self { api: env.api.clone(), stripe, product_id: answer.text_of("id"), charge_route, seller }
    }

    /// Returns the platform's fee for an order.
    pub(crate) fn fee(&self) -> i64 {
        if self.charge_route == ChargeRoute::Platform { 0 } else { FEE }
    }

    /// Calls the sandbox's control API for the account that charges the customers.
    pub(crate) async fn control(&self, path: &str, form: &str) -> Value {
        self.stripe.control(path, form).await
    }

    /// Delivers an event of the account that charges the customers.
    pub(crate) async fn deliver(&self, event: &Event) -> Answer {
        let endpoint = if self.stripe.account().is_some() { CONNECT } else { OWN };
        let mut event = event.clone();
        event.0["account"] = self.stripe.account().map(Value::from).unwrap_or_default();
        event.delivery_to(&self.api, endpoint).send().await
    }

    /// Returns the request that places an order. `name` is the idempotency key and the customer's reference.
    pub(crate) fn place_request(&self, name: &str) -> Call {
        let body = json!({
            "items": [{ "product_id": self.product_id, "quantity": 1 }],
            "customer": { "email": "ada@example.org", "reference": name },
        });
        self.api.post("/v1/orders").json(&body).key(name)
    }

    pub(crate) async fn place(&self, name: &str) -> String {
        self.place_request(name).send_with_retries().await.expect(201).text_of("id")
    }

    pub(crate) fn intent_request(&self, order_id: &str) -> Call {
        self.api.post(format!("/v1/orders/{order_id}/payment_intent")).key(&format!("pay-{order_id}"))
    }

    pub(crate) async fn intent_order(&self, name: &str) -> IntentOrder {
        let order_id = self.place(name).await;
        let answer = self.intent_request(&order_id).send_with_retries().await.expect(200);
        assert!(answer.text_of("client_secret").starts_with(&answer.text_of("payment_intent_id")));
        IntentOrder { payment_intent_id: answer.text_of("payment_intent_id"), order_id }
    }

    /// Returns the request for a Checkout Session.
    pub(crate) fn session_request(&self, order_id: &str) -> Call {
        let body = json!({
            "success_url": format!("{RETURN_ORIGIN}/thanks?session={{CHECKOUT_SESSION_ID}}"),
            "cancel_url": format!("{RETURN_ORIGIN}/cart"),
        });
        self.api.post(format!("/v1/orders/{order_id}/checkout_session")).json(&body)
    }

    pub(crate) async fn session_order(&self, name: &str) -> SessionOrder {
        let order_id = self.place(name).await;
        let answer = self.session_request(&order_id).send_with_retries().await.expect(200);
        SessionOrder { session_id: answer.text_of("checkout_session_id"), order_id }
    }

    /// Pays on Stripe's page with this payment method. Stripe may decline it.
    pub(crate) async fn pay_page(&self, session_id: &str, method: &str) -> Answer {
        let form = format!("payment_method={method}");
        self.stripe.post(format!("/_sandbox/checkout/sessions/{session_id}/pay")).form(&form).send().await
    }

    /// Places an order with an authorized payment that can be captured.
    pub(crate) async fn authorized_order(&self, name: &str) -> IntentOrder {
        let order_id = self.place(name).await;
        let body = json!({ "capture_method": "manual" });
        let answer = self.intent_request(&order_id).json(&body).send_with_retries().await.expect(200);
        let payable = IntentOrder { payment_intent_id: answer.text_of("payment_intent_id"), order_id };
        let confirmed = self.confirm_with(&payable.payment_intent_id, "pm_card_visa").await.expect(200);
        assert_eq!(confirmed.body["status"], "requires_capture", "{}", confirmed.text);
        payable
    }

    pub(crate) fn capture_request(&self, order_id: &str, amount: Option<i64>) -> Call {
        let call = self.api.post(format!("/v1/orders/{order_id}/capture"));
        amount.map_or_else(|| call.clone(), |amount| call.clone().json(&json!({ "amount": amount })))
    }

    /// Returns the request for a refund. The same key is the same refund.
    pub(crate) fn refund_request(&self, order_id: &str, amount: Option<i64>, key: &str) -> Call {
        let call = self.api.post(format!("/v1/orders/{order_id}/refunds")).key(key);
        amount.map_or_else(|| call.clone(), |amount| call.clone().json(&json!({ "amount": amount })))
    }

    /// Returns an order's refunds from the API.
    pub(crate) async fn refunds(&self, order_id: &str) -> Vec<Value> {
        let listed =
            self.api.get(format!("/v1/orders/{order_id}/refunds?limit=100")).send_with_retries().await;
        listed.expect(200).body["data"].as_array().expect("a list").clone()
    }

    /// Returns an order's timeline.
    pub(crate) async fn timeline(&self, order_id: &str) -> Vec<Value> {
        let listed =
            self.api.get(format!("/v1/orders/{order_id}/timeline")).send_with_retries().await.expect(200);
        listed.body["data"].as_array().expect("a list").clone()
    }

    /// Returns the product's remaining stock.
    pub(crate) async fn stock(&self) -> i64 {
        let path = format!("/v1/products/{}", self.product_id);
        self.api.get(path).send_with_retries().await.expect(200).body["stock"].as_i64().expect("a count")
    }

    pub(crate) async fn set_shipping(&self, order_id: &str, street: &str) -> Answer {
        let address = json!({
            "line1": street, "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"
        });
        let body = json!({ "shipping": { "name": "Ada Lovelace", "address": address } });
        self.api.patch(format!("/v1/orders/{order_id}")).json(&body).send_with_retries().await
    }

    /// Confirms a payment, as the customer's browser does.
    pub(crate) async fn confirm(&self, payment_intent_id: &str) {
        let answer = self.confirm_with(payment_intent_id, "pm_card_visa").await.expect(200);
        assert_eq!(answer.body["status"], "succeeded", "{}", answer.text);
    }

    /// Confirms a payment with this payment method. Stripe may decline it.
    pub(crate) async fn confirm_with(&self, payment_intent_id: &str, method: &str) -> Answer {
        let form = format!("payment_method={method}&return_url=https%3A%2F%2Fshop.example%2Fdone");
        let path = format!("/v1/payment_intents/{payment_intent_id}/confirm");
        self.stripe.post(path).form(&form).send().await
    }

    pub(crate) fn lookup_request(&self, order_id: &str, seconds: u8) -> Call {
        self.api.get(format!("/v1/orders/{order_id}/payment?wait={seconds}"))
    }

    /// Polls an order until it has this status. The polling triggers no refresh.
    pub(crate) async fn wait_for_status(&self, order_id: &str, status: &str) {
        wait_until(&format!("{order_id} is {status}"), async || {
            self.order(order_id).await["status"] == status
        })
        .await;
    }

    /// Polls the payment lookup, as a return page does, until the order is paid.
    pub(crate) async fn wait_until_paid(&self, order_id: &str) {
        for _ in 0..LOOKUPS_MAX {
            let seen = self.lookup_request(order_id, 20).send_with_retries().await.expect(200);
            if seen.body["order_status"] == "paid" {
                return;
            }
        }
        panic!("{order_id} is not paid: {}", self.order(order_id).await);
    }

    pub(crate) fn cancel_request(&self, order_id: &str) -> Call {
        self.api.post(format!("/v1/orders/{order_id}/cancel")).key(&format!("cancel-{order_id}"))
    }

    pub(crate) async fn order(&self, order_id: &str) -> Value {
        self.api.get(format!("/v1/orders/{order_id}")).send_with_retries().await.expect(200).body
    }

    /// Reads a PaymentIntent at Stripe.
    pub(crate) async fn at_stripe(&self, payment_intent_id: &str) -> Value {
        self.stripe.get(format!("/v1/payment_intents/{payment_intent_id}")).send().await.expect(200).body
    }

    /// Takes an order from placement to its intended end. A retry with the same key must return the same order.
    pub(crate) async fn complete_order(&self, name: &str, expected_end: ExpectedEnd) {
        let IntentOrder { order_id, payment_intent_id } = self.intent_order(name).await;
        self.set_shipping(&order_id, "12 St James's Square").await.expect(200);
        match expected_end {
            ExpectedEnd::Paid => {
                self.confirm(&payment_intent_id).await;
                self.wait_until_paid(&order_id).await;
            }
            ExpectedEnd::Canceled => {
                let canceled = self.cancel_request(&order_id).send_with_retries().await.expect(200);
                assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
            }
        }
        let again = self.place_request(name).send_with_retries().await.expect(201);
        assert_eq!(again.text_of("id"), order_id, "the same key placed another order");
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
}
