//! Routes, and the calls that their handlers receive.

use actix_web::http::Method;
use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::state::Tx;

/// What a caller's key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A secret (or restricted) key: everything.
    Secret,
    /// A publishable key: only what a client secret opens.
    Publishable,
}

/// One call of an endpoint, under the state's lock.
pub(crate) struct Call<'a, 's> {
    pub(crate) tx: &'a mut Tx<'s>,
    pub(crate) params: Params,
    /// The `{id}` of the path, or empty.
    pub(crate) id: &'a str,
    /// The `{child}` of the path, or empty.
    pub(crate) child: &'a str,
    pub(crate) role: Role,
    /// The key as errors show it.
    pub(crate) shown_key: &'a str,
    /// The version that the caller speaks.
    pub(crate) version: &'a str,
}

/// What an endpoint does: change the state and return the object to answer.
pub(crate) type Handler = fn(&mut Call<'_, '_>) -> Result<Value, ApiError>;

/// One endpoint.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
    pub(crate) allows_publishable: bool,
}

impl Route {
    const fn new(method: Method, path: &'static str, handler: Handler) -> Self {
        Self { method, path, handler, allows_publishable: false }
    }

    pub(crate) const fn get(path: &'static str, handler: Handler) -> Self {
        Self::new(Method::GET, path, handler)
    }

    pub(crate) const fn post(path: &'static str, handler: Handler) -> Self {
        Self::new(Method::POST, path, handler)
    }

    pub(crate) const fn delete(path: &'static str, handler: Handler) -> Self {
        Self::new(Method::DELETE, path, handler)
    }

    /// Lets publishable keys in, as Stripe.js needs it.
    pub(crate) const fn publishable(mut self) -> Self {
        self.allows_publishable = true;
        self
    }
}
