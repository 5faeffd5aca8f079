//! Captures of authorized payments.

use actix_web::http::StatusCode;
use actix_web::web::{Path, ThinData};
use actix_web::{HttpResponse, post};
use quittance_domain::id::OrderId;
use quittance_domain::money::{MAX_MINOR, Money};
use quittance_persistence::Store;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::fields::{Optional, request_body};
use crate::http::idempotency::{KeyClaim, Scope, WorkReply, reply};
use crate::http::path::OrderPath;
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, IdempotentErrors, NotFoundErrors, ServerErrors, StatusErrors, StripeErrors,
};
use crate::http::values::Integer;
use crate::problem::Problem;
use crate::problem::code::Code;
use crate::resources::orders::Order;
use crate::state::Api;

/// Registers the route of captures.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create);
}

/// The amount of a capture or a refund, in Stripe's minor unit.
pub(crate) type Amount = Integer<i64, 1, MAX_MINOR>;

request_body! {
    /// The amount to capture. The body may be omitted.
    #[example({"amount": 2499})]
    Capture {
        /// The amount, in Stripe's minor unit. By default, it is the authorized amount. Stripe releases the rest.
        amount: Optional<Amount>, example = 2499;
    }
}

/// Refuses an amount that the order's currency doesn't have, such as 1.50 in a currency without decimals.
pub(crate) async fn check_amount(store: &Store, id: &OrderId, amount: Option<i64>) -> Result<(), Problem> {
    let Some(amount) = amount else { return Ok(()) };
    let order = store.order(id.clone()).await?.ok_or_else(Problem::not_found)?;
    let money = Money::new(amount, order.total.currency());
    money.map(drop).map_err(|error| Problem::from_amount("/amount", error))
}

/// Capture the payment of an order
///
/// Captures the payment of an order with status `authorized`. You can capture once. Stripe releases the rest.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_capture",
    request_body = Capture,
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The paid order", body = Order),
        AuthErrors, NotFoundErrors, IdempotentErrors, StatusErrors, ServerErrors, StripeErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/orders/{id}/capture")]
async fn create(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let id = path.id()?;
    let amount = request.read::<Capture>(&api.body_rules(Audience::Shop))?.amount;
    let (payments, store) = (api.payments().clone(), api.store().clone());
    let work = async move |_: KeyClaim| {
        check_amount(&store, &id, amount).await?;
        match payments.capture(id, amount).await {
            Ok(order) => {
                Ok(WorkReply::new(reply(StatusCode::OK, &Order::for_audience(order, Audience::Shop), None)))
            }
            Err(error) => Err(Problem::for_shop(error, Code::CaptureRefused)),
        }
    };
    api.run(request, Scope::Key(key), work).await
}
