//! The timeline explains in one request why an order is stuck.

use std::collections::HashSet;

use quittance_test_support::TestDatabase;
use serde_json::Value;

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::event::Source;
use crate::invariants::wait_until_idle;
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! { timeline_explains_stuck_order }

fn find<'a>(timeline: &'a [Value], kind: &str, what: &str) -> Vec<&'a Value> {
    timeline.iter().filter(|entry| entry["kind"] == kind && entry["what"] == what).collect()
}

fn one<'a>(timeline: &'a [Value], kind: &str, what: &str) -> &'a Value {
    let found = find(timeline, kind, what);
    assert_eq!(found.len(), 1, "{kind} {what}: {timeline:#?}");
    found[0]
}

/// Brings an order into review: it is paid after it was canceled. Another payment names it without belonging to it.
async fn make_stuck(env: &Environment<'_>, shop: &Storefront) -> String {
    // Stripe is unavailable for a moment, and the customer's first payment is declined.
    env.control("chaos/next", "route=POST /v1/payment_intents&fault=rate_limit").await;
    let payable = shop.intent_order("stuck").await;
    let order_id = payable.order_id.clone();
    shop.confirm_with(&payable.payment_intent_id, "pm_card_visa_chargeDeclined").await.expect(402);
    shop.wait_for_status(&order_id, "payment_failed").await;
    for nth in 1..=5 {
        let form = format!("route=POST /v1/payment_intents/{{id}}/cancel&fault=server_error&nth={nth}");
        env.control("chaos/next", &form).await;
    }
    let away = shop.cancel_request(&order_id).send().await;
    assert_eq!((away.status, away.problem()), (503, "stripe_unavailable"));
    env.stripe.delete("/_sandbox/chaos").send().await.expect(200);
    shop.cancel_request(&order_id).send_with_retries().await.expect(200);
    let mut stranger = Source::new(shop, payable.clone()).await.succeeded();
    stranger.object()["id"] = "pi_of_somebody_else".into();
    stranger.object()["metadata"]["payment_id"] = "pay_01kb3m9q4e8v2tz6h0rxw5ncy7".into();
    stranger.deliver(&env.api).await.expect(200);
    env.control(&format!("payment_intents/{}/succeed", payable.payment_intent_id), "").await;
    shop.wait_for_status(&order_id, "review").await;
    wait_until_idle(env).await;
    order_id
}

/// Asserts that the timeline shows the requests, with Stripe's request IDs and the failures.
async fn assert_shows_requests(env: &Environment<'_>, timeline: &[Value]) {
    one(timeline, "act", "payment.begun");
    let made = one(timeline, "request", "payment_intents.create");
    let closed = find(timeline, "request", "payment_intents.cancel");
    let outcomes: Vec<_> = closed.iter().map(|entry| entry["outcome"].as_str()).collect();
    assert_eq!(outcomes, [Some("failed"), Some("succeeded")], "{closed:?}");
    assert!(closed[0]["reason"].is_string(), "{closed:?}");
    let logged: HashSet<String> = env
        .stripe_list("/v1/events")
        .await
        .iter()
        .filter_map(|event| event["request"]["id"].as_str().map(str::to_owned))
        .collect();
    for request in [made, closed[1]] {
        let id = request["request_id"].as_str().expect("Stripe's id");
        assert!(logged.contains(id), "{id} is in Stripe's log: {logged:?}");
    }
}

/// Asserts that the timeline shows the events with their outcomes, the decisions, and the shop's notifications.
fn assert_shows_events(timeline: &[Value]) {
    for what in ["payment_intent.payment_failed", "payment_intent.canceled"] {
        assert_eq!(one(timeline, "fact", what)["outcome"], "applied");
    }
    let successes = find(timeline, "fact", "payment_intent.succeeded");
    let said: Vec<_> =
        successes.iter().map(|entry| (entry["outcome"].as_str(), entry["reason"].as_str())).collect();
    assert!(said.contains(&(Some("applied"), None)), "{said:?}");
    assert!(said.contains(&(Some("ignored"), Some("unknown_attempt"))), "{said:?}");
    assert_eq!(one(timeline, "decision", "closed")["outcome"], "canceled");
    for what in ["order.created", "order.payment_failed", "order.canceled", "order.review_required"] {
        one(timeline, "effect", what);
    }
    assert!(find(timeline, "effect", "order.paid").is_empty());
}

async fn timeline_explains_stuck_order(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open(&env).await;

    let placed = shop.place_request("stuck").send_with_retries().await.expect(201);
    let token = placed.text_of("client_token");
    let order_id = make_stuck(&env, &shop).await;
    let timeline = shop.timeline(&order_id).await;
    assert_eq!(timeline[0]["what"], "order.placed");
    let times: Vec<&str> = timeline.iter().map(|entry| entry["at"].as_str().expect("a time")).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_shows_requests(&env, &timeline).await;
    assert_shows_events(&timeline);

    // The timeline contains no secrets, no customer data and no payloads.
    let text = serde_json::to_string(&timeline).expect("it is JSON");
    for hidden in ["ada@example.org", "_secret_", "sk_test", "\"payload\""] {
        assert!(!text.contains(hidden), "{hidden} is in the timeline");
    }

    // The order's holder sees a short version.
    let path = format!("/v1/orders/{order_id}/timeline");
    let short = env.api.with(Some(&token)).get(path.clone()).send().await.expect(200);
    let entries = short.body["data"].as_array().expect("a list");

    assert!(!entries.is_empty() && entries.len() < timeline.len());
    assert!(
        entries.iter().all(|entry| entry.as_object().is_some_and(|fields| fields.len() == 3)),
        "{entries:?}"
    );
    env.api.with(None).get(path).send().await.expect(401);
}
