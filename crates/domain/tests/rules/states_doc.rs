//! Keeps `docs/states.md` true: what it draws and lists is compared with what orders do that live through all that
//! can happen, each thing heard of when it happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use quittance_domain::checkout::PaymentFlow;
use quittance_domain::history::{
    CloseReason, DetailsVersions, History, Limits, RestockOutcome, ReviewRefund, Task,
};
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::OrderEventKind;
use quittance_domain::payment::{Attempt, OpenStatus, PaymentStatus, ReviewReason};

use crate::oracle::STATUSES;
use crate::stage::{PRICE, Sampler, Step, attempt, happen, refused, session_attempt, settle};
use crate::stripe::{Act, Intent, Stripe};

type Words = BTreeSet<String>;

/// How many orders live.
const ORDERS: usize = 15_000;
/// In which statuses a wish to cancel is taken. What is in flight at a bank can not be called back.
const CANCELABLE: [OrderStatus; 3] =
    [OrderStatus::Pending, OrderStatus::PaymentFailed, OrderStatus::Authorized];
/// How many things are tried on each.
const LENGTH: usize = 40;

/// What was seen of orders while they lived.
#[derive(Default)]
struct Lives {
    became: BTreeSet<(String, String)>,
    /// In which statuses something was announced.
    announced: BTreeMap<String, Words>,
    /// The statuses in which there was money that a person could give back.
    refundable: Words,
    /// The statuses in which something held could be taken.
    capturable: Words,
}

/// An order and what Stripe has of it.
struct Life<'a> {
    stripe: Stripe,
    history: History,
    stock: RestockOutcome,
    /// Whether Stripe has made what we think it refused to make.
    is_unheard: bool,
    lives: &'a mut Lives,
}

impl<'a> Life<'a> {
    fn begin(lot: &mut Sampler, lives: &'a mut Lives) -> Self {
        let stock = [RestockOutcome::Taken, RestockOutcome::Short][lot.below(2)];
        let (flow, first) = match lot.below(3) {
            0 => (PaymentFlow::PaymentIntent, attempt(0)),
            1 => (PaymentFlow::CheckoutSession, session_attempt(0)),
            _ => (PaymentFlow::PaymentIntent, refused(0)),
        };
        let is_unheard = first.refused.is_some();
        let history = History { attempts: vec![first], ..History::default() };
        Self { stripe: Stripe::of(&[flow]), history, stock, is_unheard, lives }
    }

    fn status(&self) -> OrderStatus {
        self.history.order_state().status
    }

    /// Lets something change the history, and notes what became of the order.
    fn note(&mut self, change: impl FnOnce(&mut History, RestockOutcome)) {
        let before = self.history.order_state();
        change(&mut self.history, self.stock);
        let after = self.history.order_state();
        let word = after.status.as_str();
        if after.status != before.status {
            self.lives.became.insert((before.status.as_str().to_owned(), word.to_owned()));
        }
        for told in after.events_since(&before) {
            self.lives.announced.entry(told.kind.as_str().to_owned()).or_default().insert(word.to_owned());
        }
        let left = self.history.refundable_attempt().and_then(|it| self.history.refundable(&it.id));
        if left.is_some_and(|left| left.minor() > 0) {
            self.lives.refundable.insert(word.to_owned());
        }
        if self.could_capture() {
            self.lives.capturable.insert(word.to_owned());
        }
    }

    /// Whether it would be taken, if it were recorded that it is to be.
    fn could_capture(&self) -> bool {
        let limits = Limits { max_declines: 10, max_open_orders: 1, review_refund: ReviewRefund::Never };
        self.history.attempts.iter().any(|attempt| {
            let wanted = Attempt { capture: Some(PRICE), ..attempt.clone() };
            self.history.task(&wanted, DetailsVersions { current: 1, sent: 1 }, &limits)
                == Some(Task::Capture)
        })
    }

    /// Hears all that Stripe has told, one by one.
    fn hear(&mut self) {
        for step in std::mem::take(&mut self.stripe.told) {
            self.note(|history, stock| {
                happen(history, &[&step], stock);
            });
        }
    }

    /// The shop or the service does something, if it may.
    fn decide(&mut self, lot: &mut Sampler) {
        let (status, last) = (self.status(), self.history.attempts.len() - 1);
        let is_authorized =
            self.history.attempts[last].facts.status() == PaymentStatus::Open(OpenStatus::RequiresCapture);
        match lot.below(5) {
            0 if CANCELABLE.contains(&status) => {
                self.note(|history, stock| {
                    happen(history, &[&Step::Asked(CloseReason::Canceled)], stock);
                });
            }
            1 if matches!(status, OrderStatus::Pending | OrderStatus::PaymentFailed) => {
                self.note(|history, stock| {
                    happen(history, &[&Step::Asked(CloseReason::Expired)], stock);
                });
            }
            2 if status == OrderStatus::Authorized && is_authorized && self.history.closing.is_none() => {
                let cents = [PRICE, PRICE / 2][lot.below(2)];
                self.history.attempts[last].capture = Some(cents);
            }
            // Stripe would not take it: somebody else has taken another amount, just now.
            3 if status == OrderStatus::Review
                && self.history.refunds.is_empty()
                && self.history.disputes.is_empty() =>
            {
                self.note(|history, stock| {
                    history.attempts[last].capture = None;
                    settle(history, stock);
                });
            }
            4 if status.is_open()
                && self.history.closing.is_none()
                && self.history.live_attempt().is_none() =>
            {
                let (flow, next) = match lot.below(2) {
                    0 => (PaymentFlow::PaymentIntent, attempt(last + 1)),
                    _ => (PaymentFlow::CheckoutSession, session_attempt(last + 1)),
                };
                if !self.is_unheard {
                    self.stripe.add(flow);
                    self.note(|history, _| history.attempts.push(next));
                }
            }
            _ => {}
        }
    }

    fn live(&mut self, lot: &mut Sampler) {
        for _ in 0..LENGTH {
            let (place, number) = (self.stripe.payments.len() - 1, lot.below(3));
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
            match lot.below(3) {
                0 => self.decide(lot),
                _ => {
                    self.stripe.act(acts[lot.below(acts.len())]);
                }
            }
            self.is_unheard &= lot.below(6) != 0;
            if !self.is_unheard {
                self.hear();
            }
        }
    }
}

/// What becomes of that many orders: the same in every run.
static LIVES: LazyLock<Lives> = LazyLock::new(|| {
    let mut lives = Lives::default();
    for seed in 0..ORDERS {
        let mut lot = Sampler(seed as u64);
        Life::begin(&mut lot, &mut lives).live(&mut lot);
    }
    lives
});

/// The page, as far as it is read by machine.
struct Page(String);

impl Page {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/states.md");
        Self(std::fs::read_to_string(path).expect("docs/states.md"))
    }

    /// The rows of the table whose first column is headed so, cell by cell, without backquotes.
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

    /// The arrows of the diagram. Each has to say what leads there.
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

/// The first cells of rows, each there once.
fn first_cells(rows: &[Vec<String>]) -> Words {
    let first: Words = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(first.len(), rows.len(), "listed twice");
    first
}

fn statuses() -> Words {
    words(OrderStatus::ALL.map(OrderStatus::as_str))
}

#[test]
fn the_diagram_draws_what_becomes_of_orders_and_nothing_else() {
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
fn the_rules_are_listed_in_the_order_in_which_they_count() {
    let listed: Vec<_> =
        Page::read().table("rule, first match wins").into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(listed, STATUSES.map(|(_, status)| status.as_str()));
}

#[test]
fn what_may_be_done_in_which_status_is_listed() {
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
        assert!(LIVES.became.contains(&end), "a wish in {status} leads nowhere");
    }
    assert_eq!(allowed("capture"), LIVES.capturable);
    let banks = words(["disputed", "charged_back"]);
    assert_eq!(allowed("refund"), &LIVES.refundable - &banks, "what is disputed is the bank's to give back");
}

#[test]
fn the_reasons_for_review_are_listed() {
    let rows = Page::read().table("review_reason");
    assert_eq!(first_cells(&rows), words(ReviewReason::ALL.map(ReviewReason::as_str)));
    for row in rows {
        let reason = row[0].parse::<ReviewReason>().unwrap();
        let policies = if reason.is_late() { "late, always" } else { "always" };
        assert_eq!(row[2], policies, "{reason:?}");
    }
}

#[test]
fn what_is_told_is_listed_with_the_statuses_in_which_it_is() {
    let rows = Page::read().table("event");
    assert_eq!(first_cells(&rows), words(OrderEventKind::ALL.map(OrderEventKind::as_str)));
    let announced = &LIVES.announced;
    for row in rows {
        match row[2].as_str() {
            // What orders do does not tell it: it is told when one is placed, or of a product.
            "" => assert_eq!(announced.get(&row[0]), None, "{}", row[0]),
            "any" => assert!(announced.get(&row[0]).is_some_and(|seen| seen.len() > 2), "{}", row[0]),
            becomes => {
                assert_eq!(announced.get(&row[0]), Some(&words(becomes.split(", "))), "{}", row[0]);
            }
        }
    }
}
