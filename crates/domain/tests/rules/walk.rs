//! Tells an order's history the steps of a scenario in many orders, and checks after every single one of them
//! all that must hold always.

use std::collections::BTreeMap;

use quittance_domain::dispute::DisputeOutcome;
use quittance_domain::history::{CloseReason, Decision, History, RestockOutcome, ReviewRefund};
use quittance_domain::id::PaymentId;
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::{OrderEvent, OrderEventKind, OrderState, PaymentOutcome};
use quittance_domain::payment::ReviewReason;
use quittance_domain::refund::RefundStatus;

use crate::oracle::{Oracle, Verdict};
use crate::stage::{Sampler, Step, exhaustive, happen, payment_id};

/// The longest sequence in which a scenario is told.
const LONGEST: usize = 7;
/// How many sequences with repetitions are drawn of each scenario where not all are run.
const SAMPLED: usize = 150;

/// What happens to an order, in any order, and how it ends once all of it has happened.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) history: History,
    /// What is left of the goods, should they be wanted again.
    pub(crate) stock: RestockOutcome,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// How a scenario ends.
pub(crate) enum End {
    /// The same in every order.
    Same {
        status: OrderStatus,
        reason: Option<ReviewReason>,
        amount_paid: i64,
        settled: Option<PaymentOutcome>,
    },
    /// By what came first: a decision stands between the steps.
    ByOrder,
}

/// One order on its way through a sequence.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    pub(crate) history: History,
    stock: RestockOutcome,
    oracle: Oracle<'a>,
    decided: Vec<Decision>,
    announced: Vec<OrderEvent>,
}

impl<'a> Walk<'a> {
    pub(crate) fn of(history: &'a History, stock: RestockOutcome) -> Self {
        Self {
            history: history.clone(),
            stock,
            oracle: Oracle::of(&history.attempts, stock),
            decided: Vec::new(),
            announced: Vec::new(),
        }
    }

    /// Lets these steps happen in one transaction.
    pub(crate) fn take(&mut self, steps: &[&'a Step]) {
        let before = self.history.order_state();
        self.decided.extend(happen(&mut self.history, steps, self.stock));
        self.oracle.hear(steps);
        let order_state = self.history.order_state();
        self.announced.extend(order_state.events_since(&before));
        assert_eq!(order_state.events_since(&order_state), [], "nothing changed, nothing to tell");
        assert_fits(&order_state, &self.oracle.verdict());
        self.assert_attempts_read_right();
        assert_kept(&before, &order_state);
        self.assert_decided_once();
        self.assert_announced_once(&order_state);
        self.assert_money_adds_up(&order_state);
    }

    fn assert_attempts_read_right(&self) {
        for (attempt, (word, failed, is_over)) in self.history.attempts.iter().zip(self.oracle.readings()) {
            assert_eq!(attempt.facts.status().as_str(), word);
            assert_eq!(attempt.facts.last_failure().map(|failure| failure.id.clone()), failed);
            assert_eq!(attempt.is_closed(), is_over);
        }
    }

    fn assert_decided_once(&self) {
        let recorded = &self.history.decisions;
        let (accepted, closed) = (recorded.accepted.as_ref(), recorded.closed);
        match self.decided.as_slice() {
            [] => assert_eq!((accepted, closed), (None, None)),
            [Decision::Accepted(id)] => assert_eq!((accepted, closed), (Some(id), None)),
            [Decision::Closed(how)] => assert_eq!((accepted, closed), (None, Some(*how))),
            [Decision::Closed(CloseReason::Expired), Decision::RestockAttempted(RestockOutcome::Short)] => {
                assert_eq!((accepted, closed), (None, Some(CloseReason::Expired)));
            }
            [
                Decision::Closed(CloseReason::Expired),
                Decision::RestockAttempted(RestockOutcome::Taken),
                Decision::Accepted(id),
            ] => assert_eq!((accepted, closed), (Some(id), Some(CloseReason::Expired))),
            several => panic!("an order ends once, not so: {several:?}"),
        }
    }

    fn assert_announced_once(&self, order_state: &OrderState) {
        let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for announced in &self.announced {
            *told.entry((announced.kind.as_str(), &announced.subject)).or_default() += 1;
        }
        let times = |kind: OrderEventKind, subject: &str| {
            told.get(&(kind.as_str(), subject)).copied().unwrap_or_default()
        };
        assert_eq!(times(OrderEventKind::Paid, ""), usize::from(order_state.is_accepted), "{told:?}");
        for (kind, closure) in [
            (OrderEventKind::Canceled, CloseReason::Canceled),
            (OrderEventKind::Expired, CloseReason::Expired),
        ] {
            assert_eq!(times(kind, ""), usize::from(order_state.closed == Some(closure)), "{told:?}");
        }
        let was_told = |kind: OrderEventKind, object: &PaymentId| {
            let is_so =
                |one: &OrderEvent| one.kind == kind && OrderEvent::object(&one.subject) == object.as_str();
            self.announced.iter().any(is_so)
        };
        assert_eq!(order_state.under_review.is_some(), order_state.review_reason.is_some());
        if let Some(attempt) =
            order_state.under_review.as_ref().filter(|_| order_state.status == OrderStatus::Review)
        {
            // Others may have come while it was under review.
            let reviews = || self.history.attempts.iter().map(|one| &one.id);
            assert!(reviews().any(|id| was_told(OrderEventKind::ReviewRequired, id)), "{attempt}: {told:?}");
        }
        if let Some(in_flight) = &order_state.in_flight {
            let kind = match order_state.status {
                OrderStatus::Authorized => OrderEventKind::Authorized,
                _ => OrderEventKind::Processing,
            };
            assert!(was_told(kind, &in_flight.payment_id), "{told:?}");
        }
        for (id, status) in &order_state.refunds {
            let (gone, failed) = (
                times(OrderEventKind::RefundSucceeded, id.as_str()),
                times(OrderEventKind::RefundFailed, id.as_str()),
            );
            assert!(gone <= 1, "{told:?}");
            match status {
                RefundStatus::Succeeded => assert_eq!((gone, failed), (1, 0), "{told:?}"),
                RefundStatus::Failed | RefundStatus::Canceled => assert!(failed > 0, "{told:?}"),
                RefundStatus::Pending | RefundStatus::RequiresAction => assert_eq!((gone, failed), (0, 0)),
            }
        }
        for (id, dispute) in &order_state.disputes {
            assert_eq!(times(OrderEventKind::DisputeOpened, id.as_str()), 1, "{told:?}");
            let is_of_it = |told: &&OrderEvent| OrderEvent::object(&told.subject) == id.as_str();
            let latest = self.announced.iter().rfind(is_of_it).expect("it was told");
            let is_open = dispute.status.outcome() == DisputeOutcome::Open;
            assert_eq!(latest.kind == OrderEventKind::DisputeOpened, is_open, "{told:?}");
            for one in self.announced.iter().filter(is_of_it) {
                assert_eq!(times(one.kind, &one.subject), 1, "{told:?}");
            }
        }
    }

    /// What goes back is never more than what came, whoever asks for it.
    fn assert_money_adds_up(&self, order_state: &OrderState) {
        assert!((0..=order_state.amount_paid).contains(&order_state.amount_refunded), "{order_state:?}");
        for attempt in &self.history.attempts {
            let received = attempt.facts.received().map(Money::minor);
            let left = self.history.refundable(&attempt.id).map(Money::minor);
            assert_eq!(left.is_some(), received.is_some());
            assert!(left.unwrap_or(0) <= received.unwrap_or(0));
        }
        for policy in [ReviewRefund::Never, ReviewRefund::Late, ReviewRefund::Always] {
            for due in self.history.due_refunds(policy) {
                assert_ne!(Some(&due.payment_id), self.history.decisions.accepted.as_ref(), "{due:?}");
                assert_eq!(Some(due.amount), self.history.refundable(&due.payment_id), "all that is left");
                assert!(due.amount.minor() > 0);
                assert!(order_state.is_accepted || policy != ReviewRefund::Never, "{due:?}");
            }
        }
    }
}

fn assert_fits(order_state: &OrderState, verdict: &Verdict) {
    assert_eq!(order_state.status, verdict.status, "the oracle says {verdict:?}");
    match order_state.review_reason {
        Some(reason) => assert!(verdict.reasons.contains(&reason), "{reason:?} is none of {verdict:?}"),
        None => assert!(verdict.reasons.is_empty(), "no reason given of {verdict:?}"),
    }
    assert_eq!(order_state.amount_paid, verdict.amount_paid);
    assert_eq!(order_state.amount_refunded, verdict.amount_refunded);
    assert_eq!(order_state.outcome, verdict.settled);
    let in_flight = order_state.in_flight.as_ref().map(|one| one.payment_id.clone());
    assert_eq!(in_flight, verdict.in_flight.map(payment_id));
    assert_eq!((order_state.is_accepted, order_state.closed), (verdict.is_accepted, verdict.closed));
}

/// What has ended does not begin again.
fn assert_kept(before: &OrderState, after: &OrderState) {
    let is_kept = match before.status {
        status if status.was_paid() => after.status.was_paid() && after.amount_paid == before.amount_paid,
        OrderStatus::Canceled => matches!(after.status, OrderStatus::Canceled | OrderStatus::Review),
        OrderStatus::Expired => {
            matches!(after.status, OrderStatus::Expired | OrderStatus::Review) || after.status.was_paid()
        }
        _ => true,
    };
    assert!(is_kept, "{:?} became {:?}", before.status, after.status);
}

impl Scenario {
    /// Tells the scenario in every permutation, and with repetitions: in every sequence of up to seven steps if
    /// all are asked for, else in a sample of them. What fails says in which sequence.
    pub(crate) fn run(&self) {
        assert!(self.steps.len() <= LONGEST, "{}: more steps than sequences are long", self.name);
        let mut told = Telling { scenario: self, sequence: Vec::new(), end: None, ends: 0 };
        if exhaustive() {
            told.everything(&Walk::of(&self.history, self.stock), LONGEST, LONGEST);
        } else {
            told.everything(&Walk::of(&self.history, self.stock), self.steps.len(), 1);
            told.everything(&Walk::of(&self.history, self.stock), 3, 3);
            told.sample();
        }
        assert!(told.ends > 0, "{}: never told to its end", self.name);
    }
}

struct Telling<'a> {
    scenario: &'a Scenario,
    /// The places of the steps told so far.
    sequence: Vec<usize>,
    /// Where the order stood when the scenario was first told to its end.
    end: Option<OrderState>,
    ends: usize,
}

impl<'a> Telling<'a> {
    /// Every continuation of so many steps, in which no step occurs more often than that.
    fn everything(&mut self, walk: &Walk<'a>, steps_left: usize, most_often: usize) {
        if steps_left == 0 {
            return;
        }
        for place in 0..self.scenario.steps.len() {
            if self.sequence.iter().filter(|told| **told == place).count() == most_often {
                continue;
            }
            let mut next = walk.clone();
            self.tell(&mut next, &[place]);
            self.everything(&next, steps_left - 1, most_often);
            self.sequence.pop();
        }
    }

    /// Sequences drawn by lot, each with all steps and some of them again, committed in batches drawn by lot.
    fn sample(&mut self) {
        let count = self.scenario.steps.len();
        let mut sampler = Sampler(count as u64);
        for _ in 0..SAMPLED {
            let mut drawn: Vec<usize> = (0..count).collect();
            drawn.extend((count..LONGEST).map(|_| sampler.below(count)));
            for place in (1..drawn.len()).rev() {
                drawn.swap(place, sampler.below(place + 1));
            }
            let mut walk = Walk::of(&self.scenario.history, self.scenario.stock);
            let mut rest = drawn.as_slice();
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(1 + sampler.below(rest.len().min(3)));
                self.tell(&mut walk, batch);
                rest = later;
            }
            self.sequence.clear();
        }
    }

    fn tell(&mut self, walk: &mut Walk<'a>, batch: &[usize]) {
        self.sequence.extend(batch);
        let steps: Vec<&Step> = batch.iter().map(|place| &self.scenario.steps[*place]).collect();
        let context = Context { scenario: self.scenario, sequence: &self.sequence };
        walk.take(&steps);
        if (0..self.scenario.steps.len()).all(|place| self.sequence.contains(&place)) {
            let order_state = walk.history.order_state();
            self.ends += 1;
            if let End::Same { status, reason, amount_paid, settled } = &self.scenario.end {
                assert_eq!(
                    (
                        order_state.status,
                        order_state.review_reason,
                        order_state.amount_paid,
                        &order_state.outcome
                    ),
                    (*status, *reason, *amount_paid, settled)
                );
                // Whether it had ended before money came that does not fit depends on what came first.
                let order_state = OrderState { closed: None, ..order_state };
                let first = self.end.get_or_insert_with(|| order_state.clone());
                assert_eq!(order_state, *first, "another order ended otherwise");
            }
        }
        drop(context);
    }
}

/// Says, when an assertion fails, what was being told.
struct Context<'a> {
    scenario: &'a Scenario,
    sequence: &'a [usize],
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("scenario \"{}\", told in this order:", self.scenario.name);
            for place in self.sequence {
                eprintln!("  {:?}", self.scenario.steps[*place]);
            }
        }
    }
}
