//! Tests of closing unpaid orders.

use quittance_domain::history::{CloseReason, Task};
use quittance_domain::id::OrderId;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::OpenStatus;
use quittance_domain::payment::ReviewReason;
use quittance_persistence::{BeginAttemptOutcome, CloseOutcome, CloseRequester, Store};
use quittance_test_support::{
    Payment, PaymentEvent, TestDatabase, id, later, new_attempt, now, on_both_databases, place,
};

use crate::{apply, invariants, order, published, status};

on_both_databases! {
    order_without_attempt_closes_immediately,
    close_request_is_allowed_by_status_and_requester,
    order_closes_once_its_attempt_is_closed_at_stripe,
    success_overrides_close_request,
    success_after_close_is_reviewed,
    close_request_can_be_withdrawn,
    close_cannot_be_withdrawn,
}

async fn ask(store: &Store, order_id: &OrderId, by: CloseRequester) -> CloseOutcome {
    store.request_close(order_id.clone(), CloseReason::Canceled, by, later(7)).await.expect("an answer")
}

async fn order_without_attempt_closes_immediately(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place(&store).await;
    let CloseOutcome::Done(ended) = ask(&store, &placed.id, CloseRequester::Holder).await else { panic!() };
    assert_eq!((ended.status, ended.version, ended.outcome_version), (OrderStatus::Canceled, 2, 2));
    assert_eq!(ended.updated_at, later(7));
    // A repeated request returns the same result.
    let CloseOutcome::Done(again) = ask(&store, &placed.id, CloseRequester::Shop).await else { panic!() };
    assert_eq!(again, ended);
    assert_eq!(order(&store, &placed.id).await, ended);
    assert_eq!(published(database, "order.canceled").await, 1);
    let nobody = ask(&store, &id(OrderId::from_uuid), CloseRequester::Shop).await;
    assert!(matches!(nobody, CloseOutcome::NotFound), "{nobody:?}");
}

/// An event of a payment.
type Happening = fn(&Payment) -> PaymentEvent;

async fn close_request_is_allowed_by_status_and_requester(database: &TestDatabase) {
    use OrderStatus::{Authorized, Paid, PaymentFailed, Pending, Processing, Review};
    let store = database.store().await;
    let holds: Happening = |p| p.open("amount_capturable_updated", OpenStatus::RequiresCapture);
    let stories: [(OrderStatus, Happening, bool, bool); 6] = [
        (Pending, Payment::created, true, true),
        (PaymentFailed, |payment| payment.failed("ch_1"), true, true),
        (Processing, Payment::processing, false, false),
        (Authorized, holds, false, true),
        (Paid, Payment::succeeded, false, false),
        (Review, |payment| payment.succeeded_with(1, "eur"), false, false),
    ];
    for (before, event, holder_may, shop_may) in stories {
        for (by, may) in [(CloseRequester::Holder, holder_may), (CloseRequester::Shop, shop_may)] {
            let payment = Payment::begin(&store).await;
            apply(&store, &[event(&payment)]).await;
            assert_eq!(status(&store, &payment.order.id).await, before);
            match ask(&store, &payment.order.id, by).await {
                CloseOutcome::CloseFirst(attempt) => {
                    assert!(may, "{before:?} by {by:?}");
                    assert_eq!((attempt.attempt.id, attempt.task), (payment.id, Some(Task::Close)));
                }
                CloseOutcome::NotPossible(status) => {
                    assert!(!may, "{before:?} by {by:?}");
                    assert_eq!(status, before);
                    let attempt = store.attempt(payment.id).await.expect("a read").expect("an attempt");
                    assert_eq!(attempt.task, None, "no attempt was begun");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(status(&store, &payment.order.id).await, before, "Stripe has not confirmed anything");
        }
    }
    assert_eq!(published(database, "order.canceled").await, 0);
}

async fn order_closes_once_its_attempt_is_closed_at_stripe(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    for _ in 0..2 {
        // The PaymentIntent may exist at Stripe. It is created again with the same key, then closed.
        let CloseOutcome::CloseFirst(attempt) = ask(&store, &payment.order.id, CloseRequester::Holder).await
        else {
            panic!()
        };
        assert_eq!(attempt.task, Some(Task::Create));
    }
    apply(&store, &[payment.created()]).await;
    let attempt = store.attempt(payment.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!(attempt.task, Some(Task::Close));
    apply(&store, &[payment.canceled()]).await;
    let ended = order(&store, &payment.order.id).await;
    assert_eq!(ended.status, OrderStatus::Canceled);
    assert_eq!(ended.outcome_version, ended.version);
    assert_eq!(published(database, "order.canceled").await, 1);
    let begun = store.begin_attempt(new_attempt(&payment.order)).await.expect("an answer");
    assert!(matches!(begun, BeginAttemptOutcome::NotPayable(OrderStatus::Canceled)), "{begun:?}");
    invariants::check(database).await;
}

async fn success_overrides_close_request(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.created()]).await;
    ask(&store, &payment.order.id, CloseRequester::Holder).await;
    apply(&store, &[payment.succeeded()]).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Paid);
    assert_eq!(published(database, "order.canceled").await, 0);
    invariants::check(database).await;
}

async fn success_after_close_is_reviewed(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    store.refuse_attempt(payment.id.clone(), "api_error".into(), now()).await.expect("a commit");
    assert!(matches!(ask(&store, &payment.order.id, CloseRequester::Holder).await, CloseOutcome::Done(_)));
    apply(&store, &[payment.succeeded()]).await;
    let order = order(&store, &payment.order.id).await;
    assert_eq!(order.status, OrderStatus::Review);
    assert_eq!(order.review_reason, Some(ReviewReason::SucceededAfterCancel));
    assert_eq!(published(database, "order.review_required").await, 1);
    invariants::check(database).await;
}

async fn close_request_can_be_withdrawn(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.created()]).await;
    ask(&store, &payment.order.id, CloseRequester::Holder).await;
    for _ in 0..2 {
        store.withdraw_close(payment.order.id.clone(), now()).await.expect("a commit");
        let attempt = store.attempt(payment.id.clone()).await.expect("a read").expect("an attempt");
        assert_eq!(attempt.task, None);
    }
    apply(&store, &[payment.canceled()]).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Pending, "no close is requested");
    let begun = store.begin_attempt(new_attempt(&payment.order)).await.expect("an answer");
    assert!(matches!(begun, BeginAttemptOutcome::Recorded(_)), "{begun:?}");
    store.withdraw_close(id(OrderId::from_uuid), now()).await.expect("nothing to do");
    invariants::check(database).await;
}

async fn close_cannot_be_withdrawn(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place(&store).await;
    ask(&store, &placed.id, CloseRequester::Holder).await;
    let ended = order(&store, &placed.id).await;
    store.withdraw_close(placed.id.clone(), now()).await.expect("nothing to do");
    assert_eq!(order(&store, &placed.id).await, ended);
}
