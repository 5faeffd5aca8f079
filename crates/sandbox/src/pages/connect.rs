//! The template of the Connect pages, and the person's choice of an onboarding outcome.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde::Deserialize;

use crate::objects::account::OnboardingOutcome;
use crate::pages::html::escape;
use crate::pages::palette::PALETTE;

const TEMPLATE: &str = include_str!("connect.html");

/// Omits `form-action`, because browsers apply it to the redirect to the platform as well.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn page(status: u16, title: &str, content: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or_default())
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        // The content is inserted last, so that placeholders in entered texts aren't replaced.
        .body(
            TEMPLATE
                .replace("{{palette}}", PALETTE)
                .replace("{{title}}", &escape(title))
                .replace("{{content}}", content),
        )
}

pub(super) fn internal_error_page() -> HttpResponse {
    page(500, "Something went wrong", "<p>The sandbox could not store your changes.</p>")
}

/// The person's choice on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Complete,
    Incomplete,
    Pending,
    Leave,
}

impl Outcome {
    /// Returns the outcome of onboarding, or `None` if the person leaves.
    pub(super) fn onboarding(self) -> Option<OnboardingOutcome> {
        match self {
            Self::Complete => Some(OnboardingOutcome::Complete),
            Self::Incomplete => Some(OnboardingOutcome::Incomplete),
            Self::Pending => Some(OnboardingOutcome::Pending),
            Self::Leave => None,
        }
    }
}
