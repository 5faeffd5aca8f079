//! Requests: building them with async-stripe's builders, and freezing them.

use std::collections::HashMap;
use std::fmt;

use quittance_domain::catalog::Metadata;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::money::Currency;
use quittance_domain::payment::Account;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stripe_client_core::RequestBuilder;

use crate::error::Error;
use crate::transport::{ApiCall, Method};

/// A request that is stored before it is sent, and repeated byte for byte. Stripe refuses an idempotency key
/// that is reused with other parameters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenRequest {
    /// The path with `/v1`.
    pub path: String,
    /// The URL-encoded form. It contains personal data.
    pub body: String,
    /// The idempotency key. Stripe forgets it after 24 hours. After that, find the object instead of repeating
    /// the request.
    pub idempotency_key: String,
    /// The account to call.
    #[serde(serialize_with = "write_account", deserialize_with = "read_account")]
    pub account: Account,
}

impl FrozenRequest {
    /// Freezes a create request.
    pub(crate) fn new(
        request: RequestBuilder,
        account: &Account,
        idempotency_key: impl Into<String>,
    ) -> Self {
        Self {
            path: versioned(&request.path),
            body: sorted(&request.body.unwrap_or_default()),
            idempotency_key: idempotency_key.into(),
            account: account.clone(),
        }
    }

    /// Returns the call that sends this request.
    pub(crate) fn call(&self, operation: &'static str) -> ApiCall<'_> {
        ApiCall {
            operation,
            path: self.path.clone(),
            account: &self.account,
            method: Method::Post { body: self.body.clone(), idempotency_key: &self.idempotency_key },
        }
    }
}

impl fmt::Debug for FrozenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenRequest")
            .field("path", &self.path)
            .field("idempotency_key", &self.idempotency_key)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

fn write_account<S: Serializer>(account: &Account, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(account.as_str())
}

fn read_account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Account, D::Error> {
    // The empty string is the platform's own account.
    String::deserialize(deserializer).map(Account::connected)
}

pub(crate) fn get<'a>(operation: &'static str, account: &'a Account, request: RequestBuilder) -> ApiCall<'a> {
    let method = Method::Get { query: request.query.unwrap_or_default() };
    ApiCall { operation, path: versioned(&request.path), account, method }
}

pub(crate) fn post<'a>(
    operation: &'static str,
    account: &'a Account,
    request: RequestBuilder,
    idempotency_key: &'a str,
) -> ApiCall<'a> {
    let method = Method::Post { body: sorted(&request.body.unwrap_or_default()), idempotency_key };
    ApiCall { operation, path: versioned(&request.path), account, method }
}

fn versioned(path: &str) -> String {
    format!("/v1{path}")
}

/// Returns a form with its fields sorted by name. Metadata passes through a hash map with a random order, so
/// two requests for one attempt would differ otherwise. The items of an array keep their order.
fn sorted(form: &str) -> String {
    let mut fields: Vec<&str> = form.split('&').collect();
    fields.sort_by_cached_key(|field| {
        let name = field.split_once('=').map_or(*field, |(name, _)| name);
        let parts = name.split(['[', ']']);
        parts.map(|part| (part.parse::<u32>().ok(), part)).collect::<Vec<_>>()
    });
    fields.join("&")
}

/// Merges the shop's metadata with Quittance's keys.
pub(crate) fn metadata(
    theirs: &Metadata,
    order_id: &OrderId,
    payment_id: &PaymentId,
) -> HashMap<String, String> {
    // Stripe uses brackets for nested fields, so a key with brackets could overwrite Quittance's keys.
    let theirs = theirs.clone().into_iter().filter(|(key, _)| !key.contains(['[', ']']));
    let ours = [("order_id", order_id.to_string()), ("payment_id", payment_id.to_string())];
    theirs.chain(ours.map(|(key, id)| (key.to_owned(), id))).collect()
}

/// Returns the ID if it is safe in a path. Other characters could lead to another resource.
pub(crate) fn checked_id(id: &str) -> Result<&str, Error> {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain && !id.is_empty() {
        Ok(id)
    } else {
        Err(Error::Unsendable("a Stripe ID can have only letters, digits and underscores"))
    }
}

pub(crate) fn currency(currency: Currency) -> stripe_types::Currency {
    match currency.code().parse() {
        Ok(currency) => currency,
        Err(never) => match never {},
    }
}
