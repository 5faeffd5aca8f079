//! Stopping.

use futures_util::future::poll_immediate;
use quittance_domain::event::EventOutcome;
use quittance_test_support::{Payment, TestDatabase, on_both_databases};
use quittance_webhook::{ReceiveError, ReceiverConfig};

use crate::{Service, all, config, count, inbox_rows, queue_up};

on_both_databases! {
    closing_writes_and_answers_all_that_wait,
    closing_twice_and_at_once_is_well,
    a_receiver_that_is_dropped_writes_what_waits,
}

async fn closing_writes_and_answers_all_that_wait(database: &TestDatabase) {
    let small = ReceiverConfig { max_batch_events: 4, ..config() };
    let service = Service::start(database, small).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let events: Vec<_> = (0..30).map(|_| payment.processing()).collect();
    let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;
    let mut closing = Box::pin(service.receiver.close());
    assert!(poll_immediate(&mut closing).await.is_none(), "closed before all was written");
    let late = service.deliver(&payment.succeeded()).await;
    assert!(matches!(late, Err(ReceiveError::Closed)), "{late:?}");
    lock.release().await;
    closing.await;
    assert_eq!(inbox_rows(database).await, 30, "all is written when close returns");
    assert_eq!(count(&all(waiting).await, EventOutcome::Applied), 30);
}

async fn closing_twice_and_at_once_is_well(database: &TestDatabase) {
    let service = Service::start(database, ReceiverConfig { writers: 2, ..config() }).await;
    let other = service.receiver.clone();
    tokio::join!(service.receiver.close(), other.close());
    other.close().await;
    let late = service.deliver_bytes(br#"{"id":"evt_1","type":"ping"}"#.to_vec()).await;
    assert!(matches!(late, Err(ReceiveError::Closed)), "{late:?}");
}

async fn a_receiver_that_is_dropped_writes_what_waits(database: &TestDatabase) {
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
