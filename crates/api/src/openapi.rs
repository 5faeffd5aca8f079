//! The OpenAPI document: what is written at the handlers, and what is the same for all of them. What requests
//! may meet is in `responses`.

use utoipa::openapi::header::Header;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{RefOr, Required};
use utoipa::{Modify, OpenApi};

use crate::code::Code;
use crate::events::{DisputeEvent, OrderEvent, ProductEvent, RefundEvent, SellerEvent, WebhookEndpointEvent};
use crate::problem::{FieldError, ProblemBody};

/// What the document says before any route is added to it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quittance",
        description = "A headless payments API for Stripe: price an order on the server, hand its client secret to \
            Stripe's Payment Element, and learn from verified webhooks that the money has come.\n\n\
            Amounts are integers in Stripe's minor unit, times are RFC 3339 in UTC. Every answer carries \
            `X-Request-Id`. Failures are `application/problem+json` (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This service")),
    tags(
        (name = "Config", description = "What a frontend needs before it can do anything"),
        (name = "Products", description = "The catalogue"),
        (name = "Orders", description = "What was bought, by whom, and how far it has come"),
        (name = "Payments", description = "Paying an order, and how that stands"),
        (name = "Refunds", description = "Money that goes back, and charges that customers dispute"),
        (name = "Sellers", description = "Connected accounts through which a platform sells, and takes its fee"),
        (name = "Webhooks", description = "Stripe's events"),
        (name = "Events", description = "Telling the shop's own systems what has happened, and what came of that"),
        (name = "Operations", description = "Health, readiness, metrics, and this document"),
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
        components.add_security_scheme("secret_key", bearer("A secret key of the back office, `qsk_…`."));
        components.add_security_scheme(
            "client_token",
            bearer("The `client_token` of an order, `oct_…`, from the answer that placed it."),
        );
        let client_secret = ApiKeyValue::with_description(
            "Stripe-Client-Secret",
            "The client secret of one of the order's PaymentIntents, for status lookups.",
        );
        components
            .add_security_scheme("client_secret", SecurityScheme::ApiKey(ApiKey::Header(client_secret)));
    }
}

/// Adds what is true of every answer, and every code there is.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    list_codes(document);
    document.webhooks = Some(crate::events::webhooks());
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_request_id(operation);
            loosen_body(operation);
            free_of_credentials(operation);
        }
    }
}

/// The codes stand in the description of a text, and are no closed list: a client must not stumble over new ones.
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
        code.description = Some(format!("{description} Today: {codes}."));
    }
}

/// Operations with a body in which nothing must be said.
const MAY_SAY_NOTHING: &[&str] = &[
    "message_resend",
    "order_capture",
    "order_payment_intent_create",
    "order_refund_create",
    "seller_refresh",
    "webhook_endpoint_roll_secret",
];

/// A body in which nothing must be said may be left out.
fn loosen_body(operation: &mut Operation) {
    let is_optional = operation.operation_id.as_deref().is_some_and(|id| MAY_SAY_NOTHING.contains(&id));
    if let Some(RefOr::T(body)) = operation.request_body.as_mut().filter(|_| is_optional) {
        body.required = Some(Required::False);
    }
}

/// Where credentials may be left out, the list of them is empty: generators take any entry, also the one that asks for
/// nothing, for a demand. What may be sent all the same is said in words.
fn free_of_credentials(operation: &mut Operation) {
    let nothing = SecurityRequirement::default();
    let Some(asked) = operation.security.as_mut().filter(|asked| asked.contains(&nothing)) else { return };
    let is_optional = asked.len() > 1;
    asked.clear();
    if is_optional {
        let description = operation.description.get_or_insert_default();
        description.push_str("\n\nNeeds no credentials; a secret key may be sent.");
    }
}

fn add_request_id(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let mut header = Header::new(Object::with_type(Type::String));
            header.description = Some("The id of the request, also in the service's log".to_owned());
            response.headers.insert("X-Request-Id".to_owned(), header.into());
        }
    }
}
