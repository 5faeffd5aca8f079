//! Products: the catalog.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, patch, post};
use quittance_domain::catalog::Product as DomainProduct;
use quittance_domain::id::{ProductId, SellerId};
use quittance_domain::money::{Currency, MAX_MINOR, Money};
use quittance_persistence::{ChangeProductOutcome, ProductChange, ProductVisibility, Reply};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::fields::{
    Description, FieldValue, Fields, Optional, Update, UpdateOrClear, fields, request_body,
};
use crate::http::idempotency::{KeyClaim, Scope, WorkReply, reply};
use crate::http::json_reader::{Field, Object, ParseResult, read_query};
use crate::http::pagination::{PageQuery, list};
use crate::http::path::ProductPath;
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, BodyErrors, IdempotentErrors, NotFoundErrors, QueryErrors, ServerErrors,
};
use crate::http::values::{Boolean, Id, Integer, Text, string_schema};
use crate::problem::Problem;
use crate::resources::metadata::Metadata;
use crate::state::Api;
use crate::time::{Timestamp, now};

/// The path of the catalog.
const COLLECTION: &str = "/v1/products";

/// The price of one piece, in Stripe's minor unit.
type UnitAmount = Integer<i64, 0, MAX_MINOR>;

/// The number of pieces that can be sold.
type Stock = Integer<u32, 0, 1_000_000_000>;

/// Registers the routes of products.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list).service(create).service(get).service(update);
}

/// A product of the catalog.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Product {
    #[schema(example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `product`.
    #[schema(example = "product")]
    object: &'static str,
    /// The name that customers see.
    #[schema(example = "Fountain pen")]
    name: String,
    /// A longer description.
    #[schema(required, example = "Steel nib, medium")]
    description: Option<String>,
    /// The price of one piece, in Stripe's minor unit of the currency. `2499` is 24.99 EUR, but 2499 JPY.
    #[schema(minimum = 0, maximum = 999_999_999_999_i64, example = 2499)]
    unit_amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// Whether customers can order the product.
    active: bool,
    /// The number of pieces that can still be sold, less those that open orders reserve. Null means that stock isn't
    /// tracked.
    #[schema(required, minimum = 0, example = 12)]
    stock: Option<u32>,
    /// The seller. Null means the platform itself.
    #[schema(required)]
    seller_id: Option<String>,
    metadata: Metadata,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

list! {
    /// A page of products, newest first.
    ProductList of Product
}

request_body! {
    /// A product to add to the catalog.
    #[example({
        "name": "Fountain pen", "description": "Steel nib, medium", "unit_amount": 2499, "currency": "eur"
    })]
    ProductCreate {
        /// The name that customers see.
        name: Text<250>, example = "Fountain pen";
        /// A longer description.
        description: Optional<Text<5000>>, example = "Steel nib, medium";
        /// Whether customers can order the product.
        active: Boolean = true;
        /// The number of pieces that can be sold. By default, or with `null`, stock isn't tracked.
        stock: Optional<Stock>, example = 12;
        /// The seller. By default, or with `null`, it is the platform itself.
        seller_id: Optional<Id<SellerId>>, example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7";
        metadata: Optional<Metadata>;
        ..unit_price: Price;
    }
}

fields! {
    /// The fields of a price.
    PriceFields {
        /// The price of one piece, in Stripe's minor unit of the currency.
        unit_amount: UnitAmount, example = 2499;
        /// ISO 4217, lower case.
        currency: CurrencyCode, example = "eur";
    }
}

request_body! {
    /// Changes to a product. Omitted fields stay as they are.
    #[example({"unit_amount": 1999})]
    ProductUpdate {
        /// The name that customers see.
        name: Update<Text<250>>, example = "Fountain pen";
        /// A longer description. `null` removes it.
        description: UpdateOrClear<Text<5000>>;
        /// The price of one piece, in Stripe's minor unit of the currency.
        unit_amount: Update<UnitAmount>, example = 1999;
        /// ISO 4217, lower case.
        currency: Update<CurrencyCode>, example = "eur";
        /// Whether customers can order the product.
        active: Update<Boolean>;
        /// The number of pieces that can be sold from now on, besides those that open orders reserve. With `null`, stock
        /// is no longer tracked.
        stock: UpdateOrClear<Stock>, example = 12;
        /// The seller from now on. `null` means the platform itself.
        seller_id: UpdateOrClear<Id<SellerId>>, example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7";
        /// The new metadata. It replaces the old metadata completely.
        metadata: Update<Metadata>;
    }
}

impl From<DomainProduct> for Product {
    fn from(product: DomainProduct) -> Self {
        Self {
            id: product.id.into(),
            object: "product",
            name: product.name,
            description: product.description,
            unit_amount: product.unit_price.minor(),
            currency: product.unit_price.currency().code(),
            active: product.active,
            stock: product.stock,
            seller_id: product.seller_id.map(String::from),
            metadata: product.metadata.into(),
            created_at: product.created_at.into(),
            updated_at: product.updated_at.into(),
        }
    }
}

impl From<ProductCreate> for DomainProduct {
    fn from(product: ProductCreate) -> Self {
        let created_at = now();
        Self {
            id: ProductId::from_uuid(Uuid::now_v7()),
            name: product.name,
            description: product.description,
            unit_price: product.unit_price,
            active: product.active,
            stock: product.stock,
            seller_id: product.seller_id,
            metadata: product.metadata.unwrap_or_default(),
            created_at,
            updated_at: created_at,
        }
    }
}

impl From<ProductUpdate> for ProductChange {
    fn from(product: ProductUpdate) -> Self {
        Self {
            name: product.name,
            description: product.description,
            unit_amount: product.unit_amount,
            currency: product.currency,
            active: product.active,
            stock: product.stock,
            seller_id: product.seller_id,
            metadata: product.metadata,
        }
    }
}

/// A price, whose amount must fit its currency.
pub(crate) struct Price;

impl Fields for Price {
    type Output = Money;

    fn read(product: &mut Object<'_>) -> ParseResult<Money> {
        let PriceFields { unit_amount, currency } = PriceFields::read(product)?;
        match Money::new(unit_amount, currency) {
            Ok(price) => Ok(price),
            Err(error) => product.refuse("unit_amount", "invalid", error),
        }
    }

    fn describe(description: &mut Description) {
        PriceFields::describe(description);
    }
}

/// The code of a currency that Stripe supports.
pub(crate) struct CurrencyCode;

impl FieldValue for CurrencyCode {
    type Output = Currency;

    fn read(field: Field<'_>) -> ParseResult<Currency> {
        field.parsed("the lower-case ISO 4217 code of a currency that Stripe supports")
    }

    fn schema() -> RefOr<Schema> {
        string_schema().pattern(Some("^[a-z]{3}$")).into()
    }
}

/// Returns which products a caller may see.
fn visibility(caller: &Caller) -> ProductVisibility {
    match caller {
        Caller::Key(_) => ProductVisibility::All,
        Caller::Anonymous | Caller::Token(_) => ProductVisibility::Active,
    }
}

fn create_reply(product: &DomainProduct) -> Reply {
    reply(StatusCode::CREATED, &Product::from(product.clone()), None)
}

/// List products
///
/// Returns the active products, newest first. With a secret key, it also returns inactive products.
#[utoipa::path(
    tag = "Products",
    operation_id = "product_list",
    params(PageQuery<ProductId>),
    responses(
        (status = 200, description = "A page of products", body = ProductList),
        AuthErrors, QueryErrors, ServerErrors
    ),
    security((), ("secret_key" = []))
)]
#[get("/v1/products")]
async fn list(
    api: ThinData<Api>,
    caller: Caller,
    request: HttpRequest,
) -> Result<Json<ProductList>, Problem> {
    let cursor = read_query(request.query_string(), PageQuery::read)?;
    let page = api.store().products(visibility(&caller), cursor).await?;
    Ok(Json(ProductList::from_page(page, Product::from)))
}

/// Get a product
///
/// Returns an active product. With a secret key, it also returns inactive products.
#[utoipa::path(
    tag = "Products",
    operation_id = "product_get",
    params(ProductPath),
    responses(
        (status = 200, description = "The product", body = Product),
        AuthErrors, NotFoundErrors, ServerErrors
    ),
    security((), ("secret_key" = []))
)]
#[get("/v1/products/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<ProductPath>) -> Result<Json<Product>, Problem> {
    let id = path.id()?;
    let found = api.store().product(id).await?;
    let visible = found.filter(|product| product.active || visibility(&caller) == ProductVisibility::All);
    Ok(Json(visible.ok_or_else(Problem::not_found)?.into()))
}

/// Create a product
#[utoipa::path(
    tag = "Products",
    operation_id = "product_create",
    request_body = ProductCreate,
    params(Headers),
    responses(
        (status = 201, description = "The product", body = Product),
        AuthErrors, IdempotentErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[post("/v1/products")]
async fn create(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let product = request.read::<ProductCreate>(&api.body_rules(Audience::Shop))?.into();
    let store = api.store().clone();
    let work = async move |claim: KeyClaim| {
        let product = store.insert_product(product, claim.completion(create_reply)).await?;
        Ok(WorkReply::stored(create_reply(&product)))
    };
    api.run(request.creates_in(COLLECTION), Scope::Key(key), work).await
}

/// Update a product
///
/// Existing orders keep their names and prices.
#[utoipa::path(
    tag = "Products",
    operation_id = "product_update",
    request_body = ProductUpdate,
    params(ProductPath),
    responses(
        (status = 200, description = "The updated product", body = Product),
        AuthErrors, NotFoundErrors, BodyErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[patch("/v1/products/{id}")]
async fn update(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<ProductPath>,
    request: Request,
) -> Result<Json<Product>, Problem> {
    caller.key()?;
    let id = path.id()?;
    let change = request.read::<ProductUpdate>(&api.body_rules(Audience::Shop))?.into();
    match api.store().change_product(id, change, now()).await? {
        ChangeProductOutcome::Done(product) => Ok(Json(product.into())),
        ChangeProductOutcome::NotFound => Err(Problem::not_found()),
        ChangeProductOutcome::UnknownSeller => Err(Problem::unknown_seller()),
        ChangeProductOutcome::Price(error) => Err(Problem::from_amount("/unit_amount", error)),
    }
}
