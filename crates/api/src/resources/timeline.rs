//! The timeline of an order, which explains its status.

use actix_web::get;
use actix_web::web::{Json, Path, ThinData};
use quittance_domain::event::EventOutcome;
use quittance_persistence as persistence;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::path::OrderPath;
use crate::http::responses::{AuthErrors, NotFoundErrors, ServerErrors};
use crate::problem::Problem;
use crate::resources::enums::TimelineKind;
use crate::state::Api;
use crate::time::Timestamp;

/// Registers the route of timelines.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list);
}

/// An entry of an order's timeline. Empty fields are omitted. Without a secret key, only `at`, `kind` and `what` are
/// returned.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineEntry {
    /// The time, by this service's clock.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    at: Timestamp,
    kind: TimelineKind,
    /// The name of the event, operation or decision, for example `order.placed` or Stripe's event type.
    #[schema(example = "payment_intent.succeeded")]
    what: String,
    /// The related ID: of a payment attempt, a refund, a dispute or a Stripe event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "evt_3SWcLdKnR7uC1oLi0G4eXjDk")]
    subject: Option<String>,
    /// The outcome, if it can vary: `applied`, `ignored`, `failed`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "applied")]
    outcome: Option<String>,
    /// The reason for the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    reason: Option<String>,
    /// Stripe's request ID. Search for it in Stripe's request log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "req_a1B2c3D4e5F6g7")]
    request_id: Option<String>,
    /// More details.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    detail: Option<Value>,
}

/// The timeline of an order, oldest entry first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// `list`.
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<TimelineEntry>,
    /// Always `false`, because timelines have one page.
    has_more: bool,
}

impl TimelineEntry {
    /// Renders an entry for the shop.
    fn for_shop(entry: persistence::TimelineEntry) -> Self {
        Self {
            at: entry.at.into(),
            kind: entry.kind.into(),
            what: entry.what,
            subject: entry.subject,
            outcome: entry.outcome,
            reason: entry.reason,
            request_id: entry.request_id,
            detail: entry.detail,
        }
    }

    /// Renders an entry for the customer, if it is an act, an applied fact or a decision.
    fn for_holder(entry: persistence::TimelineEntry) -> Option<Self> {
        let is_visible = match entry.kind {
            persistence::TimelineKind::Act | persistence::TimelineKind::Decision => true,
            // A fact from a request to Stripe has no outcome. It always counts.
            persistence::TimelineKind::Fact => {
                entry.outcome.as_deref().is_none_or(|outcome| outcome == EventOutcome::Applied.as_str())
            }
            persistence::TimelineKind::Request | persistence::TimelineKind::Effect => false,
        };
        is_visible.then(|| Self {
            at: entry.at.into(),
            kind: entry.kind.into(),
            what: entry.what,
            subject: None,
            outcome: None,
            reason: None,
            request_id: None,
            detail: None,
        })
    }
}

/// Get the timeline of an order
///
/// Returns every act, request to Stripe, fact, decision and effect, oldest first, with outcomes and reasons. With a
/// client token, it returns only acts, applied facts and decisions.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_timeline_get",
    params(OrderPath),
    responses((status = 200, description = "The timeline", body = Timeline), AuthErrors, NotFoundErrors, ServerErrors),
    security(("client_token" = []), ("secret_key" = []))
)]
#[get("/v1/orders/{id}/timeline")]
async fn list(api: ThinData<Api>, caller: Caller, path: Path<OrderPath>) -> Result<Json<Timeline>, Problem> {
    let id = path.id()?;
    let audience = api.access(&caller, &id)?.audience();
    api.store().order(id.clone()).await?.ok_or_else(Problem::not_found)?;
    let entries = api.store().timeline(id).await?.into_iter();
    let data = match audience {
        Audience::Shop => entries.map(TimelineEntry::for_shop).collect(),
        Audience::Holder => entries.filter_map(TimelineEntry::for_holder).collect(),
    };
    Ok(Json(Timeline { object: "list", data, has_more: false }))
}
