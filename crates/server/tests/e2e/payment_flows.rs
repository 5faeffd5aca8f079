//! Two payment flows for one order in two browser tabs. The shop keeps the order's total exactly once.

use quittance_test_support::{TestDatabase, wait_until};
use rand::RngExt;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::invariants::wait_until_idle;
use crate::seed::{exhaustive, rng, seed};
use crate::sellers::ChargeRoute;
use crate::storefront::{AMOUNT, Storefront};
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    concurrent_payment_flows_pay_order_once,
    concurrent_direct_charge_flows_pay_order_once,
    second_success_is_refunded,
    second_direct_charge_success_is_refunded,
    second_destination_charge_success_is_refunded,
    second_payment_flow_closes_first,
    second_direct_charge_flow_closes_first,
    concurrent_refunds_never_exceed_amount_paid,
    concurrent_direct_charge_refunds_never_exceed_amount_paid,
}

fn rounds() -> usize {
    if exhaustive() { 200 } else { 20 }
}

/// Pays by the Payment Element, if possible. Repeats the attempt if the other tab interfered.
async fn pay_by_element(shop: &Storefront, order_id: &str, tries: usize) {
    for _ in 0..tries {
        let asked = shop.api.post(format!("/v1/orders/{order_id}/payment_intent")).send_with_retries().await;
        if asked.status == 200 {
            shop.confirm_with(&asked.text_of("payment_intent_id"), "pm_card_visa").await;
        }
    }
}

/// Pays on Stripe's page, if possible.
async fn pay_by_page(shop: &Storefront, order_id: &str, tries: usize) {
    for _ in 0..tries {
        let asked = shop.session_request(order_id).send_with_retries().await;
        if asked.status == 200 {
            shop.pay_page(&asked.text_of("checkout_session_id"), "pm_card_visa").await;
        }
    }
}

async fn concurrent_payment_flows_pay_order_once(database: &TestDatabase) {
    check_concurrent_flows(database, ChargeRoute::Platform).await;
}

async fn concurrent_direct_charge_flows_pay_order_once(database: &TestDatabase) {
    check_concurrent_flows(database, ChargeRoute::Direct).await;
}

/// Pays an order in two tabs concurrently.
async fn check_concurrent_flows(database: &TestDatabase, charge_route: ChargeRoute) {
    let seed = seed();
    let env = Environment::start(database, Webhooks::Delivered).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let mut order_ids = Vec::new();
    for round in 0..rounds() {
        let mut rng = rng(seed, round);
        let order_id = shop.place(&format!("race-{round}")).await;
        // In some rounds, one tab was opened earlier.
        match rng.random_range(0..3) {
            0 => drop(shop.session_request(&order_id).send_with_retries().await.expect(200)),
            1 => drop(shop.intent_request(&order_id).send_with_retries().await.expect(200)),
            _ => {}
        }
        let (first, second) = (rng.random_range(1..=2), rng.random_range(1..=2));
        tokio::join!(pay_by_element(&shop, &order_id, first), pay_by_page(&shop, &order_id, second));
        // If the tabs closed each other's attempts, the customer pays again.
        if StripeObjects::read(&env, &shop).await.for_order(&order_id).successes() == 0 {
            pay_by_page(&shop, &order_id, 1).await;
        }
        order_ids.push(order_id);
    }

    assert_paid_once_net(&env, &shop, &order_ids).await;
}

async fn second_success_is_refunded(database: &TestDatabase) {
    check_second_success(database, ChargeRoute::Platform).await;
}

async fn second_direct_charge_success_is_refunded(database: &TestDatabase) {
    check_second_success(database, ChargeRoute::Direct).await;
}

async fn second_destination_charge_success_is_refunded(database: &TestDatabase) {
    check_second_success(database, ChargeRoute::Destination).await;
}

/// Stripe reports two successful payments, which a slow bank can cause.
async fn check_second_success(database: &TestDatabase, charge_route: ChargeRoute) {
    let seed = seed();
    let env = Environment::start(database, Webhooks::Delivered).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let mut order_ids = Vec::new();
    for round in 0..rounds() {
        let order_id = shop.place(&format!("twice-{round}")).await;
        let intent = async || {
            let asked =
                shop.api.post(format!("/v1/orders/{order_id}/payment_intent")).send_with_retries().await;
            asked.expect(200).text_of("payment_intent_id")
        };
        let page = async || {
            shop.session_request(&order_id)
                .send_with_retries()
                .await
                .expect(200)
                .text_of("checkout_session_id")
        };
        match rng(seed, round).random_range(0..3) {
            0 => {
                let (first, second) = (intent().await, page().await);
                tokio::join!(force(&shop, "payment_intents", &first), pay_page(&shop, &second));
            }
            1 => {
                let (first, second) = (page().await, intent().await);
                tokio::join!(force(&shop, "checkout/sessions", &first), confirm(&shop, &second));
            }
            _ => {
                let (first, second) = (page().await, intent().await);
                confirm(&shop, &second).await;
                shop.wait_until_paid(&order_id).await;
                force(&shop, "checkout/sessions", &first).await;
            }
        }
        wait_until("Stripe shows both payments", async || {
            let objects = StripeObjects::read(&env, &shop).await;
            objects.for_order(&order_id).successes() == 2
        })
        .await;
        order_ids.push(order_id);
    }
    for order_id in &order_ids {
        wait_until("the surplus is refunded", async || {
            let refunds = shop.refunds(order_id).await;
            refunds.iter().any(|refund| refund["status"] == "succeeded")
        })
        .await;
        let refunds = shop.refunds(order_id).await;
        let [surplus] = refunds.as_slice() else { panic!("expected one refund: {refunds:?}") };
        assert_eq!((&surplus["cause"], &surplus["amount"]), (&"surplus".into(), &AMOUNT.into()), "{surplus}");
        assert_eq!(surplus["surplus"], true, "{surplus}");
        let shown = shop.timeline(order_id).await;
        let is_due = |entry: &Value| entry["what"] == "refund.due" && entry["reason"] == "surplus";
        assert!(shown.iter().any(is_due), "{shown:?}");
    }

    assert_paid_once_net(&env, &shop, &order_ids).await;
}

async fn force(shop: &Storefront, kind: &str, id: &str) {
    shop.control(&format!("{kind}/{id}/succeed"), "").await;
}

/// Confirms a payment. If the service has already canceled it because of the other success, forces it.
async fn confirm(shop: &Storefront, payment_intent_id: &str) {
    let answer = shop.confirm_with(payment_intent_id, "pm_card_visa").await;
    if answer.status != 200 {
        assert_eq!(answer.body["error"]["payment_intent"]["status"], "canceled", "{}", answer.text);
        force(shop, "payment_intents", payment_intent_id).await;
    }
}

/// Does the same as [`confirm`] on Stripe's page.
async fn pay_page(shop: &Storefront, session_id: &str) {
    let answer = shop.pay_page(session_id, "pm_card_visa").await;
    if answer.status != 200 {
        let path = format!("/v1/checkout/sessions/{session_id}");
        let session = shop.stripe.get(path).send().await.expect(200);
        assert_eq!(session.body["status"], "expired", "{}", answer.text);
        force(shop, "checkout/sessions", session_id).await;
    }
}

/// Asserts that every order is paid once, and that the captured amount minus refunds is its total.
async fn assert_paid_once_net(env: &Environment<'_>, shop: &Storefront, order_ids: &[String]) {
    for order_id in order_ids {
        shop.wait_until_paid(order_id).await;
    }
    wait_until_idle(env).await;
    let objects = StripeObjects::read(env, shop).await;
    let mut surplus = 0;
    for order_id in order_ids {
        let at_stripe = objects.for_order(order_id);
        assert_eq!(at_stripe.received() - at_stripe.refunded(), AMOUNT, "{at_stripe:?}");
        // The fee and the transfer of the surplus are refunded, too.
        assert_eq!(at_stripe.fee(), shop.fee(), "{at_stripe:?}");
        let passed_on = if shop.charge_route == ChargeRoute::Destination { AMOUNT } else { 0 };
        assert_eq!(at_stripe.transferred(), passed_on, "{at_stripe:?}");
        let open = at_stripe
            .intents
            .iter()
            .filter(|intent| intent["status"] != "succeeded" && intent["status"] != "canceled");
        assert_eq!(open.count(), 0, "no payment may stay open: {at_stripe:?}");
        let order = shop.order(order_id).await;
        assert_eq!(
            (order["amount_paid"].as_i64(), order["amount_refunded"].as_i64()),
            (Some(AMOUNT), Some(0))
        );
        let paid = format!("outbox WHERE kind = 'order.paid' AND order_id = '{order_id}'");
        assert_eq!(env.count(&paid).await, 1);
        surplus += at_stripe.successes() - 1;
    }
    println!("{} orders, {surplus} of them paid twice", order_ids.len());
}

async fn second_payment_flow_closes_first(database: &TestDatabase) {
    check_first_flow_is_closed(database, ChargeRoute::Platform).await;
}

async fn second_direct_charge_flow_closes_first(database: &TestDatabase) {
    check_first_flow_is_closed(database, ChargeRoute::Direct).await;
}

/// Closes the first attempt before it creates the second one, as the timeline shows.
async fn check_first_flow_is_closed(database: &TestDatabase, charge_route: ChargeRoute) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let payable = shop.intent_order("element-first").await;
    let page = shop
        .session_request(&payable.order_id)
        .send_with_retries()
        .await
        .expect(200)
        .text_of("checkout_session_id");
    assert_eq!(shop.at_stripe(&payable.payment_intent_id).await["status"], "canceled");
    let again = shop.session_request(&payable.order_id).send_with_retries().await.expect(200);
    assert_eq!(again.text_of("checkout_session_id"), page, "the open Session must be returned");
    let intent =
        shop.api.post(format!("/v1/orders/{}/payment_intent", payable.order_id)).send_with_retries().await;
    let session = shop.stripe.get(format!("/v1/checkout/sessions/{page}")).send().await.expect(200);
    assert_eq!(session.body["status"], "expired");
    let requests: Vec<String> = shop
        .timeline(&payable.order_id)
        .await
        .iter()
        .filter(|entry| entry["kind"] == "request")
        .map(|entry| entry["what"].as_str().expect("a text").to_owned())
        .collect();
    let in_order = [
        "payment_intents.create",
        "payment_intents.cancel",
        "checkout.sessions.create",
        "checkout.sessions.expire",
        "payment_intents.create",
    ];
    assert_eq!(requests, in_order);
    shop.confirm(&intent.expect(200).text_of("payment_intent_id")).await;
    shop.wait_until_paid(&payable.order_id).await;

    // If the first attempt can't be closed, the second one isn't created.
    let payable = shop.intent_order("not-closed").await;
    for nth in 1..=5 {
        let form = format!("route=POST /v1/payment_intents/{{id}}/cancel&fault=conflict&nth={nth}");
        env.control("chaos/next", &form).await;
    }
    let refused = shop.session_request(&payable.order_id).send().await;
    assert_eq!((refused.status, refused.problem()), (503, "stripe_unavailable"));
    let sessions = shop.stripe.list("/v1/checkout/sessions").await;
    assert!(sessions.iter().all(|session| session["metadata"]["order_id"] != payable.order_id.as_str()));
    env.stripe.delete("/_sandbox/chaos").send().await.expect(200);
    let page = shop
        .session_request(&payable.order_id)
        .send_with_retries()
        .await
        .expect(200)
        .text_of("checkout_session_id");
    pay_page(&shop, &page).await;

    assert_paid_once_net(&env, &shop, &[payable.order_id]).await;
}

async fn concurrent_refunds_never_exceed_amount_paid(database: &TestDatabase) {
    check_concurrent_refunds(database, ChargeRoute::Platform).await;
}

async fn concurrent_direct_charge_refunds_never_exceed_amount_paid(database: &TestDatabase) {
    check_concurrent_refunds(database, ChargeRoute::Direct).await;
}

async fn check_concurrent_refunds(database: &TestDatabase, charge_route: ChargeRoute) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let payable = shop.intent_order("refunds").await;
    shop.confirm(&payable.payment_intent_id).await;
    shop.wait_until_paid(&payable.order_id).await;
    let mut asking = JoinSet::new();
    for part in 0..8 {
        let call = shop.refund_request(&payable.order_id, Some(700), &format!("refund-{part}"));
        asking.spawn(async move { call.send_with_retries().await });
    }
    let answers = asking.join_all().await;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(taken, 3, "{AMOUNT} allows three refunds of 700");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.status, answer.problem()), (409, "refund_too_large"), "{}", answer.text);
    }

    // The service refused the other refunds itself. Stripe got no request.
    assert_eq!(env.count("stripe_calls WHERE operation = 'refunds.create'").await, 3);
    assert_eq!(StripeObjects::read(&env, &shop).await.for_order(&payable.order_id).refunded(), 2_100);
    shop.refund_request(&payable.order_id, None, "rest").send_with_retries().await.expect(201);
    shop.wait_for_status(&payable.order_id, "refunded").await;

    assert_eq!(StripeObjects::read(&env, &shop).await.for_order(&payable.order_id).fee(), 0);
}
