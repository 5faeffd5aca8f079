//! Goods of which there are only so many: what is sold, held and left always adds up.

use quittance_test_support::{TestDatabase, wait_until};
use rand::RngExt;
use tokio::task::JoinSet;

use crate::books::Books;
use crate::seed::{dice, exhaustive, seed};
use crate::shop::{AMOUNT, Shop};
use crate::tally::come_to_rest;
use crate::world::{NO_WALK, Webhooks, World, let_expire};

quittance_test_support::on_both_databases! {
    the_last_unit_is_sold_once,
    money_that_comes_after_expiry_takes_what_is_left,
    late_money_goes_back_where_the_shop_says_so,
    all_money_under_review_goes_back_where_the_shop_says_so,
}

/// How many there are.
const UNITS: i64 = 10;

/// What a buyer does who got one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Pay,
    PayOnPage,
    Cancel,
    WalkAway,
}

/// Everybody comes at once, and some of those who got one give it back; whoever came too late comes again.
async fn the_last_unit_is_sold_once(database: &TestDatabase) {
    let seed = seed();
    let buyers = if exhaustive() { 1_000 } else { 200 };
    let world = World::start(database, Webhooks::Delivered).await;
    let shop = Shop::open_with(&world, Some(UNITS)).await;
    let mut sold = 0;
    for wave in 0..20 {
        let mut waiting = JoinSet::new();
        for buyer in 0..buyers {
            waiting.spawn(place(shop.clone(), format!("wave-{wave}-buyer-{buyer}")));
        }
        let placed: Vec<String> = waiting.join_all().await.into_iter().flatten().collect();
        // All that was left is taken, and no more.
        assert_eq!((i64::try_from(placed.len()), shop.stock().await), (Ok(UNITS - sold), 0));
        let mut deciding = JoinSet::new();
        for (place, order_id) in placed.into_iter().enumerate() {
            let next = match dice(seed, wave * 100 + place).random_range(0..5) {
                0 => Next::Pay,
                1 => Next::PayOnPage,
                2 | 3 => Next::Cancel,
                _ => Next::WalkAway,
            };
            deciding.spawn(decide(shop.clone(), order_id, next));
        }
        let decided = deciding.join_all().await;
        sold += i64::try_from(decided.iter().filter(|(_, next)| is_paying(*next)).count()).expect("a few");
        for (order_id, _) in decided.iter().filter(|(_, next)| *next == Next::WalkAway) {
            let_expire(world.database, order_id).await;
            shop.see_become(order_id, "expired").await;
        }
        assert_eq!(shop.stock().await, UNITS - sold);
        if sold == UNITS {
            break;
        }
    }
    assert_eq!(sold, UNITS, "too few wanted to pay: take another seed");
    come_to_rest(&world).await;
    assert_eq!(world.count("orders WHERE status = 'paid'").await, UNITS);
    assert_eq!(world.count("orders WHERE status NOT IN ('paid', 'canceled', 'expired')").await, 0);
    assert_eq!(world.count("outbox WHERE kind = 'order.paid'").await, UNITS);
    assert_eq!(shop.stock().await, 0);
}

fn is_paying(next: Next) -> bool {
    matches!(next, Next::Pay | Next::PayOnPage)
}

/// Places an order, if there is one left.
async fn place(shop: Shop, name: String) -> Option<String> {
    let answer = shop.placing(&name).insist().await;
    if answer.status == 201 {
        return Some(answer.text_of("id"));
    }
    assert_eq!((answer.status, answer.problem()), (409, "insufficient_stock"), "{}", answer.text);
    None
}

async fn decide(shop: Shop, order_id: String, next: Next) -> (String, Next) {
    match next {
        Next::Pay => {
            let answer = shop.paying(&order_id).insist().await.expect(200);
            shop.confirm(&answer.text_of("payment_intent_id")).await;
            shop.see_paid(&order_id).await;
        }
        Next::PayOnPage => {
            let answer = shop.hosting(&order_id).insist().await.expect(200);
            shop.pay_page(&answer.text_of("checkout_session_id"), "pm_card_visa").await.expect(200);
            shop.see_paid(&order_id).await;
        }
        Next::Cancel => {
            shop.paying(&order_id).insist().await.expect(200);
            let canceled = shop.canceling(&order_id).insist().await.expect(200);
            assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
        }
        Next::WalkAway => {
            shop.paying(&order_id).insist().await.expect(200);
        }
    }
    (order_id, next)
}

/// An order of the last unit that has expired, and its PaymentIntent, which is closed.
async fn expired(world: &World<'_>, shop: &Shop, name: &str) -> (String, String) {
    let payable = shop.payable(name).await;
    let_expire(world.database, &payable.order_id).await;
    shop.see_become(&payable.order_id, "expired").await;
    assert_eq!(shop.at_stripe(&payable.payment_intent_id).await["status"], "canceled");
    (payable.order_id, payable.payment_intent_id)
}

/// The customer's money comes all the same, as it can from a bank.
async fn succeed(world: &World<'_>, payment_intent_id: &str) {
    world.control(&format!("payment_intents/{payment_intent_id}/succeed"), "").await;
}

async fn money_that_comes_after_expiry_takes_what_is_left(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open_with(&world, Some(1)).await;
    let (order_id, intent) = expired(&world, &shop, "late").await;
    assert_eq!(shop.stock().await, 1);
    succeed(&world, &intent).await;
    shop.see_become(&order_id, "paid").await;
    assert_eq!(shop.stock().await, 0);

    // The other one's goods were sold meanwhile: a person has to look, and nothing goes back by itself.
    let shop = Shop::open_with(&world, Some(1)).await;
    let (order_id, intent) = expired(&world, &shop, "too-late").await;
    let buyer = shop.payable("in-time").await;
    shop.confirm(&buyer.payment_intent_id).await;
    shop.see_paid(&buyer.order_id).await;
    succeed(&world, &intent).await;
    shop.see_become(&order_id, "review").await;
    come_to_rest(&world).await;
    let order = shop.order(&order_id).await;
    assert_eq!(order["review_reason"], "succeeded_after_expiry", "{order}");
    assert_eq!((shop.stock().await, shop.refunds(&order_id).await.len()), (0, 0));

    // The person gives it back; that needs no review any more.
    shop.refunding(&order_id, None, "by-hand").insist().await.expect(201);
    shop.see_become(&order_id, "expired").await;
    assert_eq!(Books::read(&world, &shop).await.of(&order_id).refunded(), AMOUNT);
    assert_eq!(shop.stock().await, 0, "what was not taken is not given back");
}

/// An order whose money came too late, and one whose money is not what was asked for.
async fn under_review(world: &World<'_>, shop: &Shop) -> (String, String) {
    let late = shop.payable("canceled").await;
    shop.canceling(&late.order_id).insist().await.expect(200);
    succeed(world, &late.payment_intent_id).await;
    let other = shop.payable("wrong-amount").await;
    let path = format!("/v1/payment_intents/{}", other.payment_intent_id);
    world.stripe.post(path).form("amount=700").send().await.expect(200);
    shop.confirm(&other.payment_intent_id).await;
    (late.order_id, other.order_id)
}

async fn late_money_goes_back_where_the_shop_says_so(database: &TestDatabase) {
    let settings = [NO_WALK[0], ("QUITTANCE_REVIEW_REFUND", "late")];
    let world = World::start_with(database, Webhooks::Delivered, &settings).await;
    let shop = Shop::open(&world).await;
    let (late, other) = under_review(&world, &shop).await;
    is_given_back(&world, &shop, &late, AMOUNT).await;
    assert_eq!(shop.order(&late).await["status"], "canceled");
    // What is not what was asked for is kept for a person.
    shop.see_become(&other, "review").await;
    come_to_rest(&world).await;
    let order = shop.order(&other).await;
    assert_eq!((&order["status"], &order["review_reason"]), (&"review".into(), &"wrong_amount".into()));
    assert!(shop.refunds(&other).await.is_empty());
}

async fn all_money_under_review_goes_back_where_the_shop_says_so(database: &TestDatabase) {
    let settings = [NO_WALK[0], ("QUITTANCE_REVIEW_REFUND", "always")];
    let world = World::start_with(database, Webhooks::Delivered, &settings).await;
    let shop = Shop::open(&world).await;
    let (late, other) = under_review(&world, &shop).await;
    is_given_back(&world, &shop, &late, AMOUNT).await;
    is_given_back(&world, &shop, &other, 700).await;
    // The order of which the wrong amount came can still be paid.
    let again = shop.api.post(format!("/v1/orders/{other}/payment_intent")).insist().await.expect(200);
    shop.confirm(&again.text_of("payment_intent_id")).await;
    shop.see_paid(&other).await;
    let books = Books::read(&world, &shop).await;
    assert_eq!(books.of(&other).received() - books.of(&other).refunded(), AMOUNT);
}

async fn is_given_back(world: &World<'_>, shop: &Shop, order_id: &str, amount: i64) {
    wait_until("the refund succeeds", async || {
        let refunds = shop.refunds(order_id).await;
        refunds.iter().any(|refund| refund["status"] == "succeeded")
    })
    .await;
    come_to_rest(world).await;
    let refunds = shop.refunds(order_id).await;
    let [refund] = refunds.as_slice() else { panic!("not one refund: {refunds:?}") };
    assert_eq!((&refund["cause"], &refund["amount"]), (&"review".into(), &amount.into()), "{refund}");
    assert_eq!(refund["surplus"], true, "{refund}");
    let books = Books::read(world, shop).await;
    assert_eq!((books.of(order_id).refunded(), books.of(order_id).refunds.len()), (amount, 1));
    assert!(shop.order(order_id).await["review_reason"].is_null());
}
