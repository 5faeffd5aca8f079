//! CORS headers for the shop's frontends.

use actix_cors::Cors;
use actix_web::http::Method;

/// The time for which a browser may cache a preflight response.
const PREFLIGHT_MAX_AGE_S: usize = 600;

/// Returns the CORS policy for these origins.
pub(crate) fn cors(origins: &[String]) -> Cors {
    let policy = Cors::default()
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH])
        .allowed_headers([
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Stripe-Client-Secret",
            "X-Request-Id",
        ])
        .expose_headers(["Idempotency-Replayed", "Location", "Retry-After", "X-Request-Id"])
        .max_age(PREFLIGHT_MAX_AGE_S);
    origins.iter().fold(policy, |policy, origin| policy.allowed_origin(origin))
}
