//! Events: verified bytes in, what they say out.
//!
//! Read leniently, because Stripe sends events in the shape of whichever API version an endpoint was made
//! with, and adds types and fields at any time. Only the `id` and the `type` must be there. See
//! <https://docs.stripe.com/api/events/object>.

use std::borrow::Cow;

use quittance_domain::event::{Content, Event};
use quittance_domain::payment::{Account, Mode, Observation, PaymentStatus, Seen, Sighting};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::payment_intent::view::{Provenance, View};

/// The types whose object is a PaymentIntent with news for us.
const PAYMENT_INTENT_TYPES: [&str; 8] = [
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.partially_funded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    SUCCEEDED,
];
const SUCCEEDED: &str = "payment_intent.succeeded";

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
    let content = if PAYMENT_INTENT_TYPES.contains(&envelope.r#type.as_ref()) {
        match observe(&envelope, created, mode, account.clone()) {
            Ok(observation) => Content::Payment(Box::new(observation)),
            Err(reason) => Content::Unreadable(reason),
        }
    } else {
        Content::Unhandled
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

fn observe(
    envelope: &Envelope<'_>,
    created: Option<i64>,
    mode: Option<Mode>,
    account: Option<Account>,
) -> Result<Observation, String> {
    let created = created.ok_or("the event has no created")?;
    let mode = mode.ok_or("the event has no livemode")?;
    let account = account.ok_or("the event's account is no id")?;
    let object = envelope
        .data
        .and_then(|data| serde_json::from_str::<Data<'_>>(data.get()).ok())
        .and_then(|data| data.object)
        .ok_or("the event carries no object")?;
    let sighting = Sighting { created, event: envelope.id.clone().into_owned() };
    let observation = View::read(object.get().as_bytes())?.observe(Provenance { account, mode, sighting })?;
    // An event is believed to be a success only if both its type and its object say so.
    let succeeded = matches!(observation.fact.seen, Seen::Succeeded(_));
    if envelope.r#type == SUCCEEDED && !succeeded {
        return Err(format!("the type says {}, the object does not", PaymentStatus::Succeeded.as_str()));
    }
    Ok(observation)
}
