//! The state of the API in one process, which every resource uses.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use bytes::Bytes;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use quittance_domain::seller::SupportedSellers;
use quittance_outbound::Guard;
use quittance_payments::Payments;
use quittance_persistence::{Renderer, Store};
use quittance_webhook::Receiver;
use secrecy::SecretString;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::audience::Audience;
use crate::http::auth::{Access, Authenticator, Caller};
use crate::http::body_rules::BodyRules;
use crate::http::client_tokens::ClientTokens;
use crate::http::fallback::AllowedMethods;
use crate::http::idempotency::{Idempotency, KeyClaim, Scope, WorkReply};
use crate::http::rate_limit::RateLimit;
use crate::http::request::Request;
use crate::http::return_origins::ReturnOrigins;
use crate::http::tasks::RequestTasks;
use crate::json::to_json;
use crate::problem::Problem;

/// The mode of the service: whether it moves money, and whether it calls Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicMode {
    /// The built-in sandbox in place of Stripe. No money moves.
    Sandbox,
    /// Stripe's test mode. No money moves.
    Test,
    /// Stripe's live mode, with real money.
    Live,
}

/// The configuration of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Stripe's publishable key, for frontends.
    pub publishable_key: String,
    /// The mode of the service.
    pub mode: PublicMode,
    /// The URL from which frontends load Stripe.js.
    pub stripe_js_url: String,
    /// The keys that client tokens are derived from. The first issues tokens; all verify them. At least one.
    pub token_keys: Vec<SecretString>,
    /// Web origins that may call from a browser, like `https://shop.example`. Without any, no CORS headers are sent.
    pub cors_origins: Vec<String>,
    /// The origins that Stripe's pages may send customers back to.
    pub return_origins: ReturnOrigins,
    /// The time after which an unpaid order expires.
    pub order_lifetime: Duration,
    /// Writes per second that one address may make without a secret key. Bursts may be five times as large. 0 means no
    /// limit.
    pub rate_limit_per_second: u32,
    /// Networks of proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The guard for the URLs of webhook endpoints.
    pub webhook_guard: Guard,
    /// The signing secrets for events of connected accounts. Without any, those events are refused.
    pub connect_webhook_secrets: Vec<SecretString>,
    /// The sellers that the platform supports.
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
    renderer: Renderer,
    authenticator: Authenticator,
    idempotency: Idempotency,
    tasks: RequestTasks,
    rate_limit: Option<RateLimit>,
    allowed_methods: AllowedMethods,
    document: Bytes,
    ready: watch::Sender<bool>,
}

/// The parts that the API is built on.
pub(crate) struct Parts {
    pub(crate) config: ApiConfig,
    pub(crate) store: Store,
    pub(crate) payments: Payments,
    pub(crate) receiver: Receiver,
    pub(crate) metrics: PrometheusHandle,
    /// Renders the payloads of messages.
    pub(crate) renderer: Renderer,
    /// The OpenAPI document of all routes.
    pub(crate) document: OpenApi,
}

impl Api {
    /// Creates the API. Work of requests runs on the current runtime.
    pub(crate) fn from_parts(parts: Parts) -> Self {
        let Parts { config, store, payments, receiver, metrics, renderer, document } = parts;
        let rate_limit = RateLimit::new(config.rate_limit_per_second, &config.trusted_proxies);
        if let Some(rate_limit) = &rate_limit {
            rate_limit.start_cleanup();
        }
        let tokens = ClientTokens::new(&config.token_keys);
        let tasks = RequestTasks::new(Handle::current());
        let connect_secrets = config.connect_webhook_secrets.clone();
        let inner = Inner {
            authenticator: Authenticator::new(store.clone(), tokens.clone()),
            idempotency: Idempotency::new(store.clone(), payments.clone(), tokens, tasks.clone()),
            allowed_methods: AllowedMethods::from_document(&document),
            document: Bytes::from(to_json(&document)),
            connect_receiver: (!connect_secrets.is_empty()).then(|| receiver.for_endpoint(connect_secrets)),
            ready: watch::Sender::new(true),
            config,
            store,
            payments,
            receiver,
            metrics,
            renderer,
            tasks,
            rate_limit,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Sets whether `/readyz` reports the service as ready. If it isn't, waiting lookups return at once. Requests are
    /// still handled.
    pub fn set_ready(&self, ready: bool) {
        self.inner.ready.send_replace(ready);
    }

    /// Waits until the work of all requests is done. Work continues after its client has hung up, so it can outlast the
    /// connections of the HTTP server.
    pub async fn drained(&self) {
        self.inner.tasks.drained().await;
    }

    /// Does the work of a request once for each idempotency key, and responds.
    pub(crate) async fn run<W, Fut>(
        &self,
        request: Request,
        scope: impl Into<Scope>,
        work: W,
    ) -> Result<HttpResponse, Problem>
    where
        W: FnOnce(KeyClaim) -> Fut + Send + 'static,
        Fut: Future<Output = Result<WorkReply, Problem>> + Send + 'static,
    {
        self.inner.idempotency.run(request, scope.into(), work).await
    }

    /// Returns the caller's access to an order.
    pub(crate) fn access(
        &self,
        caller: &Caller,
        order_id: &quittance_domain::id::OrderId,
    ) -> Result<Access, Problem> {
        self.inner.authenticator.access(caller, order_id)
    }

    /// Returns the rules for the body of this caller's request.
    pub(crate) fn body_rules(&self, audience: Audience) -> BodyRules<'_> {
        let config = self.config();
        BodyRules { audience, return_origins: &config.return_origins, webhook_guard: &config.webhook_guard }
    }

    /// Waits until the service is being stopped.
    pub(crate) async fn stopping(&self) {
        let mut ready = self.inner.ready.subscribe();
        let _ = ready.wait_for(|ready| !*ready).await;
    }

    pub(crate) fn is_ready(&self) -> bool {
        *self.inner.ready.borrow()
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.inner.config
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

    /// Returns the receiver for events of connected accounts, if it is configured.
    pub(crate) fn connect_receiver(&self) -> Option<&Receiver> {
        self.inner.connect_receiver.as_ref()
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.inner.authenticator
    }

    pub(crate) fn rate_limit(&self) -> Option<&RateLimit> {
        self.inner.rate_limit.as_ref()
    }

    pub(crate) fn allowed_methods(&self) -> &AllowedMethods {
        &self.inner.allowed_methods
    }

    pub(crate) fn metrics(&self) -> &PrometheusHandle {
        &self.inner.metrics
    }

    pub(crate) fn renderer(&self) -> Renderer {
        self.inner.renderer.clone()
    }

    pub(crate) fn document(&self) -> Bytes {
        self.inner.document.clone()
    }
}
