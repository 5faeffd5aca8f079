//! Request handling: API keys, parameters, idempotency and headers. Every endpoint is called by [`serve`], which also
//! injects faults.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::chaos::ApiFault;
use crate::endpoints::route::{Call, Role, Route};
use crate::http::error::{ApiError, Stage};
use crate::http::form;
use crate::http::params::Params;
use crate::http::version::requested_version;
use crate::server::caller::Caller;
use crate::server::idempotency::{IdempotentRequest, InFlight};
use crate::server::recorder::RequestRecorder;
use crate::server::{access, expand, faults};
use crate::state::{Origin, Store, Tx, TxOutcome};
use crate::storage::ids;

/// The state that all requests share.
pub(crate) struct AppState {
    pub(crate) store: Arc<Store>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) recorder: Option<Arc<RequestRecorder>>,
}

/// A response before it is sent.
struct Reply {
    status: u16,
    body: String,
    /// The original request's ID, if the response is replayed.
    original_request: Option<String>,
}

impl Reply {
    fn error(error: &ApiError, request_id: &str, now_seconds: i64) -> Self {
        let body = to_pretty_json(&error.body(request_id, now_seconds));
        Self { status: error.status, body, original_request: None }
    }
}

fn to_pretty_json(value: &Value) -> String {
    // Stripe indents its responses. Serializing a `Value` can't fail.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Processes a request for an endpoint.
pub(crate) async fn serve(
    route: &'static Route,
    app: &AppState,
    request: &HttpRequest,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    let request_id = ids::request();
    if let Some(recorder) = &app.recorder {
        recorder.write(request, body.as_deref().unwrap_or_default());
    }
    let fault = app.store.chaos.api_fault(route.method.as_str(), route.path);
    if let Some((fault, hang)) = fault.filter(|(fault, _)| !fault.takes_effect()) {
        return faults::respond(fault, hang, &request_id).await;
    }
    let result = match body {
        Ok(body) => process(route, app, request, &body, &request_id, fault.map(|(fault, _)| fault)).await,
        // The body is too long or incomplete.
        Err(error) => {
            let status = error.as_response_error().status_code().as_u16();
            Err(ApiError::invalid("The request body could not be read.").with_status(status))
        }
    };
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => Reply::error(&error, &request_id, app.store.clock.now().seconds()),
    };
    match fault {
        // The changes persist, but the caller doesn't get the response.
        Some((fault, hang)) if fault != ApiFault::ServerErrorAfter => {
            faults::respond(fault, hang, &request_id).await
        }
        _ => respond(request, reply, &request_id),
    }
}

/// Responds to a request without a matching route.
pub(crate) fn not_found(request: &HttpRequest, now_seconds: i64) -> HttpResponse {
    let request_id = ids::request();
    let error = ApiError::unknown_route(request.method().as_str(), request.path());
    respond(request, Reply::error(&error, &request_id, now_seconds), &request_id)
}

fn respond(request: &HttpRequest, reply: Reply, request_id: &str) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-cache, no-store"))
        .insert_header(("Request-Id", request_id));
    if let Ok(version) = requested_version(request.headers()) {
        response.insert_header(("Stripe-Version", version));
    }
    for name in ["Stripe-Account", "Idempotency-Key"] {
        if let Some(value) = request.headers().get(name) {
            response.insert_header((name, value.clone()));
        }
    }
    if let Some(original) = reply.original_request {
        response.insert_header(("Idempotent-Replayed", "true")).insert_header(("Original-Request", original));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"Stripe\""));
    }
    match reply.status {
        409 | 500 => {
            response.insert_header(("Stripe-Should-Retry", "true"));
        }
        400..=499 => {
            response.insert_header(("Stripe-Should-Retry", "false"));
        }
        _ => {}
    }
    tracing::debug!(
        http.method = %request.method(),
        http.route = request.match_pattern().unwrap_or_default(),
        http.status = reply.status,
        stripe.request_id = request_id,
        "answered a request"
    );
    response.body(reply.body)
}

async fn process(
    route: &'static Route,
    app: &AppState,
    request: &HttpRequest,
    body: &Bytes,
    request_id: &str,
    fault: Option<ApiFault>,
) -> Result<Reply, ApiError> {
    let mut params = parse_params(request, body)?;
    let caller = Caller::identify(request, &mut params, &app.store.settings.platform_id)?;
    let caller =
        app.store.run_in_memory(|tx| access::authorize(tx, caller, request.method(), request.path()))?;
    if caller.role == Role::Publishable && !route.allows_publishable {
        return Err(ApiError::unauthorized(
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a \
             list of your API keys at https://dashboard.stripe.com/account/apikeys.",
        )
        .with_code("secret_key_required"));
    }
    let version = requested_version(request.headers())?;
    let expand = params.strings("expand")?.unwrap_or_default();
    let idempotent = idempotent_request(request, &caller, body)?;
    let _guard = match &idempotent {
        Some(idempotent) => Some(app.in_flight.enter(idempotent)?),
        None => None,
    };
    let in_path = |name| request.match_info().get(name).unwrap_or_default();
    let (id, child) = (in_path("id"), in_path("child"));
    let key = idempotent.as_ref().map(|idempotent| idempotent.key.clone());
    let application = caller.application.clone();
    let origin = Origin { request_id: Some(request_id.to_owned()), idempotency_key: key, application };
    app.store
        .transact(&caller.account, origin, |tx| {
            execute(tx, idempotent.as_ref(), request_id, fault, |tx| {
                let mut value = (route.handler)(&mut Call {
                    tx,
                    params,
                    id,
                    child,
                    role: caller.role,
                    redacted_key: &caller.redacted_key,
                    version: &version,
                })?;
                expand::expand(tx, &mut value, &expand)?;
                Ok(value)
            })
        })
        .await
        .map_err(|error| ApiError::internal(format!("The sandbox failed: {error}.")))?
}

/// Returns the idempotency key of a POST and the request's fingerprint.
fn idempotent_request(
    request: &HttpRequest,
    caller: &Caller,
    body: &Bytes,
) -> Result<Option<IdempotentRequest>, ApiError> {
    let Some(key) = request.headers().get("idempotency-key").filter(|_| request.method() == Method::POST)
    else {
        return Ok(None);
    };
    let key = key.to_str().map_err(|_| ApiError::idempotency(400, "Idempotency keys must be ASCII text."))?;
    IdempotentRequest::new(key, &caller.account, request.path(), body).map(Some)
}

/// Replays the response saved under the key, or runs `work`. Like Stripe, saves responses only of endpoints that
/// started to execute.
fn execute(
    tx: &mut Tx<'_>,
    idempotent: Option<&IdempotentRequest>,
    request_id: &str,
    fault: Option<ApiFault>,
    work: impl FnOnce(&mut Tx<'_>) -> Result<Value, ApiError>,
) -> (Result<Reply, ApiError>, TxOutcome) {
    match idempotent.map(|idempotent| idempotent.saved(tx)) {
        None | Some(Ok(None)) => {}
        Some(Ok(Some(saved))) => {
            let original_request = Some(saved.request_id);
            return (
                Ok(Reply { status: saved.status, body: saved.body, original_request }),
                TxOutcome::RollBack,
            );
        }
        Some(Err(error)) => return (Err(error), TxOutcome::RollBack),
    }
    let reply = match work(tx) {
        Ok(value) => Reply { status: 200, body: to_pretty_json(&value), original_request: None },
        Err(error) if error.stage == Stage::Validation => return (Err(error), TxOutcome::RollBack),
        Err(error) => {
            if error.stage == Stage::Execution {
                tx.roll_back();
            }
            Reply::error(&error, request_id, tx.now.seconds())
        }
    };
    // Like Stripe, saves the server error under the key, even though the call took effect.
    let reply = match fault {
        Some(ApiFault::ServerErrorAfter) => {
            Reply::error(&ApiError::internal("An unknown error occurred."), request_id, tx.now.seconds())
        }
        _ => reply,
    };
    if let Some(idempotent) = idempotent {
        idempotent.save(tx, reply.status, &reply.body, request_id);
    }
    (Ok(reply), TxOutcome::Commit)
}

/// Reads parameters from the query, and from the body of a POST.
fn parse_params(request: &HttpRequest, body: &Bytes) -> Result<Params, ApiError> {
    let mut entries = form::parse(request.query_string().as_bytes())?;
    if request.method() == Method::POST {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = content_type.is_none_or(|text| text.starts_with("application/x-www-form-urlencoded"));
        if !is_form && !body.is_empty() {
            return Err(ApiError::invalid(
                "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you \
                 have any questions, we can help at https://support.stripe.com/.",
            ));
        }
        entries.extend(form::parse(body)?);
    }
    Ok(Params::new(entries))
}
