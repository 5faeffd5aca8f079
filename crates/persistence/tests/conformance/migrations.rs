//! Rows that a version before wrote.

use quittance_domain::dispute::DisputeStatus;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::Mode;
use quittance_domain::refund::RefundStatus;
use quittance_domain::seller::ChargeType;
use quittance_persistence::{Store, WorkClaim};
use quittance_test_support::{
    EXPIRY_S, Kind, Payment, TestDatabase, connect, later, on_both_databases, payment_on, place,
    place_through,
};

use crate::{apply, hear, invariants, order, rows, status};

on_both_databases! {
    rows_of_the_first_version_are_found_and_looked_at,
    what_was_told_before_there_were_sellers_is_told_still,
    orders_with_refunds_or_disputes_are_marked,
}

/// What takes one migration back, on this database, with its name.
macro_rules! migration {
    ($database:expr, $name:literal) => {
        (
            $name,
            match $database.kind() {
                Kind::Sqlite => include_str!(concat!("../../../../migrations/sqlite/", $name, "/down.sql")),
                Kind::Postgres => {
                    include_str!(concat!("../../../../migrations/postgres/", $name, "/down.sql"))
                }
            },
        )
    };
}

/// Takes the schema back to before this migration.
async fn take_back(database: &TestDatabase, to_before: &str) {
    let newest_first = [
        migration!(database, "2026-11-26-000000_inbox_retention"),
        migration!(database, "2026-11-25-000001_stripe_account"),
        migration!(database, "2026-11-25-000000_refund_keys"),
        migration!(database, "2026-11-24-000000_sellers"),
        migration!(database, "2026-11-23-000002_returns"),
        migration!(database, "2026-11-23-000001_outbound"),
        migration!(database, "2026-11-23-000000_money"),
    ];
    for (name, down) in newest_first {
        database.execute(down).await;
        let version = name.split('_').next().expect("a version").replace('-', "");
        database
            .execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"))
            .await;
        if name == to_before {
            return;
        }
    }
    panic!("there is no migration {to_before}");
}

async fn due(store: &Store, seconds: i64) -> Vec<quittance_domain::id::OrderId> {
    let claim = WorkClaim { now: later(seconds), lease_until: later(seconds + 60), limit: 10 };
    let mut ids = store.claim_checks(claim).await.expect("a commit");
    // Several may be due at the same time.
    ids.sort();
    ids
}

async fn migrated_anew(database: &TestDatabase) -> Store {
    let store = database.store().await;
    assert!(store.ready().await.is_err());
    store.migrate().await.expect("migrated");
    store.ready().await.expect("ready");
    store
}

async fn rows_of_the_first_version_are_found_and_looked_at(database: &TestDatabase) {
    let store = database.store().await;
    let (open, paid) = (Payment::begin(&store).await, Payment::begin(&store).await);
    apply(&store, &[open.created(), paid.succeeded()]).await;
    let untouched = place(&store).await;
    let before = [order(&store, &open.order.id).await, order(&store, &paid.order.id).await];
    store.close();
    take_back(database, "2026-11-23-000000_money").await;
    let store = migrated_anew(database).await;
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

async fn what_was_told_before_there_were_sellers_is_told_still(database: &TestDatabase) {
    let store = database.store().await;
    let renderer = crate::outbound::renderer();
    let paid = Payment::begin(&store).await;
    apply(&store, &[paid.succeeded()]).await;
    assert_eq!(store.publish(10, renderer.clone(), later(1)).await.expect("a commit"), 2);
    let open = Payment::begin(&store).await;
    let told = "SELECT id || kind || subject || CAST(sequence AS text) || CAST(published AS text) || order_id \
                AS value FROM outbox ORDER BY id";
    let (told_before, paid_before) = (database.texts(told).await, order(&store, &paid.order.id).await);
    store.close();
    take_back(database, "2026-11-24-000000_sellers").await;
    let store = migrated_anew(database).await;
    assert_eq!(database.texts(told).await, told_before);
    assert_eq!(order(&store, &paid.order.id).await, paid_before);
    // What was left to be told is told, and nothing is told twice.
    assert_eq!(store.publish(10, renderer, later(2)).await.expect("a commit"), 1);
    apply(&store, &[open.succeeded(), paid.succeeded()]).await;
    assert_eq!(status(&store, &open.order.id).await, OrderStatus::Paid);
    // And a seller can come.
    let seller = connect(&store, "acct_a", ChargeType::Direct).await;
    let through = payment_on(&store, place_through(&store, &seller).await).await;
    through.is_answered(&store, Mode::Test).await;
    apply(&store, &[through.succeeded()]).await;
    assert_eq!(status(&store, &through.order.id).await, OrderStatus::Paid);
    assert_eq!(rows(database, "sellers").await, 1);
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
    take_back(database, "2026-11-23-000002_returns").await;
    let store = migrated_anew(database).await;
    assert_eq!(store.refunds(refunded.order.id).await.expect("a read").len(), 1);
    assert_eq!(store.disputes(disputed.order.id).await.expect("a read").len(), 1);
    assert_eq!(rows(database, "orders WHERE has_refunds_or_disputes").await, 2);
    invariants::check(database).await;
}
