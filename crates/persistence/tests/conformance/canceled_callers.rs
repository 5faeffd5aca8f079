//! Tests of canceled callers: a started transaction completes, once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::poll_immediate;
use quittance_domain::history::CloseReason;
use quittance_domain::id::OrderId;
use quittance_domain::order::{Order, OrderStatus};
use quittance_persistence::{ClaimKeyOutcome, CloseRequester, Completion, NewOrder, Reply, Store, WorkClaim};
use quittance_test_support::{
    Payment, TestDatabase, id, later, new_attempt, new_order, now, on_both_databases, place, product,
    wait_until,
};

use crate::{Dice, apply, exhaustive, idempotent_request, invariants, order};

on_both_databases! {
    canceled_caller_does_not_cancel_transaction,
    canceled_caller_leaves_order_and_reply_consistent,
    concurrent_canceled_callers_leave_no_partial_work,
}

type Phase = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls an operation a few times, then drops it.
async fn hang_up(mut phase: Phase, moments: usize) {
    for _ in 0..moments {
        if poll_immediate(&mut phase).await.is_some() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn moments(dice: &mut Dice) -> usize {
    // Most transactions take a few hundred polls. Many drops should happen near the start.
    let most = [2, 8, 32, 128, 512][dice.below(5)];
    1 + dice.below(most)
}

fn rounds() -> usize {
    if exhaustive() { 200 } else { 12 }
}

fn call<T: Send + 'static>(
    phase: impl Future<Output = Result<T, quittance_persistence::Error>> + Send + 'static,
) -> Phase {
    phase.map(|result| drop(result.expect("a phase"))).boxed()
}

async fn canceled_caller_does_not_cancel_transaction(database: &TestDatabase) {
    let store = database.store().await;
    let mut dice = Dice(11);
    for _ in 0..rounds() {
        let payment = Payment::begin(&store).await;
        let placed = place(&store).await;
        let (order_id, owned) = (payment.order.id.clone(), store.clone());
        let apply = call(async move { owned.apply(vec![payment.succeeded().delivery()]).await });
        hang_up(apply, moments(&mut dice)).await;
        wait_until("the event is applied", async || {
            order(&store, &order_id).await.status == OrderStatus::Paid
        })
        .await;
        let (owned, new) = (store.clone(), new_attempt(&placed));
        let id = new.id.clone();
        hang_up(call(async move { owned.begin_attempt(new).await }), moments(&mut dice)).await;
        wait_until("the attempt is recorded", async || {
            store.attempt(id.clone()).await.expect("a read").is_some()
        })
        .await;
        let (owned, order_id) = (store.clone(), placed.id.clone());
        store.refuse_attempt(id, "x".into(), now()).await.expect("a commit");
        let closing = async move {
            owned.request_close(order_id, CloseReason::Canceled, CloseRequester::Shop, now()).await
        };
        hang_up(call(closing), moments(&mut dice)).await;
        wait_until("the order has ended", async || {
            order(&store, &placed.id).await.status == OrderStatus::Canceled
        })
        .await;
    }
    invariants::check(database).await;
}

async fn canceled_caller_leaves_order_and_reply_consistent(database: &TestDatabase) {
    let store = database.store().await;
    let pot = store.insert_product(product(), None).await.expect("an insert");
    let mut dice = Dice(13);
    for round in 0..rounds() {
        let request = idempotent_request(&format!("key-{round}"));
        let ClaimKeyOutcome::New(claim) = store.claim_key(request.clone()).await.expect("an answer") else {
            panic!()
        };
        let new = NewOrder { id: id(OrderId::from_uuid), ..new_order(&pot) };
        let (order_id, owned) = (new.id.clone(), store.clone());
        let body = |order: &Order| Reply { status: 201, body: order.id.to_string(), secret: None };
        let completion = Completion { claim, render: Arc::new(body) };
        let placing = call(async move { owned.place_order(new, Some(completion)).await });
        let begun = round % 3 > 0;
        hang_up(placing, if begun { moments(&mut dice) } else { 0 }).await;
        let stands = async || store.order(order_id.clone()).await.expect("a read").is_some();
        if begun {
            wait_until("the order is placed", stands).await;
        }
        match store.claim_key(request).await.expect("an answer") {
            ClaimKeyOutcome::Replay(reply) => assert!(begun && reply.body == order_id.as_str()),
            ClaimKeyOutcome::InProgress => assert!(!begun && !stands().await),
            other => panic!("{other:?}"),
        }
    }
    invariants::check(database).await;
}

/// A random action of a caller.
fn any_phase(store: &Store, payment: &Payment, dice: &mut Dice) -> Phase {
    let (store, payment) = (store.clone(), payment.clone());
    let order_id = payment.order.id.clone();
    match dice.below(9) {
        0 => call(async move { store.apply(vec![payment.created().delivery()]).await }),
        1 => call(async move { store.apply(vec![payment.failed("ch_1").after(1).delivery()]).await }),
        2 => call(async move { store.apply(vec![payment.processing().after(2).delivery()]).await }),
        3 => call(async move { store.apply(vec![payment.succeeded().after(3).delivery()]).await }),
        4 => call(async move { store.begin_attempt(new_attempt(&payment.order)).await }),
        5 => call(async move {
            let seen = payment.created().observation();
            store.apply_observation(payment.id, seen, Some("hash".into()), Some(1), now()).await
        }),
        6 => call(async move {
            store.request_close(order_id, CloseReason::Canceled, CloseRequester::Holder, now()).await
        }),
        7 => call(async move { store.withdraw_close(order_id, now()).await }),
        _ => call(async move {
            store.claim_attempts(WorkClaim { now: later(99), lease_until: later(199), limit: 3 }).await
        }),
    }
}

async fn concurrent_canceled_callers_leave_no_partial_work(database: &TestDatabase) {
    let store = database.store().await;
    let mut dice = Dice(17);
    let mut payments = Vec::new();
    for _ in 0..4 {
        payments.push(Payment::begin(&store).await);
    }
    let mut callers = Vec::new();
    for _ in 0..rounds() * 20 {
        let payment = payments[dice.below(4)].clone();
        let phase = any_phase(&store, &payment, &mut dice);
        callers.push(tokio::spawn(hang_up(phase, moments(&mut dice))));
    }
    for caller in callers {
        caller.await.expect("a caller");
    }
    // Some operations may still run. The invariants hold after each commit.
    invariants::check(database).await;
    // Stripe resends unacknowledged events. In the end, every order is paid or closed.
    for payment in &payments {
        apply(&store, &[payment.succeeded().after(9)]).await;
        let status = order(&store, &payment.order.id).await.status;
        assert!(matches!(status, OrderStatus::Paid | OrderStatus::Review), "{status:?}");
    }
    invariants::check(database).await;
}
