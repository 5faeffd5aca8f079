//! Orders: place, read, change, cancel.

use actix_web::http::StatusCode;
use actix_web::web::{Json, Path, ThinData};
use actix_web::{HttpRequest, HttpResponse, get, patch, post};
use quittance_crash_points::CrashPoint;
use quittance_domain::id::{OrderId, ProductId};
use quittance_domain::order as domain;
use quittance_domain::order::{MAX_LINES, MAX_QUANTITY, Quantity};
use quittance_payments as payments;
use quittance_persistence::{
    ChangeOrderOutcome, CloseRequester, Cursor, CustomerChange, NewOrder, OrderChange, OrderFilter,
    PlaceOrderOutcome, Reply, ReplySecret,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::audience::Audience;
use crate::http::auth::Caller;
use crate::http::client_address::ClientAddress;
use crate::http::fields::{
    Fields, NoFields, Optional, SecretKeyOnly, Update, query_parameters, request_body,
};
use crate::http::idempotency::{KeyClaim, WorkReply, reply};
use crate::http::json_reader::read_query;
use crate::http::pagination::{PageQuery, list};
use crate::http::path::OrderPath;
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, BodyErrors, IdempotentErrors, NotFoundErrors, QueryErrors, ServerErrors, StatusErrors,
    StockErrors,
};
use crate::http::values::{DateTimeText, Id, Integer, List, Text};
use crate::problem::Problem;
use crate::resources::customer::{Customer, CustomerInput, Shipping};
use crate::resources::enums::{ChargeType, OrderStatus, ReviewReason};
use crate::resources::metadata::Metadata;
use crate::resources::payment_intents::OrderPayment;
use crate::state::Api;
use crate::time::{Timestamp, now};

/// The path of the orders.
const COLLECTION: &str = "/v1/orders";

/// The items of an order.
type Items = List<OrderItemCreate, 1, MAX_LINES>;

/// Registers the routes of orders. Their payments are in `payment_intents` and `checkout_sessions`.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(place).service(list).service(get).service(update).service(cancel);
}

/// An order: its items, customer and status.
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
    /// The total, in Stripe's minor unit.
    #[schema(example = 4998)]
    amount_total: i64,
    /// The seller. Null means the platform itself.
    #[schema(required)]
    seller_id: Option<String>,
    /// The account that charges the customer. Null for orders without a seller.
    #[schema(required)]
    charge_type: Option<ChargeType>,
    /// The platform's fee, in Stripe's minor unit. Null for orders without a seller, and for callers without a secret
    /// key.
    #[schema(required)]
    application_fee_amount: Option<i64>,
    /// The received amount that counts as payment, in Stripe's minor unit.
    #[schema(example = 0)]
    amount_paid: i64,
    /// The amount of `amount_paid` that succeeded refunds returned, in Stripe's minor unit. A surplus and its refund
    /// are part of neither.
    #[schema(example = 0)]
    amount_refunded: i64,
    items: Vec<OrderItem>,
    customer: Customer,
    /// The recipient and address of the shipment, once known.
    #[schema(required)]
    shipping: Option<Shipping>,
    metadata: Metadata,
    /// The current payment. Null before the first attempt.
    #[schema(required)]
    payment: Option<OrderPayment>,
    /// The reason for the status `review`.
    #[schema(required)]
    review_reason: Option<ReviewReason>,
    /// The order's version. It grows with every visible change.
    #[schema(example = 1)]
    version: i64,
    /// The time at which an unpaid order expires.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:35:00.000000Z")]
    expires_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T17:00:00.000000Z")]
    updated_at: Timestamp,
}

/// A new order with its client token.
// For the document only. The token is never stored; `http::stored_body` adds it to the stored `Order`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlacedOrder {
    #[serde(flatten)]
    order: Order,
    /// The credential for this order: `Authorization: Bearer`. Keep it in the customer's browser.
    #[schema(example = "oct_sE2vAvdJZ0Sx9bQ3mFhW8pYtK5nR7uC1oLiG4eXjDkA")]
    client_token: String,
}

/// An item of an order, with the product's name and price at the time of the order.
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
    /// A page of orders, newest first.
    OrderList of Order
}

request_body! {
    /// An order to place. Prices come from the catalog.
    #[example({
        "items": [{"product_id": "prd_01kb3m9q4e8v2tz6h0rxw5ncy7", "quantity": 2}],
        "customer": {"email": "ada@example.com", "name": "Ada Lovelace"}
    })]
    OrderCreate {
        /// The items. All must have the same currency and the same seller.
        items: Items;
        customer: Optional<CustomerInput>;
        shipping: Optional<Shipping>;
        metadata: Optional<Metadata>;
    }
}

request_body! {
    /// A product and the quantity to order.
    OrderItemCreate {
        product_id: Id<ProductId>, example = "prd_01kb3m9q4e8v2tz6h0rxw5ncy7";
        quantity: Integer<Quantity, 1, { MAX_QUANTITY as i64 }>, example = 2;
    }
}

request_body! {
    /// Changes to an unpaid order. Omitted fields stay as they are.
    #[example({
        "customer": {"email": "ada@example.com"},
        "shipping": {
            "name": "Ada Lovelace",
            "address": {
                "line1": "12 St James's Square", "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"
            }
        }
    })]
    OrderUpdate {
        customer: Update<CustomerInput>;
        shipping: Update<Shipping>;
        /// The new items, at current prices. Needs a secret key.
        items: SecretKeyOnly<Update<Items>>;
        /// The new metadata. It replaces the old metadata completely. Needs a secret key.
        metadata: SecretKeyOnly<Update<Metadata>>;
    }
}

query_parameters! {
    /// The parameters of the list of orders.
    OrderQuery {
        /// Returns only orders with this status.
        status: Optional<OrderStatus>;
        /// Returns only orders placed after this time (RFC 3339).
        created_after: Optional<DateTimeText>;
        /// Returns only orders placed before this time (RFC 3339).
        created_before: Optional<DateTimeText>;
        /// Returns only orders with this customer email.
        customer_email: Optional<Text<254>>;
        /// Returns only orders with this customer reference, which is your own customer ID.
        customer_reference: Optional<Text<200>>;
        ..page: PageQuery<OrderId>;
    }
}

impl Order {
    /// Renders an order. Only the shop sees the platform's fee.
    pub(crate) fn for_audience(order: domain::Order, audience: Audience) -> Self {
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

impl From<OrderItemCreate> for (ProductId, Quantity) {
    fn from(item: OrderItemCreate) -> Self {
        (item.product_id, item.quantity)
    }
}

impl OrderCreate {
    fn into_new_order(self, client_address: Option<ClientAddress>, api: &Api) -> NewOrder {
        let now = now();
        NewOrder {
            id: OrderId::from_uuid(Uuid::now_v7()),
            items: self.items.into_iter().map(Into::into).collect(),
            customer: self.customer.map(Into::into).unwrap_or_default(),
            shipping: self.shipping.map(Into::into),
            metadata: self.metadata.unwrap_or_default(),
            client_address: client_address.map(|address| address.to_string()),
            now,
            expires_at: now + api.config().order_lifetime,
        }
    }
}

impl OrderUpdate {
    fn into_change(self, id: OrderId) -> OrderChange {
        OrderChange {
            id,
            customer: self.customer.map(Into::into).unwrap_or_default(),
            shipping: self.shipping.map(Into::into),
            metadata: self.metadata,
            items: self.items.map(|items| items.into_iter().map(Into::into).collect()),
            now: now(),
        }
    }
}

impl OrderQuery {
    fn into_parts(self) -> (OrderFilter, Cursor<OrderId>) {
        let filter = OrderFilter {
            status: self.status,
            created_after: self.created_after,
            created_before: self.created_before,
            customer_email: self.customer_email,
            customer_reference: self.customer_reference,
        };
        (filter, self.page)
    }
}

fn is_empty(change: &OrderChange) -> bool {
    change.customer == CustomerChange::default()
        && change.shipping.is_none()
        && change.metadata.is_none()
        && change.items.is_none()
}

fn place_reply(order: &domain::Order, audience: Audience) -> Reply {
    let secret = ReplySecret::ClientToken(order.id.clone());
    reply(StatusCode::CREATED, &Order::for_audience(order.clone(), audience), Some(secret))
}

/// Returns the address whose open orders are limited. The shop has no limit.
fn limited_address(api: &Api, http: &HttpRequest, audience: Audience) -> Option<ClientAddress> {
    let trusted = &api.config().trusted_proxies;
    let address = ClientAddress::from_headers(http.peer_addr(), http.headers(), trusted);
    (audience == Audience::Holder).then_some(address)
}

fn place_result(outcome: PlaceOrderOutcome, audience: Audience) -> Result<WorkReply, Problem> {
    match outcome {
        PlaceOrderOutcome::Done(order) => {
            CrashPoint::OrderPlaced.reach();
            Ok(WorkReply::stored(place_reply(&order, audience)))
        }
        PlaceOrderOutcome::PricingFailed(error) => Err(error.into()),
        PlaceOrderOutcome::OutOfStock(shortages) => Err(Problem::out_of_stock(shortages)),
        PlaceOrderOutcome::TooManyOpenOrders => Err(Problem::too_many_open_orders()),
    }
}

/// Place an order
///
/// Prices the order from the catalog, and reserves its items until it is paid, canceled or expired. The response has a
/// `client_token`, with which the customer can access the order.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_create",
    request_body = OrderCreate,
    params(Headers),
    responses(
        (status = 201, description = "The order", body = PlacedOrder),
        AuthErrors, IdempotentErrors, StockErrors, ServerErrors
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
    let body = request.read::<OrderCreate>(&api.body_rules(audience))?;
    let new = body.into_new_order(limited_address(&api, &http, audience), &api);
    let store = api.store().clone();
    let work = async move |claim: KeyClaim| {
        let completion = claim.completion(move |order| place_reply(order, audience));
        place_result(store.place_order(new, completion).await?, audience)
    };
    api.run(request.creates_in(COLLECTION), &caller, work).await
}

/// List orders
///
/// Returns the orders, newest first.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_list",
    params(OrderQuery),
    responses(
        (status = 200, description = "A page of orders", body = OrderList),
        AuthErrors, QueryErrors, ServerErrors
    ),
    security(("secret_key" = []))
)]
#[get("/v1/orders")]
async fn list(api: ThinData<Api>, caller: Caller, request: HttpRequest) -> Result<Json<OrderList>, Problem> {
    caller.key()?;
    let (filter, cursor) = read_query(request.query_string(), OrderQuery::read)?.into_parts();
    let page = api.store().orders(filter, cursor).await?;
    Ok(Json(OrderList::from_page(page, |order| Order::for_audience(order, Audience::Shop))))
}

/// Get an order
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_get",
    params(OrderPath),
    responses((status = 200, description = "The order", body = Order), AuthErrors, NotFoundErrors, ServerErrors),
    security(("client_token" = []), ("secret_key" = []))
)]
#[get("/v1/orders/{id}")]
async fn get(api: ThinData<Api>, caller: Caller, path: Path<OrderPath>) -> Result<Json<Order>, Problem> {
    let id = path.id()?;
    let audience = api.access(&caller, &id)?.audience();
    let order = api.store().order(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(Order::for_audience(order, audience)))
}

/// Update an order
///
/// You can change the customer and the shipping address until the order is paid. With a secret key, you can also change
/// the items until a payment is in flight, and the metadata at any time. Quittance updates the customer and the
/// shipping address of a live PaymentIntent. If the items change, it closes the live payment, and the next payment has
/// the new total.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_update",
    request_body = OrderUpdate,
    params(OrderPath),
    responses(
        (status = 200, description = "The updated order", body = Order),
        AuthErrors, NotFoundErrors, BodyErrors, StatusErrors, ServerErrors
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
    let audience = api.access(&caller, &id)?.audience();
    let change = request.read::<OrderUpdate>(&api.body_rules(audience))?.into_change(id);
    if is_empty(&change) {
        let order = api.store().order(change.id).await?.ok_or_else(Problem::not_found)?;
        return Ok(Json(Order::for_audience(order, audience)));
    }
    match api.payments().change_order(change).await? {
        ChangeOrderOutcome::Done(order) => Ok(Json(Order::for_audience(order, audience))),
        ChangeOrderOutcome::NotFound => Err(Problem::not_found()),
        ChangeOrderOutcome::NotOpen(status) => Err(Problem::order_not_open(status)),
        ChangeOrderOutcome::CloseFirst(_) => Err(payments::Error::OrderClosing.into()),
        ChangeOrderOutcome::PricingFailed(error) => Err(error.into()),
        ChangeOrderOutcome::OutOfStock(shortages) => Err(Problem::out_of_stock(shortages)),
    }
}

/// Cancel an order
///
/// Closes the live PaymentIntent or Checkout Session at Stripe first. An order can't be canceled while a payment is in
/// flight. An authorized order can be canceled with a secret key only. If the payment succeeds in the meantime, the
/// order is paid, and the request fails with `already_paid`.
#[utoipa::path(
    tag = "Orders",
    operation_id = "order_cancel",
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The canceled order", body = Order),
        AuthErrors, NotFoundErrors, IdempotentErrors, StatusErrors, ServerErrors
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
    let access = api.access(&caller, &id)?;
    let audience = access.audience();
    request.read::<NoFields>(&api.body_rules(audience))?;
    let requester = match audience {
        Audience::Shop => CloseRequester::Shop,
        Audience::Holder => CloseRequester::Holder,
    };
    let payments = api.payments().clone();
    let work = async move |_: KeyClaim| {
        let order = payments.cancel(id, requester).await?;
        Ok(WorkReply::new(reply(StatusCode::OK, &Order::for_audience(order, audience), None)))
    };
    api.run(request, access, work).await
}
