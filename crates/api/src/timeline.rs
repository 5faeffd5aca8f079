//! What happened to an order: why it is where it is, in one answer.

use actix_web::get;
use actix_web::web::{Json, Path, ThinData};
use quittance_domain::event::EventOutcome;
use quittance_persistence as persistence;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::auth::{Audience, Caller};
use crate::path::OrderPath;
use crate::problem::Problem;
use crate::responses::{Failures, Missing, Unauthorized};
use crate::time::Timestamp;
use crate::words::TimelineKind;

/// The route of timelines.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list);
}

/// One thing that happened to an order. What there is not to say is left out; all but `at`, `kind` and `what` is for
/// secret keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineEntry {
    /// When, at this service's clock.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    at: Timestamp,
    kind: TimelineKind,
    /// What: for example `order.placed`, Stripe's event type or operation, the decision, the event that is told.
    #[schema(example = "payment_intent.succeeded")]
    what: String,
    /// What it was about: an attempt to pay, a refund, a dispute, an event of Stripe's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "evt_3SWcLdKnR7uC1oLi0G4eXjDk")]
    subject: Option<String>,
    /// What came of it, where that is not sure: `applied`, `ignored`, `failed`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "applied")]
    outcome: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    reason: Option<String>,
    /// Stripe's id of the request, by which it is found in Stripe's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "req_a1B2c3D4e5F6g7")]
    request_id: Option<String>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    detail: Option<Value>,
}

/// Everything that happened to an order, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// `list`.
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<TimelineEntry>,
    /// Always `false`: it is answered whole.
    has_more: bool,
}

impl TimelineEntry {
    /// As the shop sees it.
    fn whole(entry: persistence::TimelineEntry) -> Self {
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

    /// As whoever placed the order sees it, if it concerns them: what was asked for, what counted, what was decided.
    fn short(entry: persistence::TimelineEntry) -> Option<Self> {
        let concerns = match entry.kind {
            persistence::TimelineKind::Act | persistence::TimelineKind::Decision => true,
            // What we found by asking has no outcome: it counts.
            persistence::TimelineKind::Fact => {
                entry.outcome.as_deref().is_none_or(|outcome| outcome == EventOutcome::Applied.as_str())
            }
            persistence::TimelineKind::Request | persistence::TimelineKind::Effect => false,
        };
        concerns.then(|| Self {
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
/// Every fact, decision, request to Stripe and effect, oldest first, applied or ignored and why. Whoever placed the
/// order sees the short of it: what was asked for, what counted and what was decided.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_timeline_get",
    params(OrderPath),
    responses((status = 200, description = "The timeline", body = Timeline), Unauthorized, Missing, Failures),
    security(("client_token" = []), ("secret_key" = []))
)]
#[get("/v1/orders/{id}/timeline")]
async fn list(api: ThinData<Api>, caller: Caller, path: Path<OrderPath>) -> Result<Json<Timeline>, Problem> {
    let id = path.id()?;
    let audience = caller.right_to(&api, &id)?.audience();
    api.store().order(id.clone()).await?.ok_or_else(Problem::not_found)?;
    let entries = api.store().timeline(id).await?.into_iter();
    let data = match audience {
        Audience::Shop => entries.map(TimelineEntry::whole).collect(),
        Audience::Holder => entries.filter_map(TimelineEntry::short).collect(),
    };
    Ok(Json(Timeline { object: "list", data, has_more: false }))
}
