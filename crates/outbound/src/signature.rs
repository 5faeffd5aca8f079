//! Signatures by the Standard Webhooks specification, version 1.0.0:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;

/// What every signing secret begins with.
const PREFIX: &str = "whsec_";

/// How many random bytes a secret has; the specification wants 24 to 64.
const SECRET_BYTES: usize = 32;

/// A new signing secret, `whsec_` and base64.
#[must_use]
pub fn new_secret() -> SecretString {
    let random: [u8; SECRET_BYTES] = rand::random();
    format!("{PREFIX}{}", BASE64_STANDARD.encode(random)).into()
}

/// The header `webhook-signature`: one signature for each secret, divided by spaces. A secret that can not be read
/// makes none.
#[must_use]
pub fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a str>,
    message_id: &str,
    timestamp_s: i64,
    payload: &[u8],
) -> String {
    let signature = |secret: &str| {
        let key = BASE64_STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(message_id.as_bytes());
        mac.update(format!(".{timestamp_s}.").as_bytes());
        mac.update(payload);
        Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    };
    secrets.into_iter().filter_map(signature).collect::<Vec<_>>().join(" ")
}
