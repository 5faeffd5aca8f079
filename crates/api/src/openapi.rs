//! The parts of the OpenAPI document that all operations share. Error responses are in `http::responses`.

use utoipa::openapi::header::Header;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{RefOr, Required};
use utoipa::{Modify, OpenApi};

use crate::examples::add_examples;
use crate::problem::code::Code;
use crate::problem::{FieldError, ProblemBody};
use crate::resources::events::{
    DisputeEvent, OrderEvent, ProductEvent, RefundEvent, SellerEvent, WebhookEndpointEvent,
};

/// The document before any route is added.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quittance",
        description = "A headless payments API for Stripe. Your shop prices an order on the server and passes its \
            client secret to Stripe's Payment Element. Verified webhooks confirm the payment.\n\n\
            Amounts are integers in Stripe's minor unit. Timestamps are RFC 3339 in UTC. Every response has \
            `X-Request-Id`. Errors are `application/problem+json` (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This service")),
    tags(
        (name = "Config", description = "The configuration of a frontend"),
        (name = "Products", description = "The product catalog"),
        (name = "Orders", description = "Orders, their items, customers and statuses"),
        (name = "Payments", description = "Payments of orders, and their statuses"),
        (name = "Refunds", description = "Refunds and disputes"),
        (name = "Sellers", description = "Connected Stripe accounts of a marketplace's sellers"),
        (name = "Webhooks", description = "Endpoints for Stripe's events"),
        (name = "Events", description = "Events for your own systems, and their delivery"),
        (name = "Operations", description = "Health, readiness, metrics and the OpenAPI document"),
    ),
    components(schemas(
        ProblemBody, FieldError, OrderEvent, ProductEvent, RefundEvent, DisputeEvent, SellerEvent, WebhookEndpointEvent
    )),
    modifiers(&SecuritySchemes)
)]
pub(crate) struct Base;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = |description: &str| {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description));
            SecurityScheme::Http(scheme.build())
        };
        components.add_security_scheme("secret_key", bearer("A secret key of your shop, `qsk_…`."));
        components.add_security_scheme(
            "client_token",
            bearer("The `client_token` of an order, `oct_…`, from the response to placing it."),
        );
        let client_secret = ApiKeyValue::with_description(
            "Stripe-Client-Secret",
            "The client secret of one of the order's PaymentIntents, for payment lookups.",
        );
        components
            .add_security_scheme("client_secret", SecurityScheme::ApiKey(ApiKey::Header(client_secret)));
    }
}

/// Adds the parts that every operation has, and the list of codes.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    list_codes(document);
    if let Some(components) = &mut document.components {
        add_examples(components);
    }
    document.webhooks = Some(crate::resources::events::webhooks());
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_request_id(operation);
            make_body_optional(operation);
            clear_optional_security(operation);
        }
    }
}

/// Lists the codes in a description. They aren't an enum, so that new codes don't break clients.
fn list_codes(document: &mut utoipa::openapi::OpenApi) {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    let Some(RefOr::T(Schema::Object(problem))) = schemas.and_then(|schemas| schemas.get_mut("Problem"))
    else {
        return;
    };
    if let Some(RefOr::T(Schema::Object(code))) = problem.properties.get_mut("code") {
        let codes =
            Code::ALL.iter().map(|code| format!("`{}`", code.as_str())).collect::<Vec<_>>().join(", ");
        let description = code.description.take().unwrap_or_default();
        code.description = Some(format!("{description} Current codes: {codes}."));
    }
}

/// The operations whose body has no required field.
const OPTIONAL_BODIES: &[&str] = &[
    "message_resend",
    "order_capture",
    "order_payment_intent_create",
    "order_refund_create",
    "seller_refresh",
    "webhook_endpoint_roll_secret",
];

/// Marks the body as optional if it has no required field.
fn make_body_optional(operation: &mut Operation) {
    let is_optional = operation.operation_id.as_deref().is_some_and(|id| OPTIONAL_BODIES.contains(&id));
    if let Some(RefOr::T(body)) = operation.request_body.as_mut().filter(|_| is_optional) {
        body.required = Some(Required::False);
    }
}

/// Empties the security requirements if credentials are optional. Code generators treat any entry as required, even an
/// empty one. The description mentions the optional secret key instead.
fn clear_optional_security(operation: &mut Operation) {
    let none = SecurityRequirement::default();
    let Some(required) = operation.security.as_mut().filter(|required| required.contains(&none)) else {
        return;
    };
    let is_optional = required.len() > 1;
    required.clear();
    if is_optional {
        let description = operation.description.get_or_insert_default();
        description.push_str("\n\nNeeds no credentials. You may send a secret key.");
    }
}

fn add_request_id(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let mut header = Header::new(Object::with_type(Type::String));
            header.description = Some("The request ID, as in the service's log".to_owned());
            response.headers.insert("X-Request-Id".to_owned(), header.into());
        }
    }
}
