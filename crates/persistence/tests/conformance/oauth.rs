//! Tests of OAuth states.

use futures_util::future::join_all;
use quittance_persistence::{ConsumeStateOutcome, Store};
use quittance_test_support::{TestDatabase, later, now, on_both_databases};

use crate::rows;

on_both_databases! {
    concurrent_uses_of_state_have_one_winner,
    state_requires_its_binding_before_expiry,
    expired_states_are_deleted,
}

async fn given(store: &Store, state: &str) {
    store.begin_oauth(state.to_owned(), "shop".to_owned(), now(), later(600)).await.expect("a commit");
}

async fn take(store: &Store, state: &str, binding: &str, seconds: i64) -> ConsumeStateOutcome {
    store.consume_oauth_state(state.to_owned(), binding.to_owned(), later(seconds)).await.expect("a commit")
}

async fn concurrent_uses_of_state_have_one_winner(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    given(&stores[0], "one").await;
    let visitors = (0..20).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { take(&store, "one", "shop", 1).await })
    });
    let taken: Vec<ConsumeStateOutcome> =
        join_all(visitors).await.into_iter().map(|taken| taken.expect("a task")).collect();
    let won = taken.iter().filter(|taken| **taken == ConsumeStateOutcome::Consumed).count();
    let used = taken.iter().filter(|taken| **taken == ConsumeStateOutcome::Used).count();
    assert_eq!((won, used), (1, 19));
}

async fn state_requires_its_binding_before_expiry(database: &TestDatabase) {
    let store = database.store().await;
    for state in ["bound", "late"] {
        given(&store, state).await;
    }
    assert_eq!(take(&store, "nobodys", "shop", 1).await, ConsumeStateOutcome::Unknown);
    let columns = "SELECT state_hash || coalesce(CAST(used_at AS text), '-') AS value FROM oauth_states";
    let before = database.texts(columns).await;
    assert_eq!(take(&store, "bound", "thief", 1).await, ConsumeStateOutcome::OtherBinding);
    assert_eq!(database.texts(columns).await, before, "a thief uses nothing up");
    assert_eq!(take(&store, "bound", "shop", 599).await, ConsumeStateOutcome::Consumed);
    assert_eq!(take(&store, "bound", "shop", 599).await, ConsumeStateOutcome::Used);
    assert_eq!(take(&store, "bound", "thief", 599).await, ConsumeStateOutcome::OtherBinding);
    assert_eq!(take(&store, "late", "shop", 600).await, ConsumeStateOutcome::Expired);
}

async fn expired_states_are_deleted(database: &TestDatabase) {
    let store = database.store().await;
    given(&store, "one").await;
    assert_eq!(store.delete_oauth_states(later(600)).await.expect("a commit"), 0);
    assert_eq!(store.delete_oauth_states(later(601)).await.expect("a commit"), 1);
    assert_eq!(rows(database, "oauth_states").await, 0);
}
