//! Events about a PaymentIntent: as Stripe writes them, and as the gateway parses them.

use bytes::Bytes;
use quittance_domain::event::{Event, EventContent};
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::payment::{
    Account, Fact, Failure, Mode, Observation, ObservedState, OpenStatus, PaymentStatus, Provenance, Success,
};
use quittance_persistence::Delivery;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{NOW_S, now};
use crate::samples::Payment;

/// An event about a PaymentIntent. Tests change the fields that they examine.
#[derive(Debug, Clone)]
pub struct PaymentEvent {
    /// `id`.
    pub id: String,
    /// `type`, without `payment_intent.`.
    pub happened: &'static str,
    /// `created`.
    pub created: i64,
    /// `account`.
    pub account: Account,
    /// `livemode`.
    pub mode: Mode,
    /// `data.object.id`.
    pub payment_intent_id: String,
    /// `data.object.metadata.order_id`.
    pub order_id: Option<OrderId>,
    /// `data.object.metadata.payment_id`.
    pub payment_id: Option<PaymentId>,
    /// The state of the object.
    pub seen: ObservedState,
}

impl Payment {
    fn event(&self, happened: &'static str, seen: ObservedState) -> PaymentEvent {
        PaymentEvent {
            id: format!("evt_{}", Uuid::now_v7().simple()),
            happened,
            created: NOW_S,
            account: self.account(),
            mode: Mode::Test,
            payment_intent_id: self.payment_intent_id.clone(),
            order_id: Some(self.order.id.clone()),
            payment_id: Some(self.id.clone()),
            seen,
        }
    }

    /// Creates the event that the PaymentIntent was created.
    #[must_use]
    pub fn created(&self) -> PaymentEvent {
        self.open("created", OpenStatus::RequiresPaymentMethod)
    }

    /// Creates an event with this open status.
    #[must_use]
    pub fn open(&self, happened: &'static str, status: OpenStatus) -> PaymentEvent {
        self.event(happened, ObservedState::Open { status, failure: None })
    }

    /// Creates the event that a bank processes the payment.
    #[must_use]
    pub fn processing(&self) -> PaymentEvent {
        self.open("processing", OpenStatus::Processing)
    }

    /// Creates the event that this charge failed.
    #[must_use]
    pub fn failed(&self, charge: &str) -> PaymentEvent {
        let failure = Some(Failure {
            id: charge.to_owned(),
            code: Some("card_declined".to_owned()),
            decline_code: Some("insufficient_funds".to_owned()),
            message: Some("Your card has insufficient funds.".to_owned()),
        });
        self.event(
            "payment_failed",
            ObservedState::Open { status: OpenStatus::RequiresPaymentMethod, failure },
        )
    }

    /// Creates the event that the full amount was paid.
    #[must_use]
    pub fn succeeded(&self) -> PaymentEvent {
        self.succeeded_with(self.order.total.minor(), self.order.total.currency().code())
    }

    /// Creates the event that this amount was paid.
    #[must_use]
    pub fn succeeded_with(&self, amount: i64, currency: &str) -> PaymentEvent {
        let currency = currency.to_owned();
        let application_fee = self.application_fee();
        let success = Success { amount, currency, amount_received: amount, application_fee };
        self.event("succeeded", ObservedState::Succeeded(success))
    }

    /// Creates the event that the PaymentIntent was canceled.
    #[must_use]
    pub fn canceled(&self) -> PaymentEvent {
        self.event("canceled", ObservedState::Canceled)
    }
}

impl PaymentEvent {
    /// Moves the event this many seconds later on Stripe's clock.
    #[must_use]
    pub fn after(mut self, seconds: i64) -> Self {
        self.created += seconds;
        self
    }

    /// Returns Stripe's `type`.
    #[must_use]
    pub fn kind(&self) -> String {
        format!("payment_intent.{}", self.happened)
    }

    /// Returns the observation that a response to a call would contain.
    #[must_use]
    pub fn observation(&self) -> Observation {
        Observation {
            account: self.account.clone(),
            mode: self.mode,
            payment_intent_id: self.payment_intent_id.clone(),
            order_id: self.order_id.clone(),
            payment_id: self.payment_id.clone(),
            fact: Fact {
                provenance: Provenance { created: self.created, event: self.id.clone() },
                state: self.seen.clone(),
            },
        }
    }

    /// Returns the event as the gateway parses it, with its payload.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        let event = Event {
            id: self.id.clone(),
            kind: self.kind(),
            created: self.created,
            account: self.account.clone(),
            mode: self.mode,
            content: EventContent::Payment(Box::new(self.observation())),
        };
        Delivery { event, payload: self.payload(), received_at: now() }
    }

    /// Returns the payload as Stripe writes it.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        let mut event = json!({
            "id": self.id,
            "object": "event",
            "api_version": "2026-09-30.endive",
            "created": self.created,
            "livemode": self.mode == Mode::Live,
            "pending_webhooks": 1,
            "type": self.kind(),
            "data": { "object": self.object() },
        });
        if self.account != Account::own() {
            event["account"] = json!(self.account.as_str());
        }
        Bytes::from(event.to_string())
    }

    fn object(&self) -> Value {
        let mut object = json!({
            "id": self.payment_intent_id,
            "object": "payment_intent",
            "created": self.created,
            "livemode": self.mode == Mode::Live,
            "amount": 2500,
            "amount_received": 0,
            "currency": "eur",
            "metadata": { "order_id": self.order_id, "payment_id": self.payment_id },
        });
        let status = match &self.seen {
            ObservedState::Open { status, failure } => {
                object["last_payment_error"] = failure.as_ref().map_or(Value::Null, error);
                PaymentStatus::Open(*status)
            }
            ObservedState::Canceled => PaymentStatus::Canceled,
            ObservedState::Succeeded(success) => {
                object["amount"] = json!(success.amount);
                object["amount_received"] = json!(success.amount_received);
                object["currency"] = json!(success.currency);
                object["application_fee_amount"] = json!(success.application_fee);
                PaymentStatus::Succeeded
            }
        };
        object["status"] = json!(status.as_str());
        object
    }
}

fn error(failure: &Failure) -> Value {
    json!({
        "charge": failure.id,
        "code": failure.code,
        "decline_code": failure.decline_code,
        "message": failure.message,
        "type": "card_error",
    })
}
