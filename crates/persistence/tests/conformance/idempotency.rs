//! Tests of idempotency keys.

use futures_util::future::join_all;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_persistence::{Claim, ClaimKeyOutcome, Error, IdempotentRequest, Reply, ReplySecret, Store};
use quittance_test_support::{TestDatabase, id, later, on_both_databases};

use crate::{idempotent_request, rows};

on_both_databases! {
    key_is_new_then_in_progress_then_replayed,
    key_with_other_request_is_mismatch,
    keys_of_different_callers_are_independent,
    expired_lease_is_taken_over,
    key_expires_after_a_day,
    old_keys_are_deleted,
    released_key_can_be_claimed_again,
    key_is_completed_or_released_only_with_its_claim,
    concurrent_claims_have_one_winner,
    concurrent_takeovers_have_one_winner,
    concurrent_claims_and_releases_make_progress,
}

fn at(seconds: i64, request: IdempotentRequest) -> IdempotentRequest {
    IdempotentRequest {
        now: later(seconds),
        lease_until: later(seconds + 60),
        expired_before: later(seconds - 24 * 60 * 60),
        ..request
    }
}

async fn claim(store: &Store, request: IdempotentRequest) -> Claim {
    match store.claim_key(request).await.expect("an answer") {
        ClaimKeyOutcome::New(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn reply(secret: Option<ReplySecret>) -> Reply {
    Reply { status: 200, body: r#"{"ok":true}"#.to_owned(), secret }
}

async fn key_is_new_then_in_progress_then_replayed(database: &TestDatabase) {
    let store = database.store().await;
    let secrets = [
        None,
        Some(ReplySecret::ClientToken(id(OrderId::from_uuid))),
        Some(ReplySecret::ClientSecret(id(PaymentId::from_uuid))),
    ];
    for (number, secret) in secrets.into_iter().enumerate() {
        let key = format!("key-{number}");
        let claim = claim(&store, idempotent_request(&key)).await;
        assert!(matches!(
            store.claim_key(at(59, idempotent_request(&key))).await,
            Ok(ClaimKeyOutcome::InProgress)
        ));
        store.complete_key(claim, reply(secret.clone())).await.expect("a commit");
        for seconds in [0, 61, 24 * 60 * 60] {
            let again = store.claim_key(at(seconds, idempotent_request(&key))).await.expect("an answer");
            assert!(
                matches!(&again, ClaimKeyOutcome::Replay(stored) if *stored == reply(secret.clone())),
                "{again:?}"
            );
        }
    }
}

async fn key_with_other_request_is_mismatch(database: &TestDatabase) {
    let store = database.store().await;
    let claim = claim(&store, idempotent_request("a")).await;
    let other =
        || IdempotentRequest { fingerprint: "POST /v1/orders 2".to_owned(), ..idempotent_request("a") };
    // In progress, after its lease, and after its reply, the key rejects other requests.
    assert!(matches!(store.claim_key(other()).await, Ok(ClaimKeyOutcome::Mismatch)));
    assert!(matches!(store.claim_key(at(61, other())).await, Ok(ClaimKeyOutcome::Mismatch)));
    store.complete_key(claim, reply(None)).await.expect("a commit");
    assert!(matches!(store.claim_key(other()).await, Ok(ClaimKeyOutcome::Mismatch)));
}

async fn keys_of_different_callers_are_independent(database: &TestDatabase) {
    let store = database.store().await;
    let mine = claim(&store, idempotent_request("a")).await;
    let other = IdempotentRequest { scope: "key_other".to_owned(), ..idempotent_request("a") };
    let theirs = claim(&store, other.clone()).await;
    store.complete_key(mine, reply(None)).await.expect("a commit");
    assert!(matches!(store.claim_key(other.clone()).await, Ok(ClaimKeyOutcome::InProgress)));
    store.release_key(theirs).await.expect("a commit");
    claim(&store, other).await;
    assert!(matches!(store.claim_key(idempotent_request("a")).await, Ok(ClaimKeyOutcome::Replay(_))));
}

async fn expired_lease_is_taken_over(database: &TestDatabase) {
    let store = database.store().await;
    let first = claim(&store, idempotent_request("a")).await;
    let second = claim(&store, at(60, idempotent_request("a"))).await;
    assert_ne!(first, second);
    assert!(matches!(
        store.claim_key(at(61, idempotent_request("a"))).await,
        Ok(ClaimKeyOutcome::InProgress)
    ));
    let late = store.complete_key(first, reply(None)).await;
    assert!(matches!(late, Err(Error::ClaimLost)), "{late:?}");
    store.complete_key(second, reply(None)).await.expect("a commit");
    assert!(matches!(
        store.claim_key(at(200, idempotent_request("a"))).await,
        Ok(ClaimKeyOutcome::Replay(_))
    ));
}

async fn key_expires_after_a_day(database: &TestDatabase) {
    let store = database.store().await;
    let day = 24 * 60 * 60;
    let first = claim(&store, idempotent_request("a")).await;
    store.complete_key(first, reply(None)).await.expect("a commit");
    assert!(matches!(
        store.claim_key(at(day, idempotent_request("a"))).await,
        Ok(ClaimKeyOutcome::Replay(_))
    ));
    let other = IdempotentRequest { fingerprint: "POST /v1/orders 2".to_owned(), ..idempotent_request("a") };
    let second = claim(&store, at(day + 1, other.clone())).await;
    assert_eq!(rows(database, "idempotency_keys").await, 1);
    store.complete_key(second, reply(None)).await.expect("a commit");
    assert!(matches!(store.claim_key(at(day + 2, other)).await, Ok(ClaimKeyOutcome::Replay(_))));
}

async fn old_keys_are_deleted(database: &TestDatabase) {
    let store = database.store().await;
    for (key, seconds) in [("old", 0), ("new", 10)] {
        let claim = claim(&store, at(seconds, idempotent_request(key))).await;
        store.complete_key(claim, reply(None)).await.expect("a commit");
    }
    for (before, forgotten) in [(0, 0), (10, 1), (10, 0)] {
        assert_eq!(store.delete_idempotency_keys(later(before)).await.expect("a commit"), forgotten);
    }
    assert_eq!(database.texts("SELECT key AS value FROM idempotency_keys").await, ["new"]);
}

async fn released_key_can_be_claimed_again(database: &TestDatabase) {
    let store = database.store().await;
    let first = claim(&store, idempotent_request("a")).await;
    store.release_key(first.clone()).await.expect("a commit");
    store.release_key(first).await.expect("nothing to do");
    // The request failed, so another one may claim the key.
    claim(
        &store,
        IdempotentRequest { fingerprint: "POST /v1/orders 2".to_owned(), ..idempotent_request("a") },
    )
    .await;
}

async fn key_is_completed_or_released_only_with_its_claim(database: &TestDatabase) {
    let store = database.store().await;
    let lost = claim(&store, idempotent_request("a")).await;
    let held = claim(&store, at(60, idempotent_request("a"))).await;
    store.release_key(lost.clone()).await.expect("nothing to do");
    let refused = store.complete_key(lost, reply(None)).await;
    assert!(matches!(refused, Err(Error::ClaimLost)), "{refused:?}");
    assert!(matches!(
        store.claim_key(at(61, idempotent_request("a"))).await,
        Ok(ClaimKeyOutcome::InProgress)
    ));
    store.complete_key(held.clone(), reply(None)).await.expect("a commit");
    store.release_key(held.clone()).await.expect("nothing to do");
    // The worker may replace the stored reply.
    let exact = Reply { status: 202, ..reply(None) };
    store.complete_key(held, exact.clone()).await.expect("a commit");
    assert!(
        matches!(store.claim_key(idempotent_request("a")).await, Ok(ClaimKeyOutcome::Replay(stored)) if stored == exact)
    );
}

/// Claims a key concurrently. Returns how many claims are new and how many are in progress.
async fn claim_at_once(database: &TestDatabase, request: IdempotentRequest) -> (usize, usize) {
    let stores = [database.store().await, database.store().await];
    let claims = (0..50).map(|number| {
        let (store, request) = (stores[number % 2].clone(), request.clone());
        tokio::spawn(async move { store.claim_key(request).await })
    });
    let (mut new, mut in_flight) = (0, 0);
    for claimed in join_all(claims).await {
        match claimed.expect("a task").expect("an answer") {
            ClaimKeyOutcome::New(_) => new += 1,
            ClaimKeyOutcome::InProgress => in_flight += 1,
            other => panic!("{other:?}"),
        }
    }
    (new, in_flight)
}

async fn concurrent_claims_have_one_winner(database: &TestDatabase) {
    assert_eq!(claim_at_once(database, idempotent_request("a")).await, (1, 49));
}

async fn concurrent_takeovers_have_one_winner(database: &TestDatabase) {
    claim(&database.store().await, idempotent_request("a")).await;
    assert_eq!(claim_at_once(database, at(60, idempotent_request("a"))).await, (1, 49));
}

async fn concurrent_claims_and_releases_make_progress(database: &TestDatabase) {
    let store = database.store().await;
    let work = (0..200).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            if let ClaimKeyOutcome::New(claim) = store.claim_key(idempotent_request("a")).await? {
                store.release_key(claim).await?;
            }
            Ok::<_, Error>(())
        })
    });
    for done in join_all(work).await {
        done.expect("a task").expect("neither lost nor refused");
    }
    claim(&store, idempotent_request("a")).await;
}
