//! Refunds: create, read, list.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, post};
use quittance_domain::id::{OrderId, RefundId};
use quittance_payments::RefundRequest;
use quittance_persistence::{RefundTermsRequest, Reply, StoredRefund};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::fields::{Fields, Optional, request_body};
use crate::http::idempotency::{KeyClaim, Scope, WorkReply, reply};
use crate::http::json_reader::read_query;
use crate::http::pagination::{PageQuery, list, page_of};
use crate::http::path::{OrderPath, RefundPath};
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, IdempotentErrors, NotFoundErrors, QueryErrors, ServerErrors, StatusErrors,
};
use crate::http::values::Boolean;
use crate::problem::Problem;
use crate::problem::code::Code;
use crate::resources::captures::{Amount, check_amount};
use crate::resources::enums::{RefundCause, RefundReason, RefundStatus};
use crate::state::Api;
use crate::time::Timestamp;

/// Registers the routes of refunds.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create).service(list).service(get);
}

/// A refund to the customer.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the contract")]
pub(crate) struct Refund {
    #[schema(example = "ref_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `refund`.
    #[schema(example = "refund")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    /// The refunded payment attempt's ID.
    #[schema(example = "pay_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    payment_id: String,
    /// The refund's Stripe ID. Null until Stripe has responded.
    #[schema(required, example = "re_3SWcLdKnR7uC1oLi0G4eXjDk")]
    stripe_refund_id: Option<String>,
    /// The amount, in Stripe's minor unit.
    #[schema(example = 2499)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    status: RefundStatus,
    /// Stripe's reason. A refund that was created at Stripe may have a reason that requests can't set.
    #[schema(required, example = "requested_by_customer")]
    reason: Option<String>,
    cause: RefundCause,
    /// Whether the transfer to the seller is reversed in proportion.
    reverse_transfer: bool,
    /// Whether the platform's fee is refunded to the seller in proportion.
    refund_application_fee: bool,
    /// Whether it refunds a surplus. A surplus isn't part of the order's `amount_paid` and `amount_refunded`.
    surplus: bool,
    /// Stripe's reason for the failure.
    #[schema(required)]
    failure_reason: Option<String>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

list! {
    /// A page of an order's refunds, newest first.
    RefundList of Refund
}

request_body! {
    /// The refund to create. The body may be omitted.
    #[example({"amount": 2499, "reason": "requested_by_customer"})]
    RefundCreate {
        /// The amount, in Stripe's minor unit. By default, it is the whole remaining amount.
        amount: Optional<Amount>, example = 2499;
        reason: Optional<RefundReason>;
        /// Whether to reverse the transfer to the seller in proportion. By default, it is reversed if there is one
        /// (charge type `destination`).
        reverse_transfer: Optional<Boolean>;
        /// Whether to refund the platform's fee to the seller in proportion. By default, it is refunded if there is one.
        refund_application_fee: Optional<Boolean>;
    }
}

impl From<StoredRefund> for Refund {
    fn from(stored: StoredRefund) -> Self {
        let refund = stored.refund;
        Self {
            status: refund.status().into(),
            failure_reason: refund.failure_reason().map(str::to_owned),
            id: refund.id.into(),
            object: "refund",
            order_id: stored.order_id.into(),
            payment_id: refund.payment_id.into(),
            stripe_refund_id: refund.stripe_refund_id,
            amount: refund.amount.minor(),
            currency: refund.amount.currency().code(),
            reason: refund.reason,
            cause: refund.cause.into(),
            reverse_transfer: refund.terms.reverse_transfer,
            refund_application_fee: refund.terms.refund_application_fee,
            surplus: stored.is_surplus,
            created_at: stored.created_at.into(),
            updated_at: stored.updated_at.into(),
        }
    }
}

impl RefundCreate {
    fn into_request(self, order_id: OrderId) -> RefundRequest {
        RefundRequest {
            order_id,
            amount: self.amount,
            reason: self.reason,
            terms: RefundTermsRequest {
                reverse_transfer: self.reverse_transfer,
                refund_application_fee: self.refund_application_fee,
            },
        }
    }
}

fn create_reply(refund: &StoredRefund) -> Reply {
    reply(StatusCode::CREATED, &Refund::from(refund.clone()), None)
}

/// Refund an order
///
/// Refunds the whole remaining amount or less, never more than was paid. A recorded refund is carried out even if
/// Stripe is unavailable now. Its status is then `pending`.
#[utoipa::path(
    tag = "Refunds",
    operation_id = "order_refund_create",
    request_body = RefundCreate,
    params(OrderPath, Headers),
    responses(
        (status = 201, description = "The refund", body = Refund),
        AuthErrors, NotFoundErrors, IdempotentErrors, StatusErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/orders/{id}/refunds")]
async fn create(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let id = path.id()?;
    let wanted = request.read::<RefundCreate>(&api.body_rules(Audience::Shop))?.into_request(id);
    let (payments, store) = (api.payments().clone(), api.store().clone());
    // The first reply is stored with the refund, so that a repeated request after a crash doesn't refund twice. The reply
    // after Stripe's response replaces it.
    let work = async move |claim: KeyClaim| {
        check_amount(&store, &wanted.order_id, wanted.amount).await?;
        match payments.refund(wanted, claim.completion(create_reply)).await {
            Ok(refund) => Ok(WorkReply::new(create_reply(&refund))),
            Err(error) => Err(Problem::for_shop(error, Code::RefundRefused)),
        }
    };
    api.run(request.creates_in("/v1/refunds"), Scope::Key(key), work).await
}

/// List the refunds of an order
///
/// Returns the refunds, newest first. They include refunds of a surplus and refunds that were created at Stripe.
#[utoipa::path(
    tag = "Refunds",
    operation_id = "order_refund_list",
    params(OrderPath, PageQuery<RefundId>),
    responses(
        (status = 200, description = "A page of refunds", body = RefundList),
        AuthErrors, NotFoundErrors, QueryErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[get("/v1/orders/{id}/refunds")]
async fn list(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: HttpRequest,
) -> Result<Json<RefundList>, Problem> {
    caller.key()?;
    let id = path.id()?;
    let cursor = read_query(request.query_string(), PageQuery::<RefundId>::read)?;
    api.store().order(id.clone()).await?.ok_or_else(Problem::not_found)?;
    let page = page_of(api.store().refunds(id).await?, &cursor, |stored| &stored.refund.id);
    Ok(Json(RefundList::from_page(page, Refund::from)))
}

/// Get a refund
#[utoipa::path(
    tag = "Refunds",
    operation_id = "refund_get",
    params(RefundPath),
    responses((status = 200, description = "The refund", body = Refund), AuthErrors, NotFoundErrors, ServerErrors),
    security(("secret_key" = []))
)]
#[get("/v1/refunds/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<RefundPath>) -> Result<Json<Refund>, Problem> {
    caller.key()?;
    let id = path.id()?;
    let found = api.store().refund(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(found.stored.into()))
}
