//! Error responses for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::response::Response;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

use crate::problem::MEDIA_TYPE;

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
    /// The errors of any request.
    ServerErrors {
        "500": "Internal error (`internal_error`)",
        "503": "The database is unavailable (`service_unavailable`). Try again after `Retry-After`",
    }
    /// The errors of requests with credentials, even where credentials are optional.
    AuthErrors {
        "401": "Credentials are missing (`missing_credentials`) or invalid (`invalid_credentials`)",
    }
    /// The errors of requests for an object.
    NotFoundErrors {
        "404": "The object doesn't exist, or the caller has no access to it (`not_found`)",
    }
    /// The errors of requests with query parameters.
    QueryErrors {
        "422": "A query parameter is invalid (`invalid_parameter`)",
    }
    /// The errors of a PATCH.
    BodyErrors {
        "400": "The body isn't valid JSON (`malformed_json`)",
        "413": "The body is larger than 64 KiB (`body_too_large`)",
        "415": "The body isn't `application/json` (`unsupported_media_type`)",
        "422": "The body is invalid (`invalid_request`)",
        "429": "Too many requests (`rate_limited`). Try again after `Retry-After`",
    }
    /// The errors of a POST with an idempotency key.
    IdempotentErrors {
        "400": "The body isn't valid JSON (`malformed_json`), or the key is invalid (`invalid_idempotency_key`)",
        "409": "Another request with this key is running (`idempotency_key_in_use`)",
        "413": "The body is larger than 64 KiB (`body_too_large`)",
        "415": "The body isn't `application/json` (`unsupported_media_type`)",
        "422": "The body is invalid (`invalid_request`), or the key belongs to another request \
            (`idempotency_key_reused`)",
        "429": "Too many requests (`rate_limited`) or open orders (`too_many_open_orders`). Try again after \
            `Retry-After`",
    }
    /// The errors of placing an order. Listed after [`IdempotentErrors`].
    StockErrors {
        "409": "An item exceeds the stock (`insufficient_stock`; see `errors`), or another request with this key is \
            running (`idempotency_key_in_use`)",
    }
    /// The errors of requests that an object's status can forbid. Listed after [`IdempotentErrors`].
    StatusErrors {
        "409": "The current status forbids the request, for example `already_paid` or `order_canceled`. See `code`",
    }
    /// The errors of sending a message to an endpoint. Listed after [`IdempotentErrors`].
    DeliveryErrors {
        "409": "The endpoint is disabled (`webhook_endpoint_disabled`), or another request with this key is running \
            (`idempotency_key_in_use`)",
    }
    /// The errors of an OAuth callback. Listed after [`IdempotentErrors`].
    OAuthErrors {
        "400": "The state (`oauth_state_unknown`, `oauth_state_used`, `oauth_state_expired`, \
            `oauth_binding_mismatch`) or the code (`oauth_code_invalid`) is invalid: start again. Or the body isn't \
            valid JSON (`malformed_json`), or the key is invalid (`invalid_idempotency_key`)",
        "409": "The account was connected in another mode (`seller_mode_mismatch`), OAuth isn't configured \
            (`oauth_not_configured`), or another request with this key is running (`idempotency_key_in_use`)",
    }
    /// The errors of requests whose responses aren't stored.
    OneTimeErrors {
        "400": "The body isn't valid JSON (`malformed_json`), or the key is invalid (`invalid_idempotency_key`)",
        "409": "The request can't be done now: `oauth_not_configured`, `seller_not_connected`, \
            `not_onboarded_by_link` or `stripe_refused`. See `code`",
        "413": "The body is larger than 64 KiB (`body_too_large`)",
        "415": "The body isn't `application/json` (`unsupported_media_type`)",
        "422": "The body is invalid (`invalid_request`)",
    }
    /// The errors of disconnecting a seller.
    DisconnectErrors {
        "409": "The seller can accept payments (`seller_in_use`) or has open payments (`seller_has_open_payments`). \
            See `code`",
    }
    /// The errors of a payment. Listed after [`IdempotentErrors`] and [`ServerErrors`].
    PaymentErrors {
        "422": "The body is invalid (`invalid_request`), the key belongs to another request \
            (`idempotency_key_reused`), or Stripe refused the payment (`payment_refused`)",
        "503": "The database (`service_unavailable`) or Stripe (`stripe_unavailable`) is unavailable, or Stripe \
            refused the service's key (`stripe_misconfigured`). Try again after `Retry-After`",
    }
    /// The errors of requests that call Stripe. Listed after [`ServerErrors`].
    StripeErrors {
        "503": "The database (`service_unavailable`) or Stripe (`stripe_unavailable`) is unavailable. Try again after \
            `Retry-After`",
    }
    /// The errors of a read with a rate limit.
    RateLimitErrors {
        "429": "Too many requests (`rate_limited`). Try again after `Retry-After`",
    }
    /// The errors of an event of a connected account. Listed after [`WebhookErrors`].
    ConnectWebhookErrors {
        "503": "The event wasn't stored (`service_unavailable`), or no signing secret is configured \
            (`connect_not_configured`). Send the event again",
    }
    /// The errors of an event from Stripe.
    WebhookErrors {
        "400": "The signature is invalid (`invalid_signature`), or the body isn't an event (`not_an_event`)",
        "413": "The body is larger than 1 MiB (`body_too_large`)",
        "500": "Internal error (`internal_error`)",
        "503": "The event wasn't stored (`service_unavailable`). Send it again",
    }
}

fn problem((status, description): (&str, &str)) -> (String, RefOr<Response>) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, content).build();
    (status.to_owned(), RefOr::T(response))
}
