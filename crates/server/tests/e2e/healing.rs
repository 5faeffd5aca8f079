//! Events that never arrive, or arrive late: every order comes to what Stripe says, by the running service alone and by
//! `quittance reconcile` alone.

use chrono::{TimeDelta, Utc};
use quittance_test_support::{TestDatabase, wait_until};
use serde_json::Value;

use crate::books::Books;
use crate::process::text;
use crate::sellers::Through;
use crate::shop::{AMOUNT, Hosted, Payable, Shop};
use crate::tally::{all_delivered, state_of_orders};
use crate::world::{NO_WALK, Webhooks, World};

quittance_test_support::on_both_databases! {
    what_never_arrives_is_found_by_the_running_service,
    what_never_arrives_of_direct_charges_is_found_by_the_running_service,
    what_never_arrives_of_destination_charges_is_found_by_the_running_service,
    what_never_arrives_is_found_by_hand,
    what_never_arrives_of_direct_charges_is_found_by_hand,
    a_late_event_keeps_no_customer_waiting,
    a_late_event_of_a_direct_charge_keeps_no_customer_waiting,
    what_was_left_half_done_is_driven_on_and_mended_by_hand,
}

/// How long a customer waits at most to hear of money whose event is late: Stripe is asked well before.
const TOLD_WITHIN_S: u8 = 3;

/// What happened at Stripe while no event reached the service, and the status that follows.
struct Story {
    name: String,
    order_id: String,
    ends: &'static str,
    refunded: i64,
}

/// Everything that can happen at Stripe to the orders of a shop.
struct Tellers<'a> {
    shop: &'a Shop,
    told: Vec<Story>,
}

impl Tellers<'_> {
    fn told(&mut self, name: &str, order_id: String, ends: &'static str, refunded: i64) {
        self.told.push(Story { name: name.to_owned(), order_id, ends, refunded });
    }

    async fn intent(&self, name: &str) -> Payable {
        self.shop.payable(name).await
    }

    async fn page(&self, name: &str) -> Hosted {
        self.shop.hosted(name).await
    }

    /// A PaymentIntent that is paid, and its charge.
    async fn paid(&self, name: &str) -> (String, String, String) {
        let payable = self.intent(name).await;
        let confirmed = self.shop.confirm_by(&payable.payment_intent_id, "pm_card_visa").await.expect(200);
        (payable.order_id, confirmed.text_of("id"), confirmed.text_of("latest_charge"))
    }

    /// The same on Stripe's page.
    async fn paid_on_page(&self, name: &str) -> (String, String) {
        let hosted = self.page(name).await;
        let session = self.shop.pay_page(&hosted.session_id, "pm_card_visa").await.expect(200);
        assert_eq!(session.body["payment_status"], "paid", "{}", session.text);
        (hosted.order_id, session.text_of("payment_intent"))
    }

    async fn refund(&self, payment_intent_id: &str, amount: i64) -> String {
        let form = format!("payment_intent={payment_intent_id}&amount={amount}");
        self.shop.stripe.post("/v1/refunds").form(&form).send().await.expect(200).text_of("id")
    }

    async fn tries(&mut self) {
        let (order_id, ..) = self.paid("paid").await;
        self.told("paid", order_id, "paid", 0);
        let (order_id, _) = self.paid_on_page("paid-page").await;
        self.told("paid-page", order_id, "paid", 0);

        let declined = self.intent("declined").await;
        self.shop.confirm_by(&declined.payment_intent_id, "pm_card_visa_chargeDeclined").await.expect(402);
        self.told("declined", declined.order_id, "payment_failed", 0);
        let declined = self.page("declined-page").await;
        self.shop.pay_page(&declined.session_id, "pm_card_visa_chargeDeclined").await.expect(402);
        self.told("declined-page", declined.order_id, "payment_failed", 0);

        let canceled = self.intent("canceled").await;
        let path = format!("/v1/payment_intents/{}/cancel", canceled.payment_intent_id);
        self.shop.stripe.post(path).send().await.expect(200);
        self.told("canceled", canceled.order_id, "pending", 0);
        let expired = self.page("expired-page").await;
        let path = format!("/v1/checkout/sessions/{}/expire", expired.session_id);
        self.shop.stripe.post(path).send().await.expect(200);
        self.told("expired-page", expired.order_id, "pending", 0);

        let held = self.shop.held("held").await;
        self.told("held", held.order_id, "authorized", 0);
        let captured = self.shop.held("captured").await;
        let path = format!("/v1/payment_intents/{}/capture", captured.payment_intent_id);
        self.shop.stripe.post(path).send().await.expect(200);
        self.told("captured", captured.order_id, "paid", 0);
    }

    async fn refunds_and_disputes(&mut self) {
        let (order_id, intent, _) = self.paid("refunded-in-part").await;
        self.refund(&intent, 900).await;
        self.told("refunded-in-part", order_id, "partially_refunded", 900);
        let (order_id, intent) = self.paid_on_page("refunded-page").await;
        self.refund(&intent, AMOUNT).await;
        self.told("refunded-page", order_id, "refunded", AMOUNT);
        let (order_id, intent, _) = self.paid("refund-failed").await;
        self.refund(&intent, 400).await;
        let refund = self.refund(&intent, 600).await;
        self.shop.control(&format!("refunds/{refund}/settle"), "outcome=failed").await;
        self.told("refund-failed", order_id, "partially_refunded", 400);

        for (name, outcome, ends) in [
            ("disputed", None, "disputed"),
            ("won", Some("won"), "paid"),
            ("lost", Some("lost"), "charged_back"),
        ] {
            let (order_id, _, charge) = self.paid(name).await;
            let dispute = self.shop.control(&format!("charges/{charge}/dispute"), "").await;
            if let Some(outcome) = outcome {
                let id = dispute["id"].as_str().expect("an id");
                self.shop.control(&format!("disputes/{id}/decide"), &format!("outcome={outcome}")).await;
            }
            self.told(name, order_id, ends, 0);
        }
    }

    async fn debits(&mut self) {
        for (name, outcome, ends) in [
            ("debited", Some("succeeded"), "paid"),
            ("debit-failed", Some("failed"), "payment_failed"),
            ("debit-under-way", None, "processing"),
        ] {
            let method = "pm_sepaDebit_successDelayed_de";
            let payable = self.intent(name).await;
            let confirmed = self.shop.confirm_by(&payable.payment_intent_id, method).await.expect(200);
            assert_eq!(confirmed.body["status"], "processing", "{}", confirmed.text);
            let page = self.page(&format!("{name}-page")).await;
            let paid = self.shop.pay_page(&page.session_id, method).await.expect(200);
            if let Some(outcome) = outcome {
                for id in [&payable.payment_intent_id, &paid.text_of("payment_intent")] {
                    let path = format!("payment_intents/{id}/settle");
                    self.shop.control(&path, &format!("outcome={outcome}")).await;
                }
            }
            self.told(name, payable.order_id, ends, 0);
            self.told(&format!("{name}-page"), page.order_id, ends, 0);
        }
    }
}

/// Loses every event from now on, and lets everything happen at Stripe that can.
async fn happen_unheard(world: &World<'_>, shop: &Shop) -> Vec<Story> {
    world.control("deliveries", "mode=drop").await;
    let mut tellers = Tellers { shop, told: Vec::new() };
    tellers.tries().await;
    tellers.refunds_and_disputes().await;
    tellers.debits().await;
    tellers.told
}

/// Checks that an order is what Stripe's objects say, which is what the story says.
async fn check(world: &World<'_>, shop: &Shop, stories: &[Story]) {
    let books = Books::read(world, shop).await;
    for Story { name, order_id, ends, refunded } in stories {
        let (order, at_stripe) = (shop.order(order_id).await, books.of(order_id));
        assert_eq!(order["status"], *ends, "{name}: {order}");
        let said = at_stripe.status();
        assert!(said == *ends || (said == "unpaid" && *ends == "pending"), "{name}: {at_stripe:?}");
        let paid = order["amount_paid"].as_i64().expect("an amount");
        assert_eq!((paid, at_stripe.received()), (at_stripe.received(), paid), "{name}: {order}");
        assert_eq!(
            (order["amount_refunded"].as_i64(), at_stripe.refunded()),
            (Some(*refunded), *refunded),
            "{name}: {order}"
        );
    }
    // What is told of the seller itself was told before.
    let delivered = shop.stripe.list("/v1/events?delivery_success=true").await;
    let is_of_orders = |event: &&Value| {
        let kind = event["type"].as_str().expect("a type");
        !kind.starts_with("account.") && !kind.starts_with("capability.")
    };
    assert_eq!(delivered.iter().find(is_of_orders), None, "an event arrived: this shows nothing");
}

async fn what_never_arrives_is_found_by_the_running_service(database: &TestDatabase) {
    found_by_the_running_service(database, Through::Nobody).await;
}

async fn what_never_arrives_of_direct_charges_is_found_by_the_running_service(database: &TestDatabase) {
    found_by_the_running_service(database, Through::Direct).await;
}

async fn what_never_arrives_of_destination_charges_is_found_by_the_running_service(database: &TestDatabase) {
    found_by_the_running_service(database, Through::Destination).await;
}

async fn found_by_the_running_service(database: &TestDatabase, through: Through) {
    let settings = [("QUITTANCE_EVENT_WALK_PERIOD", "1s")];
    let world = World::start_with(database, Webhooks::Delivered, &settings).await;
    let shop = Shop::open_through(&world, through).await;
    let stories = happen_unheard(&world, &shop).await;
    for story in &stories {
        shop.see_become(&story.order_id, story.ends).await;
    }
    let refunds_known = "refunds WHERE stripe_refund_id IS NOT NULL";
    wait_until("every refund is known", async || world.count(refunds_known).await == 4).await;
    wait_until("the failed refund is known", async || {
        let order = shop.order(&story(&stories, "refund-failed").order_id).await;
        order["amount_refunded"] == 400
    })
    .await;
    check(&world, &shop, &stories).await;
    let is_unpaid =
        |story: &&Story| ["pending", "payment_failed", "processing", "authorized"].contains(&story.ends);
    let unpaid = stories.iter().filter(is_unpaid).count();
    let paid = world.count("outbox WHERE kind = 'order.paid'").await;
    assert_eq!(usize::try_from(paid), Ok(stories.len() - unpaid), "each is paid once");
}

fn story<'a>(stories: &'a [Story], name: &str) -> &'a Story {
    stories.iter().find(|story| story.name == name).expect("it was told")
}

/// What is known of every order, and which events were heard.
async fn state(world: &World<'_>) -> Vec<String> {
    let mut state = state_of_orders(world).await;
    state.extend(world.texts("SELECT event_id || outcome AS value FROM inbox ORDER BY event_id").await);
    state
}

/// What a reconciliation says of itself: the number before each line.
fn tally(world: &World<'_>, arguments: &[&str]) -> Vec<(String, u64)> {
    let ended = world.run(&[&["reconcile"], arguments].concat(), &[]);
    assert!(ended.status.success(), "{}{}", text(&ended.stdout), text(&ended.stderr));
    let read = |line: &str| {
        let (count, what) = line.trim().split_once("  ").expect("a number and words");
        (what.to_owned(), count.parse().expect("a number"))
    };
    text(&ended.stdout).lines().map(read).collect()
}

fn of(tally: &[(String, u64)], what: &str) -> u64 {
    tally.iter().find(|(words, _)| words == what).unwrap_or_else(|| panic!("no {what:?}: {tally:?}")).1
}

async fn what_never_arrives_is_found_by_hand(database: &TestDatabase) {
    found_by_hand(database, Through::Nobody).await;
}

async fn what_never_arrives_of_direct_charges_is_found_by_hand(database: &TestDatabase) {
    found_by_hand(database, Through::Direct).await;
}

async fn found_by_hand(database: &TestDatabase, through: Through) {
    let mut world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open_through(&world, through).await;
    let stories = happen_unheard(&world, &shop).await;
    settle(&world, &shop).await;
    let before = state(&world).await;

    let dry = tally(&world, &["--dry-run"]);
    assert_eq!(state(&world).await, before, "a dry run changes nothing");
    let missing = of(&dry, "events missing here");
    assert_eq!(
        (of(&dry, "events listed by Stripe"), of(&dry, "missing events to apply")),
        (missing, missing)
    );
    assert_eq!(of(&dry, "orders to update"), stories.len() as u64, "{dry:?}");

    let done = tally(&world, &["--since", "1h"]);
    assert_eq!(of(&done, "events missing here"), missing);
    assert!(of(&done, "missing events applied") > 0, "{done:?}");
    check(&world, &shop, &stories).await;
    let healed = state(&world).await;
    assert_ne!(healed, before);

    // Also while the service does not run.
    world.kill();
    let again = tally(&world, &[]);
    for nothing in [
        "events missing here",
        "missing events applied",
        "payments and refunds resumed",
        "orders updated",
        "orders that failed to compare; the service retries them",
        "order statuses repaired",
    ] {
        assert_eq!(of(&again, nothing), 0, "{again:?}");
    }
    assert_eq!(of(&again, "events listed by Stripe"), missing, "{again:?}");
    assert_eq!(state(&world).await, healed, "a second run changes nothing");
}

async fn what_was_left_half_done_is_driven_on_and_mended_by_hand(database: &TestDatabase) {
    let mut world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open(&world).await;
    let untouched = shop.place("untouched").await;
    let paid = shop.payable("paid").await;
    shop.confirm(&paid.payment_intent_id).await;
    shop.see_paid(&paid.order_id).await;
    all_delivered(&world).await;

    // The process dies while it waits for Stripe's answer, and a column is wrong.
    world.control("chaos/next", "route=POST%20%2Fv1%2Fpayment_intents&fault=hang&hang_ms=600000").await;
    let left = shop.place("left").await;
    let call = shop.paying(&left);
    let unanswered = tokio::spawn(async move { call.try_send().await });
    let begun = format!("payments WHERE order_id = '{left}'");
    wait_until("the attempt is recorded", async || world.count(&begun).await == 1).await;
    world.kill();
    assert!(unanswered.await.expect("a task").is_err(), "it was answered before the end");
    world.stripe.delete("/_sandbox/chaos").send().await.expect(200);
    world.let_leases_end().await;
    let corrupt = format!("UPDATE orders SET status = 'canceled' WHERE id = '{untouched}'");
    database.execute(&corrupt).await;

    let done = tally(&world, &[]);
    assert_eq!(of(&done, "payments and refunds resumed"), 1, "{done:?}");
    assert_eq!((of(&done, "order statuses recomputed"), of(&done, "order statuses repaired")), (3, 1));
    let status = format!("SELECT status AS value FROM orders WHERE id = '{untouched}'");
    assert_eq!(world.texts(&status).await, ["pending"]);
    let intents = shop.stripe.list("/v1/payment_intents").await;
    let ours = intents.iter().filter(|intent| intent["metadata"]["order_id"] == left.as_str());
    let [intent] = ours.collect::<Vec<_>>()[..] else { panic!("not one PaymentIntent: {intents:?}") };
    let known = format!("SELECT payment_intent_id AS value FROM payments WHERE order_id = '{left}'");
    assert_eq!(world.texts(&known).await, [intent["id"].as_str().expect("an id")]);

    let again = tally(&world, &[]);
    assert_eq!((of(&again, "payments and refunds resumed"), of(&again, "order statuses repaired")), (0, 0));
}

/// Waits until the second of the last event is over at Stripe, because what is read in it is no news; and until the
/// worker has read the account of a seller that has just come once more.
async fn settle(world: &World<'_>, shop: &Shop) {
    let latest = shop.stripe.list("/v1/events").await[0]["created"].as_i64().expect("a second");
    wait_until("the current second is over", async || {
        let clock = world.stripe.get("/_sandbox/clock").send().await.expect(200);
        clock.body["now"].as_i64() > Some(latest + 1)
    })
    .await;
    let tomorrow = (Utc::now() + TimeDelta::days(1)).format("%Y-%m-%d %H:%M:%S%.6f");
    let to_read = format!("sellers WHERE check_at < '{tomorrow}+00:00'");
    wait_until("the account is read", async || world.count(&to_read).await == 0).await;
}

async fn a_late_event_keeps_no_customer_waiting(database: &TestDatabase) {
    nobody_waits_for_a_late_event(database, Through::Nobody).await;
}

async fn a_late_event_of_a_direct_charge_keeps_no_customer_waiting(database: &TestDatabase) {
    nobody_waits_for_a_late_event(database, Through::Direct).await;
}

async fn nobody_waits_for_a_late_event(database: &TestDatabase, through: Through) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open_through(&world, through).await;
    // What is told of the seller itself is told.
    all_delivered(&world).await;
    let heard_before = world.count("inbox").await;
    world.control("deliveries", "mode=delay&delay_ms=30000").await;
    let payable = shop.payable("element").await;
    shop.confirm(&payable.payment_intent_id).await;
    let seen = shop.waiting(&payable.order_id, TOLD_WITHIN_S).send().await.expect(200);
    assert_eq!(seen.body["order_status"], "paid", "{}", seen.text);

    let hosted = shop.hosted("page").await;
    shop.pay_page(&hosted.session_id, "pm_card_visa").await.expect(200);
    let path = format!("/v1/checkout_sessions/{}?wait={TOLD_WITHIN_S}", hosted.session_id);
    let seen = world.api.with(None).get(path).send().await.expect(200);
    assert_eq!(seen.body["order_status"], "paid", "{}", seen.text);

    // Both were answered before any event came.
    assert_eq!(world.count("inbox").await, heard_before);
    let outstanding: Vec<Value> = shop.stripe.list("/v1/events?delivery_success=false").await;
    let is_told = |kind: &str| outstanding.iter().any(|event| event["type"] == kind);
    assert!(is_told("payment_intent.succeeded") && is_told("checkout.session.completed"));
}
