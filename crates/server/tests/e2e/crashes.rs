//! The process stopped at every boundary between two phases: whoever repeats its requests finds everything done
//! once, and what nobody asks for again is done all the same.

use quittance_crash_points::{CrashPoint, VARIABLE};
use quittance_test_support::TestDatabase;

use crate::process::wait_for;
use crate::shop::{Fate, Payable, Shop};
use crate::tally::{all_delivered, check, come_to_rest};
use crate::world::{Webhooks, World};

quittance_test_support::on_both_databases! {
    a_client_that_repeats_its_requests_finds_them_done_once,
    a_crash_after_asking_stripe_loses_nothing,
    what_no_client_repeats_is_driven_on,
}

/// Starts the service anew, to stop at this point.
async fn arm(world: &mut World<'_>, point: CrashPoint) {
    // An event that comes again would reach the point before the test begins.
    all_delivered(world).await;
    world.kill();
    world.revive(&[(VARIABLE, point.name())]).await;
}

/// Waits for the process to stop at its point, and starts it without one.
async fn die_and_revive(world: &mut World<'_>) {
    let status = world.service().end().await;
    assert!(!status.success(), "it stopped in good order");
    world.let_leases_end().await;
    world.revive(&[]).await;
}

/// Does something that must reach a point at which the process stops, and brings the process back meanwhile.
async fn through(world: &mut World<'_>, point: CrashPoint, flow: impl Future<Output = ()>) {
    let both = async { tokio::join!(flow, die_and_revive(world)) };
    tokio::pin!(both);
    both.await;
    println!("{} was reached", point.name());
}

async fn a_client_that_repeats_its_requests_finds_them_done_once(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Delivered).await;
    let shop = Shop::open(&world).await;
    let mut fates = Vec::new();
    let elsewhere =
        |point: &CrashPoint| *point == CrashPoint::PaymentIntentRead || CrashPoint::OUTBOUND.contains(point);
    for point in CrashPoint::ALL.iter().copied().filter(|point| !elsewhere(point)) {
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
    check(&world, &fates).await;
}

async fn a_crash_after_asking_stripe_loses_nothing(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Lost).await;
    let shop = Shop::open(&world).await;
    let point = CrashPoint::PaymentIntentRead;
    arm(&mut world, point).await;
    let name = point.name().to_owned();
    through(&mut world, point, shop.fulfil(&name, Fate::Paid)).await;
    check(&world, &[(name, Fate::Paid)]).await;
}

/// Points after which nobody but the worker may ever look at an attempt again.
const LEFT_TO_THE_WORKER: [CrashPoint; 7] = [
    CrashPoint::AttemptRecorded,
    CrashPoint::PaymentIntentCreated,
    CrashPoint::PaymentIntentRecorded,
    CrashPoint::DetailsChanged,
    CrashPoint::DetailsTold,
    CrashPoint::ClosureAsked,
    CrashPoint::PaymentIntentCanceled,
];

async fn what_no_client_repeats_is_driven_on(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Delivered).await;
    let shop = Shop::open(&world).await;
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
    let due = format!("payments WHERE order_id = '{order_id}' AND redrive_at IS NOT NULL");
    wait_for("the worker", async || (world.count(&due).await == 0).then_some(())).await;
    let known = format!("SELECT payment_intent_id AS value FROM payments WHERE order_id = '{order_id}'");
    let known = world.texts(&known).await;
    let intents = world.stripe_list("/v1/payment_intents").await;
    let ours = intents.iter().filter(|intent| intent["metadata"]["order_id"] == order_id);
    let [intent] = ours.collect::<Vec<_>>()[..] else { panic!("{}: not one PaymentIntent", point.name()) };
    assert_eq!(known, [intent["id"].as_str().unwrap_or_default()], "{}", point.name());
    let is_told = intent["shipping"]["address"]["line1"] == "12 St James's Square";
    let status = shop.order(order_id).await["status"].clone();
    match point {
        CrashPoint::ClosureAsked | CrashPoint::PaymentIntentCanceled => {
            assert_eq!(
                (&intent["status"], &status),
                (&"canceled".into(), &"canceled".into()),
                "{}",
                point.name()
            );
        }
        CrashPoint::DetailsChanged | CrashPoint::DetailsTold => {
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
