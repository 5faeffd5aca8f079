//! Tests of binding a database to a Stripe account.

use std::collections::HashSet;

use futures_util::future::join_all;
use quittance_domain::payment::Mode;
use quittance_persistence::Store;
use quittance_test_support::{TestDatabase, later, on_both_databases};

use crate::rows;

on_both_databases! { first_account_of_mode_is_kept, concurrent_accounts_bind_only_one }

async fn tie(store: &Store, mode: Mode, account_id: &str) -> String {
    store.bind_stripe_account(mode, account_id.to_owned(), later(1)).await.expect("an answer")
}

async fn first_account_of_mode_is_kept(database: &TestDatabase) {
    let store = database.store().await;
    assert_eq!(store.stripe_account(Mode::Test).await.expect("a read"), None);
    assert_eq!(rows(database, "stripe_accounts").await, 0, "to look is to change nothing");
    assert_eq!(tie(&store, Mode::Test, "acct_a").await, "acct_a");
    assert_eq!(tie(&store, Mode::Test, "acct_b").await, "acct_a");
    assert_eq!(tie(&store, Mode::Live, "acct_b").await, "acct_b");
    let again = database.store().await;
    for (mode, account_id) in [(Mode::Test, "acct_a"), (Mode::Live, "acct_b")] {
        assert_eq!(again.stripe_account(mode).await.expect("a read").as_deref(), Some(account_id));
        assert_eq!(tie(&again, mode, "acct_c").await, account_id);
    }
}

async fn concurrent_accounts_bind_only_one(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let ties = (0..20).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { tie(&store, Mode::Test, &format!("acct_{number}")).await })
    });
    let told: HashSet<String> = join_all(ties).await.into_iter().map(|told| told.expect("a task")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(stores[0].stripe_account(Mode::Test).await.expect("a read"), told.into_iter().next());
}
