//! Refunds that Stripe refuses temporarily or permanently, or whose outcome is unknown. Each refund happens at most
//! once, and every possible refund happens in the end.

use quittance_test_support::{TestDatabase, wait_until};
use serde_json::{Value, json};

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::invariants::wait_until_delivered;
use crate::refund_proxy::RefundProxy;
use crate::storefront::{AMOUNT, IntentOrder, Storefront};
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    temporarily_refused_refund_is_retried,
    permanently_refused_refund_fails,
    requested_refund_refused_by_stripe_fails_immediately,
    refund_answered_by_proxy_error_stays_pending,
    refund_completed_after_error_is_not_repeated,
    refund_lost_in_error_is_retried_after_key_expiry,
}

/// Starts a service that reaches Stripe through a proxy.
async fn start_behind_proxy(database: &TestDatabase) -> (Environment<'_>, Storefront, RefundProxy) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let proxy = RefundProxy::start(&env.stripe);
    let url = proxy.url();
    env.kill();
    env.restart(&[NO_BACKFILL[0], ("STRIPE_API_BASE", &url)]).await;
    let shop = Storefront::open(&env).await;
    (env, shop, proxy)
}

async fn paid(shop: &Storefront, name: &str) -> IntentOrder {
    let payable = shop.intent_order(name).await;
    shop.confirm(&payable.payment_intent_id).await;
    shop.wait_until_paid(&payable.order_id).await;
    payable
}

/// Places an order that is paid twice: by a PaymentIntent, and on a closed page.
async fn paid_twice(shop: &Storefront, name: &str) -> String {
    let order_id = shop.place(name).await;
    let page =
        shop.session_request(&order_id).send_with_retries().await.expect(200).text_of("checkout_session_id");
    let intent =
        shop.intent_request(&order_id).send_with_retries().await.expect(200).text_of("payment_intent_id");
    shop.confirm(&intent).await;
    shop.wait_until_paid(&order_id).await;
    shop.control(&format!("checkout/sessions/{page}/succeed"), "").await;
    order_id
}

fn refusal(code: &str) -> Value {
    json!({ "type": "invalid_request_error", "code": code, "message": "Not now." })
}

/// Waits until exactly one refund exists and matches this condition.
async fn wait_for_refund(env: &Environment<'_>, like: &str) {
    let rows = format!("refunds WHERE {like}");
    wait_until(like, async || env.count(&rows).await == 1).await;
    assert_eq!(env.count("refunds").await, 1);
}

/// Makes the worker resume refunds until the condition holds.
async fn resume_until(env: &Environment<'_>, condition: impl AsyncFn() -> bool) {
    wait_until("the worker has resumed the refunds", async || {
        env.make_resumes_due().await;
        condition().await
    })
    .await;
}

/// Returns the number of requests for lists of refunds.
fn refund_list_requests(env: &Environment<'_>) -> usize {
    let is_look = |asked: &&Value| asked["path"] == "/v1/refunds" && asked["method"] == "GET";
    env.stripe_requests().iter().filter(is_look).count()
}

async fn only_refund(shop: &Storefront, order_id: &str) -> Value {
    let refunds = shop.refunds(order_id).await;
    let [refund] = refunds.as_slice() else { panic!("expected one refund: {refunds:?}") };
    refund.clone()
}

async fn refunded_at_stripe(env: &Environment<'_>, shop: &Storefront, order_id: &str) -> (usize, i64) {
    let objects = StripeObjects::read(env, shop).await;
    let at_stripe = objects.for_order(order_id);
    (at_stripe.refunds.len(), at_stripe.refunded())
}

async fn temporarily_refused_refund_is_retried(database: &TestDatabase) {
    let (env, shop, proxy) = start_behind_proxy(database).await;

    proxy.answer_with_error(400, &refusal("balance_insufficient"));
    let order_id = paid_twice(&shop, "twice").await;
    wait_for_refund(&env, "key_number = 1").await;
    let refund = only_refund(&shop, &order_id).await;
    let shown = ["cause", "status", "failure_reason", "stripe_refund_id"].map(|field| refund[field].clone());
    assert_eq!(shown, [json!("surplus"), json!("pending"), json!(null), json!(null)], "{refund}");
    let timeline = shop.timeline(&order_id).await;
    let is_refused =
        |entry: &&Value| entry["what"] == "refunds.create" && entry["reason"] == "balance_insufficient";
    assert_eq!(timeline.iter().filter(is_refused).count(), 1, "{timeline:?}");
    assert!(env.logs().contains("it stays pending and is retried"), "the log has no advice");

    // The service waits for the retry time, and uses each key only once.
    for number in 2..=3 {
        env.make_resumes_due().await;
        wait_for_refund(&env, &format!("key_number = {number}")).await;
    }
    let id = refund["id"].as_str().expect("an id");
    assert_eq!(proxy.keys(), [id.to_owned(), format!("{id}-1"), format!("{id}-2")]);
    assert_eq!(env.count("outbox WHERE kind = 'refund.failed'").await, 0);

    proxy.forward();
    env.make_resumes_due().await;
    wait_for_refund(&env, "stripe_refund_id IS NOT NULL").await;
    wait_until_delivered(&env).await;

    assert_eq!(proxy.keys().last(), Some(&format!("{id}-3")));
    assert_eq!(only_refund(&shop, &order_id).await["status"], "succeeded");
    assert_eq!(refunded_at_stripe(&env, &shop, &order_id).await, (1, AMOUNT));
}

async fn permanently_refused_refund_fails(database: &TestDatabase) {
    let (env, shop, proxy) = start_behind_proxy(database).await;

    proxy.answer_with_error(400, &refusal("charge_disputed"));
    let order_id = paid_twice(&shop, "twice").await;
    wait_for_refund(&env, "refused = 'charge_disputed'").await;
    let refund = only_refund(&shop, &order_id).await;

    assert_eq!((&refund["status"], &refund["cause"]), (&json!("failed"), &json!("surplus")), "{refund}");
    assert_eq!(env.count("refunds WHERE resume_at IS NOT NULL").await, 0);
    assert_eq!(env.count("outbox WHERE kind = 'refund.failed'").await, 1);
    assert_eq!(proxy.keys().len(), 1);
}

async fn requested_refund_refused_by_stripe_fails_immediately(database: &TestDatabase) {
    let (env, shop, proxy) = start_behind_proxy(database).await;

    let order_id = paid(&shop, "once").await.order_id;
    proxy.answer_with_error(400, &refusal("balance_insufficient"));
    let refused = shop.refund_request(&order_id, Some(700), "first").send_with_retries().await;

    assert_eq!((refused.status, refused.problem()), (409, "refund_refused"), "{}", refused.text);

    wait_for_refund(&env, "refused = 'balance_insufficient' AND resume_at IS NULL").await;
    proxy.forward();
    shop.refund_request(&order_id, Some(700), "second").send_with_retries().await.expect(201);
    shop.wait_for_status(&order_id, "partially_refunded").await;

    assert_eq!(refunded_at_stripe(&env, &shop, &order_id).await, (1, 700));
}

async fn refund_answered_by_proxy_error_stays_pending(database: &TestDatabase) {
    let (env, shop, proxy) = start_behind_proxy(database).await;

    let order_id = paid(&shop, "once").await.order_id;
    proxy.answer_with_page(403);
    let refund =
        shop.refund_request(&order_id, Some(700), "refund").send_with_retries().await.expect(201).body;

    assert_eq!(refund["status"], "pending", "{refund}");

    resume_until(&env, async || proxy.keys().len() > 7).await;
    proxy.forward();
    resume_until(&env, async || env.count("refunds WHERE stripe_refund_id IS NOT NULL").await == 1).await;

    assert!(proxy.keys().iter().all(|key| *key == refund["id"]), "{:?}", proxy.keys());
    assert_eq!(refunded_at_stripe(&env, &shop, &order_id).await, (1, 700));
}

/// Requests a refund that gets a stored error, and lets the service search for it repeatedly.
async fn refund_with_unknown_outcome(
    env: &Environment<'_>,
    shop: &Storefront,
    proxy: &RefundProxy,
) -> (String, String) {
    let order_id = paid(shop, "once").await.order_id;
    proxy.answer_with_error(500, &json!({ "type": "api_error", "message": "Sorry." }));
    let refund =
        shop.refund_request(&order_id, Some(700), "refund").send_with_retries().await.expect(201).body;
    assert_eq!(refund["status"], "pending", "{refund}");
    proxy.forward();
    resume_until(env, async || env.count("refunds WHERE resume_count > 3").await == 1).await;
    let id = refund["id"].as_str().expect("an id").to_owned();
    assert!(proxy.keys().iter().all(|key| *key == id), "the service used another key: {:?}", proxy.keys());
    assert_eq!(refunded_at_stripe(env, shop, &order_id).await, (0, 0));
    (order_id, id)
}

/// Stripe completes the refund after its error, but no event arrives.
async fn refund_completed_after_error_is_not_repeated(database: &TestDatabase) {
    let (env, shop, proxy) = start_behind_proxy(database).await;

    let (order_id, id) = refund_with_unknown_outcome(&env, &shop, &proxy).await;
    wait_until_delivered(&env).await;
    env.control("deliveries", "mode=drop").await;
    let intent = StripeObjects::read(&env, &shop).await.for_order(&order_id).intents[0]["id"].clone();
    let intent = intent.as_str().expect("an id");
    let form = format!("payment_intent={intent}&amount=700&metadata[refund_id]={id}");
    shop.stripe.post("/v1/refunds").form(&form).send().await.expect(200);
    resume_until(&env, async || env.count("refunds WHERE stripe_refund_id IS NOT NULL").await == 1).await;

    assert_eq!(shop.order(&order_id).await["status"], "partially_refunded");
    assert_eq!(only_refund(&shop, &order_id).await["id"], id.as_str());
    assert_eq!(refunded_at_stripe(&env, &shop, &order_id).await, (1, 700));
}

async fn refund_lost_in_error_is_retried_after_key_expiry(database: &TestDatabase) {
    let (env, shop, proxy) = start_behind_proxy(database).await;

    let (order_id, id) = refund_with_unknown_outcome(&env, &shop, &proxy).await;

    // The key is too old to send again, but Stripe may still complete the refund.
    env.set_refund_key_age(chrono::Duration::minutes(23 * 60 + 30)).await;
    let before = refund_list_requests(&env);

    // One search may have started earlier.
    resume_until(&env, async || refund_list_requests(&env) > before + 1).await;
    let (asked, before) = (proxy.keys().len(), refund_list_requests(&env));
    resume_until(&env, async || refund_list_requests(&env) > before + 2).await;

    assert_eq!(proxy.keys().len(), asked);
    assert_eq!(refunded_at_stripe(&env, &shop, &order_id).await, (0, 0));

    // Stripe can't complete the refund anymore.
    env.set_refund_key_age(chrono::Duration::minutes(24 * 60 + 1)).await;
    resume_until(&env, async || env.count("refunds WHERE stripe_refund_id IS NOT NULL").await == 1).await;

    assert_eq!(shop.order(&order_id).await["status"], "partially_refunded");
    assert_eq!(proxy.keys()[asked..], [format!("{id}-1")]);
    assert_eq!(refunded_at_stripe(&env, &shop, &order_id).await, (1, 700));
}
