//! Tests of captures.

use quittance_domain::history::{CloseReason, Task};
use quittance_domain::id::OrderId;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{ObservedState, OpenStatus, Success};
use quittance_persistence::{CaptureOutcome, CloseOutcome, CloseRequester, Store};
use quittance_test_support::{Payment, PaymentEvent, TestDatabase, id, later, now, on_both_databases};

use crate::{apply, invariants, order, status};

on_both_databases! {
    repeated_capture_keeps_first_amount,
    partial_capture_pays_order,
    capture_can_be_withdrawn_until_it_succeeds,
    order_with_requested_capture_cannot_be_closed,
    capture_without_authorized_payment_is_refused,
}

async fn held(store: &Store) -> Payment {
    let payment = Payment::begin(store).await;
    apply(store, &[payment.open("amount_capturable_updated", OpenStatus::RequiresCapture)]).await;
    payment
}

async fn ask(store: &Store, id: &OrderId, amount: Option<i64>) -> CaptureOutcome {
    store.request_capture(id.clone(), amount, later(5)).await.expect("an answer")
}

async fn repeated_capture_keeps_first_amount(database: &TestDatabase) {
    let store = database.store().await;
    let payment = held(&store).await;
    let id = &payment.order.id;
    assert!(
        matches!(ask(&store, id, Some(2501)).await, CaptureOutcome::TooMuch(held) if held.minor() == 2500)
    );
    for amount in [None, Some(2500), None] {
        let CaptureOutcome::Recorded(attempt) = ask(&store, id, amount).await else { panic!() };
        assert_eq!((attempt.task, attempt.attempt.capture), (Some(Task::Capture), Some(2500)));
    }
    let other = ask(&store, id, Some(1000)).await;
    assert!(matches!(other, CaptureOutcome::OtherAmount(taken) if taken.minor() == 2500), "{other:?}");
    apply(&store, &[payment.succeeded().after(1)]).await;
    assert_eq!(status(&store, id).await, OrderStatus::Paid);
    // A caller that missed the first reply retries, and the capture is already complete.
    let CaptureOutcome::Recorded(done) = ask(&store, id, None).await else { panic!() };
    assert_eq!((done.task, done.attempt.capture), (None, Some(2500)));
    let more = ask(&store, id, Some(1000)).await;
    assert!(matches!(more, CaptureOutcome::NotPossible(OrderStatus::Paid)), "{more:?}");
    invariants::check(database).await;
}

fn taken(payment: &Payment, received: i64) -> PaymentEvent {
    let success =
        Success { amount: 2500, currency: "eur".into(), amount_received: received, application_fee: None };
    PaymentEvent { seen: ObservedState::Succeeded(success), ..payment.succeeded().after(1) }
}

async fn partial_capture_pays_order(database: &TestDatabase) {
    let store = database.store().await;
    let (chosen, misfit) = (held(&store).await, held(&store).await);
    for payment in [&chosen, &misfit] {
        assert!(matches!(ask(&store, &payment.order.id, Some(1000)).await, CaptureOutcome::Recorded(_)));
    }
    apply(&store, &[taken(&chosen, 1000), taken(&misfit, 999)]).await;
    let paid = order(&store, &chosen.order.id).await;
    assert_eq!((paid.status, paid.amount_paid.minor()), (OrderStatus::Paid, 1000));
    assert_eq!(status(&store, &misfit.order.id).await, OrderStatus::Review);
    invariants::check(database).await;
}

async fn capture_can_be_withdrawn_until_it_succeeds(database: &TestDatabase) {
    let store = database.store().await;
    let payment = held(&store).await;
    ask(&store, &payment.order.id, Some(1000)).await;
    store.withdraw_capture(payment.id.clone(), now()).await.expect("a commit");
    let attempt = store.attempt(payment.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!((attempt.task, attempt.attempt.capture), (None, None));
    ask(&store, &payment.order.id, Some(2000)).await;
    apply(&store, &[taken(&payment, 2000)]).await;
    store.withdraw_capture(payment.id.clone(), now()).await.expect("nothing to do");
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Paid);
    invariants::check(database).await;
}

async fn order_with_requested_capture_cannot_be_closed(database: &TestDatabase) {
    let store = database.store().await;
    let payment = held(&store).await;
    let close = async || {
        let id = payment.order.id.clone();
        store.request_close(id, CloseReason::Canceled, CloseRequester::Shop, now()).await.expect("an answer")
    };
    ask(&store, &payment.order.id, None).await;
    assert!(matches!(close().await, CloseOutcome::NotPossible(OrderStatus::Authorized)));
    store.withdraw_capture(payment.id.clone(), now()).await.expect("a commit");
    assert!(matches!(close().await, CloseOutcome::CloseFirst(_)));
    // A closing order can't be captured.
    let late = ask(&store, &payment.order.id, None).await;
    assert!(matches!(late, CaptureOutcome::NotPossible(OrderStatus::Authorized)), "{late:?}");
}

async fn capture_without_authorized_payment_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.processing()]).await;
    let early = ask(&store, &payment.order.id, None).await;
    assert!(matches!(early, CaptureOutcome::NotPossible(OrderStatus::Processing)), "{early:?}");
    assert!(matches!(ask(&store, &id(OrderId::from_uuid), None).await, CaptureOutcome::NotFound));
}
