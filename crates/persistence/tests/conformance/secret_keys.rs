//! Tests of secret keys.

use quittance_domain::id::KeyId;
use quittance_persistence::SecretKey;
use quittance_test_support::{TestDatabase, id, later, now, on_both_databases};

use crate::rows;

on_both_databases! {
    key_is_valid_until_revoked,
    duplicate_key_is_stored_once,
    keys_are_listed_newest_first,
}

fn key(name: &str, hash: &str) -> SecretKey {
    let (name, hash) = (name.to_owned(), hash.to_owned());
    SecretKey { id: id(KeyId::from_uuid), name, hash, created_at: now(), revoked_at: None }
}

async fn key_is_valid_until_revoked(database: &TestDatabase) {
    let store = database.store().await;
    let made = key("back office", "hash-1");
    store.insert_secret_key(made.clone()).await.expect("a commit");
    let find = async |hash: &str| store.secret_key_by_hash(hash.to_owned()).await.expect("a read");
    let found = find("hash-1").await.expect("a key");
    assert_eq!((found.id, found.name, found.created_at), (made.id.clone(), made.name, now()));
    assert!(find("hash-2").await.is_none());
    assert!(!store.revoke_secret_key(id(KeyId::from_uuid), now()).await.expect("a commit"));
    assert!(store.revoke_secret_key(made.id.clone(), later(1)).await.expect("a commit"));
    assert!(!store.revoke_secret_key(made.id, later(2)).await.expect("a commit"), "it is revoked already");
    assert!(find("hash-1").await.is_none());
    let listed = store.secret_keys().await.expect("a read");
    assert_eq!(listed[0].revoked_at, Some(later(1)), "it stays in the list");
}

async fn duplicate_key_is_stored_once(database: &TestDatabase) {
    let store = database.store().await;
    let first = key("first", "hash-1");
    store.insert_secret_key(first.clone()).await.expect("a commit");
    store.insert_secret_key(key("second", "hash-1")).await.expect("a commit");
    assert_eq!(rows(database, "secret_keys").await, 1);
    let found = store.secret_key_by_hash("hash-1".into()).await.expect("a read").expect("a key");
    assert_eq!((found.id, found.name), (first.id.clone(), first.name));
    // Configuring a revoked key again doesn't restore it.
    store.revoke_secret_key(first.id, now()).await.expect("a commit");
    store.insert_secret_key(key("third", "hash-1")).await.expect("a commit");
    assert!(store.secret_key_by_hash("hash-1".into()).await.expect("a read").is_none());
}

async fn keys_are_listed_newest_first(database: &TestDatabase) {
    let store = database.store().await;
    for number in 0..3 {
        let made = key(&format!("key {number}"), &format!("hash-{number}"));
        store.insert_secret_key(made).await.expect("a commit");
    }
    let names: Vec<String> =
        store.secret_keys().await.expect("a read").into_iter().map(|key| key.name).collect();
    assert_eq!(names, ["key 2", "key 1", "key 0"]);
}
