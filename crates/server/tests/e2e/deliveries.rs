//! Stripe's events of a whole life of an order, in any order: the end is what Stripe's own objects say.

use quittance_test_support::{TestDatabase, wait_until};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;

use crate::books::Books;
use crate::event::Event;
use crate::seed::{dice, exhaustive, seed};
use crate::sellers::Through;
use crate::shop::Shop;
use crate::tally::come_to_rest;
use crate::world::{NO_WALK, Webhooks, World};

quittance_test_support::on_both_databases! {
    every_order_of_a_whole_life_ends_the_same,
    every_order_of_a_whole_life_of_direct_charges_ends_the_same,
}

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PaymentFlow {
    Element,
    Page,
}

/// What happens to an order one after the other, and its status then.
const LIFE: [(Step, &str); 9] = [
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

/// One order at Stripe, of which the service has heard nothing.
struct Life<'a> {
    shop: &'a Shop,
    flow: PaymentFlow,
    order_id: String,
    /// Of the Checkout Session, or the PaymentIntent.
    id: String,
    payment_intent_id: String,
    charge_id: String,
    last_refund: String,
    dispute_id: String,
}

impl<'a> Life<'a> {
    async fn begin(shop: &'a Shop, name: &str, flow: PaymentFlow) -> Self {
        let (order_id, id) = match flow {
            PaymentFlow::Element => {
                let payable = shop.payable(name).await;
                (payable.order_id, payable.payment_intent_id)
            }
            PaymentFlow::Page => {
                let hosted = shop.hosted(name).await;
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
            self.shop.confirm_by(&self.payment_intent_id, method).await.expect(200);
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

    /// What Stripe tells of it.
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

/// A life up to one of its steps, and the status that it must have then.
type Told<'a> = (String, Life<'a>, &'static str);

/// Lives of every length, on both rails.
async fn live(shop: &Shop, shuffles: usize) -> Vec<Told<'_>> {
    let whole = LIFE.len();
    // A debit on Stripe's page completes its Session: after it there is only one try.
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
            let mut life = Life::begin(shop, &name, flow).await;
            for (step, _) in &LIFE[first..end] {
                life.step(*step).await;
            }
            lives.push((name, life, LIFE[end - 1].1));
        }
    }
    lives
}

/// Its events in any order, some of them twice. In half of the lives the events alone have to say it: those that have
/// the service ask Stripe are left out.
fn shuffled(mut events: Vec<Event>, dice: &mut StdRng) -> Vec<Event> {
    if dice.random_bool(0.5) {
        events.retain(|event| {
            let kind = event.0["type"].as_str().unwrap_or_default();
            !kind.starts_with("charge.") || kind.starts_with("charge.dispute.")
        });
    }
    let again: Vec<Event> = events.iter().filter(|_| dice.random_ratio(1, 4)).cloned().collect();
    events.extend(again);
    events.shuffle(dice);
    events
}

async fn every_order_of_a_whole_life_ends_the_same(database: &TestDatabase) {
    every_order_ends_the_same(database, Through::Nobody).await;
}

async fn every_order_of_a_whole_life_of_direct_charges_ends_the_same(database: &TestDatabase) {
    every_order_ends_the_same(database, Through::Direct).await;
}

async fn every_order_ends_the_same(database: &TestDatabase, through: Through) {
    let seed = seed();
    let world = World::start_with(database, Webhooks::Lost, &NO_WALK).await;
    let shop = Shop::open_through(&world, through).await;
    let lives = live(&shop, if exhaustive() { 12 } else { 1 }).await;
    let all = shop.stripe.list("/v1/events").await;
    for (part, (name, life, status)) in lives.iter().enumerate() {
        let events = shuffled(life.events(&all), &mut dice(seed, part));
        for event in &events {
            shop.deliver(event).await.expect(200);
        }
        let kinds: Vec<&str> = events.iter().filter_map(|event| event.0["type"].as_str()).collect();
        println!("{name}: {kinds:?}");
        // What is told of the money of a Session whose PaymentIntent is not known yet, Stripe is asked for.
        if life.flow == PaymentFlow::Element {
            assert_eq!(shop.order(&life.order_id).await["status"], *status, "{name}");
        }
    }
    come_to_rest(&world).await;
    let books = Books::read(&world, &shop).await;
    for (name, life, status) in &lives {
        let at_stripe = books.of(&life.order_id);
        assert_eq!(at_stripe.status(), *status, "{name}");
        let ends = (Some(*status), Some(at_stripe.refunded()));
        wait_until(&format!("{name} ends as {ends:?}"), async || {
            let order = shop.order(&life.order_id).await;
            (order["status"].as_str(), order["amount_refunded"].as_i64()) == ends
        })
        .await;
    }
    println!("{} lives", lives.len());
}
