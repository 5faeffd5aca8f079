//! Paying an order: its PaymentIntent, and how that stands.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, post};
use quittance_domain::id::OrderId;
use quittance_domain::order as domain;
use quittance_domain::payment as domain_payment;
use quittance_payments::{Patience, Payable};
use quittance_persistence::ReplySecret;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::auth::{Caller, ClientSecretHash, Right};
use crate::body::{Object, Read, read_query};
use crate::idempotency::{Done, Request, Work, reply};
use crate::openapi::{Conflicts, Failures, Headers, Keyed, Missing, Pays, Query, Unauthorized};
use crate::path::OrderPath;
use crate::problem::Problem;
use crate::words::{CaptureMethod, OrderStatus, PaymentStatus};

/// How long a lookup waits at most, in seconds.
const WAIT_MAX_S: i64 = 30;

/// The longest id of Stripe's.
const STRIPE_ID_LEN_MAX: usize = 255;

/// Every route of payments.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create).service(get_by_order).service(get_by_id);
}

/// How an order is to be paid. May be left out.
#[derive(Debug, ToSchema)]
#[schema(example = json!({}))]
#[expect(dead_code, reason = "describes the body; `read_capture_method` reads it")]
pub(crate) struct PaymentIntentCreate {
    /// When the money is taken; `automatic` if nothing is said. With a secret key only.
    #[schema(nullable = false)]
    capture_method: Option<CaptureMethod>,
}

/// What a page needs to let a customer pay with Stripe's Payment Element.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the contract")]
pub(crate) struct PaymentIntent {
    /// Our id of this attempt to pay, in the PaymentIntent's metadata as `payment_id`.
    #[schema(example = "pay_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `payment_intent`.
    #[schema(example = "payment_intent")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    /// Stripe's id.
    #[schema(example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk")]
    payment_intent_id: String,
    status: PaymentStatus,
    /// What is to be paid, in Stripe's minor unit.
    #[schema(example = 4998)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// The account that it is on, where that is the seller's own: for Stripe.js, as its `stripeAccount`.
    #[schema(required, example = "acct_1SWcLdKnR7uC1oLi")]
    stripe_account: Option<String>,
    /// For Stripe.js in the customer's browser. Keep it out of logs and URLs.
    // Always `None` here: what this type makes is stored, and the secret is added to it on its way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        value_type = String,
        required,
        example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk_secret_5KGz0pHFGsJQ2MWqJEXAMPLE"
    )]
    client_secret: Option<String>,
}

/// How the payment of an order stands, as part of the order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderPayment {
    /// Stripe's id of the PaymentIntent, once known.
    #[schema(required, example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk")]
    payment_intent_id: Option<String>,
    /// Stripe's id of the Checkout Session, where it is paid on Stripe's page.
    #[schema(required, example = "cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk")]
    checkout_session_id: Option<String>,
    status: PaymentStatus,
    /// Why the last try failed, if nothing has come after it.
    #[schema(required)]
    last_error: Option<PaymentError>,
}

/// Why a try at paying failed, in Stripe's words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentError {
    /// Stripe's code.
    #[schema(required, example = "card_declined")]
    code: Option<String>,
    /// The bank's code.
    #[schema(required, example = "insufficient_funds")]
    decline_code: Option<String>,
    /// What to tell the customer.
    #[schema(required, example = "Your card has insufficient funds.")]
    message: Option<String>,
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

impl PaymentIntent {
    fn of(payable: &Payable) -> Self {
        Self {
            id: payable.payment_id.to_string(),
            object: "payment_intent",
            order_id: payable.order.id.to_string(),
            payment_intent_id: payable.payment_intent_id.clone(),
            status: payable.status.into(),
            amount: payable.order.total.minor(),
            currency: payable.order.total.currency().code(),
            stripe_account: stripe_account(&payable.order),
            client_secret: None,
        }
    }
}

impl From<domain::CurrentPayment> for OrderPayment {
    fn from(payment: domain::CurrentPayment) -> Self {
        Self {
            payment_intent_id: payment.payment_intent_id,
            checkout_session_id: payment.checkout_session_id,
            status: payment.status.into(),
            last_error: payment.last_failure.map(PaymentError::from),
        }
    }
}

impl From<domain_payment::Failure> for PaymentError {
    fn from(failure: domain_payment::Failure) -> Self {
        Self { code: failure.code, decline_code: failure.decline_code, message: failure.message }
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

/// The connected account that an order's payment is on.
pub(crate) fn stripe_account(order: &domain::Order) -> Option<String> {
    let account = order.payment.as_ref().map(|payment| &payment.account);
    account
        .filter(|account| **account != domain_payment::Account::own())
        .map(|account| account.as_str().to_owned())
}

/// When the money is to be taken, which is the shop's alone to say.
pub(crate) fn read_capture_method(
    body: &mut Object<'_>,
    right: &Right,
) -> Read<Option<domain_payment::CaptureMethod>> {
    if !right.is_key() {
        return body.forbidden("capture_method").map(|()| None);
    }
    body.optional("capture_method", |field| {
        field.word(domain_payment::CaptureMethod::from_word, "automatic, manual")
    })
}

fn read_patience(query: &mut Object<'_>) -> Read<Patience> {
    let wait = read_wait(query);
    let after = query.optional("after", |field| field.integer_in_text(0..=i64::MAX));
    Ok(Patience { wait: wait?, after: after?.unwrap_or_default() })
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
async fn look(api: &Api, order_id: OrderId, patience: Patience) -> Result<Json<PaymentLookup>, Problem> {
    if !patience.wait.is_zero() {
        tokio::select! {
            order = api.payments().await_settled(order_id.clone(), patience) => return Ok(Json(order?.into())),
            () = api.stopping() => {}
        }
    }
    let order = api.store().order(order_id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(order.into()))
}

/// Create or get the PaymentIntent of an order
///
/// An order has one live PaymentIntent, which is returned again and again, and made anew where it was closed. A live
/// Checkout Session is closed first.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_payment_intent_create",
    request_body = PaymentIntentCreate,
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The PaymentIntent", body = PaymentIntent),
        Unauthorized, Missing, Keyed, Conflicts, Failures, Pays
    ),
    security(("client_token" = []), ("secret_key" = []))
)]
#[post("/v1/orders/{id}/payment_intent")]
async fn create(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let id = path.id()?;
    let right = caller.right_to(&api, &id)?;
    let capture_method = request.read(|body| read_capture_method(body, &right))?;
    let payments = api.payments().clone();
    let is_key = right.is_key();
    let work = async move |_: Work| {
        let payable = payments.pay(id, capture_method).await;
        let payable = payable.map_err(|error| Problem::from(error).told_to(is_key))?;
        let secret = ReplySecret::ClientSecret(payable.payment_id.clone());
        let reply = reply(StatusCode::OK, &PaymentIntent::of(&payable), Some(secret));
        Ok(Done::new(reply).with_client_secret(payable.client_secret))
    };
    request.run(&api, right, work).await
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

/// Whether a text has the form of an id of Stripe's that begins so.
pub(crate) fn is_stripe_id(text: &str, prefix: &str) -> bool {
    text.len() <= STRIPE_ID_LEN_MAX
        && text.starts_with(prefix)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
