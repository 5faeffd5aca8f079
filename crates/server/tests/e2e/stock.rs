//! Limited stock. The sold, reserved and remaining units always add up.

use quittance_test_support::{TestDatabase, wait_until};
use rand::RngExt;
use tokio::task::JoinSet;

use crate::environment::{Environment, NO_BACKFILL, Webhooks, expire_order};
use crate::invariants::wait_until_idle;
use crate::seed::{exhaustive, rng, seed};
use crate::storefront::{AMOUNT, Storefront};
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    last_unit_is_sold_once,
    late_payment_takes_remaining_stock,
    late_payment_without_stock_requires_review,
    late_payment_is_refunded_if_configured,
    every_payment_under_review_is_refunded_if_configured,
}

/// The initial stock.
const UNITS: i64 = 10;

/// The next action of a buyer with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BuyerAction {
    Pay,
    PayOnPage,
    Cancel,
    WalkAway,
}

/// All buyers order at once, and some of them cancel or let the order expire. The other buyers try again.
async fn last_unit_is_sold_once(database: &TestDatabase) {
    let seed = seed();
    let buyers = if exhaustive() { 1_000 } else { 200 };
    let env = Environment::start(database, Webhooks::Delivered).await;
    let shop = Storefront::open_with_stock(&env, Some(UNITS)).await;

    let mut sold = 0;
    for wave in 0..20 {
        let mut waiting = JoinSet::new();
        for buyer in 0..buyers {
            waiting.spawn(place(shop.clone(), format!("wave-{wave}-buyer-{buyer}")));
        }
        let placed: Vec<String> = waiting.join_all().await.into_iter().flatten().collect();
        // The buyers get exactly the remaining units.
        assert_eq!((i64::try_from(placed.len()), shop.stock().await), (Ok(UNITS - sold), 0));
        let mut deciding = JoinSet::new();
        for (place, order_id) in placed.into_iter().enumerate() {
            let next = match rng(seed, wave * 100 + place).random_range(0..5) {
                0 => BuyerAction::Pay,
                1 => BuyerAction::PayOnPage,
                2 | 3 => BuyerAction::Cancel,
                _ => BuyerAction::WalkAway,
            };
            deciding.spawn(decide(shop.clone(), order_id, next));
        }
        let decided = deciding.join_all().await;
        sold += i64::try_from(decided.iter().filter(|(_, next)| is_paying(*next)).count()).expect("a few");
        for (order_id, _) in decided.iter().filter(|(_, next)| *next == BuyerAction::WalkAway) {
            expire_order(env.database, order_id).await;
            shop.wait_for_status(order_id, "expired").await;
        }
        assert_eq!(shop.stock().await, UNITS - sold);
        if sold == UNITS {
            break;
        }
    }

    assert_eq!(sold, UNITS, "too few buyers paid; use another seed");

    wait_until_idle(&env).await;

    assert_eq!(env.count("orders WHERE status = 'paid'").await, UNITS);
    assert_eq!(env.count("orders WHERE status NOT IN ('paid', 'canceled', 'expired')").await, 0);
    assert_eq!(env.count("outbox WHERE kind = 'order.paid'").await, UNITS);
    assert_eq!(shop.stock().await, 0);
}

fn is_paying(next: BuyerAction) -> bool {
    matches!(next, BuyerAction::Pay | BuyerAction::PayOnPage)
}

/// Places an order if a unit is left.
async fn place(shop: Storefront, name: String) -> Option<String> {
    let answer = shop.place_request(&name).send_with_retries().await;
    if answer.status == 201 {
        return Some(answer.text_of("id"));
    }
    assert_eq!((answer.status, answer.problem()), (409, "insufficient_stock"), "{}", answer.text);
    None
}

async fn decide(shop: Storefront, order_id: String, next: BuyerAction) -> (String, BuyerAction) {
    match next {
        BuyerAction::Pay => {
            let answer = shop.intent_request(&order_id).send_with_retries().await.expect(200);
            shop.confirm(&answer.text_of("payment_intent_id")).await;
            shop.wait_until_paid(&order_id).await;
        }
        BuyerAction::PayOnPage => {
            let answer = shop.session_request(&order_id).send_with_retries().await.expect(200);
            shop.pay_page(&answer.text_of("checkout_session_id"), "pm_card_visa").await.expect(200);
            shop.wait_until_paid(&order_id).await;
        }
        BuyerAction::Cancel => {
            shop.intent_request(&order_id).send_with_retries().await.expect(200);
            let canceled = shop.cancel_request(&order_id).send_with_retries().await.expect(200);
            assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
        }
        BuyerAction::WalkAway => {
            shop.intent_request(&order_id).send_with_retries().await.expect(200);
        }
    }
    (order_id, next)
}

/// Creates an expired order for the last unit. Returns the order ID and its canceled PaymentIntent.
async fn expired(env: &Environment<'_>, shop: &Storefront, name: &str) -> (String, String) {
    let payable = shop.intent_order(name).await;
    expire_order(env.database, &payable.order_id).await;
    shop.wait_for_status(&payable.order_id, "expired").await;
    assert_eq!(shop.at_stripe(&payable.payment_intent_id).await["status"], "canceled");
    (payable.order_id, payable.payment_intent_id)
}

/// Makes a canceled payment succeed, as a bank can.
async fn succeed(env: &Environment<'_>, payment_intent_id: &str) {
    env.control(&format!("payment_intents/{payment_intent_id}/succeed"), "").await;
}

async fn late_payment_takes_remaining_stock(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_stock(&env, Some(1)).await;

    let (order_id, intent) = expired(&env, &shop, "late").await;

    assert_eq!(shop.stock().await, 1);

    succeed(&env, &intent).await;
    shop.wait_for_status(&order_id, "paid").await;

    assert_eq!(shop.stock().await, 0);
}

async fn late_payment_without_stock_requires_review(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_stock(&env, Some(1)).await;

    let (order_id, intent) = expired(&env, &shop, "too-late").await;
    let buyer = shop.intent_order("in-time").await;
    shop.confirm(&buyer.payment_intent_id).await;
    shop.wait_until_paid(&buyer.order_id).await;
    succeed(&env, &intent).await;
    shop.wait_for_status(&order_id, "review").await;
    wait_until_idle(&env).await;

    // Nothing is refunded automatically.
    let order = shop.order(&order_id).await;

    assert_eq!(order["review_reason"], "succeeded_after_expiry", "{order}");
    assert_eq!((shop.stock().await, shop.refunds(&order_id).await.len()), (0, 0));

    // A manual refund ends the review.
    shop.refund_request(&order_id, None, "by-hand").send_with_retries().await.expect(201);
    shop.wait_for_status(&order_id, "expired").await;

    assert_eq!(StripeObjects::read(&env, &shop).await.for_order(&order_id).refunded(), AMOUNT);
    assert_eq!(shop.stock().await, 0, "an order without stock must not return any");
}

/// Creates an order that was paid too late, and an order with a wrong amount.
async fn under_review(env: &Environment<'_>, shop: &Storefront) -> (String, String) {
    let late = shop.intent_order("canceled").await;
    shop.cancel_request(&late.order_id).send_with_retries().await.expect(200);
    succeed(env, &late.payment_intent_id).await;
    let other = shop.intent_order("wrong-amount").await;
    let path = format!("/v1/payment_intents/{}", other.payment_intent_id);
    env.stripe.post(path).form("amount=700").send().await.expect(200);
    shop.confirm(&other.payment_intent_id).await;
    (late.order_id, other.order_id)
}

async fn late_payment_is_refunded_if_configured(database: &TestDatabase) {
    let settings = [NO_BACKFILL[0], ("QUITTANCE_REVIEW_REFUND", "late")];
    let env = Environment::start_with(database, Webhooks::Delivered, &settings).await;
    let shop = Storefront::open(&env).await;

    let (late, other) = under_review(&env, &shop).await;

    assert_review_refunded(&env, &shop, &late, AMOUNT).await;
    assert_eq!(shop.order(&late).await["status"], "canceled");

    // A wrong amount waits for a manual review.
    shop.wait_for_status(&other, "review").await;
    wait_until_idle(&env).await;
    let order = shop.order(&other).await;

    assert_eq!((&order["status"], &order["review_reason"]), (&"review".into(), &"wrong_amount".into()));
    assert!(shop.refunds(&other).await.is_empty());
}

async fn every_payment_under_review_is_refunded_if_configured(database: &TestDatabase) {
    let settings = [NO_BACKFILL[0], ("QUITTANCE_REVIEW_REFUND", "always")];
    let env = Environment::start_with(database, Webhooks::Delivered, &settings).await;
    let shop = Storefront::open(&env).await;

    let (late, other) = under_review(&env, &shop).await;

    assert_review_refunded(&env, &shop, &late, AMOUNT).await;
    assert_review_refunded(&env, &shop, &other, 700).await;

    // The order with the wrong amount can still be paid.
    let again =
        shop.api.post(format!("/v1/orders/{other}/payment_intent")).send_with_retries().await.expect(200);
    shop.confirm(&again.text_of("payment_intent_id")).await;
    shop.wait_until_paid(&other).await;
    let objects = StripeObjects::read(&env, &shop).await;

    assert_eq!(objects.for_order(&other).received() - objects.for_order(&other).refunded(), AMOUNT);
}

async fn assert_review_refunded(env: &Environment<'_>, shop: &Storefront, order_id: &str, amount: i64) {
    wait_until("the refund succeeds", async || {
        let refunds = shop.refunds(order_id).await;
        refunds.iter().any(|refund| refund["status"] == "succeeded")
    })
    .await;
    wait_until_idle(env).await;
    let refunds = shop.refunds(order_id).await;
    let [refund] = refunds.as_slice() else { panic!("expected one refund: {refunds:?}") };
    assert_eq!((&refund["cause"], &refund["amount"]), (&"review".into(), &amount.into()), "{refund}");
    assert_eq!(refund["surplus"], true, "{refund}");
    let objects = StripeObjects::read(env, shop).await;
    assert_eq!(
        (objects.for_order(order_id).refunded(), objects.for_order(order_id).refunds.len()),
        (amount, 1)
    );
    assert!(shop.order(order_id).await["review_reason"].is_null());
}
