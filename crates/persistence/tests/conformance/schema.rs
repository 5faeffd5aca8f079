//! Tests of opening and closing a store, and of databases that cannot be reached.

use std::time::Duration;

use quittance_persistence::{Error, Store, StoreConfig};
use quittance_test_support::{Kind, Payment, TestDatabase, on_both_databases, place, run_on, wait_until};

use crate::{apply, rows};

on_both_databases! {
    closed_store_is_unavailable,
    reopened_store_finds_existing_orders,
}

async fn closed_store_is_unavailable(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    store.close();
    for result in [
        store.ready().await,
        store.order(payment.order.id.clone()).await.map(drop),
        store.apply(vec![payment.succeeded().delivery()]).await.map(drop),
        store.migrate().await,
    ] {
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    }
    assert_eq!(rows(database, "inbox").await, 0);
}

async fn reopened_store_finds_existing_orders(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.succeeded()]).await;
    let before = store.order(payment.order.id.clone()).await.expect("a read");
    store.close();
    drop(store);
    let after = database.store().await.order(payment.order.id.clone()).await.expect("a read");
    assert!(before.is_some());
    assert_eq!(after, before);
}

/// Returns the error of opening or using a store on this URL.
async fn failure_of(database: &TestDatabase, url: &str) -> Error {
    let config = StoreConfig { url: url.to_owned(), wait: Duration::from_secs(2), ..database.config() };
    match Store::open(config).await {
        Err(error) => error,
        Ok(store) => store.ready().await.expect_err("the database doesn't exist"),
    }
}

#[test]
fn unreachable_database_is_unavailable() {
    run_on(Kind::Sqlite, async |database| {
        let file = database.url();
        for url in [
            "postgres://nobody:secret@127.0.0.1:1/nothing".to_owned(),
            format!("{file}.d/there/is/no/such/directory.db"),
        ] {
            let error = failure_of(database, &url).await;
            assert!(matches!(error, Error::Unavailable(_)), "{url}: {error:?}");
        }
    });
}

#[test]
fn url_without_database_is_refused() {
    run_on(Kind::Sqlite, async |database| {
        for url in ["", "quittance.db", "mysql://localhost/x", "sqlite://", "sqlite://:memory:"] {
            let error = failure_of(database, url).await;
            assert!(matches!(error, Error::Url(_)), "{url}: {error:?}");
        }
    });
}

/// PostgreSQL only: a SQLite file has no connections to lose.
#[test]
fn store_reconnects_after_lost_connections() {
    run_on(Kind::Postgres, async |database| {
        let store = database.store().await;
        let order = place(&store).await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        database.execute(cut).await;
        wait_until("the store has new connections", async || match store.order(order.id.clone()).await {
            Ok(found) => found.is_some(),
            Err(Error::Unavailable(_)) => false,
            Err(error) => panic!("{error:?}"),
        })
        .await;
    });
}
