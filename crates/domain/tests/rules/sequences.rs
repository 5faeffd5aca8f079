//! Applies the steps of a scenario in many orders, and checks the invariants after each step.

use std::collections::BTreeMap;

use quittance_domain::dispute::DisputeOutcome;
use quittance_domain::history::{CloseReason, Decision, History, RestockOutcome, ReviewRefund};
use quittance_domain::id::PaymentId;
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::{OrderEvent, OrderEventKind, OrderState, PaymentOutcome};
use quittance_domain::payment::ReviewReason;
use quittance_domain::refund::RefundStatus;

use crate::fixtures::{Sampler, Step, apply_steps, exhaustive, payment_id};
use crate::oracle::{ExpectedState, Oracle};

/// The longest sequence of a scenario.
const LONGEST: usize = 7;
/// The number of random sequences with duplicates for each scenario, unless all are run.
const SAMPLED: usize = 150;

/// The steps of a scenario and its result.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) history: History,
    /// The outcome if items must be reserved again.
    pub(crate) stock: RestockOutcome,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// The result of a scenario.
pub(crate) enum End {
    /// The same result in every order.
    Same {
        status: OrderStatus,
        reason: Option<ReviewReason>,
        amount_paid: i64,
        outcome: Option<PaymentOutcome>,
    },
    /// A result that depends on the order, because a decision was made between steps.
    ByOrder,
}

/// One order during a sequence.
#[derive(Clone)]
pub(crate) struct SequenceRun<'a> {
    pub(crate) history: History,
    stock: RestockOutcome,
    oracle: Oracle<'a>,
    decided: Vec<Decision>,
    events: Vec<OrderEvent>,
}

impl<'a> SequenceRun<'a> {
    pub(crate) fn new(history: &'a History, stock: RestockOutcome) -> Self {
        Self {
            history: history.clone(),
            stock,
            oracle: Oracle::new(&history.attempts, stock),
            decided: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Applies these steps in one transaction.
    pub(crate) fn take(&mut self, steps: &[&'a Step]) {
        let before = self.history.order_state();
        self.decided.extend(apply_steps(&mut self.history, steps, self.stock));
        self.oracle.apply_events(steps);
        let order_state = self.history.order_state();
        self.events.extend(order_state.events_since(&before));
        assert_eq!(order_state.events_since(&order_state), [], "nothing changed, nothing to tell");
        assert_matches(&order_state, &self.oracle.expected_state());
        self.assert_attempts_match_oracle();
        assert_never_reverted(&before, &order_state);
        self.assert_decided_once();
        self.assert_events_unique(&order_state);
        self.assert_money_adds_up(&order_state);
    }

    fn assert_attempts_match_oracle(&self) {
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

    fn assert_events_unique(&self, order_state: &OrderState) {
        let mut observed: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for events in &self.events {
            *observed.entry((events.kind.as_str(), &events.subject)).or_default() += 1;
        }
        let times = |kind: OrderEventKind, subject: &str| {
            observed.get(&(kind.as_str(), subject)).copied().unwrap_or_default()
        };
        assert_eq!(times(OrderEventKind::Paid, ""), usize::from(order_state.is_accepted), "{observed:?}");
        for (kind, closure) in [
            (OrderEventKind::Canceled, CloseReason::Canceled),
            (OrderEventKind::Expired, CloseReason::Expired),
        ] {
            assert_eq!(times(kind, ""), usize::from(order_state.closed == Some(closure)), "{observed:?}");
        }
        let was_told = |kind: OrderEventKind, object: &PaymentId| {
            let is_so =
                |one: &OrderEvent| one.kind == kind && OrderEvent::object(&one.subject) == object.as_str();
            self.events.iter().any(is_so)
        };
        assert_eq!(order_state.under_review.is_some(), order_state.review_reason.is_some());
        if let Some(attempt) =
            order_state.under_review.as_ref().filter(|_| order_state.status == OrderStatus::Review)
        {
            // Other successes may have arrived during the review.
            let reviews = || self.history.attempts.iter().map(|one| &one.id);
            assert!(
                reviews().any(|id| was_told(OrderEventKind::ReviewRequired, id)),
                "{attempt}: {observed:?}"
            );
        }
        if let Some(in_flight) = &order_state.in_flight {
            let kind = match order_state.status {
                OrderStatus::Authorized => OrderEventKind::Authorized,
                _ => OrderEventKind::Processing,
            };
            assert!(was_told(kind, &in_flight.payment_id), "{observed:?}");
        }
        for (id, status) in &order_state.refunds {
            let (gone, failed) = (
                times(OrderEventKind::RefundSucceeded, id.as_str()),
                times(OrderEventKind::RefundFailed, id.as_str()),
            );
            assert!(gone <= 1, "{observed:?}");
            match status {
                RefundStatus::Succeeded => assert_eq!((gone, failed), (1, 0), "{observed:?}"),
                RefundStatus::Failed | RefundStatus::Canceled => assert!(failed > 0, "{observed:?}"),
                RefundStatus::Pending | RefundStatus::RequiresAction => assert_eq!((gone, failed), (0, 0)),
            }
        }
        for (id, dispute) in &order_state.disputes {
            assert_eq!(times(OrderEventKind::DisputeOpened, id.as_str()), 1, "{observed:?}");
            let has_subject = |observed: &&OrderEvent| OrderEvent::object(&observed.subject) == id.as_str();
            let latest = self.events.iter().rfind(has_subject).expect("an event exists");
            let is_open = dispute.status.outcome() == DisputeOutcome::Open;
            assert_eq!(latest.kind == OrderEventKind::DisputeOpened, is_open, "{observed:?}");
            for one in self.events.iter().filter(has_subject) {
                assert_eq!(times(one.kind, &one.subject), 1, "{observed:?}");
            }
        }
    }

    /// Refunds never exceed the received amount.
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

fn assert_matches(order_state: &OrderState, expected_state: &ExpectedState) {
    assert_eq!(order_state.status, expected_state.status, "expected {expected_state:?}");
    match order_state.review_reason {
        Some(reason) => {
            assert!(expected_state.reasons.contains(&reason), "{reason:?} isn't in {expected_state:?}");
        }
        None => assert!(expected_state.reasons.is_empty(), "no reason given of {expected_state:?}"),
    }
    assert_eq!(order_state.amount_paid, expected_state.amount_paid);
    assert_eq!(order_state.amount_refunded, expected_state.amount_refunded);
    assert_eq!(order_state.outcome, expected_state.outcome);
    let in_flight = order_state.in_flight.as_ref().map(|one| one.payment_id.clone());
    assert_eq!(in_flight, expected_state.in_flight.map(payment_id));
    assert_eq!(
        (order_state.is_accepted, order_state.closed),
        (expected_state.is_accepted, expected_state.closed)
    );
}

/// A closed order never reopens.
fn assert_never_reverted(before: &OrderState, after: &OrderState) {
    let has_net_received = match before.status {
        status if status.was_paid() => after.status.was_paid() && after.amount_paid == before.amount_paid,
        OrderStatus::Canceled => matches!(after.status, OrderStatus::Canceled | OrderStatus::Review),
        OrderStatus::Expired => {
            matches!(after.status, OrderStatus::Expired | OrderStatus::Review) || after.status.was_paid()
        }
        _ => true,
    };
    assert!(has_net_received, "{:?} became {:?}", before.status, after.status);
}

impl Scenario {
    /// Applies the scenario in every permutation and with duplicates. With exhaustive runs, it covers all
    /// sequences of up to seven steps. Otherwise, it covers a sample. A failure prints the sequence.
    pub(crate) fn run(&self) {
        assert!(self.steps.len() <= LONGEST, "{}: more steps than sequences are long", self.name);
        let mut observed = Telling { scenario: self, sequence: Vec::new(), end: None, ends: 0 };
        if exhaustive() {
            observed.everything(&SequenceRun::new(&self.history, self.stock), LONGEST, LONGEST);
        } else {
            observed.everything(&SequenceRun::new(&self.history, self.stock), self.steps.len(), 1);
            observed.everything(&SequenceRun::new(&self.history, self.stock), 3, 3);
            observed.sample();
        }
        assert!(observed.ends > 0, "{}: never told to its end", self.name);
    }
}

struct Telling<'a> {
    scenario: &'a Scenario,
    /// The indexes of the applied steps.
    sequence: Vec<usize>,
    /// The final state of the first run.
    end: Option<OrderState>,
    ends: usize,
}

impl<'a> Telling<'a> {
    /// Runs all continuations with this number of steps, with a limit for duplicates.
    fn everything(&mut self, run: &SequenceRun<'a>, steps_left: usize, most_often: usize) {
        if steps_left == 0 {
            return;
        }
        for place in 0..self.scenario.steps.len() {
            if self.sequence.iter().filter(|observed| **observed == place).count() == most_often {
                continue;
            }
            let mut next = run.clone();
            self.apply_batch(&mut next, &[place]);
            self.everything(&next, steps_left - 1, most_often);
            self.sequence.pop();
        }
    }

    /// Runs random sequences with all steps and some duplicates, in random batches.
    fn sample(&mut self) {
        let count = self.scenario.steps.len();
        let mut sampler = Sampler(count as u64);
        for _ in 0..SAMPLED {
            let mut drawn: Vec<usize> = (0..count).collect();
            drawn.extend((count..LONGEST).map(|_| sampler.below(count)));
            for place in (1..drawn.len()).rev() {
                drawn.swap(place, sampler.below(place + 1));
            }
            let mut run = SequenceRun::new(&self.scenario.history, self.scenario.stock);
            let mut rest = drawn.as_slice();
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(1 + sampler.below(rest.len().min(3)));
                self.apply_batch(&mut run, batch);
                rest = later;
            }
            self.sequence.clear();
        }
    }

    fn apply_batch(&mut self, run: &mut SequenceRun<'a>, batch: &[usize]) {
        self.sequence.extend(batch);
        let steps: Vec<&Step> = batch.iter().map(|place| &self.scenario.steps[*place]).collect();
        let context = Context { scenario: self.scenario, sequence: &self.sequence };
        run.take(&steps);
        if (0..self.scenario.steps.len()).all(|place| self.sequence.contains(&place)) {
            let order_state = run.history.order_state();
            self.ends += 1;
            if let End::Same { status, reason, amount_paid, outcome } = &self.scenario.end {
                assert_eq!(
                    (
                        order_state.status,
                        order_state.review_reason,
                        order_state.amount_paid,
                        &order_state.outcome
                    ),
                    (*status, *reason, *amount_paid, outcome)
                );
                // The result depends on whether the order was closed before the mismatched success.
                let order_state = OrderState { closed: None, ..order_state };
                let first = self.end.get_or_insert_with(|| order_state.clone());
                assert_eq!(order_state, *first, "another order ended otherwise");
            }
        }
        drop(context);
    }
}

/// Prints the sequence when an assertion fails.
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
