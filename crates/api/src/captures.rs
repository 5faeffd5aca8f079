//! Taking the money that is held for an order.

use actix_web::http::StatusCode;
use actix_web::web::{Path, ThinData};
use actix_web::{HttpResponse, post};
use quittance_domain::id::OrderId;
use quittance_domain::money::{MAX_MINOR, Money};
use quittance_persistence::Store;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::auth::{Audience, Caller};
use crate::body::{Object, Read};
use crate::code::Code;
use crate::idempotency::{Done, Scope, Work, reply};
use crate::orders::Order;
use crate::path::OrderPath;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Asks, Conflicts, Failures, Keyed, Missing, Unauthorized};

/// The route of captures.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create);
}

/// How much is taken. May be left out.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"amount": 2499}))]
#[expect(dead_code, reason = "describes the body; `read_amount` reads it")]
pub(crate) struct Capture {
    /// How much, in Stripe's minor unit; all that is held if nothing is said. The rest is released for good.
    #[schema(minimum = 1, maximum = 999_999_999_999_i64, example = 2499)]
    amount: Option<i64>,
}

/// Reads an amount that may be left out, for the whole.
pub(crate) fn read_amount(body: &mut Object<'_>) -> Read<Option<i64>> {
    body.optional("amount", |field| field.integer(1..=MAX_MINOR))
}

/// Refuses an amount that the order's currency has not, as 1.50 of a currency without small coins.
pub(crate) async fn check_amount(store: &Store, id: &OrderId, amount: Option<i64>) -> Result<(), Problem> {
    let Some(amount) = amount else { return Ok(()) };
    let order = store.order(id.clone()).await?.ok_or_else(Problem::not_found)?;
    let fits = Money::new(amount, order.total.currency());
    fits.map(drop).map_err(|error| Problem::of_amount("/amount", error))
}

/// Capture the payment of an order
///
/// Takes what is held for an order that is `authorized`. There is one capture: what is not taken by it is released.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_capture",
    request_body = Capture,
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The paid order", body = Order),
        Unauthorized, Missing, Keyed, Conflicts, Failures, Asks
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
    let amount = request.read(read_amount)?;
    let (payments, store) = (api.payments().clone(), api.store().clone());
    let work = async move |_: Work| {
        check_amount(&store, &id, amount).await?;
        match payments.capture(id, amount).await {
            Ok(order) => Ok(Done::new(reply(StatusCode::OK, &Order::of(order, Audience::Shop), None))),
            Err(error) => Err(Problem::for_shop(error, Code::CaptureRefused)),
        }
    };
    request.run(&api, Scope::Key(key), work).await
}
