//! Opening, migrating, and a database that is not there.

use std::time::Duration;

use futures_util::future::join_all;
use quittance_persistence::{Error, Store, StoreConfig};
use quittance_test_support::{Kind, Payment, TestDatabase, on_both_databases, place, run_on, wait_until};

use crate::{apply, rows};

on_both_databases! {
    migrations_run_once_and_for_everybody,
    migrations_that_begin_at_once_all_succeed,
    a_database_without_its_schema_is_not_ready,
    a_closed_store_is_unavailable,
    a_store_opened_again_finds_everything,
}

async fn empty(like: &TestDatabase) -> TestDatabase {
    TestDatabase::empty(like.kind()).await.expect("as the other one")
}

async fn migrations_run_once_and_for_everybody(database: &TestDatabase) {
    let store = database.store().await;
    let order = place(&store).await;
    for _ in 0..2 {
        store.migrate().await.expect("nothing to do");
        store.ready().await.expect("ready");
    }
    database.store().await.migrate().await.expect("nothing to do");
    assert!(store.order(order.id).await.expect("a read").is_some());
}

async fn migrations_that_begin_at_once_all_succeed(database: &TestDatabase) {
    let database = empty(database).await;
    let mut stores = Vec::new();
    for _ in 0..6 {
        stores.push(database.store().await);
    }
    let migrating = stores.iter().map(|store| {
        let store = store.clone();
        tokio::spawn(async move { store.migrate().await })
    });
    for migrated in join_all(migrating).await {
        migrated.expect("a task").expect("migrated");
    }
    for store in &stores {
        store.ready().await.expect("ready");
    }
    place(&stores[0]).await;
}

async fn a_database_without_its_schema_is_not_ready(database: &TestDatabase) {
    let database = empty(database).await;
    let store = database.store().await;
    assert!(store.ready().await.is_err());
    assert!(store.secret_keys().await.is_err());
    store.migrate().await.expect("migrated");
    store.ready().await.expect("ready");
}

async fn a_closed_store_is_unavailable(database: &TestDatabase) {
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

async fn a_store_opened_again_finds_everything(database: &TestDatabase) {
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

/// How a store on this URL fails, if it does.
async fn failure_of(database: &TestDatabase, url: &str) -> Error {
    let config = StoreConfig { url: url.to_owned(), wait: Duration::from_secs(2), ..database.config() };
    match Store::open(config).await {
        Err(error) => error,
        Ok(store) => store.ready().await.expect_err("there is no such database"),
    }
}

#[test]
fn an_unreachable_database_is_unavailable() {
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
fn a_url_that_names_no_database_is_refused() {
    run_on(Kind::Sqlite, async |database| {
        for url in ["", "quittance.db", "mysql://localhost/x", "sqlite://", "sqlite://:memory:"] {
            let error = failure_of(database, url).await;
            assert!(matches!(error, Error::Url(_)), "{url}: {error:?}");
        }
    });
}

/// On PostgreSQL only: a file has no connection that can be lost.
#[test]
fn a_store_gets_over_lost_connections() {
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
