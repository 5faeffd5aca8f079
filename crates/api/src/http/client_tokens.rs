//! Client tokens, which give a customer access to one order.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use quittance_domain::id::OrderId;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The prefix of every client token.
pub(crate) const PREFIX: &str = "oct_";

/// The length of a token's HMAC, in bytes.
const MAC_LEN: usize = 32;

/// Derives the client token of an order. The token is an HMAC of the order's ID, so it isn't stored.
#[must_use]
pub fn client_token(token_key: &SecretString, order_id: &OrderId) -> String {
    let mac = order_mac(token_key, order_id).finalize().into_bytes();
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
}

/// The keys that client tokens are derived from.
#[derive(Clone)]
pub(crate) struct ClientTokens(Arc<[SecretString]>);

impl ClientTokens {
    /// Creates the set of keys. The first key issues tokens; all keys verify them.
    ///
    /// # Panics
    ///
    /// If `keys` is empty.
    pub(crate) fn new(keys: &[SecretString]) -> Self {
        assert!(!keys.is_empty(), "client tokens need a key");
        Self(keys.into())
    }

    /// Issues the token of an order.
    pub(crate) fn issue(&self, order_id: &OrderId) -> String {
        client_token(&self.0[0], order_id)
    }

    /// Decodes the part of a token after its prefix.
    pub(crate) fn decode(encoded: &str) -> Option<Vec<u8>> {
        BASE64_URL_SAFE_NO_PAD.decode(encoded).ok().filter(|mac| mac.len() == MAC_LEN)
    }

    /// Returns whether a decoded token belongs to this order.
    pub(crate) fn verify(&self, mac: &[u8], order_id: &OrderId) -> bool {
        self.0.iter().any(|key| order_mac(key, order_id).verify_slice(mac).is_ok())
    }
}

fn order_mac(token_key: &SecretString, order_id: &OrderId) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token_key.expose_secret().as_bytes())
        .expect("HMAC accepts keys of any length");
    mac.update(order_id.as_str().as_bytes());
    mac
}
