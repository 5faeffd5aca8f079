//! Shutdown.

use futures_util::future::poll_immediate;
use quittance_domain::event::EventOutcome;
use quittance_test_support::{Payment, TestDatabase, on_both_databases};
use quittance_webhook::{ReceiveError, ReceiverConfig};

use crate::{Service, all, config, count, inbox_rows, queue_up};

on_both_databases! {
    close_waits_until_queued_events_are_written,
    event_after_close_is_rejected,
    concurrent_and_repeated_close_returns,
    dropped_receiver_writes_queued_events,
}

async fn close_waits_until_queued_events_are_written(database: &TestDatabase) {
    let service = Service::start(database, ReceiverConfig { max_batch_events: 4, ..config() }).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let events: Vec<_> = (0..30).map(|_| payment.processing()).collect();
    let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;

    let mut closing = Box::pin(service.receiver.close());
    assert!(poll_immediate(&mut closing).await.is_none(), "closed before all events were written");
    lock.release().await;
    closing.await;

    assert_eq!(inbox_rows(database).await, 30, "close returned before all events were written");
    assert_eq!(count(&all(waiting).await, EventOutcome::Applied), 30);
}

async fn event_after_close_is_rejected(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let event = Payment::begin(&service.store).await.succeeded();
    service.receiver.close().await;

    let late = service.deliver(&event).await;

    assert!(matches!(late, Err(ReceiveError::Closed)), "{late:?}");
    assert_eq!(inbox_rows(database).await, 0);
}

async fn concurrent_and_repeated_close_returns(database: &TestDatabase) {
    let service = Service::start(database, ReceiverConfig { writers: 2, ..config() }).await;
    let other = service.receiver.clone();

    tokio::join!(service.receiver.close(), other.close());
    other.close().await;

    let late = service.deliver_bytes(br#"{"id":"evt_1","type":"ping"}"#.to_vec()).await;
    assert!(matches!(late, Err(ReceiveError::Closed)), "{late:?}");
}

async fn dropped_receiver_writes_queued_events(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let event = payment.succeeded();
    let (_, waiting) = queue_up([service.deliver(&event)]).await;

    drop(service);
    lock.release().await;

    assert_eq!(all(waiting).await, [EventOutcome::Applied]);
    assert_eq!(inbox_rows(database).await, 1);
}
