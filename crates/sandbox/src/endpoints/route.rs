//! Routes, and the calls that their handlers receive.

use actix_web::http::Method;
use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::state::Tx;

/// The permissions of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A secret or restricted key, which allows everything.
    Secret,
    /// A publishable key, which allows access with a client secret only.
    Publishable,
}

/// A call of an endpoint, inside a transaction.
pub(crate) struct Call<'a, 's> {
    pub(crate) tx: &'a mut Tx<'s>,
    pub(crate) params: Params,
    /// The path's `{id}`, or empty.
    pub(crate) id: &'a str,
    /// The path's `{child}`, or empty.
    pub(crate) child: &'a str,
    pub(crate) role: Role,
    /// The key as shown in errors.
    pub(crate) redacted_key: &'a str,
    /// The caller's API version.
    pub(crate) version: &'a str,
}

/// A handler: it changes the state and returns the object to respond with.
pub(crate) type Handler = fn(&mut Call<'_, '_>) -> Result<Value, ApiError>;

/// A route.
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

    /// Allows publishable keys, which Stripe.js uses.
    pub(crate) const fn publishable(mut self) -> Self {
        self.allows_publishable = true;
        self
    }
}
