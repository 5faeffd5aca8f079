//! Events as Stripe writes and signs them, built by the tests.

use chrono::Utc;
use quittance_stripe_gateway::signature;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Answer, Call, Client};
use crate::environment::{CONNECT_WEBHOOK_SECRET, WEBHOOK_SECRET};
use crate::storefront::{AMOUNT, IntentOrder, Storefront};

/// An event about a PaymentIntent. Tests change its fields.
#[derive(Debug, Clone)]
pub(crate) struct Event(pub(crate) Value);

/// An endpoint for Stripe's events: its path and its signing secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint(&'static str, &'static str);

impl Endpoint {
    /// Returns the endpoint with the secret of another one.
    pub(crate) fn signed_as(self, other: Self) -> Self {
        Self(self.0, other.1)
    }
}

/// The endpoint for the platform's own account.
pub(crate) const OWN: Endpoint = Endpoint("/webhooks/stripe", WEBHOOK_SECRET);

/// The endpoint for sellers' accounts.
pub(crate) const CONNECT: Endpoint = Endpoint("/webhooks/stripe/connect", CONNECT_WEBHOOK_SECRET);

/// A builder of events about a PaymentIntent, with its current state at Stripe.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) payable: IntentOrder,
    object: Value,
}

impl Source {
    pub(crate) async fn new(shop: &Storefront, payable: IntentOrder) -> Self {
        let object = shop.at_stripe(&payable.payment_intent_id).await;
        assert_eq!((&object["amount"], &object["currency"]), (&json!(AMOUNT), &json!("eur")));
        assert_eq!(object["metadata"]["order_id"], payable.order_id.as_str());
        Self { payable, object }
    }

    /// Builds the event that the PaymentIntent was created.
    pub(crate) fn created(&self) -> Event {
        self.event("created", 0, &json!({}))
    }

    /// Builds the event that a bank processes the payment.
    pub(crate) fn processing(&self) -> Event {
        self.event("processing", 1, &json!({ "status": "processing" }))
    }

    /// Builds the event that a charge failed.
    pub(crate) fn failed(&self) -> Event {
        let error = json!({
            "type": "card_error", "charge": "ch_failed", "code": "card_declined",
            "decline_code": "generic_decline", "message": "Your card was declined."
        });
        self.event("payment_failed", 2, &json!({ "last_payment_error": error }))
    }

    /// Builds the event that the full amount was paid.
    pub(crate) fn succeeded(&self) -> Event {
        self.event("succeeded", 3, &json!({ "status": "succeeded", "amount_received": AMOUNT }))
    }

    fn event(&self, happened: &str, seconds: i64, changes: &Value) -> Event {
        let mut object = self.object.clone();
        for (name, value) in changes.as_object().into_iter().flatten() {
            object[name] = value.clone();
        }
        let created = object["created"].as_i64().expect("a time") + seconds;
        Event(json!({
            "id": format!("evt_{}", Uuid::now_v7().simple()),
            "object": "event",
            "api_version": "2026-09-30.endive",
            "created": created,
            "livemode": false,
            "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "type": format!("payment_intent.{happened}"),
            "data": { "object": object },
        }))
    }
}

impl Event {
    pub(crate) fn id(&self) -> &str {
        self.0["id"].as_str().expect("an id")
    }

    /// Returns the PaymentIntent in the event.
    pub(crate) fn object(&mut self) -> &mut Value {
        &mut self.0["data"]["object"]
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }

    /// Returns the request that delivers the event, signed now.
    pub(crate) fn delivery(&self, api: &Client) -> Call {
        self.delivery_to(api, OWN)
    }

    /// Returns the request that delivers the event to another endpoint.
    pub(crate) fn delivery_to(&self, api: &Client, Endpoint(path, secret): Endpoint) -> Call {
        let bytes = self.bytes();
        let signature = sign(&bytes, secret, 0);
        api.with(None).post(path).raw(bytes).header("Stripe-Signature", signature)
    }

    /// Delivers the event.
    pub(crate) async fn deliver(&self, api: &Client) -> Answer {
        self.delivery(api).send().await
    }
}

/// Returns the request that delivers these bytes with this signature.
pub(crate) fn delivery(api: &Client, bytes: &[u8], signature: &str) -> Call {
    api.with(None).post("/webhooks/stripe").raw(bytes.to_vec()).header("Stripe-Signature", signature)
}

/// Returns the signature of these bytes, `age_s` seconds old.
pub(crate) fn sign(bytes: &[u8], secret: &str, age_s: i64) -> String {
    signature::sign(bytes, &secret.into(), Utc::now().timestamp() - age_s)
}
