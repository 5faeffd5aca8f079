//! Where Stripe delivers its events: those of the platform's own account, and those of connected accounts.

use actix_web::web::{Json, ThinData};
use actix_web::{HttpRequest, post};
use bytes::Bytes;
use chrono::Utc;
use quittance_webhook::Receiver;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::problem::Problem;
use crate::responses::{NotConfigured, WebhookRefuses};

/// The largest event, in bytes.
pub(crate) const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// The routes of Stripe's events.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(receive).service(receive_of_sellers);
}

/// The event is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Received {
    /// Always true.
    #[schema(example = true)]
    received: bool,
}

/// Receive an event of Stripe's
///
/// For Stripe alone: the body must be signed with a secret of this endpoint. An answer of 200 means that the
/// event is on disk; it may come again, and counts once.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "stripe_event_receive",
    params(("Stripe-Signature" = String, Header, description = "Stripe's signature of the body")),
    request_body(content = Object, content_type = "application/json", description = "The event, byte by byte as Stripe signed it"),
    responses((status = 200, description = "The event is stored", body = Received), WebhookRefuses),
    security(())
)]
#[post("/webhooks/stripe")]
async fn receive(
    api: ThinData<Api>,
    request: HttpRequest,
    payload: Bytes,
) -> Result<Json<Received>, Problem> {
    take_in(api.receiver(), &request, payload).await
}

/// Receive an event of a seller's account
///
/// The same for the endpoint that listens to connected accounts, with secrets of its own
/// (`STRIPE_CONNECT_WEBHOOK_SECRET`).
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "stripe_connect_event_receive",
    params(("Stripe-Signature" = String, Header, description = "Stripe's signature of the body")),
    request_body(content = Object, content_type = "application/json", description = "The event, byte by byte as Stripe signed it"),
    responses((status = 200, description = "The event is stored", body = Received), WebhookRefuses, NotConfigured),
    security(())
)]
#[post("/webhooks/stripe/connect")]
async fn receive_of_sellers(
    api: ThinData<Api>,
    request: HttpRequest,
    payload: Bytes,
) -> Result<Json<Received>, Problem> {
    let receiver = api.connect_receiver().ok_or_else(Problem::connect_not_configured)?;
    take_in(receiver, &request, payload).await
}

async fn take_in(
    receiver: &Receiver,
    request: &HttpRequest,
    payload: Bytes,
) -> Result<Json<Received>, Problem> {
    let signature = request.headers().get("Stripe-Signature").and_then(|value| value.to_str().ok());
    receiver.receive(payload, signature.unwrap_or_default(), Utc::now()).await?;
    Ok(Json(Received { received: true }))
}
