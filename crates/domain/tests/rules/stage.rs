//! What the scenarios are made of: attempts, facts, and an order's history that is told about them.

use std::fmt;

use quittance_domain::history::{Closure, Decision, History, Standing};
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::payment::{
    Account, Attempt, CaptureMethod, Expected, Fact, Facts, Failure, Mode, Observation, OpenStatus, Seen,
    Sighting, Success,
};
use uuid::Uuid;

/// What every attempt of the scenarios has to receive, in cents.
pub(crate) const PRICE: i64 = 4_200;
/// The second in which the scenarios begin.
pub(crate) const START: i64 = 1_790_000_000;

/// The order that all scenarios are about.
pub(crate) fn order_id() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(1))
}

/// Our id of the attempt at this place.
pub(crate) fn payment_id(place: usize) -> PaymentId {
    PaymentId::from_uuid(Uuid::from_u128(100 + place as u128))
}

/// Stripe's id of the attempt at this place.
pub(crate) fn payment_intent_id(place: usize) -> String {
    format!("pi_{place}")
}

/// An attempt of 42.00 EUR without a fee on our own account, of which nothing is known yet.
pub(crate) fn attempt(place: usize) -> Attempt {
    Attempt {
        id: payment_id(place),
        expected: Expected {
            account: Account::own(),
            mode: Mode::Test,
            amount: Money::new(PRICE, "eur".parse().unwrap()).unwrap(),
            application_fee: None,
        },
        capture_method: CaptureMethod::Automatic,
        payment_intent_id: Some(payment_intent_id(place)),
        facts: Facts::default(),
        refused: None,
    }
}

/// An attempt that Stripe refused to make.
pub(crate) fn refused(place: usize) -> Attempt {
    Attempt { payment_intent_id: None, refused: Some("amount_too_small".to_owned()), ..attempt(place) }
}

/// A history of this many attempts.
pub(crate) fn history(attempts: usize) -> History {
    History { attempts: (0..attempts).map(attempt).collect(), ..History::default() }
}

/// An event that carried this state, so many seconds after the start.
pub(crate) fn event(second: i64, id: &str, seen: Seen) -> Fact {
    Fact { sighting: Sighting { created: START + second, event: format!("evt_{id}") }, seen }
}

/// A state that is open, and no failure.
pub(crate) fn open(status: OpenStatus) -> Seen {
    Seen::Open { status, failure: None }
}

/// A charge that the bank declined.
pub(crate) fn declined(charge: &str) -> Seen {
    let failure = Failure {
        id: charge.to_owned(),
        code: Some("card_declined".to_owned()),
        decline_code: Some("generic_decline".to_owned()),
        message: Some("Your card was declined.".to_owned()),
    };
    Seen::Open { status: OpenStatus::RequiresPaymentMethod, failure: Some(failure) }
}

/// The success that every attempt of the scenarios asks for.
pub(crate) fn right_success() -> Success {
    Success { amount: PRICE, currency: "eur".to_owned(), amount_received: PRICE, application_fee: None }
}

/// One thing that happens to an order.
#[derive(Clone)]
pub(crate) enum Step {
    /// Stripe tells of the attempt at this place.
    Told(usize, Fact),
    /// Somebody asks for the order to be canceled.
    AskedToCancel,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(place, Fact { sighting, seen }) => {
                write!(f, "{place}@{}{}:{seen:?}", sighting.created - START, sighting.event)
            }
            Self::AskedToCancel => f.write_str("asked to cancel"),
        }
    }
}

/// An observation of the attempt at this place, as its own event would carry it.
pub(crate) fn observation(place: usize, fact: Fact) -> Observation {
    Observation {
        account: Account::own(),
        mode: Mode::Test,
        payment_intent_id: payment_intent_id(place),
        order_id: Some(order_id()),
        payment_id: Some(payment_id(place)),
        fact,
    }
}

/// Lets steps happen that were committed together, makes what decisions are due, and returns them.
pub(crate) fn happen(history: &mut History, steps: &[&Step]) -> Vec<Decision> {
    for step in steps {
        match step {
            Step::Told(place, fact) => history
                .absorb(&payment_id(*place), &order_id(), &observation(*place, fact.clone()))
                .expect("an observation of a recorded attempt"),
            Step::AskedToCancel => history.closing = Some(Closure::Canceled),
        }
    }
    settle(history)
}

/// Makes every decision that is due. Fails, where `History::settle` itself would never end.
pub(crate) fn settle(history: &mut History) -> Vec<Decision> {
    let mut trial = history.clone();
    let mut due = Vec::new();
    while let Some(decision) = trial.decide() {
        assert!(due.len() < 2, "deciding does not end: {due:?}");
        trial.decisions.record(&decision);
        due.push(decision);
    }
    let made = history.settle();
    assert_eq!((&made, &*history), (&due, &trial), "settle() makes what decide() finds");
    made
}

/// Where an order stands to which these things happened one by one.
pub(crate) fn standing_after(mut history: History, steps: &[Step]) -> Standing {
    for step in steps {
        happen(&mut history, &[step]);
    }
    history.standing()
}

/// Whether the big matrices are to be run whole.
pub(crate) fn exhaustive() -> bool {
    std::env::var("QUITTANCE_EXHAUSTIVE").is_ok_and(|value| value == "1")
}

/// A small generator of numbers (Steele, Lea, Flood: `SplitMix64`), so that samples are the same in every run.
pub(crate) struct Sampler(pub(crate) u64);

impl Sampler {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}
