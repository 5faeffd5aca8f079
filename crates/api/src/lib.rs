//! The HTTP API: routes, authentication, idempotency, problems, and the OpenAPI document.
//!
//! Only this crate knows JSON and HTTP. Its layers, from top to bottom:
//!
//! - `routes` lists the resources and the middleware, and [`openapi()`] describes them.
//! - `resources` has one file per resource, with its types, documentation, handlers and routes.
//! - `state` has the [`Api`] of one process, which handlers use.
//! - `http` has the plumbing that resources share, such as authentication and reading bodies.
//! - `problem` has failed responses and their codes.
//!
//! # Example
//!
//! The OpenAPI document lists every route:
//!
//! ```
//! let document = quittance_api::openapi();
//! let orders = &document.paths.paths["/v1/orders"];
//!
//! let place_order = orders.post.as_ref().expect("orders can be placed");
//! assert_eq!(place_order.operation_id.as_deref(), Some("order_create"));
//! ```

mod audience;
mod examples;
mod http;
mod json;
mod openapi;
mod pages;
mod problem;
mod resources;
mod routes;
mod state;
mod time;

pub use http::client_tokens::client_token;
pub use http::return_origins::{InvalidOrigin, ReturnOrigins};
pub use http::secret_keys::{InvalidSecretKey, SecretKeyText};
pub use ipnet::IpNet;
pub use resources::events::message_renderer;
pub use routes::{openapi, openapi_json};
pub use state::{Api, ApiConfig, PublicMode};
