//! The stand-in for Stripe.js and the frame of its Payment Element.
//!
//! The script runs in the shop's page. As on Stripe, the card form is a frame of the sandbox's own origin, so the
//! shop's page can't read card numbers. The frame knows the test numbers and sends no other number.

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use crate::test_data::cards::CARDS;

/// API requests with a publishable key, used by both scripts.
const API: &str = include_str!("stripe_js/api.js");
const SCRIPT: &str = include_str!("stripe_js/stripe.js");
const FRAME_PAGE: &str = include_str!("stripe_js/payment_element.html");
const FRAME_FIELDS: &str = include_str!("stripe_js/payment_element_fields.js");
const FRAME_SCRIPT: &str = include_str!("stripe_js/payment_element.js");
const FRAME_STYLE: &str = include_str!("stripe_js/payment_element.css");

/// The frame loads its own script and style, sends requests to its own origin, and uses the shop's fonts.
const FRAME_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline' https:; \
                            connect-src 'self'; font-src https: http: data:; img-src data:; base-uri 'none'; form-action 'none'";

pub(super) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Adds the routes: the URLs of Stripe's own script, and the frame's resources.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    for path in ["/v3", "/v3/", "/{release:[a-z]+}/stripe.js"] {
        config.service(web::resource(path).route(web::get().to(script)));
    }
    config
        .service(web::resource("/v3/payment-element.html").route(web::get().to(frame_page)))
        .service(web::resource("/v3/payment-element.js").route(web::get().to(frame_script)))
        .service(web::resource("/v3/payment-element.css").route(web::get().to(frame_style)));
}

/// Returns a resource that pages of every origin can load, including cross-origin isolated ones.
pub(super) fn asset(content_type: &'static str, body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .insert_header(("Cross-Origin-Embedder-Policy", "require-corp"))
        .body(body)
}

/// Joins scripts and wraps them, so that nothing enters the global scope.
pub(super) fn wrap_scripts(parts: &[&str]) -> String {
    format!("(() => {{\n'use strict';\n{}}})();\n", parts.concat())
}

async fn script() -> HttpResponse {
    asset(JAVASCRIPT, wrap_scripts(&[API, SCRIPT]))
}

async fn frame_page() -> HttpResponse {
    let mut response = asset("text/html; charset=utf-8", FRAME_PAGE.to_owned());
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, header::HeaderValue::from_static(FRAME_POLICY));
    response
}

async fn frame_script() -> HttpResponse {
    let mut numbers: Vec<&str> = CARDS.iter().map(|card| card.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let numbers = format!("const TEST_CARD_NUMBERS = '{}'.split(' ');\n", numbers.join(" "));
    asset(JAVASCRIPT, wrap_scripts(&[API, &numbers, FRAME_FIELDS, FRAME_SCRIPT]))
}

async fn frame_style() -> HttpResponse {
    asset("text/css; charset=utf-8", FRAME_STYLE.to_owned())
}
