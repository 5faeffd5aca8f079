//! Paying an order on Stripe's page, and what its success page may ask.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, post};
use quittance_payments::{CheckoutRequest, HostedPage, LookupTimeout};
use quittance_persistence::SessionLookup;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::auth::{Audience, Caller};
use crate::body::{Object, Read, read_query};
use crate::idempotency::{Done, Work, reply};
use crate::path::{OrderPath, is_stripe_id};
use crate::payment_intents::{read_capture_method, stripe_account};
use crate::payment_lookups::read_wait;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Conflicts, Failures, Keyed, Limited, Missing, Pays, Query, Unauthorized};
use crate::return_url::read_return_url;
use crate::time::Timestamp;
use crate::words::{CaptureMethod, OrderStatus, PaymentStatus};
use crate::{Api, ReturnOrigins};

/// How often a Session is looked at again while a success page waits: not everything that ends one settles its order.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// Every route of Checkout Sessions.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create).service(get);
}

/// Where Stripe's page sends the customer back to. Both are absolute URLs of origins that the shop allows.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "success_url": "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/cart"
}))]
#[expect(dead_code, reason = "describes the body; `read_create` reads it")]
pub(crate) struct CheckoutSessionCreate {
    /// Where to once the customer has done their part. Stripe puts the Session's id in the place of
    /// `{CHECKOUT_SESSION_ID}`: with it, the page can ask how the payment stands.
    #[schema(max_length = 2048, example = "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}")]
    success_url: String,
    /// Where to if the customer gives up.
    #[schema(max_length = 2048, example = "https://shop.example/cart")]
    cancel_url: String,
    /// When the money is taken; `automatic` if nothing is said. With a secret key only.
    #[schema(nullable = false)]
    capture_method: Option<CaptureMethod>,
}

/// A page of Stripe's on which an order can be paid.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the contract")]
pub(crate) struct CheckoutSession {
    /// `checkout_session`.
    #[schema(example = "checkout_session")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    /// Stripe's id of the Session.
    #[schema(example = "cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk")]
    checkout_session_id: String,
    /// Where the customer is to be sent.
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk")]
    url: String,
    /// The account that it is on, where that is the seller's own.
    #[schema(required, example = "acct_1SWcLdKnR7uC1oLi")]
    stripe_account: Option<String>,
    /// Until when it can be used.
    #[schema(value_type = String, format = DateTime, nullable, required, example = "2026-11-22T17:35:00.000000Z")]
    expires_at: Option<Timestamp>,
}

/// How the payment of a Checkout Session stands: as much as whoever knows its id may see.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckoutSessionLookup {
    /// `checkout_session_lookup`.
    #[schema(example = "checkout_session_lookup")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    order_status: OrderStatus,
    /// Stripe's word for where the payment of this Session stands.
    status: PaymentStatus,
}

/// How long a success page waits.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameter; `read_wait` reads it")]
pub(crate) struct SuccessPageParams {
    /// How many seconds to wait at most until the payment has succeeded, is in flight or held, or is canceled.
    #[param(minimum = 0, maximum = 30, default = 0, required = false)]
    wait: u8,
}

impl From<HostedPage> for CheckoutSession {
    fn from(page: HostedPage) -> Self {
        Self {
            object: "checkout_session",
            stripe_account: stripe_account(&page.order),
            order_id: page.order.id.into(),
            checkout_session_id: page.checkout_session_id,
            url: page.url,
            expires_at: page.expires_at.map(Timestamp::from),
        }
    }
}

fn read_create(body: &mut Object<'_>, by: Audience, allowed: &ReturnOrigins) -> Read<CheckoutRequest> {
    let success_url = body.required("success_url", |field| read_return_url(field, allowed));
    let cancel_url = body.required("cancel_url", |field| read_return_url(field, allowed));
    let capture_method = read_capture_method(body, by);
    Ok(CheckoutRequest {
        success_url: success_url?,
        cancel_url: cancel_url?,
        capture_method: capture_method?,
    })
}

/// How the payment of a Session stands. Of other ids, nothing is shown.
async fn find(api: &Api, session_id: &str) -> Result<SessionLookup, Problem> {
    if !is_stripe_id(session_id, "cs_") {
        return Err(Problem::not_found());
    }
    api.store().session_lookup(session_id.to_owned()).await?.ok_or_else(Problem::not_found)
}

/// Whether there is something to tell a success page: the customer's part is done, or nothing can be paid here any
/// more. A try that failed is no news: on Stripe's page the customer tries again.
fn is_news(found: &SessionLookup) -> bool {
    found.is_over || !found.status.awaits_customer()
}

/// How a Session stands, as soon as there is news for a success page.
async fn await_news(api: &Api, session_id: &str, wait: Duration) -> Result<SessionLookup, Problem> {
    let deadline = Instant::now() + wait;
    let mut after = 0;
    loop {
        let found = find(api, session_id).await?;
        let wait = deadline.saturating_duration_since(Instant::now()).min(LOOK_PERIOD);
        if wait.is_zero() || is_news(&found) {
            return Ok(found);
        }
        tokio::select! {
            order = api.payments().await_outcome(found.order.id, LookupTimeout { wait, after_version: after }) => {
                after = order?.outcome_version;
            }
            () = api.stopping() => return find(api, session_id).await,
        }
    }
}

/// Create or get the Checkout Session of an order
///
/// A page of Stripe's on which the order can be paid. Asked for in the same words, the live one is returned again;
/// asked for in others, or after a PaymentIntent, the live payment is closed first: an order has one at a time. The
/// order does not expire before its Session.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_checkout_session_create",
    request_body = CheckoutSessionCreate,
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The Checkout Session", body = CheckoutSession),
        Unauthorized, Missing, Keyed, Conflicts, Failures, Pays
    ),
    security(("client_token" = []), ("secret_key" = []))
)]
#[post("/v1/orders/{id}/checkout_session")]
async fn create(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let id = path.id()?;
    let right = caller.right_to(&api, &id)?;
    let audience = right.audience();
    let wanted = request.read(|body| read_create(body, audience, &api.config().return_origins))?;
    let payments = api.payments().clone();
    let work = async move |_: Work| {
        let page = payments.checkout(id, wanted).await;
        let page = page.map_err(|error| Problem::from(error).told_to(audience))?;
        Ok(Done::new(reply(StatusCode::OK, &CheckoutSession::from(page), None)))
    };
    request.run(&api, right, work).await
}

/// Look up the payment of a Checkout Session
///
/// For a success page, which finds the Session's id in its URL: whoever knows it sees how the payment stands, and
/// nothing else. With `wait` it answers as soon as there is news, also where the webhook is late.
#[utoipa::path(
    tag = "Payments",
    operation_id = "checkout_session_get",
    params(
        (
            "id" = String, Path, description = "Stripe's id of the Checkout Session",
            example = "cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk"
        ),
        SuccessPageParams,
    ),
    responses(
        (status = 200, description = "How the payment stands", body = CheckoutSessionLookup),
        Unauthorized, Missing, Query, Limited, Failures
    ),
    security(())
)]
#[get("/v1/checkout_sessions/{id}")]
async fn get(
    api: ThinData<Api>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<Json<CheckoutSessionLookup>, Problem> {
    let wait = read_query(request.query_string(), read_wait)?;
    let found = await_news(&api, &id, wait).await?;
    Ok(Json(CheckoutSessionLookup {
        object: "checkout_session_lookup",
        order_id: found.order.id.into(),
        order_status: found.order.status.into(),
        status: found.status.into(),
    }))
}
