//! The `Stripe-Signature` header: proof that an event's bytes are Stripe's and not old.
//!
//! See <https://docs.stripe.com/webhooks/signature>.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How far a signature's time may be from ours, in seconds, before and after. Stripe's own libraries use it.
pub const TOLERANCE_S: i64 = 300;

/// Why an event is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is not a list of `name=value`.
    #[error("the Stripe-Signature header can not be read")]
    Malformed,
    /// The header has no `t`.
    #[error("the Stripe-Signature header has no timestamp")]
    NoTimestamp,
    /// The signature is right, but its time is too far from ours. Where this comes often, a clock is wrong.
    #[error("the signature was made {age_s} s ago")]
    Stale {
        /// Its age in seconds; negative if it is from the future.
        age_s: i64,
    },
    /// None of the signatures was made with one of the secrets.
    #[error("no signature was made with a secret of ours")]
    NoMatch,
}

/// Checks that these bytes were signed with one of the secrets, not more than [`TOLERANCE_S`] from `now_s`.
///
/// Stripe signs with two secrets for 24 hours after one was rolled, so there may be several signatures in
/// the header, and several secrets here. Signatures are compared in constant time.
pub fn verify(
    payload: &[u8],
    header: &str,
    secrets: &[SecretString],
    now_s: i64,
) -> Result<(), SignatureError> {
    let header = Header::parse(header)?;
    // Anybody can sign with the empty key, so it is the same as no secret.
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

/// The header that Stripe would send with these bytes: what tests and tools sign events with.
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

/// What a header says.
struct Header<'a> {
    /// `t` as it was written: these characters are part of what was signed.
    timestamp: &'a str,
    /// `t` as a second since 1970.
    timestamp_s: i64,
    /// Every `v1` that is hexadecimal.
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
                // What is not hexadecimal matches nothing, but another signature beside it may.
                ("v1", value) => signatures.extend(hex::decode(value)),
                // Other schemes, `v0` in test mode for one, prove nothing.
                _ => {}
            }
        }
        let timestamp = timestamp.ok_or(SignatureError::NoTimestamp)?;
        let timestamp_s = timestamp.parse().map_err(|_| SignatureError::Malformed)?;
        Ok(Self { timestamp, timestamp_s, signatures })
    }
}
