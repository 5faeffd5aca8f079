//! Tests of claiming attempts that a crash left unfinished.

use std::collections::HashSet;

use futures_util::future::join_all;
use quittance_domain::history::{CloseReason, Task};
use quittance_domain::id::PaymentId;
use quittance_persistence::{CloseRequester, NewAttempt, PendingAttempt, Store, WorkClaim};
use quittance_test_support::{Payment, TestDatabase, later, new_attempt, now, on_both_databases, place};

use crate::apply;

on_both_databases! {
    due_attempts_are_leased,
    finished_attempts_are_not_claimed,
    attempt_finished_by_other_worker_is_released,
    close_request_is_resumed,
    concurrent_workers_claim_different_attempts,
    claim_takes_oldest_first_up_to_limit,
}

async fn claim(store: &Store, seconds: i64, limit: u8) -> Vec<PendingAttempt> {
    let claim = WorkClaim { now: later(seconds), lease_until: later(seconds + 60), limit };
    store.claim_attempts(claim).await.expect("a commit")
}

fn ids(claimed: &[PendingAttempt]) -> Vec<PaymentId> {
    claimed.iter().map(|attempt| attempt.attempt.id.clone()).collect()
}

async fn due_attempts_are_leased(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    assert!(claim(&store, 29, 10).await.is_empty(), "its caller still has time");
    let claimed = claim(&store, 30, 10).await;
    assert_eq!(ids(&claimed), std::slice::from_ref(&payment.id));
    assert_eq!((claimed[0].task, claimed[0].resume_count), (Some(Task::Create), 1));
    assert!(claim(&store, 89, 10).await.is_empty(), "it is being worked on");
    let claimed = claim(&store, 90, 10).await;
    assert_eq!((ids(&claimed), claimed[0].resume_count), (vec![payment.id], 2), "the lease has expired");
}

async fn finished_attempts_are_not_claimed(database: &TestDatabase) {
    let store = database.store().await;
    let (made, paid, canceled, refused, open) = (
        Payment::begin(&store).await,
        Payment::begin(&store).await,
        Payment::begin(&store).await,
        Payment::begin(&store).await,
        Payment::begin(&store).await,
    );
    claim(&store, 30, 1).await;
    apply(&store, &[made.created(), paid.succeeded(), canceled.canceled()]).await;
    store.refuse_attempt(refused.id.clone(), "x".into(), now()).await.expect("a commit");
    assert_eq!(ids(&claim(&store, 1000, 10).await), [open.id]);
    // A new task resets the count.
    let attempt = store.attempt(made.id).await.expect("a read").expect("an attempt");
    assert_eq!((attempt.task, attempt.resume_count), (None, 0));
}

async fn close_request_is_resumed(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.created()]).await;
    assert!(claim(&store, 1000, 10).await.is_empty());
    let (order_id, closure) = (payment.order.id.clone(), CloseReason::Canceled);
    store.request_close(order_id, closure, CloseRequester::Holder, later(1000)).await.expect("an answer");
    assert!(claim(&store, 1029, 10).await.is_empty(), "who request_params is about to do it");
    let claimed = claim(&store, 1030, 10).await;
    assert_eq!((ids(&claimed), claimed[0].task), (vec![payment.id.clone()], Some(Task::Close)));
    apply(&store, &[payment.canceled()]).await;
    assert!(claim(&store, 2000, 10).await.is_empty());
}

async fn concurrent_workers_claim_different_attempts(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    for _ in 0..60 {
        Payment::begin(&stores[0]).await;
    }
    let claims = (0..20).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { claim(&store, 30, 5).await })
    });
    let mut taken = HashSet::new();
    for claimed in join_all(claims).await {
        for id in ids(&claimed.expect("a task")) {
            assert!(taken.insert(id.clone()), "{id} was taken twice");
        }
    }
    // A claim skips rows that another worker has locked, so some may be left.
    for id in ids(&claim(&stores[0], 30, 60).await) {
        assert!(taken.insert(id.clone()), "{id} was taken twice");
    }
    assert_eq!(taken.len(), 60);
}

async fn claim_takes_oldest_first_up_to_limit(database: &TestDatabase) {
    let store = database.store().await;
    let mut by_age = Vec::new();
    for seconds in [5, 1, 4, 2, 3] {
        let order = place(&store).await;
        let new = NewAttempt { resume_at: later(seconds), ..new_attempt(&order) };
        by_age.push((seconds, new.id.clone()));
        store.begin_attempt(new).await.expect("an answer");
    }
    by_age.sort();
    let expected: Vec<PaymentId> = by_age.into_iter().map(|(_, id)| id).collect();
    let first: HashSet<_> = ids(&claim(&store, 100, 2).await).into_iter().collect();
    assert_eq!(first, expected[..2].iter().cloned().collect());
    let second: HashSet<_> = ids(&claim(&store, 100, 2).await).into_iter().collect();
    assert_eq!(second, expected[2..4].iter().cloned().collect());
    assert_eq!(ids(&claim(&store, 100, 2).await), expected[4..]);
}

async fn attempt_finished_by_other_worker_is_released(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.created()]).await;
    // Simulate a claim between another worker's read and write.
    let later = "SET resume_at = created_at, resume_count = 3";
    database.execute(&format!("UPDATE payments {later} WHERE id = '{}'", payment.id)).await;
    assert!(claim(&store, 1000, 10).await.is_empty());
    let due = "SELECT count(*) FROM payments WHERE resume_at IS NOT NULL OR resume_count <> 0";
    assert_eq!(database.scalar_i64(due).await, 0);
}
