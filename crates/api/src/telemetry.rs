//! What is logged and counted of every request: its route, never its path, query, headers or body.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use crate::request_id::RequestId;

/// What stands for the route of a request that has none.
const NO_ROUTE: &str = "unmatched";

/// The span that everything logged for a request is in.
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let request_id = RequestId::of(request.request());
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
        span.in_scope(|| tracing::debug!("A request was answered."));
    }
}

fn route(request: &ServiceRequest) -> String {
    request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned())
}

/// The method as a label: anybody can make up others.
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

/// Counts a request and how long it took.
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

/// Says what the metrics are.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "quittance_http_requests_total",
        "Requests answered, by route, method and status."
    );
    metrics::describe_histogram!(
        "quittance_http_request_seconds",
        metrics::Unit::Seconds,
        "How long a request took to answer, by route and method. Waiting lookups wait on purpose."
    );
    metrics::describe_gauge!("quittance_pool_connections", "Database connections, by state.");
    metrics::describe_gauge!("quittance_pool_waiting", "Phases that wait for a database connection.");
}
