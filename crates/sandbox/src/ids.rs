//! Identifiers and secrets in the shapes Stripe gives them.

use rand::RngExt;
use rand::distr::Alphanumeric;

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
