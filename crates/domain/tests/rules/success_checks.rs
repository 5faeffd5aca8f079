//! Tests that mismatched successes never pay an order, and that observations of other orders have no effect.

use quittance_domain::checkout::SessionStatus;
use quittance_domain::history::{CloseReason, History, RestockOutcome};
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::PaymentOutcome;
use quittance_domain::payment::{
    Account, Attempt, ExpectedPayment, Mismatch, Mode, Observation, ObservedState, OpenStatus, ReviewReason,
    SessionObservation, Success,
};
use uuid::Uuid;

use crate::fixtures::{
    PRICE, Step, apply_decisions, apply_steps, attempt, checkout_session_id, declined, event, history,
    observation, open, order_id, payment_id, payment_intent_id, right_success, session_attempt,
    session_observation,
};
use crate::sequences::{End, Scenario};

const FEE: i64 = 126;

fn attempt_with_fee(application_fee: Option<i64>) -> Attempt {
    let plain = attempt(0);
    Attempt { expected: ExpectedPayment { application_fee, ..plain.expected }, ..plain }
}

/// Returns successes with one mismatch each, for an attempt with this fee.
fn wrong_successes() -> Vec<(&'static str, Option<i64>, Success, ReviewReason)> {
    let right = right_success;
    let right_fee = || Success { application_fee: Some(FEE), ..right() };
    let currency = |code: &str| Success { currency: code.to_owned(), ..right() };
    let (amount, fee) = (ReviewReason::WrongAmount, ReviewReason::WrongFee);
    vec![
        (
            "a cent too little",
            None,
            Success { amount: PRICE - 1, amount_received: PRICE - 1, ..right() },
            amount,
        ),
        (
            "a cent too much",
            None,
            Success { amount: PRICE + 1, amount_received: PRICE + 1, ..right() },
            amount,
        ),
        ("another amount, and ours received", None, Success { amount: PRICE + 1, ..right() }, amount),
        ("partly received", None, Success { amount_received: PRICE - 1, ..right() }, amount),
        ("nothing received", None, Success { amount_received: 0, ..right() }, amount),
        ("more received than asked for", None, Success { amount_received: PRICE + 1, ..right() }, amount),
        ("a negative amount", None, Success { amount: -PRICE, amount_received: -PRICE, ..right() }, amount),
        ("another currency", None, currency("usd"), ReviewReason::WrongCurrency),
        ("a currency we do not know", None, currency("xxx"), ReviewReason::WrongCurrency),
        ("no currency", None, currency(""), ReviewReason::WrongCurrency),
        ("an unexpected fee", None, right_fee(), fee),
        ("no fee where there is one", Some(FEE), right(), fee),
        ("another fee", Some(FEE), Success { application_fee: Some(FEE - 1), ..right_fee() }, fee),
    ]
}

#[test]
fn mismatched_success_needs_review_in_any_order() {
    for (name, application_fee, success, reason) in wrong_successes() {
        let observed = |second, id: &str, seen| Step::Event(0, event(second, id, seen));
        Scenario {
            name,
            history: History { attempts: vec![attempt_with_fee(application_fee)], ..History::default() },
            stock: RestockOutcome::Short,
            steps: vec![
                observed(0, "created", open(OpenStatus::RequiresPaymentMethod)),
                observed(2, "declined", declined("ch_1")),
                observed(4, "processing", open(OpenStatus::Processing)),
                Step::CloseRequest(CloseReason::Canceled),
                observed(4, "succeeded", ObservedState::Succeeded(success)),
            ],
            end: End::Same {
                status: OrderStatus::Review,
                reason: Some(reason),
                amount_paid: 0,
                outcome: Some(PaymentOutcome::Succeeded(payment_id(0))),
            },
        }
        .run();
    }
}

#[test]
fn success_with_expected_fee_pays_the_order() {
    let expected = attempt_with_fee(Some(FEE)).expected;
    assert_eq!(expected.check(&Success { application_fee: Some(FEE), ..right_success() }, None), Ok(()));
    assert_eq!(attempt(0).expected.check(&right_success(), None), Ok(()));
}

/// Returns mismatched observations of the attempt at index 0, with the expected error.
fn mismatched_observations(right: &Observation) -> Vec<(&'static str, PaymentId, Observation, Mismatch)> {
    let with = |change: fn(&mut Observation)| {
        let mut observation = right.clone();
        change(&mut observation);
        observation
    };
    let ours = payment_id(0);
    let elsewhere = with(|it| it.account = Account::connected("acct_other"));
    let live = with(|it| it.mode = Mode::Live);
    let other_intent = with(|it| it.payment_intent_id = payment_intent_id(7));
    let unknown = payment_id(9);
    vec![
        ("another account", ours.clone(), elsewhere, Mismatch::WrongAccount),
        ("another mode", ours.clone(), live, Mismatch::WrongMode),
        ("another PaymentIntent with our ids", ours, other_intent, Mismatch::OtherPaymentIntent),
        ("an attempt never recorded", unknown, right.clone(), Mismatch::UnknownAttempt),
    ]
}

/// Returns histories at every stage.
fn stages() -> Vec<History> {
    let observed = |second, id: &str, seen| Step::Event(0, event(second, id, seen));
    let ends: [&[Step]; 5] = [
        &[],
        &[observed(1, "processing", open(OpenStatus::Processing))],
        &[observed(1, "declined", declined("ch_1"))],
        &[observed(1, "succeeded", ObservedState::Succeeded(right_success()))],
        &[Step::CloseRequest(CloseReason::Canceled), observed(1, "canceled", ObservedState::Canceled)],
    ];
    let reach = |steps: &[Step]| {
        let mut reached = history(1);
        for step in steps {
            apply_steps(&mut reached, &[step], RestockOutcome::Short);
        }
        reached
    };
    ends.into_iter().map(reach).collect()
}

#[test]
fn observation_of_another_order_is_rejected_without_effect() {
    let facts = [
        ObservedState::Succeeded(right_success()),
        ObservedState::Canceled,
        declined("ch_9"),
        open(OpenStatus::RequiresCapture),
    ];
    for history in stages() {
        for seen in &facts {
            let right = observation(0, event(9, "stranger", seen.clone()));
            for (name, payment_id, stranger, mismatch) in mismatched_observations(&right) {
                let mut observed = history.clone();
                let answer = observed.apply_observation(&payment_id, &order_id(), &stranger);
                assert_eq!(answer, Err(mismatch), "{name}");
                assert_eq!(observed, history, "{name}");
                assert_eq!(observed.decide(), None, "{name}");
            }
        }
    }
}

#[test]
fn attempt_with_unknown_stripe_id_is_identified_by_metadata() {
    let lost = Attempt { payment_intent_id: None, ..attempt(0) };
    let history = History { attempts: vec![lost], ..History::default() };
    let right = observation(0, event(3, "created", open(OpenStatus::RequiresPaymentMethod)));

    let mut unnamed = history.clone();
    let stranger = Observation { payment_id: None, ..right.clone() };
    assert_eq!(
        unnamed.apply_observation(&payment_id(0), &order_id(), &stranger),
        Err(Mismatch::UnknownAttempt)
    );
    let stranger = Observation { account: Account::connected("acct_other"), ..right.clone() };
    assert_eq!(
        unnamed.apply_observation(&payment_id(0), &order_id(), &stranger),
        Err(Mismatch::WrongAccount)
    );
    let stranger = Observation { order_id: Some(another_order()), ..right.clone() };
    assert_eq!(unnamed.apply_observation(&payment_id(0), &order_id(), &stranger), Err(Mismatch::OtherOrder));
    assert_eq!(unnamed, history);

    let mut adopted = history;
    assert_eq!(adopted.apply_observation(&payment_id(0), &order_id(), &right), Ok(()));
    assert_eq!(adopted.attempts[0].payment_intent_id, Some(payment_intent_id(0)));
    let second = Observation { payment_intent_id: "pi_second".to_owned(), ..right.clone() };
    let answer = adopted.apply_observation(&payment_id(0), &order_id(), &second);
    assert_eq!(answer, Err(Mismatch::OtherPaymentIntent), "its PaymentIntent never changes");
}

fn another_order() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(2))
}

/// A payment stays with its order, even if its metadata is edited at Stripe.
#[test]
fn edited_metadata_does_not_detach_payment() {
    let right = observation(0, event(3, "succeeded", ObservedState::Succeeded(right_success())));
    for (named_order, named_payment) in
        [(None, None), (Some(another_order()), Some(payment_id(0))), (Some(order_id()), Some(payment_id(1)))]
    {
        let mut history = history(2);
        let edited =
            Observation { order_id: named_order.clone(), payment_id: named_payment.clone(), ..right.clone() };
        assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &edited), Ok(()));
        apply_decisions(&mut history, RestockOutcome::Short);
        assert_eq!(history.order_state().status, OrderStatus::Paid);
        let edited =
            SessionObservation { order_id: named_order, payment_id: named_payment, ..paid_session() };
        let mut history = History { attempts: vec![session_attempt(0)], ..History::default() };
        assert_eq!(history.apply_session(&payment_id(0), &order_id(), &edited), Ok(()));
        apply_decisions(&mut history, RestockOutcome::Short);
        assert_eq!(history.order_state().status, OrderStatus::Paid);
    }
}

/// Returns the completed and paid Session of the attempt at index 0.
fn paid_session() -> SessionObservation {
    session_observation(0, SessionStatus::Complete, Some(right_success()))
}

#[test]
fn session_of_another_order_is_rejected_without_effect() {
    let with = |change: fn(&mut SessionObservation)| {
        let mut seen = paid_session();
        change(&mut seen);
        seen
    };
    let known = Attempt { payment_intent_id: Some(payment_intent_id(0)), ..session_attempt(0) };
    let history = History { attempts: vec![known, attempt(1)], ..History::default() };
    for (name, place, stranger, mismatch) in [
        ("account", 0, with(|it| it.account = Account::connected("acct_other")), Mismatch::WrongAccount),
        ("mode", 0, with(|it| it.mode = Mode::Live), Mismatch::WrongMode),
        ("Session", 0, with(|it| it.checkout_session_id = "cs_7".to_owned()), Mismatch::OtherPaymentIntent),
        (
            "intent",
            0,
            with(|it| it.payment_intent_id = Some("pi_7".to_owned())),
            Mismatch::OtherPaymentIntent,
        ),
        ("flow", 1, with(|it| it.payment_id = Some(payment_id(1))), Mismatch::UnknownAttempt),
        ("unknown", 9, paid_session(), Mismatch::UnknownAttempt),
    ] {
        let mut observed = history.clone();
        let answer = observed.apply_session(&payment_id(place), &order_id(), &stranger);
        assert_eq!((answer, &observed), (Err(mismatch), &history), "another {name}");
    }
}

#[test]
fn session_records_payment_intent_and_pays_without_expected_fee() {
    for (fee, status) in [(None, OrderStatus::Paid), (Some(FEE), OrderStatus::Pending)] {
        let plain = session_attempt(0);
        let expected = ExpectedPayment { application_fee: fee, ..plain.expected };
        let lost = Attempt { expected, checkout_session_id: None, ..plain };
        let mut history = History { attempts: vec![lost], ..History::default() };
        assert_eq!(history.apply_session(&payment_id(0), &order_id(), &paid_session()), Ok(()));
        apply_decisions(&mut history, RestockOutcome::Short);
        assert_eq!(history.order_state().status, status, "a Session does not say what the fee was");
        let ids = (&history.attempts[0].checkout_session_id, &history.attempts[0].payment_intent_id);
        assert_eq!(ids, (&Some(checkout_session_id(0)), &Some(payment_intent_id(0))));
    }
}

/// The attempt was closed before the order's price changed and was paid anyway. The old price doesn't pay the
/// order.
#[test]
fn success_of_outdated_attempt_needs_review() {
    let outdated = Attempt { outdated: true, refused: Some("seller_disconnected".to_owned()), ..attempt(0) };
    let mut history = History { attempts: vec![outdated], ..History::default() };
    let waiting = observation(0, event(1, "created", open(OpenStatus::RequiresPaymentMethod)));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &waiting), Ok(()));
    let paid = observation(0, event(2, "succeeded", ObservedState::Succeeded(right_success())));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &paid), Ok(()));
    assert_eq!(history.apply_decisions(), []);
    let order_state = history.order_state();
    assert_eq!(
        (order_state.status, order_state.review_reason, order_state.amount_paid),
        (OrderStatus::Review, Some(ReviewReason::WrongAmount), 0)
    );
}
