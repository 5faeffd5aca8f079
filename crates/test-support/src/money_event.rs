//! Events about Checkout Sessions, refunds and disputes: as Stripe writes them, and as the gateway parses them.

use bytes::Bytes;
use quittance_domain::checkout::SessionStatus;
use quittance_domain::dispute::{DisputeObservation, DisputeState, DisputeStatus};
use quittance_domain::event::{Event, EventContent, MoneyMovement};
use quittance_domain::id::RefundId;
use quittance_domain::payment::{Account, Mode, Provenance, SessionObservation, Success};
use quittance_domain::refund::{RefundObservation, RefundStatus};
use quittance_persistence::Delivery;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{NOW_S, now};
use crate::samples::{Payment, money};

/// An event about a Checkout Session, a refund, a dispute or a charge. Tests change the content that they examine.
#[derive(Debug, Clone)]
pub struct MoneyEvent {
    /// `id`.
    pub id: String,
    /// `type`.
    pub kind: String,
    /// `created`.
    pub created: i64,
    /// The content of the event.
    pub content: EventContent,
}

fn provenance(created: i64) -> Provenance {
    Provenance { created, event: format!("evt_{}", Uuid::now_v7().simple()) }
}

impl Payment {
    /// Returns the Checkout Session ID at Stripe, if the attempt uses a Session.
    #[must_use]
    pub fn checkout_session_id(&self) -> String {
        format!("cs_{}", self.id.as_str().trim_start_matches("pay_"))
    }

    /// Returns the Checkout Session with this status.
    #[must_use]
    pub fn session(&self, status: SessionStatus, paid: Option<Success>) -> SessionObservation {
        SessionObservation {
            account: self.account(),
            mode: Mode::Test,
            checkout_session_id: self.checkout_session_id(),
            event: String::new(),
            payment_intent_id: paid.as_ref().map(|_| self.payment_intent_id.clone()),
            order_id: Some(self.order.id.clone()),
            payment_id: Some(self.id.clone()),
            status,
            paid,
        }
    }

    /// Returns the Checkout Session, paid in full.
    #[must_use]
    pub fn paid_session(&self) -> SessionObservation {
        let (amount, currency) = (self.order.total.minor(), self.order.total.currency().to_string());
        let paid = Success { amount, currency, amount_received: amount, application_fee: None };
        self.session(SessionStatus::Complete, Some(paid))
    }

    /// Returns a refund of the payment, `created` seconds after [`now`]. A `refund_id` makes it a refund by Quittance.
    #[must_use]
    pub fn refund(
        &self,
        stripe_refund_id: &str,
        refund_id: Option<&RefundId>,
        amount: i64,
        (status, created): (RefundStatus, i64),
    ) -> RefundObservation {
        RefundObservation {
            account: self.account(),
            mode: Mode::Test,
            stripe_refund_id: stripe_refund_id.to_owned(),
            payment_intent_id: self.payment_intent_id.clone(),
            refund_id: refund_id.cloned(),
            amount: money(amount, self.order.total.currency().code()),
            reason: None,
            provenance: provenance(NOW_S + created),
            status,
            failure_reason: None,
        }
    }

    /// Returns a dispute of the full payment, `created` seconds after [`now`].
    #[must_use]
    pub fn dispute(&self, id: &str, (status, created): (DisputeStatus, i64)) -> DisputeObservation {
        DisputeObservation {
            account: self.account(),
            mode: Mode::Test,
            stripe_dispute_id: id.to_owned(),
            payment_intent_id: self.payment_intent_id.clone(),
            provenance: provenance(NOW_S + created),
            state: DisputeState {
                status,
                amount: self.order.total.minor(),
                currency: self.order.total.currency().to_string(),
                reason: Some("fraudulent".to_owned()),
                evidence_due_by: None,
            },
        }
    }

    /// Creates the event of an unspecified money movement.
    #[must_use]
    pub fn moved(&self) -> MoneyEvent {
        let payment_intent_id = self.payment_intent_id.clone();
        let moved = MoneyMovement { account: self.account(), mode: Mode::Test, payment_intent_id };
        MoneyEvent::new("charge.refunded", EventContent::MoneyMovement(Box::new(moved)))
    }
}

impl MoneyEvent {
    fn new(kind: &str, content: EventContent) -> Self {
        Self {
            id: format!("evt_{}", Uuid::now_v7().simple()),
            kind: kind.to_owned(),
            created: NOW_S,
            content,
        }
    }

    /// Returns the event as the gateway parses it, with its payload.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        let event = Event {
            id: self.id.clone(),
            kind: self.kind.clone(),
            created: self.created,
            account: account(&self.content),
            mode: Mode::Test,
            content: self.content.clone(),
        };
        Delivery { event, payload: self.payload(), received_at: now() }
    }

    /// Returns the payload as Stripe writes it.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        let event = json!({
            "id": self.id,
            "object": "event",
            "api_version": "2026-09-30.endive",
            "created": self.created,
            "livemode": false,
            "pending_webhooks": 1,
            "type": self.kind,
            "data": { "object": object(&self.content) },
        });
        Bytes::from(event.to_string())
    }
}

fn object(content: &EventContent) -> Value {
    match content {
        EventContent::Session(seen) => json!({
            "id": seen.checkout_session_id,
            "object": "checkout.session",
            "livemode": false,
            "amount_total": seen.paid.as_ref().map(|paid| paid.amount),
            "currency": seen.paid.as_ref().map(|paid| paid.currency.clone()),
            "payment_intent": seen.payment_intent_id,
            "payment_status": if seen.paid.is_some() { "paid" } else { "unpaid" },
            "status": seen.status.as_str(),
            "metadata": { "order_id": seen.order_id, "payment_id": seen.payment_id },
        }),
        EventContent::Refund(seen) => json!({
            "id": seen.stripe_refund_id,
            "object": "refund",
            "amount": seen.amount.minor(),
            "currency": seen.amount.currency().code(),
            "payment_intent": seen.payment_intent_id,
            "reason": seen.reason,
            "status": seen.status.as_str(),
            "metadata": { "refund_id": seen.refund_id },
        }),
        EventContent::Dispute(seen) => json!({
            "id": seen.stripe_dispute_id,
            "object": "dispute",
            "livemode": false,
            "amount": seen.state.amount,
            "currency": seen.state.currency,
            "payment_intent": seen.payment_intent_id,
            "reason": seen.state.reason,
            "status": seen.state.status.as_str(),
            "evidence_details": { "due_by": seen.state.evidence_due_by },
        }),
        EventContent::MoneyMovement(moved) => json!({
            "id": format!("ch_{}", moved.payment_intent_id),
            "object": "charge",
            "livemode": false,
            "payment_intent": moved.payment_intent_id,
        }),
        EventContent::Payment(_)
        | EventContent::Seller(_)
        | EventContent::Unhandled
        | EventContent::Unreadable(_) => Value::Null,
    }
}

/// Returns the account of the object.
fn account(content: &EventContent) -> Account {
    match content {
        EventContent::Session(seen) => seen.account.clone(),
        EventContent::Refund(seen) => seen.account.clone(),
        EventContent::Dispute(seen) => seen.account.clone(),
        EventContent::MoneyMovement(moved) => moved.account.clone(),
        EventContent::Payment(_)
        | EventContent::Seller(_)
        | EventContent::Unhandled
        | EventContent::Unreadable(_) => Account::own(),
    }
}

impl From<SessionObservation> for MoneyEvent {
    fn from(seen: SessionObservation) -> Self {
        let kind = match seen.status {
            SessionStatus::Open => "checkout.session.created",
            SessionStatus::Expired => "checkout.session.expired",
            SessionStatus::Complete => "checkout.session.completed",
            SessionStatus::Failed => "checkout.session.async_payment_failed",
        };
        let made = Self::new(kind, EventContent::Unhandled);
        let seen = SessionObservation { event: made.id.clone(), ..seen };
        Self { content: EventContent::Session(Box::new(seen)), ..made }
    }
}

impl From<RefundObservation> for MoneyEvent {
    fn from(seen: RefundObservation) -> Self {
        let (id, created) = (seen.provenance.event.clone(), seen.provenance.created);
        Self { id, created, ..Self::new("refund.updated", EventContent::Refund(Box::new(seen))) }
    }
}

impl From<DisputeObservation> for MoneyEvent {
    fn from(seen: DisputeObservation) -> Self {
        let (id, created) = (seen.provenance.event.clone(), seen.provenance.created);
        Self { id, created, ..Self::new("charge.dispute.updated", EventContent::Dispute(Box::new(seen))) }
    }
}
