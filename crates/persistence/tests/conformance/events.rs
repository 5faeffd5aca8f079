//! Tests of applying events.

use bytes::Bytes;
use quittance_domain::event::{Event, EventContent, EventOutcome};
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{Account, Mode};
use quittance_persistence::Delivery;
use quittance_test_support::{
    NOW_S, Payment, PaymentEvent, TestDatabase, later, now, on_both_databases, payment_on,
};

use crate::{apply, invariants, order, published, rows, status};

on_both_databases! {
    event_is_stored_with_original_bytes,
    empty_batch_does_nothing,
    batch_outcomes_keep_event_order,
    large_batch_over_many_orders_is_applied,
    failed_batch_leaves_nothing,
    failed_event_is_stored,
    failed_event_counts_once_replayed,
    paid_order_stays_paid,
    success_after_canceled_event_counts,
    each_failure_is_published_once,
    clearing_old_payloads_keeps_everything_else,
}

fn other(id: &str, kind: &str, content: EventContent) -> Delivery {
    let (account, mode) = (Account::connected("acct_x"), Mode::Live);
    let event = Event { id: id.to_owned(), kind: kind.to_owned(), created: NOW_S, account, mode, content };
    Delivery { event, payload: Bytes::from_static(b"\x00\xff{not even JSON"), received_at: now() }
}

async fn event_is_stored_with_original_bytes(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let unhandled = other("evt_1", "invoice.paid", EventContent::Unhandled);
    let unreadable =
        other("evt_2", "payment_intent.created", EventContent::Unreadable("it has no status".into()));
    let applied = payment.processing();
    let deliveries = vec![unhandled.clone(), unreadable.clone(), applied.delivery()];
    let outcomes = store.apply(deliveries.clone()).await.expect("a commit");
    assert_eq!(outcomes, [EventOutcome::Unhandled, EventOutcome::Failed, EventOutcome::Applied]);
    let columns = "kind || ' ' || account || ' ' || mode || ' ' || outcome || ' ' || coalesce(reason, '-') || ' ' \
                   || coalesce(order_id, '-') || ' ' || CAST(created AS text)";
    let row = async |id: &str| {
        let sql = format!("SELECT {columns} AS value FROM inbox WHERE event_id = '{id}'");
        database.texts(&sql).await.remove(0)
    };
    assert_eq!(row("evt_1").await, format!("invoice.paid acct_x live unhandled - - {NOW_S}"));
    let expected = format!("payment_intent.created acct_x live failed it has no status - {NOW_S}");
    assert_eq!(row("evt_2").await, expected);
    let order_id = &payment.order.id;
    let expected = format!("payment_intent.processing  test applied - {order_id} {NOW_S}");
    assert_eq!(row(&applied.id).await, expected);
    assert_eq!(database.payload("evt_1").await.expect("a row"), unhandled.payload);
    assert_eq!(database.payload(&applied.id).await.expect("a row"), applied.payload());
    // The first bytes are kept.
    let again = Delivery { payload: Bytes::from_static(b"{}"), ..unhandled.clone() };
    assert_eq!(store.apply(vec![again]).await.expect("a commit"), [EventOutcome::Duplicate]);
    assert_eq!(database.payload("evt_1").await.expect("a row"), unhandled.payload);
}

async fn empty_batch_does_nothing(database: &TestDatabase) {
    let store = database.store().await;
    assert!(store.apply(vec![]).await.expect("an answer").is_empty());
}

async fn batch_outcomes_keep_event_order(database: &TestDatabase) {
    let store = database.store().await;
    let (one, two) = (Payment::begin(&store).await, Payment::begin(&store).await);
    let (event, nobodys) = (one.succeeded(), PaymentEvent { payment_id: None, ..two.succeeded() });
    let batch = vec![
        nobodys.delivery(),
        event.delivery(),
        other("evt_x", "ping", EventContent::Unhandled),
        event.delivery(),
        two.failed("ch_1").delivery(),
        other("evt_x", "ping", EventContent::Unhandled),
    ];
    let words: Vec<&str> =
        store.apply(batch).await.expect("a commit").into_iter().map(EventOutcome::as_str).collect();
    assert_eq!(words, ["ignored", "applied", "unhandled", "duplicate", "applied", "duplicate"]);
    assert_eq!(status(&store, &one.order.id).await, OrderStatus::Paid);
    assert_eq!(status(&store, &two.order.id).await, OrderStatus::PaymentFailed);
}

async fn large_batch_over_many_orders_is_applied(database: &TestDatabase) {
    let store = database.store().await;
    let mut events = Vec::new();
    for _ in 0..128 {
        let payment = Payment::begin(&store).await;
        events.extend([payment.processing(), payment.succeeded()]);
    }
    let outcomes = apply(&store, &events).await;
    assert!(outcomes.iter().all(|outcome| *outcome == EventOutcome::Applied));
    assert_eq!(published(database, "order.paid").await, 128);
    assert_eq!(rows(database, "inbox").await, 256);
    invariants::check(database).await;
}

async fn failed_batch_leaves_nothing(database: &TestDatabase) {
    let store = database.store().await;
    let (good, bad) = (Payment::begin(&store).await, Payment::begin(&store).await);
    let corrupt = format!("UPDATE payments SET facts = '[]' WHERE id = '{}'", bad.id);
    database.execute(&corrupt).await;
    let before = order(&store, &good.order.id).await;
    let refused = store.apply(vec![good.succeeded().delivery(), bad.succeeded().delivery()]).await;
    assert!(refused.is_err_and(|error| error.is_data_error()));
    assert_eq!(order(&store, &good.order.id).await, before);
    assert_eq!((rows(database, "inbox").await, rows(database, "decisions").await), (0, 0));
    assert_eq!(apply(&store, &[good.succeeded()]).await, [EventOutcome::Applied]);
}

async fn failed_event_is_stored(database: &TestDatabase) {
    let store = database.store().await;
    let event = Payment::begin(&store).await.succeeded();
    for reason in ["first", "second"] {
        store.record_failed_event(event.delivery(), reason.to_owned()).await.expect("a commit");
        let row = database.texts("SELECT outcome || ' ' || reason AS value FROM inbox").await;
        assert_eq!(row, ["failed first"]);
    }
    assert_eq!(database.payload(&event.id).await.expect("a row"), event.payload());
}

async fn paid_order_stays_paid(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.succeeded()]).await;
    let paid = order(&store, &payment.order.id).await;
    for event in [payment.failed("ch_9").after(9), payment.processing().after(9), payment.canceled().after(9)]
    {
        assert_eq!(apply(&store, &[event]).await, [EventOutcome::Applied]);
        assert_eq!(order(&store, &payment.order.id).await, paid);
    }
    let second = payment.succeeded_with(2499, "eur");
    apply(&store, &[second]).await;
    assert_eq!(order(&store, &payment.order.id).await, paid);
    invariants::check(database).await;
}

async fn success_after_canceled_event_counts(database: &TestDatabase) {
    let store = database.store().await;
    let first = Payment::begin(&store).await;
    apply(&store, &[first.canceled()]).await;
    let second = payment_on(&store, first.order.clone()).await;
    apply(&store, &[second.created()]).await;
    // Stripe never sends this. If it did, the payment would have succeeded.
    assert_eq!(apply(&store, &[first.succeeded()]).await, [EventOutcome::Applied]);
    assert_eq!(status(&store, &first.order.id).await, OrderStatus::Paid);
}

async fn each_failure_is_published_once(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    for (charge, seconds) in [("ch_1", 1), ("ch_1", 2), ("ch_2", 3), ("ch_1", 4)] {
        apply(&store, &[payment.failed(charge).after(seconds)]).await;
    }
    let sql = "SELECT subject AS value FROM outbox WHERE kind = 'order.payment_failed' ORDER BY subject";
    assert_eq!(database.texts(sql).await, ["ch_1", "ch_2"]);
}

async fn failed_event_counts_once_replayed(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let success = payment.succeeded().delivery();
    store
        .record_failed_event(success.clone(), "a fault that is repaired since".to_owned())
        .await
        .expect("a commit");
    assert_eq!(store.apply(vec![success.clone()]).await.expect("a commit"), [EventOutcome::Duplicate]);
    let kept = store.failed_events(None, 10).await.expect("a read");
    let kept: Vec<_> = kept.into_iter().map(|event| (event.event_id, event.payload)).collect();
    assert_eq!(kept, [(success.event.id.clone(), success.payload.clone())]);
    assert!(store.failed_events(Some(success.event.id.clone()), 10).await.expect("a read").is_empty());

    assert_eq!(store.replay(success.clone()).await.expect("a commit"), EventOutcome::Applied);
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Paid);
    assert_eq!(published(database, "order.paid").await, 1);
    assert!(store.failed_events(None, 10).await.expect("a read").is_empty());
    let sql = "SELECT outcome || ' ' || coalesce(reason, '-') || ' ' || order_id AS value FROM inbox";
    assert_eq!(database.texts(sql).await, [format!("applied - {}", payment.order.id)]);
}

async fn clearing_old_payloads_keeps_everything_else(database: &TestDatabase) {
    let store = database.store().await;
    let (one, two) = (Payment::begin(&store).await, Payment::begin(&store).await);
    let received =
        |event: &PaymentEvent, seconds| Delivery { received_at: later(seconds), ..event.delivery() };
    let (first, second, young) = (one.processing(), one.succeeded(), two.processing());
    let unreadable =
        other("evt_odd", "payment_intent.created", EventContent::Unreadable("it has no status".into()));
    let batch = vec![received(&first, -20), received(&second, -10), received(&young, 0)];
    store.apply(batch).await.expect("a commit");
    let unreadable = Delivery { received_at: later(-20), ..unreadable };
    store.apply(vec![unreadable.clone()]).await.expect("a commit");

    let forget = async |seconds| store.clear_event_payloads(later(seconds), 1).await.expect("a commit");
    assert_eq!(forget(-20).await, 0, "no event is older");
    assert_eq!((forget(0).await, forget(0).await, forget(0).await), (1, 1, 0), "the oldest first, each once");
    for (id, kept) in [(&first.id, false), (&second.id, false), (&young.id, true), (&"evt_odd".into(), true)]
    {
        let payload = database.payload(id).await.expect("a row");
        assert_eq!(!payload.is_empty(), kept, "{id}");
    }
    // The events and their outcomes are still known.
    assert_eq!(apply(&store, &[second]).await, [EventOutcome::Duplicate]);
    let told = "SELECT outcome AS value FROM inbox ORDER BY event_id";
    let mut outcomes = database.texts(told).await;
    outcomes.sort();
    assert_eq!(outcomes, ["applied", "applied", "applied", "failed"]);
    let failed = store.failed_events(None, 10).await.expect("a read");
    assert_eq!(failed[0].payload, unreadable.payload);
}
