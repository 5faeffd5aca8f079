//! Problems: every answer that is no success, as RFC 9457 has it, and the one place that makes them of errors.

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

use crate::code::Code;
use crate::request_id::RequestId;

/// The media type of RFC 9457.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// When to come again while a part of the service is away.
const RETRY_AFTER_OUTAGE_S: u32 = 2;

/// When to come again while an operator has something to mend.
const RETRY_AFTER_MISCONFIGURED_S: u32 = 60;

/// When to come again with an idempotency key whose first request is still at work.
const RETRY_AFTER_IN_USE_S: u32 = 1;

/// When an address with too many open orders may try again: orders are paid, canceled, or forgotten by then.
const RETRY_AFTER_OPEN_ORDERS_S: u32 = 60;

/// What is wrong with one field of a body, or one parameter of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FieldError, example = json!({
    "pointer": "/items/0/quantity", "code": "out_of_range", "detail": "must be from 1 to 10000"
}))]
pub(crate) struct FieldError {
    /// Where it is: a JSON Pointer (RFC 6901) into the body; for a query, `/` and the parameter's name; for a seller
    /// that is not ready, `/seller_id`, which is the order's.
    pub(crate) pointer: String,
    /// What is wrong, as a stable word: `required`, `unknown_field`, `wrong_type`, `invalid`, `too_long`,
    /// `out_of_range`, `too_many`, `not_allowed`, `not_for_sale`, `mixed_currencies`, `mixed_sellers`,
    /// `insufficient_stock`, `invalid_return_url`, `return_origin_not_allowed`, `unknown_seller`, `not_of_seller`,
    /// `no_transfer_to_reverse` or `no_application_fee`; of a seller that is not ready, a word of `blockers`.
    pub(crate) code: &'static str,
    /// What is wrong, for people.
    pub(crate) detail: String,
    /// How much there is, where more was asked for: of a product, or of money in Stripe's minor unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    pub(crate) available: Option<i64>,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into(), available: None }
    }
}

/// Why a request did not do what it asked for (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:quittance:problem:already_paid",
    "title": "The order is paid",
    "status": 409,
    "detail": "The order is paid.",
    "code": "already_paid",
    "request_id": "01991f6e-8a6b-7d2f-9d3e-2f4b6a1c8e90"
}))]
pub(crate) struct ProblemBody<'a> {
    /// A URI that stands for this kind of problem: `urn:quittance:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: String,
    /// What kind of problem it is, for people.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time, for people.
    #[schema(value_type = String)]
    detail: &'a str,
    /// What kind of problem it is, as a stable word for programs. New ones may be added.
    #[schema(value_type = String)]
    code: &'static str,
    /// What is wrong with the body or the query, field by field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<FieldError>, required = false)]
    errors: &'a [FieldError],
    /// Stripe's own code, where Stripe refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    stripe_code: Option<&'a str>,
    /// The id of the request, as in `X-Request-Id`.
    // The last field, so that a stored problem is given its own id when it is answered again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required)]
    request_id: Option<&'a str>,
}

/// An answer that is no success.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    stripe_code: Option<Box<str>>,
    retry_after_s: Option<u32>,
    allow: Option<Box<str>>,
    request_id: Option<RequestId>,
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

    /// What an id names does not exist, or is none of this caller's business.
    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here that you may see.")
    }

    /// A body with something wrong in it.
    pub(crate) fn invalid_request(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(Code::InvalidRequest, "The request's body is not as it must be.");
        problem.errors = errors;
        problem
    }

    /// A body with one thing wrong in it.
    pub(crate) fn invalid_field(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::invalid_request(vec![FieldError::new(pointer, code, detail)])
    }

    /// A query with something wrong in it.
    pub(crate) fn invalid_parameter(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(Code::InvalidParameter, "The request's query is not as it must be.");
        problem.errors = errors;
        problem
    }

    /// An error of our own. Its cause goes to the log, and only there.
    pub(crate) fn internal(error: &(dyn StdError + 'static)) -> Self {
        tracing::error!(error, "A request failed.");
        Self::new(Code::InternalError, "Something went wrong here. The log has more under this request id.")
    }

    fn outage(code: Code, detail: &'static str, error: &(dyn StdError + 'static)) -> Self {
        tracing::warn!(error, "A request could not be served now.");
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

    pub(crate) fn with_request_id(mut self, request_id: RequestId) -> Self {
        self.request_id = Some(request_id);
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// The body, with the id of the request if it is known by now.
    pub(crate) fn body(&self) -> String {
        let body = ProblemBody {
            kind: self.code.uri(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            errors: &self.errors,
            stripe_code: self.stripe_code.as_deref(),
            request_id: self.request_id.as_ref().map(RequestId::as_str),
        };
        crate::body::to_json(&body)
    }

    /// What an answer of this status means where nothing better is known: made by the framework.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(Code::UnknownRoute, "There is no such path."),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::BodyTooLarge, "The body is too large."),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::new(Code::UnsupportedMediaType, "The body must be application/json.")
            }
            status if status.is_server_error() => {
                tracing::error!(
                    http.status = status.as_u16(),
                    "The framework answered a request with an error."
                );
                Self::new(Code::InternalError, "Something went wrong here.")
            }
            _ => Self::new(Code::BadRequest, "The request can not be read."),
        }
    }

    /// Why an order can not do what is asked, by its status.
    fn of_order_status(status: OrderStatus, otherwise: Code) -> Self {
        match status {
            OrderStatus::Paid => Self::new(Code::AlreadyPaid, "The order is paid."),
            OrderStatus::PartiallyRefunded
            | OrderStatus::Refunded
            | OrderStatus::Disputed
            | OrderStatus::ChargedBack => {
                Self::new(Code::AlreadyPaid, format!("The order was paid. It is {} now.", status.as_str()))
            }
            OrderStatus::Canceled => Self::new(Code::OrderCanceled, "The order is canceled."),
            OrderStatus::Expired => {
                Self::new(Code::OrderExpired, "The order was not paid in time, and is closed.")
            }
            OrderStatus::Review => Self::new(
                Code::OrderInReview,
                "Money came that is not what was asked for. The shop must look at this order first.",
            ),
            OrderStatus::Processing => {
                Self::new(Code::PaymentProcessing, "The payment is on its way at a bank.")
            }
            OrderStatus::Authorized | OrderStatus::Pending | OrderStatus::PaymentFailed => {
                Self::new(otherwise, otherwise.title())
            }
        }
    }

    /// Items, customer and shipping of an order in this status stand.
    pub(crate) fn order_not_open(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Processing | OrderStatus::Authorized => Self::in_flight(status),
            _ => Self::of_order_status(status, Code::OrderClosing),
        }
    }

    /// Money of the order is on its way or held, and can not be replaced.
    fn in_flight(status: OrderStatus) -> Self {
        let detail = match status {
            OrderStatus::Authorized => "The money for the order is held already.",
            _ => "A payment of the order is on its way at a bank.",
        };
        Self::new(Code::PaymentInFlight, detail)
    }

    /// Too few are left of some products, item by item.
    pub(crate) fn out_of_stock(shortages: Vec<Shortage>) -> Self {
        let mut problem = Self::new(Code::InsufficientStock, "Too few are left of some of the items.");
        problem.errors = shortages
            .into_iter()
            .map(|Shortage { line, available, .. }| FieldError {
                available: Some(available.into()),
                ..FieldError::new(
                    format!("/items/{line}"),
                    "insufficient_stock",
                    format!("of this product, {available} are left"),
                )
            })
            .collect();
        problem
    }

    pub(crate) fn too_many_open_orders() -> Self {
        Self::new(Code::TooManyOpenOrders, "Too many unpaid orders were placed from this address.")
            .retry_after(RETRY_AFTER_OPEN_ORDERS_S)
    }

    pub(crate) fn webhook_endpoint_disabled() -> Self {
        Self::new(Code::WebhookEndpointDisabled, "The endpoint is disabled: nothing is sent to it.")
    }

    /// Nobody takes events of connected accounts.
    pub(crate) fn connect_not_configured() -> Self {
        let detail =
            "No secret of the endpoint for connected accounts is configured (STRIPE_CONNECT_WEBHOOK_SECRET).";
        Self::new(Code::ConnectNotConfigured, detail).retry_after(RETRY_AFTER_MISCONFIGURED_S)
    }

    pub(crate) fn idempotency_key_in_use() -> Self {
        Self::new(Code::IdempotencyKeyInUse, "A request with this Idempotency-Key is still at work.")
            .retry_after(RETRY_AFTER_IN_USE_S)
    }

    /// Why an amount can not be, at the field it is given in.
    pub(crate) fn of_amount(pointer: &str, error: AmountError) -> Self {
        let code = match error {
            AmountError::Negative | AmountError::TooLarge => "out_of_range",
            AmountError::WrongStep { .. } => "invalid",
            AmountError::MixedCurrencies(..) => "mixed_currencies",
        };
        Self::invalid_field(pointer, code, error.to_string())
    }
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
                "The service can not reach its database. Nothing was done; try again.",
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
                Self::new(Code::InvalidSignature, "The event is not signed with a secret of this endpoint.")
            }
            ReceiveError::NotAnEvent(_) => Self::new(Code::NotAnEvent, "The body is no event of Stripe's."),
            ReceiveError::Full | ReceiveError::Unavailable(_) | ReceiveError::Closed => Self::outage(
                Code::ServiceUnavailable,
                "The event could not be stored. Send it again.",
                &error,
            ),
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
        response.insert_header(ContentType(MEDIA_TYPE.parse().expect("a media type")));
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
            response.insert_header(("X-Request-Id", request_id.as_str()));
        }
        let mut response = response.body(self.body());
        // Taken out again on the way out, where the id of the request is known.
        response.extensions_mut().insert(self.clone());
        response
    }
}
