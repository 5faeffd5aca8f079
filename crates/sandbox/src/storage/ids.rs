//! IDs, secrets and hashes in the formats that Stripe uses.

use rand::RngExt;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};

/// Returns `length` random characters of `[A-Za-z0-9]`.
pub(crate) fn random(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

/// Returns a new object ID: the prefix (`pi`, `ch`, …), an underscore, and 24 characters.
pub(crate) fn object(prefix: &str) -> String {
    format!("{prefix}_{}", random(24))
}

/// Returns a new request ID: `req_` and 14 characters.
pub(crate) fn request() -> String {
    format!("req_{}", random(14))
}

/// Returns a new signing secret for a webhook endpoint: `whsec_` and 32 characters.
pub(crate) fn signing_secret() -> String {
    format!("whsec_{}", random(32))
}

/// Returns the hash of a secret, which is stored in its place.
pub(crate) fn hash_secret(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

/// Returns whether `id` has the format of an account ID.
pub(crate) fn is_account_id(id: &str) -> bool {
    id.strip_prefix("acct_").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|character| character.is_ascii_alphanumeric())
    })
}

/// Returns whether `text` has the format of an application's client ID.
pub(crate) fn is_client_id(text: &str) -> bool {
    text.strip_prefix("ca_").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|character| character.is_ascii_alphanumeric())
    })
}
