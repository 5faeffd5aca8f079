//! Checkout Sessions: payments on Stripe's page, and the lookup for the success page.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, post};
use quittance_payments::{CheckoutRequest, HostedPage, LookupTimeout};
use quittance_persistence::SessionLookup;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::auth::Caller;
use crate::http::fields::{Fields, Optional, SecretKeyOnly, query_parameters, request_body};
use crate::http::idempotency::{KeyClaim, WorkReply, reply};
use crate::http::json_reader::read_query;
use crate::http::path::{OrderPath, is_stripe_id};
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, IdempotentErrors, NotFoundErrors, PaymentErrors, QueryErrors, RateLimitErrors, ServerErrors,
    StatusErrors,
};
use crate::http::values::ReturnUrl;
use crate::problem::Problem;
use crate::resources::enums::{CaptureMethod, OrderStatus, PaymentStatus};
use crate::resources::payment_intents::stripe_account;
use crate::resources::payment_lookups::WaitSeconds;
use crate::state::Api;
use crate::time::Timestamp;

/// The interval at which a Session is read again while a success page waits. A Session can end without an outcome for its order.
const READ_PERIOD: Duration = Duration::from_secs(2);

/// Registers the routes of Checkout Sessions.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create).service(get);
}

request_body! {
    /// The pages to which Stripe sends the customer back. Both are absolute URLs with an origin that the shop allows.
    #[example({
        "success_url": "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cart"
    })]
    CheckoutSessionCreate {
        /// The page after payment. Stripe replaces `{CHECKOUT_SESSION_ID}` with the Session's ID, with which the page can
        /// look up the payment.
        success_url: ReturnUrl, example = "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}";
        /// The page for customers who cancel.
        cancel_url: ReturnUrl, example = "https://shop.example/cart";
        /// The capture method. By default, it is `automatic`. Needs a secret key.
        capture_method: SecretKeyOnly<Optional<CaptureMethod>>;
    }
}

/// A Checkout Session: Stripe's page on which the customer pays an order.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the contract")]
pub(crate) struct CheckoutSession {
    /// `checkout_session`.
    #[schema(example = "checkout_session")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    /// The Session's Stripe ID.
    #[schema(example = "cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk")]
    checkout_session_id: String,
    /// The URL to redirect the customer to.
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk")]
    url: String,
    /// The seller's account, if it has the Session.
    #[schema(required)]
    stripe_account: Option<String>,
    /// The time at which the Session expires.
    #[schema(value_type = String, format = DateTime, nullable, required, example = "2026-11-22T17:35:00.000000Z")]
    expires_at: Option<Timestamp>,
}

/// The payment status of a Checkout Session. Anyone who knows the Session's ID may see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckoutSessionLookup {
    /// `checkout_session_lookup`.
    #[schema(example = "checkout_session_lookup")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    order_status: OrderStatus,
    /// Stripe's status of the Session's payment.
    status: PaymentStatus,
}

query_parameters! {
    /// The parameters of the lookup for a success page.
    SuccessPageQuery {
        /// The maximum number of seconds to wait until the payment has succeeded, is in flight, authorized or canceled.
        wait: WaitSeconds = 0;
    }
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

impl From<CheckoutSessionCreate> for CheckoutRequest {
    fn from(body: CheckoutSessionCreate) -> Self {
        let CheckoutSessionCreate { success_url, cancel_url, capture_method } = body;
        Self { success_url, cancel_url, capture_method }
    }
}

/// Finds a Session and its payment status.
async fn find(api: &Api, session_id: &str) -> Result<SessionLookup, Problem> {
    if !is_stripe_id(session_id, "cs_") {
        return Err(Problem::not_found());
    }
    api.store().session_lookup(session_id.to_owned()).await?.ok_or_else(Problem::not_found)
}

/// Returns whether a success page can stop waiting: the customer has paid, or the Session is over. A failed attempt
/// doesn't count, because the customer can try again on Stripe's page.
fn has_outcome(found: &SessionLookup) -> bool {
    found.is_over || !found.status.awaits_customer()
}

/// Waits until a success page can stop waiting, and returns the Session.
async fn await_outcome(api: &Api, session_id: &str, wait: Duration) -> Result<SessionLookup, Problem> {
    let deadline = Instant::now() + wait;
    let mut after = 0;
    loop {
        let found = find(api, session_id).await?;
        let wait = deadline.saturating_duration_since(Instant::now()).min(READ_PERIOD);
        if wait.is_zero() || has_outcome(&found) {
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
/// Creates Stripe's page for paying the order. If you repeat the request with the same parameters, the open Session is
/// returned. With other parameters, or after a PaymentIntent, Quittance closes the live payment first. The order doesn't
/// expire before its Session.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_checkout_session_create",
    request_body = CheckoutSessionCreate,
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The Checkout Session", body = CheckoutSession),
        AuthErrors, NotFoundErrors, IdempotentErrors, StatusErrors, ServerErrors, PaymentErrors
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
    let access = api.access(&caller, &id)?;
    let audience = access.audience();
    let wanted = request.read::<CheckoutSessionCreate>(&api.body_rules(audience))?.into();
    let payments = api.payments().clone();
    let work = async move |_: KeyClaim| {
        let page = payments.checkout(id, wanted).await;
        let page = page.map_err(|error| Problem::from(error).for_audience(audience))?;
        Ok(WorkReply::new(reply(StatusCode::OK, &CheckoutSession::from(page), None)))
    };
    api.run(request, access, work).await
}

/// Look up the payment of a Checkout Session
///
/// For a success page, which finds the Session's ID in its URL. The ID gives access to the payment's status and nothing
/// else. With `wait`, the response comes as soon as there is an outcome, even if the webhook is late.
#[utoipa::path(
    tag = "Payments",
    operation_id = "checkout_session_get",
    params(
        (
            "id" = String, Path, description = "The Checkout Session's Stripe ID",
            example = "cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk"
        ),
        SuccessPageQuery,
    ),
    responses(
        (status = 200, description = "The status of the payment", body = CheckoutSessionLookup),
        AuthErrors, NotFoundErrors, QueryErrors, RateLimitErrors, ServerErrors
    ),
    security(())
)]
#[get("/v1/checkout_sessions/{id}")]
async fn get(
    api: ThinData<Api>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<Json<CheckoutSessionLookup>, Problem> {
    let query = read_query(request.query_string(), SuccessPageQuery::read)?;
    let found = await_outcome(&api, &id, Duration::from_secs(query.wait.into())).await?;
    Ok(Json(CheckoutSessionLookup {
        object: "checkout_session_lookup",
        order_id: found.order.id.into(),
        order_status: found.order.status.into(),
        status: found.status.into(),
    }))
}
