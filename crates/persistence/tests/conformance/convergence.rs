//! Tests that events in any order, with duplicates, lead to the same state.

use futures_util::future::join_all;
use quittance_domain::event::EventOutcome;
use quittance_domain::order::OrderStatus;
use quittance_persistence::{Delivery, Error, Store};
use quittance_test_support::{
    Kind, Payment, PaymentEvent, TestDatabase, on_both_databases, payment_on, place, run_on, wait_until,
};

use crate::{Dice, apply, exhaustive, invariants, order, published, rows};

on_both_databases! {
    every_permutation_applied_singly_converges,
    every_permutation_in_one_batch_converges,
    duplicates_in_any_batches_converge,
    unpaid_order_converges,
    two_processes_with_same_events_converge,
    two_processes_with_shuffled_events_converge,
}

fn story(payment: &Payment) -> Vec<PaymentEvent> {
    vec![
        payment.created(),
        payment.processing().after(1),
        payment.failed("ch_1").after(2),
        payment.succeeded().after(3),
    ]
}

/// Returns all permutations of `n` events.
pub(crate) fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(count - 1);
    let insert = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |place| insert(order, place))).collect()
}

async fn assert_paid_once(database: &TestDatabase, store: &Store, payment: &Payment, how: &str) {
    let order = order(store, &payment.order.id).await;
    assert_eq!((order.status, order.amount_paid), (OrderStatus::Paid, order.total), "{how}");
    let of_order = format!("WHERE order_id = '{}'", payment.order.id);
    let told =
        format!("SELECT kind AS value FROM outbox {of_order} AND kind IN ('order.created', 'order.paid')");
    let kept = format!("SELECT 'kept ' || outcome AS value FROM inbox {of_order}");
    let mut found = database.texts(&format!("{told} UNION ALL {kept}")).await;
    found.sort();
    let kept = "kept applied";
    assert_eq!(found, [kept, kept, kept, kept, "order.created", "order.paid"], "{how}");
}

async fn every_permutation_applied_singly_converges(database: &TestDatabase) {
    let store = database.store().await;
    for permutation in permutations(4) {
        let payment = Payment::begin(&store).await;
        let events = story(&payment);
        for index in &permutation {
            // Each event arrives again immediately.
            for expected in [EventOutcome::Applied, EventOutcome::Duplicate] {
                assert_eq!(apply(&store, &events[*index..=*index]).await, [expected]);
            }
        }
        assert_paid_once(database, &store, &payment, &format!("{permutation:?}")).await;
    }
    invariants::check(database).await;
}

async fn every_permutation_in_one_batch_converges(database: &TestDatabase) {
    let store = database.store().await;
    for permutation in permutations(4) {
        let payment = Payment::begin(&store).await;
        let events = story(&payment);
        let mut batch: Vec<_> = permutation.iter().map(|index| events[*index].clone()).collect();
        batch.extend(batch.clone());
        let outcomes = apply(&store, &batch).await;
        assert_eq!(outcomes[..4], [EventOutcome::Applied; 4]);
        assert_eq!(outcomes[4..], [EventOutcome::Duplicate; 4]);
        assert_paid_once(database, &store, &payment, &format!("{permutation:?}")).await;
    }
    invariants::check(database).await;
}

/// Returns all arrangements in which each of four events comes twice: 2520.
fn arrangements() -> Vec<Vec<usize>> {
    fn extend(prefix: &mut Vec<usize>, left: &mut [u8; 4], all: &mut Vec<Vec<usize>>) {
        if prefix.len() == 8 {
            return all.push(prefix.clone());
        }
        for index in 0..4 {
            if left[index] > 0 {
                left[index] -= 1;
                prefix.push(index);
                extend(prefix, left, all);
                prefix.pop();
                left[index] += 1;
            }
        }
    }
    let mut all = Vec::new();
    extend(&mut Vec::new(), &mut [2; 4], &mut all);
    all
}

async fn duplicates_in_any_batches_converge(database: &TestDatabase) {
    let store = database.store().await;
    let mut dice = Dice(1);
    let mut all = arrangements();
    assert_eq!(all.len(), 2520);
    if !exhaustive() {
        dice.shuffle(&mut all);
        all.truncate(60);
    }
    for arrangement in all {
        let payment = Payment::begin(&store).await;
        let events = story(&payment);
        let (mut rest, mut sizes) = (arrangement.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(1 + dice.below(rest.len()));
            let batch: Vec<_> = batch.iter().map(|index| events[*index].clone()).collect();
            apply(&store, &batch).await;
            sizes.push(batch.len());
            rest = others;
        }
        assert_paid_once(database, &store, &payment, &format!("{arrangement:?} in {sizes:?}")).await;
    }
    invariants::check(database).await;
}

async fn unpaid_order_converges(database: &TestDatabase) {
    let store = database.store().await;
    for permutation in permutations(4) {
        let payment = Payment::begin(&store).await;
        let events = [
            payment.created(),
            payment.failed("ch_1").after(1),
            payment.processing().after(2),
            payment.failed("ch_2").after(3),
        ];
        let cut = permutation[0];
        let batch: Vec<_> = permutation.iter().map(|index| events[*index].clone()).collect();
        apply(&store, &batch[..cut]).await;
        apply(&store, &batch[cut..]).await;
        let order = order(&store, &payment.order.id).await;
        assert_eq!(order.status, OrderStatus::PaymentFailed, "{permutation:?}");
        let failure = order.payment.expect("a payment").last_failure.expect("a failure");
        assert_eq!(failure.id, "ch_2", "{permutation:?}");
    }
    invariants::check(database).await;
}

/// Applies batches concurrently through two stores, each batch through both.
async fn race(stores: &[Store; 2], batches: Vec<Vec<Delivery>>) -> Vec<Result<Vec<EventOutcome>, Error>> {
    let applying = batches.into_iter().flat_map(|batch| {
        stores.iter().map(move |store| {
            let (store, batch) = (store.clone(), batch.clone());
            tokio::spawn(async move { store.apply(batch).await })
        })
    });
    join_all(applying).await.into_iter().map(|task| task.expect("a task")).collect()
}

async fn concurrently(database: &TestDatabase, sorted: bool) {
    let stores = [database.store().await, database.store().await];
    let mut dice = Dice(7);
    let mut events = Vec::new();
    for _ in 0..24 {
        let order = place(&stores[0]).await;
        let payment = payment_on(&stores[0], order).await;
        events.extend(story(&payment));
    }
    dice.shuffle(&mut events);
    let mut batches = Vec::new();
    for batch in events.chunks(12) {
        let mut batch: Vec<Delivery> = batch.iter().map(PaymentEvent::delivery).collect();
        if sorted {
            batch.sort_by(|a, b| a.event.id.cmp(&b.event.id));
        }
        batches.push(batch);
    }
    let mut outcomes = Vec::new();
    for outcome in race(&stores, batches).await {
        outcomes.extend(outcome.expect("neither a deadlock nor another failure comes through"));
    }
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(EventOutcome::Applied), count(EventOutcome::Duplicate)), (96, 96));
    assert_eq!(rows(database, "inbox").await, 96);
    assert_eq!(published(database, "order.paid").await, 24);
    let unpaid = "SELECT count(*) FROM orders WHERE status <> 'paid'";
    assert_eq!(database.scalar_i64(unpaid).await, 0);
    invariants::check(database).await;
}

async fn two_processes_with_same_events_converge(database: &TestDatabase) {
    concurrently(database, true).await;
}

async fn two_processes_with_shuffled_events_converge(database: &TestDatabase) {
    concurrently(database, false).await;
}

/// PostgreSQL only: a SQLite file has one lock, so it can't deadlock.
#[test]
fn deadlocked_transaction_is_retried() {
    run_on(Kind::Postgres, async |database| {
        let store = database.store().await;
        let (first, second) = (Payment::begin(&store).await, Payment::begin(&store).await);
        let lock =
            |payment: &Payment| format!("SELECT 1 FROM orders WHERE id = '{}' FOR UPDATE", payment.order.id);
        let mut other = database.begin(&lock(&second)).await;
        let deliveries = vec![first.succeeded().delivery(), second.succeeded().delivery()];
        let phase = tokio::spawn(async move { store.apply(deliveries).await });
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        wait_until("the phase has one order and waits for the other", async || {
            database.scalar_i64(waiting).await == 1
        })
        .await;
        // The store's transaction waits longer, so PostgreSQL aborts that one.
        other.execute(&lock(&first)).await;
        other.release().await;
        let outcomes = phase.await.expect("a task").expect("a commit after all");
        assert_eq!(outcomes, [EventOutcome::Applied; 2]);
        assert_eq!(published(database, "order.paid").await, 2);
    });
}
