//! The outermost layer: an id for every request, on every answer; and every failure as a problem.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError};
use uuid::Uuid;

use crate::problem::{MEDIA_TYPE, Problem};

/// The header that carries it, both ways.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller.
const MAX_LEN: usize = 128;

/// What a request is called in answers and in the log.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of this request.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// The caller's id, if it is one that can stand in a log line; a new one otherwise.
    fn given_or_new(header: Option<&HeaderValue>) -> Self {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        let given = header
            .and_then(|value| value.to_str().ok())
            .filter(|id| (1..=MAX_LEN).contains(&id.len()) && id.bytes().all(is_plain));
        match given {
            Some(id) => Self(id.into()),
            None => Self(Uuid::now_v7().to_string().into()),
        }
    }
}

/// Gives the request its id, answers HEAD as GET without a body, and finishes the answer.
pub(crate) async fn identify(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let request_id = RequestId::given_or_new(request.headers().get(HEADER));
    request.extensions_mut().insert(request_id.clone());
    if request.method() == Method::HEAD {
        // The connection remembers that no body may follow.
        request.head_mut().method = Method::GET;
    }
    let is_of_api = request.path().starts_with("/v1/");
    let response = match next.call(request).await {
        Ok(response) => response.map_into_boxed_body(),
        Err(error) => {
            let problem = problem_of(&error).with_request_id(request_id);
            return Err(problem.into());
        }
    };
    let mut response = finish(response, &request_id);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(HEADER, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_of_api {
        // Answers hold tokens and addresses, and are news.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

fn problem_of(error: &Error) -> Problem {
    match error.as_error::<Problem>() {
        Some(problem) => problem.clone(),
        None => Problem::of_status(error.as_response_error().status_code()),
    }
}

/// Gives a problem the id of its request, and makes problems of failures that the framework answered.
fn finish(response: ServiceResponse, request_id: &RequestId) -> ServiceResponse {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (request, mut inner) = response.into_parts();
    let made_here = inner.extensions_mut().remove::<Problem>();
    let is_problem = inner
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes() == MEDIA_TYPE.as_bytes());
    let problem = match made_here {
        Some(problem) => problem,
        // A problem that was stored, and is answered again.
        None if is_problem => return ServiceResponse::new(request, inner),
        None => Problem::of_status(status),
    };
    let problem = problem.with_request_id(request_id.clone());
    let mut headers = inner.headers().clone();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    let mut finished = inner.set_body(BoxBody::new(problem.body()));
    *finished.headers_mut() = headers;
    *finished.status_mut() = problem.status_code();
    ServiceResponse::new(request, finished)
}
