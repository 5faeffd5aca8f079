//! Invariants that hold for every order in the end, after any interruption.

use std::collections::{HashMap, HashSet};

use quittance_test_support::wait_until;
use serde_json::Value;

use crate::client::Client;
use crate::environment::{Environment, Webhooks};
use crate::storefront::{ExpectedEnd, Storefront};

/// Waits until no event, payment attempt, refund or request is pending.
pub(crate) async fn wait_until_idle(env: &Environment<'_>) {
    wait_until_delivered(env).await;
    wait_until_resumed(env).await;
}

/// Waits until no attempt or refund is left to resume, and no request is in progress.
pub(crate) async fn wait_until_resumed(env: &Environment<'_>) {
    wait_until("no attempt or refund is left to resume", async || {
        let left = ["payments WHERE resume_at IS NOT NULL", "refunds WHERE resume_at IS NOT NULL"];
        if env.count(left[0]).await + env.count(left[1]).await == 0 {
            return true;
        }
        env.make_resumes_due().await;
        false
    })
    .await;
    wait_until("every request is answered", async || {
        env.count("idempotency_keys WHERE status IS NULL").await == 0
    })
    .await;
}

/// Waits until Stripe has delivered every event.
pub(crate) async fn wait_until_delivered(env: &Environment<'_>) {
    if env.webhooks == Webhooks::Lost {
        return;
    }
    wait_until("every event is delivered", async || {
        for stripe in accounts(env).await {
            let events = stripe.get("/v1/events?delivery_success=false&limit=1").send().await;
            // Stripe delivers no events of an account that was just disconnected.
            if events.status == 200 && events.body["data"] != serde_json::json!([]) {
                return false;
            }
        }
        true
    })
    .await;
}

/// Returns clients for the platform's account and for each connected account.
async fn accounts(env: &Environment<'_>) -> Vec<Client> {
    let mut all = vec![env.stripe.clone()];
    for account in env.stripe_list("/v1/accounts").await {
        all.push(env.stripe.on(account["id"].as_str()));
    }
    all
}

/// Returns the rows of every table that describe the orders. Excludes the observation times, which change with each
/// refresh.
pub(crate) async fn order_rows(env: &Environment<'_>) -> Vec<String> {
    let mut state = Vec::new();
    for sql in [
        "SELECT id || status || version || updated_at AS value FROM orders ORDER BY id",
        "SELECT id || coalesce(payment_intent_id, '') || abandoned || closed AS value FROM payments ORDER BY id",
        "SELECT id || coalesce(stripe_refund_id, '') || updated_at AS value FROM refunds ORDER BY id",
        "SELECT id || stripe_dispute_id || updated_at AS value FROM disputes ORDER BY id",
        "SELECT order_id || kind || subject AS value FROM decisions ORDER BY order_id, kind",
        "SELECT id || kind AS value FROM outbox WHERE order_id IS NOT NULL ORDER BY id",
    ] {
        state.extend(env.texts(sql).await);
    }
    state
}

/// Asserts the invariants of these orders. The names are the customers' references.
pub(crate) async fn assert_orders(
    env: &Environment<'_>,
    shop: &Storefront,
    expected_ends: &[(String, ExpectedEnd)],
) {
    wait_until_idle(env).await;
    let orders = pairs(env, "SELECT customer_reference || ' ' || id AS value FROM orders").await;
    let statuses = pairs(env, "SELECT id || ' ' || status AS value FROM orders").await;
    let outbox = pairs(env, "SELECT order_id || ' ' || kind AS value FROM outbox").await;
    let attempts = pairs(env, "SELECT order_id || ' ' || id AS value FROM payments").await;
    let mut payment_intents: HashMap<String, Vec<Value>> = HashMap::new();
    for payment_intent in shop.stripe.list("/v1/payment_intents").await {
        let order_id = payment_intent["metadata"]["order_id"].as_str().unwrap_or_default().to_owned();
        payment_intents.entry(order_id).or_default().push(payment_intent);
    }
    for (name, expected_end) in expected_ends {
        let [order_id] = values_of(&orders, name) else {
            panic!("{name} was placed {} times", values_of(&orders, name).len());
        };
        let at_stripe = payment_intents.get(order_id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(
            at_stripe.len(),
            values_of(&attempts, order_id).len(),
            "{name}: each attempt must have one PaymentIntent"
        );
        let open = at_stripe.iter().filter(|intent| intent["status"] != "canceled").count();
        let paid = values_of(&outbox, order_id).iter().filter(|kind| *kind == "order.paid").count();
        let canceled = values_of(&outbox, order_id).iter().filter(|kind| *kind == "order.canceled").count();
        let expected = match expected_end {
            ExpectedEnd::Paid => ("paid", 1, 1, 0),
            ExpectedEnd::Canceled => ("canceled", 0, 0, 1),
        };
        let status = values_of(&statuses, order_id).join(" ");
        assert_eq!((status.as_str(), open, paid, canceled), expected, "{name} {order_id}: {at_stripe:?}");
    }
    check_inbox(env).await;
}

/// Asserts that the inbox has every event that Stripe marked as delivered.
async fn check_inbox(env: &Environment<'_>) {
    if env.webhooks == Webhooks::Lost {
        return;
    }
    let inbox: HashSet<String> = env.texts("SELECT event_id AS value FROM inbox").await.into_iter().collect();
    let mut delivered = Vec::new();
    for stripe in accounts(env).await {
        delivered.extend(stripe.list("/v1/events?delivery_success=true").await);
    }

    assert!(!delivered.is_empty());

    for event in delivered {
        let id = event["id"].as_str().unwrap_or_default();
        assert!(inbox.contains(id), "{id} was acknowledged but is not in the inbox");
    }
}

/// Returns the second words of two-word rows, by their first words.
async fn pairs(env: &Environment<'_>, sql: &str) -> HashMap<String, Vec<String>> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for row in env.texts(sql).await {
        if let Some((first, second)) = row.split_once(' ') {
            found.entry(first.to_owned()).or_default().push(second.to_owned());
        }
    }
    found
}

fn values_of<'a>(pairs: &'a HashMap<String, Vec<String>>, first: &str) -> &'a [String] {
    pairs.get(first).map(Vec::as_slice).unwrap_or_default()
}
