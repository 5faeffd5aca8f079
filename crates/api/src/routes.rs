//! The routes of the API, the order of its middleware, and its OpenAPI document.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{self, PayloadConfig, ThinData};
use actix_web::{App, Error};
use metrics_exporter_prometheus::PrometheusHandle;
use quittance_payments::Payments;
use quittance_persistence::Store;
use quittance_webhook::Receiver;
use tracing_actix_web::TracingLogger;
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::cors::cors;
use crate::http::{
    auth, fallback, head_requests, problem_responses, rate_limit, request_id, response_headers, telemetry,
};
use crate::json::to_pretty_json;
use crate::openapi::{Base, complete};
use crate::pages;
use crate::resources::events::message_renderer;
use crate::resources::{
    captures, checkout_sessions, config, disputes, messages, operations, orders, payment_intents,
    payment_lookups, products, refunds, seller_onboarding, sellers, stripe_products, timeline,
    webhook_endpoints, webhooks,
};
use crate::state::{Api, ApiConfig, Parts};

impl Api {
    /// Creates the API on these use cases. Call it on the process's main runtime: the work of requests runs there, and
    /// outlives the threads of the HTTP server.
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
        telemetry::describe();
        let renderer = message_renderer(&config.sellers_supported);
        let document = openapi();
        Self::from_parts(Parts { config, store, payments, receiver, metrics, renderer, document })
    }

    /// Returns the application, for `HttpServer::new(move || api.app())`.
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
        let origins = &self.config().cors_origins;
        let mut app = App::new()
            .app_data(ThinData(self.clone()))
            .app_data(ThinData(self.authenticator().clone()))
            .app_data(ThinData(self.allowed_methods().clone()))
            .app_data(PayloadConfig::new(webhooks::MAX_EVENT_BYTES));
        if let Some(rate_limit) = self.rate_limit() {
            app = app.app_data(ThinData(rate_limit.clone()));
        }
        // The last middleware is the outermost.
        app.into_utoipa_app()
            .configure(routes)
            .into_app()
            .configure(pages::routes)
            .default_service(web::to(fallback::no_route))
            .wrap(from_fn(rate_limit::limit))
            .wrap(from_fn(auth::authenticate))
            .wrap(Condition::new(!origins.is_empty(), cors(origins)))
            .wrap(from_fn(telemetry::measure))
            .wrap(TracingLogger::<telemetry::RequestSpan>::new())
            .wrap(from_fn(head_requests::route_as_get))
            .wrap(from_fn(problem_responses::complete))
            .wrap(from_fn(response_headers::add))
            .wrap(from_fn(request_id::assign))
    }
}

/// Returns the OpenAPI 3.1 document of all routes.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let base = <Base as utoipa::OpenApi>::openapi();
    let (_, mut document) = App::new().into_utoipa_app().openapi(base).configure(routes).split_for_parts();
    complete(&mut document);
    document
}

/// Returns the document as it is committed in `openapi/quittance.json`.
#[must_use]
pub fn openapi_json() -> String {
    to_pretty_json(&openapi())
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
        .configure(seller_onboarding::routes)
        .configure(sellers::routes)
        .configure(stripe_products::routes)
        .configure(webhook_endpoints::routes)
        .configure(messages::routes)
        .configure(webhooks::routes)
        .configure(operations::routes);
}
