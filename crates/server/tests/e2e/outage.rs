//! Database outages. Requests fail without side effects, and the service recovers when the database is back.

use std::time::{Duration, Instant};

use quittance_test_support::{Kind, TestDatabase, run_on, wait_until};

use crate::client::{Answer, Call};
use crate::environment::{Environment, Webhooks};
use crate::event::Source;
use crate::storefront::Storefront;

/// Well below the timeouts of Stripe, proxies and customers.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// Returns the name of a database.
fn name(database: &TestDatabase) -> &str {
    database.url().rsplit_once('/').map(|(_, name)| name).expect("a name")
}

/// Asserts that the service is unavailable and says when to retry.
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.problem(), "service_unavailable");
    let seconds: u32 = answer.header("retry-after").parse().expect("seconds in Retry-After");
    assert!(seconds > 0);
}

#[test]
fn unreachable_database_returns_503_until_it_is_back() {
    run_on(Kind::Postgres, async |database: &TestDatabase| {
        let elsewhere = TestDatabase::empty(Kind::Postgres).await.expect("PostgreSQL is not excluded");
        let env = Environment::start(database, Webhooks::Lost).await;
        let shop = Storefront::open(&env).await;

        let source = Source::new(&shop, shop.intent_order("before").await).await;
        let order_id = &source.payable.order_id;
        let succeeded = source.succeeded();

        let name = name(database);
        elsewhere.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
        let terminate =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        elsewhere.execute(&terminate).await;

        let calls: [Call; 7] = [
            env.api.get("/readyz"),
            env.api.get("/v1/products"),
            shop.place_request("meanwhile"),
            shop.intent_request(order_id),
            shop.cancel_request(order_id),
            env.api.get(format!("/v1/orders/{order_id}/payment?wait=1")),
            succeeded.delivery(&env.api),
        ];
        for call in &calls {
            assert_unavailable(&call.send().await);
        }
        env.api.get("/healthz").send().await.expect(200);

        // Enough requests to use every connection of the pool.
        let mut deliveries = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let call = succeeded.delivery(&env.api);
            deliveries.spawn(async move { call.send().await });
        }
        deliveries.join_all().await.iter().for_each(assert_unavailable);

        elsewhere.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;

        assert_eq!(env.count("inbox").await, 0, "nothing was acknowledged, nothing is there");
        assert_eq!(env.count("orders WHERE customer_reference = 'meanwhile'").await, 0);

        wait_until("the service is ready", async || env.api.get("/readyz").send().await.status == 200).await;
        succeeded.delivery(&env.api).send_with_retries().await.expect(200);

        assert_eq!(shop.order(order_id).await["status"], "paid");

        shop.intent_order("meanwhile").await;
    });
}

#[test]
fn locked_database_file_returns_503_until_released() {
    run_on(Kind::Sqlite, async |database: &TestDatabase| {
        let env = Environment::start(database, Webhooks::Lost).await;
        let shop = Storefront::open(&env).await;

        let source = Source::new(&shop, shop.intent_order("before").await).await;
        let succeeded = source.succeeded();

        let held = database.hold_writes().await;
        let begun = Instant::now();
        let (place, deliver) = (shop.place_request("meanwhile"), succeeded.delivery(&env.api));
        let (placed, delivered) = tokio::join!(place.send(), deliver.send());
        assert_unavailable(&placed);
        assert_unavailable(&delivered);
        assert!(begun.elapsed() < ANSWERED_WITHIN, "it took {:?}", begun.elapsed());

        // Reads still work.
        env.api.get("/readyz").send().await.expect(200);
        assert_eq!(shop.order(&source.payable.order_id).await["status"], "pending");
        held.release().await;

        shop.place("meanwhile").await;
        succeeded.deliver(&env.api).await.expect(200);

        assert_eq!(shop.order(&source.payable.order_id).await["status"], "paid");
        assert_eq!(env.count("orders WHERE customer_reference = 'meanwhile'").await, 1);
    });
}

#[test]
fn cut_database_connections_are_replaced() {
    run_on(Kind::Postgres, async |database: &TestDatabase| {
        let elsewhere = TestDatabase::empty(Kind::Postgres).await.expect("PostgreSQL is not excluded");
        let env = Environment::start(database, Webhooks::Lost).await;
        let shop = Storefront::open(&env).await;
        let name = name(database);

        for round in 0..3 {
            let terminate =
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
            elsewhere.execute(&terminate).await;
            shop.intent_order(&format!("cut-{round}")).await;
        }
    });
}
