//! Crashes during deliveries to the shop's systems. Every message arrives at least once, no message is made up, and the
//! first attempts keep each order's sequence.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quittance_test_support::{TestDatabase, on_both_databases, wait_until};
use rand::RngExt;

use crate::receiver::{ReceivedRequest, Receiver, SandboxService};
use crate::seed::{exhaustive, rng, seed};

on_both_databases! { messages_survive_kills_in_order }

/// The endpoints' paths. The last endpoint always fails, and must not delay the others.
const PATHS: [&str; 3] = ["/ok-1", "/ok-2", "/error"];

/// The maximum number of messages that some endpoint hasn't received. A failing endpoint gets two messages at a time,
/// so without this limit thousands would be pending at the end.
const AHEAD: usize = 200;

#[cfg(feature = "crash-points")]
mod points {
    use quittance_crash_points::{CrashPoint, VARIABLE};

    use super::{Receiver, SandboxService, TestDatabase, check};

    quittance_test_support::on_both_databases! { crash_at_any_point_loses_no_message }

    async fn crash_at_any_point_loses_no_message(database: &TestDatabase) {
        let mut service = SandboxService::start(database).await;
        let receiver = Receiver::start();

        service.endpoint(&receiver.url("ok")).await;
        for point in CrashPoint::OUTBOUND {
            super::wait_until_idle(database).await;
            service.kill_and_restart(&[(VARIABLE, point.name())]).await;
            let order_id = service.place().await;
            super::write_message(database, &order_id, 2).await;
            super::write_message(database, &order_id, 3).await;
            let status = service.process().wait_for_exit().await;
            assert!(!status.success(), "the service did not reach {}", point.name());
            println!("{} was reached", point.name());
            service.restart(&[]).await;
        }
        check(database, &receiver, "/ok").await;
    }
}

/// Writes a message to the outbox, as a change to an order does.
async fn write_message(database: &TestDatabase, order_id: &str, sequence: usize) {
    let id = quittance_test_support::id(quittance_domain::id::MessageId::from_uuid);
    let sql = format!(
        "INSERT INTO outbox (id, order_id, kind, subject, sequence, created_at) SELECT '{id}', id, \
         'order.payment_failed', 'ch_{sequence}', {sequence}, created_at FROM orders WHERE id = '{order_id}'"
    );
    database.execute(&sql).await;
}

async fn messages_survive_kills_in_order(database: &TestDatabase) {
    let seed = seed();
    let kills = if exhaustive() { 200 } else { 8 };
    let mut service = SandboxService::start(database).await;
    let receiver = Receiver::start();

    for path in PATHS {
        service.endpoint(&receiver.url(path.trim_start_matches('/'))).await;
    }
    let mut orders = Vec::new();
    for _ in 0..12 {
        orders.push(service.place().await);
    }
    let enough = Arc::new(AtomicBool::new(false));
    let mut moments = rng(seed, 1);
    let writing = write_until(database, &receiver, &orders, Arc::clone(&enough), seed);
    let killing = async {
        for _ in 0..kills {
            // Repeated messages don't count as progress.
            let wanted = receiver.message_count(PATHS[0]) + moments.random_range(1..20);
            wait_until("the next messages arrive", async || receiver.message_count(PATHS[0]) >= wanted).await;
            // The random delay is the fault: it picks the moment of the kill.
            tokio::time::sleep(Duration::from_micros(moments.random_range(0..20_000))).await;
            service.kill_and_restart(&[]).await;
        }
        enough.store(true, Ordering::Relaxed);
    };
    let (written, ()) = tokio::join!(writing, killing);
    for path in &PATHS[..2] {
        check(database, &receiver, path).await;
    }
    println!("{} messages through {kills} kills", written + orders.len());
}

/// Writes bursts of messages to the outbox until the flag is set. Returns their number.
async fn write_until(
    database: &TestDatabase,
    receiver: &Receiver,
    orders: &[String],
    enough: Arc<AtomicBool>,
    seed: u64,
) -> usize {
    let mut rng = rng(seed, 2);
    let mut sequences: HashMap<&str, usize> = HashMap::new();
    let mut written = 0;
    let is_enough = || enough.load(Ordering::Relaxed);
    let ahead = |written: usize| {
        let heard = PATHS.map(|path| receiver.message_count(path)).into_iter().min().unwrap_or_default();
        orders.len() + written - heard
    };
    while !is_enough() {
        if ahead(written) >= AHEAD {
            let caught_up = async || is_enough() || ahead(written) <= AHEAD / 2;
            wait_until("the slowest endpoint catches up", caught_up).await;
        }
        let order = &orders[rng.random_range(0..orders.len())];
        let sequence = sequences.entry(order).or_insert(1);
        *sequence += 1;
        write_message(database, order, *sequence).await;
        written += 1;
        tokio::task::yield_now().await;
    }
    written
}

/// Waits until every message is published and attempted at least once.
async fn wait_until_idle(database: &TestDatabase) {
    wait_until("every message is published and attempted", async || {
        let unpublished = database.scalar_i64("SELECT count(*) FROM outbox WHERE NOT published").await;
        let untried = database.scalar_i64("SELECT count(*) FROM deliveries WHERE attempts = 0").await;
        unpublished + untried == 0
    })
    .await;
}

/// Asserts that an endpoint has received exactly the outbox, and each order's first attempts in sequence.
async fn check(database: &TestDatabase, receiver: &Receiver, path: &str) {
    let written = "SELECT id AS value FROM outbox";
    let written: HashSet<String> = database.texts(written).await.into_iter().collect();
    wait_until("every message arrives", async || receiver.message_count(path) >= written.len()).await;
    wait_until_idle(database).await;
    let got: Vec<ReceivedRequest> = receiver.requests().into_iter().filter(|got| got.path == path).collect();
    let arrived: HashSet<String> = got.iter().map(|got| got.id().to_owned()).collect();
    assert_eq!(arrived, written, "the endpoint must receive exactly the outbox");
    let mut seen = HashSet::new();
    let mut bodies: HashMap<String, String> = HashMap::new();
    let mut sequences: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for got in got {
        let body = bodies.entry(got.id().to_owned()).or_insert_with(|| got.body.clone());
        assert_eq!(*body, got.body, "repeated messages must have the same bytes");
        if seen.insert(got.id().to_owned()) {
            let event = got.json();
            let order = event["data"]["id"].as_str().expect("an order").to_owned();
            sequences.entry(order).or_default().push(event["sequence"].as_i64().expect("a number"));
        }
    }
    for (order, sequences) in sequences {
        let expected: Vec<i64> = (1..).take(sequences.len()).collect();
        assert_eq!(sequences, expected, "{order}: first attempts must keep the sequence");
    }
}
