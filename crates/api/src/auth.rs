//! Who calls: secret keys of the back office, client tokens of orders, and PaymentIntents' client secrets.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use quittance_domain::id::{KeyId, OrderId};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Api;
use crate::code::Code;
use crate::problem::Problem;

/// What every secret key begins with.
const SECRET_KEY_PREFIX: &str = "qsk_";

/// What every client token begins with.
const CLIENT_TOKEN_PREFIX: &str = "oct_";

/// How long a key that was found is believed without asking again: a revoked key works this much longer.
const KEY_BELIEVED_FOR: Duration = Duration::from_secs(3);

/// How many keys are remembered; a back office has a handful.
const KEYS_REMEMBERED_MAX: usize = 1000;

/// The header in which a status lookup may carry a PaymentIntent's client secret.
const CLIENT_SECRET_HEADER: &str = "Stripe-Client-Secret";

/// A secret key of the back office, in full: it is shown once, and only its hash is kept.
#[derive(Debug, Clone)]
pub struct SecretKeyText(SecretString);

/// A text that is no secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret key is qsk_ and 32 to 200 letters, digits, - or _")]
pub struct InvalidSecretKey;

impl SecretKeyText {
    /// A new key, from 32 random bytes.
    #[must_use]
    pub fn generate() -> Self {
        let random: [u8; 32] = rand::random();
        Self(format!("{SECRET_KEY_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random)).into())
    }

    /// The key that was given by other means, if it has the form of one.
    pub fn parse(text: &str) -> Result<Self, InvalidSecretKey> {
        if is_secret_key(text) { Ok(Self(text.into())) } else { Err(InvalidSecretKey) }
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> String {
        hash_secret_key(self.0.expose_secret())
    }

    /// The key itself, to be shown to who asked for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// What is kept of a secret key: SHA-256 in hexadecimal. The keys are random, so that no salt is needed.
fn hash_secret_key(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

/// The token that opens this order to whoever placed it: an HMAC of its id, so that nothing is stored.
#[must_use]
pub fn client_token(token_key: &SecretString, order_id: &OrderId) -> String {
    let mac = order_mac(token_key, order_id).finalize().into_bytes();
    format!("{CLIENT_TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
}

fn order_mac(token_key: &SecretString, order_id: &OrderId) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token_key.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(order_id.as_str().as_bytes());
    mac
}

fn is_secret_key(text: &str) -> bool {
    text.strip_prefix(SECRET_KEY_PREFIX).is_some_and(|random| {
        (32..=200).contains(&random.len())
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

/// What a request came with.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Nothing.
    Anonymous,
    /// The token of an order; of which one is seen when an order is asked for.
    Token(Vec<u8>),
    /// A secret key that is valid.
    Key(KeyId),
}

/// As whom a caller may touch an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Right {
    /// As whoever placed it.
    Holder(OrderId),
    /// As the shop.
    Key(KeyId),
}

/// Who asks, and is answered: what there is to see and to say differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The shop, or the platform that sells for others. Nothing is kept from it.
    Shop,
    /// Whoever places an order, or holds one.
    Holder,
}

impl Right {
    /// Who it is that has it.
    pub(crate) fn audience(&self) -> Audience {
        match self {
            Self::Key(_) => Audience::Shop,
            Self::Holder(_) => Audience::Holder,
        }
    }
}

impl Caller {
    /// The secret key, where nothing else will do.
    pub(crate) fn key(&self) -> Result<KeyId, Problem> {
        match self {
            Self::Key(id) => Ok(id.clone()),
            Self::Anonymous => Err(missing()),
            Self::Token(_) => Err(Problem::new(Code::InvalidCredentials, "This needs a secret key.")),
        }
    }

    /// Who it is, of an order that is only about to be.
    pub(crate) fn audience(&self) -> Audience {
        match self {
            Self::Key(_) => Audience::Shop,
            Self::Anonymous | Self::Token(_) => Audience::Holder,
        }
    }

    /// Whether there are credentials at all.
    pub(crate) fn is_somebody(&self) -> Result<(), Problem> {
        match self {
            Self::Anonymous => Err(missing()),
            Self::Token(_) | Self::Key(_) => Ok(()),
        }
    }

    /// The right to an order: a secret key, or the order's own token. Another order's token sees nothing.
    pub(crate) fn right_to(&self, api: &Api, order_id: &OrderId) -> Result<Right, Problem> {
        match self {
            Self::Key(id) => Ok(Right::Key(id.clone())),
            Self::Anonymous => Err(missing()),
            Self::Token(mac) if api.holds(mac, order_id) => Ok(Right::Holder(order_id.clone())),
            Self::Token(_) => Err(Problem::not_found()),
        }
    }
}

fn missing() -> Problem {
    Problem::new(Code::MissingCredentials, "This needs an Authorization header with a bearer credential.")
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Self>().cloned().unwrap_or(Self::Anonymous)))
    }
}

/// The client secret of a PaymentIntent that a status lookup may come with, as its hash.
pub(crate) struct ClientSecretHash(Option<String>);

impl ClientSecretHash {
    /// Whether there is one at all.
    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// Whether it is of one of an order's PaymentIntents.
    pub(crate) fn is_among(&self, hashes: &[String]) -> bool {
        let Some(given) = &self.0 else { return false };
        let matches = |known: &String| bool::from(known.as_bytes().ct_eq(given.as_bytes()));
        hashes.iter().fold(false, |found, known| found | matches(known))
    }
}

impl FromRequest for ClientSecretHash {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let given = request.headers().get(CLIENT_SECRET_HEADER);
        let hash = given.and_then(|value| value.to_str().ok()).map(quittance_payments::client_secret_hash);
        ready(Ok(Self(hash)))
    }
}

/// Keys that were found a moment ago.
#[derive(Default)]
pub(crate) struct KnownKeys(Mutex<HashMap<String, (KeyId, Instant)>>);

impl KnownKeys {
    fn find(&self, hash: &str) -> Option<KeyId> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).filter(|(_, seen)| seen.elapsed() < KEY_BELIEVED_FOR).map(|(id, _)| id.clone())
    }

    fn remember(&self, hash: String, id: KeyId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEYS_REMEMBERED_MAX {
            known.clear();
        }
        known.insert(hash, (id, Instant::now()));
    }
}

impl Api {
    /// The token of an order, made with the first key.
    pub(crate) fn token_of(&self, order_id: &OrderId) -> String {
        client_token(self.token_key(), order_id)
    }

    /// Whether this is the token of this order, made with any of the keys.
    fn holds(&self, mac: &[u8], order_id: &OrderId) -> bool {
        self.config().token_keys.iter().any(|key| order_mac(key, order_id).verify_slice(mac).is_ok())
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Caller::Anonymous) };
        let invalid = || Problem::new(Code::InvalidCredentials, "The bearer credential is not valid.");
        let (scheme, credential) =
            value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(invalid)?;
        let credential = credential.trim();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid());
        }
        if let Some(token) = credential.strip_prefix(CLIENT_TOKEN_PREFIX) {
            let mac = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
            return if mac.len() == 32 { Ok(Caller::Token(mac)) } else { Err(invalid()) };
        }
        if !is_secret_key(credential) {
            return Err(invalid());
        }
        let hash = hash_secret_key(credential);
        if let Some(id) = self.known_keys().find(&hash) {
            return Ok(Caller::Key(id));
        }
        let key = self.store().secret_key_by_hash(hash.clone()).await?.ok_or_else(invalid)?;
        self.known_keys().remember(hash, key.id.clone());
        Ok(Caller::Key(key.id))
    }
}

/// Finds out who calls, before anything else is decided about the request.
pub(crate) async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.path().starts_with("/v1/") {
        let api = Api::of(request.request());
        match api.caller(request.headers()).await {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
            }
            Err(problem) => return Ok(request.into_response(problem.error_response())),
        }
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}
