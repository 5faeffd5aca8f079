//! What requests may meet, as the OpenAPI document has it.

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
