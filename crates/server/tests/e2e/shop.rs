//! A shop's side of an order, every request of it repeated until it is answered.

use quittance_test_support::wait_until;
use serde_json::{Value, json};

use crate::client::{Answer, Call, Client};
use crate::event::{CONNECT, Event, OWN};
use crate::sellers::{FEE, Platform, Seller, Through};
use crate::world::{RETURN_ORIGIN, World};

/// What the one product costs.
pub(crate) const AMOUNT: i64 = 2_500;

/// How often a return page asks, each time with patience.
const WAITS: usize = 3;

/// A shop with one product. Clones share everything.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) api: Client,
    /// Stripe, on the account on which its customers are charged.
    pub(crate) stripe: Client,
    pub(crate) product_id: String,
    /// Through whom it sells.
    pub(crate) through: Through,
    pub(crate) seller: Option<Seller>,
}

/// An order with its PaymentIntent.
#[derive(Debug, Clone)]
pub(crate) struct Payable {
    pub(crate) order_id: String,
    pub(crate) payment_intent_id: String,
}

/// An order with its Checkout Session.
#[derive(Debug, Clone)]
pub(crate) struct Hosted {
    pub(crate) order_id: String,
    pub(crate) session_id: String,
}

/// How an order is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Paid,
    Canceled,
}

impl Shop {
    pub(crate) async fn open(world: &World<'_>) -> Self {
        Self::open_with(world, None).await
    }

    /// Opens a shop that sells through somebody.
    pub(crate) async fn open_through(world: &World<'_>, through: Through) -> Self {
        let seller = match through {
            Through::Nobody => None,
            Through::Direct | Through::Destination => Some(Platform::of(world).ready_seller(through).await),
        };
        Self::selling(world, None, through, seller).await
    }

    /// Opens a shop that sells through this seller.
    pub(crate) async fn open_of(world: &World<'_>, seller: &Seller) -> Self {
        Self::selling(world, None, Through::Direct, Some(seller.clone())).await
    }

    /// Opens a shop that has so many of its product, or does not count them.
    pub(crate) async fn open_with(world: &World<'_>, stock: Option<i64>) -> Self {
        Self::selling(world, stock, Through::Nobody, None).await
    }

    async fn selling(
        world: &World<'_>,
        stock: Option<i64>,
        through: Through,
        seller: Option<Seller>,
    ) -> Self {
        let seller_id = seller.as_ref().map(|seller| &seller.id);
        let product = json!({
            "name": "Kettle", "unit_amount": AMOUNT, "currency": "eur", "stock": stock, "seller_id": seller_id,
        });
        let answer = world.api.post("/v1/products").json(&product).send().await.expect(201);
        let account = seller.as_ref().filter(|_| through == Through::Direct);
        let stripe = world.stripe.on(account.map(|seller| &*seller.account_id));
        Self { api: world.api.clone(), stripe, product_id: answer.text_of("id"), through, seller }
    }

    /// What the platform takes of an order.
    pub(crate) fn fee(&self) -> i64 {
        if self.through == Through::Nobody { 0 } else { FEE }
    }

    /// Asks something of the sandbox about what is on the account on which customers are charged.
    pub(crate) async fn control(&self, path: &str, form: &str) -> Value {
        self.stripe.control(path, form).await
    }

    /// Delivers an event of that account.
    pub(crate) async fn deliver(&self, event: &Event) -> Answer {
        let endpoint = if self.stripe.account().is_some() { CONNECT } else { OWN };
        let mut event = event.clone();
        event.0["account"] = self.stripe.account().map(Value::from).unwrap_or_default();
        event.delivery_to(&self.api, endpoint).send().await
    }

    /// The request that places an order. `name` is the key, and the customer's reference by which it is found.
    pub(crate) fn placing(&self, name: &str) -> Call {
        let body = json!({
            "items": [{ "product_id": self.product_id, "quantity": 1 }],
            "customer": { "email": "ada@example.org", "reference": name },
        });
        self.api.post("/v1/orders").json(&body).key(name)
    }

    pub(crate) async fn place(&self, name: &str) -> String {
        self.placing(name).insist().await.expect(201).text_of("id")
    }

    pub(crate) fn paying(&self, order_id: &str) -> Call {
        self.api.post(format!("/v1/orders/{order_id}/payment_intent")).key(&format!("pay-{order_id}"))
    }

    pub(crate) async fn payable(&self, name: &str) -> Payable {
        let order_id = self.place(name).await;
        let answer = self.paying(&order_id).insist().await.expect(200);
        assert!(answer.text_of("client_secret").starts_with(&answer.text_of("payment_intent_id")));
        Payable { payment_intent_id: answer.text_of("payment_intent_id"), order_id }
    }

    /// The request for a page of Stripe's on which the order can be paid.
    pub(crate) fn hosting(&self, order_id: &str) -> Call {
        let body = json!({
            "success_url": format!("{RETURN_ORIGIN}/thanks?session={{CHECKOUT_SESSION_ID}}"),
            "cancel_url": format!("{RETURN_ORIGIN}/cart"),
        });
        self.api.post(format!("/v1/orders/{order_id}/checkout_session")).json(&body)
    }

    pub(crate) async fn hosted(&self, name: &str) -> Hosted {
        let order_id = self.place(name).await;
        let answer = self.hosting(&order_id).insist().await.expect(200);
        Hosted { session_id: answer.text_of("checkout_session_id"), order_id }
    }

    /// What the customer does on Stripe's page: pays in this way. Whether it is taken is for Stripe to say.
    pub(crate) async fn pay_page(&self, session_id: &str, method: &str) -> Answer {
        let form = format!("payment_method={method}");
        self.stripe.post(format!("/_sandbox/checkout/sessions/{session_id}/pay")).form(&form).send().await
    }

    /// A PaymentIntent whose money is held, to be taken later.
    pub(crate) async fn held(&self, name: &str) -> Payable {
        let order_id = self.place(name).await;
        let body = json!({ "capture_method": "manual" });
        let answer = self.paying(&order_id).json(&body).insist().await.expect(200);
        let payable = Payable { payment_intent_id: answer.text_of("payment_intent_id"), order_id };
        let confirmed = self.confirm_by(&payable.payment_intent_id, "pm_card_visa").await.expect(200);
        assert_eq!(confirmed.body["status"], "requires_capture", "{}", confirmed.text);
        payable
    }

    pub(crate) fn capturing(&self, order_id: &str, amount: Option<i64>) -> Call {
        let call = self.api.post(format!("/v1/orders/{order_id}/capture"));
        amount.map_or_else(|| call.clone(), |amount| call.clone().json(&json!({ "amount": amount })))
    }

    /// The request that gives money back. The same key is the same refund.
    pub(crate) fn refunding(&self, order_id: &str, amount: Option<i64>, key: &str) -> Call {
        let call = self.api.post(format!("/v1/orders/{order_id}/refunds")).key(key);
        amount.map_or_else(|| call.clone(), |amount| call.clone().json(&json!({ "amount": amount })))
    }

    /// The refunds of an order as the service lists them.
    pub(crate) async fn refunds(&self, order_id: &str) -> Vec<Value> {
        let listed = self.api.get(format!("/v1/orders/{order_id}/refunds?limit=100")).insist().await;
        listed.expect(200).body["data"].as_array().expect("a list").clone()
    }

    /// What happened to an order.
    pub(crate) async fn timeline(&self, order_id: &str) -> Vec<Value> {
        let listed = self.api.get(format!("/v1/orders/{order_id}/timeline")).insist().await.expect(200);
        listed.body["data"].as_array().expect("a list").clone()
    }

    /// How many of the product can still be sold.
    pub(crate) async fn stock(&self) -> i64 {
        let path = format!("/v1/products/{}", self.product_id);
        self.api.get(path).insist().await.expect(200).body["stock"].as_i64().expect("a count")
    }

    pub(crate) async fn ship(&self, order_id: &str, street: &str) -> Answer {
        let address = json!({
            "line1": street, "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"
        });
        let body = json!({ "shipping": { "name": "Ada Lovelace", "address": address } });
        self.api.patch(format!("/v1/orders/{order_id}")).json(&body).insist().await
    }

    /// What the customer's browser does: pays at Stripe.
    pub(crate) async fn confirm(&self, payment_intent_id: &str) {
        let answer = self.confirm_by(payment_intent_id, "pm_card_visa").await.expect(200);
        assert_eq!(answer.body["status"], "succeeded", "{}", answer.text);
    }

    /// The same in this way. Whether it is taken is for Stripe to say.
    pub(crate) async fn confirm_by(&self, payment_intent_id: &str, method: &str) -> Answer {
        let form = format!("payment_method={method}&return_url=https%3A%2F%2Fshop.example%2Fdone");
        let path = format!("/v1/payment_intents/{payment_intent_id}/confirm");
        self.stripe.post(path).form(&form).send().await
    }

    pub(crate) fn waiting(&self, order_id: &str, seconds: u8) -> Call {
        self.api.get(format!("/v1/orders/{order_id}/payment?wait={seconds}"))
    }

    /// Waits until the order has this status, without asking anybody to look for it.
    pub(crate) async fn see_become(&self, order_id: &str, status: &str) {
        wait_until(&format!("{order_id} is {status}"), async || {
            self.order(order_id).await["status"] == status
        })
        .await;
    }

    /// Waits as a return page does, until the order is paid.
    pub(crate) async fn see_paid(&self, order_id: &str) {
        for _ in 0..WAITS {
            let seen = self.waiting(order_id, 20).insist().await.expect(200);
            if seen.body["order_status"] == "paid" {
                return;
            }
        }
        panic!("{order_id} is not paid: {}", self.order(order_id).await);
    }

    pub(crate) fn canceling(&self, order_id: &str) -> Call {
        self.api.post(format!("/v1/orders/{order_id}/cancel")).key(&format!("cancel-{order_id}"))
    }

    pub(crate) async fn order(&self, order_id: &str) -> Value {
        self.api.get(format!("/v1/orders/{order_id}")).insist().await.expect(200).body
    }

    /// The PaymentIntent as it is at Stripe.
    pub(crate) async fn at_stripe(&self, payment_intent_id: &str) -> Value {
        self.stripe.get(format!("/v1/payment_intents/{payment_intent_id}")).send().await.expect(200).body
    }

    /// An order from its placing to the end it is to have. Who asks twice is told the same.
    pub(crate) async fn fulfil(&self, name: &str, fate: Fate) {
        let Payable { order_id, payment_intent_id } = self.payable(name).await;
        self.ship(&order_id, "12 St James's Square").await.expect(200);
        match fate {
            Fate::Paid => {
                self.confirm(&payment_intent_id).await;
                self.see_paid(&order_id).await;
            }
            Fate::Canceled => {
                let canceled = self.canceling(&order_id).insist().await.expect(200);
                assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
            }
        }
        let again = self.placing(name).insist().await.expect(201);
        assert_eq!(again.text_of("id"), order_id, "the same key placed another order");
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
}
