//! The version of Stripe's API that the sandbox implements.

use actix_web::http::header::HeaderMap;

use crate::http::error::ApiError;

/// The API version of objects and events.
pub const API_VERSION: &str = "2026-09-30.endive";

/// Returns the caller's version, or the sandbox's own if the caller sends none.
pub(crate) fn requested_version(headers: &HeaderMap) -> Result<String, ApiError> {
    let Some(value) = headers.get("stripe-version") else { return Ok(API_VERSION.to_owned()) };
    let text = value.to_str().unwrap_or_default();
    let date = text.split(['.', ';']).next().unwrap_or_default();
    let is_date = date.len() == 10
        && date.chars().enumerate().all(|(index, character)| match index {
            4 | 7 => character == '-',
            _ => character.is_ascii_digit(),
        });
    if is_date {
        Ok(text.to_owned())
    } else {
        Err(ApiError::invalid(format!("Invalid Stripe API version: {text}")))
    }
}
