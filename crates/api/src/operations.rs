//! What keeps the service running: is it alive, is it ready, what does it count, and this document.

use actix_web::http::header::ContentType;
use actix_web::web::{Json, ThinData};
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::code::Code;
use crate::problem::Problem;
use crate::responses::Failures;

/// How Prometheus wants its text called.
const METRICS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every route of operations.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(healthz).service(readyz).service(figures).service(document);
}

/// The service is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// Whether the process is alive
#[utoipa::path(
    tag = "Operations",
    operation_id = "health_get",
    responses((status = 200, description = "It is", body = Health)),
    security(())
)]
#[get("/healthz")]
async fn healthz() -> Json<Health> {
    Json(OK)
}

/// Whether requests can be served
///
/// The database answers, its schema is what this version needs, and the service is not being stopped.
#[utoipa::path(
    tag = "Operations",
    operation_id = "readiness_get",
    responses((status = 200, description = "They can", body = Health), Failures),
    security(())
)]
#[get("/readyz")]
async fn readyz(api: ThinData<Api>) -> Result<Json<Health>, Problem> {
    if !api.is_ready() {
        return Err(Problem::new(Code::ServiceUnavailable, "The service is being stopped.").retry_after(5));
    }
    api.store().ready().await?;
    Ok(Json(OK))
}

/// What is counted, for Prometheus
#[utoipa::path(
    tag = "Operations",
    operation_id = "metrics_get",
    responses((status = 200, description = "Metrics in Prometheus' text format", body = String, content_type = "text/plain")),
    security(())
)]
#[get("/metrics")]
async fn figures(api: ThinData<Api>) -> HttpResponse {
    let pool = api.store().pool_status();
    let gauge = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    metrics::gauge!("quittance_pool_connections", "state" => "open").set(gauge(pool.open));
    metrics::gauge!("quittance_pool_connections", "state" => "idle").set(gauge(pool.idle));
    metrics::gauge!("quittance_pool_waiting").set(gauge(pool.waiting));
    HttpResponse::Ok().content_type(METRICS_MEDIA_TYPE).body(api.metrics().render())
}

/// This document
#[utoipa::path(
    tag = "Operations",
    operation_id = "openapi_get",
    responses((status = 200, description = "The OpenAPI 3.1 document", body = Object, content_type = "application/json")),
    security(())
)]
#[get("/openapi.json")]
async fn document(api: ThinData<Api>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(api.document())
}
