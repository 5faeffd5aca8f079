//! Sellers of a marketplace: read, change, refresh, disconnect. `seller_onboarding` creates and connects them.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use quittance_domain::id::SellerId;
use quittance_domain::money::MAX_MINOR;
use quittance_domain::seller as domain;
use quittance_domain::seller::{FeeTerms, InvalidFee, MAX_BASIS_POINTS, SupportedSellers};
use quittance_persistence::{ChangeSellerOutcome, Cursor, Reply, SellerChange, SellerFilter};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::fields::{
    FieldValue, Fields, NoFields, Optional, Update, UpdateOrClear, fields, query_parameters, request_body,
};
use crate::http::idempotency::{KeyClaim, Scope, WorkReply, reply};
use crate::http::json_reader::{Field, ParseResult, read_query};
use crate::http::pagination::{PageQuery, list};
use crate::http::path::{SellerPath, is_stripe_id};
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, BodyErrors, DisconnectErrors, IdempotentErrors, NotFoundErrors, QueryErrors, ServerErrors,
    StatusErrors, StripeErrors,
};
use crate::http::values::{Boolean, Integer, Text, check_length, string_schema};
use crate::problem::Problem;
use crate::problem::code::Code;
use crate::resources::enums::{ChargeType, SellerBlocker, SellerNextAction, SellerOrigin};
use crate::resources::metadata::Metadata;
use crate::state::Api;
use crate::time::{Timestamp, now};

/// The platform's own seller ID.
pub(crate) type Reference = Text<200>;

/// Registers the routes of sellers.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list).service(get).service(update).service(refresh).service(remove);
}

/// A seller: a connected Stripe account through which the platform sells.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "they are Stripe's flags, each by its name")]
pub(crate) struct Seller {
    #[schema(example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `seller`.
    #[schema(example = "seller")]
    object: &'static str,
    /// The account's Stripe ID. Null until Stripe has created it.
    #[schema(required, example = "acct_1SWcLdKnR7uC1oLi")]
    account_id: Option<String>,
    origin: SellerOrigin,
    /// Whether the account is connected to the platform.
    connected: bool,
    /// Whether the owner has submitted the details that Stripe's onboarding requires.
    details_submitted: bool,
    /// Whether the account can accept charges.
    charges_enabled: bool,
    /// Whether payouts to the account's bank are enabled.
    payouts_enabled: bool,
    /// Whether the seller can accept payments. If so, `blockers` is empty.
    ready: bool,
    /// The reasons why the seller can't accept payments.
    blockers: Vec<SellerBlocker>,
    /// The name for customers: the account's name in Stripe's Dashboard, or else the name in its business profile.
    #[schema(required, example = "Ada's Pens")]
    display_name: Option<String>,
    /// ISO 3166-1 alpha-2, upper case.
    #[schema(required, example = "DE")]
    country: Option<String>,
    /// The account's default currency: ISO 4217, lower case.
    #[schema(required, example = "eur")]
    currency: Option<String>,
    requirements: SellerRequirements,
    /// Whether the seller can be disconnected without `force`. A seller that can accept payments needs `force`.
    #[schema(example = false)]
    can_unlink: bool,
    next_action: SellerNextAction,
    charge_type: ChargeType,
    /// The platform's fee on each order, in hundredths of a percent.
    #[schema(minimum = 0, maximum = 10_000, example = 250)]
    fee_basis_points: u16,
    /// A fixed amount that is added to the fee, in the minor unit of the order's currency.
    #[schema(minimum = 0, example = 30)]
    fee_fixed: i64,
    /// The minimum fee on an order, in the minor unit of its currency.
    #[schema(minimum = 0, example = 100)]
    fee_minimum: i64,
    /// Your own seller ID.
    #[schema(required, example = "merchant-7")]
    reference: Option<String>,
    metadata: Metadata,
    /// The time at which the account was last read from Stripe.
    #[schema(required, value_type = Option<String>, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    checked_at: Option<Timestamp>,
    /// The seller's version. It grows with every visible change.
    #[schema(example = 1)]
    version: i64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

/// Stripe's requirements for a seller, by the names of Stripe's fields.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SellerRequirements {
    /// Requirements due by `current_deadline`. After that, Stripe restricts the account.
    #[schema(example = json!([]))]
    currently_due: Vec<String>,
    /// Requirements that become due when the account has processed more payments.
    eventually_due: Vec<String>,
    /// Requirements past their deadline. Stripe has restricted the account.
    past_due: Vec<String>,
    /// Requirements that Stripe is verifying.
    pending_verification: Vec<String>,
    /// Stripe's reason for the restriction of the account.
    #[schema(required)]
    disabled_reason: Option<String>,
    /// The deadline for `currently_due`.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    current_deadline: Option<Timestamp>,
}

list! {
    /// A page of sellers, newest first.
    SellerList of Seller
}

request_body! {
    /// Changes to a seller. Omitted fields stay as they are. Existing orders keep their terms.
    #[example({"fee_basis_points": 300})]
    SellerUpdate {
        charge_type: Update<ChargeType>;
        /// Your own seller ID. `null` removes it.
        reference: UpdateOrClear<Reference>, example = "merchant-7";
        /// The new metadata. It replaces the old metadata completely.
        metadata: Update<Metadata>;
        ..fee: FeeFields;
    }
}

fields! {
    /// The terms of the platform's fee. Omitted fields keep their values.
    FeeFields {
        /// The platform's fee on each order, in hundredths of a percent.
        basis_points as "fee_basis_points": Update<Integer<u16, 0, { MAX_BASIS_POINTS as i64 }>>, example = 300;
        /// A fixed amount that is added to the fee, in the minor unit of the order's currency.
        fixed as "fee_fixed": Update<Integer<i64, 0, MAX_MINOR>>, example = 30;
        /// The minimum fee on an order, in the minor unit of its currency.
        minimum as "fee_minimum": Update<Integer<i64, 0, MAX_MINOR>>, example = 100;
    }
}

query_parameters! {
    /// The parameters of the list of sellers.
    SellerQuery {
        /// Returns only the seller with this reference, which is your own seller ID.
        reference: Optional<Reference>;
        /// Returns only the seller with this Stripe account.
        account_id: Optional<AccountId>;
        /// Returns only sellers that can accept payments, or only those that can't.
        ready: Optional<Boolean>;
        ..page: PageQuery<SellerId>;
    }
}

query_parameters! {
    /// The parameters of disconnecting a seller.
    DisconnectQuery {
        /// Disconnects the seller even if it can accept payments or has open payments.
        force: Boolean = false;
    }
}

/// The maximum length of an account ID.
const ACCOUNT_ID_CHARS_MAX: usize = 255;

/// A Stripe account ID.
pub(crate) struct AccountId;

impl FieldValue for AccountId {
    type Output = String;

    fn read(field: Field<'_>) -> ParseResult<String> {
        field.string(|text| {
            let text = check_length(text, ACCOUNT_ID_CHARS_MAX)?;
            if is_stripe_id(text, "acct_") {
                return Ok(text.to_owned());
            }
            Err(("invalid", "must be an account ID (`acct_…`)".to_owned()))
        })
    }

    fn schema() -> RefOr<Schema> {
        string_schema().pattern(Some("^acct_[A-Za-z0-9_]*$")).max_length(Some(ACCOUNT_ID_CHARS_MAX)).into()
    }
}

impl Seller {
    /// Renders a seller. Its readiness depends on the sellers that the platform supports.
    pub(crate) fn from_seller(seller: &domain::Seller, supported: &SupportedSellers) -> Self {
        let readiness = seller.readiness(supported);
        let state = seller.snapshot.state.as_ref();
        let is = |flag: fn(&domain::AccountState) -> bool| state.is_some_and(flag);
        Self {
            id: seller.id.to_string(),
            object: "seller",
            account_id: seller.account_id.clone(),
            origin: seller.origin.into(),
            connected: seller.is_connected(),
            details_submitted: is(|state| state.details_submitted),
            charges_enabled: is(|state| state.charges_enabled),
            payouts_enabled: is(|state| state.payouts_enabled),
            ready: readiness.ready,
            blockers: readiness.blockers.into_iter().map(SellerBlocker::from).collect(),
            display_name: state.and_then(|state| state.display_name.clone()),
            country: state.and_then(|state| state.country.clone()),
            currency: state.and_then(|state| state.currency.clone()),
            requirements: state.map(|state| state.requirements.clone()).unwrap_or_default().into(),
            can_unlink: readiness.can_unlink,
            next_action: readiness.next_action.into(),
            charge_type: seller.charge_type.into(),
            fee_basis_points: seller.fee.basis_points(),
            fee_fixed: seller.fee.fixed(),
            fee_minimum: seller.fee.minimum(),
            reference: seller.reference.clone(),
            metadata: seller.metadata.clone().into(),
            checked_at: seller.checked_at.map(Timestamp::from),
            version: seller.version,
            created_at: seller.created_at.into(),
            updated_at: seller.updated_at.into(),
        }
    }
}

impl From<domain::Requirements> for SellerRequirements {
    fn from(requirements: domain::Requirements) -> Self {
        Self {
            currently_due: requirements.currently_due,
            eventually_due: requirements.eventually_due,
            past_due: requirements.past_due,
            pending_verification: requirements.pending_verification,
            disabled_reason: requirements.disabled_reason,
            current_deadline: requirements.current_deadline.map(Timestamp::from),
        }
    }
}

impl FeeFields {
    /// Returns the complete terms. Omitted fields have their values in `default`.
    pub(crate) fn or(self, default: FeeTerms) -> Result<FeeTerms, InvalidFee> {
        FeeTerms::new(
            self.basis_points.unwrap_or(default.basis_points()),
            self.fixed.unwrap_or(default.fixed()),
            self.minimum.unwrap_or(default.minimum()),
        )
    }
}

impl SellerUpdate {
    fn into_change(self, id: SellerId) -> SellerChange {
        SellerChange {
            id,
            charge_type: self.charge_type,
            fee_basis_points: self.fee.basis_points,
            fee_fixed: self.fee.fixed,
            fee_minimum: self.fee.minimum,
            reference: self.reference,
            metadata: self.metadata,
            now: now(),
        }
    }
}

impl SellerQuery {
    fn into_parts(self) -> (SellerFilter, Cursor<SellerId>) {
        let SellerQuery { reference, account_id, ready, page } = self;
        (SellerFilter { reference, account_id, ready }, page)
    }
}

/// Returns a function that renders replies with a seller.
pub(crate) fn reply_renderer(
    api: &Api,
    status: StatusCode,
) -> impl Fn(&domain::Seller) -> Reply + Clone + Send + Sync + use<> {
    let supported = api.config().sellers_supported.clone();
    move |seller| reply(status, &Seller::from_seller(seller, &supported), None)
}

fn render_json(api: &Api, seller: &domain::Seller) -> Json<Seller> {
    Json(Seller::from_seller(seller, &api.config().sellers_supported))
}

/// Returns the problem for an error of a seller's use case.
pub(crate) fn problem(error: quittance_payments::Error) -> Problem {
    Problem::for_shop(error, Code::StripeRefused)
}

/// List sellers
///
/// Returns the sellers, newest first.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_list",
    params(SellerQuery),
    responses((status = 200, description = "A page of sellers", body = SellerList), AuthErrors, QueryErrors, ServerErrors),
    security(("secret_key" = []))
)]
#[get("/v1/sellers")]
async fn list(api: ThinData<Api>, caller: Caller, request: HttpRequest) -> Result<Json<SellerList>, Problem> {
    caller.key()?;
    let (filter, cursor) = read_query(request.query_string(), SellerQuery::read)?.into_parts();
    let page = api.store().sellers(filter, cursor).await?;
    let supported = &api.config().sellers_supported;
    Ok(Json(SellerList::from_page(page, |seller| Seller::from_seller(&seller, supported))))
}

/// Get a seller
///
/// Returns the stored state. Stripe's events update it, and Quittance reads the account at least every four weeks.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_get",
    params(SellerPath),
    responses((status = 200, description = "The seller", body = Seller), AuthErrors, NotFoundErrors, ServerErrors),
    security(("secret_key" = []))
)]
#[get("/v1/sellers/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<SellerPath>) -> Result<Json<Seller>, Problem> {
    caller.key()?;
    let seller = api.store().seller(path.id()?).await?.ok_or_else(Problem::not_found)?;
    Ok(render_json(&api, &seller))
}

/// Update a seller
///
/// Changes the seller's terms, reference and metadata. Existing orders keep their terms until their items change.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_update",
    request_body = SellerUpdate,
    params(SellerPath),
    responses(
        (status = 200, description = "The updated seller", body = Seller),
        AuthErrors, NotFoundErrors, BodyErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[patch("/v1/sellers/{id}")]
async fn update(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<SellerPath>,
    request: Request,
) -> Result<Json<Seller>, Problem> {
    caller.key()?;
    let id = path.id()?;
    let change = request.read::<SellerUpdate>(&api.body_rules(Audience::Shop))?.into_change(id);
    match api.store().change_seller(change).await? {
        ChangeSellerOutcome::Done(seller) => Ok(render_json(&api, &seller)),
        ChangeSellerOutcome::NotFound => Err(Problem::not_found()),
        ChangeSellerOutcome::Fee(error) => Err(Problem::from_fee(error)),
    }
}

/// Refresh a seller
///
/// Reads the account from Stripe now. Use it on the page to which a seller returns from Stripe. Otherwise, Quittance
/// keeps sellers up to date automatically.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_refresh",
    params(SellerPath, Headers),
    responses(
        (status = 200, description = "The current seller", body = Seller),
        AuthErrors, NotFoundErrors, IdempotentErrors, StatusErrors, ServerErrors, StripeErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/sellers/{id}/refresh")]
async fn refresh(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<SellerPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let id = path.id()?;
    request.read::<NoFields>(&api.body_rules(Audience::Shop))?;
    let (payments, render) = (api.payments().clone(), reply_renderer(&api, StatusCode::OK));
    let work = async move |_: KeyClaim| {
        let seller = payments.refresh_seller(id).await.map_err(problem)?;
        Ok(WorkReply::new(render(&seller)))
    };
    api.run(request, Scope::Key(key), work).await
}

/// Disconnect a seller
///
/// Cancels the seller's open orders, and then disconnects an account that was connected by OAuth. Without `force`, this
/// works only if `can_unlink` is true and no payment is open. A repeated request returns the seller.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_unlink",
    params(SellerPath, DisconnectQuery),
    responses(
        (status = 200, description = "The current seller", body = Seller),
        AuthErrors, NotFoundErrors, QueryErrors, DisconnectErrors, ServerErrors, StripeErrors
    ),
    security(("secret_key" = []))
)]
#[delete("/v1/sellers/{id}")]
async fn remove(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<SellerPath>,
    request: HttpRequest,
) -> Result<Json<Seller>, Problem> {
    caller.key()?;
    let id = path.id()?;
    let force = read_query(request.query_string(), DisconnectQuery::read)?.force;
    let seller = api.payments().unlink_seller(id, force).await.map_err(problem)?;
    Ok(render_json(&api, &seller))
}
