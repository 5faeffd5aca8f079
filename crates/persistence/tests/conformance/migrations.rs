//! Rows that the version before wrote.

use quittance_domain::dispute::DisputeStatus;
use quittance_domain::order::OrderStatus;
use quittance_domain::refund::RefundStatus;
use quittance_persistence::{Store, WorkClaim};
use quittance_test_support::{EXPIRY_S, Payment, TestDatabase, later, on_both_databases, place};

use crate::{apply, hear, invariants, order, rows, status};

on_both_databases! {
    rows_of_the_version_before_are_found_and_looked_at,
    orders_with_refunds_or_disputes_are_marked,
}

/// It reads the same for both databases.
const MONEY: Migration = Migration {
    version: "20261123000000",
    down: include_str!("../../../../migrations/postgres/2026-11-23-000000_money/down.sql"),
};
/// As `MONEY`.
const RETURNS: Migration = Migration {
    version: "20261123000002",
    down: include_str!("../../../../migrations/postgres/2026-11-23-000002_returns/down.sql"),
};

struct Migration {
    version: &'static str,
    down: &'static str,
}

/// Takes the schema back to what it was before.
async fn take_back(database: &TestDatabase, migrations: &[Migration]) {
    for Migration { version, down } in migrations {
        database.execute(down).await;
        let forget = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'");
        database.execute(&forget).await;
    }
}

async fn due(store: &Store, seconds: i64) -> Vec<quittance_domain::id::OrderId> {
    let claim = WorkClaim { now: later(seconds), lease_until: later(seconds + 60), limit: 10 };
    let mut ids = store.claim_checks(claim).await.expect("a commit");
    // Several may be due at the same time.
    ids.sort();
    ids
}

async fn rows_of_the_version_before_are_found_and_looked_at(database: &TestDatabase) {
    let store = database.store().await;
    let (open, paid) = (Payment::begin(&store).await, Payment::begin(&store).await);
    apply(&store, &[open.created(), paid.succeeded()]).await;
    let untouched = place(&store).await;
    let before = [order(&store, &open.order.id).await, order(&store, &paid.order.id).await];
    store.close();
    take_back(database, &[RETURNS, MONEY]).await;
    let store = database.store().await;
    assert!(store.ready().await.is_err());
    store.migrate().await.expect("migrated");
    store.ready().await.expect("ready");
    for order_before in before {
        assert_eq!(order(&store, &order_before.id).await, order_before);
    }
    assert_eq!(order(&store, &untouched.id).await.expires_at, later(EXPIRY_S));
    assert!(due(&store, EXPIRY_S - 1).await.is_empty());
    assert_eq!(due(&store, EXPIRY_S).await, [open.order.id.clone(), untouched.id]);
    apply(&store, &[open.succeeded()]).await;
    assert_eq!(status(&store, &open.order.id).await, OrderStatus::Paid);
    invariants::check(database).await;
}

async fn orders_with_refunds_or_disputes_are_marked(database: &TestDatabase) {
    let store = database.store().await;
    let (refunded, disputed, paid) =
        (Payment::begin(&store).await, Payment::begin(&store).await, Payment::begin(&store).await);
    apply(&store, &[refunded.succeeded(), disputed.succeeded(), paid.succeeded()]).await;
    hear(&store, refunded.refund("re_1", None, 700, (RefundStatus::Succeeded, 5))).await;
    hear(&store, disputed.dispute("du_1", (DisputeStatus::NeedsResponse, 5))).await;
    store.close();
    take_back(database, &[RETURNS]).await;
    let store = database.store().await;
    store.migrate().await.expect("migrated");
    assert_eq!(store.refunds(refunded.order.id).await.expect("a read").len(), 1);
    assert_eq!(store.disputes(disputed.order.id).await.expect("a read").len(), 1);
    assert_eq!(rows(database, "orders WHERE has_returns").await, 2);
    invariants::check(database).await;
}
