//! Test helpers: a running sandbox, an API client, and a webhook receiver.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use quittance_sandbox::{Config, Error, Handle, Sandbox};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The maximum wait for a condition.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) const SECRET_KEY: &str = "sk_test_sandbox";
pub(crate) const PUBLISHABLE_KEY: &str = "pk_test_sandbox";

/// Returns settings for tests: any free port and short delays.
pub(crate) fn config() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        debit_delay: Duration::from_millis(20),
        webhook_retry_base: Duration::from_millis(10),
        ..Config::default()
    }
}

/// A sandbox that runs until it's stopped or dropped.
pub(crate) struct TestSandbox {
    pub(crate) api: Api,
    pub(crate) handle: Handle,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl TestSandbox {
    pub(crate) fn start(config: Config) -> Self {
        let sandbox = Sandbox::bind(config).unwrap();
        let api = Api::new(sandbox.url());
        let handle = sandbox.handle();
        let (stop, stop_requested) = oneshot::channel::<()>();
        let task = tokio::spawn(sandbox.run(async move {
            let _ = stop_requested.await;
        }));
        Self { api, handle, stop, task }
    }

    /// Stops the sandbox like a signal, and waits until its state file is closed.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// An API response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Response {
    /// Returns the body of a successful response.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    /// Returns the error object of a response with this status.
    #[track_caller]
    pub(crate) fn error(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body["error"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// An API client.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    headers: Vec<(&'static str, String)>,
}

impl Api {
    pub(crate) fn new(base: String) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { base, http, headers: Vec::new() }.with("authorization", format!("Bearer {SECRET_KEY}"))
    }

    /// Returns the same client with a header set.
    pub(crate) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut api = self.clone();
        api.headers.retain(|(other, _)| *other != name);
        api.headers.push((name, value.into()));
        api
    }

    pub(crate) fn without(&self, name: &'static str) -> Self {
        let mut api = self.clone();
        api.headers.retain(|(other, _)| *other != name);
        api
    }

    pub(crate) fn publishable(&self) -> Self {
        self.with("authorization", format!("Bearer {PUBLISHABLE_KEY}"))
    }

    pub(crate) async fn send(&self, method: Method, path: &str, params: &[(&str, &str)]) -> Response {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let mut url = format!("{}{path}", self.base);
        let is_post = method == Method::POST;
        if !is_post && !encoded.is_empty() {
            url = format!("{url}?{encoded}");
        }
        let mut request = self.http.request(method, url);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if is_post {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(encoded);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Response { status, headers, body, text }
    }

    pub(crate) async fn post(&self, path: &str, params: &[(&str, &str)]) -> Response {
        self.send(Method::POST, path, params).await
    }

    pub(crate) async fn get(&self, path: &str, params: &[(&str, &str)]) -> Response {
        self.send(Method::GET, path, params).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, &[]).await
    }

    /// Returns up to 100 objects of a list, newest first.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut params = vec![("limit", "100")];
        params.extend(query.split('&').filter_map(|param| param.split_once('=')));
        let list = self.get(path, &params).await.ok();
        list["data"].as_array().unwrap().clone()
    }

    /// Returns the only object of a list.
    pub(crate) async fn single(&self, path: &str) -> Value {
        let [object] = self.list(path).await.try_into().expect("a list with one object");
        object
    }

    /// Returns the sum of the available and pending balance.
    pub(crate) async fn balance(&self) -> i64 {
        let balance = self.get("/v1/balance", &[]).await.ok();
        let funds = ["available", "pending"].into_iter().flat_map(|name| balance[name].as_array().unwrap());
        funds.map(|fund| fund["amount"].as_i64().unwrap()).sum()
    }

    /// Reads a PaymentIntent again, with its charge.
    pub(crate) async fn read_intent(&self, intent: &Value) -> Value {
        self.get(&intent_path(intent), &[("expand[]", "latest_charge")]).await.ok()
    }

    /// Creates a connected account.
    pub(crate) async fn create_account(&self, params: &[(&str, &str)]) -> Value {
        self.post("/_sandbox/accounts", params).await.ok()
    }

    /// Creates a connected account that can accept payments. Returns a client for it.
    pub(crate) async fn create_seller(&self, id: &str) -> Self {
        self.without("idempotency-key").create_account(&[("id", id), ("country", "DE")]).await;
        self.with("stripe-account", id)
    }

    /// Creates a PaymentIntent of 10.00 EUR that accepts cards, with additional parameters.
    pub(crate) async fn create_intent(&self, params: &[(&str, &str)]) -> Response {
        let mut all = vec![("amount", "1000"), ("currency", "eur")];
        if !params
            .iter()
            .any(|(name, _)| name.contains("payment_method_types") || name.starts_with("automatic"))
        {
            all.push(("allowed_payment_method_types[]", "card"));
        }
        all.extend_from_slice(params);
        self.post("/v1/payment_intents", &all).await
    }

    /// Creates a Checkout Session for a mug at 9.99 EUR, with additional parameters.
    pub(crate) async fn create_session(&self, params: &[(&str, &str)]) -> Response {
        let mut all = vec![
            ("mode", "payment"),
            ("success_url", "https://shop.example/done"),
            ("line_items[0][price_data][currency]", "eur"),
            ("line_items[0][price_data][unit_amount]", "999"),
            ("line_items[0][price_data][product_data][name]", "Mug"),
            ("line_items[0][quantity]", "1"),
        ];
        all.extend_from_slice(params);
        self.post("/v1/checkout/sessions", &all).await
    }

    /// Creates a PaymentIntent like `create_intent`, and confirms it.
    pub(crate) async fn pay(&self, method: &str, params: &[(&str, &str)]) -> Response {
        let mut all = vec![("confirm", "true"), ("payment_method", method)];
        all.extend_from_slice(params);
        self.create_intent(&all).await
    }

    /// Reads `path` until the condition accepts the value, and returns the value.
    pub(crate) async fn wait_until(&self, path: &str, condition: impl Fn(&Value) -> bool) -> Value {
        wait_until(async || Some(self.get(path, &[]).await.ok()).filter(&condition)).await
    }

    /// Advances the sandbox's clock, and waits until all due actions are done.
    pub(crate) async fn advance(&self, seconds: u32) {
        self.post("/_sandbox/clock", &[("advance_seconds", &seconds.to_string())]).await.ok();
    }

    /// Returns the types of all events, oldest first.
    pub(crate) async fn event_types(&self) -> Vec<String> {
        let events = self.get("/v1/events", &[("limit", "100")]).await.ok();
        let types = events["data"].as_array().unwrap().iter().rev();
        types.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// A received webhook.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) signature: String,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

/// Calls `read` until it returns a value. Fails if this takes too long.
pub(crate) async fn wait_until<T>(mut read: impl AsyncFnMut() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(value) = read().await {
                return value;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, poll).await.expect("the condition did not become true in time")
}

/// A server that receives webhooks.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) received: mpsc::UnboundedReceiver<Webhook>,
    failures: Arc<AtomicU32>,
}

struct Inbox {
    sender: Mutex<mpsc::UnboundedSender<Webhook>>,
    failures: Arc<AtomicU32>,
}

async fn receive(inbox: web::Data<Inbox>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let raw = String::from_utf8(body.to_vec()).unwrap();
    let signature = request.headers().get("stripe-signature").unwrap().to_str().unwrap().to_owned();
    let body = serde_json::from_str(&raw).unwrap();
    inbox.sender.lock().unwrap().send(Webhook { signature, raw, body }).unwrap();
    let fails = inbox.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if fails.is_ok() { HttpResponse::InternalServerError().finish() } else { HttpResponse::Ok().finish() }
}

impl Receiver {
    /// Starts a server on any free port. It responds to the first `failures` webhooks with 500.
    pub(crate) fn start(failures: u32) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let failures = Arc::new(AtomicU32::new(failures));
        let inbox = web::Data::new(Inbox { sender: Mutex::new(sender), failures: Arc::clone(&failures) });
        let server = HttpServer::new(move || {
            App::new().app_data(inbox.clone()).default_service(web::post().to(receive))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = format!("http://{}/hook", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, received, failures }
    }

    pub(crate) fn accept_all(&self) {
        self.failures.store(0, Ordering::SeqCst);
    }

    /// Waits for the next webhook.
    pub(crate) async fn next(&mut self) -> Webhook {
        tokio::time::timeout(TIMEOUT, self.received.recv())
            .await
            .expect("no webhook arrived in time")
            .unwrap()
    }

    /// Waits for the next webhook, and returns its object's ID.
    pub(crate) async fn next_object_id(&mut self) -> Value {
        self.next().await.body["data"]["object"]["id"].clone()
    }

    /// Whether no further webhook has arrived.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}

/// Returns an object's ID.
#[track_caller]
pub(crate) fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap_or_else(|| panic!("no ID in {object}"))
}

/// Returns the path of a PaymentIntent.
#[track_caller]
pub(crate) fn intent_path(intent: &Value) -> String {
    format!("/v1/payment_intents/{}", id(intent))
}

/// Asserts that an object has these fields. Ignores all other fields, including those of nested objects.
#[track_caller]
pub(crate) fn assert_fields(actual: &Value, expected: &Value) {
    if let Some(fields) = expected.as_object().filter(|fields| !fields.is_empty()) {
        for (name, value) in fields {
            assert!(actual.get(name).is_some(), "no field {name} in {actual}");
            assert_fields(&actual[name], value);
        }
    } else {
        assert_eq!(actual, expected);
    }
}
