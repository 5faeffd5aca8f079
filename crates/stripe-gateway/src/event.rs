//! Events: verified bytes in, what they say out.
//!
//! Read leniently, because Stripe sends events in the shape of whichever API version an endpoint was made
//! with, and adds types and fields at any time. Only the `id` and the `type` must be there. See
//! <https://docs.stripe.com/api/events/object>.

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

/// What an event is about.
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
    /// Whether it tells of a connected account itself: what happens to the platform's own is nothing to us.
    fn belongs_to_seller(self) -> bool {
        matches!(self, Self::Account | Self::Application | Self::Capability)
    }
}

/// The types with news for us, and what they are about.
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

/// Those that we do without where Stripe lists no more than 20 types. Whose owner has ended the platform's access can
/// not be listed any more.
const UNLISTED_TYPES: [&str; 4] = [
    "account.application.deauthorized",
    "capability.updated",
    "charge.refund.updated",
    "payment_intent.created",
];
/// One more: of its own account the platform wants to know nothing, and of a connected one more than of its own.
const UNLISTED_ON_OWN: &str = ACCOUNT_UPDATED;
const UNLISTED_ON_CONNECTED: &str = CHARGE_REFUNDED;
const _: () = assert!(HANDLED_TYPES.len() - UNLISTED_TYPES.len() - 1 <= 20);

/// The types that a list of an account's events is to hold.
pub(crate) fn listed_types(account: &Account) -> Vec<String> {
    let extra = if *account == Account::own() { UNLISTED_ON_OWN } else { UNLISTED_ON_CONNECTED };
    let names = HANDLED_TYPES.iter().map(|(name, _)| *name);
    let listed = names.filter(|name| !UNLISTED_TYPES.contains(name) && *name != extra);
    listed.map(str::to_owned).collect()
}

/// The bytes are no event: no JSON, or without the `id` and `type` that every event has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is no JSON object with an id and a type")]
pub struct NotAnEvent;

/// What every event has around its object.
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
/// What is missing around the object makes an event of a type that we handle unreadable; of such an event,
/// and of one whose type we do not handle, `created` is then 0, `mode` is test, and `account` is our own.
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
    let account = account.ok_or("the event's account is no id")?;
    let json = envelope
        .data
        .and_then(|data| serde_json::from_str::<Data<'_>>(data.get()).ok())
        .and_then(|data| data.object)
        .ok_or("the event carries no object")?
        .get()
        .as_bytes();
    let provenance = Provenance { created, event: envelope.id.clone().into_owned() };
    let context = ObjectContext { account, mode, provenance };
    let content = match object {
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
    Ok(content.unwrap_or(EventContent::Unhandled))
}

fn payment(kind: &str, json: &[u8], context: ObjectContext) -> Result<Observation, String> {
    let observation = payment_intent::view::View::read(json)?.observe(context)?;
    // An event is believed to be a success only if both its type and its object say so.
    let succeeded = matches!(observation.fact.state, ObservedState::Succeeded(_));
    if kind == SUCCEEDED && !succeeded {
        return Err(disagreement(PaymentStatus::Succeeded.as_str()));
    }
    Ok(observation)
}

/// Nothing, if the Session is of no payment.
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

/// A charge, as far as it leads to its PaymentIntent. See <https://docs.stripe.com/api/charges/object>.
#[derive(Deserialize)]
struct Charge {
    object: Option<String>,
    payment_intent: Option<Reference>,
}

stripe_object!(Charge: "charge", "charge");

/// Nothing, if the charge was made without a PaymentIntent.
fn money_movement(json: &[u8], context: ObjectContext) -> Result<Option<MoneyMovement>, String> {
    let charge = Charge::read(json)?;
    let ObjectContext { account, mode, provenance: _ } = context;
    let payment_intent_id = charge.payment_intent.and_then(Reference::into_id);
    Ok(payment_intent_id.map(|payment_intent_id| MoneyMovement { account, mode, payment_intent_id }))
}

/// How the account stood on which the event happened.
fn account_updated(json: &[u8], account: &Account) -> Result<AccountEvent, String> {
    let (account_id, state) = account::view::View::read(json)?.observe()?;
    if account_id != account.as_str() {
        return Err("the account is not the event's".to_owned());
    }
    Ok(AccountEvent::Updated(Box::new(state)))
}

/// The platform, as far as it tells what it is.
#[derive(Deserialize)]
struct Application {
    object: Option<String>,
}

stripe_object!(Application: "application", "application");

/// A capability, as far as it tells whose it is. See <https://docs.stripe.com/api/capabilities/object>.
#[derive(Deserialize)]
struct Capability {
    object: Option<String>,
    account: Option<Reference>,
}

stripe_object!(Capability: "capability", "capability");

/// An account's capabilities are part of it: Stripe is asked for them all.
fn capability_updated(json: &[u8], account: &Account) -> Result<AccountEvent, String> {
    let capability = Capability::read(json)?;
    match capability.account.and_then(Reference::into_id) {
        Some(account_id) if account_id != account.as_str() => {
            Err("the capability's account is not the event's".to_owned())
        }
        _ => Ok(AccountEvent::Changed),
    }
}

fn disagreement(value: &str) -> String {
    format!("the type says {value}, the object does not")
}
