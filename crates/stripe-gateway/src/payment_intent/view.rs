//! A PaymentIntent as Stripe writes it: the one view through which events and answers are read.
//!
//! Unknown fields and statuses are normal, expanded objects stand where ids stood, and an older API version
//! leaves fields out. So only what a fact is made of is asked for, and only when it is.

use quittance_domain::id::PaymentId;
use quittance_domain::payment::{
    Account, Fact, Failure, Mode, Observation, OpenStatus, Seen, Sighting, Success,
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// What we look at. See <https://docs.stripe.com/api/payment_intents/object>.
#[derive(Deserialize)]
pub(crate) struct View {
    id: Option<String>,
    object: Option<String>,
    status: Option<String>,
    created: Option<i64>,
    livemode: Option<bool>,
    amount: Option<i64>,
    amount_received: Option<i64>,
    application_fee_amount: Option<i64>,
    currency: Option<String>,
    client_secret: Option<String>,
    metadata: Option<Metadata>,
    last_payment_error: Option<LastPaymentError>,
}

/// As much of a PaymentIntent in a list as tells whose it is: one that is not ours may be unreadable.
#[derive(Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: String,
    metadata: Option<Metadata>,
}

impl Listed {
    /// Reads an object of a list.
    pub(crate) fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| shape_error("PaymentIntent", &error))
    }

    /// `metadata.payment_id`, if it is one of ours.
    pub(crate) fn payment_id(self) -> Option<PaymentId> {
        parsed(self.metadata?.payment_id)
    }
}

/// The two keys that are ours. Others write into metadata too, so anything may stand there.
#[derive(Default, Deserialize)]
struct Metadata {
    order_id: Option<Value>,
    payment_id: Option<Value>,
}

#[derive(Deserialize)]
struct LastPaymentError {
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    charge: Option<Reference>,
    payment_method: Option<Reference>,
}

/// An object, by its id or expanded.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reference {
    Id(String),
    Expanded { id: String },
}

impl Reference {
    fn into_id(self) -> String {
        match self {
            Self::Id(id) | Self::Expanded { id } => id,
        }
    }
}

/// Where an object was seen.
pub(crate) struct Provenance {
    /// The account that it lives on.
    pub(crate) account: Account,
    /// Whether money is real there.
    pub(crate) mode: Mode,
    /// When, and by which event.
    pub(crate) sighting: Sighting,
}

impl View {
    /// Reads an object; the error says where it has another shape than we know, never what stands there.
    pub(crate) fn read(json: &[u8]) -> Result<Self, String> {
        let view: Self =
            serde_json::from_slice(json).map_err(|error| shape_error("PaymentIntent", &error))?;
        match view.object.as_deref() {
            None | Some("payment_intent") => Ok(view),
            Some(_) => Err("the object is no PaymentIntent".to_owned()),
        }
    }

    /// The second at Stripe's clock in which it was made.
    pub(crate) fn created(&self) -> Option<i64> {
        self.created
    }

    /// Whether money is real where it lives, if it says so.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.livemode.map(Mode::from_livemode)
    }

    /// What a page needs to let the customer pay it.
    pub(crate) fn take_client_secret(&mut self) -> Option<SecretString> {
        self.client_secret.take().map(SecretString::from)
    }

    /// What was seen, in our words; the error says what is missing.
    pub(crate) fn observe(mut self, provenance: Provenance) -> Result<Observation, String> {
        let Provenance { account, mode, sighting } = provenance;
        let payment_intent_id =
            self.id.take().filter(|id| !id.is_empty()).ok_or("the PaymentIntent has no id")?;
        let metadata = self.metadata.take().unwrap_or_default();
        let seen = self.seen(&sighting)?;
        Ok(Observation {
            account,
            mode,
            payment_intent_id,
            order_id: parsed(metadata.order_id),
            payment_id: parsed(metadata.payment_id),
            fact: Fact { sighting, seen },
        })
    }

    fn seen(self, sighting: &Sighting) -> Result<Seen, String> {
        let status = match self.status.as_deref().ok_or("the PaymentIntent has no status")? {
            "requires_payment_method" => OpenStatus::RequiresPaymentMethod,
            "requires_confirmation" => OpenStatus::RequiresConfirmation,
            "requires_action" => OpenStatus::RequiresAction,
            "processing" => OpenStatus::Processing,
            "requires_capture" => OpenStatus::RequiresCapture,
            "canceled" => return Ok(Seen::Canceled),
            "succeeded" => return self.success().map(Seen::Succeeded),
            _ => return Err("the PaymentIntent's status is none that we know".to_owned()),
        };
        let failure = match status {
            OpenStatus::RequiresPaymentMethod => {
                self.last_payment_error.map(|error| error.into_failure(sighting))
            }
            _ => None,
        };
        Ok(Seen::Open { status, failure })
    }

    fn success(self) -> Result<Success, String> {
        Ok(Success {
            amount: self.amount.ok_or("the PaymentIntent has no amount")?,
            currency: self.currency.ok_or("the PaymentIntent has no currency")?,
            amount_received: self.amount_received.ok_or("the PaymentIntent has no amount_received")?,
            application_fee: self.application_fee_amount,
        })
    }
}

impl LastPaymentError {
    /// The charge tells failures apart, and is the same in every event and every read of one failure. Where
    /// none was made (a failed 3D Secure check), the payment method that was tried does.
    fn into_failure(self, sighting: &Sighting) -> Failure {
        let id = self.charge.or(self.payment_method).map(Reference::into_id);
        let fallback = || if sighting.event.is_empty() { "read" } else { &sighting.event }.to_owned();
        Failure {
            id: id.filter(|id| !id.is_empty()).unwrap_or_else(fallback),
            code: self.code,
            decline_code: self.decline_code,
            message: self.message,
        }
    }
}

fn parsed<Id: std::str::FromStr>(value: Option<Value>) -> Option<Id> {
    value?.as_str()?.parse().ok()
}

/// Where a text is not what was expected. The parser's own words may repeat what stands there.
pub(crate) fn shape_error(expected: &str, error: &serde_json::Error) -> String {
    format!("no {expected} as we know it, from line {} column {} on", error.line(), error.column())
}
