//! Requests that no route takes: a path that is none, or a method that its path has not.

use actix_web::dev::ResourceDef;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::{OpenApi, PathItem};

use crate::Api;
use crate::code::Code;
use crate::problem::Problem;

/// Which methods each path has, read off the OpenAPI document.
pub(crate) struct Routes(Vec<(ResourceDef, String)>);

impl Routes {
    pub(crate) fn of(document: &OpenApi) -> Self {
        let of_path = |(path, item): (&String, &PathItem)| (ResourceDef::new(path.as_str()), methods(item));
        Self(document.paths.paths.iter().map(of_path).collect())
    }

    fn methods_of(&self, path: &str) -> Option<&str> {
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

/// Answers what no route takes.
pub(crate) async fn no_route(request: HttpRequest) -> Result<HttpResponse, Problem> {
    match Api::of(&request).routes().methods_of(request.path()) {
        None => Err(Problem::new(Code::UnknownRoute, "There is no such path.")),
        Some(methods) if request.method() == Method::OPTIONS => {
            Ok(HttpResponse::NoContent().insert_header((header::ALLOW, methods)).finish())
        }
        Some(methods) => {
            let detail = format!("This path has {methods} only.");
            Err(Problem::new(Code::MethodNotAllowed, detail).allow(methods.to_owned()))
        }
    }
}
