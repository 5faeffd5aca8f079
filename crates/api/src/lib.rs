//! The HTTP contract: routes, credentials, idempotency, problems, and the document that describes them.
//!
//! This is the only room that knows JSON and HTTP. One file per resource holds its types, their description and
//! its handlers; everything that all of them share has a file of its own.

mod auth;
mod body;
mod captures;
mod checkout_sessions;
mod client_address;
mod code;
mod config;
mod customer;
mod demo;
mod disputes;
mod events;
mod fallback;
mod idempotency;
mod messages;
mod metadata;
mod openapi;
mod operations;
mod orders;
mod pagination;
mod path;
mod payment_intents;
mod payment_lookups;
mod problem;
mod products;
mod rate_limit;
mod refunds;
mod request;
mod request_id;
mod responses;
mod return_url;
mod sellers;
mod telemetry;
mod time;
mod timeline;
mod webhook_endpoints;
mod webhooks;
mod words;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{self, PayloadConfig, ThinData};
use actix_web::{App, Error, HttpRequest};
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use quittance_domain::seller::SupportedSellers;
use quittance_outbound::Guard;
use quittance_payments::Payments;
use quittance_persistence::Store;
use quittance_webhook::Receiver;
use secrecy::SecretString;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::Instrument;
use tracing_actix_web::TracingLogger;
use utoipa::ToSchema;
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::{Config as SwaggerConfig, SwaggerUi};

pub use auth::{InvalidSecretKey, SecretKeyText, client_token};
pub use events::message_renderer;
pub use ipnet::IpNet;
pub use return_url::{InvalidOrigin, ReturnOrigins};

use auth::KnownKeys;
use fallback::Routes;
use problem::Problem;
use rate_limit::RateLimit;

/// How long a browser may remember what a preflight said.
const PREFLIGHT_MAX_AGE_S: usize = 600;

/// Whether money is real, and whether Stripe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicMode {
    /// The built-in stand-in for Stripe: no money moves, and nobody but us is asked.
    Sandbox,
    /// Stripe's test mode: no money moves.
    Test,
    /// Real money.
    Live,
}

/// How the API is served.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Stripe's publishable key, for frontends.
    pub publishable_key: String,
    /// Whether money is real.
    pub mode: PublicMode,
    /// Where frontends load Stripe.js from.
    pub stripe_js_url: String,
    /// What client tokens are derived from: the first makes them, all are believed. At least one.
    pub token_keys: Vec<SecretString>,
    /// Web origins that may call from a browser, like `https://shop.example`; none sends no CORS headers.
    pub cors_origins: Vec<String>,
    /// Where Stripe's page may send customers back to.
    pub return_origins: ReturnOrigins,
    /// How long an order may stay unpaid before it expires.
    pub order_lifetime: Duration,
    /// Writes that one address may make in a second without a secret key, with bursts of five times as many; 0
    /// is no limit.
    pub rate_limit_per_second: u32,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Says where endpoints of the shop's own systems may be.
    pub webhook_guard: Guard,
    /// The signing secrets of Stripe's endpoint for the events of connected accounts; without one they are not taken.
    pub connect_webhook_secrets: Vec<SecretString>,
    /// Which sellers the platform takes.
    pub sellers_supported: SupportedSellers,
}

/// The API of one process. Clones share everything.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    config: ApiConfig,
    store: Store,
    payments: Payments,
    receiver: Receiver,
    connect_receiver: Option<Receiver>,
    metrics: PrometheusHandle,
    known_keys: KnownKeys,
    rate_limit: Option<RateLimit>,
    routes: Routes,
    document: Bytes,
    ready: watch::Sender<bool>,
    at_work: watch::Sender<usize>,
    runtime: Handle,
}

impl Api {
    /// The API on these use cases. Must be called on the process's main runtime, on which the work of requests
    /// is done: it outlives the threads of the HTTP server.
    ///
    /// # Panics
    ///
    /// If `config.token_keys` is empty.
    #[must_use]
    pub fn new(
        config: ApiConfig,
        store: Store,
        payments: Payments,
        receiver: Receiver,
        metrics: PrometheusHandle,
    ) -> Self {
        assert!(!config.token_keys.is_empty(), "client tokens need a key");
        telemetry::describe();
        let rate_limit = RateLimit::new(config.rate_limit_per_second, &config.trusted_proxies);
        if let Some(rate_limit) = &rate_limit {
            rate_limit.start_forgetting();
        }
        let document = openapi();
        let connect_secrets = config.connect_webhook_secrets.clone();
        let inner = Inner {
            routes: Routes::of(&document),
            document: Bytes::from(body::to_json(&document)),
            known_keys: KnownKeys::default(),
            ready: watch::Sender::new(true),
            at_work: watch::Sender::new(0),
            runtime: Handle::current(),
            config,
            store,
            payments,
            connect_receiver: (!connect_secrets.is_empty()).then(|| receiver.for_endpoint(connect_secrets)),
            receiver,
            metrics,
            rate_limit,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Everything that is served, for `HttpServer::new(move || api.app())`.
    pub fn app(
        &self,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = Error,
            InitError = (),
        > + use<>,
    > {
        App::new()
            .app_data(ThinData(self.clone()))
            .app_data(PayloadConfig::new(webhooks::MAX_EVENT_BYTES))
            .into_utoipa_app()
            .configure(routes)
            .into_app()
            .service(web::redirect("/docs", "/docs/"))
            .service(docs())
            .configure(demo::routes)
            .default_service(web::to(fallback::no_route))
            .wrap(from_fn(rate_limit::limit))
            .wrap(from_fn(auth::authenticate))
            .wrap(Condition::new(!self.config().cors_origins.is_empty(), self.cors()))
            .wrap(from_fn(telemetry::measure))
            .wrap(TracingLogger::<telemetry::RequestSpan>::new())
            .wrap(from_fn(request_id::identify))
    }

    /// Says whether requests are welcome: `/readyz` tells load balancers, and lookups that wait are answered at
    /// once when they are not. Requests are served all the same.
    pub fn set_ready(&self, ready: bool) {
        self.inner.ready.send_replace(ready);
    }

    /// Returns once no request's work is under way. Work goes on after its caller hung up, so that an HTTP
    /// server without connections does not mean that all is done.
    pub async fn drained(&self) {
        let mut at_work = self.inner.at_work.subscribe();
        // The sender lives as long as this API.
        let _ = at_work.wait_for(|count| *count == 0).await;
    }

    fn cors(&self) -> Cors {
        let cors = Cors::default()
            .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH])
            .allowed_headers([
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Stripe-Client-Secret",
                "X-Request-Id",
            ])
            .expose_headers(["Idempotency-Replayed", "Location", "Retry-After", "X-Request-Id"])
            .max_age(PREFLIGHT_MAX_AGE_S);
        self.config().cors_origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
    }

    /// Runs the work of a request as a task of the process, and waits for it.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let counted = AtWork::begin(self.inner.at_work.clone());
        let task = async move {
            let _counted = counted;
            work.await
        };
        match self.inner.runtime.spawn(task.in_current_span()).await {
            Ok(result) => result,
            Err(error) => Err(Problem::internal(&error)),
        }
    }

    /// Returns when the service is being stopped.
    pub(crate) async fn stopping(&self) {
        let mut ready = self.inner.ready.subscribe();
        let _ = ready.wait_for(|ready| !*ready).await;
    }

    /// The API that serves this request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        request.app_data::<ThinData<Self>>().expect("every App is made by Api::app").0.clone()
    }

    pub(crate) fn is_ready(&self) -> bool {
        *self.inner.ready.borrow()
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.inner.config
    }

    pub(crate) fn token_key(&self) -> &SecretString {
        &self.inner.config.token_keys[0]
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn payments(&self) -> &Payments {
        &self.inner.payments
    }

    pub(crate) fn receiver(&self) -> &Receiver {
        &self.inner.receiver
    }

    /// Takes the events of connected accounts, if they are to be taken.
    pub(crate) fn connect_receiver(&self) -> Option<&Receiver> {
        self.inner.connect_receiver.as_ref()
    }

    pub(crate) fn rate_limit(&self) -> Option<&RateLimit> {
        self.inner.rate_limit.as_ref()
    }

    pub(crate) fn metrics(&self) -> &PrometheusHandle {
        &self.inner.metrics
    }

    pub(crate) fn known_keys(&self) -> &KnownKeys {
        &self.inner.known_keys
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.inner.routes
    }

    pub(crate) fn document(&self) -> Bytes {
        self.inner.document.clone()
    }
}

/// One request's work, counted while it is under way.
struct AtWork(watch::Sender<usize>);

impl AtWork {
    fn begin(count: watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The OpenAPI 3.1 document of everything that is served.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let base = <openapi::Base as utoipa::OpenApi>::openapi();
    let (_, mut document) = App::new().into_utoipa_app().openapi(base).configure(routes).split_for_parts();
    openapi::complete(&mut document);
    document
}

/// The same as it is committed, in `openapi/quittance.json`.
#[must_use]
pub fn openapi_json() -> String {
    body::to_pretty_json(&openapi())
}

fn routes(config: &mut ServiceConfig<'_>) {
    config
        .configure(config::routes)
        .configure(products::routes)
        .configure(orders::routes)
        .configure(payment_intents::routes)
        .configure(payment_lookups::routes)
        .configure(checkout_sessions::routes)
        .configure(captures::routes)
        .configure(refunds::routes)
        .configure(disputes::routes)
        .configure(timeline::routes)
        .configure(sellers::routes)
        .configure(webhook_endpoints::routes)
        .configure(messages::routes)
        .configure(webhooks::routes)
        .configure(operations::routes);
}

/// The page that shows the document and tries it out, without anything from elsewhere.
fn docs() -> SwaggerUi {
    let config = SwaggerConfig::new(["/openapi.json"])
        .try_it_out_enabled(true)
        .persist_authorization(true)
        .display_operation_id(true)
        .display_request_duration(true)
        .validator_url("none");
    SwaggerUi::new("/docs/{_:.*}").config(config)
}
