//! Tests of unlinking sellers. Once it begins, no payment can begin.

use futures_util::future::join_all;
use quittance_domain::id::SellerId;
use quittance_domain::order::OrderStatus;
use quittance_domain::seller::{AccountEvent, AccountState, Blocker, ChargeType, ConnectionStatus};
use quittance_persistence::{BeginAttemptOutcome, BeginUnlinkOutcome, ConnectSeller, SellerWork, Store};
use quittance_test_support::{
    Kind, NOW_S, SellerEvent, TestDatabase, account_state, connect, connecting, id, later, new_attempt,
    on_both_databases, place_through, run_on, wait_until,
};

use crate::sellers::{claim, new_seller, seller};
use crate::{apply_seller_events, invariants, published, rows};

on_both_databases! {
    unlinking_ready_seller_requires_force,
    unfinished_unlinking_is_resumed,
    unlinking_can_be_canceled,
    reconnected_seller_is_not_unlinked,
    concurrent_attempts_never_follow_unlinking,
    open_orders_of_seller_are_found,
}

async fn begin(store: &Store, id: &SellerId, force: bool) -> BeginUnlinkOutcome {
    store.begin_unlink(id.clone(), force, later(10)).await.expect("an answer")
}

async fn unlinking_ready_seller_requires_force(database: &TestDatabase) {
    let store = database.store().await;
    let works = connect(&store, "acct_a", ChargeType::Direct).await;
    assert!(matches!(begin(&store, &works.id, false).await, BeginUnlinkOutcome::NotAllowed(_)));
    assert_eq!(seller(&store, &works.id).await, works);
    assert!(matches!(begin(&store, &id(SellerId::from_uuid), true).await, BeginUnlinkOutcome::NotFound));
    let state = AccountState { payouts_enabled: false, ..account_state() };
    let broken = ConnectSeller { state: Some(state), ..connecting("acct_b", ChargeType::Direct) };
    let broken = store.connect_seller(broken).await.expect("a seller");
    let BeginUnlinkOutcome::Begun(unlinking) = begin(&store, &broken.id, false).await else { panic!() };
    assert_eq!(unlinking.connection_status, ConnectionStatus::Unlinking);
    assert!(matches!(begin(&store, &works.id, true).await, BeginUnlinkOutcome::Begun(_)));
    // A seller without an account at Stripe, or disconnected there, is unlinked immediately.
    let unmade = store.insert_seller(new_seller(), None).await.expect("a seller");
    apply_seller_events(&store, &[SellerEvent::new("acct_b", 9, AccountEvent::Deauthorized)]).await;
    for id in [unmade.id, broken.id] {
        for _ in 0..2 {
            let BeginUnlinkOutcome::Done(done) = begin(&store, &id, false).await else { panic!() };
            assert_eq!(done.connection_status, ConnectionStatus::Unlinked);
        }
    }
}

async fn unfinished_unlinking_is_resumed(database: &TestDatabase) {
    let store = database.store().await;
    let id = connect(&store, "acct_a", ChargeType::Direct).await.id;
    let BeginUnlinkOutcome::Begun(_) = begin(&store, &id, true).await else { panic!() };
    assert!(claim(&store, 39).await.is_empty(), "who request_params is about to do it");
    assert_eq!(claim(&store, 40).await[0].work, SellerWork::Unlink { force: true });
    // An event schedules no read: unlinking continues.
    apply_seller_events(&store, &[SellerEvent::new("acct_a", 41, AccountEvent::Changed)]).await;
    store
        .record_account_snapshot(id.clone(), NOW_S + 42, account_state(), later(42))
        .await
        .expect("a commit");
    assert!(claim(&store, 99).await.is_empty());
    assert_eq!(claim(&store, 100).await[0].work, SellerWork::Unlink { force: true });
    // Stripe's event arrives before the worker records the result.
    apply_seller_events(&store, &[SellerEvent::new("acct_a", 101, AccountEvent::Deauthorized)]).await;
    for _ in 0..2 {
        let ended = store.record_unlinked(id.clone(), later(102)).await.expect("a commit");
        assert_eq!(ended.connection_status, ConnectionStatus::Unlinked);
    }
    assert_eq!(published(database, "seller.disconnected").await, 1);
    apply_seller_events(&store, &[SellerEvent::updated("acct_a", 103, account_state())]).await;
    store
        .record_account_snapshot(id.clone(), NOW_S + 104, account_state(), later(104))
        .await
        .expect("a commit");
    assert_eq!(
        seller(&store, &id).await.connection_status,
        ConnectionStatus::Unlinked,
        "it was disconnected permanently"
    );
    assert!(claim(&store, 100_000_000).await.is_empty());
    invariants::check(database).await;
}

async fn unlinking_can_be_canceled(database: &TestDatabase) {
    let store = database.store().await;
    let connected = connect(&store, "acct_a", ChargeType::Direct).await;
    let placed = place_through(&store, &connected).await;
    begin(&store, &connected.id, true).await;
    let refused = store.begin_attempt(new_attempt(&placed)).await.expect("an answer");
    let BeginAttemptOutcome::SellerNotReady { blockers, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(blockers, [Blocker::Unlinking]);
    let back = store.stop_unlink(connected.id.clone(), later(20)).await.expect("a commit");
    assert_eq!(back.connection_status, ConnectionStatus::Connected);
    assert_eq!(claim(&store, 22).await[0].work, SellerWork::Read);
    assert!(matches!(store.begin_attempt(new_attempt(&placed)).await, Ok(BeginAttemptOutcome::Recorded(_))));
    assert!(matches!(begin(&store, &connected.id, false).await, BeginUnlinkOutcome::NotAllowed(_)));
    let ended = store.stop_unlink(connected.id.clone(), later(21)).await.expect("a commit");
    assert_eq!(ended.connection_status, ConnectionStatus::Connected);
}

async fn reconnected_seller_is_not_unlinked(database: &TestDatabase) {
    let store = database.store().await;
    let id = connect(&store, "acct_a", ChargeType::Direct).await.id;
    begin(&store, &id, true).await;
    let again = ConnectSeller { began_s: NOW_S + 20, ..connecting("acct_a", ChargeType::Direct) };
    assert_eq!(
        store.connect_seller(again.clone()).await.expect("a seller").connection_status,
        ConnectionStatus::Connected
    );
    // The worker's result arrives too late.
    assert_eq!(
        store.record_unlinked(id.clone(), later(21)).await.expect("a commit").connection_status,
        ConnectionStatus::Connected
    );
    // An unlinked seller can be reconnected.
    begin(&store, &id, true).await;
    assert_eq!(
        store.record_unlinked(id.clone(), later(22)).await.expect("a commit").connection_status,
        ConnectionStatus::Unlinked
    );
    let again = store.connect_seller(again).await.expect("a seller");
    assert_eq!((again.id, again.connection_status), (id, ConnectionStatus::Connected));
}

async fn concurrent_attempts_never_follow_unlinking(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let connected = connect(&stores[0], "acct_a", ChargeType::Direct).await;
    let mut attempts = Vec::new();
    for _ in 0..12 {
        attempts.push(new_attempt(&place_through(&stores[0], &connected).await));
    }
    let (store, ending) = (stores[1].clone(), connected.id.clone());
    let end = tokio::spawn(async move {
        begin(&store, &ending, true).await;
        // No more attempts can begin.
        store.open_orders_of_seller(ending).await.expect("a read")
    });
    let begins = attempts.into_iter().enumerate().map(|(number, attempt)| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { store.begin_attempt(attempt).await.expect("an answer") })
    });
    let begun = join_all(begins).await;
    assert_eq!(end.await.expect("a task").len(), 12);
    let recorded = begun.iter().filter(|begun| matches!(begun, Ok(BeginAttemptOutcome::Recorded(_)))).count();
    let refused =
        begun.iter().filter(|begun| matches!(begun, Ok(BeginAttemptOutcome::SellerNotReady { .. }))).count();
    assert_eq!(recorded + refused, 12);
    assert_eq!(rows(database, "payments").await, i64::try_from(recorded).expect("a few"));
    invariants::check(database).await;
}

/// PostgreSQL only: a SQLite file has one writer at a time.
#[test]
fn attempt_waits_for_concurrent_unlinking() {
    run_on(Kind::Postgres, async |database| {
        let store = database.store().await;
        let connected = connect(&store, "acct_a", ChargeType::Direct).await;
        let attempt = new_attempt(&place_through(&store, &connected).await);
        let mut ending = database.begin("UPDATE sellers SET connection_status = 'unlinking'").await;
        let task = tokio::spawn(async move { store.begin_attempt(attempt).await.expect("an answer") });
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";
        wait_until("the attempt waits, or did not", async || {
            task.is_finished() || database.scalar_i64(waiting).await > 0
        })
        .await;
        ending.execute("COMMIT").await;
        let begun = task.await.expect("a task");
        assert!(matches!(begun, BeginAttemptOutcome::SellerNotReady { .. }), "{begun:?}");
        assert_eq!(rows(database, "payments").await, 0);
    });
}

async fn open_orders_of_seller_are_found(database: &TestDatabase) {
    let store = database.store().await;
    let one = connect(&store, "acct_a", ChargeType::Direct).await;
    let two = connect(&store, "acct_b", ChargeType::Destination).await;
    let open = place_through(&store, &one).await;
    let ended = place_through(&store, &one).await;
    place_through(&store, &two).await;
    let (closure, by) =
        (quittance_domain::history::CloseReason::Canceled, quittance_persistence::CloseRequester::Shop);
    store.request_close(ended.id, closure, by, later(1)).await.expect("an answer");
    let found = store.open_orders_of_seller(one.id).await.expect("a read");
    assert_eq!(found, [(open.id, OrderStatus::Pending)]);
}
