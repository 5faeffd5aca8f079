//! Problems: failed responses in the format of RFC 9457, and the conversion of errors into them.

pub(crate) mod code;
mod payments;
mod sellers;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use actix_web::{HttpResponse, ResponseError};
use quittance_domain::money::AmountError;
use quittance_domain::order::{OrderStatus, PricingError};
use quittance_persistence::{Error as StoreError, Shortage};
use quittance_webhook::ReceiveError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::to_json;
use crate::problem::code::Code;

/// The media type of RFC 9457.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// `Retry-After` during an outage.
const RETRY_AFTER_OUTAGE_S: u32 = 2;

/// `Retry-After` while an operator must fix the configuration.
const RETRY_AFTER_MISCONFIGURED_S: u32 = 60;

/// `Retry-After` while the first request with an idempotency key is running.
const RETRY_AFTER_IN_USE_S: u32 = 1;

/// `Retry-After` for an address with too many open orders.
const RETRY_AFTER_OPEN_ORDERS_S: u32 = 60;

/// An invalid field of a body, or an invalid query parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FieldError, example = json!({
    "pointer": "/items/0/quantity", "code": "out_of_range", "detail": "must be from 1 to 10000"
}))]
pub(crate) struct FieldError {
    /// The JSON Pointer (RFC 6901) to the field. For a query parameter, it is `/` and the parameter's name. For a
    /// seller that isn't ready, it is `/seller_id`, which refers to the order's seller.
    pub(crate) pointer: String,
    /// The kind of error, as a stable code: `required`, `unknown_field`, `wrong_type`, `invalid`, `too_long`,
    /// `out_of_range`, `too_many`, `not_allowed`, `not_for_sale`, `mixed_currencies`, `mixed_sellers`,
    /// `insufficient_stock`, `invalid_return_url`, `return_origin_not_allowed`, `unknown_seller`, `not_of_seller`,
    /// `no_transfer_to_reverse` or `no_application_fee`. For a seller that isn't ready, it is one of `blockers`.
    pub(crate) code: &'static str,
    /// The error, for people.
    pub(crate) detail: String,
    /// The available amount or quantity, if the request exceeds it. Money is in Stripe's minor unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    pub(crate) available: Option<i64>,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into(), available: None }
    }
}

/// The reason why a request failed (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:quittance:problem:already_paid",
    "title": "Paid order",
    "status": 409,
    "detail": "The order is paid. It can't be paid, changed or canceled.",
    "code": "already_paid",
    "request_id": "01991f6e-8a6b-7d2f-9d3e-2f4b6a1c8e90"
}))]
pub(crate) struct ProblemBody<'a> {
    /// A URI for the code: `urn:quittance:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: String,
    /// The meaning of the code, for people.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The reason for this failure, for people.
    #[schema(value_type = String)]
    detail: &'a str,
    /// The stable code of the problem, for programs. New codes may be added.
    #[schema(value_type = String)]
    code: &'static str,
    /// The invalid fields of the body or the query.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<FieldError>, required = false)]
    errors: &'a [FieldError],
    /// Stripe's error code, if Stripe refused the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    stripe_code: Option<&'a str>,
    /// The request ID, as in `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required)]
    request_id: Option<&'a str>,
}

/// A failed response.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    stripe_code: Option<Box<str>>,
    retry_after_s: Option<u32>,
    allow: Option<Box<str>>,
    request_id: Option<Box<str>>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            stripe_code: None,
            retry_after_s: None,
            allow: None,
            request_id: None,
        }
    }

    /// Returns the problem for an object that doesn't exist or that the caller may not see.
    pub(crate) fn not_found() -> Self {
        let detail =
            "No object has this ID, or you don't have access to it. Check the ID and the credentials.";
        Self::new(Code::NotFound, detail)
    }

    /// Returns the problem for a path that doesn't exist.
    pub(crate) fn unknown_route() -> Self {
        Self::new(Code::UnknownRoute, "The API has no such path. `/docs` lists all paths.")
    }

    /// Returns the problem for a body that isn't JSON.
    pub(crate) fn unsupported_media_type() -> Self {
        let detail = "The body's media type isn't supported. Send `Content-Type: application/json`.";
        Self::new(Code::UnsupportedMediaType, detail)
    }

    /// Returns the problem for a body with invalid fields.
    pub(crate) fn invalid_request(errors: Vec<FieldError>) -> Self {
        let detail = summary(&errors).unwrap_or_else(|| "The body is invalid.".to_owned());
        Self { errors, ..Self::new(Code::InvalidRequest, detail) }
    }

    /// Returns the problem for a body with one invalid field.
    pub(crate) fn invalid_field(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::invalid_request(vec![FieldError::new(pointer, code, detail)])
    }

    /// Returns the problem for a query with invalid parameters.
    pub(crate) fn invalid_parameter(errors: Vec<FieldError>) -> Self {
        let detail = summary(&errors).unwrap_or_else(|| "The query string is invalid.".to_owned());
        Self { errors, ..Self::new(Code::InvalidParameter, detail) }
    }

    /// Logs an internal error, and returns a problem that doesn't reveal it.
    pub(crate) fn internal(error: &(dyn StdError + 'static)) -> Self {
        tracing::error!(error, "failed to handle a request");
        let detail = "The service failed. The operator finds the cause in the log by the request ID.";
        Self::new(Code::InternalError, detail)
    }

    fn outage(code: Code, detail: &'static str, error: &(dyn StdError + 'static)) -> Self {
        tracing::warn!(error, "failed to handle a request during an outage; the client should retry");
        Self::new(code, detail).retry_after(RETRY_AFTER_OUTAGE_S)
    }

    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub(crate) fn allow(mut self, methods: String) -> Self {
        self.allow = Some(methods.into());
        self
    }

    pub(crate) fn with_request_id(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Returns the JSON body, with the request's ID if it is set.
    pub(crate) fn body(&self) -> String {
        to_json(&ProblemBody {
            kind: self.code.uri(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            errors: &self.errors,
            stripe_code: self.stripe_code.as_deref(),
            request_id: self.request_id.as_deref(),
        })
    }

    /// Returns the problem for an error response of the framework.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::unknown_route(),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(Code::BodyTooLarge, "The body is too large. Send a smaller body.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::unsupported_media_type(),
            status if status.is_server_error() => {
                tracing::error!(http.status = status.as_u16(), "the framework failed to handle a request");
                let detail = "The service failed. The operator finds the cause in the log by the request ID.";
                Self::new(Code::InternalError, detail)
            }
            _ => Self::new(Code::BadRequest, "The request isn't valid HTTP for this API."),
        }
    }

    /// Returns the problem for an order whose status forbids the request. `otherwise` applies to open orders.
    fn from_order_status(status: OrderStatus, otherwise: Code) -> Self {
        let paid = "It can't be paid, changed or canceled.";
        match status {
            OrderStatus::Paid => Self::new(Code::AlreadyPaid, format!("The order is paid. {paid}")),
            OrderStatus::PartiallyRefunded
            | OrderStatus::Refunded
            | OrderStatus::Disputed
            | OrderStatus::ChargedBack => {
                let detail = format!("The order was paid and has status `{}`. {paid}", status.as_str());
                Self::new(Code::AlreadyPaid, detail)
            }
            OrderStatus::Canceled => {
                Self::new(Code::OrderCanceled, "The order is canceled. Place a new order.")
            }
            OrderStatus::Expired => {
                let detail = "The order expired before it was paid. Place a new order.";
                Self::new(Code::OrderExpired, detail)
            }
            OrderStatus::Review => Self::new(
                Code::OrderInReview,
                "The order received a payment that doesn't match it. The shop must review the order first.",
            ),
            OrderStatus::Processing => Self::new(
                Code::PaymentProcessing,
                "A payment is processing at the bank. Wait for its outcome.",
            ),
            OrderStatus::Authorized | OrderStatus::Pending | OrderStatus::PaymentFailed => {
                Self::new(otherwise, in_progress(otherwise))
            }
        }
    }

    /// Returns the problem for a change to an order that is no longer open.
    pub(crate) fn order_not_open(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Processing | OrderStatus::Authorized => Self::in_flight(status),
            _ => Self::from_order_status(status, Code::OrderClosing),
        }
    }

    fn in_flight(status: OrderStatus) -> Self {
        let detail = match status {
            OrderStatus::Authorized => "A payment is authorized. Capture it or cancel the order first.",
            _ => "A payment is processing at the bank. Wait for its outcome.",
        };
        Self::new(Code::PaymentInFlight, detail)
    }

    /// Returns the problem for items that exceed the stock.
    pub(crate) fn out_of_stock(shortages: Vec<Shortage>) -> Self {
        let detail = "Some items exceed the stock. `errors` has the available quantities. Order fewer items.";
        let mut problem = Self::new(Code::InsufficientStock, detail);
        problem.errors = shortages
            .into_iter()
            .map(|Shortage { line, available, .. }| FieldError {
                available: Some(available.into()),
                ..FieldError::new(
                    format!("/items/{line}"),
                    "insufficient_stock",
                    format!("exceeds the stock of {available}"),
                )
            })
            .collect();
        problem
    }

    pub(crate) fn too_many_open_orders() -> Self {
        let detail = "Your address placed too many unpaid orders. Pay or cancel one, or try again later.";
        Self::new(Code::TooManyOpenOrders, detail).retry_after(RETRY_AFTER_OPEN_ORDERS_S)
    }

    pub(crate) fn webhook_endpoint_disabled() -> Self {
        let detail = "The webhook endpoint is disabled. Enable it with `enabled: true` first.";
        Self::new(Code::WebhookEndpointDisabled, detail)
    }

    pub(crate) fn connect_not_configured() -> Self {
        let detail = "Events of connected accounts need a signing secret. Set STRIPE_CONNECT_WEBHOOK_SECRET.";
        Self::new(Code::ConnectNotConfigured, detail).retry_after(RETRY_AFTER_MISCONFIGURED_S)
    }

    pub(crate) fn idempotency_key_in_use() -> Self {
        let detail =
            "Another request with this Idempotency-Key is running. Repeat the request after it ends.";
        Self::new(Code::IdempotencyKeyInUse, detail).retry_after(RETRY_AFTER_IN_USE_S)
    }

    /// Returns the problem for an invalid amount in this field.
    pub(crate) fn from_amount(pointer: &str, error: AmountError) -> Self {
        let code = match error {
            AmountError::Negative | AmountError::TooLarge => "out_of_range",
            AmountError::WrongStep { .. } => "invalid",
            AmountError::MixedCurrencies(..) => "mixed_currencies",
        };
        Self::invalid_field(pointer, code, error.to_string())
    }
}

fn in_progress(code: Code) -> &'static str {
    match code {
        Code::OrderClosing => "The order is being closed. Wait, and read its status again.",
        _ => "A payment is in progress. Wait for its outcome.",
    }
}

/// Summarizes the invalid fields in one sentence.
fn summary(errors: &[FieldError]) -> Option<String> {
    let first = errors.first()?;
    let subject =
        if first.pointer.is_empty() { "The body".to_owned() } else { format!("`{}`", first.pointer) };
    let reason = &first.detail;
    Some(match errors.len() {
        1 => format!("{subject}: {reason}."),
        count => format!("{subject}: {reason}. `errors` lists all {count} invalid fields."),
    })
}

impl From<PricingError> for Problem {
    fn from(error: PricingError) -> Self {
        let detail = error.to_string();
        match error {
            PricingError::Empty => Self::invalid_field("/items", "required", detail),
            PricingError::NotForSale { line } => {
                Self::invalid_field(format!("/items/{line}/product_id"), "not_for_sale", detail)
            }
            PricingError::MixedCurrencies { line } => {
                Self::invalid_field(format!("/items/{line}/product_id"), "mixed_currencies", detail)
            }
            PricingError::MixedSellers { line } => {
                Self::invalid_field(format!("/items/{line}/product_id"), "mixed_sellers", detail)
            }
            PricingError::Free | PricingError::TooLarge => {
                Self::invalid_field("/items", "out_of_range", detail)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Contended(_) => Self::outage(
                Code::ServiceUnavailable,
                "The database is unavailable. Nothing was changed. Try again.",
                &error,
            ),
            StoreError::ClaimLost => Self::idempotency_key_in_use(),
            StoreError::UnknownSeller => Self::unknown_seller(),
            StoreError::Data(_)
            | StoreError::Corrupt { .. }
            | StoreError::Url(_)
            | StoreError::Migration(_) => Self::internal(&error),
        }
    }
}

impl From<ReceiveError> for Problem {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Signature(_) => {
                let detail =
                    "The signature doesn't match a secret of this endpoint. Check STRIPE_WEBHOOK_SECRET.";
                Self::new(Code::InvalidSignature, detail)
            }
            ReceiveError::NotAnEvent(_) => Self::new(Code::NotAnEvent, "The body isn't a Stripe event."),
            ReceiveError::Full | ReceiveError::Unavailable(_) | ReceiveError::Closed => {
                Self::outage(Code::ServiceUnavailable, "The event wasn't stored. Send it again.", &error)
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.code.status());
        response.insert_header(ContentType(MEDIA_TYPE.parse().expect("a valid media type")));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, methods.as_ref()));
        }
        match self.code {
            Code::MissingCredentials => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"quittance\""));
            }
            Code::InvalidCredentials => {
                let challenge = "Bearer realm=\"quittance\", error=\"invalid_token\"";
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            _ => {}
        }
        if let Some(request_id) = &self.request_id {
            response.insert_header(("X-Request-Id", request_id.as_ref()));
        }
        let mut response = response.body(self.body());
        // `http::problem_responses` takes it out again to add the request's ID.
        response.extensions_mut().insert(self.clone());
        response
    }
}
