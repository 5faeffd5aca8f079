//! What goes wrong.

use std::time::Duration;

use quittance_domain::event::EventOutcome;
use quittance_domain::order::OrderStatus;
use quittance_persistence::{Store, StoreConfig};
use quittance_test_support::{Kind, Payment, TestDatabase, on_both_databases, run_on, wait_until};
use quittance_webhook::{ReceiveError, ReceiverConfig};

use crate::{Service, all, config, count, hang_up, inbox_rows, paid_rows, queue_up};

on_both_databases! {
    a_poison_event_fails_alone,
    a_poison_event_fails_alone_wherever_it_stands,
    a_text_that_the_database_refuses_does_not_lose_the_event,
    a_full_queue_turns_events_away,
    a_closed_database_acknowledges_nothing,
    a_busy_database_acknowledges_nothing,
    a_caller_that_goes_away_loses_nothing,
}

/// Makes the stored facts of an attempt unreadable, so that its order can not be read.
async fn poison(database: &TestDatabase, payment: &Payment) {
    let id = payment.id.as_str();
    database.execute(&format!("UPDATE payments SET facts = '\"poison\"' WHERE id = '{id}'")).await;
}

async fn outcome_and_reason(database: &TestDatabase, event_id: &str) -> Vec<String> {
    let sql = format!("SELECT outcome || ': ' || reason AS value FROM inbox WHERE event_id = '{event_id}'");
    database.texts(&sql).await
}

async fn a_poison_event_fails_alone(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    poison(database, &payment).await;
    let event = payment.succeeded();
    assert_eq!(service.deliver(&event).await.expect("kept"), EventOutcome::Failed);
    assert_eq!(database.payload(&event.id).await.expect("a row"), event.payload());
    let kept = outcome_and_reason(database, &event.id).await;
    assert!(kept[0].starts_with("failed: a stored payment can not be read: "), "{kept:?}");
    // It comes again, and it is still the same one event.
    assert_eq!(service.deliver(&event).await.expect("kept"), EventOutcome::Failed);
    assert_eq!(inbox_rows(database).await, 1);
    assert_eq!(service.commits(), 0);
}

async fn a_poison_event_fails_alone_wherever_it_stands(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    for place in [0, 4, 10] {
        let (mut events, mut poisoned) = (Vec::new(), String::new());
        for number in 0..11 {
            let payment = Payment::begin(&service.store).await;
            events.push(payment.succeeded());
            if number == place {
                poison(database, &payment).await;
                poisoned.clone_from(&events[place].id);
            }
        }
        let lock = database.hold_writes().await;
        let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;
        lock.release().await;
        let outcomes = all(waiting).await;
        assert_eq!(outcomes[place], EventOutcome::Failed);
        assert_eq!(count(&outcomes, EventOutcome::Applied), 10);
        let failed = "SELECT event_id AS value FROM inbox WHERE outcome = 'failed' ORDER BY event_id DESC";
        assert_eq!(database.texts(failed).await[0], poisoned);
    }
    assert_eq!(inbox_rows(database).await, 33);
    assert_eq!(paid_rows(database).await, 30);
}

async fn a_text_that_the_database_refuses_does_not_lose_the_event(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    let odd_type = r#"{ "id": "evt_1", "type": "odd\u0000type" }"#;
    let odd_account = r#"{ "id": "evt_2", "type": "ping", "account": "acct_\u0000" }"#;
    let odd_id = r#"{ "id": "evt_3\u0000", "type": "ping" }"#;
    let odd_message = String::from_utf8(payment.failed("ch_1").payload().to_vec()).expect("a text");
    let odd_message = odd_message.replace("insufficient funds.", r"insufficient\u0000funds.");
    for body in [odd_type, odd_account, odd_id, &odd_message] {
        let outcome = service.deliver_bytes(body.into()).await.expect("kept");
        if database.kind() == Kind::Postgres {
            assert_eq!(outcome, EventOutcome::Failed, "{body}");
        }
        let again = service.deliver_bytes(body.into()).await;
        assert!(again.is_ok(), "{again:?}");
    }
    assert_eq!(inbox_rows(database).await, 4);
    assert_eq!(database.payload("evt_1").await.expect("a row"), odd_type.as_bytes());
    // The order goes its way without the odd failure.
    assert_eq!(service.deliver(&payment.succeeded()).await.expect("an outcome"), EventOutcome::Applied);
    assert_eq!(paid_rows(database).await, 1);
}

async fn a_full_queue_turns_events_away(database: &TestDatabase) {
    let small = ReceiverConfig { max_batch_events: 1, queue: 4, ..config() };
    let service = Service::start(database, small).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let events: Vec<_> = (0..20).map(|_| payment.processing()).collect();
    let (answered, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;
    // Four wait in the queue, and at most one is with the writer.
    assert!((4..=5).contains(&waiting.len()), "{} wait", waiting.len());
    assert!(answered.iter().all(|answer| matches!(answer, Err(ReceiveError::Full))), "{answered:?}");
    lock.release().await;
    let accepted = all(waiting).await;
    assert_eq!(inbox_rows(database).await, i64::try_from(accepted.len()).expect("a few"));
    // There is room again.
    let rest = all(events.iter().map(|event| service.deliver(event)).take(4).collect()).await;
    assert_eq!(count(&rest, EventOutcome::Duplicate), 4);
}

async fn a_closed_database_acknowledges_nothing(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let event = Payment::begin(&service.store).await.succeeded();
    service.store.close();
    let answer = service.deliver(&event).await;
    assert!(matches!(answer, Err(ReceiveError::Unavailable(_))), "{answer:?}");
    assert_eq!(inbox_rows(database).await, 0);
    // Stripe sends it again, to a process that has its database.
    let service = Service::start(database, config()).await;
    assert_eq!(service.deliver(&event).await.expect("an outcome"), EventOutcome::Applied);
}

async fn a_busy_database_acknowledges_nothing(database: &TestDatabase) {
    let patient = Service::start(database, config()).await;
    let payment = Payment::begin(&patient.store).await;
    let impatient = StoreConfig { wait: Duration::from_millis(200), connections: 1, ..database.config() };
    let store = Store::open(impatient).await.expect("a store");
    // Making a connection may take longer than that: this one is made before it counts.
    wait_until("there is a connection", async || store.ready().await.is_ok()).await;
    let service = Service::on(store, ReceiverConfig { writers: 2, max_batch_events: 1, ..config() });
    let lock = database.hold_writes().await;
    // One writer has the only connection and waits for the lock; the other one waits for a connection in vain.
    let (first, second) = (payment.processing(), payment.succeeded());
    let (one, two) = (tokio::spawn(service.deliver(&first)), tokio::spawn(service.deliver(&second)));
    let refused = || async { one.is_finished() || two.is_finished() };
    wait_until("one event is refused", refused).await;
    assert_eq!(inbox_rows(database).await, 0);
    lock.release().await;
    let answers = [one.await.expect("a task"), two.await.expect("a task")];
    let is_refused = |answer: &&_| matches!(answer, Err(ReceiveError::Unavailable(_)));
    assert_eq!(answers.iter().filter(is_refused).count(), 1, "{answers:?}");
    assert_eq!(inbox_rows(database).await, 1);
    all(vec![patient.deliver(&first), patient.deliver(&second)]).await;
    assert_eq!(inbox_rows(database).await, 2);
    assert_eq!(paid_rows(database).await, 1);
}

/// On PostgreSQL only: a file has no connection that can be lost.
#[test]
fn a_lost_connection_acknowledges_nothing() {
    run_on(Kind::Postgres, lose_the_connection);
}

async fn lose_the_connection(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    let events = [payment.created(), payment.processing(), payment.succeeded()];
    let lock = database.hold_writes().await;
    let (_, waiting) = queue_up(events.iter().map(|event| service.deliver(event))).await;
    let blocked = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let is_blocked = async || database.scalar_i64(&format!("SELECT count(*) {blocked}")).await == 1;
    wait_until("the transaction waits for the lock", is_blocked).await;
    database.execute(&format!("SELECT pg_terminate_backend(pid) {blocked}")).await;
    // What the writer had is refused, what still waited is written with the next connection.
    let answers = tokio::spawn(futures_util::future::join_all(waiting));
    wait_until("another transaction waits, or all are answered", async || {
        answers.is_finished() || is_blocked().await
    })
    .await;
    lock.release().await;
    let answers = answers.await.expect("a task");
    let (stored, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.is_ok());
    assert!(!refused.is_empty(), "{answers:?}");
    assert!(refused.iter().all(|answer| matches!(answer, Err(ReceiveError::Unavailable(_)))), "{answers:?}");
    assert_eq!(inbox_rows(database).await, i64::try_from(stored.len()).expect("a few"));
    all(events.iter().map(|event| service.deliver(event)).collect()).await;
    assert_eq!(inbox_rows(database).await, 3);
    assert_eq!(paid_rows(database).await, 1);
}

/// On PostgreSQL only: a server that gives up on a statement does not say that its data is at fault.
#[test]
fn a_statement_that_times_out_is_no_poison() {
    run_on(Kind::Postgres, async |database| {
        let payment = Payment::begin(&database.store().await).await;
        let timeout = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 50', current_database()); END $$";
        database.execute(timeout).await;
        let service = Service::start(database, config()).await;
        let event = payment.succeeded();
        // The order can not be had, while the inbox would take the event as a failed one.
        let lock = database.begin("SELECT 1 FROM orders FOR UPDATE").await;
        let answer = service.deliver(&event).await;
        assert!(matches!(answer, Err(ReceiveError::Unavailable(_))), "{answer:?}");
        assert_eq!(inbox_rows(database).await, 0);
        lock.release().await;
        assert_eq!(service.deliver(&event).await.expect("an outcome"), EventOutcome::Applied);
    });
}

async fn a_caller_that_goes_away_loses_nothing(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payment = Payment::begin(&service.store).await;
    let lock = database.hold_writes().await;
    let (abandoned, awaited) = (payment.succeeded(), payment.processing());
    assert!(hang_up(service.deliver(&abandoned)).await, "it waited for its commit");
    let (_, waiting) = queue_up([service.deliver(&awaited)]).await;
    lock.release().await;
    assert_eq!(all(waiting).await, [EventOutcome::Applied]);
    assert_eq!(inbox_rows(database).await, 2);
    let order = service.store.order(payment.order.id).await.expect("a read").expect("an order");
    assert_eq!(order.status, OrderStatus::Paid);
}
