//! `kill -9` at random moments under load. Acknowledged work is kept, and nothing happens twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quittance_test_support::{TestDatabase, wait_until};
use rand::RngExt;
use tokio::task::JoinSet;

use crate::environment::{Environment, Webhooks};
use crate::invariants::assert_orders;
use crate::seed::{exhaustive, rng, seed};
use crate::storefront::{ExpectedEnd, Storefront};

quittance_test_support::on_both_databases! { repeated_kills_lose_and_duplicate_nothing }

const CLIENTS: usize = 6;

async fn repeated_kills_lose_and_duplicate_nothing(database: &TestDatabase) {
    let seed = seed();
    let kills = if exhaustive() { 60 } else { 8 };
    let mut env = Environment::start(database, Webhooks::Delivered).await;
    let shop = Storefront::open(&env).await;
    let done = Arc::new(AtomicBool::new(false));

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(buy_until(shop.clone(), Arc::clone(&done), seed, client));
    }
    let mut moments = rng(seed, CLIENTS);
    for _ in 0..kills {
        wait_for_requests(&env, moments.random_range(2..12)).await;
        // The random delay is the fault: it picks the moment of the kill.
        tokio::time::sleep(Duration::from_micros(moments.random_range(0..60_000))).await;
        env.kill();
        env.expire_leases().await;
        env.restart(&[]).await;
    }
    done.store(true, Ordering::Relaxed);
    let expected_ends: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    println!("{} orders through {kills} kills", expected_ends.len());

    assert_orders(&env, &shop, &expected_ends).await;
}

/// Waits until the clients have started this many more requests.
async fn wait_for_requests(env: &Environment<'_>, requests: i64) {
    let before = env.count("idempotency_keys").await;
    wait_until("the clients make progress", async || {
        env.count("idempotency_keys").await >= before + requests
    })
    .await;
}

/// Places orders and pays most of them until `done` is set.
async fn buy_until(
    shop: Storefront,
    done: Arc<AtomicBool>,
    seed: u64,
    client: usize,
) -> Vec<(String, ExpectedEnd)> {
    let mut rng = rng(seed, client);
    let mut expected_ends = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let expected_end = if rng.random_ratio(1, 4) { ExpectedEnd::Canceled } else { ExpectedEnd::Paid };
        let name = format!("client-{client}-order-{}", expected_ends.len());
        shop.complete_order(&name, expected_end).await;
        expected_ends.push((name, expected_end));
    }
    expected_ends
}
