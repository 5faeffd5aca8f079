//! Events for the shop's own systems: an envelope with the object as GET returns it.

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

use crate::audience::Audience;
use crate::json::to_json;
use crate::resources::disputes::Dispute;
use crate::resources::orders::Order;
use crate::resources::products::Product;
use crate::resources::refunds::Refund;
use crate::resources::sellers::Seller;
use crate::resources::webhook_endpoints::WebhookEndpoint;
use crate::time::Timestamp;

/// The version of the objects in envelopes, which is the version of the API's paths.
const API_VERSION: &str = "v1";

macro_rules! envelopes {
    ($($(#[$doc:meta])* $name:ident of $object:ident, $sequence:ty: $about:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Serialize, ToSchema)]
            pub(crate) struct $name {
                /// The message's ID, as in the header `webhook-id`. It is the same in every attempt.
                #[schema(example = "msg_01kb3m9q4e8v2tz6h0rxw5ncy7")]
                id: String,
                /// The event type.
                #[serde(rename = "type")]
                kind: String,
                /// The time of the event.
                #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
                timestamp: Timestamp,
                /// `v1`.
                #[schema(example = "v1")]
                api_version: &'static str,
                #[doc = $about]
                #[schema(required)]
                sequence: $sequence,
                /// The object as GET returns it, at the time when the message was created, shortly after the event.
                data: $object,
            }
        )*
    };
}

envelopes! {
    /// An event about an order.
    OrderEvent of Order, i64:
        "The order's `version` at the event. It grows from event to event of an order.";
    /// An event about a product.
    ProductEvent of Product, i64:
        "The `version` of the order that caused the event.";
    /// An event about a refund.
    RefundEvent of Refund, i64:
        "The `version` of its order at the event.";
    /// An event about a dispute.
    DisputeEvent of Dispute, i64:
        "The `version` of its order at the event.";
    /// An event about a seller.
    SellerEvent of Seller, i64:
        "The seller's `version` at the event. It grows from event to event of a seller.";
    /// An event about a webhook endpoint.
    WebhookEndpointEvent of WebhookEndpoint, Option<i64>:
        "Always null, because the event has no order.";
}

/// Returns the renderer of message payloads. A seller's readiness depends on the sellers that the platform supports.
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
            let data = Order::for_audience(*order, Audience::Shop);
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
            let data = Seller::from_seller(&seller, supported);
            to_json(&SellerEvent { id, kind, timestamp, api_version, sequence, data })
        }
        Snapshot::WebhookEndpoint(endpoint) => {
            let (sequence, data) = (message.sequence, WebhookEndpoint::from(endpoint));
            to_json(&WebhookEndpointEvent { id, kind, timestamp, api_version, sequence, data })
        }
    }
}

/// Returns the name of an envelope in the OpenAPI document.
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

/// Returns the document's section `webhooks`, which lists the events.
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
        .description(Some("The event, byte for byte as it is signed"))
        .content("application/json", content)
        .required(Some(Required::True))
        .build();
    let response = |description: &str| ResponseBuilder::new().description(description).build();
    OperationBuilder::new()
        .tag("Events")
        .operation_id(Some(format!("event_{}", event.name.replace('.', "_"))))
        .summary(Some(event.meaning))
        .parameter(header("webhook-id", "The message's ID. It is the same in every attempt"))
        .parameter(header("webhook-timestamp", "The time of the attempt, in seconds since 1970"))
        .parameter(header(
            "webhook-signature",
            "`v1,` and the signature. After a secret is rolled, several signatures separated by spaces",
        ))
        .request_body(Some(body))
        .response("2XX", response("The message was received. It isn't sent again"))
        .response("410", response("The endpoint wants no more messages. Quittance disables it"))
        .response("default", response("The delivery failed. Quittance sends the message again"))
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
