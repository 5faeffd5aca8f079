//! Requests with a body: how the body and the key that it may come with are taken in.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use bytes::Bytes;
use utoipa::IntoParams;

use crate::body::{MAX_JSON_BYTES, Object, Read, read_json};
use crate::code::Code;
use crate::problem::Problem;
use crate::request_id::RequestId;

/// The header that carries the key.
const KEY_HEADER: &str = "Idempotency-Key";

/// The longest key.
const KEY_LEN_MAX: usize = 255;

/// The header of every POST.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; `key` reads it")]
pub(crate) struct Headers {
    /// Makes it safe to send the request again: within 24 hours the same key gets the first answer, with
    /// `Idempotency-Replayed: true`. Up to 255 printable characters; at least 16 without credentials.
    #[param(rename = "Idempotency-Key", required = false, min_length = 1, max_length = 255)]
    idempotency_key: String,
}

/// A request that does something.
#[expect(clippy::struct_field_names, reason = "a request's id is called so everywhere")]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) key: Option<String>,
    pub(crate) request_id: Option<RequestId>,
}

impl Request {
    /// The body, read field by field.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&mut Object<'_>) -> Read<T>) -> Result<T, Problem> {
        read_json(&self.body, read)
    }
}

impl FromRequest for Request {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = web::Payload::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let payload = payload.await.map_err(unreadable)?;
            let body = payload.to_bytes_limited(MAX_JSON_BYTES).await.map_err(|_| too_large())?;
            let body = body.map_err(unreadable)?;
            if !body.is_empty() && !is_json(request.headers()) {
                return Err(Problem::new(Code::UnsupportedMediaType, "The body must be application/json."));
            }
            Ok(Self {
                method: request.method().to_string(),
                path: request.path().to_owned(),
                body,
                key: key(request.headers())?,
                request_id: RequestId::of(&request),
            })
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over results")]
fn unreadable(error: actix_web::Error) -> Problem {
    Problem::of_status(error.as_response_error().status_code())
}

fn too_large() -> Problem {
    Problem::new(Code::BodyTooLarge, format!("A body has at most {MAX_JSON_BYTES} bytes."))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(KEY_HEADER);
    let Some(value) = given.next() else { return Ok(None) };
    let is_only = given.next().is_none();
    let is_printable = |key: &&str| key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_LEN_MAX).contains(&key.len()) && is_only)
        .filter(is_printable);
    match key {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::new(
            Code::InvalidIdempotencyKey,
            format!("An Idempotency-Key has 1 to {KEY_LEN_MAX} printable ASCII characters."),
        )),
    }
}
