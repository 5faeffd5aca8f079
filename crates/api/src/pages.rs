//! Web pages that aren't part of the API: its documentation and the demo shop.

use actix_web::http::header;
use actix_web::web::{self, Path, ThinData};
use actix_web::{HttpResponse, get};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::problem::Problem;
use crate::state::{Api, PublicMode};

/// Registers the pages. They aren't part of the OpenAPI document.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::redirect("/docs", "/docs/"))
        .service(docs())
        .service(web::redirect("/demo", "/demo/"))
        .service(demo_file);
}

/// Returns the page that shows the OpenAPI document. It loads nothing from other servers.
fn docs() -> SwaggerUi {
    let config = Config::new(["/openapi.json"])
        .try_it_out_enabled(true)
        .persist_authorization(true)
        .display_operation_id(true)
        .display_request_duration(true)
        .validator_url("none");
    SwaggerUi::new("/docs/{_:.*}").config(config)
}

/// Serves a file of the demo shop, in sandbox mode only.
#[get("/demo/{path:.*}")]
async fn demo_file(api: ThinData<Api>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let is_sandbox = api.config().mode == PublicMode::Sandbox;
    let (bytes, content_type) =
        quittance_demo::file(&path).filter(|_| is_sandbox).ok_or_else(Problem::not_found)?;
    // File names don't change with their content, so browsers must revalidate.
    let response = HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(bytes);
    Ok(response)
}
