//! Products of the catalog on their seller's Stripe account.

use actix_web::http::StatusCode;
use actix_web::web::{Path, ThinData};
use actix_web::{HttpResponse, post};
use quittance_domain::id::ProductId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::fields::request_body;
use crate::http::idempotency::{KeyClaim, Scope, WorkReply, reply};
use crate::http::path::SellerPath;
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, IdempotentErrors, NotFoundErrors, ServerErrors, StatusErrors, StripeErrors,
};
use crate::http::values::Id;
use crate::problem::Problem;
use crate::resources::sellers::problem;
use crate::state::Api;

/// Registers the route of products at Stripe.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create);
}

request_body! {
    /// The product to create at Stripe.
    #[example({"product_id": "prd_01kb3m9q4e8v2tz6h0rxw5ncy7"})]
    StripeProductCreate {
        /// A product of this seller.
        product_id: Id<ProductId>, example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7";
    }
}

/// A product on its seller's Stripe account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StripeProduct {
    /// The product's Stripe ID.
    #[schema(example = "prod_TKc4xJm2pWq8Zr")]
    id: String,
    /// `stripe_product`.
    #[schema(example = "stripe_product")]
    object: &'static str,
    /// The product in the catalog.
    #[schema(example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    product_id: String,
    /// The seller's Stripe account.
    #[schema(example = "acct_1SWcLdKnR7uC1oLi")]
    account_id: String,
}

/// Create a product on a seller's account
///
/// Creates the product with its name, description and price. Quittance creates it once; later requests return it.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_stripe_product_create",
    request_body = StripeProductCreate,
    params(SellerPath, Headers),
    responses(
        (status = 201, description = "The product at Stripe", body = StripeProduct),
        AuthErrors, NotFoundErrors, IdempotentErrors, StatusErrors, ServerErrors, StripeErrors
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
    let product_id = request.read::<StripeProductCreate>(&api.body_rules(Audience::Shop))?.product_id;
    let payments = api.payments().clone();
    let work = async move |_: KeyClaim| {
        let created = payments.create_stripe_product(id, product_id.clone()).await.map_err(problem)?;
        let product = StripeProduct {
            id: created.id,
            object: "stripe_product",
            product_id: product_id.into(),
            account_id: created.account_id,
        };
        Ok(WorkReply::new(reply(StatusCode::CREATED, &product, None)))
    };
    api.run(request, Scope::Key(key), work).await
}
