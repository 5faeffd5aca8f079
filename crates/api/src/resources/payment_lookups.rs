//! Payment lookups, which can wait for an outcome.

use std::time::Duration;

use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, get};
use quittance_domain::id::OrderId;
use quittance_domain::order as domain;
use quittance_payments::LookupTimeout;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::auth::{Caller, ClientSecretHash};
use crate::http::fields::{Fields, query_parameters};
use crate::http::json_reader::read_query;
use crate::http::path::{OrderPath, is_stripe_id};
use crate::http::responses::{AuthErrors, NotFoundErrors, QueryErrors, ServerErrors};
use crate::http::values::Integer;
use crate::problem::Problem;
use crate::resources::enums::{OrderStatus, PaymentStatus};
use crate::resources::payment_intents::{PaymentError, stripe_account};
use crate::state::Api;

/// The number of seconds that a lookup may wait.
pub(crate) type WaitSeconds = Integer<u8, 0, 30>;

/// Registers the routes of payment lookups.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_by_order).service(get_by_id);
}

/// The status of an order's payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "object": "payment_lookup",
    "order_id": "ord_01kb3m9q4e8v2tz6h0rxw5ncy7",
    "order_status": "paid",
    "payment_intent_id": "pi_3SWcLdKnR7uC1oLi0G4eXjDk",
    "status": "succeeded",
    "amount": 4998,
    "currency": "eur",
    "stripe_account": null,
    "last_error": null,
    "version": 3
}))]
pub(crate) struct PaymentLookup {
    /// `payment_lookup`.
    #[schema(example = "payment_lookup")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    order_status: OrderStatus,
    /// The PaymentIntent's Stripe ID. Null before it exists.
    #[schema(required, example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk")]
    payment_intent_id: Option<String>,
    /// Stripe's status of the PaymentIntent. Null before the first attempt.
    #[schema(required)]
    status: Option<PaymentStatus>,
    /// The order's total, in Stripe's minor unit.
    #[schema(example = 4998)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// The seller's account, if it has the payment.
    #[schema(required, example = "acct_1SWcLdKnR7uC1oLi")]
    stripe_account: Option<String>,
    /// The error of the last attempt, if it failed.
    #[schema(required)]
    last_error: Option<PaymentError>,
    /// The order's version. Pass it as `after` to wait for a newer outcome.
    #[schema(example = 3)]
    version: i64,
}

query_parameters! {
    /// The parameters of a payment lookup.
    WaitQuery {
        /// The maximum number of seconds to wait for an outcome newer than `after`. An outcome is a payment that has
        /// succeeded, failed again, is in flight, authorized or canceled.
        wait: WaitSeconds = 0;
        /// The last `version` that you have seen.
        after: Integer<i64, 0, { i64::MAX }> = 0;
    }
}

impl From<domain::Order> for PaymentLookup {
    fn from(order: domain::Order) -> Self {
        let stripe_account = stripe_account(&order);
        let (payment_intent_id, status, last_failure) = match order.payment {
            None => (None, None, None),
            Some(payment) => (payment.payment_intent_id, Some(payment.status), payment.last_failure),
        };
        Self {
            object: "payment_lookup",
            order_id: order.id.into(),
            order_status: order.status.into(),
            payment_intent_id,
            status: status.map(PaymentStatus::from),
            amount: order.total.minor(),
            currency: order.total.currency().code(),
            stripe_account,
            last_error: last_failure.map(PaymentError::from),
            version: order.version,
        }
    }
}

impl From<WaitQuery> for LookupTimeout {
    fn from(query: WaitQuery) -> Self {
        Self { wait: Duration::from_secs(query.wait.into()), after_version: query.after }
    }
}

/// Checks that the caller may see an order's payment. A client secret of one of its PaymentIntents is enough, so that a
/// return page in another browser can look it up.
async fn check_access(
    api: &Api,
    caller: &Caller,
    secret: &ClientSecretHash,
    order_id: &OrderId,
) -> Result<(), Problem> {
    match api.access(caller, order_id) {
        Ok(_) => Ok(()),
        Err(problem) if !secret.is_given() => Err(problem),
        Err(_) => {
            let hashes = api.store().client_secret_hashes(order_id.clone()).await?;
            if secret.is_among(&hashes) { Ok(()) } else { Err(Problem::not_found()) }
        }
    }
}

/// Waits for an outcome, and returns the order. Stops waiting after the timeout or when the service is stopped.
async fn look_up(
    api: &Api,
    order_id: OrderId,
    timeout: LookupTimeout,
) -> Result<Json<PaymentLookup>, Problem> {
    if !timeout.wait.is_zero() {
        tokio::select! {
            order = api.payments().await_outcome(order_id.clone(), timeout) => return Ok(Json(order?.into())),
            () = api.stopping() => {}
        }
    }
    let order = api.store().order(order_id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(order.into()))
}

/// Look up the payment of an order
///
/// Without `wait`, the response comes at once. With `wait`, it comes as soon as there is an outcome newer than `after`.
/// If the webhook is late, Quittance asks Stripe.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_payment_get",
    params(OrderPath, WaitQuery),
    responses(
        (status = 200, description = "The status of the payment", body = PaymentLookup),
        AuthErrors, NotFoundErrors, QueryErrors, ServerErrors
    ),
    security(("client_token" = []), ("client_secret" = []), ("secret_key" = []))
)]
#[get("/v1/orders/{id}/payment")]
async fn get_by_order(
    api: ThinData<Api>,
    caller: Caller,
    secret: ClientSecretHash,
    path: Path<OrderPath>,
    request: HttpRequest,
) -> Result<Json<PaymentLookup>, Problem> {
    let id = path.id()?;
    check_access(&api, &caller, &secret, &id).await?;
    let timeout = read_query(request.query_string(), WaitQuery::read)?.into();
    look_up(&api, id, timeout).await
}

/// Look up one PaymentIntent of an order
///
/// The same lookup by Stripe's ID, which a return page finds in its URL. `status` and `last_error` belong to this
/// PaymentIntent, even if it is an older attempt. `order_status` and `version` belong to the order, for which `wait`
/// waits.
#[utoipa::path(
    tag = "Payments",
    operation_id = "payment_intent_get",
    params(
        ("id" = String, Path, description = "The PaymentIntent's Stripe ID", example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk"),
        WaitQuery,
    ),
    responses(
        (status = 200, description = "The status of the payment", body = PaymentLookup),
        AuthErrors, NotFoundErrors, QueryErrors, ServerErrors
    ),
    security(("client_token" = []), ("client_secret" = []), ("secret_key" = []))
)]
#[get("/v1/payment_intents/{id}")]
async fn get_by_id(
    api: ThinData<Api>,
    caller: Caller,
    secret: ClientSecretHash,
    id: Path<String>,
    request: HttpRequest,
) -> Result<Json<PaymentLookup>, Problem> {
    if !secret.is_given() {
        caller.require_credentials()?;
    }
    let id = id.into_inner();
    let order = find(&api, &id).await?;
    check_access(&api, &caller, &secret, &order.id).await?;
    let timeout = LookupTimeout::from(read_query(request.query_string(), WaitQuery::read)?);
    if timeout.wait.is_zero() {
        return Ok(Json(order.into()));
    }
    // Waits for the order's outcome, but returns this attempt.
    let _: Json<PaymentLookup> = look_up(&api, order.id, timeout).await?;
    Ok(Json(find(&api, &id).await?.into()))
}

/// Finds the order of a PaymentIntent, with that PaymentIntent as its payment.
async fn find(api: &Api, payment_intent_id: &str) -> Result<domain::Order, Problem> {
    if !is_stripe_id(payment_intent_id, "pi_") {
        return Err(Problem::not_found());
    }
    let found = api.store().order_by_payment_intent(payment_intent_id.to_owned()).await?;
    found.ok_or_else(Problem::not_found)
}
