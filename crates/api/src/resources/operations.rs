//! Health, readiness, metrics, and the OpenAPI document.

use actix_web::http::header::ContentType;
use actix_web::web::{Json, ThinData};
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::responses::ServerErrors;
use crate::problem::Problem;
use crate::problem::code::Code;
use crate::state::Api;

/// The media type of Prometheus' text format.
const METRICS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Registers the routes of operations.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(healthz).service(readyz).service(metrics).service(document);
}

/// The status of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// Check that the process is alive
#[utoipa::path(
    tag = "Operations",
    operation_id = "health_get",
    responses((status = 200, description = "The process is alive", body = Health)),
    security(())
)]
#[get("/healthz")]
async fn healthz() -> Json<Health> {
    Json(OK)
}

/// Check that the service is ready
///
/// The service is ready if the database responds, its schema fits this version, and the service isn't being stopped.
#[utoipa::path(
    tag = "Operations",
    operation_id = "readiness_get",
    responses((status = 200, description = "The service is ready", body = Health), ServerErrors),
    security(())
)]
#[get("/readyz")]
async fn readyz(api: ThinData<Api>) -> Result<Json<Health>, Problem> {
    if !api.is_ready() {
        return Err(
            Problem::new(Code::ServiceUnavailable, "The service is being stopped. Try again.").retry_after(5)
        );
    }
    api.store().ready().await?;
    Ok(Json(OK))
}

/// Get metrics for Prometheus
#[utoipa::path(
    tag = "Operations",
    operation_id = "metrics_get",
    responses((status = 200, description = "Metrics in Prometheus' text format", body = String, content_type = "text/plain")),
    security(())
)]
#[get("/metrics")]
async fn metrics(api: ThinData<Api>) -> HttpResponse {
    let pool = api.store().pool_status();
    let gauge = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    ::metrics::gauge!("quittance_pool_connections", "state" => "open").set(gauge(pool.open));
    ::metrics::gauge!("quittance_pool_connections", "state" => "idle").set(gauge(pool.idle));
    ::metrics::gauge!("quittance_pool_waiting").set(gauge(pool.waiting));
    HttpResponse::Ok().content_type(METRICS_MEDIA_TYPE).body(api.metrics().render())
}

/// Get the OpenAPI document
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
