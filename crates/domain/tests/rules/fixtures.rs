//! Shared fixtures: attempts, facts, steps and histories.

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

/// The amount of each attempt, in cents.
pub(crate) const PRICE: i64 = 4_200;
/// The second in which the scenarios begin.
pub(crate) const START: i64 = 1_790_000_000;

/// The order of all scenarios.
pub(crate) fn order_id() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(1))
}

/// Returns the attempt's payment ID.
pub(crate) fn payment_id(place: usize) -> PaymentId {
    PaymentId::from_uuid(Uuid::from_u128(100 + place as u128))
}

/// Returns the attempt's PaymentIntent ID.
pub(crate) fn payment_intent_id(place: usize) -> String {
    format!("pi_{place}")
}

/// Returns the attempt's Checkout Session ID.
pub(crate) fn checkout_session_id(place: usize) -> String {
    format!("cs_{place}")
}

/// Returns the refund ID for this number.
pub(crate) fn refund_id(number: usize) -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(200 + number as u128))
}

/// Returns the dispute ID for this number.
pub(crate) fn dispute_id(number: usize) -> DisputeId {
    DisputeId::from_uuid(Uuid::from_u128(300 + number as u128))
}

/// Returns an amount in euros.
pub(crate) fn euros(cents: i64) -> Money {
    Money::new(cents, "eur".parse().unwrap()).unwrap()
}

/// Returns an attempt of 42.00 EUR without a fee on the platform's own account, without observations.
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

/// Returns the same attempt as a Checkout Session, without a PaymentIntent.
pub(crate) fn session_attempt(place: usize) -> Attempt {
    Attempt {
        flow: PaymentFlow::CheckoutSession,
        payment_intent_id: None,
        checkout_session_id: Some(checkout_session_id(place)),
        ..attempt(place)
    }
}

/// Returns a recorded refund that Stripe hasn't received.
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

/// Returns an attempt that Stripe refused to create.
pub(crate) fn refused(place: usize) -> Attempt {
    Attempt { payment_intent_id: None, refused: Some("amount_too_small".to_owned()), ..attempt(place) }
}

/// Returns a history with this number of attempts.
pub(crate) fn history(attempts: usize) -> History {
    History { attempts: (0..attempts).map(attempt).collect(), ..History::default() }
}

/// Returns a fact from an event at this second after the start.
pub(crate) fn event(second: i64, id: &str, seen: ObservedState) -> Fact {
    Fact { provenance: Provenance { created: START + second, event: format!("evt_{id}") }, state: seen }
}

/// Returns an open state without a failure.
pub(crate) fn open(status: OpenStatus) -> ObservedState {
    ObservedState::Open { status, failure: None }
}

/// Returns the state after a declined charge.
pub(crate) fn declined(charge: &str) -> ObservedState {
    let failure = Failure {
        id: charge.to_owned(),
        code: Some("card_declined".to_owned()),
        decline_code: Some("generic_decline".to_owned()),
        message: Some("Your card was declined.".to_owned()),
    };
    ObservedState::Open { status: OpenStatus::RequiresPaymentMethod, failure: Some(failure) }
}

/// Returns the success that matches every attempt.
pub(crate) fn right_success() -> Success {
    Success { amount: PRICE, currency: "eur".to_owned(), amount_received: PRICE, application_fee: None }
}

/// An observation of a refund.
#[derive(Debug, Clone)]
pub(crate) struct RefundStep {
    /// The refund's number.
    pub(crate) number: usize,
    /// Whether its metadata contains the refund ID.
    pub(crate) is_named: bool,
    pub(crate) cents: i64,
    pub(crate) reason: Option<&'static str>,
    pub(crate) provenance: Provenance,
    pub(crate) status: RefundStatus,
}

/// An observation of a dispute.
#[derive(Debug, Clone)]
pub(crate) struct DisputeStep {
    /// The dispute's number.
    pub(crate) number: usize,
    pub(crate) cents: i64,
    pub(crate) currency: &'static str,
    pub(crate) provenance: Provenance,
    pub(crate) status: DisputeStatus,
}

/// One step of a scenario.
#[derive(Clone)]
pub(crate) enum Step {
    /// An observation of the attempt at this index.
    Event(usize, Fact),
    /// An observation of its Checkout Session, and the payment in it.
    Session(usize, SessionStatus, Option<Success>),
    /// An observation of a refund of the attempt.
    Refund(usize, RefundStep),
    /// An observation of a dispute of the attempt.
    Dispute(usize, DisputeStep),
    /// A request to close the order.
    CloseRequest(CloseReason),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(place, Fact { provenance, state: seen }) => {
                write!(f, "{place}@{}{}:{seen:?}", provenance.created - START, provenance.event)
            }
            Self::Session(place, status, paid) => {
                write!(
                    f,
                    "{place}: session {status:?}, paid {:?}",
                    paid.as_ref().map(|it| it.amount_received)
                )
            }
            Self::Refund(place, observed) => {
                let second = observed.provenance.created - START;
                write!(
                    f,
                    "{place}@{second}: refund {} of {} {:?}",
                    observed.number, observed.cents, observed.status
                )
            }
            Self::Dispute(place, observed) => {
                let second = observed.provenance.created - START;
                write!(
                    f,
                    "{place}@{second}: dispute {} of {} {:?}",
                    observed.number, observed.cents, observed.status
                )
            }
            Self::CloseRequest(reason) => write!(f, "asked to be {}", reason.as_str()),
        }
    }
}

/// Returns the provenance of an event at this second.
pub(crate) fn provenance(second: i64, event: &str) -> Provenance {
    Provenance { created: START + second, event: format!("evt_{event}") }
}

/// Returns an observation of a refund that was created at Stripe.
pub(crate) fn refunded(place: usize, number: usize, cents: i64, second: i64, status: RefundStatus) -> Step {
    let provenance = provenance(second, status.as_str());
    Step::Refund(place, RefundStep { number, is_named: false, cents, reason: None, provenance, status })
}

/// Returns an observation of a dispute about the full amount.
pub(crate) fn disputed(place: usize, number: usize, second: i64, status: DisputeStatus) -> Step {
    disputed_in_part(place, number, PRICE, second, status)
}

/// Returns an observation of a dispute about this amount.
pub(crate) fn disputed_in_part(
    place: usize,
    number: usize,
    cents: i64,
    second: i64,
    status: DisputeStatus,
) -> Step {
    let provenance = provenance(second, status.as_str());
    Step::Dispute(place, DisputeStep { number, cents, currency: "eur", provenance, status })
}

/// Returns an observation of the attempt at this index.
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

/// Returns an observation of a refund.
pub(crate) fn refund_observation(place: usize, observed: &RefundStep) -> RefundObservation {
    RefundObservation {
        account: Account::own(),
        mode: Mode::Test,
        stripe_refund_id: format!("re_{}", observed.number),
        payment_intent_id: payment_intent_id(place),
        refund_id: observed.is_named.then(|| refund_id(observed.number)),
        amount: euros(observed.cents),
        reason: observed.reason.map(str::to_owned),
        provenance: observed.provenance.clone(),
        status: observed.status,
        failure_reason: None,
    }
}

/// Returns an observation of a dispute.
pub(crate) fn dispute_observation(place: usize, observed: &DisputeStep) -> DisputeObservation {
    DisputeObservation {
        account: Account::own(),
        mode: Mode::Test,
        stripe_dispute_id: format!("du_{}", observed.number),
        payment_intent_id: payment_intent_id(place),
        provenance: observed.provenance.clone(),
        state: DisputeState {
            status: observed.status,
            amount: observed.cents,
            currency: observed.currency.to_owned(),
            reason: None,
            evidence_due_by: None,
        },
    }
}

/// Returns an observation of a Checkout Session.
pub(crate) fn session_observation(
    place: usize,
    status: SessionStatus,
    paid: Option<Success>,
) -> SessionObservation {
    // Stripe creates the PaymentIntent when the customer pays.
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

/// Applies one step without making decisions.
pub(crate) fn apply_step(history: &mut History, step: &Step) -> Result<(), Mismatch> {
    match step {
        Step::Event(place, fact) => {
            history.apply_observation(&payment_id(*place), &order_id(), &observation(*place, fact.clone()))
        }
        Step::Session(place, status, paid) => {
            let seen = session_observation(*place, *status, paid.clone());
            history.apply_session(&payment_id(*place), &order_id(), &seen)
        }
        Step::Refund(place, observed) => {
            let seen = refund_observation(*place, observed);
            history.apply_refund(&payment_id(*place), &seen, refund_id(observed.number))
        }
        Step::Dispute(place, observed) => {
            let seen = dispute_observation(*place, observed);
            history.apply_dispute(&payment_id(*place), &seen, dispute_id(observed.number))
        }
        Step::CloseRequest(closure) => {
            history.closing = Some(*closure);
            Ok(())
        }
    }
}

/// Applies steps in one transaction, and makes and returns the due decisions. `stock` is the outcome if items
/// must be reserved again.
pub(crate) fn apply_steps(history: &mut History, steps: &[&Step], stock: RestockOutcome) -> Vec<Decision> {
    for step in steps {
        apply_step(history, step).expect("an observation of a recorded attempt");
    }
    apply_decisions(history, stock)
}

/// Makes all due decisions. Panics instead of looping forever.
pub(crate) fn apply_decisions(history: &mut History, stock: RestockOutcome) -> Vec<Decision> {
    let mut trial = history.clone();
    let mut due = Vec::new();
    while let Some(decision) = trial.decide() {
        assert!(due.len() < 2, "deciding does not end: {due:?}");
        trial.decisions.record(&decision);
        due.push(decision);
    }
    let mut made = history.apply_decisions();
    assert_eq!((&made, &*history), (&due, &trial), "apply_decisions() makes what decide() finds");
    if history.needs_restock() {
        let tried = Decision::RestockAttempted(stock);
        history.decisions.record(&tried);
        made.push(tried);
        made.extend(history.apply_decisions());
        assert!(!history.needs_restock(), "it was tried");
    }
    made
}

/// Returns the order's state after applying the steps one by one.
pub(crate) fn standing_after(mut history: History, steps: &[Step]) -> OrderState {
    for step in steps {
        apply_steps(&mut history, &[step], RestockOutcome::Short);
    }
    history.order_state()
}

/// Returns whether the large tables are run in full.
pub(crate) fn exhaustive() -> bool {
    std::env::var("QUITTANCE_EXHAUSTIVE").is_ok_and(|value| value == "1")
}

/// A small random number generator (Steele, Lea, Flood: `SplitMix64`). Samples are the same in every run.
pub(crate) struct Sampler(pub(crate) u64);

impl Sampler {
    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}
