//! Test data that was deleted in the Dashboard: orders are not stuck by it.

use quittance_test_support::TestDatabase;

use crate::shop::Shop;
use crate::tally::come_to_rest;
use crate::world::{NO_WALK, Webhooks, World, let_expire};

quittance_test_support::on_both_databases! { what_stripe_has_no_more_keeps_no_order }

async fn what_stripe_has_no_more_keeps_no_order(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open(&world).await;
    let forget = async |payment_intent_id: &str| {
        world.control(&format!("payment_intents/{payment_intent_id}/forget"), "").await;
    };
    let again = shop.payable("again").await;
    let (canceled, expired) = (shop.payable("canceled").await, shop.payable("expired").await);
    let page = shop.hosted("page").await;
    let paid = shop.payable("paid").await;
    shop.confirm(&paid.payment_intent_id).await;
    shop.see_paid(&paid.order_id).await;
    for gone in [&again, &canceled, &expired, &paid] {
        forget(&gone.payment_intent_id).await;
    }
    world.control(&format!("checkout/sessions/{}/forget", page.session_id), "").await;

    let begin = shop.api.post(format!("/v1/orders/{}/payment_intent", again.order_id));
    let answer = begin.send().await.expect(200);
    let payment_intent_id = answer.text_of("payment_intent_id");
    assert_ne!(payment_intent_id, again.payment_intent_id);
    shop.confirm(&payment_intent_id).await;
    shop.see_paid(&again.order_id).await;
    let answer = shop.canceling(&canceled.order_id).insist().await.expect(200);
    assert_eq!(answer.body["status"], "canceled", "{}", answer.text);
    for order_id in [&expired.order_id, &page.order_id] {
        let_expire(database, order_id).await;
    }
    for order_id in [&expired.order_id, &page.order_id] {
        shop.see_become(order_id, "expired").await;
    }
    // What was paid stays paid.
    world.let_checks_be_due().await;
    let_expire(database, &paid.order_id).await;
    come_to_rest(&world).await;
    assert_eq!(shop.order(&paid.order_id).await["status"], "paid");
    assert_eq!(world.count("payments WHERE refused = 'deleted_at_stripe'").await, 4);
    assert_eq!(world.count("payments WHERE refused IS NOT NULL").await, 4);
}
