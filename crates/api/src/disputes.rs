//! Charges that customers dispute with their banks.

use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, get};
use chrono::DateTime;
use quittance_domain::id::DisputeId;
use quittance_persistence::StoredDispute;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::auth::Caller;
use crate::body::read_query;
use crate::pagination::{PageParams, cursor, list, page_of};
use crate::path::OrderPath;
use crate::problem::Problem;
use crate::responses::{Failures, Missing, Query, Unauthorized};
use crate::time::Timestamp;
use crate::words::{DisputeOutcome, DisputeStatus};

/// The route of disputes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list);
}

/// A charge that the customer disputes with their bank. It is answered in Stripe's dashboard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dispute {
    #[schema(example = "dsp_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `dispute`.
    #[schema(example = "dispute")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    /// Stripe's id of it.
    #[schema(example = "du_1SWcLdKnR7uC1oLiG4eXjDk0")]
    stripe_dispute_id: String,
    status: DisputeStatus,
    outcome: DisputeOutcome,
    /// How much is disputed, in Stripe's minor unit. It may be more or less than was paid.
    #[schema(example = 4998)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: String,
    /// Why, in Stripe's words.
    #[schema(required, example = "fraudulent")]
    reason: Option<String>,
    /// By when the shop has to answer, if it can.
    #[schema(value_type = String, format = DateTime, nullable, required, example = "2026-12-01T23:59:59.000000Z")]
    evidence_due_by: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

list! {
    /// A part of the disputes of an order, newest first.
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
/// Newest first.
#[utoipa::path(
    tag = "Refunds",
    operation_id = "order_dispute_list",
    params(OrderPath, PageParams),
    responses(
        (status = 200, description = "A part of the disputes", body = DisputeList),
        Unauthorized, Missing, Query, Failures
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
    let cursor = read_query(request.query_string(), cursor::<DisputeId>)?;
    api.store().order(id.clone()).await?.ok_or_else(Problem::not_found)?;
    let page = page_of(api.store().disputes(id).await?, &cursor, |stored| &stored.dispute.id);
    Ok(Json(DisputeList::of(page, Dispute::from)))
}
