//! A failing Stripe: API calls fail before or after they take effect; webhooks are lost, duplicated and late. The seed
//! determines the faults, and two runs with one seed end in the same state.

use std::collections::BTreeMap;

use quittance_test_support::{TestDatabase, wait_until};
use serde_json::Value;

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::invariants::wait_until_idle;
use crate::seed;
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! { same_chaos_seed_ends_in_same_state }

/// Routes that lookups and refreshes read. The number of calls depends on timing.
const READS: &str = "GET ";

/// The maximum number of attempts by a customer to confirm a payment.
const ATTEMPTS_MAX: usize = 30;

/// A scenario for one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    Paid,
    DeclinedThenPaid,
    Declined,
    Canceled,
    Debited,
    DebitFailed,
}

/// The scenarios in order. Debits come last, because they end when the clock advances.
const LOAD: [Scenario; 8] = [
    Scenario::Paid,
    Scenario::DeclinedThenPaid,
    Scenario::Canceled,
    Scenario::Declined,
    Scenario::Canceled,
    Scenario::Paid,
    Scenario::Debited,
    Scenario::DebitFailed,
];

/// The outcome of a run.
#[derive(Debug, PartialEq, Eq)]
struct RunOutcome {
    /// The faults by route or webhook type: the number of the call, and the fault.
    faults: BTreeMap<String, Vec<(u64, String)>>,
    /// The orders, in the order of the scenarios.
    orders: Vec<Order>,
}

/// The final state of an order, without IDs and times, which differ between runs.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    status: String,
    amount_paid: i64,
    last_decline: Value,
    /// The status and received amount of its PaymentIntents at Stripe, oldest first.
    payment_intents: Vec<(String, i64)>,
    /// The statuses of its charges, oldest first.
    charges: Vec<String>,
}

/// A shop and its customers with a failing Stripe.
struct Run<'a> {
    env: &'a Environment<'a>,
    shop: Storefront,
    seed: u64,
}

impl Run<'_> {
    /// Confirms a payment, and retries without a response, as a customer does. The idempotency key makes one payment of
    /// the retries.
    async fn confirm(&self, payment_intent_id: &str, method: &str) {
        let form = format!("payment_method={method}&return_url=https%3A%2F%2Fshop.example%2Fdone");
        let path = format!("/v1/payment_intents/{payment_intent_id}/confirm");
        let call = self.env.stripe.post(path).form(&form).key(&format!("{payment_intent_id}-{method}"));
        for _ in 0..ATTEMPTS_MAX {
            let Ok(answer) = call.try_send().await else { continue };
            // A replayed 500 is the final response for its key.
            if matches!(answer.status, 200 | 402) || answer.header("idempotent-replayed") == "true" {
                return;
            }
            assert!(matches!(answer.status, 409 | 429 | 500 | 502), "{}", answer.text);
        }
        panic!("{payment_intent_id}: no final response");
    }

    /// Polls the service's payment lookup.
    async fn wait_for_status(&self, order_id: &str, status: &str) {
        wait_until(&format!("{order_id} is {status}"), async || {
            let seen = self.shop.lookup_request(order_id, 5).send_with_retries().await.expect(200);
            seen.body["order_status"] == status
        })
        .await;
    }

    async fn run_scenario(&self, scenario: Scenario, name: &str) -> String {
        let payable = self.shop.intent_order(name).await;
        let id = &payable.payment_intent_id;
        match scenario {
            Scenario::Paid => {
                self.confirm(id, "pm_card_visa").await;
                self.wait_for_status(&payable.order_id, "paid").await;
            }
            Scenario::DeclinedThenPaid => {
                self.confirm(id, "pm_card_visa_chargeDeclined").await;
                self.wait_for_status(&payable.order_id, "payment_failed").await;
                self.confirm(id, "pm_card_visa").await;
                self.wait_for_status(&payable.order_id, "paid").await;
            }
            Scenario::Declined => {
                self.confirm(id, "pm_card_visa_chargeDeclinedInsufficientFunds").await;
                self.wait_for_status(&payable.order_id, "payment_failed").await;
            }
            Scenario::Canceled => {
                let canceled =
                    self.shop.cancel_request(&payable.order_id).send_with_retries().await.expect(200);
                assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
            }
            Scenario::Debited => {
                self.confirm(id, "pm_sepaDebit_successDelayed_de").await;
                self.wait_for_status(&payable.order_id, "processing").await;
            }
            Scenario::DebitFailed => {
                self.confirm(id, "pm_sepaDebit_failedDelayed_de").await;
                self.wait_for_status(&payable.order_id, "processing").await;
            }
        }
        payable.order_id
    }

    /// Runs the scenarios, and waits until everything has ended.
    async fn run(&self) -> RunOutcome {
        let form = format!("seed={}&api_percent=40&delivery_percent=50&hang_ms=50&delay_ms=100", self.seed);
        self.control("/_sandbox/chaos", &form).await;
        let mut order_ids = Vec::new();
        for (place, scenario) in LOAD.into_iter().enumerate() {
            let name = format!("{}-{place}", self.env.stripe.base());
            order_ids.push((scenario, self.run_scenario(scenario, &name).await));
        }
        self.control("/_sandbox/clock", "advance_seconds=3600").await;
        for (scenario, order_id) in &order_ids {
            let ends = match scenario {
                Scenario::Paid | Scenario::DeclinedThenPaid | Scenario::Debited => "paid",
                Scenario::Declined | Scenario::DebitFailed => "payment_failed",
                Scenario::Canceled => "canceled",
            };
            self.wait_for_status(order_id, ends).await;
        }
        let faults = self.faults().await;
        let calm = self.env.stripe.delete("/_sandbox/chaos").send().await.expect(200);
        assert_eq!(calm.body["api_percent"], 0);
        wait_until_idle(self.env).await;
        let mut orders = Vec::new();
        for (_, order_id) in &order_ids {
            orders.push(self.order(order_id).await);
        }
        RunOutcome { faults, orders }
    }

    async fn control(&self, path: &str, form: &str) -> Value {
        self.env.stripe.post(path).form(form).send().await.expect(200).body
    }

    async fn faults(&self) -> BTreeMap<String, Vec<(u64, String)>> {
        let chaos = self.env.stripe.get("/_sandbox/chaos").send().await.expect(200);
        let mut faults: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        for fault in chaos.body["faults"].as_array().expect("a list") {
            let [what, how] =
                ["what", "fault"].map(|field| fault[field].as_str().expect("a text").to_owned());
            faults.entry(what).or_default().push((fault["call"].as_u64().expect("a number"), how));
        }
        faults
    }

    /// Reads an order from the service and from Stripe, and asserts that they match.
    async fn order(&self, order_id: &str) -> Order {
        let here = self.shop.order(order_id).await;
        let mut intents = self.env.stripe_list("/v1/payment_intents").await;
        intents.retain(|intent| intent["metadata"]["order_id"] == order_id);
        intents.reverse();
        let mut charges = self.env.stripe_list("/v1/charges").await;
        charges.retain(|charge| intents.iter().any(|intent| intent["id"] == charge["payment_intent"]));
        charges.reverse();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let order = Order {
            status: text(&here["status"]),
            amount_paid: here["amount_paid"].as_i64().expect("an amount"),
            last_decline: here["payment"]["last_error"]["code"].clone(),
            payment_intents: intents
                .iter()
                .map(|intent| {
                    (text(&intent["status"]), intent["amount_received"].as_i64().expect("an amount"))
                })
                .collect(),
            charges: charges.iter().map(|charge| text(&charge["status"])).collect(),
        };
        let succeeded = order.charges.iter().filter(|status| *status == "succeeded").count();
        assert!(succeeded <= 1, "paid twice: {order:?}");
        let received: i64 = order.payment_intents.iter().map(|(_, received)| received).sum();
        let at_stripe = match order.payment_intents.as_slice() {
            intents if intents.iter().any(|(status, _)| status == "succeeded") => "paid",
            intents if intents.iter().all(|(status, _)| status == "canceled") => "canceled",
            _ if order.charges.last().is_some_and(|status| status == "failed") => "payment_failed",
            _ => "pending",
        };
        assert_eq!((order.status.as_str(), order.amount_paid), (at_stripe, received), "{order:?}");
        order
    }
}

async fn run(database: &TestDatabase, seed: u64) -> RunOutcome {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open(&env).await;
    Run { env: &env, shop, seed }.run().await
}

/// Removes the faults of reads.
fn remove_reads(faults: &mut BTreeMap<String, Vec<(u64, String)>>) -> BTreeMap<String, Vec<(u64, String)>> {
    let (reads, others) = std::mem::take(faults).into_iter().partition(|(what, _)| what.starts_with(READS));
    *faults = others;
    reads
}

async fn same_chaos_seed_ends_in_same_state(database: &TestDatabase) {
    let seed = seed::seed();

    let mut first = run(database, seed).await;
    let mut again = run(database, seed).await;
    let other = run(database, seed + 1).await;
    println!("{:#?}", first.faults);
    let of_the_api = first.faults.keys().filter(|what| what.contains("/v1/")).count();
    assert!(
        of_the_api > 1 && first.faults.len() > of_the_api + 1,
        "the seed causes too few faults: {:?}",
        first.faults
    );

    assert_ne!(first.faults, other.faults);

    // The number of reads differs between runs. The faults of the reads that both made must match.
    let [read_first, read_again] = [&mut first, &mut again].map(|run| remove_reads(&mut run.faults));
    for (route, faults) in &read_first {
        let of_again = read_again.get(route).map_or(&[][..], Vec::as_slice);
        let common = faults.len().min(of_again.len());
        assert_eq!(faults[..common], of_again[..common], "{route}");
    }
    assert_eq!(first, again);

    let statuses = |run: &RunOutcome| run.orders.iter().map(|order| order.status.clone()).collect::<Vec<_>>();

    assert_eq!(statuses(&first), statuses(&other), "faults must not change the final statuses");
}
