//! Onboarding of sellers. The owner connects an existing account by OAuth, or the platform creates an account and sends
//! the owner to Stripe's onboarding.

use actix_web::http::StatusCode;
use actix_web::web::{Path, ThinData};
use actix_web::{HttpResponse, post};
use quittance_domain::seller::FeeTerms;
use quittance_payments::{AccountLinkRequest, OAuthCallback as DomainOAuthCallback, SellerRequest};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::fields::{Optional, request_body};
use crate::http::idempotency::{KeyClaim, Scope, WorkReply};
use crate::http::path::SellerPath;
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, IdempotentErrors, NotFoundErrors, OAuthErrors, OneTimeErrors, ServerErrors, StatusErrors,
    StripeErrors,
};
use crate::http::values::{OptionalText, ReturnUrl, Text};
use crate::problem::Problem;
use crate::resources::customer::{CountryCode, Email};
use crate::resources::enums::{BusinessType, ChargeType, Collect, SellerType};
use crate::resources::metadata::Metadata;
use crate::resources::sellers::{FeeFields, Reference, Seller, problem, reply_renderer};
use crate::state::Api;
use crate::time::Timestamp;

/// Your identifier for the user or session that started the flow.
type Binding = Text<500>;

/// The longest code or state.
const CODE_CHARS_MAX: usize = 1000;

/// Registers the routes of onboarding.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(authorize).service(callback).service(create).service(account_link);
}

request_body! {
    /// The parameters of an OAuth connection.
    #[example({"binding": "user-7", "redirect_uri": "https://shop.example/sellers/connected"})]
    OAuthAuthorize {
        /// Your identifier for the user or session that started the flow. The callback must repeat it. Quittance stores
        /// only its hash.
        binding: Binding, example = "user-7";
        /// The page to which Stripe sends the owner back. It must be registered at Stripe, and its origin must be
        /// allowed. By default, it is the first registered page.
        redirect_uri: Optional<ReturnUrl>, example = "https://shop.example/sellers/connected";
    }
}

/// The page on which the owner connects an account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OAuthAuthorization<'a> {
    /// `oauth_authorization`.
    #[schema(value_type = String, example = "oauth_authorization")]
    object: &'static str,
    /// The URL to redirect the owner to. A callback with another `binding` is refused.
    #[schema(
        value_type = String,
        example = "https://connect.stripe.com/oauth/authorize?response_type=code&client_id=ca_…&scope=read_write&state=…"
    )]
    url: &'a str,
    /// The time at which the `state` expires.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:10:00.000000Z")]
    expires_at: Timestamp,
}

request_body! {
    /// The parameters of an OAuth callback.
    #[example({"code": "ac_…", "state": "…", "binding": "user-7"})]
    OAuthCallback {
        /// `code` from the callback's URL.
        code: Text<CODE_CHARS_MAX>, example = "ac_…";
        /// `state` from the callback's URL. A callback without a state is refused as unknown.
        state: OptionalText<CODE_CHARS_MAX>, example = "…";
        /// Your identifier for the user or session that started the flow. Take it from the session, never from the URL.
        binding: Binding, example = "user-7";
    }
}

request_body! {
    /// A seller to create an account for.
    #[example({"type": "express", "country": "DE", "email": "ada@example.com", "reference": "merchant-7"})]
    SellerCreate {
        kind as "type": SellerType;
        /// The country: ISO 3166-1 alpha-2, upper case. It can't be changed. By default, it is the platform's.
        country: Optional<CountryCode>, example = "DE";
        /// The owner's email address.
        email: Optional<Email>, example = "ada@example.com";
        business_type: Optional<BusinessType>;
        /// Your own seller ID.
        reference: Optional<Reference>, example = "merchant-7";
        metadata: Optional<Metadata>;
        /// The account that charges customers. By default, it is `QUITTANCE_SELLER_CHARGE_TYPE`.
        charge_type: Optional<ChargeType>;
        ..fee: FeeFields;
    }
}

request_body! {
    /// The pages to which Stripe sends a seller back. Both are absolute URLs with an origin that the platform allows.
    #[example({
        "return_url": "https://shop.example/sellers/7", "refresh_url": "https://shop.example/sellers/7/onboard"
    })]
    AccountLinkCreate {
        /// The page for sellers who finish or leave. It should read the seller's status.
        return_url: ReturnUrl, example = "https://shop.example/sellers/7";
        /// The page for links that were used before or have expired. It should create another link.
        refresh_url: ReturnUrl, example = "https://shop.example/sellers/7/onboard";
        /// The requirements to collect. By default, it is `currently_due`.
        collect: Optional<Collect>;
    }
}

/// An Account Link: Stripe's page on which a seller provides the required information.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountLink<'a> {
    /// `account_link`.
    #[schema(value_type = String, example = "account_link")]
    object: &'static str,
    /// The URL to redirect the seller to at once. It works once, and gives access to the account.
    #[schema(value_type = String, example = "https://connect.stripe.com/setup/e/acct_1SWcLdKnR7uC1oLi/…")]
    url: &'a str,
    /// The time at which the link expires.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:05:00.000000Z")]
    expires_at: Timestamp,
}

impl From<OAuthCallback> for DomainOAuthCallback {
    fn from(body: OAuthCallback) -> Self {
        Self { code: body.code.into(), state: body.state.into(), binding: body.binding }
    }
}

impl SellerCreate {
    fn into_request(self, default_fee: FeeTerms) -> Result<SellerRequest, Problem> {
        Ok(SellerRequest {
            kind: self.kind,
            country: self.country,
            email: self.email,
            business_type: self.business_type,
            reference: self.reference,
            metadata: self.metadata.unwrap_or_default(),
            charge_type: self.charge_type,
            fee: Some(self.fee.or(default_fee).map_err(Problem::from_fee)?),
        })
    }
}

impl From<AccountLinkCreate> for AccountLinkRequest {
    fn from(body: AccountLinkCreate) -> Self {
        Self {
            return_url: body.return_url,
            refresh_url: body.refresh_url,
            collection: body.collect.unwrap_or_default(),
        }
    }
}

/// Responds with a secret that works once. The response isn't stored.
fn one_time_response<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Created().json(body)
}

/// Start an OAuth connection
///
/// For the owner of an existing Standard account. Redirect the owner to `url`. The owner returns with a `state`, which is
/// valid once, for ten minutes, and for this `binding` only. An `Idempotency-Key` has no effect, because the response
/// isn't stored. You can repeat the request safely.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_oauth_authorize",
    request_body = OAuthAuthorize,
    responses(
        (status = 201, description = "The page to redirect the owner to", body = OAuthAuthorization),
        AuthErrors, OneTimeErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers/oauth/authorize")]
async fn authorize(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    caller.key()?;
    let body = request.read::<OAuthAuthorize>(&api.body_rules(Audience::Shop))?;
    let authorization = api.payments().begin_oauth(body.binding, body.redirect_uri).await.map_err(problem)?;
    Ok(one_time_response(&OAuthAuthorization {
        object: "oauth_authorization",
        url: authorization.url.expose_secret(),
        expires_at: authorization.expires_at.into(),
    }))
}

/// Complete an OAuth connection
///
/// For an owner who has returned from Stripe. The `state` must have been issued for this `binding`, and is valid once.
/// Quittance reads the account at once, so the response says whether it is ready. Quittance neither stores nor returns
/// credentials of the account.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_oauth_callback",
    request_body = OAuthCallback,
    params(Headers),
    responses(
        (status = 200, description = "The seller", body = Seller),
        AuthErrors, IdempotentErrors, OAuthErrors, ServerErrors, StripeErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers/oauth/callback")]
async fn callback(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let callback = request.read::<OAuthCallback>(&api.body_rules(Audience::Shop))?.into();
    let (payments, render) = (api.payments().clone(), reply_renderer(&api, StatusCode::OK));
    let work = async move |_: KeyClaim| {
        let seller = payments.finish_oauth(callback).await.map_err(problem)?;
        Ok(WorkReply::new(render(&seller)))
    };
    api.run(request, Scope::Key(key), work).await
}

/// Create a seller
///
/// Creates a connected account at Stripe. Send its owner to an `account_link` next. A recorded request is carried out even
/// if Stripe is unavailable now. `account_id` is null until then.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_create",
    request_body = SellerCreate,
    params(Headers),
    responses(
        (status = 201, description = "The seller", body = Seller),
        AuthErrors, IdempotentErrors, StatusErrors, ServerErrors, StripeErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers")]
async fn create(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let default_fee = api.payments().connect_settings().fee;
    let body = request.read::<SellerCreate>(&api.body_rules(Audience::Shop))?;
    let wanted = body.into_request(default_fee)?;
    let (payments, render) = (api.payments().clone(), reply_renderer(&api, StatusCode::CREATED));
    // The first reply is stored with the seller, so that a repeated request after a crash doesn't create a second account.
    // The reply after Stripe's response replaces it.
    let work = async move |claim: KeyClaim| {
        let seller =
            payments.create_seller(wanted, claim.completion(render.clone())).await.map_err(problem)?;
        Ok(WorkReply::new(render(&seller)))
    };
    api.run(request.creates_in("/v1/sellers"), Scope::Key(key), work).await
}

/// Create an Account Link
///
/// Returns Stripe's page on which the owner of a created account provides the required information. An `Idempotency-Key`
/// has no effect, because the response isn't stored. You can repeat the request safely.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_account_link_create",
    request_body = AccountLinkCreate,
    params(SellerPath),
    responses(
        (status = 201, description = "The page to redirect the seller to", body = AccountLink),
        AuthErrors, NotFoundErrors, OneTimeErrors, ServerErrors, StripeErrors
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
    let wanted = request.read::<AccountLinkCreate>(&api.body_rules(Audience::Shop))?.into();
    let link = api.payments().account_link(id, wanted).await.map_err(problem)?;
    Ok(one_time_response(&AccountLink {
        object: "account_link",
        url: link.url.expose_secret(),
        expires_at: link.expires_at.into(),
    }))
}
