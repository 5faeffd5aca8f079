//! The store's public interface: one method per atomic operation.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Product;
use quittance_domain::event::EventOutcome;
use quittance_domain::history::CloseReason;
use quittance_domain::id::{
    DisputeId, KeyId, MessageId, OrderId, PaymentId, ProductId, RefundId, SellerId, WebhookEndpointId,
};
use quittance_domain::order::{Order, OrderStatus};
use quittance_domain::payment::{Account, Mode, Observation};
use quittance_domain::refund::RefundObservation;
use quittance_domain::seller::{AccountState, Seller};
use tokio::runtime::Handle;

use crate::model::{
    AttemptObservations, Backlog, BeginAttemptOutcome, BeginRefundOutcome, BeginUnlinkOutcome,
    CaptureOutcome, ChangeOrderOutcome, ChangeProductOutcome, ChangeSellerOutcome, Claim, ClaimKeyOutcome,
    CloseOutcome, CloseRequester, Completion, ConnectSeller, ConsumeStateOutcome, Cursor, Delivery,
    DeliveryBatch, DeliveryClaim, DeliveryResult, DeliveryToken, EventBackfill, FailedEvent,
    IdempotentRequest, Message, MessageFilter, NewAttempt, NewOrder, NewRefund, NewSeller, ObserveOutcome,
    OrderChange, OrderFilter, OrderToCheck, OrderVersion, OutboundWork, Page, PendingAttempt, PendingRefund,
    PendingSeller, PlaceOrderOutcome, PoolStatus, ProductChange, ProductVisibility, RecomputeOutcome,
    RecordAttemptsOutcome, Renderer, Reply, ResendOutcome, SecretKey, SecretRoll, SellerChange, SellerFilter,
    SessionLookup, SpentRefundKey, StoreConfig, StoredDispute, StoredRefund, StripeCall, TimelineEntry,
    WebhookEndpoint, WebhookEndpointChange, WorkClaim,
};
use crate::{Error, postgres, sqlite};

/// The store. Clones share their connections.
#[derive(Clone)]
pub struct Store {
    database: Database,
    runtime: Handle,
}

#[derive(Clone)]
enum Database {
    Postgres(Arc<postgres::Database>),
    Sqlite(Arc<sqlite::Database>),
}

/// Defines the store's methods. Each runs as its own task on the runtime that opened the store. So a canceled caller
/// leaves no unfinished transaction behind, and a single-threaded runtime of an HTTP worker does no database work.
macro_rules! operations {
    ($( $(#[$doc:meta])* fn $operation:ident($($name:ident: $kind:ty),*) -> $result:ty; )*) => {
        impl Store {
            $(
                $(#[$doc])*
                pub async fn $operation(&self, $($name: $kind),*) -> Result<$result, Error> {
                    let task = match &self.database {
                        Database::Postgres(database) => {
                            let database = Arc::clone(database);
                            self.runtime.spawn(async move { database.$operation($($name),*).await })
                        }
                        Database::Sqlite(database) => {
                            let database = Arc::clone(database);
                            self.runtime.spawn(async move { database.$operation($($name),*).await })
                        }
                    };
                    task.await.map_err(|error| Error::Unavailable(Box::new(error)))?
                }
            )*
        }
    };
}

impl Store {
    /// Opens the database at the configured URL. Doesn't run migrations: see [`Store::migrate`].
    pub async fn open(config: StoreConfig) -> Result<Self, Error> {
        let database = match config.url.split_once("://") {
            Some(("sqlite", _)) => Database::Sqlite(Arc::new(sqlite::Database::open(&config).await?)),
            Some(("postgres" | "postgresql", _)) => {
                Database::Postgres(Arc::new(postgres::Database::open(&config)?))
            }
            _ => return Err(Error::Url("must begin with sqlite:// or postgres://".to_owned())),
        };
        Ok(Self { database, runtime: Handle::current() })
    }

    /// Closes the connections. Later calls fail with [`Error::Unavailable`].
    pub fn close(&self) {
        match &self.database {
            Database::Postgres(database) => database.close(),
            Database::Sqlite(database) => database.close(),
        }
    }

    /// Returns the numbers of open, idle and awaited connections.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        match &self.database {
            Database::Postgres(database) => database.pool_status(),
            Database::Sqlite(database) => database.pool_status(),
        }
    }
}

operations! {
    /// Migrates the schema to this version. Any number of processes may do this concurrently.
    fn migrate() -> ();

    /// Succeeds if the database answers and all migrations of this version are applied.
    fn ready() -> ();

    /// Adds a product to the catalog. Fails with [`Error::UnknownSeller`] if its seller doesn't exist.
    fn insert_product(product: Product, completion: Option<Completion<Product>>) -> Product;

    /// Changes a product. A new seller also clears the product's ID at Stripe.
    fn change_product(id: ProductId, change: ProductChange, now: DateTime<Utc>) -> ChangeProductOutcome;

    /// Returns a product by its ID.
    fn product(id: ProductId) -> Option<Product>;

    /// Returns a page of the catalog, newest first.
    fn products(visibility: ProductVisibility, cursor: Cursor<ProductId>) -> Page<Product>;

    /// Returns the ID (`prod_…`) of the matching product on the seller's Stripe account, if it exists.
    fn stripe_product(product_id: ProductId) -> Option<String>;

    /// Records the matching product on the seller's Stripe account, unless one is recorded already. Returns the
    /// recorded ID, or `None` if the product doesn't exist or has another seller by now.
    fn set_stripe_product(
        product_id: ProductId,
        seller_id: SellerId,
        stripe_product_id: String
    ) -> Option<String>;

    /// Prices an order from the catalog and places it.
    fn place_order(order: NewOrder, completion: Option<Completion<Order>>) -> PlaceOrderOutcome;

    /// Returns an order by its ID.
    fn order(id: OrderId) -> Option<Order>;

    /// Returns the order of a PaymentIntent. The order's `payment` is this PaymentIntent, even if it isn't the
    /// current one.
    fn order_by_payment_intent(payment_intent_id: String) -> Option<Order>;

    /// Returns a page of orders, newest first.
    fn orders(filter: OrderFilter, cursor: Cursor<OrderId>) -> Page<Order>;

    /// Changes an order's items, customer, shipping or metadata.
    fn change_order(change: OrderChange) -> ChangeOrderOutcome;

    /// Returns the hashes of the client secrets that grant access to this order.
    fn client_secret_hashes(order_id: OrderId) -> Vec<String>;

    /// Records a payment attempt, or returns the live one. Refuses attempts through a seller that isn't ready.
    fn begin_attempt(attempt: NewAttempt) -> BeginAttemptOutcome;

    /// Applies Stripe's answer about an attempt. Stores `client_secret_hash`, if given. `sent_details_version` is the
    /// `details_version` that this call sent to Stripe.
    fn apply_observation(
        payment_id: PaymentId,
        observation: Observation,
        client_secret_hash: Option<String>,
        sent_details_version: Option<i64>,
        now: DateTime<Utc>
    ) -> ObserveOutcome;

    /// Applies Stripe's answers about an attempt, its refunds and its disputes together.
    fn apply_observations(payment_id: PaymentId, observations: AttemptObservations, now: DateTime<Utc>) -> ObserveOutcome;

    /// Records how much of an authorized payment to capture: `amount` in minor units, or all of it.
    fn request_capture(order_id: OrderId, amount: Option<i64>, now: DateTime<Utc>) -> CaptureOutcome;

    /// Withdraws a recorded capture that Stripe refused.
    fn withdraw_capture(payment_id: PaymentId, now: DateTime<Utc>) -> ();

    /// Records a refund. Stores the reply in the same transaction, so a repeated request refunds nothing twice.
    fn begin_refund(refund: NewRefund, completion: Option<Completion<StoredRefund>>) -> BeginRefundOutcome;

    /// Returns a refund with everything needed to continue it at Stripe.
    fn refund(id: RefundId) -> Option<PendingRefund>;

    /// Returns the refunds of an order, newest first.
    fn refunds(order_id: OrderId) -> Vec<StoredRefund>;

    /// Returns the disputes of an order, newest first.
    fn disputes(order_id: OrderId) -> Vec<StoredDispute>;

    /// Returns a dispute by its ID.
    fn dispute(id: DisputeId) -> Option<StoredDispute>;

    /// Applies Stripe's answer about a refund that Quittance requested.
    fn apply_refund_observation(id: RefundId, observation: RefundObservation, now: DateTime<Utc>) -> Option<StoredRefund>;

    /// Records that Stripe won't create this refund.
    fn refuse_refund(id: RefundId, reason: String, now: DateTime<Utc>) -> ();

    /// Schedules a worker to retry a refund at this time, if Stripe hasn't created it by then.
    fn postpone_refund(id: RefundId, resume_at: DateTime<Utc>) -> ();

    /// Gives a refund its next idempotency key, once per spent key. Returns `None` if another worker has renewed it
    /// or nothing remains to be requested.
    fn renew_refund_key(spent: SpentRefundKey) -> Option<PendingRefund>;

    /// Claims refunds that have yet to be requested from Stripe.
    fn claim_refunds(claim: WorkClaim) -> Vec<PendingRefund>;

    /// Claims orders that are due for a comparison with Stripe or for expiry.
    fn claim_checks(claim: WorkClaim) -> Vec<OrderId>;

    /// Returns an order and its attempts, to compare them with Stripe.
    fn order_to_check(id: OrderId) -> Option<OrderToCheck>;

    /// Records that an order was compared with Stripe, and schedules the next check. Keeps a check that was scheduled
    /// after the order was read.
    fn record_check(found: OrderToCheck, now: DateTime<Utc>) -> ();

    /// Closes an order that has expired, unless its expiry was postponed.
    fn expire_order(id: OrderId, now: DateTime<Utc>) -> CloseOutcome;

    /// Claims the backfill of an account's events, unless another process has it.
    fn claim_event_backfill(account: Account, now: DateTime<Utc>, lease_until: DateTime<Utc>) -> Option<EventBackfill>;

    /// Records that all events of this account created before `seen_until` were seen.
    fn record_event_backfill(account: Account, seen_until: DateTime<Utc>) -> ();

    /// Returns up to `limit` connected accounts that have payments and no running backfill. The account whose
    /// backfill ran longest ago comes first.
    fn accounts_due_for_backfill(limit: u16, now: DateTime<Utc>) -> Vec<Account>;

    /// Schedules an immediate read of a connected account, after it refused a request.
    fn schedule_account_refresh(account: Account, now: DateTime<Utc>) -> ();

    /// Schedules a check of every order with an unreachable attempt on this account that exists at Stripe. The
    /// account can be read again.
    fn schedule_unreachable_refresh(account: Account, now: DateTime<Utc>) -> ();

    /// Binds the data of a mode to a Stripe account, unless it is bound already. Returns the bound account.
    fn bind_stripe_account(mode: Mode, account_id: String, now: DateTime<Utc>) -> String;

    /// Returns the Stripe account that the data of this mode belongs to, if one is bound.
    fn stripe_account(mode: Mode) -> Option<String>;

    /// Returns those of these events that the inbox doesn't have.
    fn unknown_events(event_ids: Vec<String>) -> HashSet<String>;

    /// Derives the cached columns of a batch of orders again, in ID order. If `dry_run`, writes nothing.
    fn recompute(after: Option<OrderId>, limit: u8, dry_run: bool, now: DateTime<Utc>) -> RecomputeOutcome;

    /// Returns orders that changed since a time or are still open, and have an attempt, in ID order.
    fn orders_to_reconcile(since: DateTime<Utc>, after: Option<OrderId>, limit: u8) -> Vec<OrderId>;

    /// Records a request to Stripe for the timeline.
    fn record_stripe_call(call: StripeCall) -> ();

    /// Returns everything that happened to an order, oldest first.
    fn timeline(order_id: OrderId) -> Vec<TimelineEntry>;

    /// Returns the payment status of a Checkout Session.
    fn session_lookup(checkout_session_id: String) -> Option<SessionLookup>;

    /// Records that Stripe won't create this attempt's PaymentIntent or Checkout Session.
    fn refuse_attempt(payment_id: PaymentId, reason: String, now: DateTime<Utc>) -> ();

    /// Records that an attempt can't be reached anymore because of its account. Schedules an immediate read of the
    /// seller's account.
    fn mark_attempt_unreachable(payment_id: PaymentId, reason: String, now: DateTime<Utc>) -> ();

    /// Records that Stripe refuses these details for this attempt, so they aren't sent again.
    fn skip_details_update(payment_id: PaymentId, sent_details_version: i64, now: DateTime<Utc>) -> ();

    /// Requests that an order end unpaid.
    fn request_close(order_id: OrderId, closure: CloseReason, by: CloseRequester, now: DateTime<Utc>) -> CloseOutcome;

    /// Withdraws a close request because Stripe wouldn't close the attempt.
    fn withdraw_close(order_id: OrderId, now: DateTime<Utc>) -> ();

    /// Claims attempts that have work left at Stripe.
    fn claim_attempts(claim: WorkClaim) -> Vec<PendingAttempt>;

    /// Returns an attempt with everything needed to continue it at Stripe.
    fn attempt(payment_id: PaymentId) -> Option<PendingAttempt>;

    /// Applies a batch of verified events in one transaction. Returns their outcomes in the same order.
    fn apply(deliveries: Vec<Delivery>) -> Vec<EventOutcome>;

    /// Records a seller whose account Stripe is yet to create.
    fn insert_seller(seller: NewSeller, completion: Option<Completion<Seller>>) -> Seller;

    /// Records the account that Stripe created for a seller, and its state. The request began in second `began_s`.
    fn record_created_account(
        id: SellerId,
        account_id: String,
        began_s: i64,
        state: AccountState,
        now: DateTime<Utc>
    ) -> Seller;

    /// Deletes a seller for which Stripe won't create an account. Keeps sellers that have an account or are unlinked.
    fn refuse_seller(id: SellerId) -> ();

    /// Records that the owner of an account connected it to the platform. Reconnects a known seller, or creates one.
    fn connect_seller(connected: ConnectSeller) -> Seller;

    /// Returns a seller by its ID.
    fn seller(id: SellerId) -> Option<Seller>;

    /// Returns a page of sellers, newest first.
    fn sellers(filter: SellerFilter, cursor: Cursor<SellerId>) -> Page<Seller>;

    /// Changes a seller's terms, reference or metadata.
    fn change_seller(change: SellerChange) -> ChangeSellerOutcome;

    /// Claims sellers that have work due at Stripe.
    fn claim_seller_checks(claim: WorkClaim) -> Vec<PendingSeller>;

    /// Records the state of a seller's account, read by a request that began in second `began_s`.
    fn record_account_snapshot(id: SellerId, began_s: i64, state: AccountState, now: DateTime<Utc>) -> Seller;

    /// Records that the platform has no access to a seller's account, as a request that began in second `began_s`
    /// reported.
    fn record_account_disconnect(id: SellerId, began_s: i64, now: DateTime<Utc>) -> Seller;

    /// Starts to unlink a seller. From now on, no payment through it can begin.
    fn begin_unlink(id: SellerId, force: bool, now: DateTime<Utc>) -> BeginUnlinkOutcome;

    /// Cancels the unlinking of a seller.
    fn stop_unlink(id: SellerId, now: DateTime<Utc>) -> Seller;

    /// Records that a seller is unlinked. Keeps a seller that was reconnected meanwhile.
    fn record_unlinked(id: SellerId, now: DateTime<Utc>) -> Seller;

    /// Returns the open orders of a seller, oldest first.
    fn open_orders_of_seller(id: SellerId) -> Vec<(OrderId, OrderStatus)>;

    /// Records an OAuth state by its hash and the hash of its binding.
    fn begin_oauth(
        state_hash: String,
        binding_hash: String,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>
    ) -> ();

    /// Uses up an OAuth state, if the binding matches and the state is unused and unexpired.
    fn consume_oauth_state(state_hash: String, binding_hash: String, now: DateTime<Utc>) -> ConsumeStateOutcome;

    /// Deletes the OAuth states that expired before a time, and returns their number.
    fn delete_oauth_states(before: DateTime<Utc>) -> usize;

    /// Stores an event that couldn't be applied, with its bytes.
    fn record_failed_event(delivery: Delivery, reason: String) -> ();

    /// Returns failed events in ID order.
    fn failed_events(after: Option<String>, limit: u8) -> Vec<FailedEvent>;

    /// Applies a failed event again, and returns its new outcome.
    fn replay(delivery: Delivery) -> EventOutcome;

    /// Returns the versions of these orders.
    fn order_versions(order_ids: Vec<OrderId>) -> Vec<OrderVersion>;

    /// Claims a request with an idempotency key, or returns the stored reply.
    fn claim_key(request: IdempotentRequest) -> ClaimKeyOutcome;

    /// Stores the reply to a request.
    fn complete_key(claim: Claim, reply: Reply) -> ();

    /// Releases the key of a failed request.
    fn release_key(claim: Claim) -> ();

    /// Deletes the idempotency keys created before a time, and returns their number.
    fn delete_idempotency_keys(before: DateTime<Utc>) -> usize;

    /// Adds a secret key. Does nothing if a key with this hash exists.
    fn insert_secret_key(key: SecretKey) -> ();

    /// Returns the key with this hash, if it isn't revoked.
    fn secret_key_by_hash(hash: String) -> Option<SecretKey>;

    /// Returns all secret keys, newest first.
    fn secret_keys() -> Vec<SecretKey>;

    /// Revokes a key, and returns whether there was one to revoke.
    fn revoke_secret_key(id: KeyId, now: DateTime<Utc>) -> bool;

    /// Adds a webhook endpoint.
    fn insert_webhook_endpoint(
        endpoint: WebhookEndpoint,
        completion: Option<Completion<WebhookEndpoint>>
    ) -> WebhookEndpoint;

    /// Changes a webhook endpoint, if it exists. Enabling one also resets its failure state.
    fn change_webhook_endpoint(
        id: WebhookEndpointId,
        change: WebhookEndpointChange,
        now: DateTime<Utc>
    ) -> Option<WebhookEndpoint>;

    /// Gives a webhook endpoint a new secret, if the endpoint exists.
    fn roll_webhook_secret(
        roll: SecretRoll,
        completion: Option<Completion<WebhookEndpoint>>
    ) -> Option<WebhookEndpoint>;

    /// Removes a webhook endpoint and its secrets, and returns whether it existed.
    fn remove_webhook_endpoint(id: WebhookEndpointId, now: DateTime<Utc>) -> bool;

    /// Returns a webhook endpoint by its ID.
    fn webhook_endpoint(id: WebhookEndpointId) -> Option<WebhookEndpoint>;

    /// Returns a page of webhook endpoints, newest first.
    fn webhook_endpoints(cursor: Cursor<WebhookEndpointId>) -> Page<WebhookEndpoint>;

    /// Creates a test message for one endpoint.
    fn ping_webhook_endpoint(
        id: WebhookEndpointId,
        render: Renderer,
        now: DateTime<Utc>,
        completion: Option<Completion<Message>>
    ) -> ResendOutcome<Message>;

    /// Returns the outbound work that is due. Takes no locks.
    fn outbound_work(now: DateTime<Utc>) -> OutboundWork;

    /// Turns new outbox rows into messages with a delivery for each enabled endpoint that subscribes to them. Returns
    /// the number of messages. One process at a time publishes; the others get 0.
    fn publish(limit: u16, render: Renderer, now: DateTime<Utc>) -> usize;

    /// Claims deliveries that are due.
    fn claim_deliveries(claim: DeliveryClaim) -> Vec<DeliveryBatch>;

    /// Records finished delivery attempts. Disables endpoints that reject messages permanently or failed for days.
    /// Ignores deliveries that another worker has claimed meanwhile.
    fn record_attempts(ended: Vec<DeliveryResult>, render: Renderer, now: DateTime<Utc>) -> RecordAttemptsOutcome;

    /// Releases claimed deliveries that weren't started, so other workers needn't wait for the leases to expire.
    fn release_deliveries(claims: Vec<DeliveryToken>) -> ();

    /// Returns a message with all its delivery attempts.
    fn message(id: MessageId) -> Option<Message>;

    /// Returns a page of messages with their deliveries, newest first.
    fn messages(filter: MessageFilter, cursor: Cursor<MessageId>) -> Page<Message>;

    /// Sends a message again: to one endpoint, or to all enabled endpoints that it was meant for.
    fn resend(
        id: MessageId,
        endpoint_id: Option<WebhookEndpointId>,
        now: DateTime<Utc>,
        completion: Option<Completion<Message>>
    ) -> ResendOutcome<Message>;

    /// Sends an endpoint every undelivered message since a time that it subscribes to. Returns their number.
    fn recover(
        id: WebhookEndpointId,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
        completion: Option<Completion<usize>>
    ) -> ResendOutcome<usize>;

    /// Returns the number of pending deliveries and the age of the oldest.
    fn outbound_backlog() -> Backlog;

    /// Clears the payloads of up to `limit` successfully read events received before a time, and returns their
    /// number. The events and their outcomes stay recorded.
    fn clear_event_payloads(before: DateTime<Utc>, limit: u16) -> usize;

    /// Deletes up to `limit` messages created before a time, and returns their number. Also cancels pending
    /// deliveries to removed endpoints.
    fn delete_messages(before: DateTime<Utc>, limit: u16) -> usize;
}
