//! Reading verified events.
//!
//! Parsing is lenient, because the format depends on the endpoint's API version, and Stripe adds types and
//! fields at any time. Only `id` and `type` are required. See <https://docs.stripe.com/api/events/object>.

use std::borrow::Cow;

use quittance_domain::checkout::SessionStatus;
use quittance_domain::event::{Event, EventContent, MoneyMovement};
use quittance_domain::payment::{
    Account, Mode, Observation, ObservedState, PaymentStatus, Provenance, SessionObservation,
};
use quittance_domain::seller::AccountEvent;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::view::{ObjectContext, Reference, StripeObject, stripe_object};
use crate::{account, checkout_session, dispute, payment_intent, refund};

/// The type of an event's object.
#[derive(Clone, Copy)]
enum Object {
    Account,
    Application,
    Capability,
    Charge,
    CheckoutSession,
    Dispute,
    PaymentIntent,
    Refund,
}

impl Object {
    /// Returns whether the object is about a connected account. Events about the platform's own account have no
    /// effect.
    fn belongs_to_seller(self) -> bool {
        matches!(self, Self::Account | Self::Application | Self::Capability)
    }
}

/// The supported event types and their objects.
const HANDLED_TYPES: [(&str, Object); 25] = [
    ("account.application.deauthorized", Object::Application),
    (ACCOUNT_UPDATED, Object::Account),
    ("capability.updated", Object::Capability),
    ("charge.dispute.closed", Object::Dispute),
    ("charge.dispute.created", Object::Dispute),
    ("charge.dispute.funds_reinstated", Object::Dispute),
    ("charge.dispute.funds_withdrawn", Object::Dispute),
    ("charge.dispute.updated", Object::Dispute),
    ("charge.refund.updated", Object::Refund),
    (CHARGE_REFUNDED, Object::Charge),
    (SESSION_SUCCEEDED, Object::CheckoutSession),
    (SESSION_FAILED, Object::CheckoutSession),
    (SESSION_COMPLETED, Object::CheckoutSession),
    (SESSION_EXPIRED, Object::CheckoutSession),
    ("payment_intent.amount_capturable_updated", Object::PaymentIntent),
    ("payment_intent.canceled", Object::PaymentIntent),
    ("payment_intent.created", Object::PaymentIntent),
    ("payment_intent.partially_funded", Object::PaymentIntent),
    ("payment_intent.payment_failed", Object::PaymentIntent),
    ("payment_intent.processing", Object::PaymentIntent),
    ("payment_intent.requires_action", Object::PaymentIntent),
    (SUCCEEDED, Object::PaymentIntent),
    ("refund.created", Object::Refund),
    ("refund.failed", Object::Refund),
    ("refund.updated", Object::Refund),
];
const ACCOUNT_UPDATED: &str = "account.updated";
const CHARGE_REFUNDED: &str = "charge.refunded";
const SUCCEEDED: &str = "payment_intent.succeeded";
const SESSION_COMPLETED: &str = "checkout.session.completed";
const SESSION_EXPIRED: &str = "checkout.session.expired";
const SESSION_FAILED: &str = "checkout.session.async_payment_failed";
const SESSION_SUCCEEDED: &str = "checkout.session.async_payment_succeeded";

/// Types that Quittance doesn't list, because Stripe accepts at most 20 types. After a disconnect, the
/// account's events can't be listed.
const UNLISTED_TYPES: [&str; 4] = [
    "account.application.deauthorized",
    "capability.updated",
    "charge.refund.updated",
    "payment_intent.created",
];
/// One more type is omitted, which depends on the account: account updates on the platform's own account, and
/// charge refunds on a connected one.
const UNLISTED_ON_OWN: &str = ACCOUNT_UPDATED;
const UNLISTED_ON_CONNECTED: &str = CHARGE_REFUNDED;
const _: () = assert!(HANDLED_TYPES.len() - UNLISTED_TYPES.len() - 1 <= 20);

/// Returns the event types to list for an account.
pub(crate) fn listed_types(account: &Account) -> Vec<String> {
    let extra = if *account == Account::own() { UNLISTED_ON_OWN } else { UNLISTED_ON_CONNECTED };
    let names = HANDLED_TYPES.iter().map(|(name, _)| *name);
    let listed = names.filter(|name| !UNLISTED_TYPES.contains(name) && *name != extra);
    listed.map(str::to_owned).collect()
}

/// An error for bytes that aren't a JSON object with the `id` and `type` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body isn't a JSON object with an id and a type")]
pub struct NotAnEvent;

/// The fields around an event's object.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    created: Option<Value>,
    livemode: Option<Value>,
    account: Option<Value>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Option<&'a RawValue>,
}

/// Reads a verified event.
///
/// If a supported type lacks a field around its object, its content is [`EventContent::Unreadable`]. If a field
/// is missing, `created` is 0, `mode` is test, and `account` is the platform's own.
///
/// ```
/// use quittance_domain::event::EventContent;
/// use quittance_stripe_gateway::event;
///
/// let payload = br#"{"id": "evt_1", "type": "customer.created", "created": 1795341600, "livemode": false}"#;
/// let event = event::read(payload)?;
///
/// assert_eq!(event.id, "evt_1");
/// assert_eq!(event.content, EventContent::Unhandled);
/// assert!(event::read(b"not JSON").is_err());
/// # Ok::<(), event::NotAnEvent>(())
/// ```
pub fn read(payload: &[u8]) -> Result<Event, NotAnEvent> {
    let envelope: Envelope<'_> = serde_json::from_slice(payload).map_err(|_| NotAnEvent)?;
    if envelope.id.is_empty() || envelope.r#type.is_empty() {
        return Err(NotAnEvent);
    }
    let created = envelope.created.as_ref().and_then(Value::as_i64);
    let mode = envelope.livemode.as_ref().and_then(Value::as_bool).map(Mode::from_livemode);
    let account = match &envelope.account {
        None => Some(Account::own()),
        Some(Value::String(id)) if !id.is_empty() => Some(Account::connected(id)),
        Some(_) => None,
    };
    let handled = HANDLED_TYPES.iter().find(|(name, _)| *name == envelope.r#type);
    let content = match handled {
        Some((_, object)) if object.belongs_to_seller() && account == Some(Account::own()) => {
            EventContent::Unhandled
        }
        Some((_, object)) => content(*object, &envelope, created, mode, account.clone())
            .unwrap_or_else(EventContent::Unreadable),
        None => EventContent::Unhandled,
    };
    Ok(Event {
        id: envelope.id.into_owned(),
        kind: envelope.r#type.into_owned(),
        created: created.unwrap_or_default(),
        account: account.unwrap_or_default(),
        mode: mode.unwrap_or(Mode::Test),
        content,
    })
}

fn content(
    object: Object,
    envelope: &Envelope<'_>,
    created: Option<i64>,
    mode: Option<Mode>,
    account: Option<Account>,
) -> Result<EventContent, String> {
    let created = created.ok_or("the event has no created")?;
    let mode = mode.ok_or("the event has no livemode")?;
    let account = account.ok_or("the event's account isn't an ID")?;
    let json = envelope
        .data
        .and_then(|data| serde_json::from_str::<Data<'_>>(data.get()).ok())
        .and_then(|data| data.object)
        .ok_or("the event carries no object")?
        .get()
        .as_bytes();
    let provenance = Provenance { created, event: envelope.id.clone().into_owned() };
    let context = ObjectContext { account, mode, provenance };
    let parsed = match object {
        Object::PaymentIntent => {
            let observation = payment(&envelope.r#type, json, context)?;
            Some(EventContent::Payment(Box::new(observation)))
        }
        Object::CheckoutSession => {
            let observation = session(&envelope.r#type, json, &context)?;
            observation.map(|observation| EventContent::Session(Box::new(observation)))
        }
        Object::Refund => {
            let observation = refund::View::read(json)?.observe(context)?;
            observation.map(|observation| EventContent::Refund(Box::new(observation)))
        }
        Object::Dispute => {
            let observation = dispute::View::read(json)?.observe(context)?;
            observation.map(|observation| EventContent::Dispute(Box::new(observation)))
        }
        Object::Account => Some(EventContent::Seller(account_updated(json, &context.account)?)),
        Object::Capability => Some(EventContent::Seller(capability_updated(json, &context.account)?)),
        Object::Application => {
            Application::read(json)?;
            Some(EventContent::Seller(AccountEvent::Deauthorized))
        }
        Object::Charge => {
            money_movement(json, context)?.map(|movement| EventContent::MoneyMovement(Box::new(movement)))
        }
    };
    Ok(parsed.unwrap_or(EventContent::Unhandled))
}

fn payment(kind: &str, json: &[u8], context: ObjectContext) -> Result<Observation, String> {
    let observation = payment_intent::view::View::read(json)?.observe(context)?;
    // A success requires that both the event's type and its object show it.
    let succeeded = matches!(observation.fact.state, ObservedState::Succeeded(_));
    if kind == SUCCEEDED && !succeeded {
        return Err(disagreement(PaymentStatus::Succeeded.as_str()));
    }
    Ok(observation)
}

/// Returns `None` if the Session isn't for a payment.
fn session(kind: &str, json: &[u8], context: &ObjectContext) -> Result<Option<SessionObservation>, String> {
    let view = checkout_session::view::View::read(json)?;
    if !view.is_payment() {
        return Ok(None);
    }
    let mut observation = view.observe(context)?.session;
    let is_complete = matches!(observation.status, SessionStatus::Complete | SessionStatus::Failed);
    let (value, agrees) = match kind {
        SESSION_EXPIRED => ("expired", observation.status == SessionStatus::Expired),
        SESSION_SUCCEEDED => ("paid", is_complete && observation.paid.is_some()),
        SESSION_FAILED => ("unpaid", is_complete && observation.paid.is_none()),
        _ => ("complete", is_complete),
    };
    if !agrees {
        return Err(disagreement(value));
    }
    if kind == SESSION_FAILED {
        observation.status = SessionStatus::Failed;
    }
    Ok(Some(observation))
}

/// The fields of a charge that lead to its PaymentIntent. See <https://docs.stripe.com/api/charges/object>.
#[derive(Deserialize)]
struct Charge {
    object: Option<String>,
    payment_intent: Option<Reference>,
}

stripe_object!(Charge: "charge", "charge");

/// Returns `None` if the charge has no PaymentIntent.
fn money_movement(json: &[u8], context: ObjectContext) -> Result<Option<MoneyMovement>, String> {
    let charge = Charge::read(json)?;
    let ObjectContext { account, mode, provenance: _ } = context;
    let payment_intent_id = charge.payment_intent.and_then(Reference::into_id);
    Ok(payment_intent_id.map(|payment_intent_id| MoneyMovement { account, mode, payment_intent_id }))
}

/// Returns the account's state from the event.
fn account_updated(json: &[u8], account: &Account) -> Result<AccountEvent, String> {
    let (account_id, state) = account::view::View::read(json)?.observe()?;
    if account_id != account.as_str() {
        return Err("the account isn't the event's".to_owned());
    }
    Ok(AccountEvent::Updated(Box::new(state)))
}

/// The fields of the platform's application.
#[derive(Deserialize)]
struct Application {
    object: Option<String>,
}

stripe_object!(Application: "application", "application");

/// The fields of a capability that lead to its account. See <https://docs.stripe.com/api/capabilities/object>.
#[derive(Deserialize)]
struct Capability {
    object: Option<String>,
    account: Option<Reference>,
}

stripe_object!(Capability: "capability", "capability");

/// Returns that the account changed. Capabilities belong to the account, so Quittance reads it at Stripe.
fn capability_updated(json: &[u8], account: &Account) -> Result<AccountEvent, String> {
    let capability = Capability::read(json)?;
    match capability.account.and_then(Reference::into_id) {
        Some(account_id) if account_id != account.as_str() => {
            Err("the capability's account isn't the event's".to_owned())
        }
        _ => Ok(AccountEvent::Changed),
    }
}

fn disagreement(value: &str) -> String {
    format!("the type means {value}, but the object doesn't")
}
