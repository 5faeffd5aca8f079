//! Tests of recording attempts before Stripe creates them.

use futures_util::future::join_all;
use quittance_domain::history::{CloseReason, Task};
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{Account, CaptureMethod, ExpectedPayment, Mode};
use quittance_domain::seller::ChargeType;
use quittance_persistence::{BeginAttemptOutcome, CloseRequester, NewAttempt, Store};
use quittance_test_support::{
    Payment, TestDatabase, attempt_for, connect, customer, id, later, money, new_attempt, now,
    on_both_databases, place, place_through,
};

use crate::{apply, invariants, order, rows, status, store_with};

on_both_databases! {
    attempt_read_back_equals_recorded_one,
    concurrent_attempts_record_only_one,
    attempt_on_unpayable_order_is_refused,
    attempt_after_too_many_declines_is_refused,
    attempt_for_another_total_is_stale,
    attempt_after_refused_one_is_recorded,
    attempt_after_canceled_one_is_recorded,
    refusal_of_attempt_known_at_stripe_is_ignored,
}

async fn begin(store: &Store, new: NewAttempt) -> BeginAttemptOutcome {
    store.begin_attempt(new).await.expect("an answer")
}

async fn attempt_read_back_equals_recorded_one(database: &TestDatabase) {
    let store = database.store().await;
    let seller = connect(&store, "acct_seller", ChargeType::Destination).await;
    let order_before = place_through(&store, &seller).await;
    let new = NewAttempt {
        expected: ExpectedPayment {
            account: Account::own(),
            mode: Mode::Live,
            amount: order_before.total,
            application_fee: Some(75),
        },
        destination: Some("acct_seller".to_owned()),
        capture_method: CaptureMethod::Manual,
        request: "{\"a\": \"ü\\u0000\"}".to_owned(),
        ..new_attempt(&order_before)
    };
    let BeginAttemptOutcome::Recorded(recorded) = begin(&store, new.clone()).await else { panic!() };
    let read = store.attempt(new.id.clone()).await.expect("a read").expect("an attempt");
    for attempt in [recorded, read] {
        assert_eq!((&attempt.order_id, &attempt.attempt.id), (&order_before.id, &new.id));
        assert_eq!(attempt.attempt.expected, new.expected);
        assert_eq!(attempt.attempt.destination, new.destination);
        assert_eq!(attempt.attempt.capture_method, CaptureMethod::Manual);
        assert_eq!((attempt.attempt.payment_intent_id, attempt.attempt.refused), (None, None));
        assert_eq!((attempt.request, attempt.recorded_at), (new.request.clone(), now()));
        assert_eq!((attempt.task, attempt.resume_count), (Some(Task::Create), 0));
        assert_eq!((attempt.details_version, attempt.customer), (1, customer()));
    }
    let order = order(&store, &order_before.id).await;
    assert_eq!(order.status, OrderStatus::Pending);
    let shown = order.payment.expect("a payment");
    assert_eq!((shown.id, shown.payment_intent_id), (new.id, None));
    assert!(store.attempt(id(PaymentId::from_uuid)).await.expect("a read").is_none());
}

async fn concurrent_attempts_record_only_one(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let order = place(&stores[0]).await;
    let attempts = (0..50).map(|number| {
        let (store, new) = (stores[number % 2].clone(), new_attempt(&order));
        tokio::spawn(async move { store.begin_attempt(new).await })
    });
    let (mut recorded, mut live) = (Vec::new(), Vec::new());
    for begun in join_all(attempts).await {
        match begun.expect("a task").expect("an answer") {
            BeginAttemptOutcome::Recorded(attempt) => recorded.push(attempt.attempt.id),
            BeginAttemptOutcome::Live(attempt) => live.push(attempt.attempt.id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((recorded.len(), live.len()), (1, 49));
    assert!(live.iter().all(|id| *id == recorded[0]));
    assert_eq!(rows(database, "payments").await, 1);
}

async fn attempt_on_unpayable_order_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    let (paid, review, closing) =
        (Payment::begin(&store).await, Payment::begin(&store).await, Payment::begin(&store).await);
    apply(&store, &[paid.succeeded(), review.succeeded_with(1, "eur")]).await;
    let close = async |order_id: &OrderId| {
        store
            .request_close(order_id.clone(), CloseReason::Canceled, CloseRequester::Holder, now())
            .await
            .expect("an answer");
    };
    close(&closing.order.id).await;
    let canceled = place(&store).await;
    close(&canceled.id).await;
    for (order, expected) in [
        (&paid.order, OrderStatus::Paid),
        (&review.order, OrderStatus::Review),
        (&canceled, OrderStatus::Canceled),
        // The order is pending, but closing.
        (&closing.order, OrderStatus::Pending),
    ] {
        let begun = begin(&store, new_attempt(order)).await;
        assert!(matches!(begun, BeginAttemptOutcome::NotPayable(status) if status == expected), "{begun:?}");
    }
    let nobody = NewAttempt { order_id: id(OrderId::from_uuid), ..new_attempt(&canceled) };
    assert!(matches!(begin(&store, nobody).await, BeginAttemptOutcome::NotFound));
    assert_eq!(rows(database, "payments").await, 3);
}

async fn attempt_after_too_many_declines_is_refused(database: &TestDatabase) {
    let store = store_with(database, |config| config.limits.max_declines = 3).await;
    let payment = Payment::begin(&store).await;
    apply(
        &store,
        &[payment.failed("ch_1"), payment.failed("ch_2").after(1), payment.failed("ch_2").after(2)],
    )
    .await;
    assert!(matches!(begin(&store, new_attempt(&payment.order)).await, BeginAttemptOutcome::Live(_)));
    // Failures are counted over all attempts of an order.
    apply(&store, &[payment.canceled()]).await;
    let second = quittance_test_support::payment_on(&store, payment.order.clone()).await;
    apply(&store, &[second.failed("ch_3")]).await;
    assert!(matches!(begin(&store, new_attempt(&payment.order)).await, BeginAttemptOutcome::TooManyAttempts));
    let live = store.attempt(second.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!(live.task, Some(Task::Close), "an open attempt is closed at Stripe");
    // A later success still counts.
    apply(&store, &[second.succeeded()]).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Paid);
    invariants::check(database).await;
}

async fn attempt_for_another_total_is_stale(database: &TestDatabase) {
    let store = database.store().await;
    let order = place(&store).await;
    for amount in [Money::zero(order.total.currency()), money(2501, "eur"), money(2500, "usd")] {
        let mut new = new_attempt(&order);
        new.expected.amount = amount;
        assert!(matches!(begin(&store, new).await, BeginAttemptOutcome::Stale), "{amount}");
    }
    assert_eq!(rows(database, "payments").await, 0);
}

async fn attempt_after_refused_one_is_recorded(database: &TestDatabase) {
    let store = database.store().await;
    let first = Payment::begin(&store).await;
    store.refuse_attempt(first.id.clone(), "amount_too_small".into(), later(1)).await.expect("a commit");
    store.refuse_attempt(first.id.clone(), "amount_too_small".into(), later(1)).await.expect("a commit");
    let refused = store.attempt(first.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!(refused.attempt.refused.as_deref(), Some("amount_too_small"));
    assert_eq!(refused.task, None);
    assert_eq!(status(&store, &first.order.id).await, OrderStatus::Pending);
    let second = attempt_for(&store, &first.order).await;
    assert_ne!(second.attempt.id, first.id);
    // A PaymentIntent that appears later is adopted.
    apply(&store, &[first.succeeded()]).await;
    assert_eq!(status(&store, &first.order.id).await, OrderStatus::Paid);
    invariants::check(database).await;
}

async fn attempt_after_canceled_one_is_recorded(database: &TestDatabase) {
    let store = database.store().await;
    let first = Payment::begin(&store).await;
    apply(&store, &[first.canceled()]).await;
    assert_eq!(status(&store, &first.order.id).await, OrderStatus::Pending);
    let second = attempt_for(&store, &first.order).await;
    let current = order(&store, &first.order.id).await.payment.expect("a payment");
    assert_eq!(current.id, second.attempt.id);
    invariants::check(database).await;
}

async fn refusal_of_attempt_known_at_stripe_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.created()]).await;
    let before = order(&store, &payment.order.id).await;
    store.refuse_attempt(payment.id.clone(), "late".into(), later(1)).await.expect("a commit");
    let attempt = store.attempt(payment.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!(attempt.attempt.refused, None);
    assert_eq!(order(&store, &payment.order.id).await, before);
    let unknown = store.refuse_attempt(id(PaymentId::from_uuid), "x".into(), now()).await;
    assert!(unknown.is_err_and(|error| error.is_data_error()));
}
