//! How the payment of an order stands, at once or as soon as there is news.

use std::time::Duration;

use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, get};
use quittance_domain::id::OrderId;
use quittance_domain::order as domain;
use quittance_payments::LookupTimeout;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::auth::{Caller, ClientSecretHash};
use crate::body::{Object, Read, read_query};
use crate::path::{OrderPath, is_stripe_id};
use crate::payment_intents::{PaymentError, stripe_account};
use crate::problem::Problem;
use crate::responses::{Failures, Missing, Query, Unauthorized};
use crate::words::{OrderStatus, PaymentStatus};

/// How long a lookup waits at most, in seconds.
const WAIT_MAX_S: i64 = 30;

/// Every route of lookups.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_by_order).service(get_by_id);
}

/// How the payment of an order stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentLookup {
    /// `payment_lookup`.
    #[schema(example = "payment_lookup")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    order_status: OrderStatus,
    /// Stripe's id of the PaymentIntent; null before there is one.
    #[schema(required, example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk")]
    payment_intent_id: Option<String>,
    /// Stripe's word for where it stands; null before an attempt.
    #[schema(required)]
    status: Option<PaymentStatus>,
    /// What the order costs, in Stripe's minor unit.
    #[schema(example = 4998)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// The account that it is on, where that is the seller's own.
    #[schema(required, example = "acct_1SWcLdKnR7uC1oLi")]
    stripe_account: Option<String>,
    /// Why the last try failed, if nothing has come after it.
    #[schema(required)]
    last_error: Option<PaymentError>,
    /// The order's version: what to wait for news after.
    #[schema(example = 3)]
    version: i64,
}

/// How long a lookup waits for news.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; `read_patience` reads them")]
pub(crate) struct WaitParams {
    /// How many seconds to wait at most until something is settled and newer than `after`: the payment has
    /// succeeded, is in flight or held, is canceled, or has failed anew.
    #[param(minimum = 0, maximum = 30, default = 0, required = false)]
    wait: u8,
    /// The `version` seen last.
    #[param(minimum = 0, default = 0, required = false)]
    after: i64,
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

fn read_patience(query: &mut Object<'_>) -> Read<LookupTimeout> {
    let wait = read_wait(query);
    let after = query.optional("after", |field| field.integer_in_text(0..=i64::MAX));
    Ok(LookupTimeout { wait: wait?, after_version: after?.unwrap_or_default() })
}

/// Reads how long a lookup is to wait at most.
pub(crate) fn read_wait(query: &mut Object<'_>) -> Read<Duration> {
    let wait = query.optional("wait", |field| field.integer_in_text(0..=WAIT_MAX_S))?;
    Ok(Duration::from_secs(wait.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default()))
}

/// Whether this caller may see how an order's payment stands: also with a client secret of its PaymentIntents,
/// so that a return page that was opened elsewhere can ask.
async fn may_look(
    api: &Api,
    caller: &Caller,
    secret: &ClientSecretHash,
    order_id: &OrderId,
) -> Result<(), Problem> {
    match caller.right_to(api, order_id) {
        Ok(_) => Ok(()),
        Err(problem) if !secret.is_given() => Err(problem),
        Err(_) => {
            let hashes = api.store().client_secret_hashes(order_id.clone()).await?;
            if secret.is_among(&hashes) { Ok(()) } else { Err(Problem::not_found()) }
        }
    }
}

/// The order once there is news, or as it is when patience or the service comes to its end.
async fn look(api: &Api, order_id: OrderId, patience: LookupTimeout) -> Result<Json<PaymentLookup>, Problem> {
    if !patience.wait.is_zero() {
        tokio::select! {
            order = api.payments().await_outcome(order_id.clone(), patience) => return Ok(Json(order?.into())),
            () = api.stopping() => {}
        }
    }
    let order = api.store().order(order_id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(order.into()))
}

/// Look up the payment of an order
///
/// Without `wait` it answers at once. With it, it answers as soon as there is something settled and newer than
/// `after`, also where the webhook is late: then Stripe is asked.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_payment_get",
    params(OrderPath, WaitParams),
    responses(
        (status = 200, description = "How the payment stands", body = PaymentLookup),
        Unauthorized, Missing, Query, Failures
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
    may_look(&api, &caller, &secret, &id).await?;
    let patience = read_query(request.query_string(), read_patience)?;
    look(&api, id, patience).await
}

/// Look up one PaymentIntent of an order
///
/// The same lookup by Stripe's id, which a return page finds in its URL. `status` and `last_error` are those of this
/// PaymentIntent, also where it is an older attempt; `order_status` and `version` are the order's, which is what is
/// waited for.
#[utoipa::path(
    tag = "Payments",
    operation_id = "payment_intent_get",
    params(
        ("id" = String, Path, description = "Stripe's id of the PaymentIntent", example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk"),
        WaitParams,
    ),
    responses(
        (status = 200, description = "How the payment stands", body = PaymentLookup),
        Unauthorized, Missing, Query, Failures
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
        caller.is_somebody()?;
    }
    let id = id.into_inner();
    let order = find(&api, &id).await?;
    may_look(&api, &caller, &secret, &order.id).await?;
    let patience = read_query(request.query_string(), read_patience)?;
    if patience.wait.is_zero() {
        return Ok(Json(order.into()));
    }
    // The order is waited for; what is shown is this attempt.
    let _: Json<PaymentLookup> = look(&api, order.id, patience).await?;
    Ok(Json(find(&api, &id).await?.into()))
}

/// The order of a PaymentIntent, with that one as its payment.
async fn find(api: &Api, payment_intent_id: &str) -> Result<domain::Order, Problem> {
    if !is_stripe_id(payment_intent_id, "pi_") {
        return Err(Problem::not_found());
    }
    let found = api.store().order_of_payment_intent(payment_intent_id.to_owned()).await?;
    found.ok_or_else(Problem::not_found)
}
