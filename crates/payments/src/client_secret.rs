//! Hashes of client secrets.

use sha2::{Digest, Sha256};

/// Returns the hash under which a client secret is stored.
#[must_use]
pub fn client_secret_hash(client_secret: &str) -> String {
    hex::encode(Sha256::digest(client_secret.as_bytes()))
}
