//! Test data that was deleted in Stripe's Dashboard doesn't block orders.

use quittance_test_support::TestDatabase;

use crate::environment::{Environment, NO_BACKFILL, Webhooks, expire_order};
use crate::invariants::wait_until_idle;
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! { orders_with_deleted_stripe_objects_still_end }

async fn orders_with_deleted_stripe_objects_still_end(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open(&env).await;

    let forget = async |payment_intent_id: &str| {
        env.control(&format!("payment_intents/{payment_intent_id}/forget"), "").await;
    };
    let again = shop.intent_order("again").await;
    let (canceled, expired) = (shop.intent_order("canceled").await, shop.intent_order("expired").await);
    let page = shop.session_order("page").await;
    let paid = shop.intent_order("paid").await;
    shop.confirm(&paid.payment_intent_id).await;
    shop.wait_until_paid(&paid.order_id).await;
    for gone in [&again, &canceled, &expired, &paid] {
        forget(&gone.payment_intent_id).await;
    }
    env.control(&format!("checkout/sessions/{}/forget", page.session_id), "").await;

    let begin = shop.api.post(format!("/v1/orders/{}/payment_intent", again.order_id));
    let answer = begin.send().await.expect(200);
    let payment_intent_id = answer.text_of("payment_intent_id");
    assert_ne!(payment_intent_id, again.payment_intent_id);
    shop.confirm(&payment_intent_id).await;
    shop.wait_until_paid(&again.order_id).await;
    let answer = shop.cancel_request(&canceled.order_id).send_with_retries().await.expect(200);
    assert_eq!(answer.body["status"], "canceled", "{}", answer.text);
    for order_id in [&expired.order_id, &page.order_id] {
        expire_order(database, order_id).await;
    }
    for order_id in [&expired.order_id, &page.order_id] {
        shop.wait_for_status(order_id, "expired").await;
    }

    // The paid order stays paid.
    env.make_checks_due().await;
    expire_order(database, &paid.order_id).await;
    wait_until_idle(&env).await;

    assert_eq!(shop.order(&paid.order_id).await["status"], "paid");
    assert_eq!(env.count("payments WHERE refused = 'deleted_at_stripe'").await, 4);
    assert_eq!(env.count("payments WHERE refused IS NOT NULL").await, 4);
}
