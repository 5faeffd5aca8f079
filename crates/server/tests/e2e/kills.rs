//! `kill -9` at any moment under load: what was promised is kept, and nothing is done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quittance_test_support::{TestDatabase, wait_until};
use rand::RngExt;
use tokio::task::JoinSet;

use crate::seed::{dice, exhaustive, seed};
use crate::shop::{Fate, Shop};
use crate::tally::check;
use crate::world::{Webhooks, World};

quittance_test_support::on_both_databases! { nothing_is_lost_or_done_twice }

const CLIENTS: usize = 6;

async fn nothing_is_lost_or_done_twice(database: &TestDatabase) {
    let seed = seed();
    let kills = if exhaustive() { 60 } else { 8 };
    let mut world = World::start(database, Webhooks::Delivered).await;
    let shop = Shop::open(&world).await;
    let enough = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(buy_until(shop.clone(), Arc::clone(&enough), seed, client));
    }
    let mut moments = dice(seed, CLIENTS);
    for _ in 0..kills {
        some_work(&world, moments.random_range(2..12)).await;
        // Not to wait for something: this is the moment of the kill.
        tokio::time::sleep(Duration::from_micros(moments.random_range(0..60_000))).await;
        world.kill();
        world.let_leases_end().await;
        world.revive(&[]).await;
    }
    enough.store(true, Ordering::Relaxed);
    let fates: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    println!("{} orders through {kills} kills", fates.len());
    check(&world, &shop, &fates).await;
}

/// Waits until so many more requests were begun, however fast this machine is.
async fn some_work(world: &World<'_>, requests: i64) {
    let before = world.count("idempotency_keys").await;
    wait_until("the clients make progress", async || {
        world.count("idempotency_keys").await >= before + requests
    })
    .await;
}

/// Places orders, and pays most of them, until it is enough.
async fn buy_until(shop: Shop, enough: Arc<AtomicBool>, seed: u64, client: usize) -> Vec<(String, Fate)> {
    let mut dice = dice(seed, client);
    let mut fates = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let fate = if dice.random_ratio(1, 4) { Fate::Canceled } else { Fate::Paid };
        let name = format!("client-{client}-order-{}", fates.len());
        shop.fulfil(&name, fate).await;
        fates.push((name, fate));
    }
    fates
}
