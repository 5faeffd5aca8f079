//! Failures of events, the queue, the database and callers.

use std::time::Duration;

use quittance_domain::event::EventOutcome;
use quittance_domain::order::OrderStatus;
use quittance_persistence::{Store, StoreConfig};
use quittance_test_support::{Kind, Payment, TestDatabase, on_both_databases, run_on, wait_until};
use quittance_webhook::{ReceiveError, ReceiverConfig};

use crate::{Service, all, config, count, hang_up, inbox_rows, paid_rows, queue_up};

on_both_databases! {
    failing_event_is_stored_as_failed,
    failing_event_delivered_again_is_stored_once,
    failing_event_does_not_affect_its_batch,
    event_with_nul_characters_is_stored,
    full_queue_rejects_events,
    queue_accepts_events_once_it_is_drained,
    closed_database_acknowledges_no_event,
    busy_database_acknowledges_no_event,
    event_of_a_dropped_caller_is_written,
}

/// Corrupts the stored facts of an attempt, so that its order can't be read.
async fn corrupt(database: &TestDatabase, payment: &Payment) {
    let id = payment.id.as_str();
    database.execute(&format!("UPDATE payments SET facts = '\"corrupt\"' WHERE id = '{id}'")).await;
}

async fn outcome_and_reason(database: &TestDatabase, event_id: &str) -> Vec<String> {
    let sql = format!("SELECT outcome || ': ' || reason AS value FROM inbox WHERE event_id = '{event_id}'");
    database.texts(&sql).await
}

async fn failing_event_is_stored_as_failed(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    corrupt(database, &payment).await;
    let event = payment.succeeded();

    assert_eq!(service.deliver(&event).await.expect("an outcome"), EventOutcome::Failed);

    assert_eq!(database.payload(&event.id).await.expect("a row"), event.payload());
    let stored = outcome_and_reason(database, &event.id).await;
    assert!(stored[0].starts_with("failed: ") && stored[0].contains("payment"), "{stored:?}");
    assert_eq!(service.commits(), 0);
}

async fn failing_event_delivered_again_is_stored_once(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    corrupt(database, &payment).await;
    let event = payment.succeeded();

    for _ in 0..2 {
        assert_eq!(service.deliver(&event).await.expect("an outcome"), EventOutcome::Failed);
    }

    assert_eq!(inbox_rows(database).await, 1);
}

async fn failing_event_does_not_affect_its_batch(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    for place in [0, 4, 10] {
        let (mut events, mut failing) = (Vec::new(), String::new());
        for number in 0..11 {
            let payment = Payment::begin(&service.store).await;
            events.push(payment.succeeded());
            if number == place {
                corrupt(database, &payment).await;
                failing.clone_from(&events[place].id);
            }
        }
        let lock = database.hold_writes().await;
        let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;

        lock.release().await;
        let outcomes = all(waiting).await;

        assert_eq!(outcomes[place], EventOutcome::Failed);
        assert_eq!(count(&outcomes, EventOutcome::Applied), 10);
        let failed = "SELECT event_id AS value FROM inbox WHERE outcome = 'failed' ORDER BY event_id DESC";
        assert_eq!(database.texts(failed).await[0], failing);
    }
    assert_eq!(inbox_rows(database).await, 33);
    assert_eq!(paid_rows(database).await, 30);
}

async fn event_with_nul_characters_is_stored(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    let nul_in_type = r#"{ "id": "evt_1", "type": "made\u0000up" }"#;
    let nul_in_account = r#"{ "id": "evt_2", "type": "ping", "account": "acct_\u0000" }"#;
    let nul_in_id = r#"{ "id": "evt_3\u0000", "type": "ping" }"#;
    let nul_in_message = String::from_utf8(payment.failed("ch_1").payload().to_vec()).expect("a text");
    let nul_in_message = nul_in_message.replace("insufficient funds.", r"insufficient\u0000funds.");

    for body in [nul_in_type, nul_in_account, nul_in_id, &nul_in_message] {
        let outcome = service.deliver_bytes(body.into()).await.expect("an outcome");
        if database.kind() == Kind::Postgres {
            assert_eq!(outcome, EventOutcome::Failed, "{body}");
        }
        let again = service.deliver_bytes(body.into()).await;
        assert!(again.is_ok(), "{again:?}");
    }

    assert_eq!(inbox_rows(database).await, 4);
    assert_eq!(database.payload("evt_1").await.expect("a row"), nul_in_type.as_bytes());
    // The order is still payable.
    assert_eq!(service.deliver(&payment.succeeded()).await.expect("an outcome"), EventOutcome::Applied);
    assert_eq!(paid_rows(database).await, 1);
}

async fn full_queue_rejects_events(database: &TestDatabase) {
    let small = ReceiverConfig { max_batch_events: 1, queue: 4, ..config() };
    let service = Service::start(database, small).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let events: Vec<_> = (0..20).map(|_| payment.processing()).collect();

    let (results, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;

    // The queue holds four events, and the writer at most one.
    assert!((4..=5).contains(&waiting.len()), "{} wait", waiting.len());
    assert!(results.iter().all(|result| matches!(result, Err(ReceiveError::Full))), "{results:?}");
    lock.release().await;
    let accepted = all(waiting).await;
    assert_eq!(inbox_rows(database).await, i64::try_from(accepted.len()).expect("a few"));
}

async fn queue_accepts_events_once_it_is_drained(database: &TestDatabase) {
    let small = ReceiverConfig { max_batch_events: 1, queue: 4, ..config() };
    let service = Service::start(database, small).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let events: Vec<_> = (0..20).map(|_| payment.processing()).collect();
    let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;
    lock.release().await;
    all(waiting).await;

    let repeated = all(events.iter().map(|event| service.deliver(event)).take(4).collect()).await;

    assert_eq!(count(&repeated, EventOutcome::Duplicate), 4);
}

async fn closed_database_acknowledges_no_event(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let event = Payment::begin(&service.store).await.succeeded();
    service.store.close();

    let result = service.deliver(&event).await;

    assert!(matches!(result, Err(ReceiveError::Unavailable(_))), "{result:?}");
    assert_eq!(inbox_rows(database).await, 0);
    // Stripe retries the event, and another process receives it.
    let service = Service::start(database, config()).await;
    assert_eq!(service.deliver(&event).await.expect("an outcome"), EventOutcome::Applied);
}

async fn busy_database_acknowledges_no_event(database: &TestDatabase) {
    let other = Service::start(database, config()).await;
    let payment = Payment::begin(&other.store).await;
    let short_wait = StoreConfig { wait: Duration::from_millis(200), connections: 1, ..database.config() };
    let store = Store::open(short_wait).await.expect("a store");
    // Connecting may take longer than 200 ms, so the connection is made before the test needs it.
    wait_until("the store is connected", async || store.ready().await.is_ok()).await;
    let service = Service::on(store, ReceiverConfig { writers: 2, max_batch_events: 1, ..config() });
    let lock = database.hold_writes().await;

    // One writer has the only connection and waits for the lock. The other one waits for a connection and times out.
    let (first, second) = (payment.processing(), payment.succeeded());
    let (one, two) = (tokio::spawn(service.deliver(&first)), tokio::spawn(service.deliver(&second)));
    wait_until("one event is rejected", async || one.is_finished() || two.is_finished()).await;
    assert_eq!(inbox_rows(database).await, 0);
    lock.release().await;

    let results = [one.await.expect("a task"), two.await.expect("a task")];
    let is_rejected = |result: &&_| matches!(result, Err(ReceiveError::Unavailable(_)));
    assert_eq!(results.iter().filter(is_rejected).count(), 1, "{results:?}");
    assert_eq!(inbox_rows(database).await, 1);
    // Stripe retries both events.
    all(vec![other.deliver(&first), other.deliver(&second)]).await;
    assert_eq!(inbox_rows(database).await, 2);
    assert_eq!(paid_rows(database).await, 1);
}

/// Runs on PostgreSQL only, because SQLite has no connections that can be lost.
#[test]
fn lost_connection_acknowledges_no_event() {
    run_on(Kind::Postgres, deliver_over_a_lost_connection);
}

async fn deliver_over_a_lost_connection(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    let events = [payment.created(), payment.processing(), payment.succeeded()];
    let lock = database.hold_writes().await;
    let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;
    let blocked = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let is_blocked = async || database.scalar_i64(&format!("SELECT count(*) {blocked}")).await == 1;
    wait_until("the transaction waits for the lock", is_blocked).await;

    database.execute(&format!("SELECT pg_terminate_backend(pid) {blocked}")).await;

    // The writer's batch is rejected. Events that still waited are written over the next connection.
    let results = tokio::spawn(futures_util::future::join_all(waiting));
    wait_until("another transaction waits, or all events are acknowledged", async || {
        results.is_finished() || is_blocked().await
    })
    .await;
    lock.release().await;
    let results = results.await.expect("a task");
    let (stored, rejected): (Vec<_>, Vec<_>) = results.iter().partition(|result| result.is_ok());
    assert!(!rejected.is_empty(), "{results:?}");
    assert!(rejected.iter().all(|result| matches!(result, Err(ReceiveError::Unavailable(_)))), "{results:?}");
    assert_eq!(inbox_rows(database).await, i64::try_from(stored.len()).expect("a few"));
    // Stripe retries all events.
    all(events.iter().map(|event| service.deliver(event)).collect()).await;
    assert_eq!(inbox_rows(database).await, 3);
    assert_eq!(paid_rows(database).await, 1);
}

/// Runs on PostgreSQL only. A statement timeout doesn't mean that the event's data is invalid.
#[test]
fn statement_timeout_rejects_the_event_and_stores_nothing() {
    run_on(Kind::Postgres, async |database| {
        let payment = Payment::begin(&database.store().await).await;
        let timeout = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 50', current_database()); END $$";
        database.execute(timeout).await;
        let service = Service::start(database, config()).await;
        let event = payment.succeeded();
        // The order is locked, but the inbox would accept the event as failed.
        let lock = database.begin("SELECT 1 FROM orders FOR UPDATE").await;

        let result = service.deliver(&event).await;

        assert!(matches!(result, Err(ReceiveError::Unavailable(_))), "{result:?}");
        assert_eq!(inbox_rows(database).await, 0);
        lock.release().await;
        assert_eq!(service.deliver(&event).await.expect("an outcome"), EventOutcome::Applied);
    });
}

async fn event_of_a_dropped_caller_is_written(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let (abandoned, awaited) = (payment.succeeded(), payment.processing());

    assert!(hang_up(service.deliver(&abandoned)).await, "the event waits for its commit");
    let (_, waiting) = queue_up([service.deliver(&awaited)]).await;
    lock.release().await;

    assert_eq!(all(waiting).await, [EventOutcome::Applied]);
    assert_eq!(inbox_rows(database).await, 2);
    let order = service.store.order(payment.order.id).await.expect("a read").expect("an order");
    assert_eq!(order.status, OrderStatus::Paid);
}
