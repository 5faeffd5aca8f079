//! Crashes at every boundary between two phases. Retried requests take effect once, and the worker completes abandoned
//! requests.

use std::cell::OnceCell;

use quittance_crash_points::{CrashPoint, VARIABLE};
use quittance_test_support::{TestDatabase, wait_until};

use crate::environment::{Environment, Webhooks, expire_order};
use crate::invariants::{assert_orders, wait_until_delivered, wait_until_idle};
use crate::sellers::ChargeRoute;
use crate::storefront::{AMOUNT, ExpectedEnd, IntentOrder, Storefront};
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    requests_retried_after_crash_take_effect_once,
    direct_charge_requests_retried_after_crash_take_effect_once,
    crash_after_reading_stripe_loses_no_payment,
    refunds_captures_and_expiries_survive_crash,
    direct_charge_refunds_captures_and_expiries_survive_crash,
    abandoned_requests_are_resumed_after_crash,
    abandoned_direct_charge_requests_are_resumed_after_crash,
}

/// Restarts the service with this crash point.
pub(crate) async fn restart_with_crash_point(env: &mut Environment<'_>, point: CrashPoint) {
    // A redelivered event could reach the crash point too early.
    wait_until_delivered(env).await;
    env.kill();
    env.restart(&[(VARIABLE, point.name())]).await;
}

/// Waits for the crash, and restarts the service without a crash point.
pub(crate) async fn restart_after_crash(env: &mut Environment<'_>) {
    let status = env.service().wait_for_exit().await;
    assert!(!status.success(), "the service must crash, not stop gracefully");
    env.expire_leases().await;
    env.restart(&[]).await;
}

/// Runs a flow that must reach the crash point, and restarts the service meanwhile.
pub(crate) async fn crash_during(
    env: &mut Environment<'_>,
    point: CrashPoint,
    flow: impl Future<Output = ()>,
) {
    let both = async { tokio::join!(flow, restart_after_crash(env)) };
    tokio::pin!(both);
    both.await;
    println!("{} was reached", point.name());
}

/// Crash points that paying or canceling a PaymentIntent order doesn't reach.
const OTHER_POINTS: [CrashPoint; 6] = [
    CrashPoint::AttemptAbandoned,
    CrashPoint::ExpiryRequested,
    CrashPoint::CaptureRequested,
    CrashPoint::PaymentIntentCaptured,
    CrashPoint::RefundRecorded,
    CrashPoint::RefundCreated,
];

async fn requests_retried_after_crash_take_effect_once(database: &TestDatabase) {
    check_retried_requests(database, ChargeRoute::Platform).await;
}

async fn direct_charge_requests_retried_after_crash_take_effect_once(database: &TestDatabase) {
    check_retried_requests(database, ChargeRoute::Direct).await;
}

async fn check_retried_requests(database: &TestDatabase, charge_route: ChargeRoute) {
    let mut env = Environment::start(database, Webhooks::Delivered).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let mut expected_ends = Vec::new();
    let is_on_the_way = |point: &CrashPoint| {
        *point != CrashPoint::PaymentIntentRead
            && !OTHER_POINTS.contains(point)
            && !CrashPoint::OUTBOUND.contains(point)
            && !CrashPoint::SELLERS.contains(point)
    };
    for point in CrashPoint::ALL.iter().copied().filter(is_on_the_way) {
        restart_with_crash_point(&mut env, point).await;
        let names = [
            (format!("{}-paid", point.name()), ExpectedEnd::Paid),
            (format!("{}-canceled", point.name()), ExpectedEnd::Canceled),
        ];
        let flow = async {
            for (name, expected_end) in &names {
                shop.complete_order(name, *expected_end).await;
            }
        };
        crash_during(&mut env, point, flow).await;
        expected_ends.extend(names);
    }

    assert_orders(&env, &shop, &expected_ends).await;
}

/// Runs the flow that reaches one of [`OTHER_POINTS`].
async fn run_flow_to(
    shop: &Storefront,
    database: &TestDatabase,
    point: CrashPoint,
) -> (String, ExpectedMoney) {
    let (name, key) = (point.name(), format!("{}-money", point.name()));
    match point {
        CrashPoint::AttemptAbandoned => {
            let payable = shop.intent_order(name).await;
            let page = shop.session_request(&payable.order_id).send_with_retries().await.expect(200);
            shop.pay_page(&page.text_of("checkout_session_id"), "pm_card_visa").await.expect(200);
            shop.wait_until_paid(&payable.order_id).await;
            (payable.order_id, ExpectedMoney::without_refund("paid", AMOUNT))
        }
        CrashPoint::ExpiryRequested => {
            let payable = shop.intent_order(name).await;
            expire_order(database, &payable.order_id).await;
            shop.wait_for_status(&payable.order_id, "expired").await;
            (payable.order_id, ExpectedMoney::without_refund("expired", 0))
        }
        CrashPoint::CaptureRequested | CrashPoint::PaymentIntentCaptured => {
            let held = shop.authorized_order(name).await;
            shop.wait_for_status(&held.order_id, "authorized").await;
            let captured = shop
                .capture_request(&held.order_id, Some(900))
                .key(&key)
                .send_with_retries()
                .await
                .expect(200);
            assert_eq!(captured.body["amount_paid"], 900, "{}", captured.text);
            (held.order_id, ExpectedMoney::without_refund("paid", 900))
        }
        _ => {
            let payable = shop.intent_order(name).await;
            shop.confirm(&payable.payment_intent_id).await;
            shop.wait_until_paid(&payable.order_id).await;
            let refunded =
                shop.refund_request(&payable.order_id, Some(700), &key).send_with_retries().await.expect(201);
            assert_eq!(refunded.body["amount"], 700, "{}", refunded.text);
            shop.wait_for_status(&payable.order_id, "partially_refunded").await;
            (
                payable.order_id,
                ExpectedMoney { status: "partially_refunded", received: AMOUNT, refunds: 1, refunded: 700 },
            )
        }
    }
}

/// The expected end of an order and its money.
#[derive(Debug, PartialEq, Eq)]
struct ExpectedMoney {
    status: &'static str,
    received: i64,
    refunds: usize,
    refunded: i64,
}

impl ExpectedMoney {
    fn without_refund(status: &'static str, received: i64) -> Self {
        Self { status, received, refunds: 0, refunded: 0 }
    }
}

async fn refunds_captures_and_expiries_survive_crash(database: &TestDatabase) {
    check_crashes_at_other_points(database, ChargeRoute::Platform).await;
}

async fn direct_charge_refunds_captures_and_expiries_survive_crash(database: &TestDatabase) {
    check_crashes_at_other_points(database, ChargeRoute::Direct).await;
}

async fn check_crashes_at_other_points(database: &TestDatabase, charge_route: ChargeRoute) {
    let mut env = Environment::start(database, Webhooks::Delivered).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;
    for point in OTHER_POINTS {
        restart_with_crash_point(&mut env, point).await;
        let outcome = OnceCell::new();
        let flow = async {
            let _ = outcome.set(run_flow_to(&shop, database, point).await);
        };
        crash_during(&mut env, point, flow).await;
        wait_until_idle(&env).await;
        let (order_id, ends) = outcome.into_inner().expect("the flow ended");
        let objects = StripeObjects::read(&env, &shop).await;
        let at_stripe = objects.for_order(&order_id);
        // The uncaptured amount isn't a refund.
        let refunds = at_stripe.refunds.len();
        assert!(at_stripe.successes() <= 1, "{}: {at_stripe:?}", point.name());
        let order = shop.order(&order_id).await;
        assert_eq!(order["status"], ends.status, "{}: {order}", point.name());
        let found = (at_stripe.received(), refunds, at_stripe.refunded());
        assert_eq!(found, (ends.received, ends.refunds, ends.refunded), "{}: {at_stripe:?}", point.name());
    }
}

async fn crash_after_reading_stripe_loses_no_payment(database: &TestDatabase) {
    let mut env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let point = CrashPoint::PaymentIntentRead;
    restart_with_crash_point(&mut env, point).await;
    let name = point.name().to_owned();
    crash_during(&mut env, point, shop.complete_order(&name, ExpectedEnd::Paid)).await;

    assert_orders(&env, &shop, &[(name, ExpectedEnd::Paid)]).await;
}

/// Crash points after which only the worker may continue an attempt.
const LEFT_TO_THE_WORKER: [CrashPoint; 7] = [
    CrashPoint::AttemptRecorded,
    CrashPoint::AttemptCreated,
    CrashPoint::ResponseRecorded,
    CrashPoint::DetailsChanged,
    CrashPoint::DetailsSent,
    CrashPoint::CloseRequested,
    CrashPoint::AttemptClosed,
];

async fn abandoned_requests_are_resumed_after_crash(database: &TestDatabase) {
    check_abandoned_requests(database, ChargeRoute::Platform).await;
}

async fn abandoned_direct_charge_requests_are_resumed_after_crash(database: &TestDatabase) {
    check_abandoned_requests(database, ChargeRoute::Direct).await;
}

async fn check_abandoned_requests(database: &TestDatabase, charge_route: ChargeRoute) {
    let mut env = Environment::start(database, Webhooks::Delivered).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    for point in LEFT_TO_THE_WORKER {
        restart_with_crash_point(&mut env, point).await;
        let name = format!("{}-left", point.name());
        let order_id = shop.place(&name).await;
        // Each request is sent once. The crash interrupts the last one at the latest.
        if shop.intent_request(&order_id).try_send().await.is_ok() {
            let street = serde_json::json!({ "line1": "12 St James's Square", "country": "GB" });
            let body = serde_json::json!({ "shipping": { "name": "Ada Lovelace", "address": street } });
            let change = shop.api.patch(format!("/v1/orders/{order_id}")).json(&body);
            if change.try_send().await.is_ok() {
                let canceled = shop.cancel_request(&order_id).try_send().await;
                assert!(canceled.is_err(), "the service did not reach {}", point.name());
            }
        }
        restart_after_crash(&mut env).await;
        assert_resumed(&env, &shop, point, &order_id).await;
    }

    // Keys of abandoned requests stay until they are purged. Their leases are over, so they block no client.
    env.database.execute("DELETE FROM idempotency_keys WHERE status IS NULL").await;
    wait_until_idle(&env).await;
}

/// Asserts that the worker has completed the attempt: the PaymentIntent exists, has the address, or is canceled.
async fn assert_resumed(env: &Environment<'_>, shop: &Storefront, point: CrashPoint, order_id: &str) {
    let due = format!("payments WHERE order_id = '{order_id}' AND resume_at IS NOT NULL");
    wait_until("the worker has no due attempt", async || env.count(&due).await == 0).await;
    let known = format!("SELECT payment_intent_id AS value FROM payments WHERE order_id = '{order_id}'");
    let known = env.texts(&known).await;
    let intents = shop.stripe.list("/v1/payment_intents").await;
    let ours = intents.iter().filter(|intent| intent["metadata"]["order_id"] == order_id);
    let [intent] = ours.collect::<Vec<_>>()[..] else {
        panic!("{}: expected one PaymentIntent", point.name())
    };
    assert_eq!(known, [intent["id"].as_str().unwrap_or_default()], "{}", point.name());
    let is_sent = intent["shipping"]["address"]["line1"] == "12 St James's Square";
    let status = shop.order(order_id).await["status"].clone();
    match point {
        CrashPoint::CloseRequested | CrashPoint::AttemptClosed => {
            assert_eq!(
                (&intent["status"], &status),
                (&"canceled".into(), &"canceled".into()),
                "{}",
                point.name()
            );
        }
        CrashPoint::DetailsChanged | CrashPoint::DetailsSent => {
            assert!(is_sent, "{}: {intent}", point.name());
        }
        _ => {
            // The customer returns and pays.
            let again = shop.intent_request(order_id).send_with_retries().await.expect(200);
            assert_eq!(again.body["payment_intent_id"], intent["id"]);
            let payable = IntentOrder { order_id: order_id.to_owned(), payment_intent_id: known[0].clone() };
            shop.confirm(&payable.payment_intent_id).await;
            shop.wait_until_paid(&payable.order_id).await;
        }
    }
}
