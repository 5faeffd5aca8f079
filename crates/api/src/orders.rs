//! Orders: placed, read, changed, canceled.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, patch, post};
use quittance_crash_points::CrashPoint;
use quittance_domain::catalog::Metadata as DomainMetadata;
use quittance_domain::id::{OrderId, ProductId};
use quittance_domain::order as domain;
use quittance_domain::order::{MAX_LINES, Quantity};
use quittance_payments as payments;
use quittance_persistence::{
    ChangeOrderOutcome, CloseRequester, Cursor, CustomerChange, NewOrder, OrderChange, OrderFilter,
    PlaceOrderOutcome, Reply, ReplySecret,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::Api;
use crate::auth::{Audience, Caller};
use crate::body::{self, Field, Object, Read, read_query};
use crate::client_address::ClientAddress;
use crate::customer::{Customer, CustomerInput, Shipping, read_customer, read_shipping};
use crate::idempotency::{Done, Scope, Work, reply};
use crate::metadata::Metadata;
use crate::pagination::{PageParams, cursor, list};
use crate::path::OrderPath;
use crate::payment_intents::OrderPayment;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Body, Conflicts, Failures, Keyed, Missing, Query, SoldOut, Unauthorized};
use crate::time::{Given, Timestamp, now};
use crate::words::{ChargeType, OrderStatus, ReviewReason};

/// Every route of orders themselves; how they are paid is in `payment_intents`.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(place).service(list).service(get).service(update).service(cancel);
}

/// What was bought, by whom, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Order {
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `order`.
    #[schema(example = "order")]
    object: &'static str,
    status: OrderStatus,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// What it costs, in Stripe's minor unit.
    #[schema(example = 4998)]
    amount_total: i64,
    /// Who sells it; null is the platform itself.
    #[schema(required, example = "slr_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    seller_id: Option<String>,
    /// On whose account it is paid; null without a seller.
    #[schema(required)]
    charge_type: Option<ChargeType>,
    /// What of the total the platform takes, in Stripe's minor unit; null without a seller, and without a secret key.
    #[schema(required, example = 250)]
    application_fee_amount: Option<i64>,
    /// What was received and believed, in Stripe's minor unit.
    #[schema(example = 0)]
    amount_paid: i64,
    /// What of it went back by refunds that succeeded, in Stripe's minor unit. What came too much, and went back
    /// for that, is no part of either.
    #[schema(example = 0)]
    amount_refunded: i64,
    items: Vec<OrderItem>,
    customer: Customer,
    /// Where the goods go, once that is known.
    #[schema(required)]
    shipping: Option<Shipping>,
    metadata: Metadata,
    /// How its payment stands, once there was an attempt.
    #[schema(required)]
    payment: Option<OrderPayment>,
    /// Why a person must look, where the status is `review`.
    #[schema(required)]
    review_reason: Option<ReviewReason>,
    /// Grows with every change that can be seen here.
    #[schema(example = 1)]
    version: i64,
    /// When it is closed if it is not paid by then.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:35:00.000000Z")]
    expires_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

/// An order that was just placed, with the token that opens it.
// Describes the result only: the token is added to an `Order` on its way out, and never stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlacedOrder {
    #[serde(flatten)]
    order: Order,
    /// Opens this order to whoever placed it: `Authorization: Bearer`. Keep it in the customer's browser.
    #[schema(example = "oct_sE2vAvdJZ0Sx9bQ3mFhW8pYtK5nR7uC1oLiG4eXjDkA")]
    client_token: String,
}

/// One product of an order, with its name and price as they were when it was placed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderItem {
    #[schema(example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    product_id: String,
    #[schema(example = "Fountain pen")]
    name: String,
    #[schema(example = 2499)]
    unit_amount: i64,
    #[schema(minimum = 1, maximum = 10_000, example = 2)]
    quantity: u32,
    /// `unit_amount` times `quantity`.
    #[schema(example = 4998)]
    amount: i64,
}

list! {
    /// A part of the orders, newest first.
    OrderList of Order
}

/// An order to be placed. Prices come from the catalogue.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "items": [{"product_id": "prd_01kb3m9q4e8v2tz6h0rxw5ncy7", "quantity": 2}],
    "customer": {"email": "ada@example.com", "name": "Ada Lovelace"}
}))]
#[expect(dead_code, reason = "describes the body; `read_new` reads it")]
pub(crate) struct OrderCreate {
    /// What is bought, all in one currency and of one seller.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<OrderItemCreate>,
    #[schema(nullable = false)]
    customer: Option<CustomerInput>,
    #[schema(nullable = false)]
    shipping: Option<Shipping>,
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
}

/// So many of one product.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `read_item` reads it")]
pub(crate) struct OrderItemCreate {
    #[schema(example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    product_id: String,
    #[schema(minimum = 1, maximum = 10_000, example = 2)]
    quantity: u32,
}

/// What changes about an order that is not paid. What is left out stays as it is.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "customer": {"email": "ada@example.com"},
    "shipping": {
        "name": "Ada Lovelace",
        "address": {"line1": "12 St James's Square", "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"}
    }
}))]
#[expect(dead_code, reason = "describes the body; `read_change` reads it")]
pub(crate) struct OrderUpdate {
    #[schema(nullable = false)]
    customer: Option<CustomerInput>,
    #[schema(nullable = false)]
    shipping: Option<Shipping>,
    /// What is bought instead, at the prices of now. With a secret key only.
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    items: Option<Vec<OrderItemCreate>>,
    /// The whole of the shop's own words. With a secret key only.
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
}

/// Which orders are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; `read_filter` reads them")]
pub(crate) struct OrderFilterParams {
    /// Only of this status.
    #[param(required = false, inline = false)]
    status: OrderStatus,
    /// Only placed after this time (RFC 3339).
    #[param(required = false, format = DateTime)]
    created_after: String,
    /// Only placed before this time (RFC 3339).
    #[param(required = false, format = DateTime)]
    created_before: String,
    /// Only of this customer's email.
    #[param(required = false)]
    customer_email: String,
    /// Only of this customer, by the shop's own id.
    #[param(required = false)]
    customer_reference: String,
}

impl Order {
    /// It, as it is shown to this audience: what the platform takes is between it and the seller.
    pub(crate) fn of(order: domain::Order, audience: Audience) -> Self {
        let seller_terms = order.seller_terms;
        let application_fee = seller_terms.as_ref().map(|seller_terms| seller_terms.application_fee);
        Self {
            id: order.id.into(),
            object: "order",
            status: order.status.into(),
            currency: order.total.currency().code(),
            amount_total: order.total.minor(),
            charge_type: seller_terms.as_ref().map(|seller_terms| seller_terms.charge_type.into()),
            application_fee_amount: match audience {
                Audience::Shop => application_fee,
                Audience::Holder => None,
            },
            seller_id: seller_terms.map(|seller_terms| seller_terms.seller_id.into()),
            amount_paid: order.amount_paid.minor(),
            amount_refunded: order.amount_refunded.minor(),
            items: order.lines.into_iter().map(OrderItem::from).collect(),
            customer: order.customer.into(),
            shipping: order.shipping.map(Shipping::from),
            metadata: order.metadata.into(),
            payment: order.payment.map(OrderPayment::from),
            review_reason: order.review_reason.map(ReviewReason::from),
            version: order.version,
            expires_at: order.expires_at.into(),
            created_at: order.created_at.into(),
            updated_at: order.updated_at.into(),
        }
    }
}

impl From<domain::Line> for OrderItem {
    fn from(line: domain::Line) -> Self {
        Self {
            product_id: line.product_id.into(),
            name: line.name,
            unit_amount: line.unit_price.minor(),
            quantity: line.quantity.get(),
            amount: line.amount.minor(),
        }
    }
}

/// What is read of an order to be placed.
struct New {
    items: Vec<(ProductId, Quantity)>,
    customer: domain::Customer,
    shipping: Option<domain::Shipping>,
    metadata: DomainMetadata,
}

fn read_new(order: &mut Object<'_>, by: Audience) -> Read<New> {
    let items = order.required("items", read_items);
    let customer = order.optional("customer", |field| field.object(|object| read_customer(object, by)));
    let shipping = order.optional("shipping", |field| field.object(read_shipping));
    let metadata = order.optional("metadata", body::metadata);
    let CustomerChange { email, name, reference } = customer?.unwrap_or_default();
    Ok(New {
        items: items?,
        customer: domain::Customer {
            email: email.flatten(),
            name: name.flatten(),
            reference: reference.flatten(),
        },
        shipping: shipping?,
        metadata: metadata?.unwrap_or_default(),
    })
}

fn read_items(field: Field<'_>) -> Read<Vec<(ProductId, Quantity)>> {
    field.list(1..=MAX_LINES, |item| item.object(read_item))
}

fn read_item(item: &mut Object<'_>) -> Read<(ProductId, Quantity)> {
    let product_id = item.required("product_id", |field| field.parsed("a product's id"));
    let quantity = item.required("quantity", body::quantity);
    Ok((product_id?, quantity?))
}

fn read_change(order: &mut Object<'_>, id: OrderId, by: Audience) -> Read<OrderChange> {
    let customer = order.replacement("customer", |field| field.object(|object| read_customer(object, by)));
    let shipping = order.replacement("shipping", |field| field.object(read_shipping));
    let (items, metadata) = match by {
        Audience::Shop => {
            (order.replacement("items", read_items), order.replacement("metadata", body::metadata))
        }
        Audience::Holder => {
            (order.forbidden("items").map(|()| None), order.forbidden("metadata").map(|()| None))
        }
    };
    let customer = customer?.unwrap_or_default();
    Ok(OrderChange { id, customer, shipping: shipping?, metadata: metadata?, items: items?, now: now() })
}

fn changes_nothing(change: &OrderChange) -> bool {
    change.customer == CustomerChange::default()
        && change.shipping.is_none()
        && change.metadata.is_none()
        && change.items.is_none()
}

fn read_filter(query: &mut Object<'_>) -> Read<(OrderFilter, Cursor<OrderId>)> {
    let cursor = cursor(query);
    let status = query.optional("status", |field| {
        let words = domain::OrderStatus::ALL.map(domain::OrderStatus::as_str).join(", ");
        field.word(&words)
    });
    let created_after = query.optional("created_after", |field| field.parsed("a time (RFC 3339)"));
    let created_before = query.optional("created_before", |field| field.parsed("a time (RFC 3339)"));
    let customer_email = query.optional("customer_email", |field| field.text(254));
    let customer_reference = query.optional("customer_reference", |field| field.text(200));
    let filter = OrderFilter {
        status: status?,
        created_after: created_after?.map(|Given(time)| time),
        created_before: created_before?.map(|Given(time)| time),
        customer_email: customer_email?,
        customer_reference: customer_reference?,
    };
    Ok((filter, cursor?))
}

fn placed(order: &domain::Order, audience: Audience) -> Reply {
    let secret = ReplySecret::ClientToken(order.id.clone());
    reply(StatusCode::CREATED, &Order::of(order.clone(), audience), Some(secret))
}

/// Place an order
///
/// Prices it from the catalogue, and holds its goods until it is paid or ends. The answer carries `client_token`,
/// which opens the order to whoever placed it.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_create",
    request_body = OrderCreate,
    params(Headers),
    responses(
        (status = 201, description = "The order", body = PlacedOrder),
        Unauthorized, Keyed, SoldOut, Failures
    ),
    security((), ("secret_key" = []))
)]
#[post("/v1/orders")]
async fn place(
    api: ThinData<Api>,
    caller: Caller,
    http: HttpRequest,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let audience = caller.audience();
    let New { items, customer, shipping, metadata } = request.read(|order| read_new(order, audience))?;
    let placed_at = now();
    let address = ClientAddress::of(http.peer_addr(), http.headers(), &api.config().trusted_proxies);
    let new = NewOrder {
        id: OrderId::from_uuid(Uuid::now_v7()),
        items,
        customer,
        shipping,
        metadata,
        client_address: (audience == Audience::Holder).then(|| address.to_string()),
        now: placed_at,
        expires_at: placed_at + api.config().order_lifetime,
    };
    let store = api.store().clone();
    let answer = move |order: &domain::Order| placed(order, audience);
    let work = async move |work: Work| match store.place_order(new, work.completion(answer)).await? {
        PlaceOrderOutcome::Done(order) => {
            CrashPoint::OrderPlaced.reach();
            Ok(Done::stored(answer(&order)))
        }
        PlaceOrderOutcome::Unpriced(error) => Err(error.into()),
        PlaceOrderOutcome::OutOfStock(shortages) => Err(Problem::out_of_stock(shortages)),
        PlaceOrderOutcome::TooManyOpenOrders => Err(Problem::too_many_open_orders()),
    };
    request.run(&api, Scope::from(&caller), work).await
}

/// List orders
///
/// Newest first.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_list",
    params(PageParams, OrderFilterParams),
    responses((status = 200, description = "A part of the orders", body = OrderList), Unauthorized, Query, Failures),
    security(("secret_key" = []))
)]
#[get("/v1/orders")]
async fn list(api: ThinData<Api>, caller: Caller, request: HttpRequest) -> Result<Json<OrderList>, Problem> {
    caller.key()?;
    let (filter, cursor) = read_query(request.query_string(), read_filter)?;
    let page = api.store().orders(filter, cursor).await?;
    Ok(Json(OrderList::of(page, |order| Order::of(order, Audience::Shop))))
}

/// Get an order
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_get",
    params(OrderPath),
    responses((status = 200, description = "The order", body = Order), Unauthorized, Missing, Failures),
    security(("client_token" = []), ("secret_key" = []))
)]
#[get("/v1/orders/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<OrderPath>) -> Result<Json<Order>, Problem> {
    let id = path.id()?;
    let audience = caller.right_to(&api, &id)?.audience();
    let order = api.store().order(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(Order::of(order, audience)))
}

/// Update an order
///
/// Who buys and where the goods go, until it is paid; with a secret key also what is bought, until a payment is in
/// flight, and the shop's own words, at any time. A live PaymentIntent at Stripe is told of customer and shipping; of
/// an order whose items change, the live payment is closed, and the next one is made for the new total.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_update",
    request_body = OrderUpdate,
    params(OrderPath),
    responses(
        (status = 200, description = "The order as it is now", body = Order),
        Unauthorized, Missing, Body, Conflicts, Failures
    ),
    security(("client_token" = []), ("secret_key" = []))
)]
#[patch("/v1/orders/{id}")]
async fn update(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: Request,
) -> Result<Json<Order>, Problem> {
    let id = path.id()?;
    let audience = caller.right_to(&api, &id)?.audience();
    let change = request.read(|order| read_change(order, id, audience))?;
    if changes_nothing(&change) {
        let order = api.store().order(change.id).await?.ok_or_else(Problem::not_found)?;
        return Ok(Json(Order::of(order, audience)));
    }
    match api.payments().change_order(change).await? {
        ChangeOrderOutcome::Done(order) => Ok(Json(Order::of(order, audience))),
        ChangeOrderOutcome::NotFound => Err(Problem::not_found()),
        ChangeOrderOutcome::NotOpen(status) => Err(Problem::order_not_open(status)),
        ChangeOrderOutcome::CloseFirst(_) => Err(payments::Error::OrderClosing.into()),
        ChangeOrderOutcome::Unpriced(error) => Err(error.into()),
        ChangeOrderOutcome::OutOfStock(shortages) => Err(Problem::out_of_stock(shortages)),
    }
}

/// Cancel an order
///
/// Closes a live PaymentIntent or Checkout Session at Stripe first. Not while a payment is in flight; while one is authorized, with
/// a secret key only. If the money has come after all, the order is paid, and this answers `already_paid`.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_cancel",
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The canceled order", body = Order),
        Unauthorized, Missing, Keyed, Conflicts, Failures
    ),
    security(("client_token" = []), ("secret_key" = []))
)]
#[post("/v1/orders/{id}/cancel")]
async fn cancel(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let id = path.id()?;
    let right = caller.right_to(&api, &id)?;
    request.read(|_| Ok(()))?;
    let audience = right.audience();
    let by = match audience {
        Audience::Shop => CloseRequester::Shop,
        Audience::Holder => CloseRequester::Holder,
    };
    let payments = api.payments().clone();
    let work = async move |_: Work| {
        let order = payments.cancel(id, by).await?;
        Ok(Done::new(reply(StatusCode::OK, &Order::of(order, audience), None)))
    };
    request.run(&api, right, work).await
}
