//! What the lenient views of Stripe's objects have in common.
//!
//! Unknown fields and words are normal, expanded objects stand where ids stood, and an older API version
//! leaves fields out. So only what a fact is made of is asked for, and only when it is.

use quittance_domain::id::{OrderId, PaymentId, RefundId, SellerId};
use quittance_domain::payment::{Account, Mode, Provenance};
use serde::Deserialize;
use serde_json::Value;

use crate::Stripe;
use crate::transport::Reply;

/// The keys of metadata that are ours. Others write into metadata too, so anything may stand there.
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
    /// `metadata.order_id` and `metadata.payment_id`, as far as they are ours.
    pub(crate) fn payment_ids(self) -> (Option<OrderId>, Option<PaymentId>) {
        (parsed(self.order), parsed(self.payment))
    }

    /// `metadata.payment_id`, if it is one of ours.
    pub(crate) fn payment_id(self) -> Option<PaymentId> {
        parsed(self.payment)
    }

    /// `metadata.refund_id`, if it is one of ours.
    pub(crate) fn refund_id(self) -> Option<RefundId> {
        parsed(self.refund)
    }

    /// `metadata.seller_id`, if it is one of ours.
    pub(crate) fn seller_id(self) -> Option<SellerId> {
        parsed(self.seller)
    }
}

fn parsed<Id: std::str::FromStr>(value: Option<Value>) -> Option<Id> {
    value?.as_str()?.parse().ok()
}

/// An object, by its id or expanded.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Reference {
    Id(String),
    Expanded { id: String },
}

impl Reference {
    /// The id; none if it is empty.
    pub(crate) fn into_id(self) -> Option<String> {
        let (Self::Id(id) | Self::Expanded { id }) = self;
        Some(id).filter(|id| !id.is_empty())
    }
}

/// Where an object was seen.
#[derive(Clone)]
pub(crate) struct ObjectContext {
    /// The account that it lives on.
    pub(crate) account: Account,
    /// Whether money is real there.
    pub(crate) mode: Mode,
    /// When, and by which event.
    pub(crate) provenance: Provenance,
}

/// What an object says of itself.
pub(crate) struct ObjectHeader {
    /// The second at Stripe's clock in which it was made.
    pub(crate) created: Option<i64>,
    /// Whether money is real where it lives.
    pub(crate) livemode: Option<bool>,
}

impl Reply {
    /// From when what it says is: the second, at Stripe's clock, in which the request began. An answer that Stripe
    /// replayed for its idempotency key is older than that by an unknown time, and dated by the second in which the
    /// object was made.
    pub(crate) fn provenance_s(&self, created: Option<i64>) -> i64 {
        if self.replayed { created.unwrap_or_default() } else { self.began_at_stripe_s }
    }
}

impl Stripe {
    /// Where the object of an answer was seen.
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

/// Where a text is not what was expected. The parser's own words may repeat what stands there.
pub(crate) fn shape_error(expected: &str, error: &serde_json::Error) -> String {
    format!("no {expected} as we know it, from line {} column {} on", error.line(), error.column())
}

/// The id that an object of ours must have.
pub(crate) fn require_id(id: Option<String>, name: &str) -> Result<String, String> {
    id.filter(|id| !id.is_empty()).ok_or_else(|| format!("the {name} has no id"))
}

/// An object of Stripe's, as far as we look at it.
pub(crate) trait StripeObject<'a>: Deserialize<'a> {
    /// What it says that it is, if it says so.
    const OBJECT: &'static str;

    /// What we call it.
    const NAME: &'static str;

    /// Its `object`.
    fn object(&self) -> Option<&str>;

    /// Reads one; the error says where it has another shape than we know, never what stands there.
    fn read(json: &'a [u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(json).map_err(|error| shape_error(Self::NAME, &error))?;
        match read.object() {
            Some(object) if object != Self::OBJECT => Err(format!("the object is no {}", Self::NAME)),
            _ => Ok(read),
        }
    }
}

/// Says of which object a view is: Stripe's word for it, and ours.
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
