//! Webhooks from Stripe: events of the platform's account and of connected accounts.

use actix_web::web::{Json, ThinData};
use actix_web::{HttpRequest, post};
use bytes::Bytes;
use chrono::Utc;
use quittance_webhook::Receiver;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::responses::{ConnectWebhookErrors, WebhookErrors};
use crate::problem::Problem;
use crate::state::Api;

/// The largest event, in bytes.
pub(crate) const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// Registers the routes of Stripe's events.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(receive).service(receive_connect);
}

/// The receipt of a stored event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Received)]
pub(crate) struct EventReceipt {
    /// Always `true`.
    #[schema(example = true)]
    received: bool,
}

/// Receive an event from Stripe
///
/// For Stripe only. The body must be signed with a secret of this endpoint. A 200 response means that the event is
/// stored. Repeated events count once.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "stripe_event_receive",
    params(("Stripe-Signature" = String, Header, description = "Stripe's signature of the body")),
    request_body(content = Object, content_type = "application/json", description = "The event, byte for byte as Stripe signed it"),
    responses((status = 200, description = "The event is stored", body = EventReceipt), WebhookErrors),
    security(())
)]
#[post("/webhooks/stripe")]
async fn receive(
    api: ThinData<Api>,
    request: HttpRequest,
    payload: Bytes,
) -> Result<Json<EventReceipt>, Problem> {
    receive_event(api.receiver(), &request, payload).await
}

/// Receive an event of a connected account
///
/// For Stripe only, like `/webhooks/stripe`, with its own secrets (`STRIPE_CONNECT_WEBHOOK_SECRET`).
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "stripe_connect_event_receive",
    params(("Stripe-Signature" = String, Header, description = "Stripe's signature of the body")),
    request_body(content = Object, content_type = "application/json", description = "The event, byte for byte as Stripe signed it"),
    responses((status = 200, description = "The event is stored", body = EventReceipt), WebhookErrors, ConnectWebhookErrors),
    security(())
)]
#[post("/webhooks/stripe/connect")]
async fn receive_connect(
    api: ThinData<Api>,
    request: HttpRequest,
    payload: Bytes,
) -> Result<Json<EventReceipt>, Problem> {
    let receiver = api.connect_receiver().ok_or_else(Problem::connect_not_configured)?;
    receive_event(receiver, &request, payload).await
}

async fn receive_event(
    receiver: &Receiver,
    request: &HttpRequest,
    payload: Bytes,
) -> Result<Json<EventReceipt>, Problem> {
    let signature = request.headers().get("Stripe-Signature").and_then(|value| value.to_str().ok());
    receiver.receive(payload, signature.unwrap_or_default(), Utc::now()).await?;
    Ok(Json(EventReceipt { received: true }))
}
