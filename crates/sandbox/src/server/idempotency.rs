//! Idempotency keys: <https://docs.stripe.com/api/idempotent_requests>.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::http::error::ApiError;
use crate::objects::saved_response::SavedResponse;
use crate::state::Tx;
use crate::storage::table::Account;

const MAX_KEY_CHARS: usize = 255;

/// An idempotency key and the request that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct IdempotentRequest {
    pub(crate) key: String,
    id: String,
    path: String,
    fingerprint: String,
}

impl IdempotentRequest {
    /// Validates the key. The fingerprint is a hash of the parameters, so that no parameters are stored.
    pub(crate) fn new(key: &str, account: &Account, path: &str, body: &[u8]) -> Result<Self, ApiError> {
        if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
            return Err(ApiError::idempotency(
                400,
                format!("Idempotency keys must have between 1 and {MAX_KEY_CHARS} characters."),
            ));
        }
        Ok(Self {
            key: key.to_owned(),
            id: format!("{}:{key}", account.0),
            path: path.to_owned(),
            fingerprint: hex::encode(Sha256::digest(body)),
        })
    }

    /// Returns the saved response of this key, an error if the request differs, or `None` for a new key.
    pub(crate) fn saved(&self, tx: &Tx<'_>) -> Result<Option<SavedResponse>, ApiError> {
        let Some(saved) = tx.get::<SavedResponse>(&self.id).filter(|saved| saved.expires() > tx.now) else {
            return Ok(None);
        };
        let key = &self.key;
        if saved.path != self.path {
            return Err(ApiError::idempotency(
                400,
                format!(
                    "Keys for idempotent requests can only be used for the same endpoint they were first used \
                     for ('{}' vs '{}'). Try using a key other than '{key}' if you meant to execute a \
                     different request.",
                    self.path, saved.path
                ),
            ));
        }
        if saved.fingerprint != self.fingerprint {
            return Err(ApiError::idempotency(
                400,
                format!(
                    "Keys for idempotent requests can only be used with the same parameters they were first \
                     used with. Try using a key other than '{key}' if you meant to execute a different \
                     request."
                ),
            ));
        }
        Ok(Some(saved.clone()))
    }

    /// Saves the response, in the transaction that did the work.
    pub(crate) fn save(&self, tx: &mut Tx<'_>, status: u16, body: &str, request_id: &str) {
        let created_ms = tx.now.0;
        tx.put(SavedResponse {
            id: self.id.clone(),
            path: self.path.clone(),
            fingerprint: self.fingerprint.clone(),
            status,
            body: body.to_owned(),
            request_id: request_id.to_owned(),
            created_ms,
        });
    }
}

/// The keys of requests in progress.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<HashSet<String>>);

impl InFlight {
    /// Marks the key as in use until the guard is dropped. Fails with 409 if it is in use already.
    pub(crate) fn enter(self: &Arc<Self>, request: &IdempotentRequest) -> Result<InFlightGuard, ApiError> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.insert(request.id.clone()) {
            return Err(ApiError::idempotency(
                409,
                format!(
                    "There is currently another in-progress request using this Idempotent Key (that probably \
                     means you submitted twice, and the other request is still going through): {}. Please \
                     try again later.",
                    request.key
                ),
            )
            .with_code("idempotency_key_in_use"));
        }
        Ok(InFlightGuard { keys: Arc::clone(self), id: request.id.clone() })
    }
}

/// Keeps a key in use until it is dropped.
pub(crate) struct InFlightGuard {
    keys: Arc<InFlight>,
    id: String,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, IdempotentRequest, InFlight};
    use crate::storage::table::Account;

    #[test]
    fn key_in_use_is_rejected_until_its_request_ends() {
        let keys = Arc::new(InFlight::default());
        let request = IdempotentRequest::new("k", &Account::platform(), "/v1/x", b"").unwrap();
        let guard = keys.enter(&request).unwrap();
        let refused = keys.enter(&request).err().unwrap();
        assert_eq!((refused.status, refused.code), (409, Some("idempotency_key_in_use")));
        drop(guard);
        assert!(keys.enter(&request).is_ok());
    }
}
