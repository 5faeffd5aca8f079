//! What the pages of Connect share: one look, and how a person says how an onboarding ends.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde::Deserialize;

use crate::objects::account::Onboarding;
use crate::pages::html::escape;
use crate::pages::palette::PALETTE;

const TEMPLATE: &str = include_str!("connect.html");

/// No `form-action`: browsers hold the redirect back to the platform's page to it, too.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn page(status: u16, title: &str, content: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or_default())
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        // The content last: what somebody wrote must not be taken for a place in the template.
        .body(
            TEMPLATE
                .replace("{{palette}}", PALETTE)
                .replace("{{title}}", &escape(title))
                .replace("{{content}}", content),
        )
}

pub(super) fn failed() -> HttpResponse {
    page(500, "Something went wrong", "<p>The sandbox could not keep what you have done.</p>")
}

/// How a person goes through an onboarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Complete,
    Incomplete,
    Pending,
    Leave,
}

impl Outcome {
    /// What becomes of the account; nothing if the person just leaves.
    pub(super) fn onboarding(self) -> Option<Onboarding> {
        match self {
            Self::Complete => Some(Onboarding::Complete),
            Self::Incomplete => Some(Onboarding::Incomplete),
            Self::Pending => Some(Onboarding::Pending),
            Self::Leave => None,
        }
    }
}
