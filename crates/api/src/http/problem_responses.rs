//! Failed responses, which all become problems with the request's ID.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};

use crate::http::request_id::RequestId;
use crate::problem::{MEDIA_TYPE, Problem};

/// Turns errors of the framework into problems, and adds the request's ID to every problem.
pub(crate) async fn complete(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let request_id = RequestId::get(request.request());
    match next.call(request).await {
        Ok(response) => Ok(with_problem(response.map_into_boxed_body(), request_id.as_ref())),
        Err(error) => Err(identify(from_error(&error), request_id.as_ref()).into()),
    }
}

fn identify(problem: Problem, request_id: Option<&RequestId>) -> Problem {
    match request_id {
        Some(id) => problem.with_request_id(id.as_str()),
        None => problem,
    }
}

fn from_error(error: &Error) -> Problem {
    match error.as_error::<Problem>() {
        Some(problem) => problem.clone(),
        None => Problem::from_status(error.as_response_error().status_code()),
    }
}

fn with_problem(response: ServiceResponse, request_id: Option<&RequestId>) -> ServiceResponse {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (request, mut inner) = response.into_parts();
    let original = inner.extensions_mut().remove::<Problem>();
    let is_problem = inner
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes() == MEDIA_TYPE.as_bytes());
    let problem = match original {
        Some(problem) => problem,
        // A stored problem, which already has the request's ID.
        None if is_problem => return ServiceResponse::new(request, inner),
        None => Problem::from_status(status),
    };
    let problem = identify(problem, request_id);
    let mut headers = inner.headers().clone();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    let mut completed = inner.set_body(BoxBody::new(problem.body()));
    *completed.headers_mut() = headers;
    *completed.status_mut() = problem.status_code();
    ServiceResponse::new(request, completed)
}
