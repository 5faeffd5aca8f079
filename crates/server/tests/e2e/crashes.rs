//! The process stopped at every boundary between two phases: whoever repeats its requests finds everything done
//! once, and what nobody asks for again is done all the same.

use std::cell::OnceCell;

use quittance_crash_points::{CrashPoint, VARIABLE};
use quittance_test_support::{TestDatabase, wait_until};

use crate::books::Books;
use crate::sellers::Through;
use crate::shop::{AMOUNT, Fate, Payable, Shop};
use crate::tally::{all_delivered, check, come_to_rest};
use crate::world::{Webhooks, World, let_expire};

quittance_test_support::on_both_databases! {
    a_client_that_repeats_its_requests_finds_them_done_once,
    a_client_that_repeats_its_requests_finds_direct_charges_done_once,
    a_crash_after_asking_stripe_loses_nothing,
    every_other_way_of_money_survives_a_crash,
    every_other_way_of_direct_charges_survives_a_crash,
    what_no_client_repeats_is_driven_on,
    what_no_client_repeats_of_direct_charges_is_driven_on,
}

/// Starts the service anew, to stop at this point.
pub(crate) async fn arm(world: &mut World<'_>, point: CrashPoint) {
    // An event that comes again would reach the point before the test begins.
    all_delivered(world).await;
    world.kill();
    world.revive(&[(VARIABLE, point.name())]).await;
}

/// Waits for the process to stop at its point, and starts it without one.
pub(crate) async fn die_and_revive(world: &mut World<'_>) {
    let status = world.service().end().await;
    assert!(!status.success(), "it stopped in good order");
    world.let_leases_end().await;
    world.revive(&[]).await;
}

/// Does something that must reach a point at which the process stops, and brings the process back meanwhile.
pub(crate) async fn through(world: &mut World<'_>, point: CrashPoint, flow: impl Future<Output = ()>) {
    let both = async { tokio::join!(flow, die_and_revive(world)) };
    tokio::pin!(both);
    both.await;
    println!("{} was reached", point.name());
}

/// Points that only other ways reach than to pay or cancel an order on the shop's own page.
const OF_OTHER_WAYS: [CrashPoint; 6] = [
    CrashPoint::AttemptAbandoned,
    CrashPoint::ExpiryRequested,
    CrashPoint::CaptureRequested,
    CrashPoint::PaymentIntentCaptured,
    CrashPoint::RefundRecorded,
    CrashPoint::RefundCreated,
];

async fn a_client_that_repeats_its_requests_finds_them_done_once(database: &TestDatabase) {
    everything_is_done_once(database, Through::Nobody).await;
}

async fn a_client_that_repeats_its_requests_finds_direct_charges_done_once(database: &TestDatabase) {
    everything_is_done_once(database, Through::Direct).await;
}

async fn everything_is_done_once(database: &TestDatabase, by: Through) {
    let mut world = World::start(database, Webhooks::Delivered).await;
    let shop = Shop::open_through(&world, by).await;
    let mut fates = Vec::new();
    let is_on_the_way = |point: &CrashPoint| {
        *point != CrashPoint::PaymentIntentRead
            && !OF_OTHER_WAYS.contains(point)
            && !CrashPoint::OUTBOUND.contains(point)
            && !CrashPoint::SELLERS.contains(point)
    };
    for point in CrashPoint::ALL.iter().copied().filter(is_on_the_way) {
        arm(&mut world, point).await;
        let names = [
            (format!("{}-paid", point.name()), Fate::Paid),
            (format!("{}-canceled", point.name()), Fate::Canceled),
        ];
        let flow = async {
            for (name, fate) in &names {
                shop.fulfil(name, *fate).await;
            }
        };
        through(&mut world, point, flow).await;
        fates.extend(names);
    }
    check(&world, &shop, &fates).await;
}

/// What leads to a point of another way.
async fn go(shop: &Shop, database: &TestDatabase, point: CrashPoint) -> (String, Money) {
    let (name, key) = (point.name(), format!("{}-money", point.name()));
    match point {
        CrashPoint::AttemptAbandoned => {
            let payable = shop.payable(name).await;
            let page = shop.hosting(&payable.order_id).insist().await.expect(200);
            shop.pay_page(&page.text_of("checkout_session_id"), "pm_card_visa").await.expect(200);
            shop.see_paid(&payable.order_id).await;
            (payable.order_id, Money::kept("paid", AMOUNT))
        }
        CrashPoint::ExpiryRequested => {
            let payable = shop.payable(name).await;
            let_expire(database, &payable.order_id).await;
            shop.see_become(&payable.order_id, "expired").await;
            (payable.order_id, Money::kept("expired", 0))
        }
        CrashPoint::CaptureRequested | CrashPoint::PaymentIntentCaptured => {
            let held = shop.held(name).await;
            shop.see_become(&held.order_id, "authorized").await;
            let captured = shop.capturing(&held.order_id, Some(900)).key(&key).insist().await.expect(200);
            assert_eq!(captured.body["amount_paid"], 900, "{}", captured.text);
            (held.order_id, Money::kept("paid", 900))
        }
        _ => {
            let payable = shop.payable(name).await;
            shop.confirm(&payable.payment_intent_id).await;
            shop.see_paid(&payable.order_id).await;
            let refunded = shop.refunding(&payable.order_id, Some(700), &key).insist().await.expect(201);
            assert_eq!(refunded.body["amount"], 700, "{}", refunded.text);
            shop.see_become(&payable.order_id, "partially_refunded").await;
            (
                payable.order_id,
                Money { status: "partially_refunded", received: AMOUNT, refunds: 1, back: 700 },
            )
        }
    }
}

/// How an order and its money end.
#[derive(Debug, PartialEq, Eq)]
struct Money {
    status: &'static str,
    received: i64,
    refunds: usize,
    back: i64,
}

impl Money {
    fn kept(status: &'static str, received: i64) -> Self {
        Self { status, received, refunds: 0, back: 0 }
    }
}

async fn every_other_way_of_money_survives_a_crash(database: &TestDatabase) {
    every_other_way_survives_a_crash(database, Through::Nobody).await;
}

async fn every_other_way_of_direct_charges_survives_a_crash(database: &TestDatabase) {
    every_other_way_survives_a_crash(database, Through::Direct).await;
}

async fn every_other_way_survives_a_crash(database: &TestDatabase, by: Through) {
    let mut world = World::start(database, Webhooks::Delivered).await;
    let shop = Shop::open_through(&world, by).await;
    for point in OF_OTHER_WAYS {
        arm(&mut world, point).await;
        let gone = OnceCell::new();
        let flow = async {
            let _ = gone.set(go(&shop, database, point).await);
        };
        through(&mut world, point, flow).await;
        come_to_rest(&world).await;
        let (order_id, ends) = gone.into_inner().expect("it went through");
        let books = Books::read(&world, &shop).await;
        let at_stripe = books.of(&order_id);
        // What a capture did not take was never the shop's, and is no refund.
        let refunds = at_stripe.refunds.len();
        assert!(at_stripe.successes() <= 1, "{}: {at_stripe:?}", point.name());
        let order = shop.order(&order_id).await;
        assert_eq!(order["status"], ends.status, "{}: {order}", point.name());
        let found = (at_stripe.received(), refunds, at_stripe.refunded());
        assert_eq!(found, (ends.received, ends.refunds, ends.back), "{}: {at_stripe:?}", point.name());
    }
}

async fn a_crash_after_asking_stripe_loses_nothing(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Lost).await;
    let shop = Shop::open(&world).await;
    let point = CrashPoint::PaymentIntentRead;
    arm(&mut world, point).await;
    let name = point.name().to_owned();
    through(&mut world, point, shop.fulfil(&name, Fate::Paid)).await;
    check(&world, &shop, &[(name, Fate::Paid)]).await;
}

/// Points after which nobody but the worker may ever look at an attempt again.
const LEFT_TO_THE_WORKER: [CrashPoint; 7] = [
    CrashPoint::AttemptRecorded,
    CrashPoint::AttemptCreated,
    CrashPoint::ResponseRecorded,
    CrashPoint::DetailsChanged,
    CrashPoint::DetailsSent,
    CrashPoint::CloseRequested,
    CrashPoint::AttemptClosed,
];

async fn what_no_client_repeats_is_driven_on(database: &TestDatabase) {
    everything_is_driven_on(database, Through::Nobody).await;
}

async fn what_no_client_repeats_of_direct_charges_is_driven_on(database: &TestDatabase) {
    everything_is_driven_on(database, Through::Direct).await;
}

async fn everything_is_driven_on(database: &TestDatabase, by: Through) {
    let mut world = World::start(database, Webhooks::Delivered).await;
    let shop = Shop::open_through(&world, by).await;
    for point in LEFT_TO_THE_WORKER {
        arm(&mut world, point).await;
        let name = format!("{}-left", point.name());
        let order_id = shop.place(&name).await;
        // Sent once. The last of them is cut off by the crash, at the latest.
        if shop.paying(&order_id).try_send().await.is_ok() {
            let street = serde_json::json!({ "line1": "12 St James's Square", "country": "GB" });
            let body = serde_json::json!({ "shipping": { "name": "Ada Lovelace", "address": street } });
            let change = shop.api.patch(format!("/v1/orders/{order_id}")).json(&body);
            if change.try_send().await.is_ok() {
                let canceled = shop.canceling(&order_id).try_send().await;
                assert!(canceled.is_err(), "{} is never reached", point.name());
            }
        }
        die_and_revive(&mut world).await;
        is_done(&world, &shop, point, &order_id).await;
    }
    // Keys of requests that nobody repeats stay until they are forgotten, and keep nobody out: their lease is over.
    world.database.execute("DELETE FROM idempotency_keys WHERE status IS NULL").await;
    come_to_rest(&world).await;
}

/// What was begun is done: the PaymentIntent is there, knows the address, or is closed.
async fn is_done(world: &World<'_>, shop: &Shop, point: CrashPoint, order_id: &str) {
    let due = format!("payments WHERE order_id = '{order_id}' AND resume_at IS NOT NULL");
    wait_until("the worker has no due attempt", async || world.count(&due).await == 0).await;
    let known = format!("SELECT payment_intent_id AS value FROM payments WHERE order_id = '{order_id}'");
    let known = world.texts(&known).await;
    let intents = shop.stripe.list("/v1/payment_intents").await;
    let ours = intents.iter().filter(|intent| intent["metadata"]["order_id"] == order_id);
    let [intent] = ours.collect::<Vec<_>>()[..] else { panic!("{}: not one PaymentIntent", point.name()) };
    assert_eq!(known, [intent["id"].as_str().unwrap_or_default()], "{}", point.name());
    let is_told = intent["shipping"]["address"]["line1"] == "12 St James's Square";
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
            assert!(is_told, "{}: {intent}", point.name());
        }
        _ => {
            // The customer comes back and pays after all.
            let again = shop.paying(order_id).insist().await.expect(200);
            assert_eq!(again.body["payment_intent_id"], intent["id"]);
            let payable = Payable { order_id: order_id.to_owned(), payment_intent_id: known[0].clone() };
            shop.confirm(&payable.payment_intent_id).await;
            shop.see_paid(&payable.order_id).await;
        }
    }
}
