//! A proxy between the service and Stripe that can answer refund requests in Stripe's place.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::{Value, json};

use crate::client::Client;

/// Headers that belong to one connection.
const HOP_BY_HOP_HEADERS: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];

/// A response in Stripe's place.
#[derive(Debug, Clone)]
struct CannedResponse {
    status: u16,
    body: String,
    /// Whether Stripe stores it for the idempotency key, and replays it.
    is_kept: bool,
}

#[derive(Default)]
struct State {
    instead: Option<CannedResponse>,
    kept: HashMap<String, CannedResponse>,
    /// The idempotency keys of the refund requests.
    keys: Vec<String>,
}

/// A proxy in front of Stripe. Clones share their state.
#[derive(Clone)]
pub(crate) struct RefundProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl RefundProxy {
    pub(crate) fn start(stripe: &Client) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let (base, shared) = (stripe.base().to_owned(), Arc::clone(&state));
        let server = HttpServer::new(move || {
            let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
            let (base, state) = (base.clone(), Arc::clone(&shared));
            App::new().default_service(web::to(move |request: HttpRequest, body: Bytes| {
                let (http, base, state) = (http.clone(), base.clone(), Arc::clone(&state));
                async move {
                    let answer = match instead(&state, &request) {
                        Some(answer) => answer,
                        None => forwarded(&http, &base, &request, body).await,
                    };
                    Ok::<_, Infallible>(answer)
                }
            }))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("a port");
        let address = server.addrs()[0];
        tokio::spawn(server.run());
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers refund requests with an error that Stripe stores for their keys.
    pub(crate) fn answer_with_error(&self, status: u16, error: &Value) {
        let body = json!({ "error": error }).to_string();
        self.state().instead = Some(CannedResponse { status, body, is_kept: true });
    }

    /// Answers refund requests with an HTML page, as a proxy other than Stripe would.
    pub(crate) fn answer_with_page(&self, status: u16) {
        let body = "<html><h1>No</h1></html>".to_owned();
        self.state().instead = Some(CannedResponse { status, body, is_kept: false });
    }

    /// Forwards refund requests whose keys have no stored response.
    pub(crate) fn forward(&self) {
        self.state().instead = None;
    }

    /// Returns the idempotency keys of the refund requests, with repetitions.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.state().keys.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }
}

fn instead(state: &Mutex<State>, request: &HttpRequest) -> Option<HttpResponse> {
    if request.path() != "/v1/refunds" || request.method() != "POST" {
        return None;
    }
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.expect("a key").to_owned();
    let mut state = state.lock().expect("the state");
    state.keys.push(key.clone());
    let (answer, is_replayed) = match (state.kept.get(&key), &state.instead) {
        (Some(kept), _) => (kept.clone(), true),
        (None, Some(instead)) => (instead.clone(), false),
        (None, None) => return None,
    };
    if answer.is_kept {
        state.kept.insert(key, answer.clone());
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).expect("a status"));
    response.insert_header(("Request-Id", "req_front"));
    if is_replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    Some(response.body(answer.body))
}

async fn forwarded(http: &reqwest::Client, base: &str, request: &HttpRequest, body: Bytes) -> HttpResponse {
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).expect("a method");
    let mut asked = http.request(method, format!("{base}{}", request.uri())).body(body);
    for (name, value) in request.headers() {
        if !HOP_BY_HOP_HEADERS.contains(&name.as_str()) {
            asked = asked.header(name.as_str(), value.as_bytes());
        }
    }
    let Ok(answer) = asked.send().await else { return HttpResponse::BadGateway().finish() };
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status().as_u16()).expect("a status"));
    for (name, value) in answer.headers() {
        if !HOP_BY_HOP_HEADERS.contains(&name.as_str()) {
            response.insert_header((name.as_str(), value.as_bytes()));
        }
    }
    answer.bytes().await.map_or_else(|_| HttpResponse::BadGateway().finish(), |body| response.body(body))
}
