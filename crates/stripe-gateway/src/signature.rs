//! The `Stripe-Signature` header, which proves the origin and age of an event.
//!
//! See <https://docs.stripe.com/webhooks/signature>.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The maximum difference between a signature's time and the current time, in seconds. Stripe's libraries use
/// the same value.
pub const TOLERANCE_S: i64 = 300;

/// The reason why a signature is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header isn't a list of `name=value`.
    #[error("the Stripe-Signature header is malformed")]
    Malformed,
    /// The header has no `t`.
    #[error("the Stripe-Signature header has no timestamp")]
    NoTimestamp,
    /// The signature is valid, but its time differs too much. If this happens often, check the machine's clock.
    #[error("the signature was made {age_s} s ago")]
    Stale {
        /// The signature's age in seconds. It is negative for a time in the future.
        age_s: i64,
    },
    /// No signature was made with one of the secrets.
    #[error("no signature matches a webhook secret")]
    NoMatch,
}

/// Verifies that the bytes were signed with one of the secrets, at most [`TOLERANCE_S`] from `now_s`.
///
/// After a rotation, Stripe signs with both secrets for 24 hours. So the header can have several signatures,
/// and `secrets` several secrets. Signatures are compared in constant time.
///
/// ```
/// use quittance_stripe_gateway::signature::{SignatureError, sign, verify};
/// use secrecy::SecretString;
///
/// let secret = SecretString::from("whsec_test");
/// let header = sign(b"{}", &secret, 1_795_341_600);
///
/// assert_eq!(verify(b"{}", &header, &[secret.clone()], 1_795_341_610), Ok(()));
/// assert_eq!(verify(b"[]", &header, &[secret], 1_795_341_610), Err(SignatureError::NoMatch));
/// ```
pub fn verify(
    payload: &[u8],
    header: &str,
    secrets: &[SecretString],
    now_s: i64,
) -> Result<(), SignatureError> {
    let header = Header::parse(header)?;
    // Anyone can sign with an empty key, so an empty secret never matches.
    let is_ours = secrets.iter().filter(|secret| !secret.expose_secret().is_empty()).any(|secret| {
        let mac = mac(payload, secret, header.timestamp);
        header.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if !is_ours {
        return Err(SignatureError::NoMatch);
    }
    let age_s = now_s.saturating_sub(header.timestamp_s);
    if age_s.unsigned_abs() > TOLERANCE_S.unsigned_abs() {
        return Err(SignatureError::Stale { age_s });
    }
    Ok(())
}

/// Returns the header that Stripe would send with these bytes. Tests and tools sign events with it.
#[must_use]
pub fn sign(payload: &[u8], secret: &SecretString, timestamp_s: i64) -> String {
    let timestamp = timestamp_s.to_string();
    let signature = mac(payload, secret, &timestamp).finalize().into_bytes();
    format!("t={timestamp},v1={}", hex::encode(signature))
}

fn mac(payload: &[u8], secret: &SecretString, timestamp: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(payload);
    mac
}

/// The parsed header.
struct Header<'a> {
    /// The text of `t`. The signature covers these characters.
    timestamp: &'a str,
    /// The value of `t`, in Unix seconds.
    timestamp_s: i64,
    /// All hexadecimal `v1` signatures.
    signatures: Vec<Vec<u8>>,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Result<Self, SignatureError> {
        let mut timestamp = None;
        let mut signatures = Vec::new();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or(SignatureError::Malformed)?;
            match (name.trim(), value.trim()) {
                ("t", value) if timestamp.replace(value).is_some() => return Err(SignatureError::Malformed),
                // A signature that isn't hexadecimal matches nothing, but another one may.
                ("v1", value) => signatures.extend(hex::decode(value)),
                // Other schemes prove nothing, such as `v0` in test mode.
                _ => {}
            }
        }
        let timestamp = timestamp.ok_or(SignatureError::NoTimestamp)?;
        let timestamp_s = timestamp.parse().map_err(|_| SignatureError::Malformed)?;
        Ok(Self { timestamp, timestamp_s, signatures })
    }
}
