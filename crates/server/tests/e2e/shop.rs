//! A shop's side of an order, every request of it repeated until it is answered.

use serde_json::{Value, json};

use crate::client::{Answer, Call, Client};
use crate::world::World;

/// What the one product costs.
pub(crate) const AMOUNT: i64 = 2_500;

/// How often a return page asks, each time with patience.
const WAITS: usize = 3;

/// A shop with one product. Clones share everything.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) api: Client,
    pub(crate) stripe: Client,
    pub(crate) product_id: String,
}

/// An order with its PaymentIntent.
#[derive(Debug, Clone)]
pub(crate) struct Payable {
    pub(crate) order_id: String,
    pub(crate) payment_intent_id: String,
}

/// How an order is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Paid,
    Canceled,
}

impl Shop {
    pub(crate) async fn open(world: &World<'_>) -> Self {
        let product = json!({ "name": "Kettle", "unit_amount": AMOUNT, "currency": "eur" });
        let answer = world.api.post("/v1/products").json(&product).send().await.expect(201);
        Self { api: world.api.clone(), stripe: world.stripe.clone(), product_id: answer.text_of("id") }
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

    pub(crate) async fn ship(&self, order_id: &str, street: &str) -> Answer {
        let address = json!({
            "line1": street, "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"
        });
        let body = json!({ "shipping": { "name": "Ada Lovelace", "address": address } });
        self.api.patch(format!("/v1/orders/{order_id}")).json(&body).insist().await
    }

    /// What the customer's browser does: pays at Stripe.
    pub(crate) async fn confirm(&self, payment_intent_id: &str) {
        let form = "payment_method=pm_card_visa&return_url=https%3A%2F%2Fshop.example%2Fdone";
        let path = format!("/v1/payment_intents/{payment_intent_id}/confirm");
        let answer = self.stripe.post(path).form(form).send().await.expect(200);
        assert_eq!(answer.body["status"], "succeeded", "{}", answer.text);
    }

    pub(crate) fn waiting(&self, order_id: &str, seconds: u8) -> Call {
        self.api.get(format!("/v1/orders/{order_id}/payment?wait={seconds}"))
    }

    /// Waits as a return page does, until the order is paid.
    pub(crate) async fn see_paid(&self, order_id: &str) {
        for _ in 0..WAITS {
            let seen = self.waiting(order_id, 20).insist().await.expect(200);
            if seen.body["order_status"] == "paid" {
                return;
            }
        }
        panic!("{order_id} is not paid");
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
