//! The ID of each request, in responses and in the log.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};
use uuid::Uuid;

/// The header that carries the ID in requests and responses.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest ID that a client may send.
const MAX_LEN: usize = 128;

/// A request ID.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// Returns the ID as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the ID that [`assign`] gave to a request.
    pub(crate) fn get(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Returns the client's ID if it is safe in a log line, or else a new ID.
    fn from_header_or_new(header: Option<&HeaderValue>) -> Self {
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

/// Assigns an ID to the request, and adds it to the response.
pub(crate) async fn assign(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let request_id = RequestId::from_header_or_new(request.headers().get(HEADER));
    request.extensions_mut().insert(request_id.clone());
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        response.headers_mut().insert(HEADER, id);
    }
    Ok(response)
}
