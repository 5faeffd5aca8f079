//! Manual capture: in full, in part, or not at all.

use quittance_test_support::TestDatabase;

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::invariants::wait_until_idle;
use crate::storefront::{AMOUNT, Storefront};
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    capture_in_full_or_part_happens_once,
    canceled_authorized_order_releases_funds,
    authorization_expired_at_bank_reopens_order,
    capture_after_missed_expiry_is_refused,
}

async fn authorized(shop: &Storefront, name: &str) -> String {
    let held = shop.authorized_order(name).await;
    shop.wait_for_status(&held.order_id, "authorized").await;
    held.order_id
}

async fn capture_in_full_or_part_happens_once(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open(&env).await;

    let all = authorized(&shop, "all").await;
    let captured = shop.capture_request(&all, None).send_with_retries().await.expect(200);
    assert_eq!((&captured.body["status"], &captured.body["amount_paid"]), (&"paid".into(), &AMOUNT.into()));

    let part = authorized(&shop, "part").await;
    let too_much = shop.capture_request(&part, Some(AMOUNT + 1)).send_with_retries().await;
    assert_eq!((too_much.status, too_much.problem()), (409, "amount_too_large"));
    let captured = shop.capture_request(&part, Some(900)).send_with_retries().await.expect(200);
    assert_eq!((&captured.body["status"], &captured.body["amount_paid"]), (&"paid".into(), &900.into()));

    // Repeating the capture returns the first one. Stripe gets one request.
    let again = shop.capture_request(&part, Some(900)).send_with_retries().await.expect(200);
    assert_eq!(again.body["amount_paid"], 900, "{}", again.text);
    let more = shop.capture_request(&part, None).send_with_retries().await;
    assert_eq!((more.status, more.problem()), (409, "order_not_capturable"), "{}", more.text);

    // A Checkout Session can be captured, too.
    let page = shop.place("page").await;
    let body = serde_json::json!({
        "success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart",
        "capture_method": "manual",
    });
    let hosted = shop.session_request(&page).json(&body).send_with_retries().await.expect(200);
    shop.pay_page(&hosted.text_of("checkout_session_id"), "pm_card_visa").await.expect(200);
    shop.wait_for_status(&page, "authorized").await;
    shop.capture_request(&page, Some(1_000)).send_with_retries().await.expect(200);

    wait_until_idle(&env).await;
    let objects = StripeObjects::read(&env, &shop).await;
    for (order_id, taken) in [(&all, AMOUNT), (&part, 900), (&page, 1_000)] {
        assert_eq!(objects.for_order(order_id).received(), taken, "{:?}", objects.for_order(order_id));
        assert_eq!(shop.order(order_id).await["amount_paid"], taken);
        let paid = format!("outbox WHERE kind = 'order.paid' AND order_id = '{order_id}'");
        assert_eq!(env.count(&paid).await, 1);
        let asked =
            format!("stripe_calls WHERE operation = 'payment_intents.capture' AND order_id = '{order_id}'");
        assert_eq!(env.count(&asked).await, 1);
    }

    // The uncaptured amount isn't a refund.
    let refunded = shop.order(&part).await["amount_refunded"].clone();
    assert_eq!((refunded, env.count("outbox WHERE kind = 'refund.succeeded'").await), (0.into(), 0));
    let rest = shop.refund_request(&part, None, "rest").send_with_retries().await.expect(201);

    assert_eq!(rest.body["amount"], 900);
}

async fn canceled_authorized_order_releases_funds(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_stock(&env, Some(1)).await;

    let placed = shop.place_request("holder").send_with_retries().await.expect(201);
    let (order_id, token) = (placed.text_of("id"), placed.text_of("client_token"));
    let held = shop.authorized_order("holder").await;
    assert_eq!(held.order_id, order_id);
    shop.wait_for_status(&order_id, "authorized").await;

    // The order's holder can't cancel it.
    let path = format!("/v1/orders/{order_id}/cancel");
    let refused = env.api.with(Some(&token)).post(path).send().await;
    assert_eq!((refused.status, refused.problem()), (409, "not_cancelable"));
    let canceled = shop.cancel_request(&order_id).send_with_retries().await.expect(200);
    assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
    assert_eq!(shop.at_stripe(&held.payment_intent_id).await["status"], "canceled");
    assert_eq!(shop.stock().await, 1);
    let late = shop.capture_request(&order_id, None).send_with_retries().await;

    assert_eq!((late.status, late.problem()), (409, "order_not_capturable"), "{}", late.text);
}

async fn authorization_expired_at_bank_reopens_order(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open(&env).await;

    let held = shop.authorized_order("expired").await;
    shop.wait_for_status(&held.order_id, "authorized").await;
    env.control(&format!("payment_intents/{}/expire", held.payment_intent_id), "").await;
    shop.wait_for_status(&held.order_id, "pending").await;
    let late = shop.capture_request(&held.order_id, None).send_with_retries().await;

    assert_eq!((late.status, late.problem()), (409, "order_not_capturable"), "{}", late.text);

    // The customer can pay the order again.
    let again = shop
        .api
        .post(format!("/v1/orders/{}/payment_intent", held.order_id))
        .send_with_retries()
        .await
        .expect(200);
    shop.confirm(&again.text_of("payment_intent_id")).await;
    shop.wait_until_paid(&held.order_id).await;
}

async fn capture_after_missed_expiry_is_refused(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open(&env).await;

    let held = shop.authorized_order("missed").await;
    shop.wait_for_status(&held.order_id, "authorized").await;
    env.control("deliveries", "mode=drop").await;
    env.control(&format!("payment_intents/{}/expire", held.payment_intent_id), "").await;
    let late = shop.capture_request(&held.order_id, None).send_with_retries().await;

    assert_eq!((late.status, late.problem()), (409, "order_not_capturable"), "{}", late.text);
    assert_eq!(shop.order(&held.order_id).await["status"], "pending");
    assert_eq!(StripeObjects::read(&env, &shop).await.for_order(&held.order_id).received(), 0);
}
