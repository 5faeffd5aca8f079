//! Authentication: secret keys of the shop, client tokens of orders, and client secrets of PaymentIntents.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::ThinData;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError};
use quittance_domain::id::{KeyId, OrderId};
use quittance_persistence::Store;
use subtle::ConstantTimeEq;

use crate::audience::Audience;
use crate::http::client_tokens::{self, ClientTokens};
use crate::http::secret_keys::{SecretKeyCache, hash_secret_key, is_secret_key};
use crate::problem::Problem;
use crate::problem::code::Code;

/// The header in which a payment lookup may carry a PaymentIntent's client secret.
const CLIENT_SECRET_HEADER: &str = "Stripe-Client-Secret";

/// The credentials of a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// No credentials.
    Anonymous,
    /// A client token. It is verified once the order is known.
    Token(Vec<u8>),
    /// A valid secret key.
    Key(KeyId),
}

/// A caller's access to one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// Access with the order's client token.
    Holder(OrderId),
    /// Access with a secret key.
    Key(KeyId),
}

impl Access {
    /// Returns the audience of the response.
    pub(crate) fn audience(&self) -> Audience {
        match self {
            Self::Key(_) => Audience::Shop,
            Self::Holder(_) => Audience::Holder,
        }
    }
}

impl Caller {
    /// Returns the secret key's ID, or a problem if the caller has no secret key.
    pub(crate) fn key(&self) -> Result<KeyId, Problem> {
        match self {
            Self::Key(id) => Ok(id.clone()),
            Self::Anonymous => Err(missing_credentials()),
            Self::Token(_) => Err(Problem::new(
                Code::InvalidCredentials,
                "A client token can't be used here. Send a secret key (`qsk_…`).",
            )),
        }
    }

    /// Returns the audience of an order that doesn't exist yet.
    pub(crate) fn audience(&self) -> Audience {
        match self {
            Self::Key(_) => Audience::Shop,
            Self::Anonymous | Self::Token(_) => Audience::Holder,
        }
    }

    /// Returns a problem if the request has no credentials.
    pub(crate) fn require_credentials(&self) -> Result<(), Problem> {
        match self {
            Self::Anonymous => Err(missing_credentials()),
            Self::Token(_) | Self::Key(_) => Ok(()),
        }
    }
}

fn missing_credentials() -> Problem {
    let detail =
        "The Authorization header is missing. Send `Authorization: Bearer` and a secret key or client token.";
    Problem::new(Code::MissingCredentials, detail)
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Self>().cloned().unwrap_or(Self::Anonymous)))
    }
}

/// The hash of a PaymentIntent's client secret, if a payment lookup carries one.
pub(crate) struct ClientSecretHash(Option<String>);

impl ClientSecretHash {
    /// Returns whether the request carries a client secret.
    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether the client secret belongs to one of an order's PaymentIntents.
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

/// Verifies the credentials of requests.
#[derive(Clone)]
pub(crate) struct Authenticator {
    store: Store,
    tokens: ClientTokens,
    cache: Arc<SecretKeyCache>,
}

impl Authenticator {
    /// Creates an authenticator with an empty cache.
    pub(crate) fn new(store: Store, tokens: ClientTokens) -> Self {
        Self { store, tokens, cache: Arc::default() }
    }

    /// Returns the caller's access to an order. A secret key opens every order, a client token only its own.
    pub(crate) fn access(&self, caller: &Caller, order_id: &OrderId) -> Result<Access, Problem> {
        match caller {
            Caller::Key(id) => Ok(Access::Key(id.clone())),
            Caller::Anonymous => Err(missing_credentials()),
            Caller::Token(mac) if self.tokens.verify(mac, order_id) => Ok(Access::Holder(order_id.clone())),
            Caller::Token(_) => Err(Problem::not_found()),
        }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Caller::Anonymous) };
        let invalid = || {
            let detail = "The Authorization header has no valid credential. \
                          Send `Authorization: Bearer` and a secret key or client token.";
            Problem::new(Code::InvalidCredentials, detail)
        };
        let (scheme, credential) =
            value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(invalid)?;
        let credential = credential.trim();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid());
        }
        if let Some(token) = credential.strip_prefix(client_tokens::PREFIX) {
            return ClientTokens::decode(token).map(Caller::Token).ok_or_else(invalid);
        }
        if !is_secret_key(credential) {
            return Err(invalid());
        }
        let hash = hash_secret_key(credential);
        if let Some(id) = self.cache.get(&hash) {
            return Ok(Caller::Key(id));
        }
        let key = self.store.secret_key_by_hash(hash.clone()).await?.ok_or_else(invalid)?;
        self.cache.insert(hash, key.id.clone());
        Ok(Caller::Key(key.id))
    }
}

/// Authenticates API requests before anything else is decided.
pub(crate) async fn authenticate(
    authenticator: ThinData<Authenticator>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.path().starts_with("/v1/") {
        match authenticator.caller(request.headers()).await {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
            }
            Err(problem) => return Ok(request.into_response(problem.error_response())),
        }
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}
