//! What the scenarios are made of: attempts, facts, and an order's history that is told about them.

use std::fmt;

use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::dispute::{DisputeObservation, DisputeState, DisputeStatus};
use quittance_domain::history::{CloseReason, Decision, History, RestockOutcome};
use quittance_domain::id::{DisputeId, OrderId, PaymentId, RefundId};
use quittance_domain::money::Money;
use quittance_domain::order_state::OrderState;
use quittance_domain::payment::{
    Account, Attempt, CaptureMethod, ExpectedPayment, Fact, Facts, Failure, Mismatch, Mode, Observation,
    ObservedState, OpenStatus, Provenance, SessionObservation, Success,
};
use quittance_domain::refund::{
    Refund, RefundCause, RefundFacts, RefundObservation, RefundStatus, RefundTerms,
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

/// Stripe's id of the Checkout Session of the attempt at this place.
pub(crate) fn checkout_session_id(place: usize) -> String {
    format!("cs_{place}")
}

/// Our id of the refund of this number, whoever made it.
pub(crate) fn refund_id(number: usize) -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(200 + number as u128))
}

/// Our id of the dispute of this number.
pub(crate) fn dispute_id(number: usize) -> DisputeId {
    DisputeId::from_uuid(Uuid::from_u128(300 + number as u128))
}

/// So many cents.
pub(crate) fn euros(cents: i64) -> Money {
    Money::new(cents, "eur".parse().unwrap()).unwrap()
}

/// An attempt of 42.00 EUR without a fee on our own account, of which nothing is known yet.
pub(crate) fn attempt(place: usize) -> Attempt {
    Attempt {
        id: payment_id(place),
        flow: PaymentFlow::PaymentIntent,
        expected: ExpectedPayment {
            account: Account::own(),
            mode: Mode::Test,
            amount: euros(PRICE),
            application_fee: None,
        },
        destination: None,
        capture_method: CaptureMethod::Automatic,
        payment_intent_id: Some(payment_intent_id(place)),
        checkout_session_id: None,
        facts: Facts::default(),
        capture: None,
        abandoned: false,
        refused: None,
        outdated: false,
    }
}

/// The same on Stripe's page: there is no PaymentIntent before the customer tries to pay.
pub(crate) fn session_attempt(place: usize) -> Attempt {
    Attempt {
        flow: PaymentFlow::CheckoutSession,
        payment_intent_id: None,
        checkout_session_id: Some(checkout_session_id(place)),
        ..attempt(place)
    }
}

/// A refund that was recorded and that Stripe has not heard of.
pub(crate) fn refund(number: usize, place: usize, cents: i64, cause: RefundCause) -> Refund {
    Refund {
        id: refund_id(number),
        payment_id: payment_id(place),
        amount: euros(cents),
        reason: None,
        cause,
        terms: RefundTerms::default(),
        stripe_refund_id: None,
        facts: RefundFacts::default(),
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
pub(crate) fn event(second: i64, id: &str, seen: ObservedState) -> Fact {
    Fact { provenance: Provenance { created: START + second, event: format!("evt_{id}") }, state: seen }
}

/// A state that is open, and no failure.
pub(crate) fn open(status: OpenStatus) -> ObservedState {
    ObservedState::Open { status, failure: None }
}

/// A charge that the bank declined.
pub(crate) fn declined(charge: &str) -> ObservedState {
    let failure = Failure {
        id: charge.to_owned(),
        code: Some("card_declined".to_owned()),
        decline_code: Some("generic_decline".to_owned()),
        message: Some("Your card was declined.".to_owned()),
    };
    ObservedState::Open { status: OpenStatus::RequiresPaymentMethod, failure: Some(failure) }
}

/// The success that every attempt of the scenarios asks for.
pub(crate) fn right_success() -> Success {
    Success { amount: PRICE, currency: "eur".to_owned(), amount_received: PRICE, application_fee: None }
}

/// What Stripe tells of a refund.
#[derive(Debug, Clone)]
pub(crate) struct RefundTold {
    /// Which refund.
    pub(crate) number: usize,
    /// Whether its metadata says that it is one of ours.
    pub(crate) is_named: bool,
    pub(crate) cents: i64,
    pub(crate) reason: Option<&'static str>,
    pub(crate) provenance: Provenance,
    pub(crate) status: RefundStatus,
}

/// What Stripe tells of a dispute.
#[derive(Debug, Clone)]
pub(crate) struct DisputeTold {
    /// Which dispute.
    pub(crate) number: usize,
    pub(crate) cents: i64,
    pub(crate) currency: &'static str,
    pub(crate) provenance: Provenance,
    pub(crate) status: DisputeStatus,
}

/// One thing that happens to an order.
#[derive(Clone)]
pub(crate) enum Step {
    /// Stripe tells of the attempt at this place.
    Told(usize, Fact),
    /// Stripe tells of its Checkout Session, and what was paid in it.
    Session(usize, SessionStatus, Option<Success>),
    /// Stripe tells of a refund of what it brought.
    Refund(usize, RefundTold),
    /// Stripe tells of a dispute of what it brought.
    Dispute(usize, DisputeTold),
    /// The order is to end unpaid.
    Asked(CloseReason),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(place, Fact { provenance, state: seen }) => {
                write!(f, "{place}@{}{}:{seen:?}", provenance.created - START, provenance.event)
            }
            Self::Session(place, status, paid) => {
                write!(
                    f,
                    "{place}: session {status:?}, paid {:?}",
                    paid.as_ref().map(|it| it.amount_received)
                )
            }
            Self::Refund(place, told) => {
                let second = told.provenance.created - START;
                write!(f, "{place}@{second}: refund {} of {} {:?}", told.number, told.cents, told.status)
            }
            Self::Dispute(place, told) => {
                let second = told.provenance.created - START;
                write!(f, "{place}@{second}: dispute {} of {} {:?}", told.number, told.cents, told.status)
            }
            Self::Asked(closure) => write!(f, "asked to be {}", closure.as_str()),
        }
    }
}

/// Where an event of this second stands.
pub(crate) fn provenance(second: i64, event: &str) -> Provenance {
    Provenance { created: START + second, event: format!("evt_{event}") }
}

/// Stripe tells that the refund of this number, made in its dashboard, stands so.
pub(crate) fn refunded(place: usize, number: usize, cents: i64, second: i64, status: RefundStatus) -> Step {
    let provenance = provenance(second, status.as_str());
    Step::Refund(place, RefundTold { number, is_named: false, cents, reason: None, provenance, status })
}

/// Stripe tells that the dispute of this number, of all that was to be paid, stands so.
pub(crate) fn disputed(place: usize, number: usize, second: i64, status: DisputeStatus) -> Step {
    disputed_in_part(place, number, PRICE, second, status)
}

/// Stripe tells that the dispute of this number, of so many cents, stands so.
pub(crate) fn disputed_in_part(
    place: usize,
    number: usize,
    cents: i64,
    second: i64,
    status: DisputeStatus,
) -> Step {
    let provenance = provenance(second, status.as_str());
    Step::Dispute(place, DisputeTold { number, cents, currency: "eur", provenance, status })
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

/// The refund of an attempt, as its own event would carry it.
pub(crate) fn refund_observation(place: usize, told: &RefundTold) -> RefundObservation {
    RefundObservation {
        account: Account::own(),
        mode: Mode::Test,
        stripe_refund_id: format!("re_{}", told.number),
        payment_intent_id: payment_intent_id(place),
        refund_id: told.is_named.then(|| refund_id(told.number)),
        amount: euros(told.cents),
        reason: told.reason.map(str::to_owned),
        provenance: told.provenance.clone(),
        status: told.status,
        failure_reason: None,
    }
}

/// The dispute of an attempt, as its own event would carry it.
pub(crate) fn dispute_observation(place: usize, told: &DisputeTold) -> DisputeObservation {
    DisputeObservation {
        account: Account::own(),
        mode: Mode::Test,
        stripe_dispute_id: format!("du_{}", told.number),
        payment_intent_id: payment_intent_id(place),
        provenance: told.provenance.clone(),
        state: DisputeState {
            status: told.status,
            amount: told.cents,
            currency: told.currency.to_owned(),
            reason: None,
            evidence_due_by: None,
        },
    }
}

/// The Checkout Session of an attempt, as its own event would carry it.
pub(crate) fn session_observation(
    place: usize,
    status: SessionStatus,
    paid: Option<Success>,
) -> SessionObservation {
    // Stripe makes the PaymentIntent when the customer pays.
    let is_paid = matches!(status, SessionStatus::Complete | SessionStatus::Failed);
    SessionObservation {
        account: Account::own(),
        mode: Mode::Test,
        checkout_session_id: checkout_session_id(place),
        event: format!("evt_session_{place}"),
        payment_intent_id: is_paid.then(|| payment_intent_id(place)),
        order_id: Some(order_id()),
        payment_id: Some(payment_id(place)),
        status,
        paid,
    }
}

/// Lets one step happen, and decides nothing.
pub(crate) fn tell(history: &mut History, step: &Step) -> Result<(), Mismatch> {
    match step {
        Step::Told(place, fact) => {
            history.apply_observation(&payment_id(*place), &order_id(), &observation(*place, fact.clone()))
        }
        Step::Session(place, status, paid) => {
            let seen = session_observation(*place, *status, paid.clone());
            history.apply_session(&payment_id(*place), &order_id(), &seen)
        }
        Step::Refund(place, told) => {
            let seen = refund_observation(*place, told);
            history.apply_refund(&payment_id(*place), &seen, refund_id(told.number))
        }
        Step::Dispute(place, told) => {
            let seen = dispute_observation(*place, told);
            history.apply_dispute(&payment_id(*place), &seen, dispute_id(told.number))
        }
        Step::Asked(closure) => {
            history.closing = Some(*closure);
            Ok(())
        }
    }
}

/// Lets steps happen that were committed together, makes what decisions are due, and returns them. `stock` says
/// what is left of the goods, should they be wanted again.
pub(crate) fn happen(history: &mut History, steps: &[&Step], stock: RestockOutcome) -> Vec<Decision> {
    for step in steps {
        tell(history, step).expect("an observation of a recorded attempt");
    }
    settle(history, stock)
}

/// Makes every decision that is due. Fails, where `History::settle` itself would never end.
pub(crate) fn settle(history: &mut History, stock: RestockOutcome) -> Vec<Decision> {
    let mut trial = history.clone();
    let mut due = Vec::new();
    while let Some(decision) = trial.decide() {
        assert!(due.len() < 2, "deciding does not end: {due:?}");
        trial.decisions.record(&decision);
        due.push(decision);
    }
    let mut made = history.apply_decisions();
    assert_eq!((&made, &*history), (&due, &trial), "settle() makes what decide() finds");
    if history.needs_restock() {
        let tried = Decision::RestockAttempted(stock);
        history.decisions.record(&tried);
        made.push(tried);
        made.extend(history.apply_decisions());
        assert!(!history.needs_restock(), "it was tried");
    }
    made
}

/// Where an order stands to which these things happened one by one.
pub(crate) fn standing_after(mut history: History, steps: &[Step]) -> OrderState {
    for step in steps {
        happen(&mut history, &[step], RestockOutcome::Short);
    }
    history.order_state()
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
