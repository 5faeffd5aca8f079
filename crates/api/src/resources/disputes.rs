//! Disputes of charges.

use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, get};
use chrono::DateTime;
use quittance_domain::id::DisputeId;
use quittance_persistence::StoredDispute;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::auth::Caller;
use crate::http::fields::Fields;
use crate::http::json_reader::read_query;
use crate::http::pagination::{PageQuery, list, page_of};
use crate::http::path::OrderPath;
use crate::http::responses::{AuthErrors, NotFoundErrors, QueryErrors, ServerErrors};
use crate::problem::Problem;
use crate::resources::enums::{DisputeOutcome, DisputeStatus};
use crate::state::Api;
use crate::time::Timestamp;

/// Registers the route of disputes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list);
}

/// A customer's dispute of a charge at their bank. You respond to it in Stripe's Dashboard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dispute {
    #[schema(example = "dsp_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `dispute`.
    #[schema(example = "dispute")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    /// The dispute's Stripe ID.
    #[schema(example = "du_1SWcLdKnR7uC1oLiG4eXjDk0")]
    stripe_dispute_id: String,
    status: DisputeStatus,
    outcome: DisputeOutcome,
    /// The disputed amount, in Stripe's minor unit. It may differ from the paid amount.
    #[schema(example = 4998)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: String,
    /// Stripe's reason.
    #[schema(required, example = "fraudulent")]
    reason: Option<String>,
    /// The deadline for your evidence, if you can submit any.
    #[schema(value_type = String, format = DateTime, nullable, required, example = "2026-12-01T23:59:59.000000Z")]
    evidence_due_by: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

list! {
    /// A page of an order's disputes, newest first.
    DisputeList of Dispute
}

impl From<StoredDispute> for Dispute {
    fn from(stored: StoredDispute) -> Self {
        let outcome = stored.dispute.outcome().into();
        let state = stored.dispute.facts.state().clone();
        let due_by = state.evidence_due_by.and_then(|second| DateTime::from_timestamp(second, 0));
        Self {
            id: stored.dispute.id.into(),
            object: "dispute",
            order_id: stored.order_id.into(),
            stripe_dispute_id: stored.dispute.stripe_dispute_id,
            status: state.status.into(),
            outcome,
            amount: state.amount,
            currency: state.currency,
            reason: state.reason,
            evidence_due_by: due_by.map(Timestamp::from),
            created_at: stored.created_at.into(),
            updated_at: stored.updated_at.into(),
        }
    }
}

/// List the disputes of an order
///
/// Returns the disputes, newest first.
#[utoipa::path(
    tag = "Refunds",
    operation_id = "order_dispute_list",
    params(OrderPath, PageQuery<DisputeId>),
    responses(
        (status = 200, description = "A page of disputes", body = DisputeList),
        AuthErrors, NotFoundErrors, QueryErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[get("/v1/orders/{id}/disputes")]
async fn list(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: HttpRequest,
) -> Result<Json<DisputeList>, Problem> {
    caller.key()?;
    let id = path.id()?;
    let cursor = read_query(request.query_string(), PageQuery::<DisputeId>::read)?;
    api.store().order(id.clone()).await?.ok_or_else(Problem::not_found)?;
    let page = page_of(api.store().disputes(id).await?, &cursor, |stored| &stored.dispute.id);
    Ok(Json(DisputeList::from_page(page, Dispute::from)))
}
