//! Tracing and metrics of requests. They record the route, never the path, query, headers or body.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use crate::http::request_id::RequestId;

/// The route label of requests that match no route.
const NO_ROUTE: &str = "unmatched";

/// The tracing span of a request.
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let request_id = RequestId::get(request.request());
        tracing::info_span!(
            "request",
            request.id = request_id.as_ref().map(RequestId::as_str),
            http.method = method(request.method()),
            http.route = route(request),
            http.status = tracing::field::Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("http.status", status.as_u16());
        span.in_scope(|| tracing::debug!("request handled"));
    }
}

fn route(request: &ServiceRequest) -> String {
    request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned())
}

/// Returns the method as a label. Clients can invent methods, so unknown ones share a label.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Counts a request and records its duration.
pub(crate) async fn measure(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (route, method) = (route(&request), method(request.method()));
    let started = Instant::now();
    let outcome = next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    let status = match &outcome {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let labels =
        [("route", route.clone()), ("method", method.to_owned()), ("status", status.as_str().to_owned())];
    metrics::counter!("quittance_http_requests_total", &labels).increment(1);
    metrics::histogram!("quittance_http_request_seconds", "route" => route, "method" => method)
        .record(started.elapsed().as_secs_f64());
    outcome
}

/// Describes the metrics.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "quittance_http_requests_total",
        "HTTP requests, by route, method and status."
    );
    metrics::describe_histogram!(
        "quittance_http_request_seconds",
        metrics::Unit::Seconds,
        "Duration of HTTP requests, by route and method. Lookups with `wait` wait on purpose."
    );
    metrics::describe_gauge!("quittance_pool_connections", "Database connections, by state.");
    metrics::describe_gauge!("quittance_pool_waiting", "Transactions that wait for a database connection.");
}
