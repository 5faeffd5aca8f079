//! What is given to whoever is to come back from Stripe is used once, by them, in time.

use futures_util::future::join_all;
use quittance_persistence::{ConsumeStateOutcome, Store};
use quittance_test_support::{TestDatabase, later, now, on_both_databases};

use crate::rows;

on_both_databases! {
    of_20_that_bring_it_at_once_one_wins,
    it_is_taken_by_whom_it_was_given_to_in_time,
    what_is_long_over_is_forgotten,
}

async fn given(store: &Store, state: &str) {
    store.begin_oauth(state.to_owned(), "shop".to_owned(), now(), later(600)).await.expect("a commit");
}

async fn take(store: &Store, state: &str, binding: &str, seconds: i64) -> ConsumeStateOutcome {
    store.consume_oauth_state(state.to_owned(), binding.to_owned(), later(seconds)).await.expect("a commit")
}

async fn of_20_that_bring_it_at_once_one_wins(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    given(&stores[0], "one").await;
    let visitors = (0..20).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { take(&store, "one", "shop", 1).await })
    });
    let taken: Vec<ConsumeStateOutcome> =
        join_all(visitors).await.into_iter().map(|taken| taken.expect("a task")).collect();
    let won = taken.iter().filter(|taken| **taken == ConsumeStateOutcome::Taken).count();
    let used = taken.iter().filter(|taken| **taken == ConsumeStateOutcome::Used).count();
    assert_eq!((won, used), (1, 19));
}

async fn it_is_taken_by_whom_it_was_given_to_in_time(database: &TestDatabase) {
    let store = database.store().await;
    for state in ["bound", "late"] {
        given(&store, state).await;
    }
    assert_eq!(take(&store, "nobodys", "shop", 1).await, ConsumeStateOutcome::Unknown);
    let columns = "SELECT state_hash || coalesce(CAST(used_at AS text), '-') AS value FROM oauth_states";
    let before = database.texts(columns).await;
    assert_eq!(take(&store, "bound", "thief", 1).await, ConsumeStateOutcome::OtherBinding);
    assert_eq!(database.texts(columns).await, before, "a thief uses nothing up");
    assert_eq!(take(&store, "bound", "shop", 599).await, ConsumeStateOutcome::Taken);
    assert_eq!(take(&store, "bound", "shop", 599).await, ConsumeStateOutcome::Used);
    assert_eq!(take(&store, "bound", "thief", 599).await, ConsumeStateOutcome::OtherBinding);
    assert_eq!(take(&store, "late", "shop", 600).await, ConsumeStateOutcome::Expired);
}

async fn what_is_long_over_is_forgotten(database: &TestDatabase) {
    let store = database.store().await;
    given(&store, "one").await;
    assert_eq!(store.forget_oauth_states(later(600)).await.expect("a commit"), 0);
    assert_eq!(store.forget_oauth_states(later(601)).await.expect("a commit"), 1);
    assert_eq!(rows(database, "oauth_states").await, 0);
}
