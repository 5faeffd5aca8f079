//! A running sandbox, a client of its API, and a receiver of its webhooks.

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

/// How long any condition may take to come true.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const SECRET_KEY: &str = "sk_test_sandbox";
pub(crate) const PUBLISHABLE_KEY: &str = "pk_test_sandbox";

/// Settings for tests: any port, short waits.
pub(crate) fn config() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        debit_delay: Duration::from_millis(20),
        webhook_retry_base: Duration::from_millis(10),
        ..Config::default()
    }
}

/// A sandbox that runs until it is stopped or dropped.
pub(crate) struct Running {
    pub(crate) api: Api,
    pub(crate) handle: Handle,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    pub(crate) fn start(config: Config) -> Self {
        let sandbox = Sandbox::bind(config).unwrap();
        let api = Api::new(sandbox.url());
        let handle = sandbox.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(sandbox.run(async move {
            let _ = stopped.await;
        }));
        Self { api, handle, stop, task }
    }

    /// Stops it as a signal would, and waits until its file is closed.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    /// The error object of an answer with this status.
    #[track_caller]
    pub(crate) fn error(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body["error"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A client of the API.
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

    /// The same client with a header set.
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

    pub(crate) async fn send(&self, method: Method, path: &str, params: &[(&str, &str)]) -> Answer {
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
        Answer { status, headers, body, text }
    }

    pub(crate) async fn post(&self, path: &str, params: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, params).await
    }

    pub(crate) async fn get(&self, path: &str, params: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, params).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[]).await
    }

    /// Makes a connected account, with further parameters.
    pub(crate) async fn account(&self, params: &[(&str, &str)]) -> Value {
        self.post("/_sandbox/accounts", params).await.ok()
    }

    /// The same client for a connected account of this id, which is made, ready to sell.
    pub(crate) async fn seller(&self, id: &str) -> Self {
        self.without("idempotency-key").account(&[("id", id), ("country", "DE")]).await;
        self.with("stripe-account", id)
    }

    /// Creates a PaymentIntent over 10.00 that takes cards, with further parameters.
    pub(crate) async fn create(&self, params: &[(&str, &str)]) -> Answer {
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

    /// Creates a Checkout Session over a mug for 9.99 EUR, with further parameters.
    pub(crate) async fn sell(&self, params: &[(&str, &str)]) -> Answer {
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

    /// Creates and confirms at once.
    pub(crate) async fn pay(&self, method: &str, params: &[(&str, &str)]) -> Answer {
        let mut all = vec![("confirm", "true"), ("payment_method", method)];
        all.extend_from_slice(params);
        self.create(&all).await
    }

    /// Reads `path` until `is_done` says so.
    pub(crate) async fn until(&self, path: &str, is_done: impl Fn(&Value) -> bool) -> Value {
        let wait = async {
            loop {
                let value = self.get(path, &[]).await.ok();
                if is_done(&value) {
                    return value;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the condition does not come true")
    }

    /// Moves the sandbox's clock. What comes due by it has happened afterwards.
    pub(crate) async fn advance(&self, seconds: u32) {
        self.post("/_sandbox/clock", &[("advance_seconds", &seconds.to_string())]).await.ok();
    }

    /// The types of all events, the oldest first.
    pub(crate) async fn event_types(&self) -> Vec<String> {
        let events = self.get("/v1/events", &[("limit", "100")]).await.ok();
        let types = events["data"].as_array().unwrap().iter().rev();
        types.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// A webhook as it arrived.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) signature: String,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

/// A server that takes webhooks.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) received: mpsc::UnboundedReceiver<Webhook>,
    refusals: Arc<AtomicU32>,
}

struct Inbox {
    sender: Mutex<mpsc::UnboundedSender<Webhook>>,
    refusals: Arc<AtomicU32>,
}

async fn take(inbox: web::Data<Inbox>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let raw = String::from_utf8(body.to_vec()).unwrap();
    let signature = request.headers().get("stripe-signature").unwrap().to_str().unwrap().to_owned();
    let body = serde_json::from_str(&raw).unwrap();
    inbox.sender.lock().unwrap().send(Webhook { signature, raw, body }).unwrap();
    let refused = inbox.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if refused.is_ok() { HttpResponse::InternalServerError().finish() } else { HttpResponse::Ok().finish() }
}

impl Receiver {
    /// Takes webhooks on any port; the first `refusals` get a 500.
    pub(crate) fn start(refusals: u32) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let refusals = Arc::new(AtomicU32::new(refusals));
        let inbox = web::Data::new(Inbox { sender: Mutex::new(sender), refusals: Arc::clone(&refusals) });
        let server =
            HttpServer::new(move || App::new().app_data(inbox.clone()).default_service(web::post().to(take)))
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .unwrap();
        let url = format!("http://{}/hook", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, received, refusals }
    }

    pub(crate) fn accept_all(&self) {
        self.refusals.store(0, Ordering::SeqCst);
    }

    pub(crate) async fn next(&mut self) -> Webhook {
        tokio::time::timeout(PATIENCE, self.received.recv()).await.expect("no webhook comes").unwrap()
    }
}
