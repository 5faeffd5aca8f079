//! Events as the shop's own systems get them: one envelope, and in it the object as GET returns it.

use std::sync::Arc;

use quittance_domain::outbound::{EVENT_TYPES, EventObject, EventType};
use quittance_domain::seller::SupportedSellers;
use quittance_persistence::{MessageDraft, Renderer, Snapshot};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{ContentBuilder, PathItem, Paths, PathsBuilder, Ref, Required, ResponseBuilder};

use crate::auth::Audience;
use crate::body::to_json;
use crate::disputes::Dispute;
use crate::orders::Order;
use crate::products::Product;
use crate::refunds::Refund;
use crate::sellers::Seller;
use crate::time::Timestamp;
use crate::webhook_endpoints::WebhookEndpoint;

/// The version of what is in an envelope: that of the API's paths.
const API_VERSION: &str = "v1";

macro_rules! envelopes {
    ($($(#[$doc:meta])* $name:ident of $object:ident, $sequence:ty: $about:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Serialize, ToSchema)]
            pub(crate) struct $name {
                /// The message's id, as in the header `webhook-id`: the same however often it comes.
                #[schema(example = "msg_01kb3m9q4e8v2tz6h0rxw5ncy7")]
                id: String,
                /// What happened.
                #[serde(rename = "type")]
                kind: String,
                /// When it happened.
                #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
                timestamp: Timestamp,
                /// `v1`.
                #[schema(example = "v1")]
                api_version: &'static str,
                #[doc = $about]
                #[schema(required)]
                sequence: $sequence,
                /// The object as GET returns it, as it was when the message was made: a moment after the event.
                data: $object,
            }
        )*
    };
}

envelopes! {
    /// An event about an order.
    OrderEvent of Order, i64:
        "The order's `version` when it happened: it grows from event to event of an order.";
    /// An event about a product.
    ProductEvent of Product, i64:
        "The `version` of the order that brought it about.";
    /// An event about a refund.
    RefundEvent of Refund, i64:
        "The `version` of its order when it happened.";
    /// An event about a dispute.
    DisputeEvent of Dispute, i64:
        "The `version` of its order when it happened.";
    /// An event about a seller.
    SellerEvent of Seller, i64:
        "The seller's `version` when it happened: it grows from event to event of a seller.";
    /// An event about an endpoint of the shop's own systems.
    WebhookEndpointEvent of WebhookEndpoint, Option<i64>:
        "Always null: it belongs to no order.";
}

/// Makes the payloads of messages. Whether a seller is ready depends on which sellers the platform takes.
#[must_use]
pub fn message_renderer(sellers_supported: &SupportedSellers) -> Renderer {
    let supported = sellers_supported.clone();
    Renderer(Arc::new(move |message| render(message, &supported)))
}

fn render(message: &MessageDraft, supported: &SupportedSellers) -> String {
    let (id, kind) = (message.id.to_string(), message.kind.clone());
    let timestamp = Timestamp::from(message.happened_at);
    let (api_version, sequence) = (API_VERSION, message.sequence.unwrap_or_default());
    match message.snapshot.clone() {
        Snapshot::Order(order) => {
            let data = Order::of(*order, Audience::Shop);
            to_json(&OrderEvent { id, kind, timestamp, api_version, sequence, data })
        }
        Snapshot::Product(product) => {
            let data = Product::from(product);
            to_json(&ProductEvent { id, kind, timestamp, api_version, sequence, data })
        }
        Snapshot::Refund(refund) => {
            let data = Refund::from(*refund);
            to_json(&RefundEvent { id, kind, timestamp, api_version, sequence, data })
        }
        Snapshot::Dispute(dispute) => {
            let data = Dispute::from(*dispute);
            to_json(&DisputeEvent { id, kind, timestamp, api_version, sequence, data })
        }
        Snapshot::Seller(seller) => {
            let data = Seller::of(&seller, supported);
            to_json(&SellerEvent { id, kind, timestamp, api_version, sequence, data })
        }
        Snapshot::WebhookEndpoint(endpoint) => {
            let (sequence, data) = (message.sequence, WebhookEndpoint::from(endpoint));
            to_json(&WebhookEndpointEvent { id, kind, timestamp, api_version, sequence, data })
        }
    }
}

/// The name of the envelope in the document.
fn envelope_of(object: EventObject) -> &'static str {
    match object {
        EventObject::Order => "OrderEvent",
        EventObject::Product => "ProductEvent",
        EventObject::Refund => "RefundEvent",
        EventObject::Dispute => "DisputeEvent",
        EventObject::Seller => "SellerEvent",
        EventObject::WebhookEndpoint => "WebhookEndpointEvent",
    }
}

/// What the shop's own systems are sent: the document's section `webhooks`.
pub(crate) fn webhooks() -> Paths {
    let path = |paths: PathsBuilder, event: &EventType| {
        paths.path(event.name, PathItem::new(HttpMethod::Post, operation(event)))
    };
    EVENT_TYPES.iter().fold(PathsBuilder::new(), path).build()
}

fn operation(event: &EventType) -> Operation {
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(envelope_of(event.object)))).build();
    let body = RequestBodyBuilder::new()
        .description(Some("The event, byte by byte as it is signed"))
        .content("application/json", content)
        .required(Some(Required::True))
        .build();
    let response = |description: &str| ResponseBuilder::new().description(description).build();
    OperationBuilder::new()
        .tag("Events")
        .operation_id(Some(format!("event_{}", event.name.replace('.', "_"))))
        .summary(Some(event.meaning))
        .parameter(header("webhook-id", "The message's id: the same however often it comes"))
        .parameter(header("webhook-timestamp", "When this attempt was made, in seconds since 1970"))
        .parameter(header(
            "webhook-signature",
            "`v1,` and the signature; several, divided by spaces, while a secret is rolled",
        ))
        .request_body(Some(body))
        .response("2XX", response("It was taken: it does not come again"))
        .response("410", response("Nothing more is wanted: the endpoint is disabled"))
        .response("default", response("It comes again"))
        .build()
}

fn header(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(Object::with_type(Type::String)))
        .build()
}
