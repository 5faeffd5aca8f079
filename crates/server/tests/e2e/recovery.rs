//! Missed or late events. The running service and `quittance reconcile` each bring every order to Stripe's state.

use chrono::{TimeDelta, Utc};
use quittance_test_support::{TestDatabase, wait_until};
use serde_json::Value;

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::invariants::{order_rows, wait_until_delivered};
use crate::process::text;
use crate::sellers::ChargeRoute;
use crate::storefront::{AMOUNT, IntentOrder, SessionOrder, Storefront};
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    missed_events_are_recovered_by_service,
    missed_direct_charge_events_are_recovered_by_service,
    missed_destination_charge_events_are_recovered_by_service,
    missed_events_are_recovered_by_reconcile,
    missed_direct_charge_events_are_recovered_by_reconcile,
    late_event_does_not_delay_customer,
    late_direct_charge_event_does_not_delay_customer,
    interrupted_payment_and_wrong_status_are_repaired_by_reconcile,
}

/// The maximum wait of a customer for a payment whose event is late. The service asks Stripe well before.
const LOOKUP_WAIT_S: u8 = 3;

/// The events at Stripe that the service missed, and the resulting status.
struct Scenario {
    name: String,
    order_id: String,
    ends: &'static str,
    refunded: i64,
}

/// A runner for every scenario that can happen to an order at Stripe.
struct ScenarioRunner<'a> {
    shop: &'a Storefront,
    scenarios: Vec<Scenario>,
}

impl ScenarioRunner<'_> {
    fn record(&mut self, name: &str, order_id: String, ends: &'static str, refunded: i64) {
        self.scenarios.push(Scenario { name: name.to_owned(), order_id, ends, refunded });
    }

    async fn intent(&self, name: &str) -> IntentOrder {
        self.shop.intent_order(name).await
    }

    async fn page(&self, name: &str) -> SessionOrder {
        self.shop.session_order(name).await
    }

    /// Pays a PaymentIntent. Returns the order ID, the PaymentIntent and the charge.
    async fn paid(&self, name: &str) -> (String, String, String) {
        let payable = self.intent(name).await;
        let confirmed = self.shop.confirm_with(&payable.payment_intent_id, "pm_card_visa").await.expect(200);
        (payable.order_id, confirmed.text_of("id"), confirmed.text_of("latest_charge"))
    }

    /// Pays a Checkout Session. Returns the order ID and the PaymentIntent.
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

    async fn attempts(&mut self) {
        let (order_id, ..) = self.paid("paid").await;
        self.record("paid", order_id, "paid", 0);
        let (order_id, _) = self.paid_on_page("paid-page").await;
        self.record("paid-page", order_id, "paid", 0);

        let declined = self.intent("declined").await;
        self.shop.confirm_with(&declined.payment_intent_id, "pm_card_visa_chargeDeclined").await.expect(402);
        self.record("declined", declined.order_id, "payment_failed", 0);
        let declined = self.page("declined-page").await;
        self.shop.pay_page(&declined.session_id, "pm_card_visa_chargeDeclined").await.expect(402);
        self.record("declined-page", declined.order_id, "payment_failed", 0);

        let canceled = self.intent("canceled").await;
        let path = format!("/v1/payment_intents/{}/cancel", canceled.payment_intent_id);
        self.shop.stripe.post(path).send().await.expect(200);
        self.record("canceled", canceled.order_id, "pending", 0);
        let expired = self.page("expired-page").await;
        let path = format!("/v1/checkout/sessions/{}/expire", expired.session_id);
        self.shop.stripe.post(path).send().await.expect(200);
        self.record("expired-page", expired.order_id, "pending", 0);

        let held = self.shop.authorized_order("held").await;
        self.record("held", held.order_id, "authorized", 0);
        let captured = self.shop.authorized_order("captured").await;
        let path = format!("/v1/payment_intents/{}/capture", captured.payment_intent_id);
        self.shop.stripe.post(path).send().await.expect(200);
        self.record("captured", captured.order_id, "paid", 0);
    }

    async fn refunds_and_disputes(&mut self) {
        let (order_id, intent, _) = self.paid("refunded-in-part").await;
        self.refund(&intent, 900).await;
        self.record("refunded-in-part", order_id, "partially_refunded", 900);
        let (order_id, intent) = self.paid_on_page("refunded-page").await;
        self.refund(&intent, AMOUNT).await;
        self.record("refunded-page", order_id, "refunded", AMOUNT);
        let (order_id, intent, _) = self.paid("refund-failed").await;
        self.refund(&intent, 400).await;
        let refund = self.refund(&intent, 600).await;
        self.shop.control(&format!("refunds/{refund}/settle"), "outcome=failed").await;
        self.record("refund-failed", order_id, "partially_refunded", 400);

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
            self.record(name, order_id, ends, 0);
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
            let confirmed = self.shop.confirm_with(&payable.payment_intent_id, method).await.expect(200);
            assert_eq!(confirmed.body["status"], "processing", "{}", confirmed.text);
            let page = self.page(&format!("{name}-page")).await;
            let paid = self.shop.pay_page(&page.session_id, method).await.expect(200);
            if let Some(outcome) = outcome {
                for id in [&payable.payment_intent_id, &paid.text_of("payment_intent")] {
                    let path = format!("payment_intents/{id}/settle");
                    self.shop.control(&path, &format!("outcome={outcome}")).await;
                }
            }
            self.record(name, payable.order_id, ends, 0);
            self.record(&format!("{name}-page"), page.order_id, ends, 0);
        }
    }
}

/// Drops all events from now on, and runs every scenario at Stripe.
async fn run_scenarios_unnoticed(env: &Environment<'_>, shop: &Storefront) -> Vec<Scenario> {
    env.control("deliveries", "mode=drop").await;
    let mut runner = ScenarioRunner { shop, scenarios: Vec::new() };
    runner.attempts().await;
    runner.refunds_and_disputes().await;
    runner.debits().await;
    runner.scenarios
}

/// Asserts that each order matches Stripe's objects and its scenario.
async fn check(env: &Environment<'_>, shop: &Storefront, scenarios: &[Scenario]) {
    let objects = StripeObjects::read(env, shop).await;
    for Scenario { name, order_id, ends, refunded } in scenarios {
        let (order, at_stripe) = (shop.order(order_id).await, objects.for_order(order_id));
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
    // The events about the seller were delivered earlier.
    let delivered = shop.stripe.list("/v1/events?delivery_success=true").await;
    let is_about_order = |event: &&Value| {
        let kind = event["type"].as_str().expect("a type");
        !kind.starts_with("account.") && !kind.starts_with("capability.")
    };
    assert_eq!(delivered.iter().find(is_about_order), None, "an event arrived, so this test proves nothing");
}

async fn missed_events_are_recovered_by_service(database: &TestDatabase) {
    check_recovery_by_service(database, ChargeRoute::Platform).await;
}

async fn missed_direct_charge_events_are_recovered_by_service(database: &TestDatabase) {
    check_recovery_by_service(database, ChargeRoute::Direct).await;
}

async fn missed_destination_charge_events_are_recovered_by_service(database: &TestDatabase) {
    check_recovery_by_service(database, ChargeRoute::Destination).await;
}

async fn check_recovery_by_service(database: &TestDatabase, charge_route: ChargeRoute) {
    let settings = [("QUITTANCE_EVENT_BACKFILL_PERIOD", "1s")];
    let env = Environment::start_with(database, Webhooks::Delivered, &settings).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let scenarios = run_scenarios_unnoticed(&env, &shop).await;
    for scenario in &scenarios {
        shop.wait_for_status(&scenario.order_id, scenario.ends).await;
    }
    let refunds_known = "refunds WHERE stripe_refund_id IS NOT NULL";
    wait_until("every refund is known", async || env.count(refunds_known).await == 4).await;
    wait_until("the failed refund is known", async || {
        let order = shop.order(&scenario(&scenarios, "refund-failed").order_id).await;
        order["amount_refunded"] == 400
    })
    .await;
    check(&env, &shop, &scenarios).await;
    let is_unpaid = |scenario: &&Scenario| {
        ["pending", "payment_failed", "processing", "authorized"].contains(&scenario.ends)
    };
    let unpaid = scenarios.iter().filter(is_unpaid).count();
    let paid = env.count("outbox WHERE kind = 'order.paid'").await;

    assert_eq!(usize::try_from(paid), Ok(scenarios.len() - unpaid), "each paid order must be published once");
}

fn scenario<'a>(scenarios: &'a [Scenario], name: &str) -> &'a Scenario {
    scenarios.iter().find(|scenario| scenario.name == name).expect("the scenario ran")
}

/// Returns the orders' rows and the received events.
async fn state(env: &Environment<'_>) -> Vec<String> {
    let mut state = order_rows(env).await;
    state.extend(env.texts("SELECT event_id || outcome AS value FROM inbox ORDER BY event_id").await);
    state
}

/// Runs `reconcile`. Returns the count before each line of its report.
fn reconcile(env: &Environment<'_>, arguments: &[&str]) -> Vec<(String, u64)> {
    let ended = env.run(&[&["reconcile"], arguments].concat(), &[]);
    assert!(ended.status.success(), "{}{}", text(&ended.stdout), text(&ended.stderr));
    let read = |line: &str| {
        let (count, what) = line.trim().split_once("  ").expect("a number and words");
        (what.to_owned(), count.parse().expect("a number"))
    };
    text(&ended.stdout).lines().map(read).collect()
}

fn count_of(reconcile: &[(String, u64)], what: &str) -> u64 {
    reconcile
        .iter()
        .find(|(words, _)| words == what)
        .unwrap_or_else(|| panic!("no {what:?}: {reconcile:?}"))
        .1
}

async fn missed_events_are_recovered_by_reconcile(database: &TestDatabase) {
    check_recovery_by_reconcile(database, ChargeRoute::Platform).await;
}

async fn missed_direct_charge_events_are_recovered_by_reconcile(database: &TestDatabase) {
    check_recovery_by_reconcile(database, ChargeRoute::Direct).await;
}

async fn check_recovery_by_reconcile(database: &TestDatabase, charge_route: ChargeRoute) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let scenarios = run_scenarios_unnoticed(&env, &shop).await;
    settle(&env, &shop).await;
    let before = state(&env).await;

    let dry = reconcile(&env, &["--dry-run"]);
    assert_eq!(state(&env).await, before, "a dry run must change nothing");
    let missing = count_of(&dry, "events missing here");
    assert_eq!(
        (count_of(&dry, "events listed by Stripe"), count_of(&dry, "missing events to apply")),
        (missing, missing)
    );
    assert_eq!(count_of(&dry, "orders to update"), scenarios.len() as u64, "{dry:?}");

    let done = reconcile(&env, &["--since", "1h"]);
    assert_eq!(count_of(&done, "events missing here"), missing);
    assert!(count_of(&done, "missing events applied") > 0, "{done:?}");
    check(&env, &shop, &scenarios).await;
    let healed = state(&env).await;
    assert_ne!(healed, before);

    // `reconcile` also works while the service is stopped.
    env.kill();
    let again = reconcile(&env, &[]);
    for nothing in [
        "events missing here",
        "missing events applied",
        "payments and refunds resumed",
        "orders updated",
        "orders that failed to compare; the service retries them",
        "order statuses repaired",
    ] {
        assert_eq!(count_of(&again, nothing), 0, "{again:?}");
    }

    assert_eq!(count_of(&again, "events listed by Stripe"), missing, "{again:?}");
    assert_eq!(state(&env).await, healed, "a second run must change nothing");
}

async fn interrupted_payment_and_wrong_status_are_repaired_by_reconcile(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open(&env).await;

    let untouched = shop.place("untouched").await;
    let paid = shop.intent_order("paid").await;
    shop.confirm(&paid.payment_intent_id).await;
    shop.wait_until_paid(&paid.order_id).await;
    wait_until_delivered(&env).await;

    // The process dies while it waits for Stripe's response, and a status column is wrong.
    env.control("chaos/next", "route=POST%20%2Fv1%2Fpayment_intents&fault=hang&hang_ms=600000").await;
    let left = shop.place("left").await;
    let call = shop.intent_request(&left);
    let unanswered = tokio::spawn(async move { call.try_send().await });
    let begun = format!("payments WHERE order_id = '{left}'");
    wait_until("the attempt is recorded", async || env.count(&begun).await == 1).await;
    env.kill();
    assert!(unanswered.await.expect("a task").is_err(), "the request must fail because of the crash");
    env.stripe.delete("/_sandbox/chaos").send().await.expect(200);
    env.expire_leases().await;
    let corrupt = format!("UPDATE orders SET status = 'canceled' WHERE id = '{untouched}'");
    database.execute(&corrupt).await;

    let done = reconcile(&env, &[]);
    assert_eq!(count_of(&done, "payments and refunds resumed"), 1, "{done:?}");
    assert_eq!(
        (count_of(&done, "order statuses recomputed"), count_of(&done, "order statuses repaired")),
        (3, 1)
    );
    let status = format!("SELECT status AS value FROM orders WHERE id = '{untouched}'");
    assert_eq!(env.texts(&status).await, ["pending"]);
    let intents = shop.stripe.list("/v1/payment_intents").await;
    let ours = intents.iter().filter(|intent| intent["metadata"]["order_id"] == left.as_str());
    let [intent] = ours.collect::<Vec<_>>()[..] else { panic!("expected one PaymentIntent: {intents:?}") };
    let known = format!("SELECT payment_intent_id AS value FROM payments WHERE order_id = '{left}'");
    assert_eq!(env.texts(&known).await, [intent["id"].as_str().expect("an id")]);

    let again = reconcile(&env, &[]);

    assert_eq!(
        (count_of(&again, "payments and refunds resumed"), count_of(&again, "order statuses repaired")),
        (0, 0)
    );
}

/// Waits until the second of Stripe's last event is over, because the service ignores reads in that second as too old.
/// Then waits until the worker has read the account of the new seller.
async fn settle(env: &Environment<'_>, shop: &Storefront) {
    let latest = shop.stripe.list("/v1/events").await[0]["created"].as_i64().expect("a second");
    wait_until("the current second is over", async || {
        let clock = env.stripe.get("/_sandbox/clock").send().await.expect(200);
        clock.body["now"].as_i64() > Some(latest + 1)
    })
    .await;
    let tomorrow = (Utc::now() + TimeDelta::days(1)).format("%Y-%m-%d %H:%M:%S%.6f");
    let to_read = format!("sellers WHERE check_at < '{tomorrow}+00:00'");
    wait_until("the account is read", async || env.count(&to_read).await == 0).await;
}

async fn late_event_does_not_delay_customer(database: &TestDatabase) {
    check_lookup_with_late_event(database, ChargeRoute::Platform).await;
}

async fn late_direct_charge_event_does_not_delay_customer(database: &TestDatabase) {
    check_lookup_with_late_event(database, ChargeRoute::Direct).await;
}

async fn check_lookup_with_late_event(database: &TestDatabase, charge_route: ChargeRoute) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    // The events about the seller are delivered first.
    wait_until_delivered(&env).await;
    let events_before = env.count("inbox").await;
    env.control("deliveries", "mode=delay&delay_ms=30000").await;
    let payable = shop.intent_order("element").await;
    shop.confirm(&payable.payment_intent_id).await;
    let seen = shop.lookup_request(&payable.order_id, LOOKUP_WAIT_S).send().await.expect(200);
    assert_eq!(seen.body["order_status"], "paid", "{}", seen.text);

    let hosted = shop.session_order("page").await;
    shop.pay_page(&hosted.session_id, "pm_card_visa").await.expect(200);
    let path = format!("/v1/checkout_sessions/{}?wait={LOOKUP_WAIT_S}", hosted.session_id);
    let seen = env.api.with(None).get(path).send().await.expect(200);
    assert_eq!(seen.body["order_status"], "paid", "{}", seen.text);

    // Both lookups returned before any event arrived.
    assert_eq!(env.count("inbox").await, events_before);
    let outstanding: Vec<Value> = shop.stripe.list("/v1/events?delivery_success=false").await;
    let is_sent = |kind: &str| outstanding.iter().any(|event| event["type"] == kind);

    assert!(is_sent("payment_intent.succeeded") && is_sent("checkout.session.completed"));
}
