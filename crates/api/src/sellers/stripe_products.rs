//! Products of the catalogue on their seller's account.

use actix_web::http::StatusCode;
use actix_web::web::{Path, ThinData};
use actix_web::{HttpResponse, post};
use quittance_domain::id::ProductId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::problem;
use crate::Api;
use crate::auth::Caller;
use crate::body::{Object, Read};
use crate::idempotency::{Done, Scope, Work, reply};
use crate::path::SellerPath;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Asks, Conflicts, Failures, Keyed, Missing, Unauthorized};

/// The route of products at Stripe.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create);
}

/// Which product is to be made at Stripe.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"product_id": "prd_01kb3m9q4e8v2tz6h0rxw5ncy7"}))]
#[expect(dead_code, reason = "describes the body; `read_create` reads it")]
pub(crate) struct StripeProductCreate {
    /// A product of this seller.
    #[schema(example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    product_id: String,
}

/// A product on its seller's account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StripeProduct {
    /// Stripe's id of it.
    #[schema(example = "prod_TKc4xJm2pWq8Zr")]
    id: String,
    /// `stripe_product`.
    #[schema(example = "stripe_product")]
    object: &'static str,
    /// The product here.
    #[schema(example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    product_id: String,
    /// The account that it is on.
    #[schema(example = "acct_1SWcLdKnR7uC1oLi")]
    account_id: String,
}

fn read_create(body: &mut Object<'_>) -> Read<ProductId> {
    body.required("product_id", |field| field.parsed("a product's id"))
}

/// Create a product on a seller's account
///
/// With the name, description and price that it has here. It is made once, and returned from then on.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_stripe_product_create",
    request_body = StripeProductCreate,
    params(SellerPath, Headers),
    responses(
        (status = 201, description = "The product at Stripe", body = StripeProduct),
        Unauthorized, Missing, Keyed, Conflicts, Failures, Asks
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers/{id}/stripe_products")]
async fn create(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<SellerPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let id = path.id()?;
    let product_id = request.read(read_create)?;
    let payments = api.payments().clone();
    let work = async move |_: Work| {
        let made = payments.create_stripe_product(id, product_id.clone()).await.map_err(problem)?;
        let product = StripeProduct {
            id: made.id,
            object: "stripe_product",
            product_id: product_id.into(),
            account_id: made.account_id,
        };
        Ok(Done::new(reply(StatusCode::CREATED, &product, None)))
    };
    request.run(&api, Scope::Key(key), work).await
}
