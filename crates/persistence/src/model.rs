//! The parameters and results of the store's operations.

mod outbound;
mod recovery;
mod refunds;
mod sellers;
mod timeline;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::checkout::PaymentFlow;
use quittance_domain::event::Event;
use quittance_domain::history::{Limits, Task};
use quittance_domain::id::{KeyId, OrderId, PaymentId, ProductId, SellerId, WebhookEndpointId};
use quittance_domain::money::Money;
use quittance_domain::order::{Customer, Order, OrderStatus, PricingError, Quantity, Shipping};
use quittance_domain::payment::{Attempt, CaptureMethod, ExpectedPayment, PaymentStatus};
use quittance_domain::seller::{Blocker, SupportedSellers};

pub use outbound::*;
pub use recovery::*;
pub use refunds::*;
pub use sellers::*;
pub use timeline::*;

/// The configuration of a store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database URL: `sqlite://PATH` or `postgres://…`.
    pub url: String,
    /// The limits of the shop.
    pub limits: Limits,
    /// The sellers that the platform supports.
    pub sellers_supported: SupportedSellers,
    /// The maximum number of PostgreSQL connections. SQLite has one connection that writes and a few that read.
    pub connections: usize,
    /// The time to wait for a connection before a call fails with [`Error::Unavailable`](crate::Error::Unavailable).
    pub wait: Duration,
}

/// The state of the connection pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolStatus {
    /// The number of open connections.
    pub open: usize,
    /// The number of idle connections.
    pub idle: usize,
    /// The number of calls that wait for a connection.
    pub waiting: usize,
}

/// A page of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The objects of this page.
    pub data: Vec<T>,
    /// Whether older objects exist.
    pub has_more: bool,
}

/// A position in a list.
#[derive(Debug, Clone)]
pub struct Cursor<Id> {
    /// The maximum number of objects.
    pub limit: u8,
    /// Selects objects older than this one.
    pub starting_after: Option<Id>,
}

/// A selection of products to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductVisibility {
    /// Products that can be ordered.
    Active,
    /// All products.
    All,
}

/// A change to a product. `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct ProductChange {
    /// The new name.
    pub name: Option<String>,
    /// The new description. `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// The new price, in minor units of the product's currency or of `currency`.
    pub unit_amount: Option<i64>,
    /// The new currency.
    pub currency: Option<quittance_domain::money::Currency>,
    /// Whether the product can be ordered.
    pub active: Option<bool>,
    /// The new stock. `Some(None)` stops counting it.
    pub stock: Option<Option<u32>>,
    /// The new seller. `Some(None)` means that the platform itself sells the product.
    pub seller_id: Option<Option<SellerId>>,
    /// The new metadata. It replaces all of the old.
    pub metadata: Option<Metadata>,
}

/// The outcome of changing a product.
#[derive(Debug)]
pub enum ChangeProductOutcome {
    /// The changed product.
    Done(quittance_domain::catalog::Product),
    /// The product doesn't exist.
    NotFound,
    /// The seller doesn't exist, or has no Stripe account yet.
    UnknownSeller,
    /// The amount isn't valid in this currency.
    Price(quittance_domain::money::AmountError),
}

/// An order to place. Its prices come from the catalog, in the same transaction.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// The new order ID.
    pub id: OrderId,
    /// The products and quantities to order.
    pub items: Vec<(ProductId, Quantity)>,
    /// The customer.
    pub customer: Customer,
    /// The shipping address, if it is known yet.
    pub shipping: Option<Shipping>,
    /// The shop's metadata.
    pub metadata: Metadata,
    /// The client's address, if it has no credentials. The number of open orders per address is limited.
    pub client_address: Option<String>,
    /// The current time.
    pub now: DateTime<Utc>,
    /// When an unpaid order closes.
    pub expires_at: DateTime<Utc>,
}

/// A product with too little stock for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The index of the order's first item with this product, from 0.
    pub line: usize,
    /// The product.
    pub product_id: ProductId,
    /// The remaining stock.
    pub available: u32,
}

/// The outcome of placing an order.
#[derive(Debug)]
pub enum PlaceOrderOutcome {
    /// The placed order.
    Done(Order),
    /// The items have no valid price.
    PricingFailed(PricingError),
    /// These products have too little stock.
    OutOfStock(Vec<Shortage>),
    /// The client has too many open orders.
    TooManyOpenOrders,
}

/// A change to an order. `None` leaves a field unchanged.
#[derive(Debug, Clone)]
pub struct OrderChange {
    /// The order.
    pub id: OrderId,
    /// The change to the customer.
    pub customer: CustomerChange,
    /// The new shipping address.
    pub shipping: Option<Shipping>,
    /// The new metadata. It replaces all of the old.
    pub metadata: Option<Metadata>,
    /// The new items, at current prices.
    pub items: Option<Vec<(ProductId, Quantity)>>,
    /// The current time.
    pub now: DateTime<Utc>,
}

/// A change to a customer. `None` leaves a field unchanged, and `Some(None)` removes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerChange {
    /// The address for Stripe's receipts.
    pub email: Option<Option<String>>,
    /// The customer's name.
    pub name: Option<Option<String>>,
    /// The shop's identifier for this user.
    pub reference: Option<Option<String>>,
}

/// The outcome of changing an order.
#[derive(Debug)]
pub enum ChangeOrderOutcome {
    /// The changed order.
    Done(Order),
    /// The order doesn't exist.
    NotFound,
    /// The order is paid, under review or closed. Its items, customer and shipping can't change.
    NotOpen(OrderStatus),
    /// Nothing changed, because the price can't change while this attempt is live. The attempt is now marked to be
    /// closed at Stripe first.
    CloseFirst(PendingAttempt),
    /// The new items have no valid price.
    PricingFailed(PricingError),
    /// These products have too little stock.
    OutOfStock(Vec<Shortage>),
}

/// Filters for a list of orders. Each is optional.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Orders with this status.
    pub status: Option<OrderStatus>,
    /// Orders placed after this time.
    pub created_after: Option<DateTime<Utc>>,
    /// Orders placed before this time.
    pub created_before: Option<DateTime<Utc>>,
    /// Orders of the customer with this email address.
    pub customer_email: Option<String>,
    /// Orders of the customer with this identifier.
    pub customer_reference: Option<String>,
}

/// A payment attempt to record before Stripe creates it.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// The new payment ID.
    pub id: PaymentId,
    /// The order to pay.
    pub order_id: OrderId,
    /// The payment flow.
    pub flow: PaymentFlow,
    /// The caller's parameters, in a form that can be compared. A live attempt with the same flow is reused only if
    /// its parameters are the same.
    pub request_params: String,
    /// The amount, currency, account, mode and fee that a success must have.
    pub expected: ExpectedPayment,
    /// The connected account that receives a transfer of the money, if it isn't charged directly.
    pub destination: Option<String>,
    /// Whether the payment is captured automatically or manually.
    pub capture_method: CaptureMethod,
    /// The frozen request to Stripe.
    pub request: String,
    /// The version of the customer's details that the request contains.
    pub sent_details_version: i64,
    /// The current time.
    pub now: DateTime<Utc>,
    /// When a worker may continue the attempt, if this process hasn't.
    pub resume_at: DateTime<Utc>,
    /// The order must not expire before this time.
    pub live_until: Option<DateTime<Utc>>,
}

/// The outcome of beginning a payment attempt.
#[derive(Debug)]
pub enum BeginAttemptOutcome {
    /// The attempt is recorded and can be sent to Stripe.
    Recorded(PendingAttempt),
    /// The order has this live attempt, which must be used instead.
    Live(PendingAttempt),
    /// Nothing was recorded. This live attempt has another flow or other parameters, and is now marked to be closed
    /// at Stripe first.
    CloseFirst(PendingAttempt),
    /// The order doesn't exist.
    NotFound,
    /// The order is paid, under review, closing or closed.
    NotPayable(OrderStatus),
    /// Too many payments of this order have failed.
    TooManyAttempts,
    /// The order's total or seller terms differ from what the attempt expects.
    Stale,
    /// The seller can't accept payments now.
    SellerNotReady {
        /// The seller.
        seller_id: SellerId,
        /// The reasons.
        blockers: Vec<Blocker>,
    },
}

/// An attempt with everything needed to continue it at Stripe.
#[derive(Debug, Clone)]
pub struct PendingAttempt {
    /// The order.
    pub order_id: OrderId,
    /// The attempt.
    pub attempt: Attempt,
    /// The frozen request that creates its PaymentIntent or Checkout Session.
    pub request: String,
    /// When it was recorded. After 24 hours, Stripe may have forgotten its idempotency key.
    pub recorded_at: DateTime<Utc>,
    /// The number of times that a worker has resumed it.
    pub resume_count: i32,
    /// The next task at Stripe, if any.
    pub task: Option<Task>,
    /// The current version of the customer's details.
    pub details_version: i64,
    /// The customer.
    pub customer: Customer,
    /// The shipping address.
    pub shipping: Option<Shipping>,
    /// The caller's parameters.
    pub request_params: String,
}

/// The outcome of requesting a capture.
#[derive(Debug)]
pub enum CaptureOutcome {
    /// The capture is recorded, by this request or an earlier one, and can be sent to Stripe.
    Recorded(PendingAttempt),
    /// The order doesn't exist.
    NotFound,
    /// No payment is authorized, or the order is closing.
    NotPossible(OrderStatus),
    /// A capture of this other amount is in progress.
    OtherAmount(Money),
    /// Only this amount is authorized.
    TooMuch(Money),
}

/// The outcome of applying an observation.
#[derive(Debug)]
pub enum ObserveOutcome {
    /// The observation was merged. Holds the current order and the attempt's next task.
    Merged(Order, Option<Task>),
    /// The observation doesn't belong to this attempt.
    Mismatch(quittance_domain::payment::Mismatch),
}

/// The outcome of requesting to close an order without payment.
#[derive(Debug)]
pub enum CloseOutcome {
    /// The order is closed.
    Done(Order),
    /// The order closes once this attempt is closed at Stripe.
    CloseFirst(PendingAttempt),
    /// The order doesn't exist.
    NotFound,
    /// An order with this status can't be closed.
    NotPossible(OrderStatus),
}

/// The party that asks to close an order. The statuses that allow closing depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseRequester {
    /// A client with the order's token. It can't close an order whose payment is processing or authorized.
    Holder,
    /// The shop. It can also close an order whose payment is authorized.
    Shop,
}

/// A verified event and its original bytes.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The parsed event.
    pub event: Event,
    /// The original body.
    pub payload: Bytes,
    /// When Quittance received it.
    pub received_at: DateTime<Utc>,
}

/// An event that couldn't be read or applied.
#[derive(Debug, Clone)]
pub struct FailedEvent {
    /// The event's ID at Stripe.
    pub event_id: String,
    /// The original body.
    pub payload: Bytes,
    /// When Quittance received it.
    pub received_at: DateTime<Utc>,
}

/// The version of an order, for clients that wait for changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderVersion {
    /// The order.
    pub order_id: OrderId,
    /// The current version.
    pub version: i64,
    /// The version at which the outcome of its payment last changed.
    pub outcome_version: i64,
}

/// The payment status of a Checkout Session.
#[derive(Debug, Clone)]
pub struct SessionLookup {
    /// The order to pay.
    pub order: Order,
    /// Stripe's status of its payment.
    pub status: PaymentStatus,
    /// Whether the Session can no longer be paid.
    pub is_over: bool,
}

/// The identity of a request with an `Idempotency-Key`.
#[derive(Debug, Clone)]
pub struct IdempotentRequest {
    /// The caller. Keys of different callers are independent.
    pub scope: String,
    /// The key.
    pub key: String,
    /// A hash of method, path and body.
    pub fingerprint: String,
    /// The current time.
    pub now: DateTime<Utc>,
    /// The time until which other requests with this key are rejected as in progress.
    pub lease_until: DateTime<Utc>,
    /// Keys created before this time have expired.
    pub expired_before: DateTime<Utc>,
}

/// The right to work on a request, until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub(crate) scope: String,
    pub(crate) key: String,
    pub(crate) token: String,
}

/// A placeholder for a secret that must not be stored. A replay derives or fetches the secret again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplySecret {
    /// The order's client token, which is derived again.
    ClientToken(OrderId),
    /// The attempt's client secret, which is fetched from Stripe again.
    ClientSecret(PaymentId),
    /// An endpoint's signing secret with this number, while it is valid.
    SigningSecret(WebhookEndpointId, u32),
}

/// A reply to replay, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: String,
    /// The secret to insert into the body, if any.
    pub secret: Option<ReplySecret>,
}

/// The outcome of claiming an idempotency key.
#[derive(Debug)]
pub enum ClaimKeyOutcome {
    /// The key is claimed. Do the work.
    New(Claim),
    /// The request was completed with this reply.
    Replay(Reply),
    /// Another request with this key is in progress.
    InProgress,
    /// The key belongs to a different request.
    Mismatch,
}

/// A reply to store in the transaction that does the work.
#[derive(Clone)]
pub struct Completion<T> {
    /// The request's claim.
    pub claim: Claim,
    /// Renders the reply from the result.
    pub render: Arc<dyn Fn(&T) -> Reply + Send + Sync>,
}

impl<T> fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("claim", &self.claim).finish_non_exhaustive()
    }
}

/// A secret API key. Only its hash is stored.
#[derive(Debug, Clone)]
pub struct SecretKey {
    /// The ID.
    pub id: KeyId,
    /// The name.
    pub name: String,
    /// SHA-256 of the key, in hexadecimal.
    pub hash: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A worker's claim on due work.
#[derive(Debug, Clone, Copy)]
pub struct WorkClaim {
    /// The current time. Work due by then is claimed.
    pub now: DateTime<Utc>,
    /// The time until which no other worker claims the work.
    pub lease_until: DateTime<Utc>,
    /// The maximum number of items.
    pub limit: u8,
}

impl<T> Page<T> {
    /// Builds a page from rows. The query reads one row more than the page holds.
    pub(crate) fn from_rows<Row, E>(
        mut rows: Vec<Row>,
        limit: u8,
        read: impl Fn(Row) -> Result<T, E>,
    ) -> Result<Self, E> {
        let has_more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        Ok(Self { data: rows.into_iter().map(read).collect::<Result<_, _>>()?, has_more })
    }
}
