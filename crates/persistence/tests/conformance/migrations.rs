//! Tests of the migrations.

use futures_util::future::join_all;
use quittance_test_support::{Kind, TestDatabase, on_both_databases, place};

use crate::rows;

on_both_databases! {
    migrations_run_again_change_nothing,
    concurrent_migrations_all_succeed,
    database_without_schema_is_not_ready,
    reverted_schema_can_be_migrated_again,
}

async fn empty(like: &TestDatabase) -> TestDatabase {
    TestDatabase::empty(like.kind()).await.expect("a database")
}

async fn migrations_run_again_change_nothing(database: &TestDatabase) {
    let store = database.store().await;
    let order = place(&store).await;

    for _ in 0..2 {
        store.migrate().await.expect("nothing to do");
        store.ready().await.expect("ready");
    }
    database.store().await.migrate().await.expect("nothing to do");

    assert!(store.order(order.id).await.expect("a read").is_some());
}

async fn concurrent_migrations_all_succeed(database: &TestDatabase) {
    let database = empty(database).await;
    let mut stores = Vec::new();
    for _ in 0..6 {
        stores.push(database.store().await);
    }

    let migrations = stores.iter().map(|store| {
        let store = store.clone();
        tokio::spawn(async move { store.migrate().await })
    });
    for result in join_all(migrations).await {
        result.expect("a task").expect("migrated");
    }

    for store in &stores {
        store.ready().await.expect("ready");
    }
    place(&stores[0]).await;
}

async fn database_without_schema_is_not_ready(database: &TestDatabase) {
    let database = empty(database).await;
    let store = database.store().await;

    assert!(store.ready().await.is_err());
    assert!(store.secret_keys().await.is_err());

    store.migrate().await.expect("migrated");
    store.ready().await.expect("ready");
}

async fn reverted_schema_can_be_migrated_again(database: &TestDatabase) {
    let store = database.store().await;
    place(&store).await;

    let sqlite = include_str!("../../../../migrations/sqlite/2026-11-29-000000_initial/down.sql");
    let postgres = include_str!("../../../../migrations/postgres/2026-11-29-000000_initial/down.sql");
    let down = match database.kind() {
        Kind::Sqlite => sqlite,
        Kind::Postgres => postgres,
    };
    database.execute(down).await;
    database.execute("DELETE FROM __diesel_schema_migrations").await;
    store.close();
    let store = database.store().await;
    assert!(store.ready().await.is_err());
    store.migrate().await.expect("migrated");

    store.ready().await.expect("ready");
    assert_eq!(rows(database, "orders").await, 0);
    place(&store).await;
}
