//! Tests of finding and repairing missed changes.

use std::collections::HashSet;

use futures_util::future::join_all;
use quittance_domain::event::EventOutcome;
use quittance_domain::id::OrderId;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::Account;
use quittance_domain::refund::RefundStatus;
use quittance_persistence::{EventBackfill, RecomputeOutcome, Store, WorkClaim};
use quittance_test_support::{Payment, TestDatabase, later, now, on_both_databases, place};

use crate::{apply, apply_one, invariants, order, published, status};

on_both_databases! {
    corrupted_cache_is_repaired,
    dry_run_repairs_nothing,
    orders_are_recomputed_in_pages,
    event_backfill_is_claimed_by_one_process,
    event_backfill_progress_never_decreases,
    unknown_events_are_found,
    reported_money_movement_schedules_check,
    orders_to_reconcile_are_found,
}

async fn recompute(store: &Store, dry_run: bool) -> RecomputeOutcome {
    store.recompute(None, 100, dry_run, later(50)).await.expect("an answer")
}

/// Places an order with a partial refund, and an unpaid one.
async fn corrupted(database: &TestDatabase, store: &Store) -> (OrderId, OrderId) {
    let payment = Payment::begin(store).await;
    apply(store, &[payment.succeeded()]).await;
    apply_one(store, payment.refund("re_1", None, 700, (RefundStatus::Succeeded, 1))).await;
    let fine = place(store).await;
    let corrupt = "UPDATE orders SET status = 'pending', amount_paid = 1, amount_refunded = 0, \
                   current_payment_id = NULL WHERE id =";
    database.execute(&format!("{corrupt} '{}'", payment.order.id)).await;
    (payment.order.id, fine.id)
}

async fn corrupted_cache_is_repaired(database: &TestDatabase) {
    let store = database.store().await;
    let (broken, fine) = corrupted(database, &store).await;
    let untouched = order(&store, &fine).await;
    let before = order(&store, &broken).await;
    let done = recompute(&store, false).await;
    assert_eq!((done.checked_count, done.last), (2, None));
    assert_eq!(done.repaired, std::slice::from_ref(&broken));
    let after = order(&store, &broken).await;
    assert_eq!(
        (after.status, after.amount_paid.minor(), after.amount_refunded.minor()),
        (OrderStatus::PartiallyRefunded, 2500, 700)
    );
    assert!(after.payment.is_some() && after.version > before.version);
    assert_eq!(order(&store, &fine).await, untouched);
    assert_eq!(
        (published(database, "order.paid").await, published(database, "refund.succeeded").await),
        (1, 1)
    );
    assert!(recompute(&store, false).await.repaired.is_empty());
    invariants::check(database).await;
}

async fn dry_run_repairs_nothing(database: &TestDatabase) {
    let store = database.store().await;
    let (broken, _) = corrupted(database, &store).await;
    let before = order(&store, &broken).await;
    assert_eq!(recompute(&store, true).await.repaired, std::slice::from_ref(&broken));
    assert_eq!(order(&store, &broken).await, before);
}

async fn orders_are_recomputed_in_pages(database: &TestDatabase) {
    let store = database.store().await;
    for _ in 0..5 {
        place(&store).await;
    }
    database.execute("UPDATE orders SET status = 'paid'").await;
    let (mut after, mut repaired, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = store.recompute(after, 2, false, now()).await.expect("an answer");
        repaired.extend(page.repaired);
        pages += 1;
        after = page.last;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((repaired.len(), pages), (5, 3));
    assert_eq!(repaired.iter().collect::<HashSet<_>>().len(), 5);
}

async fn event_backfill_is_claimed_by_one_process(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let claims = (0..20).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { store.claim_event_backfill(Account::own(), now(), later(60)).await })
    });
    let won =
        join_all(claims).await.into_iter().filter_map(|claim| claim.expect("a task").expect("an answer"));
    assert_eq!(won.collect::<Vec<_>>(), [EventBackfill { seen_until: None }]);
    let claim = async |seconds: i64| {
        stores[0]
            .claim_event_backfill(Account::own(), later(seconds), later(seconds + 60))
            .await
            .expect("an answer")
    };
    assert_eq!(claim(59).await, None);
    assert_eq!(claim(60).await, Some(EventBackfill { seen_until: None }), "the lease has expired");
}

async fn event_backfill_progress_never_decreases(database: &TestDatabase) {
    let store = database.store().await;
    for seconds in [10, 30, 20] {
        store.record_event_backfill(Account::own(), later(seconds)).await.expect("a commit");
    }
    let backfill = store
        .claim_event_backfill(Account::own(), now(), later(60))
        .await
        .expect("an answer")
        .expect("a backfill");
    assert_eq!(backfill.seen_until, Some(later(30)));
}

async fn unknown_events_are_found(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let (seen, unseen) = (payment.created(), payment.succeeded());
    apply(&store, std::slice::from_ref(&seen)).await;
    let found = store.unknown_events(vec![seen.id, unseen.id.clone()]).await.expect("a read");
    assert_eq!(found, HashSet::from([unseen.id]));
    assert!(store.unknown_events(Vec::new()).await.expect("a read").is_empty());
}

async fn reported_money_movement_schedules_check(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.created()]).await;
    let claim = WorkClaim { now: later(1), lease_until: later(60), limit: 10 };
    assert!(store.claim_checks(claim).await.expect("a commit").is_empty());
    assert_eq!(apply_one(&store, payment.moved()).await, EventOutcome::Applied);
    assert_eq!(store.claim_checks(claim).await.expect("a commit"), std::slice::from_ref(&payment.order.id));
    let found = store.order_to_check(payment.order.id.clone()).await.expect("a read").expect("an order");
    assert_eq!((found.order.id, found.attempts.len()), (payment.order.id.clone(), 1));
    let unknown = Payment { payment_intent_id: "pi_foreign".to_owned(), ..payment };
    assert!(matches!(apply_one(&store, unknown.moved()).await, EventOutcome::Ignored(_)));
}

async fn orders_to_reconcile_are_found(database: &TestDatabase) {
    let store = database.store().await;
    let (open, paid) = (Payment::begin(&store).await, Payment::begin(&store).await);
    apply(&store, &[paid.succeeded()]).await;
    assert_eq!(status(&store, &paid.order.id).await, OrderStatus::Paid);
    place(&store).await;
    let find = async |since: i64, after: Option<&OrderId>| {
        store.orders_to_reconcile(later(since), after.cloned(), 10).await.expect("a read")
    };
    assert_eq!(find(0, None).await, [open.order.id.clone(), paid.order.id.clone()]);
    assert_eq!(find(1, None).await, std::slice::from_ref(&open.order.id), "it has not ended");
    assert_eq!(find(0, Some(&open.order.id)).await, [paid.order.id]);
}
