//! Signatures according to the Standard Webhooks specification, version 1.0.0:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;

/// The prefix of every signing secret.
const PREFIX: &str = "whsec_";

/// The random bytes in a new secret. The specification requires 24 to 64.
const SECRET_BYTES: usize = 32;

/// Returns a new random signing secret: `whsec_` and base64.
#[must_use]
pub fn new_secret() -> SecretString {
    let random: [u8; SECRET_BYTES] = rand::random();
    format!("{PREFIX}{}", BASE64_STANDARD.encode(random)).into()
}

/// Returns the value of the `webhook-signature` header: one signature per secret, separated by spaces.
///
/// The signature covers the message ID, the timestamp and the payload's exact bytes. While a secret is being rolled,
/// pass both secrets, and the receiver can verify with either. Malformed secrets produce no signature.
///
/// ```
/// let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// let payload = br#"{"test": 2432232314}"#;
///
/// let header = quittance_outbound::sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, payload);
///
/// assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// ```
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
