//! Identifiers: a prefix for the type, and a UUID in a compact alphabet.
//!
//! The alphabet is lower-case Crockford base 32, with 26 characters for 128 bits. IDs from version 7 UUIDs sort
//! by creation time as text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LEN: usize = 26;

/// An error for text that doesn't match the ID type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid ID: expected {prefix}_…")]
pub struct InvalidId {
    prefix: &'static str,
}

fn encode(prefix: &str, uuid: Uuid) -> String {
    let bits = uuid.as_u128();
    let mut text = String::with_capacity(prefix.len() + 1 + ENCODED_LEN);
    text.push_str(prefix);
    text.push('_');
    for index in (0..ENCODED_LEN).rev() {
        let digit = (bits >> (5 * index)) & 0x1f;
        text.push(char::from(ALPHABET[usize::try_from(digit).unwrap_or_default()]));
    }
    text
}

fn is_encoded(prefix: &str, text: &str) -> bool {
    let Some(digits) = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) else {
        return false;
    };
    // 26 digits hold 130 bits, so the first one must be below 8.
    digits.len() == ENCODED_LEN
        && digits.bytes().all(|b| ALPHABET.contains(&b))
        && digits.as_bytes()[0] <= b'7'
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The prefix of these IDs, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Encodes a UUID. IDs from version 7 UUIDs sort by time.
            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(encode($prefix, uuid))
            }

            /// Returns the text form that JSON and the database use.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.to_owned().try_into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                if is_encoded($prefix, &text) { Ok(Self(text)) } else { Err(InvalidId { prefix: $prefix }) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id! {
    /// A product ID.
    ProductId, "prd"
}
id! {
    /// An order ID.
    OrderId, "ord"
}
id! {
    /// The ID of one payment attempt: one PaymentIntent or Checkout Session at Stripe, which carries it as
    /// `metadata.payment_id`.
    PaymentId, "pay"
}
id! {
    /// A refund ID. Refunds that Quittance creates carry it at Stripe as `metadata.refund_id`.
    RefundId, "ref"
}
id! {
    /// A dispute ID.
    DisputeId, "dsp"
}
id! {
    /// A seller ID. Each seller is one connected account.
    SellerId, "slr"
}
id! {
    /// A message ID, for messages to the shop's systems.
    MessageId, "msg"
}
id! {
    /// A webhook endpoint ID.
    WebhookEndpointId, "whe"
}
id! {
    /// A secret key ID.
    KeyId, "key"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn id_round_trips_and_sorts_like_its_uuid(a: u128, b: u128) {
            let (x, y) = (OrderId::from_uuid(Uuid::from_u128(a)), OrderId::from_uuid(Uuid::from_u128(b)));
            prop_assert_eq!(x.as_str().parse::<OrderId>(), Ok(x.clone()));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
        }

        #[test]
        fn malformed_id_is_rejected(text in ".{0,40}") {
            prop_assume!(!is_encoded("ord", &text));
            prop_assert!(text.parse::<OrderId>().is_err());
        }
    }

    #[test]
    fn id_with_other_prefix_or_too_many_bits_is_rejected() {
        let product = ProductId::from_uuid(Uuid::from_u128(7));
        assert!(product.as_str().parse::<OrderId>().is_err());
        assert!("ord_zzzzzzzzzzzzzzzzzzzzzzzzzz".parse::<OrderId>().is_err(), "more than 128 bits");
    }
}
