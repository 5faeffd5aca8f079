//! Callers that hang up in the middle of a request: nothing is left half-done, and the same request sent again is
//! the same request.

use std::time::Duration;

use quittance_test_support::TestDatabase;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::net::TcpStream;

use crate::client::Call;
use crate::event::Source;
use crate::seed::{dice, exhaustive, seed};
use crate::shop::{Fate, Shop};
use crate::tally::check;
use crate::world::{Webhooks, World};

quittance_test_support::on_both_databases! { whoever_hangs_up_leaves_nothing_half_done }

/// How a caller goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// Closing the connection: the service may find out late, or never.
    Politely,
    /// Resetting it, as a machine does that is switched off: the service finds out at once.
    Abruptly,
}

/// Sends a part of a request, or all of it, and hangs up at once or a moment later.
async fn hang_up(call: &Call, base: &str, dice: &mut StdRng) {
    let bytes = call.bytes();
    // Three in four send all of it: what happens then is more than that nothing happens.
    let length = if dice.random_ratio(3, 4) { bytes.len() } else { dice.random_range(0..bytes.len()) };
    let moment =
        Duration::from_micros(if dice.random_ratio(1, 4) { 0 } else { dice.random_range(0..40_000) });
    let leave = if dice.random_bool(0.5) { Leave::Politely } else { Leave::Abruptly };
    let stream = TcpStream::connect(base.trim_start_matches("http://")).await.expect("a connection");
    let mut left = &bytes[..length];
    while !left.is_empty() && stream.writable().await.is_ok() {
        match stream.try_write(left) {
            Ok(sent) => left = &left[sent..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    // Not to wait for something: this is the moment of hanging up.
    tokio::time::sleep(moment).await;
    if leave == Leave::Abruptly {
        stream.set_zero_linger().expect("a socket option");
    }
}

async fn whoever_hangs_up_leaves_nothing_half_done(database: &TestDatabase) {
    let seed = seed();
    let rounds = if exhaustive() { 300 } else { 25 };
    // The events come from here, so that their deliveries can be broken off.
    let world = World::start(database, Webhooks::Lost).await;
    let shop = Shop::open(&world).await;
    let base = world.api.base().to_owned();
    let mut fates = Vec::new();
    for round in 0..rounds {
        let mut dice = dice(seed, round);
        let name = format!("hung-up-{round}");
        hang_up(&shop.placing(&name), &base, &mut dice).await;
        let order_id = shop.place(&name).await;
        hang_up(&shop.paying(&order_id), &base, &mut dice).await;
        let payable = shop.payable(&name).await;
        assert_eq!(payable.order_id, order_id);
        let fate = if dice.random_bool(0.5) {
            hang_up(&shop.canceling(&order_id), &base, &mut dice).await;
            let canceled = shop.canceling(&order_id).insist().await.expect(200);
            assert_eq!(canceled.body["status"], "canceled");
            Fate::Canceled
        } else {
            let source = Source::of(&shop, payable).await;
            shop.confirm(&source.payable.payment_intent_id).await;
            let delivery = source.succeeded().delivery(&world.api);
            hang_up(&delivery, &base, &mut dice).await;
            delivery.insist().await.expect(200);
            assert_eq!(shop.order(&order_id).await["status"], "paid");
            Fate::Paid
        };
        fates.push((name, fate));
    }
    // Whoever never comes back leaves nothing in flight either.
    for round in 0..rounds {
        let mut dice = dice(seed, rounds + round);
        hang_up(&shop.placing(&format!("gone-{round}")), &base, &mut dice).await;
    }
    check(&world, &shop, &fates).await;
    let gone = "customer_reference LIKE 'gone-%'";
    let placed = world.count(&format!("orders WHERE {gone}")).await;
    let once =
        world.texts(&format!("SELECT DISTINCT customer_reference AS value FROM orders WHERE {gone}")).await;
    assert_eq!(placed, i64::try_from(once.len()).expect("a few"));
}
