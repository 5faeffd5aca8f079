//! Responses of API calls with an injected fault.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header;
use actix_web::web::Bytes;

use crate::chaos::ApiFault;
use crate::http::error::ApiError;
use crate::storage::clock::Timestamp;

/// A body that ends early and closes the connection.
struct TruncatedBody;

impl MessageBody for TruncatedBody {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("truncated by fault injection"))))
    }
}

fn truncated_response() -> HttpResponse {
    HttpResponse::Ok()
        .message_body(TruncatedBody)
        .map_or_else(HttpResponse::from_error, HttpResponse::map_into_boxed_body)
}

fn bad_gateway() -> HttpResponse {
    let page =
        "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
    HttpResponse::BadGateway().insert_header((header::CONTENT_TYPE, "text/html")).body(page)
}

fn error_response(error: &ApiError, request_id: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(error.status).unwrap_or_default();
    let mut response = HttpResponse::build(status);
    response.insert_header(("Request-Id", request_id));
    if error.status != 429 {
        response.insert_header(("Stripe-Should-Retry", "true"));
    }
    response.json(error.body(request_id, Timestamp::system_now().seconds()))
}

/// Returns the response of a call with a fault.
pub(crate) async fn respond(fault: ApiFault, hang: Duration, request_id: &str) -> HttpResponse {
    match fault {
        ApiFault::Conflict => error_response(
            &ApiError::refused(
                "This object cannot be accessed right now because another API request or Stripe process is currently \
                 accessing it. If you see this error intermittently, retry the request.",
            )
            .with_status(409)
            .with_code("lock_timeout"),
            request_id,
        ),
        ApiFault::RateLimit => error_response(
            &ApiError::refused("Request rate limit exceeded. Learn more about rate limits: https://stripe.com/docs/rate-limits.")
                .with_status(429)
                .with_code("rate_limit"),
            request_id,
        ),
        ApiFault::ServerError | ApiFault::ServerErrorAfter => {
            error_response(&ApiError::internal("An unknown error occurred."), request_id)
        }
        ApiFault::BadGateway | ApiFault::BadGatewayAfter => bad_gateway(),
        ApiFault::Hang | ApiFault::HangAfter => {
            tokio::time::sleep(hang).await;
            truncated_response()
        }
        ApiFault::Cut | ApiFault::CutAfter => truncated_response(),
    }
}
