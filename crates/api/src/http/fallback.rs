//! Requests that match no route: unknown paths and unsupported methods.

use std::sync::Arc;

use actix_web::dev::ResourceDef;
use actix_web::http::{Method, header};
use actix_web::web::ThinData;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::{OpenApi, PathItem};

use crate::problem::Problem;
use crate::problem::code::Code;

/// The methods of each path, read from the OpenAPI document.
#[derive(Clone)]
pub(crate) struct AllowedMethods(Arc<[(ResourceDef, String)]>);

impl AllowedMethods {
    /// Reads the methods of every path from the document.
    pub(crate) fn from_document(document: &OpenApi) -> Self {
        let route = |(path, item): (&String, &PathItem)| (ResourceDef::new(path.as_str()), methods(item));
        Self(document.paths.paths.iter().map(route).collect())
    }

    fn for_path(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(route, _)| route.is_match(path)).map(|(_, methods)| methods.as_str())
    }
}

fn methods(item: &PathItem) -> String {
    let mut methods = Vec::new();
    let known =
        [("GET, HEAD", &item.get), ("POST", &item.post), ("PATCH", &item.patch), ("DELETE", &item.delete)];
    for (method, operation) in known {
        if operation.is_some() {
            methods.push(method);
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// Responds to a request that matches no route.
pub(crate) async fn no_route(
    allowed: ThinData<AllowedMethods>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    match allowed.for_path(request.path()) {
        None => Err(Problem::unknown_route()),
        Some(methods) if request.method() == Method::OPTIONS => {
            Ok(HttpResponse::NoContent().insert_header((header::ALLOW, methods)).finish())
        }
        Some(methods) => {
            let detail = format!("This path doesn't support the method. Use one of {methods}.");
            Err(Problem::new(Code::MethodNotAllowed, detail).allow(methods.to_owned()))
        }
    }
}
