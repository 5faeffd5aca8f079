//! Orders past their lifetime. The service closes them at Stripe first, unless a payment is pending.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_test_support::{Kind, TestDatabase, run_on, wait_until};

use crate::environment::{Environment, NO_BACKFILL, Webhooks, expire_order};
use crate::invariants::wait_until_idle;
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! {
    unpaid_order_past_its_lifetime_expires,
    order_with_pending_payment_does_not_expire,
    order_paid_without_events_is_paid_not_expired,
}

/// The shortest allowed lifetime.
const SETTINGS: [(&str, &str); 2] = [NO_BACKFILL[0], ("QUITTANCE_ORDER_EXPIRY", "1m")];

async fn unpaid_order_past_its_lifetime_expires(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &SETTINGS).await;
    let shop = Storefront::open_with_stock(&env, Some(5)).await;

    let untried = shop.place("untried").await;
    let begun = shop.intent_order("begun").await;
    let before = Utc::now();
    let hosted = shop.session_order("hosted").await;
    let after = Utc::now();
    let declined = shop.intent_order("declined").await;
    shop.confirm_with(&declined.payment_intent_id, "pm_card_visa_chargeDeclined").await.expect(402);
    shop.wait_for_status(&declined.order_id, "payment_failed").await;
    let paid = shop.intent_order("paid").await;
    shop.confirm(&paid.payment_intent_id).await;
    shop.wait_until_paid(&paid.order_id).await;
    assert_eq!(shop.stock().await, 0);

    // A Checkout Session lives for 30 minutes at least, and its order does, too.
    let order = shop.order(&hosted.order_id).await;
    let expires_at: DateTime<Utc> = order["expires_at"].as_str().expect("a time").parse().expect("a time");
    let begun_at = expires_at - TimeDelta::minutes(31);

    // Stripe's times are whole seconds.
    let a_second = TimeDelta::seconds(1);
    assert!(before - a_second <= begun_at && begun_at <= after, "{before} to {after}: {order}");

    let over = [&untried, &begun.order_id, &hosted.order_id, &declined.order_id];
    for order_id in over {
        expire_order(env.database, order_id).await;
    }
    expire_order(env.database, &paid.order_id).await;
    for order_id in over {
        shop.wait_for_status(order_id, "expired").await;
        let published = format!("outbox WHERE kind = 'order.expired' AND order_id = '{order_id}'");
        assert_eq!(env.count(&published).await, 1);
        let refused =
            shop.api.post(format!("/v1/orders/{order_id}/payment_intent")).send_with_retries().await;
        assert_eq!((refused.status, refused.problem()), (409, "order_expired"), "{}", refused.text);
    }
    wait_until_idle(&env).await;
    for id in [&begun.payment_intent_id, &declined.payment_intent_id] {
        assert_eq!(shop.at_stripe(id).await["status"], "canceled");
    }
    let path = format!("/v1/checkout/sessions/{}", hosted.session_id);
    assert_eq!(env.stripe.get(path).send().await.expect(200).body["status"], "expired");
    wait_until_checked(&env, &paid.order_id).await;

    assert_eq!(shop.order(&paid.order_id).await["status"], "paid");
    assert_eq!(shop.stock().await, 4);
}

/// Waits until the worker has checked an order: its check is neither due nor leased.
async fn wait_until_checked(env: &Environment<'_>, order_id: &str) {
    let after_a_lease = Utc::now() + TimeDelta::minutes(30);
    let later = format!("check_at > '{}+00:00'", after_a_lease.format("%Y-%m-%d %H:%M:%S%.6f"));
    let done = format!("orders WHERE id = '{order_id}' AND (check_at IS NULL OR {later})");
    wait_until("the worker has checked the order", async || env.count(&done).await == 1).await;
}

async fn order_with_pending_payment_does_not_expire(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &SETTINGS).await;
    let shop = Storefront::open_with_stock(&env, Some(4)).await;

    let debit = shop.intent_order("debit").await;
    shop.confirm_with(&debit.payment_intent_id, "pm_sepaDebit_successDelayed_de").await.expect(200);
    shop.wait_for_status(&debit.order_id, "processing").await;
    let held = shop.authorized_order("held").await;
    shop.wait_for_status(&held.order_id, "authorized").await;

    // The events of the voucher and of the debit on Stripe's page are lost.
    env.control("deliveries", "mode=drop").await;
    let voucher = shop.intent_order("voucher").await;
    let form = "payment_method_data[type]=multibanco&payment_method_data[billing_details][email]=ada@example.org\
                &return_url=https%3A%2F%2Fshop.example%2Fdone";
    let path = format!("/v1/payment_intents/{}/confirm", voucher.payment_intent_id);
    let confirmed = env.stripe.post(path).form(form).send().await.expect(200);
    assert_eq!(confirmed.body["status"], "requires_action", "{}", confirmed.text);
    let page = shop.session_order("page-debit").await;
    let session = shop.pay_page(&page.session_id, "pm_sepaDebit_successDelayed_de").await.expect(200);

    let order_ids = [&debit.order_id, &held.order_id, &voucher.order_id, &page.order_id];
    for order_id in order_ids {
        expire_order(env.database, order_id).await;
    }
    for order_id in order_ids {
        wait_until_checked(&env, order_id).await;
    }
    for (order_id, status) in order_ids.into_iter().zip(["processing", "authorized", "pending", "processing"])
    {
        assert_eq!(shop.order(order_id).await["status"], status);
    }
    assert_eq!(env.count("orders WHERE closing IS NOT NULL").await, 0);
    assert_eq!(env.count("stripe_calls WHERE operation LIKE '%cancel' OR operation LIKE '%expire'").await, 0);
    assert_eq!(shop.stock().await, 0);

    // The pending payments succeed.
    env.control("deliveries", "mode=normal").await;
    for id in [&debit.payment_intent_id, &voucher.payment_intent_id, &session.text_of("payment_intent")] {
        env.control(&format!("payment_intents/{id}/settle"), "outcome=succeeded").await;
    }
    for order_id in [&debit.order_id, &voucher.order_id, &page.order_id] {
        shop.wait_for_status(order_id, "paid").await;
    }

    // The authorization expires after the order's lifetime, so the order expires.
    env.control(&format!("payment_intents/{}/expire", held.payment_intent_id), "").await;
    shop.wait_for_status(&held.order_id, "pending").await;
    env.make_checks_due().await;
    shop.wait_for_status(&held.order_id, "expired").await;

    assert_eq!(shop.stock().await, 1);
}

/// The service asks Stripe before it expires an order.
async fn order_paid_without_events_is_paid_not_expired(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &SETTINGS).await;
    let shop = Storefront::open_with_stock(&env, Some(2)).await;

    env.control("deliveries", "mode=drop").await;
    let payable = shop.intent_order("element").await;
    shop.confirm(&payable.payment_intent_id).await;
    let hosted = shop.session_order("page").await;
    shop.pay_page(&hosted.session_id, "pm_card_visa").await.expect(200);
    for order_id in [&payable.order_id, &hosted.order_id] {
        expire_order(env.database, order_id).await;
        shop.wait_for_status(order_id, "paid").await;
        let closed = format!("decisions WHERE kind = 'closed' AND order_id = '{order_id}'");
        assert_eq!(env.count(&closed).await, 0);
    }

    // The service sent no request that would have closed the payments.
    assert_eq!(env.count("stripe_calls WHERE operation LIKE '%cancel' OR operation LIKE '%expire'").await, 0);
    assert_eq!(shop.stock().await, 0);
}

#[test]
fn two_processes_expire_each_order_once() {
    run_on(Kind::Postgres, async |database: &TestDatabase| {
        let env = Environment::start_with(database, Webhooks::Delivered, &SETTINGS).await;
        let (_second, _) = env.start_second_service(&SETTINGS).await;
        let shop = Storefront::open_with_stock(&env, Some(40)).await;

        for buyer in 0..40 {
            let order_id = shop.place(&format!("buyer-{buyer}")).await;
            if buyer % 4 == 0 {
                shop.intent_request(&order_id).send_with_retries().await.expect(200);
            }
        }
        assert_eq!(shop.stock().await, 0);
        let long_ago = "'2020-01-01 00:00:00+00:00'";
        database.execute(&format!("UPDATE orders SET expires_at = {long_ago}, check_at = {long_ago}")).await;
        wait_until("every order has expired", async || {
            env.count("orders WHERE status = 'expired'").await == 40
        })
        .await;
        wait_until_idle(&env).await;
        assert_eq!(env.count("outbox WHERE kind = 'order.expired'").await, 40);
        assert_eq!(shop.stock().await, 40);
        let closed = env.count("stripe_calls WHERE operation = 'payment_intents.cancel'").await;

        assert_eq!(closed, 10, "only one process must close each PaymentIntent");
    });
}
