//! Refunds that Stripe refuses, for now or for ever, or of which it leaves open whether it makes them: money goes back
//! once, and what can still go back goes back in the end.

use quittance_test_support::{TestDatabase, wait_until};
use serde_json::{Value, json};

use crate::books::Books;
use crate::front::Front;
use crate::shop::{AMOUNT, Payable, Shop};
use crate::tally::all_delivered;
use crate::world::{NO_WALK, Webhooks, World};

quittance_test_support::on_both_databases! {
    what_stripe_refuses_for_now_goes_back_later,
    what_stripe_refuses_for_ever_has_failed,
    what_a_person_asks_for_is_refused_at_once,
    an_answer_that_is_not_stripes_refuses_no_refund,
    what_stripe_completes_after_an_error_is_not_made_twice,
    what_came_to_nothing_by_an_error_is_made_a_day_later,
}

/// A service that reaches Stripe through somebody.
async fn behind_a_front(database: &TestDatabase) -> (World<'_>, Shop, Front) {
    let mut world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let front = Front::of(&world.stripe);
    let url = front.url();
    world.kill();
    world.revive(&[NO_WALK[0], ("STRIPE_API_BASE", &url)]).await;
    let shop = Shop::open(&world).await;
    (world, shop, front)
}

async fn paid(shop: &Shop, name: &str) -> Payable {
    let payable = shop.payable(name).await;
    shop.confirm(&payable.payment_intent_id).await;
    shop.see_paid(&payable.order_id).await;
    payable
}

/// An order that is paid, and paid once more on a page that was closed.
async fn paid_twice(shop: &Shop, name: &str) -> String {
    let order_id = shop.place(name).await;
    let page = shop.hosting(&order_id).insist().await.expect(200).text_of("checkout_session_id");
    let intent = shop.paying(&order_id).insist().await.expect(200).text_of("payment_intent_id");
    shop.confirm(&intent).await;
    shop.see_paid(&order_id).await;
    shop.control(&format!("checkout/sessions/{page}/succeed"), "").await;
    order_id
}

fn refusal(code: &str) -> Value {
    json!({ "type": "invalid_request_error", "code": code, "message": "Not now." })
}

/// Waits until there is one refund, and as many rows of it like this as there are to be.
async fn see_refund(world: &World<'_>, like: &str) {
    let rows = format!("refunds WHERE {like}");
    wait_until(like, async || world.count(&rows).await == 1).await;
    assert_eq!(world.count("refunds").await, 1);
}

/// Has the worker take refunds up again and again, until this is so.
async fn drive_until(world: &World<'_>, is_so: impl AsyncFn() -> bool) {
    wait_until("the worker has resumed the refunds", async || {
        world.let_redrives_be_due().await;
        is_so().await
    })
    .await;
}

/// How often Stripe was asked which refunds there are.
fn looks(world: &World<'_>) -> usize {
    let is_look = |asked: &&Value| asked["path"] == "/v1/refunds" && asked["method"] == "GET";
    world.asked_of_stripe().iter().filter(is_look).count()
}

async fn only_refund(shop: &Shop, order_id: &str) -> Value {
    let refunds = shop.refunds(order_id).await;
    let [refund] = refunds.as_slice() else { panic!("not one refund: {refunds:?}") };
    refund.clone()
}

async fn given_back(world: &World<'_>, shop: &Shop, order_id: &str) -> (usize, i64) {
    let books = Books::read(world, shop).await;
    let at_stripe = books.of(order_id);
    (at_stripe.refunds.len(), at_stripe.refunded())
}

async fn what_stripe_refuses_for_now_goes_back_later(database: &TestDatabase) {
    let (world, shop, front) = behind_a_front(database).await;
    front.say(400, &refusal("balance_insufficient"));
    let order_id = paid_twice(&shop, "twice").await;
    see_refund(&world, "key_number = 1").await;
    let refund = only_refund(&shop, &order_id).await;
    let shown = ["cause", "status", "failure_reason", "stripe_refund_id"].map(|field| refund[field].clone());
    assert_eq!(shown, [json!("surplus"), json!("pending"), json!(null), json!(null)], "{refund}");
    let timeline = shop.timeline(&order_id).await;
    let is_refused =
        |entry: &&Value| entry["what"] == "refunds.create" && entry["reason"] == "balance_insufficient";
    assert_eq!(timeline.iter().filter(is_refused).count(), 1, "{timeline:?}");
    assert!(world.logs().contains("it stays pending and is retried"), "the log has no advice");
    // It is not asked for before its time, and never under a key that Stripe has answered.
    for number in 2..=3 {
        world.let_redrives_be_due().await;
        see_refund(&world, &format!("key_number = {number}")).await;
    }
    let id = refund["id"].as_str().expect("an id");
    assert_eq!(front.keys(), [id.to_owned(), format!("{id}-1"), format!("{id}-2")]);
    assert_eq!(world.count("outbox WHERE kind = 'refund.failed'").await, 0);

    front.let_through();
    world.let_redrives_be_due().await;
    see_refund(&world, "stripe_refund_id IS NOT NULL").await;
    all_delivered(&world).await;
    assert_eq!(front.keys().last(), Some(&format!("{id}-3")));
    assert_eq!(only_refund(&shop, &order_id).await["status"], "succeeded");
    assert_eq!(given_back(&world, &shop, &order_id).await, (1, AMOUNT));
}

async fn what_stripe_refuses_for_ever_has_failed(database: &TestDatabase) {
    let (world, shop, front) = behind_a_front(database).await;
    front.say(400, &refusal("charge_disputed"));
    let order_id = paid_twice(&shop, "twice").await;
    see_refund(&world, "refused = 'charge_disputed'").await;
    let refund = only_refund(&shop, &order_id).await;
    assert_eq!((&refund["status"], &refund["cause"]), (&json!("failed"), &json!("surplus")), "{refund}");
    assert_eq!(world.count("refunds WHERE resume_at IS NOT NULL").await, 0);
    assert_eq!(world.count("outbox WHERE kind = 'refund.failed'").await, 1);
    assert_eq!(front.keys().len(), 1);
}

async fn what_a_person_asks_for_is_refused_at_once(database: &TestDatabase) {
    let (world, shop, front) = behind_a_front(database).await;
    let order_id = paid(&shop, "once").await.order_id;
    front.say(400, &refusal("balance_insufficient"));
    let refused = shop.refunding(&order_id, Some(700), "first").insist().await;
    assert_eq!((refused.status, refused.problem()), (409, "refund_refused"), "{}", refused.text);
    see_refund(&world, "refused = 'balance_insufficient' AND resume_at IS NULL").await;
    front.let_through();
    shop.refunding(&order_id, Some(700), "second").insist().await.expect(201);
    shop.see_become(&order_id, "partially_refunded").await;
    assert_eq!(given_back(&world, &shop, &order_id).await, (1, 700));
}

async fn an_answer_that_is_not_stripes_refuses_no_refund(database: &TestDatabase) {
    let (world, shop, front) = behind_a_front(database).await;
    let order_id = paid(&shop, "once").await.order_id;
    front.show_page(403);
    let refund = shop.refunding(&order_id, Some(700), "refund").insist().await.expect(201).body;
    assert_eq!(refund["status"], "pending", "{refund}");
    drive_until(&world, async || front.keys().len() > 7).await;
    front.let_through();
    drive_until(&world, async || world.count("refunds WHERE stripe_refund_id IS NOT NULL").await == 1).await;
    assert!(front.keys().iter().all(|key| *key == refund["id"]), "{:?}", front.keys());
    assert_eq!(given_back(&world, &shop, &order_id).await, (1, 700));
}

/// A refund that was answered by an error that Stripe keeps, and looked for again and again.
async fn left_open(world: &World<'_>, shop: &Shop, front: &Front) -> (String, String) {
    let order_id = paid(shop, "once").await.order_id;
    front.say(500, &json!({ "type": "api_error", "message": "Sorry." }));
    let refund = shop.refunding(&order_id, Some(700), "refund").insist().await.expect(201).body;
    assert_eq!(refund["status"], "pending", "{refund}");
    front.let_through();
    drive_until(world, async || world.count("refunds WHERE resume_count > 3").await == 1).await;
    let id = refund["id"].as_str().expect("an id").to_owned();
    assert!(front.keys().iter().all(|key| *key == id), "asked for anew: {:?}", front.keys());
    assert_eq!(given_back(world, shop, &order_id).await, (0, 0));
    (order_id, id)
}

/// Stripe finishes what its error has left half-done, and nobody hears of it.
async fn what_stripe_completes_after_an_error_is_not_made_twice(database: &TestDatabase) {
    let (world, shop, front) = behind_a_front(database).await;
    let (order_id, id) = left_open(&world, &shop, &front).await;
    all_delivered(&world).await;
    world.control("deliveries", "mode=drop").await;
    let intent = Books::read(&world, &shop).await.of(&order_id).intents[0]["id"].clone();
    let intent = intent.as_str().expect("an id");
    let form = format!("payment_intent={intent}&amount=700&metadata[refund_id]={id}");
    shop.stripe.post("/v1/refunds").form(&form).send().await.expect(200);
    drive_until(&world, async || world.count("refunds WHERE stripe_refund_id IS NOT NULL").await == 1).await;
    assert_eq!(shop.order(&order_id).await["status"], "partially_refunded");
    assert_eq!(only_refund(&shop, &order_id).await["id"], id.as_str());
    assert_eq!(given_back(&world, &shop, &order_id).await, (1, 700));
}

async fn what_came_to_nothing_by_an_error_is_made_a_day_later(database: &TestDatabase) {
    let (world, shop, front) = behind_a_front(database).await;
    let (order_id, id) = left_open(&world, &shop, &front).await;
    // Too old to be sent, and something may still come of it.
    world.let_refund_keys_be(chrono::Duration::minutes(23 * 60 + 30)).await;
    let before = looks(&world);
    // One look may have begun before that.
    drive_until(&world, async || looks(&world) > before + 1).await;
    let (asked, before) = (front.keys().len(), looks(&world));
    drive_until(&world, async || looks(&world) > before + 2).await;
    assert_eq!(front.keys().len(), asked);
    assert_eq!(given_back(&world, &shop, &order_id).await, (0, 0));
    // Now nothing can come of it any more.
    world.let_refund_keys_be(chrono::Duration::minutes(24 * 60 + 1)).await;
    drive_until(&world, async || world.count("refunds WHERE stripe_refund_id IS NOT NULL").await == 1).await;
    assert_eq!(shop.order(&order_id).await["status"], "partially_refunded");
    assert_eq!(front.keys()[asked..], [format!("{id}-1")]);
    assert_eq!(given_back(&world, &shop, &order_id).await, (1, 700));
}
