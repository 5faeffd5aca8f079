//! The customer returns before the webhook arrives. A waiting lookup returns immediately after the commit, in every
//! process.

use std::time::{Duration, Instant};

use quittance_test_support::{Kind, TestDatabase, run_on, wait_until};
use serde_json::json;

use crate::client::{Answer, Client};
use crate::environment::{Environment, Webhooks};
use crate::event::Source;
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! {
    waiting_lookup_returns_after_commit,
    waiting_lookup_without_webhooks_reads_stripe,
}

#[test]
fn waiting_lookup_at_other_process_returns_after_commit() {
    run_on(Kind::Postgres, async |database: &TestDatabase| {
        let env = Environment::start(database, Webhooks::Lost).await;
        let (_second, other) = env.start_second_service(&[]).await;
        check_waiting_lookup(&env, &other).await;
    });
}

async fn waiting_lookup_returns_after_commit(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    check_waiting_lookup(&env, &env.api).await;
}

/// Asserts that a commit by the environment's service ends a lookup at `api`. Stripe itself reports no payment, so a
/// refresh can't be the cause.
async fn check_waiting_lookup(env: &Environment<'_>, api: &Client) {
    let shop = Storefront::open(env).await;

    let payable = shop.intent_order("race").await;
    let source = Source::new(&shop, payable).await;
    let order_id = &source.payable.order_id;
    let before = api.get(format!("/v1/orders/{order_id}/payment")).send().await.expect(200);
    assert_eq!(
        (&before.body["order_status"], &before.body["status"]),
        (&json!("pending"), &json!("requires_payment_method"))
    );

    let wait = api.get(format!("/v1/orders/{order_id}/payment?wait=20"));
    let waiting = tokio::spawn(async move { (wait.send().await, Instant::now()) });

    // The service asks Stripe after a second, so the lookup waits by then.
    wait_until_stripe_is_read(api).await;
    assert!(!waiting.is_finished(), "the lookup returned too early");
    source.succeeded().deliver(&env.api).await.expect(200);
    let committed = Instant::now();
    let (answer, answered) = waiting.await.expect("an answer");
    assert_paid(&answer.expect(200), order_id);
    assert!(
        answered.saturating_duration_since(committed) < Duration::from_secs(3),
        "the lookup returned too late"
    );

    // The lookup by PaymentIntent ID returns, too. An outcome from before `after` doesn't count, so this lookup waits
    // until its timeout.
    let payment_intent = format!("/v1/payment_intents/{}", source.payable.payment_intent_id);
    let answer = api.get(format!("{payment_intent}?wait=20")).send().await.expect(200);
    assert_paid(&answer, order_id);
    let begun = Instant::now();
    let version = &answer.body["version"];
    let later = api.get(format!("{payment_intent}?wait=1&after={version}"));

    assert_paid(&later.send().await.expect(200), order_id);
    assert!(begun.elapsed() >= Duration::from_millis(900));
}

fn assert_paid(answer: &Answer, order_id: &str) {
    assert_eq!(answer.body["order_id"], order_id);
    assert_eq!((&answer.body["status"], &answer.body["order_status"]), (&json!("succeeded"), &json!("paid")));
}

async fn wait_until_stripe_is_read(api: &Client) {
    wait_until("the service asks Stripe", async || {
        let metrics = api.get("/metrics").send().await.expect(200).text;
        let asked = metrics.lines().find_map(|line| line.strip_prefix("quittance_payment_refreshes_total "));
        asked.is_some_and(|count| count != "0")
    })
    .await;
}

async fn waiting_lookup_without_webhooks_reads_stripe(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let payable = shop.intent_order("dropped").await;
    let wait = shop.lookup_request(&payable.order_id, 20);
    let waiting = tokio::spawn(async move { wait.send().await });
    shop.confirm(&payable.payment_intent_id).await;

    assert_paid(&waiting.await.expect("an answer").expect(200), &payable.order_id);
    assert_eq!(env.count("inbox").await, 0);
    assert_eq!(env.count("outbox WHERE kind = 'order.paid'").await, 1);

    // A lookup also returns after a decline.
    let declined = shop.intent_order("declined").await;
    let wait = shop.lookup_request(&declined.order_id, 20);
    let waiting = tokio::spawn(async move { wait.send().await });
    let form = "payment_method=pm_card_visa_chargeDeclined&return_url=https%3A%2F%2Fshop.example%2Fdone";
    let path = format!("/v1/payment_intents/{}/confirm", declined.payment_intent_id);
    env.stripe.post(path).form(form).send().await.expect(402);
    let answer = waiting.await.expect("an answer").expect(200);

    assert_eq!(answer.body["order_status"], "payment_failed", "{}", answer.text);
    assert_eq!(answer.body["last_error"]["code"], "card_declined", "{}", answer.text);
}
