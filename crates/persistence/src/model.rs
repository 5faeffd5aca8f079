//! What goes into the phases and comes out of them.

mod healing;
mod outbound;
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

pub use healing::*;
pub use outbound::*;
pub use refunds::*;
pub use sellers::*;
pub use timeline::*;

/// Which database, and how it is used.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `sqlite://PATH` or `postgres://…`.
    pub url: String,
    /// What the shop allows.
    pub limits: Limits,
    /// Which sellers the platform takes.
    pub sellers_supported: SupportedSellers,
    /// How many connections PostgreSQL is used with; SQLite has one writer, and readers.
    pub connections: usize,
    /// How long to wait for a connection before the database counts as unreachable.
    pub wait: Duration,
}

/// How busy the connections are.
#[derive(Debug, Clone, Copy)]
pub struct PoolStatus {
    /// Connections that are open.
    pub open: usize,
    /// Connections that nobody uses now.
    pub idle: usize,
    /// Phases that wait for a connection.
    pub waiting: usize,
}

/// A part of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The objects of this page.
    pub data: Vec<T>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone)]
pub struct Cursor<Id> {
    /// How many at most.
    pub limit: u8,
    /// Only what is older than this one.
    pub starting_after: Option<Id>,
}

/// Which products of the catalogue are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductVisibility {
    /// Only what can be ordered now.
    Active,
    /// Everything.
    All,
}

/// What is to be changed about a product. `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct ProductChange {
    /// A new name.
    pub name: Option<String>,
    /// A new description, or none any more.
    pub description: Option<Option<String>>,
    /// A new price, in minor units of the product's currency or of `currency`.
    pub unit_amount: Option<i64>,
    /// A new currency.
    pub currency: Option<quittance_domain::money::Currency>,
    /// Whether it can be ordered.
    pub active: Option<bool>,
    /// How many can be sold from now on, or that they are not counted any more.
    pub stock: Option<Option<u32>>,
    /// Who sells it from now on, or that the platform itself does.
    pub seller_id: Option<Option<SellerId>>,
    /// The whole of the metadata.
    pub metadata: Option<Metadata>,
}

/// What became of a change to a product.
#[derive(Debug)]
pub enum ChangeProductOutcome {
    /// The product as it is now.
    Done(quittance_domain::catalog::Product),
    /// There is no such product.
    NotFound,
    /// There is no such seller, or Stripe has not made its account.
    UnknownSeller,
    /// Price and currency do not fit each other.
    Price(quittance_domain::money::AmountError),
}

/// An order to be placed. Its price is read from the catalogue in the same transaction.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// The id it will have.
    pub id: OrderId,
    /// What is bought.
    pub items: Vec<(ProductId, Quantity)>,
    /// Who buys.
    pub customer: Customer,
    /// Where the goods go, if that is known yet.
    pub shipping: Option<Shipping>,
    /// The shop's own words about it.
    pub metadata: Metadata,
    /// The address that placed it without credentials, if it was one: it may hold a few open orders only.
    pub client_address: Option<String>,
    /// When it is placed.
    pub now: DateTime<Utc>,
    /// When it is closed if it is not paid by then.
    pub expires_at: DateTime<Utc>,
}

/// Too few of a product are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Which item of the order, counted from 0: the first one of this product.
    pub line: usize,
    /// The product.
    pub product_id: ProductId,
    /// How many are left.
    pub available: u32,
}

/// What became of an order to be placed.
#[derive(Debug)]
pub enum PlaceOrderOutcome {
    /// It stands.
    Done(Order),
    /// It has no price.
    Unpriced(PricingError),
    /// Too few are left of these products.
    OutOfStock(Vec<Shortage>),
    /// Its client holds too many open orders.
    TooManyOpenOrders,
}

/// What is to be changed about an open order. `None` leaves a thing as it is.
#[derive(Debug, Clone)]
pub struct OrderChange {
    /// Which order.
    pub id: OrderId,
    /// What changes about who buys.
    pub customer: CustomerChange,
    /// Where the goods go.
    pub shipping: Option<Shipping>,
    /// The whole of the metadata.
    pub metadata: Option<Metadata>,
    /// What is bought instead, at the prices of now.
    pub items: Option<Vec<(ProductId, Quantity)>>,
    /// When.
    pub now: DateTime<Utc>,
}

/// What is to be changed about the customer: `None` leaves a thing as it is, `Some(None)` takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerChange {
    /// Where Stripe sends the receipt.
    pub email: Option<Option<String>>,
    /// The customer's name.
    pub name: Option<Option<String>>,
    /// The shop's own id of this user.
    pub reference: Option<Option<String>>,
}

/// What became of a change to an order.
#[derive(Debug)]
pub enum ChangeOrderOutcome {
    /// The order as it is now.
    Done(Order),
    /// There is no such order.
    NotFound,
    /// It is paid, under review, or has ended: items, customer and shipping stand.
    NotOpen(OrderStatus),
    /// Nothing was changed: the price can not change while this attempt is live. It is recorded that it is to be
    /// closed at Stripe first.
    CloseFirst(PendingAttempt),
    /// The new items have no price.
    Unpriced(PricingError),
    /// Too few are left of these products.
    OutOfStock(Vec<Shortage>),
}

/// Which orders are wanted.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Only of this status.
    pub status: Option<OrderStatus>,
    /// Only placed after this.
    pub created_after: Option<DateTime<Utc>>,
    /// Only placed before this.
    pub created_before: Option<DateTime<Utc>>,
    /// Only of this customer's email.
    pub customer_email: Option<String>,
    /// Only of this customer, by the shop's own id.
    pub customer_reference: Option<String>,
}

/// An attempt to be recorded before Stripe hears of it.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// The id it will have.
    pub id: PaymentId,
    /// Which order it is to pay.
    pub order_id: OrderId,
    /// Where the customer pays it.
    pub flow: PaymentFlow,
    /// What its caller asked for beyond the order itself, in a form that can be compared: a live attempt on the
    /// same rail is used again only if it was asked for in the same words.
    pub request_params: String,
    /// What its success must have to count.
    pub expected: ExpectedPayment,
    /// The connected account to which the money is transferred, if it is not charged there.
    pub destination: Option<String>,
    /// When the money is to be taken.
    pub capture_method: CaptureMethod,
    /// The request to Stripe, frozen.
    pub request: String,
    /// The order's `details_version` that the request was made from.
    pub sent_details_version: i64,
    /// When.
    pub now: DateTime<Utc>,
    /// When the worker may drive it on, should this process not finish it.
    pub resume_at: DateTime<Utc>,
    /// The order must not expire before this.
    pub live_until: Option<DateTime<Utc>>,
}

/// What became of an attempt to be recorded.
#[derive(Debug)]
pub enum BeginAttemptOutcome {
    /// It is recorded; now Stripe is to be asked.
    Recorded(PendingAttempt),
    /// The order has a live attempt: this one is to be used.
    Live(PendingAttempt),
    /// Nothing was recorded but that this live attempt, on another rail or asked for in other words, is to be
    /// closed at Stripe first.
    CloseFirst(PendingAttempt),
    /// There is no such order.
    NotFound,
    /// It is paid, under review, being closed, or has ended.
    NotPayable(OrderStatus),
    /// Too many tries have failed.
    TooManyAttempts,
    /// The order's total, or through whom and on which terms it is sold, is not what the attempt expects any more.
    Stale,
    /// The order can not be charged for through its seller now.
    SellerNotReady {
        /// The seller.
        seller_id: SellerId,
        /// Why not.
        blockers: Vec<Blocker>,
    },
}

/// An attempt with what is needed to work on it at Stripe.
#[derive(Debug, Clone)]
pub struct PendingAttempt {
    /// Its order.
    pub order_id: OrderId,
    /// The attempt.
    pub attempt: Attempt,
    /// The frozen request that makes its PaymentIntent.
    pub request: String,
    /// When it was recorded: after 24 hours Stripe may have forgotten the idempotency key.
    pub recorded_at: DateTime<Utc>,
    /// How often it was driven again.
    pub resume_count: i32,
    /// What is to be done at Stripe, if anything.
    pub task: Option<Task>,
    /// The order's `details_version` now.
    pub details_version: i64,
    /// Who buys.
    pub customer: Customer,
    /// Where the goods go.
    pub shipping: Option<Shipping>,
    /// What its caller asked for beyond the order itself.
    pub request_params: String,
}

/// What became of the wish to take what is held.
#[derive(Debug)]
pub enum CaptureOutcome {
    /// It is recorded, also if it was before; now Stripe is to be asked.
    Recorded(PendingAttempt),
    /// There is no such order.
    NotFound,
    /// Nothing is held for it, or it is being closed.
    NotPossible(OrderStatus),
    /// Another amount is being taken already.
    OtherAmount(Money),
    /// More than is held.
    TooMuch(Money),
}

/// What became of an observation.
#[derive(Debug)]
pub enum ObserveOutcome {
    /// It was merged; the order as it is now, and what is left to do for the attempt.
    Merged(Order, Option<Task>),
    /// It is none of this attempt.
    Mismatch(quittance_domain::payment::Mismatch),
}

/// What became of the wish to end an order unpaid.
#[derive(Debug)]
pub enum CloseOutcome {
    /// It has ended.
    Done(Order),
    /// It ends once this attempt is closed at Stripe.
    CloseFirst(PendingAttempt),
    /// There is no such order.
    NotFound,
    /// It can not end unpaid as it stands.
    NotPossible(OrderStatus),
}

/// Who asks to end an order, which says in which status that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseRequester {
    /// Whoever holds the order's token: not while money is on its way or held.
    Holder,
    /// The shop: also while money is held.
    Shop,
}

/// A verified event and the bytes it came in.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What the gateway understood.
    pub event: Event,
    /// The body, as it came.
    pub payload: Bytes,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

/// An event that was kept because it could not be read or applied.
#[derive(Debug, Clone)]
pub struct FailedEvent {
    /// Its id in the inbox.
    pub event_id: String,
    /// The body, as it came.
    pub payload: Bytes,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

/// Where an order was last seen by one who waits for news of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderVersion {
    /// Which order.
    pub order_id: OrderId,
    /// Its version.
    pub version: i64,
    /// The version at which its payment was last settled.
    pub outcome_version: i64,
}

/// How the payment of a Checkout Session stands.
#[derive(Debug, Clone)]
pub struct SessionLookup {
    /// The order that it is to pay.
    pub order: Order,
    /// Stripe's word for where its payment stands.
    pub status: PaymentStatus,
    /// Whether nothing can be paid in it any more.
    pub is_over: bool,
}

/// What makes up the identity of a request with an `Idempotency-Key`.
#[derive(Debug, Clone)]
pub struct IdempotentRequest {
    /// Who sent it: keys of different callers have nothing to do with each other.
    pub scope: String,
    /// The key.
    pub key: String,
    /// A hash of method, path and body.
    pub fingerprint: String,
    /// When.
    pub now: DateTime<Utc>,
    /// Until when no other request with this key may be worked on.
    pub lease_until: DateTime<Utc>,
    /// Keys made before this are forgotten.
    pub forget_before: DateTime<Utc>,
}

/// The right to work on a request, until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub(crate) scope: String,
    pub(crate) key: String,
    pub(crate) token: String,
}

/// What stands in for a secret that must not be stored: it is made or fetched again for a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplySecret {
    /// The order's client token, derived anew.
    ClientToken(OrderId),
    /// The PaymentIntent's client secret, fetched anew.
    ClientSecret(PaymentId),
    /// An endpoint's signing secret of this number, while it signs.
    SigningSecret(WebhookEndpointId, u32),
}

/// An answer to be given again, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: String,
    /// The secret that belongs into the body, if one does.
    pub secret: Option<ReplySecret>,
}

/// What to do with a request that carries an `Idempotency-Key`.
#[derive(Debug)]
pub enum ClaimKeyOutcome {
    /// Work on it.
    New(Claim),
    /// It was answered: answer the same.
    Replay(Reply),
    /// It is being worked on.
    InFlightAttempt,
    /// The key belongs to another request.
    Mismatch,
}

/// A reply that is to be stored in the very transaction that does the work.
#[derive(Clone)]
pub struct Completion<T> {
    /// The request's claim.
    pub claim: Claim,
    /// Makes the reply of the result.
    pub render: Arc<dyn Fn(&T) -> Reply + Send + Sync>,
}

impl<T> fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("claim", &self.claim).finish_non_exhaustive()
    }
}

/// A secret key of the back office, without the key itself: only its hash is kept.
#[derive(Debug, Clone)]
pub struct SecretKey {
    /// Its id.
    pub id: KeyId,
    /// What it is called.
    pub name: String,
    /// SHA-256 of the key, in hexadecimal.
    pub hash: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Which attempts the worker takes, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct WorkClaim {
    /// What is due by now.
    pub now: DateTime<Utc>,
    /// Until when no other worker takes them.
    pub lease_until: DateTime<Utc>,
    /// How many at most.
    pub limit: u8,
}

impl<T> Page<T> {
    /// A page of rows, of which one more than wanted was read.
    pub(crate) fn of<Row, E>(
        mut rows: Vec<Row>,
        limit: u8,
        read: impl Fn(Row) -> Result<T, E>,
    ) -> Result<Self, E> {
        let has_more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        Ok(Self { data: rows.into_iter().map(read).collect::<Result<_, _>>()?, has_more })
    }
}
