//! Requests with a body: their JSON and their idempotency key.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use bytes::Bytes;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::http::body_rules::BodyRules;
use crate::http::fields::Fields;
use crate::http::json_reader::{MAX_JSON_BYTES, read_json};
use crate::http::request_id::RequestId;
use crate::problem::Problem;
use crate::problem::code::Code;

/// The header that carries the idempotency key.
const KEY_HEADER: &str = "Idempotency-Key";

/// The maximum length of a key.
const KEY_LEN_MAX: usize = 255;

/// The headers of every POST, for the OpenAPI document.
pub(crate) struct Headers;

impl IntoParams for Headers {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema =
            ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(KEY_LEN_MAX));
        let description = "Makes it safe to repeat the request. Within 24 hours, the same key returns the first \
            response, with `Idempotency-Replayed: true`. Use 1 to 255 printable ASCII characters, and at least 16 \
            without credentials.";
        let parameter = ParameterBuilder::new()
            .name(KEY_HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

/// A request with a body and perhaps an idempotency key.
#[expect(clippy::struct_field_names, reason = "`request_id` is the name everywhere")]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) key: Option<String>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) collection: Option<&'static str>,
}

impl Request {
    /// Reads the body's fields, and reports all invalid ones at once.
    pub(crate) fn read<T: Fields>(&self, rules: &BodyRules<'_>) -> Result<T::Output, Problem> {
        read_json(&self.body, rules, T::read)
    }

    /// Sets the path of the collection to which the request adds an object, for the `Location` header.
    pub(crate) fn creates_in(mut self, collection: &'static str) -> Self {
        self.collection = Some(collection);
        self
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
                return Err(Problem::unsupported_media_type());
            }
            Ok(Self {
                method: request.method().to_string(),
                path: request.path().to_owned(),
                body,
                key: key(request.headers())?,
                request_id: RequestId::get(&request),
                collection: None,
            })
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
fn unreadable(error: actix_web::Error) -> Problem {
    Problem::from_status(error.as_response_error().status_code())
}

fn too_large() -> Problem {
    let detail = format!("The body is larger than {MAX_JSON_BYTES} bytes. Send a smaller body.");
    Problem::new(Code::BodyTooLarge, detail)
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
            format!(
                "The Idempotency-Key is invalid. Send one key of 1 to {KEY_LEN_MAX} printable ASCII characters."
            ),
        )),
    }
}
