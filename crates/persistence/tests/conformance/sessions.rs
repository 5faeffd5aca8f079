//! Tests of Checkout Sessions and payment flows.

use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::event::EventOutcome;
use quittance_domain::history::Task;
use quittance_domain::order::{Order, OrderStatus};
use quittance_domain::payment::{Mismatch, OpenStatus, PaymentStatus};
use quittance_domain::refund::RefundStatus;
use quittance_persistence::{
    AttemptObservations, BeginAttemptOutcome, NewAttempt, ObserveOutcome, Store, WorkClaim,
};
use quittance_test_support::{
    Payment, TestDatabase, id, later, new_attempt, new_session, now, on_both_databases, place,
};

use crate::{apply, apply_one, invariants, order, rows, status};

on_both_databases! {
    session_pays_order,
    session_with_same_parameters_is_reused,
    other_payment_flow_closes_first_attempt,
    processing_session_is_not_replaced,
    attempt_after_expired_session_is_recorded,
    order_is_found_by_session,
    observations_are_applied_together,
    refund_event_before_session_payment_schedules_check,
}

async fn begin(store: &Store, new: NewAttempt) -> BeginAttemptOutcome {
    store.begin_attempt(new).await.expect("an answer")
}

async fn session_on(store: &Store, order: Order) -> Payment {
    let new = new_session(&order);
    let payment_intent_id = format!("pi_{}", new.id.as_str().trim_start_matches("pay_"));
    let payment = Payment { order, id: new.id.clone(), payment_intent_id };
    assert!(matches!(begin(store, new).await, BeginAttemptOutcome::Recorded(_)));
    payment
}

async fn session_pays_order(database: &TestDatabase) {
    let store = database.store().await;
    let payment = session_on(&store, place(&store).await).await;
    let attempt = store.attempt(payment.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!(
        (attempt.attempt.flow, attempt.task, attempt.request_params.as_str()),
        (PaymentFlow::CheckoutSession, Some(Task::Create), "/thanks")
    );
    assert_eq!(apply_one(&store, payment.session(SessionStatus::Open, None)).await, EventOutcome::Applied);
    let shown = order(&store, &payment.order.id).await.payment.expect("a payment");
    assert_eq!(shown.checkout_session_id, Some(payment.checkout_session_id()));
    assert_eq!(shown.payment_intent_id, None);
    assert_eq!(apply_one(&store, payment.paid_session()).await, EventOutcome::Applied);
    let paid = order(&store, &payment.order.id).await;
    assert_eq!((paid.status, paid.amount_paid), (OrderStatus::Paid, paid.total));
    assert_eq!(paid.payment.expect("a payment").payment_intent_id.as_ref(), Some(&payment.payment_intent_id));
    // Events of its PaymentIntent, and events that name only the Session, belong to the same attempt.
    assert_eq!(apply(&store, &[payment.succeeded()]).await, [EventOutcome::Applied]);
    let mut bare = payment.paid_session();
    (bare.order_id, bare.payment_id) = (None, None);
    assert_eq!(apply_one(&store, bare.clone()).await, EventOutcome::Applied);
    "cs_foreign".clone_into(&mut bare.checkout_session_id);
    bare.payment_intent_id = Some("pi_foreign".to_owned());
    assert_eq!(apply_one(&store, bare).await, EventOutcome::Ignored(Mismatch::UnknownAttempt));
    invariants::check(database).await;
}

async fn session_with_same_parameters_is_reused(database: &TestDatabase) {
    let store = database.store().await;
    let payment = session_on(&store, place(&store).await).await;
    apply_one(&store, payment.session(SessionStatus::Open, None)).await;
    let BeginAttemptOutcome::Live(live) = begin(&store, new_session(&payment.order)).await else { panic!() };
    assert_eq!(live.attempt.id, payment.id);
    let other = NewAttempt { request_params: "/elsewhere".to_owned(), ..new_session(&payment.order) };
    let BeginAttemptOutcome::CloseFirst(first) = begin(&store, other.clone()).await else { panic!() };
    assert_eq!((first.attempt.id, first.task), (payment.id.clone(), Some(Task::Close)));
    // The abandoned attempt isn't reused for any flow.
    assert!(matches!(begin(&store, new_session(&payment.order)).await, BeginAttemptOutcome::CloseFirst(_)));
    apply_one(&store, payment.session(SessionStatus::Expired, None)).await;
    assert!(matches!(begin(&store, other).await, BeginAttemptOutcome::Recorded(_)));
    assert_eq!(rows(database, "payments").await, 2);
    invariants::check(database).await;
}

async fn other_payment_flow_closes_first_attempt(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.created()]).await;
    let BeginAttemptOutcome::CloseFirst(first) = begin(&store, new_session(&payment.order)).await else {
        panic!()
    };
    assert_eq!(
        (first.attempt.id, first.task, first.attempt.abandoned),
        (payment.id.clone(), Some(Task::Close), true)
    );
    apply(&store, &[payment.canceled()]).await;
    let session = session_on(&store, payment.order.clone()).await;
    apply_one(&store, session.session(SessionStatus::Open, None)).await;
    let back = begin(&store, new_attempt(&payment.order)).await;
    assert!(
        matches!(&back, BeginAttemptOutcome::CloseFirst(live) if live.attempt.id == session.id),
        "{back:?}"
    );
    // A payment of either attempt still counts.
    apply_one(&store, session.paid_session()).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Paid);
    invariants::check(database).await;
}

async fn processing_session_is_not_replaced(database: &TestDatabase) {
    let store = database.store().await;
    for (open, expected) in [
        (OpenStatus::Processing, OrderStatus::Processing),
        (OpenStatus::RequiresCapture, OrderStatus::Authorized),
        (OpenStatus::AwaitsTransfer, OrderStatus::Pending),
    ] {
        let payment = Payment::begin(&store).await;
        apply(&store, &[payment.open("x", open)]).await;
        let other = begin(&store, new_session(&payment.order)).await;
        assert!(matches!(other, BeginAttemptOutcome::NotPayable(status) if status == expected), "{other:?}");
        assert!(matches!(begin(&store, new_attempt(&payment.order)).await, BeginAttemptOutcome::Live(_)));
    }
    // The customer has completed Stripe's page, and the payment outcome is unknown.
    let session = session_on(&store, place(&store).await).await;
    apply_one(&store, session.session(SessionStatus::Complete, None)).await;
    let other = begin(&store, new_attempt(&session.order)).await;
    assert!(matches!(other, BeginAttemptOutcome::NotPayable(OrderStatus::Pending)), "{other:?}");
    let attempt = store.attempt(session.id).await.expect("a read").expect("an attempt");
    assert_eq!((attempt.task, attempt.attempt.abandoned), (Some(Task::Refresh), false));
}

async fn attempt_after_expired_session_is_recorded(database: &TestDatabase) {
    let store = database.store().await;
    let first = session_on(&store, place(&store).await).await;
    apply_one(&store, first.session(SessionStatus::Expired, None)).await;
    let second = session_on(&store, first.order.clone()).await;
    apply_one(&store, second.paid_session()).await;
    assert_eq!(status(&store, &first.order.id).await, OrderStatus::Paid);
    invariants::check(database).await;
}

async fn order_is_found_by_session(database: &TestDatabase) {
    let store = database.store().await;
    let payment = session_on(&store, place(&store).await).await;
    let find = async || store.session_lookup(payment.checkout_session_id()).await.expect("a read");
    assert!(find().await.is_none(), "it is not known yet");
    apply_one(&store, payment.session(SessionStatus::Open, None)).await;
    let before = find().await.expect("an order");
    assert_eq!((before.order.id, before.is_over), (payment.order.id.clone(), false));
    assert_eq!(before.status, PaymentStatus::Open(OpenStatus::RequiresPaymentMethod));
    apply_one(&store, payment.session(SessionStatus::Failed, None)).await;
    let failed = find().await.expect("an order");
    assert_eq!((failed.status, failed.is_over), (before.status, true), "the Session can't be paid anymore");
    apply_one(&store, payment.paid_session()).await;
    assert_eq!(find().await.expect("an order").status, PaymentStatus::Succeeded);
}

async fn observations_are_applied_together(database: &TestDatabase) {
    use quittance_domain::dispute::DisputeStatus::NeedsResponse;
    use quittance_domain::refund::RefundStatus::Succeeded;
    let store = database.store().await;
    let payment = session_on(&store, place(&store).await).await;
    let mut bare = payment.succeeded().observation();
    (bare.order_id, bare.payment_id) = (None, None);
    let findings = AttemptObservations {
        payment_intent: Some(bare),
        session: Some(payment.paid_session()),
        refunds: vec![payment.refund("re_1", None, 700, (Succeeded, 1))],
        disputes: vec![payment.dispute("du_1", (NeedsResponse, 2))],
    };
    let mut wrong = findings.clone();
    "pi_other".clone_into(&mut wrong.disputes[0].payment_intent_id);
    let before = order(&store, &payment.order.id).await;
    let refused = store.apply_observations(payment.id.clone(), wrong, now()).await.expect("an answer");
    assert!(matches!(refused, ObserveOutcome::Mismatch(Mismatch::OtherPaymentIntent)), "{refused:?}");
    assert_eq!(order(&store, &payment.order.id).await, before);
    assert_eq!(rows(database, "refunds").await, 0);
    for _ in 0..2 {
        let taken =
            store.apply_observations(payment.id.clone(), findings.clone(), now()).await.expect("an answer");
        let ObserveOutcome::Merged(order, task) = taken else { panic!("{taken:?}") };
        assert_eq!((order.status, order.amount_refunded.minor(), task), (OrderStatus::Disputed, 700, None));
    }
    assert_eq!((rows(database, "refunds").await, rows(database, "disputes").await), (1, 1));
    let unknown =
        store.apply_observations(id(quittance_domain::id::PaymentId::from_uuid), findings, now()).await;
    assert!(unknown.is_err_and(|error| error.is_data_error()));
    invariants::check(database).await;
}

async fn refund_event_before_session_payment_schedules_check(database: &TestDatabase) {
    let store = database.store().await;
    let payment = session_on(&store, place(&store).await).await;
    let due = async || {
        let claim = WorkClaim { now: later(1), lease_until: later(60), limit: 10 };
        store.claim_checks(claim).await.expect("a commit")
    };
    let seen = payment.refund("re_1", None, 700, (RefundStatus::Succeeded, 5));
    assert_eq!(apply_one(&store, seen).await, EventOutcome::Ignored(Mismatch::UnknownAttempt));
    // The PaymentIntent of the page becomes known before it is paid.
    apply(&store, &[payment.created()]).await;
    assert!(due().await.is_empty(), "no payment could be refunded yet");
    apply_one(&store, payment.paid_session()).await;
    assert_eq!(due().await, std::slice::from_ref(&payment.order.id));
    let found = store.order_to_check(payment.order.id.clone()).await.expect("a read").expect("an order");
    store.record_check(found, later(61)).await.expect("a commit");
    apply(&store, &[payment.succeeded()]).await;
    apply_one(&store, payment.paid_session()).await;
    assert!(due().await.is_empty(), "nothing new was learned");
}
