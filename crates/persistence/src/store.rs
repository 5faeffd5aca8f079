//! The face of the store: one list of every phase.

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

/// The store. Clones share its connections.
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

/// Each phase runs as a task of its own on the runtime that opened the store, so that a caller who goes away
/// leaves no half-done transaction behind, and a single-threaded runtime of an HTTP worker does no database
/// work.
macro_rules! phases {
    ($( $(#[$doc:meta])* fn $phase:ident($($name:ident: $kind:ty),*) -> $result:ty; )*) => {
        impl Store {
            $(
                $(#[$doc])*
                pub async fn $phase(&self, $($name: $kind),*) -> Result<$result, Error> {
                    let task = match &self.database {
                        Database::Postgres(database) => {
                            let database = Arc::clone(database);
                            self.runtime.spawn(async move { database.$phase($($name),*).await })
                        }
                        Database::Sqlite(database) => {
                            let database = Arc::clone(database);
                            self.runtime.spawn(async move { database.$phase($($name),*).await })
                        }
                    };
                    task.await.map_err(|error| Error::Unavailable(Box::new(error)))?
                }
            )*
        }
    };
}

impl Store {
    /// Opens the database that the URL names. Runs no migrations: see [`Store::migrate`].
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

    /// Closes the connections. Phases that are still asked for fail as if the database were unreachable.
    pub fn close(&self) {
        match &self.database {
            Database::Postgres(database) => database.close(),
            Database::Sqlite(database) => database.close(),
        }
    }

    /// Connections in use, idle, and at most: for metrics.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        match &self.database {
            Database::Postgres(database) => database.pool_status(),
            Database::Sqlite(database) => database.pool_status(),
        }
    }
}

phases! {
    /// Brings the schema up to this version. Any number of processes may do so at once.
    fn migrate() -> ();

    /// Succeeds if the database answers and its schema is what this version needs.
    fn ready() -> ();

    /// Adds a product to the catalogue. One of a seller that there is not is [`Error::UnknownSeller`].
    fn insert_product(product: Product, completion: Option<Completion<Product>>) -> Product;

    /// Changes a product. With its seller, what stands for it at Stripe is forgotten.
    fn change_product(id: ProductId, change: ProductChange, now: DateTime<Utc>) -> ChangeProductOutcome;

    /// A product by its id.
    fn product(id: ProductId) -> Option<Product>;

    /// The catalogue, newest first.
    fn products(shelf: ProductVisibility, cursor: Cursor<ProductId>) -> Page<Product>;

    /// Stripe's id of the product that stands for this one on its seller's account, `prod_…`, once it was made.
    fn stripe_product(product_id: ProductId) -> Option<String>;

    /// Records what was made for a product on its seller's account, unless something was before; returns what stands.
    /// `None` if there is no such product, or it is of another seller by now.
    fn set_stripe_product(
        product_id: ProductId,
        seller_id: SellerId,
        stripe_product_id: String
    ) -> Option<String>;

    /// Prices an order from the catalogue and places it.
    fn place_order(order: NewOrder, completion: Option<Completion<Order>>) -> PlaceOrderOutcome;

    /// An order by its id.
    fn order(id: OrderId) -> Option<Order>;

    /// The order that a PaymentIntent is to pay, by Stripe's id of it, with that one as its payment, current or not.
    fn order_of_payment_intent(payment_intent_id: String) -> Option<Order>;

    /// Orders, newest first.
    fn orders(filter: OrderFilter, cursor: Cursor<OrderId>) -> Page<Order>;

    /// Changes who buys, where the goods go, or the shop's own words.
    fn change_order(change: OrderChange) -> ChangeOrderOutcome;

    /// Hashes of the client secrets that open this order to whoever shows one of them.
    fn client_secret_hashes(order_id: OrderId) -> Vec<String>;

    /// Records an attempt to pay, or finds the live one. Nothing is charged through a seller that is not ready.
    fn begin_attempt(attempt: NewAttempt) -> BeginAttemptOutcome;

    /// Takes in what Stripe answered about an attempt. `client_secret_hash` is kept if it is given;
    /// `sent_details_version` is the `details_version` that Stripe was told with this call.
    fn apply_observation(
        payment_id: PaymentId,
        observation: Observation,
        client_secret_hash: Option<String>,
        sent_details_version: Option<i64>,
        now: DateTime<Utc>
    ) -> ObserveOutcome;

    /// Takes in everything that Stripe answered about an attempt.
    fn apply_observations(payment_id: PaymentId, findings: AttemptObservations, now: DateTime<Utc>) -> ObserveOutcome;

    /// Records how much of a held payment is to be taken: `amount` in minor units, everything if it is not said.
    fn request_capture(order_id: OrderId, amount: Option<i64>, now: DateTime<Utc>) -> CaptureOutcome;

    /// Takes the wish to take what is held back, because Stripe would not do it.
    fn withdraw_capture(payment_id: PaymentId, now: DateTime<Utc>) -> ();

    /// Records a refund. The reply is stored in the same transaction, so that a repetition of the request gives
    /// nothing back twice.
    fn begin_refund(refund: NewRefund, completion: Option<Completion<StoredRefund>>) -> BeginRefundOutcome;

    /// A refund with what is needed to work on it.
    fn refund(id: RefundId) -> Option<PendingRefund>;

    /// The refunds of an order, newest first.
    fn refunds(order_id: OrderId) -> Vec<StoredRefund>;

    /// The disputes of an order, newest first.
    fn disputes(order_id: OrderId) -> Vec<StoredDispute>;

    /// A dispute by its id.
    fn dispute(id: DisputeId) -> Option<StoredDispute>;

    /// Takes in what Stripe answered about a refund that we asked for.
    fn apply_refund_observation(id: RefundId, observation: RefundObservation, now: DateTime<Utc>) -> Option<StoredRefund>;

    /// Records that Stripe will not make this refund.
    fn refuse_refund(id: RefundId, reason: String, now: DateTime<Utc>) -> ();

    /// Has the worker take a refund up again at this time, if Stripe has not made it by then.
    fn postpone_refund(id: RefundId, resume_at: DateTime<Utc>) -> ();

    /// Gives a refund its next idempotency key, once for each that is spent. Nothing if somebody else has done so, or if
    /// there is no more to be asked for.
    fn renew_refund_key(spent: SpentRefundKey) -> Option<PendingRefund>;

    /// Refunds that Stripe still has to be asked for, taken for a while.
    fn claim_refunds(claim: WorkClaim) -> Vec<PendingRefund>;

    /// Orders that are to be compared with what Stripe says, or to expire, taken for a while.
    fn claim_checks(claim: WorkClaim) -> Vec<OrderId>;

    /// An order and its attempts, to be compared with what Stripe says.
    fn order_to_check(id: OrderId) -> Option<OrderToCheck>;

    /// Records that an order as it was found was compared with what Stripe says, and when it is to be again; unless
    /// somebody has wished for it meanwhile.
    fn record_check(found: OrderToCheck, now: DateTime<Utc>) -> ();

    /// Asks for an order to end because its time is over, if it still is.
    fn expire_order(id: OrderId, now: DateTime<Utc>) -> CloseOutcome;

    /// Takes the walk of Stripe's list of this account's events for a while, if nobody else has it.
    fn claim_event_backfill(account: Account, now: DateTime<Utc>, lease_until: DateTime<Utc>) -> Option<EventBackfill>;

    /// Records that every event of this account made before this was seen.
    fn record_event_backfill(account: Account, seen_until: DateTime<Utc>) -> ();

    /// Connected accounts on which payments were charged and whose walk nobody has now, so many at most, the one that
    /// was not walked for the longest time first.
    fn accounts_due_for_backfill(limit: u16, now: DateTime<Utc>) -> Vec<Account>;

    /// Has a connected account read at once, by its seller: what was asked of it was refused.
    fn schedule_account_refresh(account: Account, now: DateTime<Utc>) -> ();

    /// Has every order looked at on whose attempts on this account was given up though Stripe has made them: it can be
    /// asked about them again.
    fn schedule_unreachable_refresh(account: Account, now: DateTime<Utc>) -> ();

    /// The Stripe account that the data of this mode is of: this one, if there was none yet.
    fn bind_stripe_account(mode: Mode, account_id: String, now: DateTime<Utc>) -> String;

    /// The Stripe account that the data of this mode is of, if one was seen.
    fn stripe_account(mode: Mode) -> Option<String>;

    /// Which of these events were not taken in yet.
    fn unknown_events(event_ids: Vec<String>) -> HashSet<String>;

    /// Derives the cached columns of some orders anew, in the order of their ids; writes nothing if `dry_run`.
    fn recompute(after: Option<OrderId>, limit: u8, dry_run: bool, now: DateTime<Utc>) -> RecomputeOutcome;

    /// Orders that were changed since a time and whose payment Stripe knows of, in the order of their ids.
    fn orders_to_reconcile(since: DateTime<Utc>, after: Option<OrderId>, limit: u8) -> Vec<OrderId>;

    /// Keeps a note of a request to Stripe, for the timeline.
    fn record_stripe_call(call: StripeCall) -> ();

    /// Everything that happened to an order, oldest first.
    fn timeline(order_id: OrderId) -> Vec<TimelineEntry>;

    /// How the payment of a Checkout Session stands.
    fn session_lookup(checkout_session_id: String) -> Option<SessionLookup>;

    /// Records that Stripe will not make this attempt's PaymentIntent or Checkout Session.
    fn refuse_attempt(payment_id: PaymentId, reason: String, now: DateTime<Utc>) -> ();

    /// Records that an attempt can not be reached any more, made or not, because of its account. Its order's seller
    /// is to be read at once.
    fn mark_attempt_unreachable(payment_id: PaymentId, reason: String, now: DateTime<Utc>) -> ();

    /// Records that Stripe will not take these details for this attempt, so that they are not sent again.
    fn skip_details_update(payment_id: PaymentId, sent_details_version: i64, now: DateTime<Utc>) -> ();

    /// Asks for an order to end unpaid.
    fn request_close(order_id: OrderId, closure: CloseReason, by: CloseRequester, now: DateTime<Utc>) -> CloseOutcome;

    /// Takes the wish to end an order back, because Stripe would not close its attempt.
    fn withdraw_close(order_id: OrderId, now: DateTime<Utc>) -> ();

    /// Attempts on which something is left to do at Stripe, taken for a while.
    fn claim_work(claim: WorkClaim) -> Vec<PendingAttempt>;

    /// An attempt with what is needed to work on it.
    fn attempt(payment_id: PaymentId) -> Option<PendingAttempt>;

    /// Takes in a batch of verified events, in one transaction; what became of each, in their order.
    fn apply(deliveries: Vec<Delivery>) -> Vec<EventOutcome>;

    /// Records a seller whose account Stripe is to make.
    fn insert_seller(seller: NewSeller, completion: Option<Completion<Seller>>) -> Seller;

    /// Records the account that Stripe has made for a seller, and how it stands: asked in the second `began_s`.
    fn record_created_account(
        id: SellerId,
        account_id: String,
        began_s: i64,
        state: AccountState,
        now: DateTime<Utc>
    ) -> Seller;

    /// Forgets a seller for which Stripe will not make an account. One that has an account, or was unlinked, stays.
    fn refuse_seller(id: SellerId) -> ();

    /// Takes in that the owner of an account has let the platform in: a known seller is connected again, and one that
    /// nobody knew is recorded.
    fn connect_seller(connected: ConnectSeller) -> Seller;

    /// A seller by its id.
    fn seller(id: SellerId) -> Option<Seller>;

    /// Sellers, newest first.
    fn sellers(filter: SellerFilter, cursor: Cursor<SellerId>) -> Page<Seller>;

    /// Changes on which terms a seller sells, or the platform's own words about it.
    fn change_seller(change: SellerChange) -> ChangeSellerOutcome;

    /// Sellers about which something is to be done at Stripe, taken for a while.
    fn claim_seller_checks(claim: WorkClaim) -> Vec<PendingSeller>;

    /// Takes in how a seller's account stands, read by a request that began in the second `began_s`.
    fn record_account_snapshot(id: SellerId, began_s: i64, state: AccountState, now: DateTime<Utc>) -> Seller;

    /// Takes in that the platform may not use a seller's account: a request that began in the second `began_s` was
    /// told so.
    fn record_account_disconnect(id: SellerId, began_s: i64, now: DateTime<Utc>) -> Seller;

    /// Begins to end the use of a seller's account: from now on nobody can begin to pay through it.
    fn begin_unlink(id: SellerId, force: bool, now: DateTime<Utc>) -> BeginUnlinkOutcome;

    /// Takes the wish to end the use of a seller's account back.
    fn stop_unlink(id: SellerId, now: DateTime<Utc>) -> Seller;

    /// Records that the use of a seller's account has ended. One that was let in again meanwhile stays connected.
    fn unlinked(id: SellerId, now: DateTime<Utc>) -> Seller;

    /// The orders of a seller that are neither paid nor ended, oldest first.
    fn open_orders_of_seller(id: SellerId) -> Vec<(OrderId, OrderStatus)>;

    /// Records what is given to whoever is to come back from Stripe, by hashes of it and of what it is bound to.
    fn begin_oauth(
        state_hash: String,
        binding_hash: String,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>
    ) -> ();

    /// Uses up what somebody brought back from Stripe, if it was given to them and was not used before.
    fn consume_oauth_state(state_hash: String, binding_hash: String, now: DateTime<Utc>) -> ConsumeStateOutcome;

    /// Forgets what was given out and was to be used before a time; how many there were.
    fn forget_oauth_states(before: DateTime<Utc>) -> usize;

    /// Keeps an event that could not be applied, with its bytes.
    fn keep_failed(delivery: Delivery, reason: String) -> ();

    /// Events that were kept as failed, in the order of their ids.
    fn failed_events(after: Option<String>, limit: u8) -> Vec<FailedEvent>;

    /// Takes in an event that was kept as failed; what became of it this time.
    fn replay(delivery: Delivery) -> EventOutcome;

    /// Where these orders are.
    fn pulses(order_ids: Vec<OrderId>) -> Vec<OrderVersion>;

    /// Takes a request with an idempotency key on, or finds what was answered to it.
    fn claim_key(request: IdempotentRequest) -> ClaimKeyOutcome;

    /// Stores the answer to a request.
    fn complete_key(claim: Claim, reply: Reply) -> ();

    /// Lets a key go whose request came to nothing.
    fn release_key(claim: Claim) -> ();

    /// Forgets the answers to requests that came before a time; how many there were.
    fn forget_replies(before: DateTime<Utc>) -> usize;

    /// Adds a secret key; one with the same hash is left as it is.
    fn insert_secret_key(key: SecretKey) -> ();

    /// The key with this hash, if it is not revoked.
    fn secret_key_by_hash(hash: String) -> Option<SecretKey>;

    /// Every secret key, newest first.
    fn secret_keys() -> Vec<SecretKey>;

    /// Revokes a key; whether there was one to revoke.
    fn revoke_secret_key(id: KeyId, now: DateTime<Utc>) -> bool;

    /// Adds an endpoint of the shop's own systems.
    fn insert_webhook_endpoint(
        endpoint: WebhookEndpoint,
        completion: Option<Completion<WebhookEndpoint>>
    ) -> WebhookEndpoint;

    /// Changes an endpoint, if there is such a one. One that is enabled is taken for well.
    fn change_webhook_endpoint(
        id: WebhookEndpointId,
        change: WebhookEndpointChange,
        now: DateTime<Utc>
    ) -> Option<WebhookEndpoint>;

    /// Gives an endpoint a new secret, if there is such a one.
    fn roll_webhook_secret(
        roll: SecretRoll,
        completion: Option<Completion<WebhookEndpoint>>
    ) -> Option<WebhookEndpoint>;

    /// Removes an endpoint and its secrets; whether there was one.
    fn remove_webhook_endpoint(id: WebhookEndpointId, now: DateTime<Utc>) -> bool;

    /// An endpoint by its id.
    fn webhook_endpoint(id: WebhookEndpointId) -> Option<WebhookEndpoint>;

    /// Every endpoint, newest first.
    fn webhook_endpoints(cursor: Cursor<WebhookEndpointId>) -> Page<WebhookEndpoint>;

    /// Makes a message for one endpoint alone, to test it.
    fn ping_webhook_endpoint(
        id: WebhookEndpointId,
        render: Renderer,
        now: DateTime<Utc>,
        completion: Option<Completion<Message>>
    ) -> ResendOutcome<Message>;

    /// What is left to do for the shop's own systems: a look without a transaction.
    fn outbound_work(now: DateTime<Utc>) -> OutboundWork;

    /// Makes messages of new rows of the outbox, and their deliveries to the endpoints that are enabled and want
    /// them; how many. One process at a time does so; for the others there is nothing to do.
    fn publish(limit: u16, render: Renderer, now: DateTime<Utc>) -> usize;

    /// Takes deliveries on that are due.
    fn claim_deliveries(claim: DeliveryClaim) -> Vec<DeliveryBatch>;

    /// Records how attempts ended, and disables endpoints that want nothing or failed for days. What another
    /// worker has taken on meanwhile is not changed.
    fn record_attempts(ended: Vec<DeliveryResult>, render: Renderer, now: DateTime<Utc>) -> RecordAttemptsOutcome;

    /// Lets deliveries go that were taken on and not begun, so that others need not wait for the leases to end.
    fn let_deliveries_go(claims: Vec<DeliveryToken>) -> ();

    /// A message with every attempt to deliver it.
    fn message(id: MessageId) -> Option<Message>;

    /// Messages with their deliveries, newest first.
    fn messages(filter: MessageFilter, cursor: Cursor<MessageId>) -> Page<Message>;

    /// Sends a message once more: to one endpoint, or to all that it was for and that are enabled.
    fn resend(
        id: MessageId,
        endpoint_id: Option<WebhookEndpointId>,
        now: DateTime<Utc>,
        completion: Option<Completion<Message>>
    ) -> ResendOutcome<Message>;

    /// Sends an endpoint every message since a time that it wants and was not delivered; how many.
    fn recover(
        id: WebhookEndpointId,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
        completion: Option<Completion<usize>>
    ) -> ResendOutcome<usize>;

    /// How much waits to be delivered.
    fn outbound_backlog() -> Backlog;

    /// Forgets the bytes of events that were understood and came before a time, of so many at most; of how many. That
    /// they came, and what became of them, stays known.
    fn forget_payloads(before: DateTime<Utc>, limit: u16) -> usize;

    /// Forgets messages from before a time, so many at most; how many there were. Also gives up what was to go
    /// to endpoints that are removed.
    fn forget_messages(before: DateTime<Utc>, limit: u16) -> usize;
}
