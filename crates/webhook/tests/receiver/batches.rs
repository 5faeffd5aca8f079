//! Batching of concurrent events.

use futures_util::future::join_all;
use quittance_domain::event::EventOutcome;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::Mismatch;
use quittance_test_support::{Payment, TestDatabase, on_both_databases};
use quittance_webhook::ReceiverConfig;

use crate::{ReceiveResult, Service, all, config, count, inbox_rows, paid_rows, queue_up};

on_both_databases! {
    event_delivered_100_times_counts_once,
    waiting_events_share_a_commit,
    batch_never_exceeds_max_batch_events,
    batch_never_exceeds_max_batch_bytes,
    two_writers_apply_every_event_once,
    unhandled_event_is_stored,
    unreadable_event_is_stored_as_failed,
    event_of_an_unknown_attempt_is_stored_and_ignored,
}

async fn event_delivered_100_times_counts_once(database: &TestDatabase) {
    let service = Service::start(database, ReceiverConfig { writers: 2, ..config() }).await;
    let payment = Payment::begin(&service.store).await;
    let event = payment.succeeded();

    let tasks = (0..100).map(|_| tokio::spawn(service.deliver(&event)));
    let results: Vec<ReceiveResult> =
        join_all(tasks).await.into_iter().map(|task| task.expect("a task")).collect();
    let outcomes: Vec<EventOutcome> = results.into_iter().map(|result| result.expect("an outcome")).collect();

    assert_eq!(count(&outcomes, EventOutcome::Applied), 1);
    assert_eq!(count(&outcomes, EventOutcome::Duplicate), 99);
    assert_eq!(inbox_rows(database).await, 1);
    assert_eq!(paid_rows(database).await, 1);
    let order = service.store.order(payment.order.id).await.expect("a read").expect("an order");
    assert_eq!(order.status, OrderStatus::Paid);
    assert_eq!(database.payload(&event.id).await.expect("a row"), event.payload());
}

async fn waiting_events_share_a_commit(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let mut events = Vec::new();
    for _ in 0..50 {
        events.push(Payment::begin(&service.store).await.succeeded());
    }
    let lock = database.hold_writes().await;

    let (results, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;
    assert!(results.is_empty(), "acknowledged before the commit");
    assert_eq!(inbox_rows(database).await, 0);
    lock.release().await;

    assert_eq!(count(&all(waiting).await, EventOutcome::Applied), 50);
    assert!(service.commits() <= 2, "{} commits", service.commits());
    assert_eq!(paid_rows(database).await, 50);
}

async fn batch_never_exceeds_max_batch_events(database: &TestDatabase) {
    let service = Service::start(database, ReceiverConfig { max_batch_events: 3, ..config() }).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let events: Vec<_> = (0..10).map(|_| payment.processing()).collect();
    let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;

    lock.release().await;

    assert_eq!(count(&all(waiting).await, EventOutcome::Applied), 10);
    assert!((4..=5).contains(&service.commits()), "{} commits", service.commits());
}

async fn batch_never_exceeds_max_batch_bytes(database: &TestDatabase) {
    let scratch = Service::start(database, config()).await;
    let payment = Payment::begin(&scratch.store).await;
    let size = payment.processing().payload().len();
    for (max_batch_bytes, fewest_commits) in [(size * 2, 5), (1, 10)] {
        let service = Service::start(database, ReceiverConfig { max_batch_bytes, ..config() }).await;
        let lock = database.hold_writes().await;
        let events: Vec<_> = (0..10).map(|_| payment.processing()).collect();
        let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;

        lock.release().await;

        assert_eq!(count(&all(waiting).await, EventOutcome::Applied), 10);
        let commits = service.commits();
        assert!((fewest_commits..=fewest_commits + 1).contains(&commits), "{commits} commits");
    }
}

async fn two_writers_apply_every_event_once(database: &TestDatabase) {
    let small = ReceiverConfig { writers: 2, max_batch_events: 7, ..config() };
    let service = Service::start(database, small).await;
    let mut payments = Vec::new();
    for _ in 0..20 {
        payments.push(Payment::begin(&service.store).await);
    }
    // Each order's events arrive in a different order, and each event arrives twice.
    let mut events = Vec::new();
    for (turn, payment) in payments.iter().enumerate() {
        let mut deliveries =
            [payment.created(), payment.failed("ch_1"), payment.processing(), payment.succeeded()];
        deliveries.rotate_left(turn % 4);
        events.extend(deliveries.iter().cloned());
        events.extend(deliveries);
    }

    let tasks = events.iter().map(|event| tokio::spawn(service.deliver(event)));
    let outcomes: Vec<EventOutcome> =
        join_all(tasks).await.into_iter().map(|task| task.expect("a task").expect("an outcome")).collect();

    assert_eq!(count(&outcomes, EventOutcome::Applied), 80);
    assert_eq!(count(&outcomes, EventOutcome::Duplicate), 80);
    assert_eq!(inbox_rows(database).await, 80);
    assert_eq!(paid_rows(database).await, 20);
    let unpaid = "SELECT count(*) FROM orders WHERE status <> 'paid'";
    assert_eq!(database.scalar_i64(unpaid).await, 0);
}

async fn unhandled_event_is_stored(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let body = r#"{ "id": "evt_ping", "type": "invoice.paid", "livemode": false, "data": {} }"#;
    let deliver = || service.deliver_bytes(body.into());

    assert_eq!(deliver().await.expect("an outcome"), EventOutcome::Unhandled);
    assert_eq!(deliver().await.expect("an outcome"), EventOutcome::Duplicate);

    assert_eq!(database.payload("evt_ping").await.expect("a row"), body.as_bytes());
    assert_eq!(service.commits(), 0, "on_applied was called");
}

async fn unreadable_event_is_stored_as_failed(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let body = r#"{ "id": "evt_odd", "type": "payment_intent.succeeded", "data": { "object": 7 } }"#;
    let deliver = || service.deliver_bytes(body.into());

    assert_eq!(deliver().await.expect("an outcome"), EventOutcome::Failed);
    assert_eq!(deliver().await.expect("an outcome"), EventOutcome::Duplicate);

    assert_eq!(database.payload("evt_odd").await.expect("a row"), body.as_bytes());
}

async fn event_of_an_unknown_attempt_is_stored_and_ignored(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let mut event = Payment::begin(&service.store).await.succeeded();
    event.payment_id = None;

    let outcome = service.deliver(&event).await.expect("an outcome");

    assert_eq!(outcome, EventOutcome::Ignored(Mismatch::UnknownAttempt));
    assert_eq!(inbox_rows(database).await, 1);
    assert_eq!(paid_rows(database).await, 0);
}
