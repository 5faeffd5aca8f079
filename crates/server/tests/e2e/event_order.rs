//! Events of an order's complete lifecycle in random order. The order must match Stripe's objects in the end.

use quittance_test_support::{TestDatabase, wait_until};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::event::Event;
use crate::invariants::wait_until_idle;
use crate::seed::{exhaustive, rng, seed};
use crate::sellers::ChargeRoute;
use crate::storefront::Storefront;
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    lifecycle_events_in_any_order_match_stripe,
    direct_charge_lifecycle_events_in_any_order_match_stripe,
}

/// The way to pay the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PaymentFlow {
    Element,
    Page,
}

/// The steps of a lifecycle, and the order status after each step.
const LIFECYCLE: [(Step, &str); 9] = [
    (Step::Debit, "processing"),
    (Step::DebitFails, "payment_failed"),
    (Step::Pay, "paid"),
    (Step::Refund(300), "partially_refunded"),
    (Step::Refund(700), "partially_refunded"),
    (Step::RefundFails, "partially_refunded"),
    (Step::Dispute, "disputed"),
    (Step::Win, "partially_refunded"),
    (Step::RefundRest, "refunded"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Debit,
    DebitFails,
    Pay,
    Refund(i64),
    RefundFails,
    Dispute,
    Win,
    RefundRest,
}

/// An order at Stripe whose events the service hasn't received yet.
struct Lifecycle<'a> {
    shop: &'a Storefront,
    flow: PaymentFlow,
    order_id: String,
    /// The PaymentIntent ID or the Checkout Session ID.
    id: String,
    payment_intent_id: String,
    charge_id: String,
    last_refund: String,
    dispute_id: String,
}

impl<'a> Lifecycle<'a> {
    async fn begin(shop: &'a Storefront, name: &str, flow: PaymentFlow) -> Self {
        let (order_id, id) = match flow {
            PaymentFlow::Element => {
                let payable = shop.intent_order(name).await;
                (payable.order_id, payable.payment_intent_id)
            }
            PaymentFlow::Page => {
                let hosted = shop.session_order(name).await;
                (hosted.order_id, hosted.session_id)
            }
        };
        let empty = String::new;
        Self {
            shop,
            flow,
            order_id,
            payment_intent_id: id.clone(),
            id,
            charge_id: empty(),
            last_refund: empty(),
            dispute_id: empty(),
        }
    }

    async fn pay_by(&mut self, method: &str) {
        if self.flow == PaymentFlow::Element {
            self.shop.confirm_with(&self.payment_intent_id, method).await.expect(200);
        } else {
            let session = self.shop.pay_page(&self.id, method).await.expect(200);
            self.payment_intent_id = session.text_of("payment_intent");
        }
        let intent = self.shop.at_stripe(&self.payment_intent_id).await;
        intent["latest_charge"].as_str().expect("a charge").clone_into(&mut self.charge_id);
    }

    async fn step(&mut self, step: Step) {
        let (shop, intent) = (self.shop, self.payment_intent_id.clone());
        match step {
            Step::Debit => self.pay_by("pm_sepaDebit_successDelayed_de").await,
            Step::DebitFails => {
                let path = format!("payment_intents/{intent}/settle");
                shop.control(&path, "outcome=failed").await;
            }
            Step::Pay => self.pay_by("pm_card_visa").await,
            Step::Refund(_) | Step::RefundRest => {
                let amount =
                    if let Step::Refund(amount) = step { format!("&amount={amount}") } else { String::new() };
                let form = format!("payment_intent={intent}{amount}");
                let refund = shop.stripe.post("/v1/refunds").form(&form).send().await.expect(200);
                self.last_refund = refund.text_of("id");
            }
            Step::RefundFails => {
                let path = format!("refunds/{}/settle", self.last_refund);
                shop.control(&path, "outcome=failed").await;
            }
            Step::Dispute => {
                let dispute = shop.control(&format!("charges/{}/dispute", self.charge_id), "").await;
                dispute["id"].as_str().expect("an id").clone_into(&mut self.dispute_id);
            }
            Step::Win => {
                let path = format!("disputes/{}/decide", self.dispute_id);
                shop.control(&path, "outcome=won").await;
            }
        }
    }

    /// Returns Stripe's events about the order.
    fn events(&self, all: &[Value]) -> Vec<Event> {
        let is_ours = |event: &&Value| {
            let object = &event["data"]["object"];
            object["id"] == self.id.as_str()
                || object["id"] == self.payment_intent_id.as_str()
                || object["payment_intent"] == self.payment_intent_id.as_str()
        };
        all.iter().filter(is_ours).cloned().map(Event).collect()
    }
}

/// A lifecycle up to one of its steps: its name, its objects, and the expected status.
type PartialLifecycle<'a> = (String, Lifecycle<'a>, &'static str);

/// Creates lifecycles of every length for both payment flows.
async fn create_lifecycles(shop: &Storefront, shuffles: usize) -> Vec<PartialLifecycle<'_>> {
    let whole = LIFECYCLE.len();
    // A debit completes its Checkout Session, so no second attempt can follow.
    let spans = [
        (PaymentFlow::Element, 0, whole),
        (PaymentFlow::Element, 2, whole),
        (PaymentFlow::Page, 0, 2),
        (PaymentFlow::Page, 2, whole),
    ];
    let mut lives = Vec::new();
    for (flow, first, last) in spans {
        for (end, shuffle) in
            (first + 1..=last).flat_map(|end| (0..shuffles).map(move |shuffle| (end, shuffle)))
        {
            let name = format!("{flow:?}-{first}-{end}-{shuffle}");
            let mut life = Lifecycle::begin(shop, &name, flow).await;
            for (step, _) in &LIFECYCLE[first..end] {
                life.step(*step).await;
            }
            lives.push((name, life, LIFECYCLE[end - 1].1));
        }
    }
    lives
}

/// Shuffles the events and duplicates some of them. For half of the orders, it removes the events that make the service
/// ask Stripe.
fn shuffled(mut events: Vec<Event>, rng: &mut StdRng) -> Vec<Event> {
    if rng.random_bool(0.5) {
        events.retain(|event| {
            let kind = event.0["type"].as_str().unwrap_or_default();
            !kind.starts_with("charge.") || kind.starts_with("charge.dispute.")
        });
    }
    let again: Vec<Event> = events.iter().filter(|_| rng.random_ratio(1, 4)).cloned().collect();
    events.extend(again);
    events.shuffle(rng);
    events
}

async fn lifecycle_events_in_any_order_match_stripe(database: &TestDatabase) {
    check_event_orders(database, ChargeRoute::Platform).await;
}

async fn direct_charge_lifecycle_events_in_any_order_match_stripe(database: &TestDatabase) {
    check_event_orders(database, ChargeRoute::Direct).await;
}

async fn check_event_orders(database: &TestDatabase, charge_route: ChargeRoute) {
    let seed = seed();
    let env = Environment::start_with(database, Webhooks::Lost, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let lives = create_lifecycles(&shop, if exhaustive() { 12 } else { 1 }).await;
    let all = shop.stripe.list("/v1/events").await;
    for (part, (name, life, status)) in lives.iter().enumerate() {
        let events = shuffled(life.events(&all), &mut rng(seed, part));
        for event in &events {
            shop.deliver(event).await.expect(200);
        }
        let kinds: Vec<&str> = events.iter().filter_map(|event| event.0["type"].as_str()).collect();
        println!("{name}: {kinds:?}");
        // The service doesn't know the PaymentIntent of a Session yet. So it asks Stripe later.
        if life.flow == PaymentFlow::Element {
            assert_eq!(shop.order(&life.order_id).await["status"], *status, "{name}");
        }
    }
    wait_until_idle(&env).await;
    let objects = StripeObjects::read(&env, &shop).await;
    for (name, life, status) in &lives {
        let at_stripe = objects.for_order(&life.order_id);
        assert_eq!(at_stripe.status(), *status, "{name}");
        let ends = (Some(*status), Some(at_stripe.refunded()));
        wait_until(&format!("{name} ends as {ends:?}"), async || {
            let order = shop.order(&life.order_id).await;
            (order["status"].as_str(), order["amount_refunded"].as_i64()) == ends
        })
        .await;
    }
    println!("{} lifecycles", lives.len());
}
