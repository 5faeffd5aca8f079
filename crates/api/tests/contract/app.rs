//! A running API with its store, sandbox and workers.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use actix_web::HttpServer;
use chrono::Utc;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use quittance_api::{Api, ApiConfig, IpNet, PublicMode, ReturnOrigins, SecretKeyText};
use quittance_domain::history::{Limits, ReviewRefund};
use quittance_domain::id::KeyId;
use quittance_domain::seller::{ChargeType, FeeTerms, SupportedSellers};
use quittance_outbound::{Guard, OutboundConfig, Sender, SystemResolver, Wakeup, Worker};
use quittance_payments::{ConnectSettings, OutcomeWaiters, Payments};
use quittance_persistence::{SecretKey, Store, StoreConfig};
use quittance_sandbox::{Config as SandboxConfig, Sandbox};
use quittance_stripe_gateway::{Stripe, StripeConfig};
use quittance_test_support::wait_until;
use quittance_webhook::{Receiver, ReceiverConfig};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The sandbox's webhook signing secret.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_test";

/// The sandbox's webhook signing secret for connected accounts.
pub(crate) const CONNECT_SECRET: &str = "whsec_connect";

/// The platform's client ID; the sandbox accepts any.
pub(crate) const CLIENT_ID: &str = "ca_Contract";

/// A secret key that the sandbox accepts.
const STRIPE_KEY: &str = "sk_test_contract";

/// The settings of an API under test.
pub(crate) struct Setup {
    pub(crate) token_keys: Vec<&'static str>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) rate_limit_per_second: u32,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) max_open_orders: i64,
    pub(crate) with_webhook: bool,
    pub(crate) stripe_base: Option<String>,
    pub(crate) order_lifetime: Duration,
    pub(crate) with_outbound: bool,
    pub(crate) with_connect: bool,
    pub(crate) sellers_supported: SupportedSellers,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            token_keys: vec!["token key of the tests, long enough for any"],
            cors_origins: Vec::new(),
            rate_limit_per_second: 0,
            trusted_proxies: Vec::new(),
            max_open_orders: 1000,
            with_webhook: true,
            stripe_base: None,
            order_lifetime: Duration::from_mins(35),
            with_outbound: false,
            with_connect: true,
            sellers_supported: SupportedSellers::default(),
        }
    }
}

/// A running API.
pub(crate) struct TestApp {
    pub(crate) url: String,
    pub(crate) api: Api,
    pub(crate) store: Store,
    pub(crate) receiver: Receiver,
    pub(crate) key: SecretKeyText,
    pub(crate) dir: TempDir,
    pub(crate) sandbox_url: String,
    record: PathBuf,
    pub(crate) http: reqwest::Client,
}

/// A response, read in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Expects a success with this status and returns the body.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert!(self.header("x-request-id").is_some());
        self.json()
    }

    /// Expects a complete problem with this code and returns it.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], format!("urn:quittance:problem:{code}"));
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{body}");
        if status == 503 || status == 429 {
            assert!(self.header("retry-after").is_some(), "{self:?}");
        }
        body
    }
}

/// A request under construction.
pub(crate) struct Call<'a> {
    app: &'a TestApp,
    request: reqwest::RequestBuilder,
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request = self.request.header(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// Authenticates with a secret key.
    pub(crate) fn shop(self) -> Self {
        let key = self.app.key.expose().to_owned();
        self.bearer(&key)
    }

    pub(crate) fn bearer(self, credential: &str) -> Self {
        self.header("authorization", &format!("Bearer {credential}"))
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.request = self.request.header("content-type", "application/json").body(body.to_string());
        self
    }

    pub(crate) fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.body(body);
        self
    }

    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.unwrap()
    }

    pub(crate) async fn try_send(self) -> reqwest::Result<Answer> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }
}

fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap()).clone()
}

/// The file to which the sandbox records this app's requests.
fn record_in(dir: &TempDir) -> PathBuf {
    match std::env::var_os("QUITTANCE_RECORDED_REQUESTS") {
        Some(folder) => Path::new(&folder).join(format!("contract-{}.jsonl", uuid::Uuid::now_v7())),
        None => dir.path().join("sent.jsonl"),
    }
}

/// Starts a sandbox on its own port.
fn start_sandbox(setup: &Setup, app_url: &str, record: &Path) -> String {
    let config = SandboxConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        debit_delay: Duration::from_millis(200),
        record_requests: Some(record.to_owned()),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::bind(config).unwrap();
    let endpoint = format!("{app_url}/webhooks/stripe");
    if setup.with_webhook && setup.with_connect {
        let endpoint = format!("{endpoint}/connect");
        sandbox.handle().register_connect_webhook_endpoint(endpoint, CONNECT_SECRET).unwrap();
    }
    if setup.with_webhook {
        sandbox.handle().register_webhook_endpoint(endpoint, WEBHOOK_SECRET).unwrap();
    }
    let url = sandbox.url();
    tokio::spawn(async move { sandbox.run(std::future::pending()).await.unwrap() });
    url
}

/// Returns the client ID and the default terms for new sellers.
fn connect_settings(setup: &Setup) -> ConnectSettings {
    ConnectSettings {
        client_id: setup.with_connect.then(|| CLIENT_ID.to_owned()),
        charge_type: ChargeType::Direct,
        fee: FeeTerms::new(250, 30, 0).unwrap(),
    }
}

/// Starts the delivery of messages, also to endpoints on this machine.
fn start_outbound(store: Store, supported: &SupportedSellers) {
    let sender = Sender::new(Guard::for_sandbox(Vec::new()), SystemResolver).unwrap();
    let render = quittance_api::message_renderer(supported);
    let config = OutboundConfig { render, retention: chrono::Duration::days(90) };
    let worker = Worker::new(store, sender, config, Wakeup::default());
    tokio::spawn(async move {
        let (_never, stop) = tokio::sync::watch::channel(false);
        worker.run(stop).await;
    });
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub(crate) async fn start_with(setup: Setup) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig {
            url: format!("sqlite://{}", dir.path().join("quittance.db").display()),
            limits: Limits {
                max_declines: 3,
                max_open_orders: setup.max_open_orders,
                review_refund: ReviewRefund::Never,
            },
            sellers_supported: setup.sellers_supported.clone(),
            connections: 4,
            wait: Duration::from_secs(20),
        })
        .await
        .unwrap();
        store.migrate().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let record = record_in(&dir);
        let sandbox_url = match &setup.stripe_base {
            Some(base) => base.clone(),
            None => start_sandbox(&setup, &url, &record),
        };
        let waiting = OutcomeWaiters::start(store.clone());
        let receiver_config =
            ReceiverConfig { secrets: vec![WEBHOOK_SECRET.into()], ..ReceiverConfig::default() };
        let notified = waiting.clone();
        let receiver = Receiver::start(store.clone(), receiver_config, move || notified.notify());
        let mut stripe = StripeConfig::new(STRIPE_KEY.into(), sandbox_url.clone());
        stripe.max_retries = 0;
        let payments = Payments::new(store.clone(), Stripe::new(&stripe).unwrap(), waiting)
            .with_connect(connect_settings(&setup));
        let config = ApiConfig {
            publishable_key: "pk_test_contract".to_owned(),
            mode: PublicMode::Sandbox,
            stripe_js_url: "https://js.stripe.com/v3/".to_owned(),
            token_keys: setup.token_keys.into_iter().map(SecretString::from).collect(),
            cors_origins: setup.cors_origins,
            return_origins: ReturnOrigins::new(&["https://shop.example".to_owned()]).unwrap(),
            order_lifetime: setup.order_lifetime,
            rate_limit_per_second: setup.rate_limit_per_second,
            trusted_proxies: setup.trusted_proxies,
            webhook_guard: Guard::for_sandbox(Vec::new()),
            connect_webhook_secrets: setup.with_connect.then(|| CONNECT_SECRET.into()).into_iter().collect(),
            sellers_supported: setup.sellers_supported.clone(),
        };
        if setup.with_outbound {
            start_outbound(store.clone(), &setup.sellers_supported);
        }
        let api = Api::new(config, store.clone(), payments, receiver.clone(), metrics());
        let shared = api.clone();
        let server = HttpServer::new(move || shared.app())
            .workers(2)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
        tokio::spawn(server);
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let key = add_key(&store).await;
        Self { url, api, store, receiver, key, dir, sandbox_url, record, http }
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call { app: self, request: self.http.request(method, format!("{}{path}", self.url)) }
    }

    pub(crate) fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    pub(crate) fn patch(&self, path: &str) -> Call<'_> {
        self.call(Method::PATCH, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    /// Adds a product and returns its ID.
    pub(crate) async fn product(&self, unit_amount: i64) -> String {
        let body = json!({"name": "Fountain pen", "unit_amount": unit_amount, "currency": "eur"});
        let product = self.post("/v1/products").shop().json(&body).send().await.ok(201);
        text(&product["id"])
    }

    /// Places an order for two units of a product; returns the order ID and the client token.
    pub(crate) async fn order(&self) -> (String, String) {
        let product = self.product(2499).await;
        let order = self.post("/v1/orders").json(&basket(&product)).send().await.ok(201);
        (text(&order["id"]), text(&order["client_token"]))
    }

    /// Requests an order's PaymentIntent with its client token.
    pub(crate) async fn payment_intent(&self, order_id: &str, token: &str) -> Value {
        let path = format!("/v1/orders/{order_id}/payment_intent");
        self.post(&path).bearer(token).send().await.ok(200)
    }

    /// Confirms a PaymentIntent at the sandbox, as the customer's browser would.
    pub(crate) async fn confirm(&self, payment_intent_id: &str, payment_method: &str) {
        let path = format!("/v1/payment_intents/{payment_intent_id}/confirm");
        let form = format!("payment_method={payment_method}&return_url=https%3A%2F%2Fshop.example%2Freturn");
        self.at_stripe(&path, &form).await;
    }

    /// Sends a request to the sandbox, as the Dashboard or a test control would. A declined payment counts as a
    /// success.
    pub(crate) async fn at_stripe(&self, path: &str, form: &str) -> Value {
        self.on_account(None, path, form).await
    }

    /// Sends a request to the sandbox for a connected account.
    pub(crate) async fn on_account(&self, account: Option<&str>, path: &str, form: &str) -> Value {
        let mut request = self.http.post(format!("{}{path}", self.sandbox_url)).bearer_auth(STRIPE_KEY);
        if let Some(account) = account {
            request = request.header("stripe-account", account);
        }
        let form = form.to_owned();
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.unwrap();
        let status = response.status();
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert!(status.is_success() || status == StatusCode::PAYMENT_REQUIRED, "{body}");
        body
    }

    /// Reads an object from the sandbox.
    pub(crate) async fn read_at_stripe(&self, path: &str) -> Value {
        self.read_on_account(None, path).await
    }

    /// Reads an object of a connected account from the sandbox.
    pub(crate) async fn read_on_account(&self, account: Option<&str>, path: &str) -> Value {
        let mut request = self.http.get(format!("{}{path}", self.sandbox_url)).bearer_auth(STRIPE_KEY);
        if let Some(account) = account {
            request = request.header("stripe-account", account);
        }
        let response = request.send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// Lists the requests that the API sent to the sandbox, in order, as `POST /v1/refunds amount=…`.
    pub(crate) fn sent(&self) -> Vec<String> {
        let record = std::fs::read_to_string(&self.record).unwrap_or_default();
        let requests = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ours = requests.filter(|request| text(&request["user_agent"]).starts_with("quittance/"));
        let line = |request: Value| {
            format!("{} {} {}", text(&request["method"]), text(&request["path"]), text(&request["body"]))
        };
        ours.map(line).collect()
    }

    /// Counts the requests of the API that begin with this text.
    pub(crate) fn times_sent(&self, beginning: &str) -> usize {
        self.sent().iter().filter(|request| request.starts_with(beginning)).count()
    }

    /// Places and pays an order of 49.98 EUR; returns the order ID, the client token and the PaymentIntent ID.
    pub(crate) async fn paid_order(&self) -> (String, String, String) {
        let (order_id, token) = self.order().await;
        let intent_id = text(&self.payment_intent(&order_id, &token).await["payment_intent_id"]);
        self.confirm(&intent_id, "pm_card_visa").await;
        self.order_becomes(&order_id, "paid").await;
        (order_id, token, intent_id)
    }

    /// Places an order of 49.98 EUR and authorizes its payment for manual capture.
    pub(crate) async fn authorized_order(&self) -> (String, String, String) {
        let (order_id, token) = self.order().await;
        let body = json!({"capture_method": "manual"});
        let path = format!("/v1/orders/{order_id}/payment_intent");
        let intent = self.post(&path).shop().json(&body).send().await.ok(200);
        let intent_id = text(&intent["payment_intent_id"]);
        self.confirm(&intent_id, "pm_card_visa").await;
        self.order_becomes(&order_id, "authorized").await;
        (order_id, token, intent_id)
    }

    /// Waits until an order has this status.
    pub(crate) async fn order_becomes(&self, order_id: &str, status: &str) -> Value {
        wait_until(&format!("the order is {status}"), async || {
            let order = self.get(&format!("/v1/orders/{order_id}")).shop().send().await.ok(200);
            (order["status"] == status).then_some(order)
        })
        .await
    }

    /// Returns the bytes of all database files.
    pub(crate) fn database_bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

pub(crate) async fn add_key(store: &Store) -> SecretKeyText {
    let key = SecretKeyText::generate();
    let row = SecretKey {
        id: KeyId::from_uuid(uuid::Uuid::now_v7()),
        name: "tests".to_owned(),
        hash: key.hash(),
        created_at: Utc::now(),
        revoked_at: None,
    };
    store.insert_secret_key(row).await.unwrap();
    key
}

pub(crate) fn basket(product_id: &str) -> Value {
    json!({"items": [{"product_id": product_id, "quantity": 2}]})
}

pub(crate) fn return_urls() -> Value {
    json!({
        "success_url": "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cart"
    })
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
