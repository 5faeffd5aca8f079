//! Events as Stripe writes and signs them, made by hand.

use chrono::Utc;
use quittance_stripe_gateway::signature;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Answer, Call, Client};
use crate::environment::{CONNECT_WEBHOOK_SECRET, WEBHOOK_SECRET};
use crate::storefront::{AMOUNT, IntentOrder, Storefront};

/// An event about a PaymentIntent. What a test is about is changed in it.
#[derive(Debug, Clone)]
pub(crate) struct Event(pub(crate) Value);

/// An endpoint for Stripe's events: its path, and the secret that signs them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint(&'static str, &'static str);

impl Endpoint {
    /// It, with what another one signs with.
    pub(crate) fn signed_as(self, other: Self) -> Self {
        Self(self.0, other.1)
    }
}

/// For those of the platform's own account.
pub(crate) const OWN: Endpoint = Endpoint("/webhooks/stripe", WEBHOOK_SECRET);

/// For those of sellers' accounts.
pub(crate) const CONNECT: Endpoint = Endpoint("/webhooks/stripe/connect", CONNECT_WEBHOOK_SECRET);

/// What events about a PaymentIntent are made of: the PaymentIntent as it is at Stripe.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) payable: IntentOrder,
    object: Value,
}

impl Source {
    pub(crate) async fn of(shop: &Storefront, payable: IntentOrder) -> Self {
        let object = shop.at_stripe(&payable.payment_intent_id).await;
        assert_eq!((&object["amount"], &object["currency"]), (&json!(AMOUNT), &json!("eur")));
        assert_eq!(object["metadata"]["order_id"], payable.order_id.as_str());
        Self { payable, object }
    }

    /// The PaymentIntent was made.
    pub(crate) fn created(&self) -> Event {
        self.event("created", 0, &json!({}))
    }

    /// It is in flight at a bank.
    pub(crate) fn processing(&self) -> Event {
        self.event("processing", 1, &json!({ "status": "processing" }))
    }

    /// A charge failed.
    pub(crate) fn failed(&self) -> Event {
        let error = json!({
            "type": "card_error", "charge": "ch_failed", "code": "card_declined",
            "decline_code": "generic_decline", "message": "Your card was declined."
        });
        self.event("payment_failed", 2, &json!({ "last_payment_error": error }))
    }

    /// All of the money came.
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

    /// The PaymentIntent that it is about.
    pub(crate) fn object(&mut self) -> &mut Value {
        &mut self.0["data"]["object"]
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }

    /// The request that delivers it, signed now.
    pub(crate) fn delivery(&self, api: &Client) -> Call {
        self.delivery_to(api, OWN)
    }

    /// The same to another endpoint.
    pub(crate) fn delivery_to(&self, api: &Client, Endpoint(path, secret): Endpoint) -> Call {
        let bytes = self.bytes();
        let signature = sign(&bytes, secret, 0);
        api.with(None).post(path).raw(bytes).header("Stripe-Signature", signature)
    }

    /// Delivers it.
    pub(crate) async fn deliver(&self, api: &Client) -> Answer {
        self.delivery(api).send().await
    }
}

/// The request that delivers these bytes with this signature.
pub(crate) fn delivery(api: &Client, bytes: &[u8], signature: &str) -> Call {
    api.with(None).post("/webhooks/stripe").raw(bytes.to_vec()).header("Stripe-Signature", signature)
}

/// The signature of these bytes, made so many seconds ago.
pub(crate) fn sign(bytes: &[u8], secret: &str, age_s: i64) -> String {
    signature::sign(bytes, &secret.into(), Utc::now().timestamp() - age_s)
}
