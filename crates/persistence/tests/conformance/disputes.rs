//! Tests of disputes.

use quittance_domain::dispute::DisputeStatus::{self, Lost, NeedsResponse, UnderReview, Won};
use quittance_domain::event::EventOutcome;
use quittance_domain::id::DisputeId;
use quittance_domain::order::OrderStatus;
use quittance_domain::refund::RefundStatus;
use quittance_test_support::{MoneyEvent, Payment, TestDatabase, id, on_both_databases};

use crate::{apply, apply_one, invariants, order, published, rows, status};

on_both_databases! {
    dispute_is_published_and_listed,
    dispute_events_in_any_order_converge,
    dispute_status_precedes_refund_status,
    dispute_decisions_are_published_once,
}

async fn dispute_is_published_and_listed(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.succeeded()]).await;
    apply_one(&store, payment.dispute("du_1", (NeedsResponse, 1))).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Disputed);
    let listed = store.disputes(payment.order.id.clone()).await.expect("a read");
    assert_eq!((listed.len(), listed[0].dispute.stripe_dispute_id.as_str()), (1, "du_1"));
    let found = store.dispute(listed[0].dispute.id.clone()).await.expect("a read");
    assert_eq!(found.as_ref(), listed.first());
    assert!(store.dispute(id(DisputeId::from_uuid)).await.expect("a read").is_none());
    apply_one(&store, payment.dispute("du_1", (Won, 2))).await;
    let after = order(&store, &payment.order.id).await;
    assert_eq!((after.status, after.amount_paid), (OrderStatus::Paid, after.total));
    assert_eq!(
        (published(database, "dispute.opened").await, published(database, "dispute.closed").await),
        (1, 1)
    );
    assert_eq!(published(database, "order.paid").await, 1);
    // A dispute first seen when decided was both opened and decided.
    let other = Payment::begin(&store).await;
    apply(&store, &[other.succeeded()]).await;
    apply_one(&store, other.dispute("du_2", (Lost, 1))).await;
    assert_eq!(status(&store, &other.order.id).await, OrderStatus::ChargedBack);
    assert_eq!(
        (published(database, "dispute.opened").await, published(database, "dispute.closed").await),
        (2, 2)
    );
    invariants::check(database).await;
}

async fn dispute_events_in_any_order_converge(database: &TestDatabase) {
    let store = database.store().await;
    let stages: [(DisputeStatus, i64); 3] = [(NeedsResponse, 1), (UnderReview, 2), (Lost, 3)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let payment = Payment::begin(&store).await;
        let dispute = format!("du_{}", payment.id);
        let mut batch = vec![payment.succeeded().delivery()];
        apply(&store, &[payment.created()]).await;
        batch
            .extend(order.map(|place| MoneyEvent::from(payment.dispute(&dispute, stages[place])).delivery()));
        assert_eq!(store.apply(batch).await.expect("a commit"), [EventOutcome::Applied; 4]);
        assert_eq!(status(&store, &payment.order.id).await, OrderStatus::ChargedBack, "{order:?}");
    }
    assert_eq!(rows(database, "disputes").await, 6);
    invariants::check(database).await;
}

async fn dispute_status_precedes_refund_status(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.succeeded()]).await;
    apply_one(&store, payment.refund("re_1", None, 700, (RefundStatus::Succeeded, 1))).await;
    apply_one(&store, payment.dispute("du_1", (NeedsResponse, 2))).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Disputed);
    apply_one(&store, payment.dispute("du_1", (Won, 3))).await;
    let after = order(&store, &payment.order.id).await;
    assert_eq!((after.status, after.amount_refunded.minor()), (OrderStatus::PartiallyRefunded, 700));
    invariants::check(database).await;
}

async fn dispute_decisions_are_published_once(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.succeeded()]).await;
    let order_id = &payment.order.id;
    // A bank decides twice. The first decision arrives late, and every event arrives more than once.
    let seen: [(DisputeStatus, i64, OrderStatus, i64); 8] = [
        (NeedsResponse, 1, OrderStatus::Disputed, 0),
        (Lost, 2, OrderStatus::ChargedBack, 1),
        (Lost, 3, OrderStatus::ChargedBack, 1),
        (Won, 5, OrderStatus::Paid, 2),
        (Lost, 4, OrderStatus::Paid, 2),
        (Won, 6, OrderStatus::Paid, 2),
        (Won, 5, OrderStatus::Paid, 2),
        (Lost, 7, OrderStatus::ChargedBack, 3),
    ];
    for (status_told, second, becomes, decisions) in seen {
        for _ in 0..2 {
            apply_one(&store, payment.dispute("du_1", (status_told, second))).await;
            assert_eq!(status(&store, order_id).await, becomes, "{status_told:?} {second}");
            assert_eq!(published(database, "dispute.closed").await, decisions, "{status_told:?} {second}");
        }
    }
    assert_eq!(published(database, "dispute.opened").await, 1);
    let dispute = store.disputes(order_id.clone()).await.expect("a read").remove(0).dispute.id;
    let timeline = store.timeline(order_id.clone()).await.expect("a read");
    let closed = timeline.iter().filter(|entry| entry.what == "dispute.closed");
    let subjects: Vec<Option<&str>> = closed.map(|entry| entry.subject.as_deref()).collect();
    assert_eq!(subjects, [Some(dispute.as_str()); 3]);
    invariants::check(database).await;
}
