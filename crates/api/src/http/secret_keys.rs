//! Secret keys of the shop's servers, and a short-lived cache of valid ones.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use quittance_domain::id::KeyId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The prefix of every secret key.
const PREFIX: &str = "qsk_";

/// The time for which a valid key is trusted without another lookup. A revoked key works this much longer.
const SECRET_KEY_CACHE_TTL: Duration = Duration::from_secs(3);

/// The largest number of cached keys. A shop has a handful.
const CACHED_KEYS_MAX: usize = 1000;

/// The full text of a secret key. It is shown once; only its hash is stored.
#[derive(Debug, Clone)]
pub struct SecretKeyText(SecretString);

/// The error for a text that isn't a secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret key is qsk_ followed by 32 to 200 letters, digits, - or _")]
pub struct InvalidSecretKey;

impl SecretKeyText {
    /// Generates a key from 32 random bytes.
    #[must_use]
    pub fn generate() -> Self {
        let random: [u8; 32] = rand::random();
        Self(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random)).into())
    }

    /// Parses a key that the operator chose.
    pub fn parse(text: &str) -> Result<Self, InvalidSecretKey> {
        if is_secret_key(text) { Ok(Self(text.into())) } else { Err(InvalidSecretKey) }
    }

    /// Returns the hash to store.
    #[must_use]
    pub fn hash(&self) -> String {
        hash_secret_key(self.0.expose_secret())
    }

    /// Returns the key itself, to show it to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Hashes a secret key with SHA-256, in hexadecimal. Keys are random, so they need no salt.
pub(crate) fn hash_secret_key(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

/// Returns whether a text has the form of a secret key.
pub(crate) fn is_secret_key(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|random| {
        (32..=200).contains(&random.len())
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

/// A cache of valid secret keys, by hash.
#[derive(Default)]
pub(crate) struct SecretKeyCache(Mutex<HashMap<String, (KeyId, Instant)>>);

impl SecretKeyCache {
    /// Returns the key ID for a hash, if it is cached.
    pub(crate) fn get(&self, hash: &str) -> Option<KeyId> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = cached.get(hash).filter(|(_, cached_at)| cached_at.elapsed() < SECRET_KEY_CACHE_TTL);
        entry.map(|(id, _)| id.clone())
    }

    /// Caches a valid key.
    pub(crate) fn insert(&self, hash: String, id: KeyId) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= CACHED_KEYS_MAX {
            cached.clear();
        }
        cached.insert(hash, (id, Instant::now()));
    }
}
