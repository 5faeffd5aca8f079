//! Tells an order's history the steps of a scenario in many orders, and checks after every single one of them
//! all that must hold always.

use quittance_domain::history::{
    Announcement, AnnouncementKind, Closure, Decision, History, Settled, Standing,
};
use quittance_domain::order::{OrderStatus, ReviewReason};

use crate::oracle::{Oracle, Verdict};
use crate::stage::{Sampler, Step, exhaustive, happen};

/// The longest sequence in which a scenario is told.
const LONGEST: usize = 7;
/// How many sequences with repetitions are drawn of each scenario where not all are run.
const SAMPLED: usize = 150;

/// What happens to an order, in any order, and how it ends once all of it has happened.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) history: History,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// How a scenario ends.
pub(crate) enum End {
    /// The same in every order.
    Same { status: OrderStatus, reason: Option<ReviewReason>, amount_paid: i64, settled: Option<Settled> },
    /// By what came first: a decision stands between the steps.
    ByOrder,
}

/// One order on its way through a sequence.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    pub(crate) history: History,
    oracle: Oracle<'a>,
    decided: Vec<Decision>,
    announced: Vec<Announcement>,
}

impl<'a> Walk<'a> {
    pub(crate) fn of(history: &'a History) -> Self {
        Self {
            history: history.clone(),
            oracle: Oracle::of(&history.attempts),
            decided: Vec::new(),
            announced: Vec::new(),
        }
    }

    /// Lets these steps happen in one transaction.
    pub(crate) fn take(&mut self, steps: &[&'a Step]) {
        let before = self.history.standing();
        self.decided.extend(happen(&mut self.history, steps));
        self.oracle.hear(steps);
        let standing = self.history.standing();
        self.announced.extend(standing.announcement_since(&before));
        assert_fits(&standing, &self.oracle.verdict());
        self.assert_attempts_read_right();
        assert_kept(&before, &standing);
        self.assert_decided_once();
        self.assert_announced_once(&standing);
    }

    fn assert_attempts_read_right(&self) {
        for (attempt, (word, failed)) in self.history.attempts.iter().zip(self.oracle.readings()) {
            assert_eq!(attempt.facts.status().as_str(), word);
            assert_eq!(attempt.facts.last_failure().map(|failure| failure.id.clone()), failed);
        }
    }

    fn assert_decided_once(&self) {
        let recorded = &self.history.decisions;
        match self.decided.as_slice() {
            [] => assert_eq!((&recorded.accepted, recorded.closed), (&None, None)),
            [Decision::Accepted(id)] => {
                assert_eq!((&recorded.accepted, recorded.closed), (&Some(id.clone()), None));
            }
            [Decision::Closed(closure)] => {
                assert_eq!((&recorded.accepted, recorded.closed), (&None, Some(*closure)));
                assert_eq!(*closure, Closure::Canceled);
            }
            several => panic!("an order ends once, not so: {several:?}"),
        }
    }

    fn assert_announced_once(&self, standing: &Standing) {
        let count = |kind| self.announced.iter().filter(|announced| announced.kind == kind).count();
        let (paid, canceled) = (count(AnnouncementKind::Paid), count(AnnouncementKind::Canceled));
        assert_eq!(
            paid,
            usize::from(standing.status == OrderStatus::Paid),
            "order.paid: {:?}",
            self.announced
        );
        assert_eq!(canceled, usize::from(self.history.decisions.closed.is_some()), "{:?}", self.announced);
        assert!(count(AnnouncementKind::ReviewRequired) <= 1, "{:?}", self.announced);
    }
}

fn assert_fits(standing: &Standing, verdict: &Verdict) {
    assert_eq!(standing.status, verdict.status, "the oracle says {verdict:?}");
    match standing.review_reason {
        Some(reason) => assert!(verdict.reasons.contains(&reason), "{reason:?} is none of {verdict:?}"),
        None => assert!(verdict.reasons.is_empty(), "no reason given of {verdict:?}"),
    }
    assert_eq!(standing.amount_paid, verdict.amount_paid);
    assert_eq!(standing.settled, verdict.settled);
}

/// What has ended does not begin again.
fn assert_kept(before: &Standing, after: &Standing) {
    let may_become: &[OrderStatus] = match before.status {
        OrderStatus::Paid => {
            assert_eq!(after, before, "nothing changes a paid order");
            &[OrderStatus::Paid]
        }
        OrderStatus::Canceled => &[OrderStatus::Canceled, OrderStatus::Review],
        OrderStatus::Review => &[OrderStatus::Review, OrderStatus::Paid],
        _ => &OrderStatus::ALL,
    };
    assert!(may_become.contains(&after.status), "{:?} became {:?}", before.status, after.status);
}

impl Scenario {
    /// Tells the scenario in every permutation, and with repetitions: in every sequence of up to seven steps if
    /// all are asked for, else in a sample of them. What fails says in which sequence.
    pub(crate) fn run(&self) {
        assert!(self.steps.len() <= LONGEST, "{}: more steps than sequences are long", self.name);
        let mut told = Telling { scenario: self, sequence: Vec::new(), end: None, ends: 0 };
        if exhaustive() {
            told.everything(&Walk::of(&self.history), LONGEST, LONGEST);
        } else {
            told.everything(&Walk::of(&self.history), self.steps.len(), 1);
            told.everything(&Walk::of(&self.history), 3, 3);
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
    end: Option<Standing>,
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
            let mut walk = Walk::of(&self.scenario.history);
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
            let standing = walk.history.standing();
            self.ends += 1;
            if let End::Same { status, reason, amount_paid, settled } = &self.scenario.end {
                assert_eq!(
                    (standing.status, standing.review_reason, standing.amount_paid, &standing.settled),
                    (*status, *reason, *amount_paid, settled)
                );
                let first = self.end.get_or_insert_with(|| standing.clone());
                assert_eq!(standing, *first, "another order ended otherwise");
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
