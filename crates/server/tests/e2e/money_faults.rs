//! Every call that moves money, with every fault at Stripe, and with a crash before and after the call. The request
//! takes effect once, and nothing stays in flight.

use std::cell::RefCell;

use quittance_crash_points::{CrashPoint, VARIABLE};
use quittance_test_support::{TestDatabase, wait_until};
use tokio::task::JoinSet;

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::invariants::{wait_until_delivered, wait_until_resumed};
use crate::seed::exhaustive;
use crate::sellers::ChargeRoute;
use crate::storefront::{AMOUNT, Storefront};
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    money_calls_survive_every_fault,
    direct_charge_money_calls_survive_faults,
    destination_charge_money_calls_survive_faults,
    money_calls_survive_every_crash,
    direct_charge_money_calls_survive_crashes,
}

/// A call that moves or releases money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    CreateIntent,
    CreateSession,
    Cancel,
    Expire,
    Capture,
    Refund,
    Update,
}

impl Action {
    const ALL: [Self; 7] = [
        Self::CreateIntent,
        Self::CreateSession,
        Self::Cancel,
        Self::Expire,
        Self::Capture,
        Self::Refund,
        Self::Update,
    ];

    fn route(self) -> &'static str {
        match self {
            Self::CreateIntent => "POST /v1/payment_intents",
            Self::CreateSession => "POST /v1/checkout/sessions",
            Self::Cancel => "POST /v1/payment_intents/{id}/cancel",
            Self::Expire => "POST /v1/checkout/sessions/{id}/expire",
            Self::Capture => "POST /v1/payment_intents/{id}/capture",
            Self::Refund => "POST /v1/refunds",
            Self::Update => "POST /v1/payment_intents/{id}",
        }
    }

    /// Returns the crash points before and after the call to Stripe.
    fn points(self) -> [CrashPoint; 2] {
        match self {
            Self::CreateIntent | Self::CreateSession => {
                [CrashPoint::AttemptRecorded, CrashPoint::AttemptCreated]
            }
            Self::Cancel | Self::Expire => [CrashPoint::CloseRequested, CrashPoint::AttemptClosed],
            Self::Capture => [CrashPoint::CaptureRequested, CrashPoint::PaymentIntentCaptured],
            Self::Refund => [CrashPoint::RefundRecorded, CrashPoint::RefundCreated],
            Self::Update => [CrashPoint::DetailsChanged, CrashPoint::DetailsSent],
        }
    }
}

/// The sandbox's faults, before and after a call takes effect. The worst one comes first: the call took effect, but
/// Stripe replays an error for its key.
const FAULTS: [&str; 10] = [
    "server_error_after",
    "conflict",
    "rate_limit",
    "server_error",
    "bad_gateway",
    "bad_gateway_after",
    "hang",
    "hang_after",
    "cut",
    "cut_after",
];

/// Returns the duration of a hang: short, or longer than the service waits for a response.
fn hang_ms(times: usize) -> u32 {
    if exhaustive() && times == 1 { 9_000 } else { 200 }
}

/// More failures than the service's automatic retries.
const BEYOND_RETRIES: usize = 5;

/// One action on its own order.
#[derive(Debug, Clone)]
struct Case {
    act: Action,
    order_id: String,
    name: String,
}

impl Case {
    /// Prepares an order for the action.
    async fn prepare(shop: &Storefront, act: Action, name: &str) -> Self {
        let order_id = match act {
            Action::CreateIntent | Action::CreateSession => shop.place(name).await,
            Action::Cancel | Action::Update => shop.intent_order(name).await.order_id,
            Action::Expire => shop.session_order(name).await.order_id,
            Action::Capture => {
                let held = shop.authorized_order(name).await;
                shop.wait_for_status(&held.order_id, "authorized").await;
                held.order_id
            }
            Action::Refund => {
                let payable = shop.intent_order(name).await;
                shop.confirm(&payable.payment_intent_id).await;
                shop.wait_until_paid(&payable.order_id).await;
                payable.order_id
            }
        };
        Self { act, order_id, name: name.to_owned() }
    }

    /// Makes the next calls of the action fail.
    async fn plan(&self, env: &Environment<'_>, fault: &str, times: usize) {
        for nth in 1..=times {
            let form =
                format!("route={}&fault={fault}&nth={nth}&hang_ms={}", self.act.route(), hang_ms(times));
            env.control("chaos/next", &form).await;
        }
    }

    /// Sends the request until it gets a final response.
    async fn act(&self, shop: &Storefront) {
        let id = &self.order_id;
        let answer = match self.act {
            Action::CreateIntent => shop.intent_request(id).send_with_retries().await,
            Action::CreateSession => shop.session_request(id).send_with_retries().await,
            Action::Cancel | Action::Expire => shop.cancel_request(id).send_with_retries().await,
            Action::Capture => {
                shop.capture_request(id, Some(900))
                    .key(&format!("{}-capture", self.name))
                    .send_with_retries()
                    .await
            }
            Action::Refund => {
                shop.refund_request(id, Some(700), &format!("{}-refund", self.name)).send_with_retries().await
            }
            Action::Update => shop.set_shipping(id, "12 St James's Square").await,
        };
        assert!(matches!(answer.status, 200 | 201), "{self:?}: {}", answer.text);
    }

    /// Asserts that the action took effect once.
    async fn check(&self, env: &Environment<'_>, shop: &Storefront, objects: &StripeObjects, how: &str) {
        let at_stripe = objects.for_order(&self.order_id);
        let order = shop.order(&self.order_id).await;
        let said = format!("{self:?} {how}: {order} {at_stripe:#?}");
        let live = at_stripe.intents.iter().filter(|intent| intent["status"] != "canceled").count();
        let status = order["status"].as_str().expect("a status");
        let money = (at_stripe.received(), at_stripe.refunds.len(), at_stripe.refunded());
        match self.act {
            Action::CreateIntent => {
                assert_eq!((status, live, money), ("pending", 1, (0, 0, 0)), "{said}");
                let again = shop.intent_request(&self.order_id).send_with_retries().await.expect(200);
                shop.confirm(&again.text_of("payment_intent_id")).await;
            }
            Action::CreateSession => {
                let sessions = shop.stripe.list("/v1/checkout/sessions?status=open").await;
                let is_ours =
                    |session: &&serde_json::Value| session["metadata"]["order_id"] == self.order_id.as_str();
                let ours: Vec<_> = sessions.iter().filter(is_ours).collect();
                assert_eq!((status, ours.len(), money), ("pending", 1, (0, 0, 0)), "{said}");
                let id = ours[0]["id"].as_str().expect("an id");
                shop.pay_page(id, "pm_card_visa").await.expect(200);
            }
            Action::Cancel | Action::Expire => {
                assert_eq!((status, live, money), ("canceled", 0, (0, 0, 0)), "{said}");
                return;
            }
            Action::Capture => {
                assert_eq!((status, live, money), ("paid", 1, (900, 0, 0)), "{said}");
                return;
            }
            Action::Refund => {
                assert_eq!((status, live, money), ("partially_refunded", 1, (AMOUNT, 1, 700)), "{said}");
                // Stripe refunded the fee in proportion.
                assert_eq!(at_stripe.fee(), shop.fee() - (shop.fee() * 700 + AMOUNT / 2) / AMOUNT, "{said}");
                return;
            }
            Action::Update => {
                let line1 = &at_stripe.intents[0]["shipping"]["address"]["line1"];
                assert_eq!((status, live, line1), ("pending", 1, &"12 St James's Square".into()), "{said}");
                shop.confirm(at_stripe.intents[0]["id"].as_str().expect("an id")).await;
            }
        }
        // The created object can be paid, and pays the order once.
        shop.wait_until_paid(&self.order_id).await;
        let objects = StripeObjects::read(env, shop).await;
        let at_stripe = objects.for_order(&self.order_id);
        let found = (at_stripe.successes(), at_stripe.received(), at_stripe.fee());
        assert_eq!(found, (1, AMOUNT, shop.fee()), "{said}");
    }
}

/// Returns the fault of a call in a round, the worst one first. Three rounds use every fault for some call.
fn fault(place: usize, round: usize) -> &'static str {
    let others = FAULTS.len() - 1;
    round.checked_sub(1).map_or(FAULTS[0], |round| FAULTS[1 + (place * 2 + round) % others])
}

/// Waits until every refund has an outcome, and nothing is left to resume.
async fn settle(env: &Environment<'_>) {
    wait_until_resumed(env).await;
    wait_until("every refund has an outcome", async || {
        let untold = "refunds WHERE stripe_refund_id IS NULL AND refused IS NULL";
        env.count(untold).await == 0
    })
    .await;
}

/// Each call fails in each way: once, and then more often than the service retries, while events are lost. Calls to
/// different routes fail at the same time, because they don't affect each other.
async fn money_calls_survive_every_fault(database: &TestDatabase) {
    check_faults(database, ChargeRoute::Platform).await;
}

async fn direct_charge_money_calls_survive_faults(database: &TestDatabase) {
    check_faults(database, ChargeRoute::Direct).await;
}

async fn destination_charge_money_calls_survive_faults(database: &TestDatabase) {
    check_faults(database, ChargeRoute::Destination).await;
}

async fn check_faults(database: &TestDatabase, charge_route: ChargeRoute) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;
    let rounds = if exhaustive() { FAULTS.len() } else { 3 };

    let mut tried = 0;
    for (times, deliveries) in [(1, "normal"), (BEYOND_RETRIES, "drop")] {
        for round in 0..rounds {
            let mut cases = Vec::new();
            env.control("deliveries", "mode=normal").await;
            for (place, act) in Action::ALL.into_iter().enumerate() {
                let fault = fault(place, round);
                let case = Case::prepare(&shop, act, &format!("{act:?}-{fault}-{times}")).await;
                cases.push((case, fault));
            }
            env.control("deliveries", &format!("mode={deliveries}")).await;
            for (case, fault) in &cases {
                case.plan(&env, fault, times).await;
            }
            let mut acting = JoinSet::new();
            for (case, _) in &cases {
                let (case, shop) = (case.clone(), shop.clone());
                acting.spawn(async move { case.act(&shop).await });
            }
            acting.join_all().await;
            if deliveries == "normal" {
                wait_until_delivered(&env).await;
            }
            settle(&env).await;
            env.stripe.delete("/_sandbox/chaos").send().await.expect(200);
            let objects = StripeObjects::read(&env, &shop).await;
            for (case, fault) in &cases {
                case.check(&env, &shop, &objects, &format!("{fault} {times} times")).await;
            }
            tried += cases.len();
        }
    }
    println!("{tried} cases");
}

/// Each call fails, and the process crashes before it or after it.
async fn money_calls_survive_every_crash(database: &TestDatabase) {
    check_crashes(database, ChargeRoute::Platform).await;
}

async fn direct_charge_money_calls_survive_crashes(database: &TestDatabase) {
    check_crashes(database, ChargeRoute::Direct).await;
}

async fn check_crashes(database: &TestDatabase, charge_route: ChargeRoute) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, charge_route).await;

    let mut tried = 0;
    for (place, act) in Action::ALL.into_iter().enumerate() {
        for (side, point) in act.points().into_iter().enumerate() {
            let sample = [FAULTS[(place * 2 + side) % FAULTS.len()]];
            let faults: &[&str] = if exhaustive() { &FAULTS } else { &sample };
            for fault in faults {
                let name = format!("{act:?}-{fault}-{}", point.name());
                let case = Case::prepare(&shop, act, &name).await;
                crash(&mut env, &shop, &case, fault, point).await;
                wait_until_delivered(&env).await;
                settle(&env).await;
                env.stripe.delete("/_sandbox/chaos").send().await.expect(200);
                let objects = StripeObjects::read(&env, &shop).await;
                case.check(&env, &shop, &objects, &format!("{fault}, a crash at {}", point.name())).await;
                tried += 1;
            }
        }
    }
    println!("{tried} cases");
}

/// Runs the case with a crash point, and restarts the service. A fault can prevent the crash.
async fn crash(env: &mut Environment<'_>, shop: &Storefront, case: &Case, fault: &str, point: CrashPoint) {
    wait_until_delivered(env).await;
    env.kill();
    env.restart(&[NO_BACKFILL[0], (VARIABLE, point.name())]).await;
    case.plan(env, fault, 1).await;
    let done = RefCell::new(false);
    let acting = async {
        case.act(shop).await;
        *done.borrow_mut() = true;
    };
    let watching = async {
        let ended = wait_until("the case is done or the service dies", async || {
            let ended = env.service().exit_status();
            (ended.is_some() || *done.borrow()).then_some(ended)
        })
        .await;
        match ended {
            Some(status) => {
                assert!(!status.success(), "the service must crash, not stop gracefully");
                env.expire_leases().await;
            }
            None => env.kill(),
        }
        env.restart(&NO_BACKFILL).await;
    };
    let both = async { tokio::join!(acting, watching) };
    tokio::pin!(both);
    both.await;
}
