//! Compares `docs/states.md` with the transitions of simulated orders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use quittance_domain::checkout::PaymentFlow;
use quittance_domain::history::{
    CloseReason, DetailsVersions, History, Limits, RestockOutcome, ReviewRefund, Task,
};
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::OrderEventKind;
use quittance_domain::payment::{Attempt, OpenStatus, PaymentStatus, ReviewReason};

use crate::fixtures::{
    PRICE, Sampler, Step, apply_decisions, apply_steps, attempt, refused, session_attempt,
};
use crate::oracle::STATUSES;
use crate::stripe::{Act, Intent, Stripe};

type Words = BTreeSet<String>;

/// The number of simulated orders.
const ORDERS: usize = 15_000;
/// The statuses in which an order can be canceled. A processing payment can't be canceled.
const CANCELABLE: [OrderStatus; 3] =
    [OrderStatus::Pending, OrderStatus::PaymentFailed, OrderStatus::Authorized];
/// The number of actions for each order.
const LENGTH: usize = 40;

/// The observed transitions and actions.
#[derive(Default)]
struct ObservedOrders {
    became: BTreeSet<(String, String)>,
    /// The statuses in which each event was caused.
    events: BTreeMap<String, Words>,
    /// The statuses with a refundable amount.
    refundable: Words,
    /// The statuses in which a payment could be captured.
    capturable: Words,
}

/// An order and its objects at Stripe.
struct SimulatedOrder<'a> {
    stripe: Stripe,
    history: History,
    stock: RestockOutcome,
    /// Whether Stripe created the object of an attempt that was recorded as refused.
    is_unheard: bool,
    observed_orders: &'a mut ObservedOrders,
}

impl<'a> SimulatedOrder<'a> {
    fn begin(random: &mut Sampler, observed_orders: &'a mut ObservedOrders) -> Self {
        let stock = [RestockOutcome::Taken, RestockOutcome::Short][random.below(2)];
        let (flow, first) = match random.below(3) {
            0 => (PaymentFlow::PaymentIntent, attempt(0)),
            1 => (PaymentFlow::CheckoutSession, session_attempt(0)),
            _ => (PaymentFlow::PaymentIntent, refused(0)),
        };
        let is_unheard = first.refused.is_some();
        let history = History { attempts: vec![first], ..History::default() };
        Self { stripe: Stripe::new(&[flow]), history, stock, is_unheard, observed_orders }
    }

    fn status(&self) -> OrderStatus {
        self.history.order_state().status
    }

    /// Changes the history, and records the transition.
    fn record(&mut self, change: impl FnOnce(&mut History, RestockOutcome)) {
        let before = self.history.order_state();
        change(&mut self.history, self.stock);
        let after = self.history.order_state();
        let word = after.status.as_str();
        if after.status != before.status {
            self.observed_orders.became.insert((before.status.as_str().to_owned(), word.to_owned()));
        }
        for observed in after.events_since(&before) {
            self.observed_orders
                .events
                .entry(observed.kind.as_str().to_owned())
                .or_default()
                .insert(word.to_owned());
        }
        let left = self.history.refundable_attempt().and_then(|it| self.history.refundable(&it.id));
        if left.is_some_and(|left| left.minor() > 0) {
            self.observed_orders.refundable.insert(word.to_owned());
        }
        if self.can_capture() {
            self.observed_orders.capturable.insert(word.to_owned());
        }
    }

    /// Returns whether a recorded capture would be executed.
    fn can_capture(&self) -> bool {
        let limits = Limits { max_declines: 10, max_open_orders: 1, review_refund: ReviewRefund::Never };
        self.history.attempts.iter().any(|attempt| {
            let wanted = Attempt { capture: Some(PRICE), ..attempt.clone() };
            self.history.task(&wanted, DetailsVersions { current: 1, sent: 1 }, &limits)
                == Some(Task::Capture)
        })
    }

    /// Applies all events, one by one.
    fn apply_events(&mut self) {
        for step in std::mem::take(&mut self.stripe.events) {
            self.record(|history, stock| {
                apply_steps(history, &[&step], stock);
            });
        }
    }

    /// Executes an action of the shop or the service, if it is allowed.
    fn decide(&mut self, random: &mut Sampler) {
        let (status, last) = (self.status(), self.history.attempts.len() - 1);
        let is_authorized =
            self.history.attempts[last].facts.status() == PaymentStatus::Open(OpenStatus::RequiresCapture);
        match random.below(5) {
            0 if CANCELABLE.contains(&status) => {
                self.record(|history, stock| {
                    apply_steps(history, &[&Step::CloseRequest(CloseReason::Canceled)], stock);
                });
            }
            1 if matches!(status, OrderStatus::Pending | OrderStatus::PaymentFailed) => {
                self.record(|history, stock| {
                    apply_steps(history, &[&Step::CloseRequest(CloseReason::Expired)], stock);
                });
            }
            2 if status == OrderStatus::Authorized && is_authorized && self.history.closing.is_none() => {
                let cents = [PRICE, PRICE / 2][random.below(2)];
                self.history.attempts[last].capture = Some(cents);
            }
            // Stripe would refuse it, because another amount was just captured.
            3 if status == OrderStatus::Review
                && self.history.refunds.is_empty()
                && self.history.disputes.is_empty() =>
            {
                self.record(|history, stock| {
                    history.attempts[last].capture = None;
                    apply_decisions(history, stock);
                });
            }
            4 if status.is_open()
                && self.history.closing.is_none()
                && self.history.live_attempt().is_none() =>
            {
                let (flow, next) = match random.below(2) {
                    0 => (PaymentFlow::PaymentIntent, attempt(last + 1)),
                    _ => (PaymentFlow::CheckoutSession, session_attempt(last + 1)),
                };
                if !self.is_unheard {
                    self.stripe.add(flow);
                    self.record(|history, _| history.attempts.push(next));
                }
            }
            _ => {}
        }
    }

    fn simulate(&mut self, random: &mut Sampler) {
        for _ in 0..LENGTH {
            let (place, number) = (self.stripe.payments.len() - 1, random.below(3));
            let of_payments = [
                Act::Ask(place),
                Act::Voucher(place),
                Act::Debit(place),
                Act::Decline(place),
                Act::Hold(place),
                Act::Succeed(place),
                Act::SucceedWith(place, PRICE - 1),
                Act::Capture(place, PRICE),
                Act::Capture(place, PRICE / 2),
                Act::Cancel(place),
                Act::ExpireSession(place),
            ];
            let of_their_money = [
                Act::Refund(place, PRICE / 2, false),
                Act::Refund(place, PRICE / 2 - 1, false),
                Act::Refund(place, PRICE, false),
                Act::Refund(place, PRICE - 1, false),
                Act::RefundGoes(number),
                Act::RefundFails(number),
                Act::Inquire(place),
                Act::CloseInquiry(0),
                Act::Escalate(0),
                Act::Dispute(place),
                Act::Win(0),
                Act::Lose(0),
            ];
            let is_paid = self.stripe.payments[place].intent == Intent::Succeeded;
            let acts = if is_paid { &of_their_money[..] } else { &of_payments };
            match random.below(3) {
                0 => self.decide(random),
                _ => {
                    self.stripe.act(acts[random.below(acts.len())]);
                }
            }
            self.is_unheard &= random.below(6) != 0;
            if !self.is_unheard {
                self.apply_events();
            }
        }
    }
}

/// Simulates the orders. The result is the same in every run.
static LIVES: LazyLock<ObservedOrders> = LazyLock::new(|| {
    let mut observed_orders = ObservedOrders::default();
    for seed in 0..ORDERS {
        let mut random = Sampler(seed as u64);
        SimulatedOrder::begin(&mut random, &mut observed_orders).simulate(&mut random);
    }
    observed_orders
});

/// The machine-readable parts of the page.
struct Page(String);

impl Page {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/states.md");
        Self(std::fs::read_to_string(path).expect("docs/states.md"))
    }

    /// Returns the rows of the table with this first heading, without backquotes.
    fn table(&self, heading: &str) -> Vec<Vec<String>> {
        let cells = |line: &str| -> Vec<String> {
            let inner = line.trim().trim_matches('|');
            inner.split('|').map(|cell| cell.trim().replace('`', "")).collect()
        };
        let mut lines = self.0.lines().skip_while(|line| {
            !(line.starts_with('|') && cells(line).first().is_some_and(|first| first == heading))
        });
        let width = cells(lines.next().unwrap_or_else(|| panic!("no table is headed {heading:?}"))).len();
        let rows: Vec<_> = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
        assert!(rows.iter().all(|row| row.len() == width), "a row of {heading:?} is not whole");
        rows
    }

    /// Returns the arrows of the diagram. Each must have a label.
    fn arrows(&self) -> BTreeSet<(String, String)> {
        let drawn = self.0.split("```mermaid").nth(1).and_then(|rest| rest.split("```").next());
        let mut arrows = BTreeSet::new();
        for line in drawn.expect("a diagram").lines() {
            let Some((from, rest)) = line.trim().split_once(" --> ") else { continue };
            let (to, by) =
                rest.split_once(": ").unwrap_or_else(|| panic!("it is not said what leads: {line}"));
            assert!(!by.trim().is_empty(), "it is not said what leads: {line}");
            assert!(arrows.insert((from.to_owned(), to.to_owned())), "drawn twice: {line}");
        }
        arrows
    }
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Words {
    words.into_iter().map(str::to_owned).collect()
}

/// Returns the first cells of the rows, which must be unique.
fn first_cells(rows: &[Vec<String>]) -> Words {
    let first: Words = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(first.len(), rows.len(), "listed twice");
    first
}

fn statuses() -> Words {
    words(OrderStatus::ALL.map(OrderStatus::as_str))
}

#[test]
fn diagram_shows_exactly_the_observed_transitions() {
    let mut drawn = Page::read().arrows();
    assert!(drawn.remove(&("[*]".to_owned(), "pending".to_owned())), "an order begins");
    let not_drawn: Vec<_> = LIVES.became.difference(&drawn).collect();
    assert!(not_drawn.is_empty(), "not drawn: {not_drawn:?}");
    let never: Vec<_> = drawn.difference(&LIVES.became).collect();
    assert!(never.is_empty(), "drawn, and never happens: {never:?}");
    let named = drawn.into_iter().flat_map(|(from, to)| [from, to]).collect::<Words>();
    assert_eq!(named, statuses());
}

#[test]
fn status_rules_are_listed_in_order() {
    let listed: Vec<_> =
        Page::read().table("rule, first match wins").into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(listed, STATUSES.map(|(_, status)| status.as_str()));
}

#[test]
fn allowed_actions_are_listed_for_each_status() {
    let page = Page::read();
    let rows = page.table("status");
    assert_eq!(first_cells(&rows), statuses());
    let heads = ["pay", "change", "cancel", "capture", "refund"];
    let allowed = |act: &str| -> Words {
        let column = 2 + heads.iter().position(|head| *head == act).unwrap();
        rows.iter().filter(|row| row[column] != "no").map(|row| row[0].clone()).collect()
    };
    let open = OrderStatus::ALL.into_iter().filter(|status| status.is_open());
    let open = words(open.map(OrderStatus::as_str));
    assert_eq!(allowed("pay"), open);
    assert_eq!(allowed("change"), open);
    assert_eq!(allowed("cancel"), words(CANCELABLE.map(OrderStatus::as_str)));
    for status in CANCELABLE.map(OrderStatus::as_str) {
        let end = (status.to_owned(), OrderStatus::Canceled.as_str().to_owned());
        assert!(LIVES.became.contains(&end), "a cancel in {status} has no effect");
    }
    assert_eq!(allowed("capture"), LIVES.capturable);
    let banks = words(["disputed", "charged_back"]);
    assert_eq!(allowed("refund"), &LIVES.refundable - &banks, "a disputed payment can't be refunded");
}

#[test]
fn review_reasons_are_listed() {
    let rows = Page::read().table("review_reason");
    assert_eq!(first_cells(&rows), words(ReviewReason::ALL.map(ReviewReason::as_str)));
    for row in rows {
        let reason = row[0].parse::<ReviewReason>().unwrap();
        let policies = if reason.is_late() { "late, always" } else { "always" };
        assert_eq!(row[2], policies, "{reason:?}");
    }
}

#[test]
fn events_are_listed_with_their_statuses() {
    let rows = Page::read().table("event");
    assert_eq!(first_cells(&rows), words(OrderEventKind::ALL.map(OrderEventKind::as_str)));
    let events = &LIVES.events;
    for row in rows {
        match row[2].as_str() {
            // The simulation doesn't cause these events. They are caused by creating an order or by stock.
            "" => assert_eq!(events.get(&row[0]), None, "{}", row[0]),
            "any" => assert!(events.get(&row[0]).is_some_and(|seen| seen.len() > 2), "{}", row[0]),
            becomes => {
                assert_eq!(events.get(&row[0]), Some(&words(becomes.split(", "))), "{}", row[0]);
            }
        }
    }
}
