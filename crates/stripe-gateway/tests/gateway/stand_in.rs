//! A local server in place of Stripe. It returns the configured responses in order and records the requests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use quittance_domain::id::{OrderId, PaymentId, RefundId, SellerId};
use quittance_stripe_gateway::{Stripe, StripeConfig};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

/// The server's `Date` for tests that check it, and the same in Unix seconds.
pub(crate) const DATE: &str = "Sun, 22 Nov 2026 10:00:00 GMT";
pub(crate) const DATE_S: i64 = 1_795_341_600;

/// A response.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The status, headers and body.
    Reply(u16, Vec<(&'static str, String)>, String),
    /// No response at all.
    Hang,
}

impl Answer {
    pub(crate) fn ok(body: &Value) -> Self {
        Self::Reply(200, vec![("Request-Id", "req_ok".to_owned())], body.to_string())
    }

    /// Returns a page of a list.
    pub(crate) fn page(data: &[Value], has_more: bool) -> Self {
        Self::ok(&json!({ "object": "list", "url": "/v1/somewhere", "data": data, "has_more": has_more }))
    }

    /// Returns an error in Stripe's format.
    pub(crate) fn error(status: u16, error: &Value) -> Self {
        let body = json!({ "error": error }).to_string();
        Self::Reply(status, vec![("Request-Id", "req_bad".to_owned())], body)
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Reply(_, headers, _) = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

/// A recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    headers: BTreeMap<String, String>,
}

impl RecordedRequest {
    /// Returns the fields of the form or the query.
    pub(crate) fn fields(&self) -> Vec<&str> {
        if self.body.is_empty() { self.query.split('&').collect() } else { self.body.split('&').collect() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

struct Script {
    answers: Vec<Answer>,
    requests: Mutex<Vec<RecordedRequest>>,
    peers: Mutex<BTreeSet<SocketAddr>>,
}

/// The server. The last response is repeated for all further requests.
pub(crate) struct StandIn {
    base: String,
    script: Arc<Script>,
}

impl StandIn {
    pub(crate) fn answering(answers: Vec<Answer>) -> Self {
        let script = Arc::new(Script { answers, requests: Mutex::default(), peers: Mutex::default() });
        let shared = web::Data::from(Arc::clone(&script));
        let server =
            HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(answer)))
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .expect("a free port");
        let base = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { base, script }
    }

    pub(crate) fn config(&self) -> StripeConfig {
        let mut config = StripeConfig::new(SecretString::from("sk_test_51Abc"), &self.base);
        config.backoff = Duration::from_millis(1);
        config
    }

    pub(crate) fn stripe(&self) -> Stripe {
        Stripe::new(&self.config()).expect("a good configuration")
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.script.requests.lock().expect("no panic while held").clone()
    }

    /// Returns the number of connections.
    pub(crate) fn connections(&self) -> usize {
        self.script.peers.lock().expect("no panic while held").len()
    }
}

async fn answer(script: web::Data<Script>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let headers = request.headers().iter();
    let recorded = RecordedRequest {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        body: String::from_utf8(body.to_vec()).expect("forms are text"),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().expect("printable").to_owned()))
            .collect(),
    };
    record(&recorded);
    script.peers.lock().expect("no panic while held").extend(request.peer_addr());
    let place = {
        let mut requests = script.requests.lock().expect("no panic while held");
        requests.push(recorded);
        requests.len().min(script.answers.len()) - 1
    };
    match &script.answers[place] {
        Answer::Hang => std::future::pending().await,
        Answer::Reply(status, headers, body) => {
            let mut response = HttpResponse::build(StatusCode::from_u16(*status).expect("a status"));
            for (name, value) in headers {
                response.insert_header((*name, value.as_str()));
            }
            response.body(body.clone())
        }
    }
}

/// Writes a request in the sandbox's format to the folder that `tests/sdk/check_requests.py` reads.
fn record(request: &RecordedRequest) {
    let Some(folder) = std::env::var_os("QUITTANCE_RECORDED_REQUESTS") else { return };
    let RecordedRequest { method, path, query, body, .. } = request;
    let user_agent = request.header("user-agent");
    let line = json!({
        "method": method, "path": path, "query": query, "body": body, "user_agent": user_agent
    });
    let file = Path::new(&folder).join("gateway.jsonl");
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("a folder for requests");
    file.write_all(format!("{line}\n").as_bytes()).expect("a file that can be written to");
}

pub(crate) fn order_id() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(1))
}

pub(crate) fn payment_id() -> PaymentId {
    PaymentId::from_uuid(Uuid::from_u128(2))
}

/// Returns a full PaymentIntent in the API version of the requests.
pub(crate) fn payment_intent() -> Value {
    serde_json::from_str(include_str!("fixtures/payment_intent.json")).expect("the fixture is JSON")
}

pub(crate) fn refund_id() -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(3))
}

pub(crate) fn seller_id() -> SellerId {
    SellerId::from_uuid(Uuid::from_u128(5))
}

/// Returns a full account with all capabilities and with requirements that have a deadline.
pub(crate) fn account() -> Value {
    serde_json::from_str(include_str!("fixtures/account.json")).expect("the fixture is JSON")
}

/// Returns Stripe's error for an inaccessible account.
pub(crate) fn account_invalid() -> Answer {
    let words = "The provided key 'sk_test_***' does not have access to account 'acct_1SWseller' (or that account \
                 does not exist). Application access may have been revoked.";
    Answer::error(
        403,
        &json!({ "type": "invalid_request_error", "code": "account_invalid", "message": words }),
    )
}

/// Returns a full Checkout Session.
pub(crate) fn checkout_session() -> Value {
    serde_json::from_str(include_str!("fixtures/checkout_session.json")).expect("the fixture is JSON")
}

/// Returns a full refund of a part of [`payment_intent`].
pub(crate) fn refund() -> Value {
    serde_json::from_str(include_str!("fixtures/refund.json")).expect("the fixture is JSON")
}

/// Returns a full dispute of [`payment_intent`].
pub(crate) fn dispute() -> Value {
    serde_json::from_str(include_str!("fixtures/dispute.json")).expect("the fixture is JSON")
}

/// Returns an object with these fields replaced.
pub(crate) fn with(mut object: Value, over: &Value) -> Value {
    for (name, value) in over.as_object().expect("an object") {
        object[name] = value.clone();
    }
    object
}

/// Returns a full event with this object.
pub(crate) fn event_of(kind: &str, object: &Value) -> Value {
    json!({
        "id": "evt_3SWabcLkdIwHu7ix0hijklmn",
        "object": "event",
        "api_version": "2026-09-30.endive",
        "created": 1_795_341_600,
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": "req_abc", "idempotency_key": "pay_00000000000000000000000002" },
        "type": kind,
    })
}
