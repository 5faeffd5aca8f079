//! How sellers come: the owner of an account lets the platform in by OAuth, or the platform makes an account, which
//! its owner fills in.

use actix_web::http::StatusCode;
use actix_web::web::{Path, ThinData};
use actix_web::{HttpResponse, post};
use quittance_domain::seller::FeeTerms;
use quittance_payments::{AccountLinkRequest, OAuthCallback as DomainOAuthCallback, SellerRequest};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{FeeFields, Seller, answering, problem, read_charge_type, read_reference};
use crate::auth::Caller;
use crate::body::{self, Object, Read};
use crate::customer::{read_country, read_email};
use crate::idempotency::{Done, Scope, Work};
use crate::metadata::Metadata;
use crate::path::SellerPath;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Asks, ComesBack, Conflicts, Failures, Keyed, Missing, OneTime, Unauthorized};
use crate::return_url::read_return_url;
use crate::time::Timestamp;
use crate::words::{BusinessType, ChargeType, Collect, SellerType};
use crate::{Api, ReturnOrigins};

/// The longest text that says who began.
const MAX_BINDING_CHARS: usize = 500;

/// The longest code or state.
const MAX_CODE_CHARS: usize = 1000;

/// The routes by which sellers come.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(authorize).service(callback).service(create).service(account_link);
}

/// Who is to be sent to Stripe, to let the platform in.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"binding": "user-7", "redirect_uri": "https://shop.example/sellers/connected"}))]
#[expect(dead_code, reason = "describes the body; `read_authorize` reads it")]
pub(crate) struct OAuthAuthorize {
    /// Who begins, in the platform's own words: the id of a user or a session. Only together with it counts what they
    /// come back with. It is kept as a hash.
    #[schema(min_length = 1, max_length = 500, example = "user-7")]
    binding: String,
    /// Where Stripe sends them back to: one of those that are registered at Stripe, and of an origin that the
    /// platform allows. The first that is registered, if nothing is said.
    #[schema(max_length = 2048, nullable = false, example = "https://shop.example/sellers/connected")]
    redirect_uri: Option<String>,
}

/// Where the owner of an account lets the platform in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OAuthAuthorization<'a> {
    /// `oauth_authorization`.
    #[schema(value_type = String, example = "oauth_authorization")]
    object: &'static str,
    /// Where to send them. It is for them alone: whoever else comes back from there is refused.
    #[schema(
        value_type = String,
        example = "https://connect.stripe.com/oauth/authorize?response_type=code&client_id=ca_…&scope=read_write&state=…"
    )]
    url: &'a str,
    /// Until when they can come back.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:10:00.000000Z")]
    expires_at: Timestamp,
}

/// What somebody came back from Stripe with.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"code": "ac_…", "state": "…", "binding": "user-7"}))]
#[expect(dead_code, reason = "describes the body; `read_callback` reads it")]
pub(crate) struct OAuthCallback {
    /// `code` of the URL that Stripe sent them back to.
    #[schema(max_length = 1000, example = "ac_…")]
    code: String,
    /// `state` of the URL that Stripe sent them back to.
    #[schema(max_length = 1000, example = "…")]
    state: String,
    /// Who came back, in the same words as when they began. Take it from their session, never from the URL.
    #[schema(min_length = 1, max_length = 500, example = "user-7")]
    binding: String,
}

/// A seller for whom an account is to be made.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"type": "express", "country": "DE", "email": "ada@example.com", "reference": "merchant-7"}))]
#[expect(dead_code, reason = "describes the body; `read_create` reads it")]
pub(crate) struct SellerCreate {
    #[schema(rename = "type")]
    kind: SellerType,
    /// ISO 3166-1 alpha-2, upper case; it can not be changed. The platform's own if nothing is said.
    #[schema(pattern = "^[A-Z]{2}$", example = "DE")]
    country: Option<String>,
    /// The owner's.
    #[schema(max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    business_type: Option<BusinessType>,
    /// The platform's own id of the seller.
    #[schema(max_length = 200, example = "merchant-7")]
    reference: Option<String>,
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
    /// `QUITTANCE_SELLER_CHARGE_TYPE` if nothing is said.
    #[schema(nullable = false)]
    charge_type: Option<ChargeType>,
    /// What part of each order the platform takes, in hundredths of a per cent; `QUITTANCE_SELLER_FEE_BASIS_POINTS` if
    /// nothing is said.
    #[schema(minimum = 0, maximum = 10_000, nullable = false, example = 250)]
    fee_basis_points: Option<u16>,
    /// What the platform takes of each order on top of that, in the minor unit of the order's currency;
    /// `QUITTANCE_SELLER_FEE_FIXED` if nothing is said.
    #[schema(minimum = 0, maximum = 999_999_999_999_i64, nullable = false)]
    fee_fixed: Option<i64>,
    /// The least that the platform takes of an order, in the minor unit of its currency; `QUITTANCE_SELLER_FEE_MINIMUM`
    /// if nothing is said.
    #[schema(minimum = 0, maximum = 999_999_999_999_i64, nullable = false)]
    fee_minimum: Option<i64>,
}

/// Where Stripe sends a seller from whom it asks something. Both are absolute URLs of origins that the platform allows.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "return_url": "https://shop.example/sellers/7", "refresh_url": "https://shop.example/sellers/7/onboard"
}))]
#[expect(dead_code, reason = "describes the body; `read_link` reads it")]
pub(crate) struct AccountLinkCreate {
    /// Where to once they are done, or leave: ask then how the seller stands.
    #[schema(max_length = 2048, example = "https://shop.example/sellers/7")]
    return_url: String,
    /// Where to when the link was used before or is too old: ask for another there.
    #[schema(max_length = 2048, example = "https://shop.example/sellers/7/onboard")]
    refresh_url: String,
    /// How much is asked for; `currently_due` if nothing is said.
    #[schema(nullable = false)]
    collect: Option<Collect>,
}

/// A page of Stripe's on which a seller tells what Stripe wants to know.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountLink<'a> {
    /// `account_link`.
    #[schema(value_type = String, example = "account_link")]
    object: &'static str,
    /// Where to send the seller, at once: it works once. Whoever has it may act as the account's owner.
    #[schema(value_type = String, example = "https://connect.stripe.com/setup/e/acct_1SWcLdKnR7uC1oLi/…")]
    url: &'a str,
    /// Until when it works.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:05:00.000000Z")]
    expires_at: Timestamp,
}

fn read_authorize(body: &mut Object<'_>, allowed: &ReturnOrigins) -> Read<(String, Option<String>)> {
    let binding = body.required("binding", |field| field.text(MAX_BINDING_CHARS));
    let redirect_uri = body.optional("redirect_uri", |field| read_return_url(field, allowed));
    Ok((binding?, redirect_uri?))
}

fn read_callback(body: &mut Object<'_>) -> Read<DomainOAuthCallback> {
    let code = body.required("code", |field| field.text(MAX_CODE_CHARS));
    // Whoever comes back without a state comes with none that is known.
    let state =
        body.required("state", |field| field.checked_text(MAX_CODE_CHARS, |_| true, "must be a text"));
    let binding = body.required("binding", |field| field.text(MAX_BINDING_CHARS));
    Ok(DomainOAuthCallback { code: code?.into(), state: state?.into(), binding: binding? })
}

fn read_create(seller: &mut Object<'_>, usual: FeeTerms) -> Read<SellerRequest> {
    let kind = seller.required("type", |field| field.word("express, standard"));
    let country = seller.optional("country", read_country);
    let email = seller.optional("email", read_email);
    let business_type = seller
        .optional("business_type", |field| field.word("individual, company, non_profit, government_entity"));
    let reference = seller.optional("reference", read_reference);
    let metadata = seller.optional("metadata", body::metadata);
    let charge_type = seller.optional("charge_type", read_charge_type);
    let fee = FeeFields::read(seller).and_then(|fields| fields.or(usual));
    Ok(SellerRequest {
        kind: kind?,
        country: country?,
        email: email?,
        business_type: business_type?,
        reference: reference?,
        metadata: metadata?.unwrap_or_default(),
        charge_type: charge_type?,
        fee: Some(fee?),
    })
}

fn read_link(body: &mut Object<'_>, allowed: &ReturnOrigins) -> Read<AccountLinkRequest> {
    let return_url = body.required("return_url", |field| read_return_url(field, allowed));
    let refresh_url = body.required("refresh_url", |field| read_return_url(field, allowed));
    let collection = body.optional("collect", |field| field.word("currently_due, eventually_due"));
    Ok(AccountLinkRequest {
        return_url: return_url?,
        refresh_url: refresh_url?,
        collection: collection?.unwrap_or_default(),
    })
}

/// An answer with a secret that works once. It is given to who asked, and kept nowhere.
fn one_time<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Created().json(body)
}

/// Begin to connect an account
///
/// For the owner of a Standard account of their own: send them to `url`, where they let the platform in or do not.
/// They come back with a `state`, which counts once, for ten minutes, and for this `binding` only. An
/// `Idempotency-Key` has no effect: the answer is kept nowhere, and to ask again does no harm.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_oauth_authorize",
    request_body = OAuthAuthorize,
    responses(
        (status = 201, description = "Where to send them", body = OAuthAuthorization),
        Unauthorized, OneTime, Failures
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers/oauth/authorize")]
async fn authorize(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    caller.key()?;
    let (binding, redirect_uri) = request.read(|body| read_authorize(body, &api.config().return_origins))?;
    let authorization = api.payments().begin_oauth(binding, redirect_uri).await.map_err(problem)?;
    Ok(one_time(&OAuthAuthorization {
        object: "oauth_authorization",
        url: authorization.url.expose_secret(),
        expires_at: authorization.expires_at.into(),
    }))
}

/// Connect an account
///
/// For whoever came back from Stripe: the `state` must have been made here for this `binding`, and counts once. The
/// account is read at once, so that the answer says whether it is ready. Nothing that would let anybody act for the
/// account is kept or answered.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_oauth_callback",
    request_body = OAuthCallback,
    params(Headers),
    responses(
        (status = 200, description = "The seller", body = Seller),
        Unauthorized, Keyed, ComesBack, Failures, Asks
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers/oauth/callback")]
async fn callback(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let came_with = request.read(read_callback)?;
    let (payments, answer) = (api.payments().clone(), answering(&api, StatusCode::OK));
    let work = async move |_: Work| {
        let seller = payments.finish_oauth(came_with).await.map_err(problem)?;
        Ok(Done::new(answer(&seller)))
    };
    request.run(&api, Scope::Key(key), work).await
}

/// Create a seller
///
/// Makes a connected account at Stripe. It can do nothing yet: send its owner to an `account_link` next. Once recorded
/// it is carried out, also if Stripe gives no answer now: then `account_id` is null for a while.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_create",
    request_body = SellerCreate,
    params(Headers),
    responses(
        (status = 201, description = "The seller", body = Seller),
        Unauthorized, Keyed, Conflicts, Failures, Asks
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers")]
async fn create(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let usual = api.payments().connect_settings().fee;
    let wanted = request.read(|seller| read_create(seller, usual))?;
    let (payments, answer) = (api.payments().clone(), answering(&api, StatusCode::CREATED));
    // The first reply is stored with the record, so that a repetition after a crash makes no second account; what
    // Stripe answers takes its place.
    let work = async move |work: Work| {
        let seller =
            payments.create_seller(wanted, work.completion(answer.clone())).await.map_err(problem)?;
        Ok(Done::new(answer(&seller)))
    };
    request.run(&api, Scope::Key(key), work).await
}

/// Create an Account Link
///
/// A page of Stripe's on which the owner of an account that the platform made tells what Stripe wants to know. An
/// `Idempotency-Key` has no effect: the answer is kept nowhere, and to ask again does no harm.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_account_link_create",
    request_body = AccountLinkCreate,
    params(SellerPath),
    responses(
        (status = 201, description = "Where to send the seller", body = AccountLink),
        Unauthorized, Missing, OneTime, Failures, Asks
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers/{id}/account_link")]
async fn account_link(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<SellerPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    caller.key()?;
    let id = path.id()?;
    let wanted = request.read(|body| read_link(body, &api.config().return_origins))?;
    let link = api.payments().account_link(id, wanted).await.map_err(problem)?;
    Ok(one_time(&AccountLink {
        object: "account_link",
        url: link.url.expose_secret(),
        expires_at: link.expires_at.into(),
    }))
}
