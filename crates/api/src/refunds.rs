//! Refunds: asked for, read, listed.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, post};
use quittance_domain::id::{OrderId, RefundId};
use quittance_payments::RefundRequest;
use quittance_persistence::{RefundTermsRequest, Reply, StoredRefund};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::auth::Caller;
use crate::body::{self, Object, Read, read_query};
use crate::captures::{check_amount, read_amount};
use crate::code::Code;
use crate::idempotency::{Done, Scope, Work, reply};
use crate::pagination::{PageParams, cursor, list, page_of};
use crate::path::{OrderPath, RefundPath};
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Conflicts, Failures, Keyed, Missing, Query, Unauthorized};
use crate::time::Timestamp;
use crate::words::{RefundCause, RefundReason, RefundStatus};

/// Every route of refunds.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create).service(list).service(get);
}

/// Money that goes back to the customer.
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
    /// Our id of the attempt to pay whose money goes back.
    #[schema(example = "pay_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    payment_id: String,
    /// Stripe's id of it; null until Stripe has answered.
    #[schema(required, example = "re_3SWcLdKnR7uC1oLi0G4eXjDk")]
    stripe_refund_id: Option<String>,
    /// How much, in Stripe's minor unit.
    #[schema(example = 2499)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    status: RefundStatus,
    /// Why, in Stripe's words. Of a refund that was made at Stripe it may be another word than a request may say.
    #[schema(required, example = "requested_by_customer")]
    reason: Option<String>,
    cause: RefundCause,
    /// Whether what was transferred to the seller comes back to the platform, in proportion.
    reverse_transfer: bool,
    /// Whether the platform's fee goes back to the seller, in proportion.
    refund_application_fee: bool,
    /// Whether it gives back what does not count as paid, so that it is no part of the order's `amount_refunded`.
    surplus: bool,
    /// Why it failed, in Stripe's words.
    #[schema(required, example = "lost_or_stolen_card")]
    failure_reason: Option<String>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

list! {
    /// A part of the refunds of an order, newest first.
    RefundList of Refund
}

/// What is to go back. May be left out.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"amount": 2499, "reason": "requested_by_customer"}))]
#[expect(dead_code, reason = "describes the body; `read_create` reads it")]
pub(crate) struct RefundCreate {
    /// How much, in Stripe's minor unit; all that is left if nothing is said.
    #[schema(minimum = 1, maximum = 999_999_999_999_i64, example = 2499)]
    amount: Option<i64>,
    reason: Option<RefundReason>,
    /// Whether what was transferred to the seller comes back to the platform, in proportion; it does if nothing is
    /// said. Only of what was transferred (charge type `destination`).
    reverse_transfer: Option<bool>,
    /// Whether the platform's fee goes back to the seller, in proportion; it does if nothing is said. Only where there
    /// was one.
    refund_application_fee: Option<bool>,
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

fn read_create(body: &mut Object<'_>, order_id: OrderId) -> Read<RefundRequest> {
    let amount = read_amount(body);
    let reason = body.optional("reason", |field| field.word("duplicate, fraudulent, requested_by_customer"));
    let reverse_transfer = body.optional("reverse_transfer", body::boolean);
    let refund_application_fee = body.optional("refund_application_fee", body::boolean);
    Ok(RefundRequest {
        order_id,
        amount: amount?,
        reason: reason?,
        terms: RefundTermsRequest {
            reverse_transfer: reverse_transfer?,
            refund_application_fee: refund_application_fee?,
        },
    })
}

fn created(refund: &StoredRefund) -> Reply {
    reply(StatusCode::CREATED, &Refund::from(refund.clone()), None)
}

/// Refund an order
///
/// Gives money back: all that is left, or a part. Once recorded it is carried out, also if Stripe gives no answer now:
/// then the refund is answered as `pending`. Never more goes back than was paid.
#[utoipa::path(
    tag = "Refunds",
    operation_id = "order_refund_create",
    request_body = RefundCreate,
    params(OrderPath, Headers),
    responses(
        (status = 201, description = "The refund", body = Refund),
        Unauthorized, Missing, Keyed, Conflicts, Failures
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
    let wanted = request.read(|body| read_create(body, id))?;
    let (payments, store) = (api.payments().clone(), api.store().clone());
    // The first reply is stored with the record, so that a repetition after a crash gives nothing back twice; what
    // Stripe answers takes its place.
    let work = async move |work: Work| {
        check_amount(&store, &wanted.order_id, wanted.amount).await?;
        match payments.refund(wanted, work.completion(created)).await {
            Ok(refund) => Ok(Done::new(created(&refund))),
            Err(error) => Err(Problem::for_shop(error, Code::RefundRefused)),
        }
    };
    request.run(&api, Scope::Key(key), work).await
}

/// List the refunds of an order
///
/// Newest first, also those that were made at Stripe, and those of money that came too much.
#[utoipa::path(
    tag = "Refunds",
    operation_id = "order_refund_list",
    params(OrderPath, PageParams),
    responses(
        (status = 200, description = "A part of the refunds", body = RefundList),
        Unauthorized, Missing, Query, Failures
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
    let cursor = read_query(request.query_string(), cursor::<RefundId>)?;
    api.store().order(id.clone()).await?.ok_or_else(Problem::not_found)?;
    let page = page_of(api.store().refunds(id).await?, &cursor, |stored| &stored.refund.id);
    Ok(Json(RefundList::of(page, Refund::from)))
}

/// Get a refund
#[utoipa::path(
    tag = "Refunds",
    operation_id = "refund_get",
    params(RefundPath),
    responses((status = 200, description = "The refund", body = Refund), Unauthorized, Missing, Failures),
    security(("secret_key" = []))
)]
#[get("/v1/refunds/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<RefundPath>) -> Result<Json<Refund>, Problem> {
    caller.key()?;
    let id = path.id()?;
    let found = api.store().refund(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(found.stored.into()))
}
