//! IDs, secrets and hashes in the formats that Stripe uses.

use rand::RngExt;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};

/// `length` random characters of `[A-Za-z0-9]`.
pub(crate) fn random(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

/// A new object id: the prefix (`pi`, `ch`, …), an underscore, and 24 characters.
pub(crate) fn object(prefix: &str) -> String {
    format!("{prefix}_{}", random(24))
}

/// A new request id: `req_` and 14 characters.
pub(crate) fn request() -> String {
    format!("req_{}", random(14))
}

/// A new signing secret of a webhook endpoint: `whsec_` and 32 characters.
pub(crate) fn signing_secret() -> String {
    format!("whsec_{}", random(32))
}

/// What is kept of a key that is to be known again.
pub(crate) fn hash_of_key(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

/// Whether `id` has the shape of an account's id.
pub(crate) fn is_account_id(id: &str) -> bool {
    id.strip_prefix("acct_").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|character| character.is_ascii_alphanumeric())
    })
}

/// Whether a text has the shape of an application's id.
pub(crate) fn is_client_id(text: &str) -> bool {
    text.strip_prefix("ca_").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|character| character.is_ascii_alphanumeric())
    })
}
