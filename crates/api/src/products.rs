//! The catalogue.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, patch, post};
use quittance_domain::catalog::Product as DomainProduct;
use quittance_domain::id::ProductId;
use quittance_domain::money::{MAX_MINOR, Money};
use quittance_persistence::{ChangeProductOutcome, ProductChange, ProductVisibility, Reply};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::Api;
use crate::auth::Caller;
use crate::body::{self, Field, Object, Read, Said, read_query};
use crate::idempotency::{Done, Scope, Work, reply};
use crate::metadata::Metadata;
use crate::pagination::{PageParams, cursor, list};
use crate::path::ProductPath;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Body, Failures, Keyed, Missing, Query, Unauthorized};
use crate::time::{Timestamp, now};

/// The longest name of a product.
const MAX_NAME_CHARS: usize = 250;

/// The longest description of a product.
const MAX_DESCRIPTION_CHARS: usize = 5000;

/// The largest number of pieces that is counted.
const MAX_STOCK: i64 = 1_000_000_000;

/// What a currency must be.
const A_CURRENCY: &str = "the lower-case code of a currency that Stripe can charge in";

/// What a seller must be.
const A_SELLER: &str = "a seller's id";

/// Every route of the catalogue.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list).service(create).service(get).service(update);
}

/// A thing for sale.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Product {
    #[schema(example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `product`.
    #[schema(example = "product")]
    object: &'static str,
    /// What customers call it.
    #[schema(example = "Fountain pen")]
    name: String,
    /// What else there is to say of it.
    #[schema(required, example = "Steel nib, medium")]
    description: Option<String>,
    /// The price of one, in Stripe's minor unit of the currency: `2499` is 24.99 EUR, or 2499 JPY.
    #[schema(minimum = 0, maximum = 999_999_999_999_i64, example = 2499)]
    unit_amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// Whether it can be ordered now.
    active: bool,
    /// How many can still be sold: those that open orders hold are taken off already. Null where they are not
    /// counted.
    #[schema(required, minimum = 0, example = 12)]
    stock: Option<u32>,
    /// Who sells it; null is the platform itself.
    #[schema(required, example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    seller_id: Option<String>,
    metadata: Metadata,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

list! {
    /// A part of the catalogue, newest first.
    ProductList of Product
}

/// A product to be added to the catalogue.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "name": "Fountain pen", "description": "Steel nib, medium", "unit_amount": 2499, "currency": "eur"
}))]
#[expect(dead_code, reason = "describes the body; `read_new` reads it")]
pub(crate) struct ProductCreate {
    /// What customers call it.
    #[schema(min_length = 1, max_length = 250, example = "Fountain pen")]
    name: String,
    /// What else there is to say of it.
    #[schema(max_length = 5000, example = "Steel nib, medium")]
    description: Option<String>,
    /// The price of one, in Stripe's minor unit of the currency.
    #[schema(minimum = 0, maximum = 999_999_999_999_i64, example = 2499)]
    unit_amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: String,
    /// Whether it can be ordered now.
    #[schema(default = true, nullable = false)]
    active: Option<bool>,
    /// How many can be sold. Left out or `null`, they are not counted.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 12)]
    stock: Option<u32>,
    /// Who sells it. Left out or `null`, the platform itself.
    #[schema(example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    seller_id: Option<String>,
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
}

/// What changes about a product. What is left out stays as it is.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"unit_amount": 1999}))]
#[expect(dead_code, reason = "describes the body; `read_change` reads it")]
pub(crate) struct ProductUpdate {
    /// What customers call it.
    #[schema(min_length = 1, max_length = 250, nullable = false, example = "Fountain pen")]
    name: Option<String>,
    /// What else there is to say of it; `null` takes it away.
    #[schema(max_length = 5000)]
    description: Option<String>,
    /// The price of one, in Stripe's minor unit of the currency.
    #[schema(minimum = 0, maximum = 999_999_999_999_i64, nullable = false, example = 1999)]
    unit_amount: Option<i64>,
    /// ISO 4217, lower case.
    #[schema(nullable = false, example = "eur")]
    currency: Option<String>,
    /// Whether it can be ordered now.
    #[schema(nullable = false)]
    active: Option<bool>,
    /// How many can be sold from now on, those that open orders hold not counted; `null` counts them no more.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 12)]
    stock: Option<u32>,
    /// Who sells it from now on; `null` is the platform itself.
    #[schema(example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    seller_id: Option<String>,
    /// The whole of the shop's own words.
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
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

fn read_new(product: &mut Object<'_>) -> Read<DomainProduct> {
    let name = product.required("name", |field| field.text(MAX_NAME_CHARS));
    let description = product.optional("description", |field| field.text(MAX_DESCRIPTION_CHARS));
    let unit_amount = product.required("unit_amount", |field| field.integer(0..=MAX_MINOR));
    let currency = product.required("currency", |field| field.parsed(A_CURRENCY));
    let active = product.optional("active", body::boolean);
    let stock = product.optional("stock", read_stock);
    let seller_id = product.optional("seller_id", |field| field.parsed(A_SELLER));
    let metadata = product.optional("metadata", body::metadata);
    let unit_price = match Money::new(unit_amount?, currency?) {
        Ok(price) => Ok(price),
        Err(error) => product.refuse("unit_amount", "invalid", error),
    };
    let created_at = now();
    Ok(DomainProduct {
        id: ProductId::from_uuid(Uuid::now_v7()),
        name: name?,
        description: description?,
        unit_price: unit_price?,
        active: active?.unwrap_or(true),
        stock: stock?,
        seller_id: seller_id?,
        metadata: metadata?.unwrap_or_default(),
        created_at,
        updated_at: created_at,
    })
}

fn read_change(product: &mut Object<'_>) -> Read<ProductChange> {
    let name = product.replacement("name", |field| field.text(MAX_NAME_CHARS));
    let description = product.change("description", |field| field.text(MAX_DESCRIPTION_CHARS));
    let unit_amount = product.replacement("unit_amount", |field| field.integer(0..=MAX_MINOR));
    let currency = product.replacement("currency", |field| field.parsed(A_CURRENCY));
    let active = product.replacement("active", body::boolean);
    let stock = product.change("stock", read_stock);
    let seller_id = product.change("seller_id", |field| field.parsed(A_SELLER));
    let metadata = product.replacement("metadata", body::metadata);
    Ok(ProductChange {
        name: name?,
        description: description?,
        unit_amount: unit_amount?,
        currency: currency?,
        active: active?,
        stock: stock?,
        seller_id: seller_id?,
        metadata: metadata?,
    })
}

/// How many can be sold.
fn read_stock(field: Field<'_>) -> Read<u32> {
    let number = field.integer(0..=MAX_STOCK)?;
    u32::try_from(number).map_err(|_| Said)
}

/// What a caller sees of the catalogue.
fn shelf(caller: &Caller) -> ProductVisibility {
    match caller {
        Caller::Key(_) => ProductVisibility::All,
        Caller::Anonymous | Caller::Token(_) => ProductVisibility::Active,
    }
}

fn created(product: &DomainProduct) -> Reply {
    reply(StatusCode::CREATED, &Product::from(product.clone()), None)
}

/// List products
///
/// The catalogue, newest first: what can be ordered now; with a secret key, everything.
#[utoipa::path(
    tag = "Products",
    operation_id = "product_list",
    params(PageParams),
    responses((status = 200, description = "A part of the catalogue", body = ProductList), Unauthorized, Query, Failures),
    security((), ("secret_key" = []))
)]
#[get("/v1/products")]
async fn list(
    api: ThinData<Api>,
    caller: Caller,
    request: HttpRequest,
) -> Result<Json<ProductList>, Problem> {
    let cursor = read_query(request.query_string(), cursor)?;
    let page = api.store().products(shelf(&caller), cursor).await?;
    Ok(Json(ProductList::of(page, Product::from)))
}

/// Get a product
///
/// One that can be ordered now; with a secret key, any.
#[utoipa::path(
    tag = "Products",
    operation_id = "product_get",
    params(ProductPath),
    responses((status = 200, description = "The product", body = Product), Unauthorized, Missing, Failures),
    security((), ("secret_key" = []))
)]
#[get("/v1/products/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<ProductPath>) -> Result<Json<Product>, Problem> {
    let id = path.id()?;
    let found = api.store().product(id).await?;
    let seen = found.filter(|product| product.active || shelf(&caller) == ProductVisibility::All);
    Ok(Json(seen.ok_or_else(Problem::not_found)?.into()))
}

/// Create a product
#[utoipa::path(
    tag = "Products",
    operation_id = "product_create",
    request_body = ProductCreate,
    params(Headers),
    responses((status = 201, description = "The product", body = Product), Unauthorized, Keyed, Failures),
    security(("secret_key" = []))
)]
#[post("/v1/products")]
async fn create(api: ThinData<Api>, caller: Caller, request: Request) -> Result<HttpResponse, Problem> {
    let key = caller.key()?;
    let product = request.read(read_new)?;
    let store = api.store().clone();
    let work = async move |work: Work| {
        let product = store.insert_product(product, work.completion(created)).await?;
        Ok(Done::stored(created(&product)))
    };
    request.run(&api, Scope::Key(key), work).await
}

/// Update a product
///
/// Orders keep the name and price that they were placed with.
#[utoipa::path(
    tag = "Products",
    operation_id = "product_update",
    request_body = ProductUpdate,
    params(ProductPath),
    responses(
        (status = 200, description = "The product as it is now", body = Product),
        Unauthorized, Missing, Body, Failures
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
    let change = request.read(read_change)?;
    match api.store().change_product(id, change, now()).await? {
        ChangeProductOutcome::Done(product) => Ok(Json(product.into())),
        ChangeProductOutcome::NotFound => Err(Problem::not_found()),
        ChangeProductOutcome::UnknownSeller => Err(Problem::unknown_seller()),
        ChangeProductOutcome::Price(error) => Err(Problem::of_amount("/unit_amount", error)),
    }
}
