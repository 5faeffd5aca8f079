//! The demo storefront: served where no money moves, for whoever tries the service out.

use actix_web::http::header;
use actix_web::web::{self, Path, ThinData};
use actix_web::{HttpResponse, get};

use crate::problem::Problem;
use crate::{Api, PublicMode};

/// The routes of the demo page. It is no part of the contract, and not in its document.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::redirect("/demo", "/demo/")).service(file);
}

#[get("/demo/{path:.*}")]
async fn file(api: ThinData<Api>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let is_sandbox = api.config().mode == PublicMode::Sandbox;
    let (bytes, content_type) =
        quittance_demo::file(&path).filter(|_| is_sandbox).ok_or_else(Problem::not_found)?;
    // Names do not change with what is in them, so that a browser has to ask.
    let response = HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(bytes);
    Ok(response)
}
