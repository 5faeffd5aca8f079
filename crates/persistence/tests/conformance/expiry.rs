//! Tests of expiry and scheduled checks.

use quittance_domain::history::{CloseReason, Task};
use quittance_domain::id::OrderId;
use quittance_domain::order::{Order, OrderStatus};
use quittance_domain::payment::{OpenStatus, ReviewReason};
use quittance_domain::refund::RefundStatus;
use quittance_persistence::{
    BeginAttemptOutcome, CloseOutcome, CloseRequester, NewAttempt, OrderToCheck, PlaceOrderOutcome, Store,
    WorkClaim,
};
use quittance_test_support::{
    EXPIRY_S, Payment, TestDatabase, later, new_attempt, new_order, now, on_both_databases, payment_on,
    place, place_counted,
};

use crate::{apply, apply_one, invariants, order, published, status};

on_both_databases! {
    unpaid_order_expires_at_its_deadline,
    expiring_order_closes_its_attempt_first,
    order_with_processing_payment_does_not_expire,
    payment_after_expiry_takes_stock_again,
    payment_after_expiry_without_stock_is_reviewed,
    due_orders_are_claimed_once,
    next_check_depends_on_order_state,
    check_scheduled_during_check_is_kept,
    live_attempt_postpones_expiry,
}

const HOUR: i64 = 60 * 60;

async fn expire(store: &Store, id: &OrderId, seconds: i64) -> CloseOutcome {
    store.expire_order(id.clone(), later(seconds)).await.expect("an answer")
}

async fn look_at(store: &Store, id: &OrderId) -> OrderToCheck {
    store.order_to_check(id.clone()).await.expect("a read").expect("an order")
}

async fn due(store: &Store, seconds: i64) -> Vec<OrderId> {
    let claim = WorkClaim { now: later(seconds), lease_until: later(seconds + 60), limit: 100 };
    let mut ids = store.claim_checks(claim).await.expect("a commit");
    // Several orders may be due at the same time.
    ids.sort();
    ids
}

async fn stock(store: &Store, order: &Order) -> Option<u32> {
    store.product(order.lines[0].product_id.clone()).await.expect("a read").expect("a product").stock
}

async fn unpaid_order_expires_at_its_deadline(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place_counted(&store, 2).await;
    assert_eq!(placed.expires_at, later(EXPIRY_S));
    let early = expire(&store, &placed.id, EXPIRY_S - 1).await;
    assert!(matches!(early, CloseOutcome::NotPossible(OrderStatus::Pending)), "{early:?}");
    let CloseOutcome::Done(ended) = expire(&store, &placed.id, EXPIRY_S).await else { panic!() };
    assert_eq!((ended.status, stock(&store, &placed).await), (OrderStatus::Expired, Some(2)));
    assert_eq!(
        (published(database, "order.expired").await, published(database, "order.canceled").await),
        (1, 0)
    );
    let again = expire(&store, &placed.id, EXPIRY_S).await;
    assert!(matches!(again, CloseOutcome::NotPossible(OrderStatus::Expired)), "{again:?}");
    let canceled = store
        .request_close(placed.id.clone(), CloseReason::Canceled, CloseRequester::Shop, later(EXPIRY_S))
        .await;
    assert!(matches!(canceled, Ok(CloseOutcome::NotPossible(OrderStatus::Expired))), "{canceled:?}");
    assert_eq!(stock(&store, &placed).await, Some(2));
    invariants::check(database).await;
}

async fn expiring_order_closes_its_attempt_first(database: &TestDatabase) {
    let store = database.store().await;
    let payment = payment_on(&store, place_counted(&store, 2).await).await;
    apply(&store, &[payment.failed("ch_1")]).await;
    for _ in 0..2 {
        let CloseOutcome::CloseFirst(attempt) = expire(&store, &payment.order.id, EXPIRY_S).await else {
            panic!()
        };
        assert_eq!((attempt.attempt.id, attempt.task), (payment.id.clone(), Some(Task::Close)));
    }
    assert_eq!(stock(&store, &payment.order).await, Some(0));
    apply(&store, &[payment.canceled().after(1)]).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Expired);
    assert_eq!(stock(&store, &payment.order).await, Some(2));
    invariants::check(database).await;
}

async fn order_with_processing_payment_does_not_expire(database: &TestDatabase) {
    let store = database.store().await;
    for (open, expected) in [
        (OpenStatus::AwaitsTransfer, OrderStatus::Pending),
        (OpenStatus::Processing, OrderStatus::Processing),
        (OpenStatus::RequiresCapture, OrderStatus::Authorized),
    ] {
        let payment = Payment::begin(&store).await;
        apply(&store, &[payment.open("x", open)]).await;
        let request_params = expire(&store, &payment.order.id, EXPIRY_S).await;
        assert!(
            matches!(request_params, CloseOutcome::NotPossible(status) if status == expected),
            "{request_params:?}"
        );
    }
    // A canceled order stays canceled.
    let payment = Payment::begin(&store).await;
    let id = payment.order.id.clone();
    store
        .request_close(id.clone(), CloseReason::Canceled, CloseRequester::Holder, now())
        .await
        .expect("an answer");
    let request_params = expire(&store, &id, EXPIRY_S).await;
    assert!(matches!(request_params, CloseOutcome::NotPossible(OrderStatus::Pending)), "{request_params:?}");
    apply(&store, &[payment.canceled()]).await;
    assert_eq!(status(&store, &id).await, OrderStatus::Canceled);
}

/// Places and expires an order of the last two units of a product, whose payment is about to succeed.
async fn expired(store: &Store) -> Payment {
    let payment = payment_on(store, place_counted(store, 2).await).await;
    store.refuse_attempt(payment.id.clone(), "api_error".into(), now()).await.expect("a commit");
    assert!(matches!(expire(store, &payment.order.id, EXPIRY_S).await, CloseOutcome::Done(_)));
    payment
}

async fn payment_after_expiry_takes_stock_again(database: &TestDatabase) {
    let store = database.store().await;
    let payment = expired(&store).await;
    apply(&store, &[payment.succeeded()]).await;
    apply(&store, &[payment.succeeded().after(1)]).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Paid);
    assert_eq!(stock(&store, &payment.order).await, Some(0));
    assert_eq!((published(database, "order.expired").await, published(database, "order.paid").await), (1, 1));
    let decisions = "SELECT kind || ' ' || subject AS value FROM decisions WHERE kind = 'restocked'";
    assert_eq!(database.texts(decisions).await, ["restocked taken"]);
    // Products without counted stock are always available.
    let uncounted = payment_on(&store, place(&store).await).await;
    store.refuse_attempt(uncounted.id.clone(), "api_error".into(), now()).await.expect("a commit");
    expire(&store, &uncounted.order.id, EXPIRY_S).await;
    apply(&store, &[uncounted.succeeded()]).await;
    assert_eq!(status(&store, &uncounted.order.id).await, OrderStatus::Paid);
    invariants::check(database).await;
}

async fn payment_after_expiry_without_stock_is_reviewed(database: &TestDatabase) {
    let store = database.store().await;
    let payment = expired(&store).await;
    let product = store.product(payment.order.lines[0].product_id.clone()).await.expect("a read");
    let faster = store.place_order(new_order(&product.expect("a product")), None).await.expect("an answer");
    let PlaceOrderOutcome::Done(faster) = faster else { panic!() };
    apply(&store, &[payment.succeeded()]).await;
    // The decision is final, even if stock is released later.
    store
        .request_close(faster.id, CloseReason::Canceled, CloseRequester::Shop, now())
        .await
        .expect("an answer");
    apply(&store, &[payment.succeeded().after(1)]).await;
    let order = order(&store, &payment.order.id).await;
    let reason = Some(ReviewReason::SucceededAfterExpiry);
    assert_eq!((order.status, order.review_reason), (OrderStatus::Review, reason));
    assert_eq!(stock(&store, &payment.order).await, Some(2));
    assert_eq!(published(database, "order.review_required").await, 1);
    invariants::check(database).await;
}

async fn due_orders_are_claimed_once(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place(&store).await;
    assert!(due(&store, EXPIRY_S - 1).await.is_empty());
    assert_eq!(due(&store, EXPIRY_S).await, std::slice::from_ref(&placed.id));
    assert!(due(&store, EXPIRY_S + 59).await.is_empty(), "another worker holds the lease");
    assert_eq!(due(&store, EXPIRY_S + 60).await, [placed.id], "the lease has expired");
    let found = look_at(&store, &place(&store).await.id).await;
    assert!(found.attempts.is_empty());
}

async fn next_check_depends_on_order_state(database: &TestDatabase) {
    let store = database.store().await;
    let check = "SELECT CAST(check_at IS NULL AS integer) FROM orders";
    let (paid, flying) = (Payment::begin(&store).await, Payment::begin(&store).await);
    apply(&store, &[paid.succeeded(), flying.processing()]).await;
    let due_then = due(&store, EXPIRY_S).await;
    assert_eq!(due_then, [paid.order.id.clone(), flying.order.id.clone()], "a paid order keeps its expiry");
    for id in due_then {
        let found = look_at(&store, &id).await;
        store.record_check(found, later(EXPIRY_S)).await.expect("a commit");
    }
    assert_eq!(database.scalar_i64(&format!("{check} WHERE id = '{}'", paid.order.id)).await, 1);
    assert!(due(&store, EXPIRY_S + HOUR - 1).await.is_empty());
    assert_eq!(due(&store, EXPIRY_S + HOUR).await, [flying.order.id]);
    // A pending refund is checked after a while.
    let refund = paid.refund("re_1", None, 100, (RefundStatus::Pending, 1));
    apply_one(&store, refund).await;
    assert!(due(&store, 6 * HOUR - 1).await.iter().all(|id| *id != paid.order.id));
    assert!(due(&store, 6 * HOUR).await.contains(&paid.order.id));
    let found = look_at(&store, &paid.order.id).await;
    store.record_check(found, later(6 * HOUR)).await.expect("a commit");
    assert!(due(&store, 12 * HOUR).await.contains(&paid.order.id));
    // A payable order is checked when it expires.
    let open = place(&store).await;
    let found = look_at(&store, &open.id).await;
    store.record_check(found, now()).await.expect("a commit");
    assert!(due(&store, EXPIRY_S).await.contains(&open.id));
}

/// Another process's clock may be ahead, so its check may lie in this process's future.
async fn check_scheduled_during_check_is_kept(database: &TestDatabase) {
    let store = database.store().await;
    for ahead in [-5, 5] {
        let payment = Payment::begin(&store).await;
        apply(&store, &[payment.created(), payment.succeeded().after(1)]).await;
        due(&store, EXPIRY_S).await;
        let found = look_at(&store, &payment.order.id).await;
        let mut movement = payment.moved().delivery();
        movement.received_at = later(EXPIRY_S + ahead);
        store.apply(vec![movement]).await.expect("a commit");
        store.record_check(found, later(EXPIRY_S)).await.expect("a commit");
        assert_eq!(due(&store, EXPIRY_S + 5).await, [payment.order.id]);
    }
}

async fn live_attempt_postpones_expiry(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place(&store).await;
    for (live_until, expected) in [(EXPIRY_S - 5, EXPIRY_S), (EXPIRY_S + 5, EXPIRY_S + 5)] {
        let placed = place(&store).await;
        let new = NewAttempt { live_until: Some(later(live_until)), ..new_attempt(&placed) };
        assert!(matches!(store.begin_attempt(new).await, Ok(BeginAttemptOutcome::Recorded(_))));
        assert_eq!(order(&store, &placed.id).await.expires_at, later(expected));
        assert!(!due(&store, expected - 1).await.contains(&placed.id));
        assert!(due(&store, expected).await.contains(&placed.id));
    }
    assert_eq!(order(&store, &placed.id).await, placed);
}
