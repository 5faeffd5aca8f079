//! Clients that disconnect during a request. The request leaves no partial work, and a retry is the same request.

use std::time::Duration;

use quittance_test_support::TestDatabase;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::net::TcpStream;

use crate::client::Call;
use crate::environment::{Environment, Webhooks};
use crate::event::Source;
use crate::invariants::assert_orders;
use crate::seed::{exhaustive, rng, seed};
use crate::storefront::{ExpectedEnd, Storefront};

quittance_test_support::on_both_databases! { disconnecting_clients_leave_no_partial_work }

/// The kind of disconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disconnect {
    /// Closes the connection. The service may notice late or never.
    Close,
    /// Resets the connection, as a machine without power does. The service notices immediately.
    Reset,
}

/// Sends a part of a request or all of it, and disconnects now or after a delay.
async fn disconnect_during(call: &Call, base: &str, rng: &mut StdRng) {
    let bytes = call.bytes();
    // Three in four send the full request, because the service acts only on those.
    let length = if rng.random_ratio(3, 4) { bytes.len() } else { rng.random_range(0..bytes.len()) };
    let moment = Duration::from_micros(if rng.random_ratio(1, 4) { 0 } else { rng.random_range(0..40_000) });
    let disconnect = if rng.random_bool(0.5) { Disconnect::Close } else { Disconnect::Reset };
    let stream = TcpStream::connect(base.trim_start_matches("http://")).await.expect("a connection");
    let mut left = &bytes[..length];
    while !left.is_empty() && stream.writable().await.is_ok() {
        match stream.try_write(left) {
            Ok(sent) => left = &left[sent..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    // The random delay is the fault: it picks the moment of the disconnect.
    tokio::time::sleep(moment).await;
    if disconnect == Disconnect::Reset {
        stream.set_zero_linger().expect("a socket option");
    }
}

async fn disconnecting_clients_leave_no_partial_work(database: &TestDatabase) {
    let seed = seed();
    let rounds = if exhaustive() { 300 } else { 25 };

    // The test delivers the events itself, so that it can interrupt deliveries.
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;
    let base = env.api.base().to_owned();
    let mut expected_ends = Vec::new();
    for round in 0..rounds {
        let mut rng = rng(seed, round);
        let name = format!("hung-up-{round}");
        disconnect_during(&shop.place_request(&name), &base, &mut rng).await;
        let order_id = shop.place(&name).await;
        disconnect_during(&shop.intent_request(&order_id), &base, &mut rng).await;
        let payable = shop.intent_order(&name).await;
        assert_eq!(payable.order_id, order_id);
        let expected_end = if rng.random_bool(0.5) {
            disconnect_during(&shop.cancel_request(&order_id), &base, &mut rng).await;
            let canceled = shop.cancel_request(&order_id).send_with_retries().await.expect(200);
            assert_eq!(canceled.body["status"], "canceled");
            ExpectedEnd::Canceled
        } else {
            let source = Source::new(&shop, payable).await;
            shop.confirm(&source.payable.payment_intent_id).await;
            let delivery = source.succeeded().delivery(&env.api);
            disconnect_during(&delivery, &base, &mut rng).await;
            delivery.send_with_retries().await.expect(200);
            assert_eq!(shop.order(&order_id).await["status"], "paid");
            ExpectedEnd::Paid
        };
        expected_ends.push((name, expected_end));
    }

    // Clients that never return leave nothing in progress either.
    for round in 0..rounds {
        let mut rng = rng(seed, rounds + round);
        disconnect_during(&shop.place_request(&format!("gone-{round}")), &base, &mut rng).await;
    }

    assert_orders(&env, &shop, &expected_ends).await;

    let gone = "customer_reference LIKE 'gone-%'";
    let placed = env.count(&format!("orders WHERE {gone}")).await;
    let once =
        env.texts(&format!("SELECT DISTINCT customer_reference AS value FROM orders WHERE {gone}")).await;

    assert_eq!(placed, i64::try_from(once.len()).expect("a few"));
}
