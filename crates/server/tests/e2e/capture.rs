//! Money that is held and taken later: all of it, a part, or none.

use quittance_test_support::TestDatabase;

use crate::books::Books;
use crate::shop::{AMOUNT, Shop};
use crate::tally::come_to_rest;
use crate::world::{NO_WALK, Webhooks, World};

quittance_test_support::on_both_databases! {
    all_or_a_part_is_taken_once,
    what_is_held_can_be_released,
    a_hold_that_the_bank_gives_up,
}

async fn authorized(shop: &Shop, name: &str) -> String {
    let held = shop.held(name).await;
    shop.see_become(&held.order_id, "authorized").await;
    held.order_id
}

async fn all_or_a_part_is_taken_once(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open(&world).await;

    let all = authorized(&shop, "all").await;
    let captured = shop.capturing(&all, None).insist().await.expect(200);
    assert_eq!((&captured.body["status"], &captured.body["amount_paid"]), (&"paid".into(), &AMOUNT.into()));

    let part = authorized(&shop, "part").await;
    let too_much = shop.capturing(&part, Some(AMOUNT + 1)).insist().await;
    assert_eq!((too_much.status, too_much.problem()), (409, "amount_too_large"));
    let captured = shop.capturing(&part, Some(900)).insist().await.expect(200);
    assert_eq!((&captured.body["status"], &captured.body["amount_paid"]), (&"paid".into(), &900.into()));
    // There is one capture, and it is asked of Stripe once.
    let again = shop.capturing(&part, Some(900)).insist().await.expect(200);
    assert_eq!(again.body["amount_paid"], 900, "{}", again.text);
    let more = shop.capturing(&part, None).insist().await;
    assert_eq!((more.status, more.problem()), (409, "order_not_capturable"), "{}", more.text);

    // On Stripe's page, too.
    let page = shop.place("page").await;
    let body = serde_json::json!({
        "success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart",
        "capture_method": "manual",
    });
    let hosted = shop.hosting(&page).json(&body).insist().await.expect(200);
    shop.pay_page(&hosted.text_of("checkout_session_id"), "pm_card_visa").await.expect(200);
    shop.see_become(&page, "authorized").await;
    shop.capturing(&page, Some(1_000)).insist().await.expect(200);

    come_to_rest(&world).await;
    let books = Books::read(&world, &shop).await;
    for (order_id, taken) in [(&all, AMOUNT), (&part, 900), (&page, 1_000)] {
        assert_eq!(books.of(order_id).received(), taken, "{:?}", books.of(order_id));
        assert_eq!(shop.order(order_id).await["amount_paid"], taken);
        let paid = format!("outbox WHERE kind = 'order.paid' AND order_id = '{order_id}'");
        assert_eq!(world.count(&paid).await, 1);
        let asked =
            format!("stripe_calls WHERE operation = 'payment_intents.capture' AND order_id = '{order_id}'");
        assert_eq!(world.count(&asked).await, 1);
    }
    // What was released is no refund of the shop's.
    let refunded = shop.order(&part).await["amount_refunded"].clone();
    assert_eq!((refunded, world.count("outbox WHERE kind = 'refund.succeeded'").await), (0.into(), 0));
    let rest = shop.refunding(&part, None, "rest").insist().await.expect(201);
    assert_eq!(rest.body["amount"], 900);
}

async fn what_is_held_can_be_released(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open_with(&world, Some(1)).await;
    let placed = shop.placing("holder").insist().await.expect(201);
    let (order_id, token) = (placed.text_of("id"), placed.text_of("client_token"));
    let held = shop.held("holder").await;
    assert_eq!(held.order_id, order_id);
    shop.see_become(&order_id, "authorized").await;
    // Not by who only placed it.
    let path = format!("/v1/orders/{order_id}/cancel");
    let refused = world.api.with(Some(&token)).post(path).send().await;
    assert_eq!((refused.status, refused.problem()), (409, "not_cancelable"));
    let canceled = shop.canceling(&order_id).insist().await.expect(200);
    assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
    assert_eq!(shop.at_stripe(&held.payment_intent_id).await["status"], "canceled");
    assert_eq!(shop.stock().await, 1);
    let late = shop.capturing(&order_id, None).insist().await;
    assert_eq!((late.status, late.problem()), (409, "order_not_capturable"), "{}", late.text);
}

async fn a_hold_that_the_bank_gives_up(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open(&world).await;
    // Heard of.
    let held = shop.held("heard").await;
    shop.see_become(&held.order_id, "authorized").await;
    world.control(&format!("payment_intents/{}/expire", held.payment_intent_id), "").await;
    shop.see_become(&held.order_id, "pending").await;
    let late = shop.capturing(&held.order_id, None).insist().await;
    assert_eq!((late.status, late.problem()), (409, "order_not_capturable"), "{}", late.text);
    // The order can be paid anew.
    let again =
        shop.api.post(format!("/v1/orders/{}/payment_intent", held.order_id)).insist().await.expect(200);
    shop.confirm(&again.text_of("payment_intent_id")).await;
    shop.see_paid(&held.order_id).await;

    // Not heard of: the capture finds it out.
    let held = shop.held("unheard").await;
    shop.see_become(&held.order_id, "authorized").await;
    world.control("deliveries", "mode=drop").await;
    world.control(&format!("payment_intents/{}/expire", held.payment_intent_id), "").await;
    let late = shop.capturing(&held.order_id, None).insist().await;
    assert_eq!((late.status, late.problem()), (409, "order_not_capturable"), "{}", late.text);
    assert_eq!(shop.order(&held.order_id).await["status"], "pending");
    assert_eq!(Books::read(&world, &shop).await.of(&held.order_id).received(), 0);
}
