//! What must be true of every order in the end, whatever happened on the way.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::process::wait_for;
use crate::shop::Fate;
use crate::world::{Webhooks, World};

/// Waits until nothing is left to do: no event to be delivered, no attempt or refund to be driven on, no request in flight.
pub(crate) async fn come_to_rest(world: &World<'_>) {
    all_delivered(world).await;
    all_driven(world).await;
}

/// Waits until no attempt or refund is left to be driven on, and no request is in flight.
pub(crate) async fn all_driven(world: &World<'_>) {
    wait_for("everything to be driven on", async || {
        let left = ["payments WHERE redrive_at IS NOT NULL", "refunds WHERE redrive_at IS NOT NULL"];
        if world.count(left[0]).await + world.count(left[1]).await == 0 {
            return Some(());
        }
        world.let_redrives_be_due().await;
        None
    })
    .await;
    wait_for("every request to be answered", async || {
        (world.count("idempotency_keys WHERE status IS NULL").await == 0).then_some(())
    })
    .await;
}

/// Waits until Stripe has no event left to deliver.
pub(crate) async fn all_delivered(world: &World<'_>) {
    let events = world.stripe.get("/v1/events?delivery_success=false&limit=1");
    let undelivered = async || events.send().await.expect(200).body["data"] != serde_json::json!([]);
    if world.webhooks == Webhooks::Delivered {
        wait_for("the delivery of every event", async || (!undelivered().await).then_some(())).await;
    }
}

/// Checks what must be true of these orders, by the names they were placed under.
pub(crate) async fn check(world: &World<'_>, fates: &[(String, Fate)]) {
    come_to_rest(world).await;
    let orders = pairs(world, "SELECT customer_reference || ' ' || id AS value FROM orders").await;
    let statuses = pairs(world, "SELECT id || ' ' || status AS value FROM orders").await;
    let outbox = pairs(world, "SELECT order_id || ' ' || kind AS value FROM outbox").await;
    let attempts = pairs(world, "SELECT order_id || ' ' || id AS value FROM payments").await;
    let mut payment_intents: HashMap<String, Vec<Value>> = HashMap::new();
    for payment_intent in world.stripe_list("/v1/payment_intents").await {
        let order_id = payment_intent["metadata"]["order_id"].as_str().unwrap_or_default().to_owned();
        payment_intents.entry(order_id).or_default().push(payment_intent);
    }
    for (name, fate) in fates {
        let [order_id] = of(&orders, name) else {
            panic!("{name} was placed {} times", of(&orders, name).len());
        };
        let at_stripe = payment_intents.get(order_id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(at_stripe.len(), of(&attempts, order_id).len(), "{name}: an attempt is one PaymentIntent");
        let open = at_stripe.iter().filter(|intent| intent["status"] != "canceled").count();
        let paid = of(&outbox, order_id).iter().filter(|kind| *kind == "order.paid").count();
        let canceled = of(&outbox, order_id).iter().filter(|kind| *kind == "order.canceled").count();
        let expected = match fate {
            Fate::Paid => ("paid", 1, 1, 0),
            Fate::Canceled => ("canceled", 0, 0, 1),
        };
        let status = of(&statuses, order_id).join(" ");
        assert_eq!((status.as_str(), open, paid, canceled), expected, "{name} {order_id}: {at_stripe:?}");
    }
    check_inbox(world).await;
}

/// Whatever Stripe takes for delivered is here.
async fn check_inbox(world: &World<'_>) {
    if world.webhooks == Webhooks::Lost {
        return;
    }
    let inbox: HashSet<String> =
        world.texts("SELECT event_id AS value FROM inbox").await.into_iter().collect();
    let delivered = world.stripe_list("/v1/events?delivery_success=true").await;
    assert!(!delivered.is_empty());
    for event in delivered {
        let id = event["id"].as_str().unwrap_or_default();
        assert!(inbox.contains(id), "{id} was acknowledged and is lost");
    }
}

/// Rows of two words: the second words by the first.
async fn pairs(world: &World<'_>, sql: &str) -> HashMap<String, Vec<String>> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for row in world.texts(sql).await {
        if let Some((first, second)) = row.split_once(' ') {
            found.entry(first.to_owned()).or_default().push(second.to_owned());
        }
    }
    found
}

fn of<'a>(pairs: &'a HashMap<String, Vec<String>>, first: &str) -> &'a [String] {
    pairs.get(first).map(Vec::as_slice).unwrap_or_default()
}
