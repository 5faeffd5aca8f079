//! The OpenAPI document: what is written at the handlers, and what is the same for all of them.

use std::collections::BTreeMap;

use utoipa::openapi::header::Header;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{Object, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi};

use crate::code::Code;
use crate::events::{DisputeEvent, OrderEvent, ProductEvent, RefundEvent, SellerEvent, WebhookEndpointEvent};
use crate::problem::{FieldError, MEDIA_TYPE, ProblemBody};

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

/// The header of every POST.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; `idempotency` reads it")]
pub(crate) struct Headers {
    /// Makes it safe to send the request again: within 24 hours the same key gets the first answer, with
    /// `Idempotency-Replayed: true`. Up to 255 printable characters; at least 16 without credentials.
    #[param(rename = "Idempotency-Key", required = false, min_length = 1, max_length = 255)]
    idempotency_key: String,
}

macro_rules! responses {
    ($($(#[$doc:meta])* $name:ident { $($status:literal: $description:literal,)* })*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    [$(($status, $description),)*].into_iter().map(problem).collect()
                }
            }
        )*
    };
}

responses! {
    /// What any request may meet.
    Failures {
        "500": "Something went wrong here (`internal_error`)",
        "503": "The database is away (`service_unavailable`); try again after `Retry-After`",
    }
    /// What a request with credentials may meet, also where it needs none.
    Unauthorized {
        "401": "Credentials are missing (`missing_credentials`) or not valid here (`invalid_credentials`)",
    }
    /// What a request that names an object may meet.
    Missing {
        "404": "There is nothing that this caller may see (`not_found`)",
    }
    /// What a request with a query may meet.
    Query {
        "422": "A query parameter is not as it must be (`invalid_parameter`)",
    }
    /// What a PATCH may meet.
    Body {
        "400": "The body is no JSON (`malformed_json`)",
        "413": "The body has more than 64 KiB (`body_too_large`)",
        "415": "The body is not `application/json` (`unsupported_media_type`)",
        "422": "The body is not as it must be (`invalid_request`)",
        "429": "Too many requests (`rate_limited`); try again after `Retry-After`",
    }
    /// What a POST may meet.
    Keyed {
        "400": "The body is no JSON (`malformed_json`), or the key can not be used (`invalid_idempotency_key`)",
        "409": "A request with this key is still at work (`idempotency_key_in_use`)",
        "413": "The body has more than 64 KiB (`body_too_large`)",
        "415": "The body is not `application/json` (`unsupported_media_type`)",
        "422": "The body is not as it must be (`invalid_request`), or the key belongs to another request \
            (`idempotency_key_reused`)",
        "429": "Too many requests (`rate_limited`), or open orders (`too_many_open_orders`); try again after \
            `Retry-After`",
    }
    /// What an order to be placed may meet. Listed after [`Keyed`].
    SoldOut {
        "409": "Too few are left (`insufficient_stock`): see `errors`; or a request with this key is still at work \
            (`idempotency_key_in_use`)",
    }
    /// What a change to an order may meet. Listed after [`Keyed`].
    Conflicts {
        "409": "It can not be done as things stand, for example `already_paid` or `order_canceled`: see `code`",
    }
    /// What a request that sends to an endpoint may meet. Listed after [`Keyed`].
    SendsTo {
        "409": "The endpoint is disabled (`webhook_endpoint_disabled`), or a request with this key is still at work \
            (`idempotency_key_in_use`)",
    }
    /// What somebody who came back from Stripe may meet. Listed after [`Keyed`].
    ComesBack {
        "400": "The state is not taken (`oauth_state_unknown`, `oauth_state_used`, `oauth_state_expired`, \
            `oauth_binding_mismatch`), or the code is not (`oauth_code_invalid`): begin anew. Or the body is no JSON \
            (`malformed_json`), or the key can not be used (`invalid_idempotency_key`)",
        "409": "The account is of another mode (`seller_mode_mismatch`), OAuth is not configured \
            (`oauth_not_configured`), or a request with this key is still at work (`idempotency_key_in_use`)",
    }
    /// What a request may meet whose answer is kept nowhere.
    OneTime {
        "400": "The body is no JSON (`malformed_json`), or the key can not be used (`invalid_idempotency_key`)",
        "409": "It can not be done as things stand: `oauth_not_configured`, `seller_not_connected`, \
            `not_onboarded_by_link`, or Stripe does not do it (`stripe_refused`): see `code`",
        "413": "The body has more than 64 KiB (`body_too_large`)",
        "415": "The body is not `application/json` (`unsupported_media_type`)",
        "422": "The body is not as it must be (`invalid_request`)",
    }
    /// What a wish to let a seller go may meet.
    Unlinks {
        "409": "The account works (`seller_in_use`), or payments are on their way (`seller_has_open_payments`): \
            see `code`",
    }
    /// What a request that Stripe has a say in may meet. Listed after [`Keyed`] and [`Failures`].
    Pays {
        "402": "Stripe declined the payment (`payment_declined`)",
        "422": "The body is not as it must be (`invalid_request`), the key belongs to another request \
            (`idempotency_key_reused`), or Stripe does not take the payment (`payment_refused`)",
        "503": "The database (`service_unavailable`) or Stripe (`stripe_unavailable`) is away, or Stripe does not take \
            the service's key (`stripe_misconfigured`); try again after `Retry-After`",
    }
    /// What a request that Stripe is asked for may meet. Listed after [`Failures`].
    Asks {
        "503": "The database (`service_unavailable`) or Stripe (`stripe_unavailable`) is away; try again after \
            `Retry-After`",
    }
    /// What a read that is limited may meet.
    Limited {
        "429": "Too many requests (`rate_limited`); try again after `Retry-After`",
    }
    /// What Stripe may meet where nobody takes events of connected accounts. Listed after [`WebhookRefuses`].
    NotConfigured {
        "503": "The event could not be stored (`service_unavailable`), or no secret of this endpoint is configured \
            (`connect_not_configured`); send it again",
    }
    /// What Stripe may meet.
    WebhookRefuses {
        "400": "The signature is wrong (`invalid_signature`), or the body is no event (`not_an_event`)",
        "413": "The body has more than 1 MiB (`body_too_large`)",
        "500": "Something went wrong here (`internal_error`)",
        "503": "The event could not be stored (`service_unavailable`); send it again",
    }
}

fn problem((status, description): (&str, &str)) -> (String, RefOr<Response>) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, content).build();
    (status.to_owned(), RefOr::T(response))
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
