//! Conformance tests of the store. Each runs on both databases.

mod attempt_claims;
mod attempts;
mod canceled_callers;
mod captures;
mod closing;
mod convergence;
mod direct_charges;
mod disputes;
mod events;
mod expiry;
mod idempotency;
mod invariants;
mod items;
mod migrations;
mod oauth;
mod observations;
mod order_versions;
mod orders;
mod outbound;
mod outbound_endpoints;
mod payment_matching;
mod placing;
mod products;
mod recovery;
mod refunds;
mod schema;
mod secret_keys;
mod seller_events;
mod seller_messages;
mod sellers;
mod sessions;
mod stock;
mod stripe_accounts;
mod timeline;
mod unlinking;

use quittance_domain::event::EventOutcome;
use quittance_domain::id::OrderId;
use quittance_domain::order::{Order, OrderStatus};
use quittance_persistence::{Delivery, IdempotentRequest, Store, StoreConfig};
use quittance_test_support::{MoneyEvent, PaymentEvent, SellerEvent, TestDatabase, later, now};

/// Returns the current order.
async fn order(store: &Store, id: &OrderId) -> Order {
    store.order(id.clone()).await.expect("a read").expect("an order")
}

async fn status(store: &Store, id: &OrderId) -> OrderStatus {
    order(store, id).await.status
}

/// Applies events in one transaction.
async fn apply(store: &Store, events: &[PaymentEvent]) -> Vec<EventOutcome> {
    let deliveries: Vec<Delivery> = events.iter().map(PaymentEvent::delivery).collect();
    store.apply(deliveries).await.expect("a commit")
}

/// Applies an event about a Checkout Session, a refund or a dispute.
async fn apply_one(store: &Store, event: impl Into<MoneyEvent>) -> EventOutcome {
    let outcomes = store.apply(vec![event.into().delivery()]).await.expect("a commit");
    outcomes[0]
}

/// Returns how many events of this type were published, over all orders.
async fn published(database: &TestDatabase, kind: &str) -> i64 {
    database.scalar_i64(&format!("SELECT count(*) FROM outbox WHERE kind = '{kind}'")).await
}

/// Applies seller events in one transaction.
async fn apply_seller_events(store: &Store, events: &[SellerEvent]) -> Vec<EventOutcome> {
    store.apply(events.iter().map(SellerEvent::delivery).collect()).await.expect("a commit")
}

async fn rows(database: &TestDatabase, table: &str) -> i64 {
    database.scalar_i64(&format!("SELECT count(*) FROM {table}")).await
}

/// Opens a store with a changed configuration.
async fn store_with(database: &TestDatabase, change: impl FnOnce(&mut StoreConfig)) -> Store {
    let mut config = database.config();
    change(&mut config);
    Store::open(config).await.expect("a store")
}

/// Returns a request with an idempotency key and a lease of one minute.
fn idempotent_request(key: &str) -> IdempotentRequest {
    IdempotentRequest {
        scope: "public".to_owned(),
        key: key.to_owned(),
        fingerprint: "POST /v1/orders 1".to_owned(),
        now: now(),
        lease_until: later(60),
        expired_before: later(-24 * 60 * 60),
    }
}

/// A small deterministic random generator (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below this limit.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is below a usize")
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Reports whether to run large test matrices completely.
fn exhaustive() -> bool {
    std::env::var("QUITTANCE_EXHAUSTIVE").is_ok_and(|value| value == "1")
}
