//! Secrets of sandbox mode, derived from the token key.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::config::Config;

/// Returns the configured secrets. If none is configured, derives one.
pub(super) fn secrets_or_derived(
    config: &Config,
    secrets: &[SecretString],
    purpose: &str,
) -> Vec<SecretString> {
    match secrets {
        [] => vec![derived_secret(config, "whsec_", purpose)],
        secrets => secrets.to_vec(),
    }
}

/// Derives a secret from the token key, so that it stays the same after a restart and needs no file.
pub(super) fn derived_secret(config: &Config, prefix: &str, purpose: &str) -> SecretString {
    let key = config.token_keys.first().map(ExposeSecret::expose_secret).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC accepts keys of any length");
    mac.update(purpose.as_bytes());
    format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())).into()
}
