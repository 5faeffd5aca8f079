//! Rows that the version before wrote.

use quittance_domain::order::OrderStatus;
use quittance_persistence::{Store, WorkClaim};
use quittance_test_support::{EXPIRY_S, Payment, TestDatabase, later, on_both_databases, place};

use crate::{apply, invariants, order, status};

on_both_databases! { rows_of_the_version_before_are_found_and_looked_at }

/// It reads the same for both databases.
const DOWN: &str = include_str!("../../../../migrations/postgres/2026-11-23-000000_money/down.sql");
const VERSION: &str = "20261123000000";

/// Takes the schema back to what the version before had.
async fn take_back(database: &TestDatabase) {
    database.execute(DOWN).await;
    database.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{VERSION}'")).await;
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
    take_back(database).await;
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
