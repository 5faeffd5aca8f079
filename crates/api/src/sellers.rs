//! Sellers of a marketplace: read, changed, looked at anew, and let go. How they come is in `onboarding`.

mod onboarding;
mod stripe_products;

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use quittance_domain::id::SellerId;
use quittance_domain::money::MAX_MINOR;
use quittance_domain::seller as domain;
use quittance_domain::seller::{FeeTerms, MAX_BASIS_POINTS, SupportedSellers};
use quittance_persistence::{ChangeSellerOutcome, Cursor, Reply, SellerChange, SellerFilter};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Api;
use crate::auth::Caller;
use crate::body::{self, Field, Object, Read, Said, read_query};
use crate::code::Code;
use crate::idempotency::{Done, Scope, Work, reply};
use crate::metadata::Metadata;
use crate::pagination::{PageParams, cursor, list};
use crate::path::{SellerPath, is_stripe_id};
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Asks, Body, Conflicts, Failures, Keyed, Missing, Query, Unauthorized, Unlinks};
use crate::time::{Timestamp, now};
use crate::words::{ChargeType, SellerBlocker, SellerNextAction, SellerOrigin};

/// The longest id that the platform gives a seller.
const MAX_REFERENCE_CHARS: usize = 200;

/// What a charge type must be.
const A_CHARGE_TYPE: &str = "direct, destination";

/// Every route of sellers.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .configure(onboarding::routes)
        .service(list)
        .service(get)
        .service(update)
        .service(refresh)
        .service(remove)
        .configure(stripe_products::routes);
}

/// A seller: one connected Stripe account, through which the platform sells.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "they are Stripe's flags, each by its name")]
pub(crate) struct Seller {
    #[schema(example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `seller`.
    #[schema(example = "seller")]
    object: &'static str,
    /// Stripe's id of the account; null until Stripe has made it.
    #[schema(required, example = "acct_1SWcLdKnR7uC1oLi")]
    account_id: Option<String>,
    origin: SellerOrigin,
    /// Whether the platform may use the account.
    connected: bool,
    /// Whether its owner has told Stripe all that it asked for at first.
    details_submitted: bool,
    /// Whether it can take payments.
    charges_enabled: bool,
    /// Whether Stripe pays out to its bank.
    payouts_enabled: bool,
    /// Whether it can be charged through: nothing blocks it.
    ready: bool,
    /// Why it can not be charged through.
    blockers: Vec<SellerBlocker>,
    /// What customers may know it as: the name shown in its dashboard, or else that of its business profile.
    #[schema(required, example = "Ada's Pens")]
    display_name: Option<String>,
    /// ISO 3166-1 alpha-2, upper case.
    #[schema(required, example = "DE")]
    country: Option<String>,
    /// The account's default currency: ISO 4217, lower case.
    #[schema(required, example = "eur")]
    currency: Option<String>,
    requirements: SellerRequirements,
    /// Whether it can be let go of without `force`: an account that works should not be lost by a slip.
    can_unlink: bool,
    next_action: SellerNextAction,
    charge_type: ChargeType,
    /// What part of each order the platform takes, in hundredths of a per cent.
    #[schema(minimum = 0, maximum = 10_000, example = 250)]
    fee_basis_points: u16,
    /// What the platform takes of each order on top of that, in the minor unit of the order's currency.
    #[schema(minimum = 0, example = 30)]
    fee_fixed: i64,
    /// The least that the platform takes of an order, in the minor unit of its currency.
    #[schema(minimum = 0, example = 100)]
    fee_minimum: i64,
    /// The platform's own id of it.
    #[schema(required, example = "merchant-7")]
    reference: Option<String>,
    metadata: Metadata,
    /// When Stripe was last asked about the account.
    #[schema(required, value_type = Option<String>, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    checked_at: Option<Timestamp>,
    /// Grows with every change that can be seen here.
    #[schema(example = 1)]
    version: i64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

/// What Stripe still wants to know of a seller, by the names of Stripe's fields.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SellerRequirements {
    /// Needed by `current_deadline`, or the account is restricted.
    #[schema(example = json!(["individual.verification.document"]))]
    currently_due: Vec<String>,
    /// Needed once the account has taken more money.
    eventually_due: Vec<String>,
    /// Was not given in time: the account is restricted.
    past_due: Vec<String>,
    /// Was given, and Stripe looks at it.
    pending_verification: Vec<String>,
    /// Why the account is restricted, in Stripe's words.
    #[schema(required, example = "requirements.past_due")]
    disabled_reason: Option<String>,
    /// By when `currently_due` must be given.
    #[schema(required, value_type = Option<String>, format = DateTime, example = "2026-12-22T17:00:00.000000Z")]
    current_deadline: Option<Timestamp>,
}

list! {
    /// A part of the sellers, newest first.
    SellerList of Seller
}

/// What changes about a seller. What is left out stays as it is. Orders keep the terms that they were priced with.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"fee_basis_points": 300}))]
#[expect(dead_code, reason = "describes the body; `read_change` reads it")]
pub(crate) struct SellerUpdate {
    #[schema(nullable = false)]
    charge_type: Option<ChargeType>,
    /// What part of each order the platform takes, in hundredths of a per cent.
    #[schema(minimum = 0, maximum = 10_000, nullable = false, example = 300)]
    fee_basis_points: Option<u16>,
    /// What the platform takes of each order on top of that, in the minor unit of the order's currency.
    #[schema(minimum = 0, maximum = 999_999_999_999_i64, nullable = false)]
    fee_fixed: Option<i64>,
    /// The least that the platform takes of an order, in the minor unit of its currency.
    #[schema(minimum = 0, maximum = 999_999_999_999_i64, nullable = false)]
    fee_minimum: Option<i64>,
    /// The platform's own id of it; `null` takes it away.
    #[schema(max_length = 200)]
    reference: Option<String>,
    /// The whole of the platform's own words.
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
}

/// Which sellers are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; `read_filter` reads them")]
pub(crate) struct SellerFilterParams {
    /// Only that of this id of the platform's own.
    #[param(required = false)]
    reference: String,
    /// Only that of this account.
    #[param(required = false)]
    account_id: String,
    /// Only those that can be charged through, or only those that can not.
    #[param(required = false)]
    ready: bool,
}

/// How a seller is let go.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameter; `read_force` reads it")]
pub(crate) struct UnlinkParams {
    /// Also where the account works, or payments of its orders are on their way.
    #[param(required = false, default = false)]
    force: bool,
}

impl Seller {
    /// It, on a platform that takes these sellers.
    pub(crate) fn of(seller: &domain::Seller, supported: &SupportedSellers) -> Self {
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

/// What is read of the terms of a fee. What is left out is as before.
struct FeeFields {
    basis_points: Option<u16>,
    fixed: Option<i64>,
    minimum: Option<i64>,
}

impl FeeFields {
    fn read(object: &mut Object<'_>) -> Read<Self> {
        let basis_points = object.replacement("fee_basis_points", |field| {
            let points = field.integer(0..=i64::from(MAX_BASIS_POINTS))?;
            u16::try_from(points).map_err(|_| Said)
        });
        let fixed = object.replacement("fee_fixed", |field| field.integer(0..=MAX_MINOR));
        let minimum = object.replacement("fee_minimum", |field| field.integer(0..=MAX_MINOR));
        Ok(Self { basis_points: basis_points?, fixed: fixed?, minimum: minimum? })
    }

    /// The terms, where these hold if nothing else is said.
    fn or(self, otherwise: FeeTerms) -> Read<FeeTerms> {
        let points = self.basis_points.unwrap_or(otherwise.basis_points());
        let (fixed, minimum) =
            (self.fixed.unwrap_or(otherwise.fixed()), self.minimum.unwrap_or(otherwise.minimum()));
        // Each was checked where it was read.
        FeeTerms::new(points, fixed, minimum).map_err(|_| Said)
    }
}

fn read_charge_type(field: Field<'_>) -> Read<domain::ChargeType> {
    field.word(A_CHARGE_TYPE)
}

fn read_reference(field: Field<'_>) -> Read<String> {
    field.text(MAX_REFERENCE_CHARS)
}

fn read_change(seller: &mut Object<'_>, id: SellerId) -> Read<SellerChange> {
    let charge_type = seller.replacement("charge_type", read_charge_type);
    let fee = FeeFields::read(seller);
    let reference = seller.change("reference", read_reference);
    let metadata = seller.replacement("metadata", body::metadata);
    let FeeFields { basis_points, fixed, minimum } = fee?;
    Ok(SellerChange {
        id,
        charge_type: charge_type?,
        fee_basis_points: basis_points,
        fee_fixed: fixed,
        fee_minimum: minimum,
        reference: reference?,
        metadata: metadata?,
        now: now(),
    })
}

fn read_filter(query: &mut Object<'_>) -> Read<(SellerFilter, Cursor<SellerId>)> {
    let cursor = cursor(query);
    let reference = query.optional("reference", read_reference);
    let account_id = query.optional("account_id", |field| {
        field.checked_text(255, |text| is_stripe_id(text, "acct_"), "must be an account's id, acct_…")
    });
    let ready = query.optional("ready", body::boolean_in_text);
    Ok((SellerFilter { reference: reference?, account_id: account_id?, ready: ready? }, cursor?))
}

fn read_force(query: &mut Object<'_>) -> Read<bool> {
    Ok(query.optional("force", body::boolean_in_text)?.unwrap_or(false))
}

/// Makes answers of sellers.
fn answering(
    api: &Api,
    status: StatusCode,
) -> impl Fn(&domain::Seller) -> Reply + Clone + Send + Sync + use<> {
    let supported = api.config().sellers_supported.clone();
    move |seller| reply(status, &Seller::of(seller, &supported), None)
}

fn shown(api: &Api, seller: &domain::Seller) -> Json<Seller> {
    Json(Seller::of(seller, &api.config().sellers_supported))
}

/// An error of a use case about a seller.
fn problem(error: quittance_payments::Error) -> Problem {
    Problem::for_shop(error, Code::StripeRefused)
}

/// List sellers
///
/// Newest first.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_list",
    params(PageParams, SellerFilterParams),
    responses((status = 200, description = "A part of the sellers", body = SellerList), Unauthorized, Query, Failures),
    security(("secret_key" = []))
)]
#[get("/v1/sellers")]
async fn list(api: ThinData<Api>, caller: Caller, request: HttpRequest) -> Result<Json<SellerList>, Problem> {
    caller.key()?;
    let (filter, cursor) = read_query(request.query_string(), read_filter)?;
    let page = api.store().sellers(filter, cursor).await?;
    let supported = &api.config().sellers_supported;
    Ok(Json(SellerList::of(page, |seller| Seller::of(&seller, supported))))
}

/// Get a seller
///
/// As it is known here: Stripe tells of changes, and is asked at least every four weeks.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_get",
    params(SellerPath),
    responses((status = 200, description = "The seller", body = Seller), Unauthorized, Missing, Failures),
    security(("secret_key" = []))
)]
#[get("/v1/sellers/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<SellerPath>) -> Result<Json<Seller>, Problem> {
    caller.key()?;
    let seller = api.store().seller(path.id()?).await?.ok_or_else(Problem::not_found)?;
    Ok(shown(&api, &seller))
}

/// Update a seller
///
/// The platform's own words and terms. Orders that were placed before keep theirs until their items change.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_update",
    request_body = SellerUpdate,
    params(SellerPath),
    responses(
        (status = 200, description = "The seller as it is now", body = Seller),
        Unauthorized, Missing, Body, Failures
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
    let change = request.read(|seller| read_change(seller, id))?;
    match api.store().change_seller(change).await? {
        ChangeSellerOutcome::Done(seller) => Ok(shown(&api, &seller)),
        ChangeSellerOutcome::NotFound => Err(Problem::not_found()),
        ChangeSellerOutcome::Fee(error) => Err(Problem::of_fee(error)),
    }
}

/// Ask Stripe about a seller
///
/// Reads the account now, and answers with what is known then. Not needed to stay up to date; for a page to which
/// a seller has just come back from Stripe.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_refresh",
    params(SellerPath, Headers),
    responses(
        (status = 200, description = "The seller as it is now", body = Seller),
        Unauthorized, Missing, Keyed, Conflicts, Failures, Asks
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
    request.read(|_| Ok(()))?;
    let (payments, answer) = (api.payments().clone(), answering(&api, StatusCode::OK));
    let work = async move |_: Work| {
        let seller = payments.refresh_seller(id).await.map_err(problem)?;
        Ok(Done::new(answer(&seller)))
    };
    request.run(&api, Scope::Key(key), work).await
}

/// Let a seller go
///
/// Ends the platform's use of the account: its open orders are canceled first, then, of one that came by OAuth, Stripe
/// is told. Without `force` only where `can_unlink` is true and no payment is on its way. Asked for again, it answers
/// with the seller as it is.
#[utoipa::path(
    tag = "Sellers",
    operation_id = "seller_unlink",
    params(SellerPath, UnlinkParams),
    responses(
        (status = 200, description = "The seller as it is now", body = Seller),
        Unauthorized, Missing, Query, Unlinks, Failures, Asks
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
    let force = read_query(request.query_string(), read_force)?;
    let seller = api.payments().unlink_seller(id, force).await.map_err(problem)?;
    Ok(shown(&api, &seller))
}
