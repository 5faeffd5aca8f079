//! Shared parts of the lenient views of Stripe's objects.
//!
//! Unknown fields and values are normal, references may be expanded, and older API versions omit fields. So a
//! view requires only the fields of a fact.

use quittance_domain::id::{OrderId, PaymentId, RefundId, SellerId};
use quittance_domain::payment::{Account, Mode, Provenance};
use serde::Deserialize;
use serde_json::Value;

use crate::Stripe;
use crate::transport::Reply;

/// Quittance's metadata keys. Other programs can write metadata, so the values may be anything.
#[derive(Default, Deserialize)]
pub(crate) struct QuittanceMetadata {
    #[serde(rename = "order_id")]
    order: Option<Value>,
    #[serde(rename = "payment_id")]
    payment: Option<Value>,
    #[serde(rename = "refund_id")]
    refund: Option<Value>,
    #[serde(rename = "seller_id")]
    seller: Option<Value>,
}

impl QuittanceMetadata {
    /// Returns the valid values of `metadata.order_id` and `metadata.payment_id`.
    pub(crate) fn payment_ids(self) -> (Option<OrderId>, Option<PaymentId>) {
        (parsed(self.order), parsed(self.payment))
    }

    /// Returns `metadata.payment_id`, if valid.
    pub(crate) fn payment_id(self) -> Option<PaymentId> {
        parsed(self.payment)
    }

    /// Returns `metadata.refund_id`, if valid.
    pub(crate) fn refund_id(self) -> Option<RefundId> {
        parsed(self.refund)
    }

    /// Returns `metadata.seller_id`, if valid.
    pub(crate) fn seller_id(self) -> Option<SellerId> {
        parsed(self.seller)
    }
}

fn parsed<Id: std::str::FromStr>(value: Option<Value>) -> Option<Id> {
    value?.as_str()?.parse().ok()
}

/// A reference to an object: its ID, or the expanded object.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Reference {
    Id(String),
    Expanded { id: String },
}

impl Reference {
    /// Returns the ID, unless it is empty.
    pub(crate) fn into_id(self) -> Option<String> {
        let (Self::Id(id) | Self::Expanded { id }) = self;
        Some(id).filter(|id| !id.is_empty())
    }
}

/// The origin of an observed object.
#[derive(Clone)]
pub(crate) struct ObjectContext {
    /// The account that owns the object.
    pub(crate) account: Account,
    /// The mode of the object.
    pub(crate) mode: Mode,
    /// The time and the event.
    pub(crate) provenance: Provenance,
}

/// The header fields of an object.
pub(crate) struct ObjectHeader {
    /// The second of creation by Stripe's clock.
    pub(crate) created: Option<i64>,
    /// The mode.
    pub(crate) livemode: Option<bool>,
}

impl Reply {
    /// Returns the time of a response: the second in which the request began, by Stripe's clock. A replayed
    /// response is older by an unknown time, so it gets the second in which the object was created.
    pub(crate) fn provenance_s(&self, created: Option<i64>) -> i64 {
        if self.replayed { created.unwrap_or_default() } else { self.began_at_stripe_s }
    }
}

impl Stripe {
    /// Returns the context of an object in a response.
    pub(crate) fn object_context(
        &self,
        account: &Account,
        reply: &Reply,
        header: &ObjectHeader,
    ) -> ObjectContext {
        ObjectContext {
            account: account.clone(),
            mode: header.livemode.map_or(self.mode, Mode::from_livemode),
            provenance: Provenance { created: reply.provenance_s(header.created), event: String::new() },
        }
    }
}

/// Returns the position of a format error. The parser's own message may repeat values, so it isn't used.
pub(crate) fn shape_error(expected: &str, error: &serde_json::Error) -> String {
    format!("not the expected format of a {expected}: line {} column {}", error.line(), error.column())
}

/// Returns the object's ID, which is required.
pub(crate) fn require_id(id: Option<String>, name: &str) -> Result<String, String> {
    id.filter(|id| !id.is_empty()).ok_or_else(|| format!("the {name} has no id"))
}

/// A view of a Stripe object.
pub(crate) trait StripeObject<'a>: Deserialize<'a> {
    /// The expected value of `object`, if it is present.
    const OBJECT: &'static str;

    /// The name for error texts.
    const NAME: &'static str;

    /// Returns the `object` field.
    fn object(&self) -> Option<&str>;

    /// Reads an object. The error contains the position, never the values.
    fn read(json: &'a [u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(json).map_err(|error| shape_error(Self::NAME, &error))?;
        match read.object() {
            Some(object) if object != Self::OBJECT => Err(format!("the object isn't a {}", Self::NAME)),
            _ => Ok(read),
        }
    }
}

/// Implements [`StripeObject`] for a view: the value of `object`, and the name for error texts.
macro_rules! stripe_object {
    ($view:ty: $object:literal, $name:literal) => {
        impl<'a> StripeObject<'a> for $view {
            const OBJECT: &'static str = $object;
            const NAME: &'static str = $name;

            fn object(&self) -> Option<&str> {
                self.object.as_deref()
            }
        }
    };
}

pub(crate) use stripe_object;
