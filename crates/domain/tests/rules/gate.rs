//! What does not fit never pays an order, and what is not the order's changes nothing of it.

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

use crate::stage::{
    PRICE, Step, attempt, checkout_session_id, declined, event, happen, history, observation, open, order_id,
    payment_id, payment_intent_id, right_success, session_attempt, session_observation, settle,
};
use crate::walk::{End, Scenario};

const FEE: i64 = 126;

fn attempt_with_fee(application_fee: Option<i64>) -> Attempt {
    let plain = attempt(0);
    Attempt { expected: ExpectedPayment { application_fee, ..plain.expected }, ..plain }
}

/// Successes that are wrong in one way, for an attempt that must have this fee.
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
        ("a fee where there is none", None, right_fee(), fee),
        ("no fee where there is one", Some(FEE), right(), fee),
        ("another fee", Some(FEE), Success { application_fee: Some(FEE - 1), ..right_fee() }, fee),
    ]
}

#[test]
fn a_wrong_success_is_for_review_in_every_order_and_never_pays() {
    for (name, application_fee, success, reason) in wrong_successes() {
        let told = |second, id: &str, seen| Step::Told(0, event(second, id, seen));
        Scenario {
            name,
            history: History { attempts: vec![attempt_with_fee(application_fee)], ..History::default() },
            stock: RestockOutcome::Short,
            steps: vec![
                told(0, "created", open(OpenStatus::RequiresPaymentMethod)),
                told(2, "declined", declined("ch_1")),
                told(4, "processing", open(OpenStatus::Processing)),
                Step::Asked(CloseReason::Canceled),
                told(4, "succeeded", ObservedState::Succeeded(success)),
            ],
            end: End::Same {
                status: OrderStatus::Review,
                reason: Some(reason),
                amount_paid: 0,
                settled: Some(PaymentOutcome::Succeeded(payment_id(0))),
            },
        }
        .run();
    }
}

#[test]
fn a_success_with_the_fee_that_was_asked_for_pays() {
    let expected = attempt_with_fee(Some(FEE)).expected;
    assert_eq!(expected.check(&Success { application_fee: Some(FEE), ..right_success() }, None), Ok(()));
    assert_eq!(attempt(0).expected.check(&right_success(), None), Ok(()));
}

/// What must be refused about an observation that is otherwise of the attempt at place 0.
fn strangers(right: &Observation) -> Vec<(&'static str, PaymentId, Observation, Mismatch)> {
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

/// Histories at every stage, from nothing known to the end.
fn stages() -> Vec<History> {
    let told = |second, id: &str, seen| Step::Told(0, event(second, id, seen));
    let ends: [&[Step]; 5] = [
        &[],
        &[told(1, "processing", open(OpenStatus::Processing))],
        &[told(1, "declined", declined("ch_1"))],
        &[told(1, "succeeded", ObservedState::Succeeded(right_success()))],
        &[Step::Asked(CloseReason::Canceled), told(1, "canceled", ObservedState::Canceled)],
    ];
    let reach = |steps: &[Step]| {
        let mut reached = history(1);
        for step in steps {
            happen(&mut reached, &[step], RestockOutcome::Short);
        }
        reached
    };
    ends.into_iter().map(reach).collect()
}

#[test]
fn what_is_not_the_orders_changes_nothing() {
    let facts = [
        ObservedState::Succeeded(right_success()),
        ObservedState::Canceled,
        declined("ch_9"),
        open(OpenStatus::RequiresCapture),
    ];
    for history in stages() {
        for seen in &facts {
            let right = observation(0, event(9, "stranger", seen.clone()));
            for (name, payment_id, stranger, mismatch) in strangers(&right) {
                let mut told = history.clone();
                let answer = told.apply_observation(&payment_id, &order_id(), &stranger);
                assert_eq!(answer, Err(mismatch), "{name}");
                assert_eq!(told, history, "{name}");
                assert_eq!(told.decide(), None, "{name}");
            }
        }
    }
}

#[test]
fn an_attempt_whose_id_was_lost_is_found_by_what_we_wrote_on_it_alone() {
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
    assert_eq!(answer, Err(Mismatch::OtherPaymentIntent), "it has one PaymentIntent, for good");
}

fn another_order() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(2))
}

/// What is ours stays ours, whatever somebody with a key of its account writes on it.
#[test]
fn metadata_that_was_edited_does_not_lose_a_payment() {
    let right = observation(0, event(3, "succeeded", ObservedState::Succeeded(right_success())));
    for (named_order, named_payment) in
        [(None, None), (Some(another_order()), Some(payment_id(0))), (Some(order_id()), Some(payment_id(1)))]
    {
        let mut history = history(2);
        let edited =
            Observation { order_id: named_order.clone(), payment_id: named_payment.clone(), ..right.clone() };
        assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &edited), Ok(()));
        settle(&mut history, RestockOutcome::Short);
        assert_eq!(history.order_state().status, OrderStatus::Paid);
        let edited =
            SessionObservation { order_id: named_order, payment_id: named_payment, ..paid_session() };
        let mut history = History { attempts: vec![session_attempt(0)], ..History::default() };
        assert_eq!(history.apply_session(&payment_id(0), &order_id(), &edited), Ok(()));
        settle(&mut history, RestockOutcome::Short);
        assert_eq!(history.order_state().status, OrderStatus::Paid);
    }
}

/// The Session of the attempt at place 0, as its completion is told: paid.
fn paid_session() -> SessionObservation {
    session_observation(0, SessionStatus::Complete, Some(right_success()))
}

#[test]
fn a_session_that_is_not_the_orders_changes_nothing() {
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
        let mut told = history.clone();
        let answer = told.apply_session(&payment_id(place), &order_id(), &stranger);
        assert_eq!((answer, &told), (Err(mismatch), &history), "another {name}");
    }
}

#[test]
fn a_session_tells_of_its_payment_intent_and_pays_where_no_fee_is_due() {
    for (fee, status) in [(None, OrderStatus::Paid), (Some(FEE), OrderStatus::Pending)] {
        let plain = session_attempt(0);
        let expected = ExpectedPayment { application_fee: fee, ..plain.expected };
        let lost = Attempt { expected, checkout_session_id: None, ..plain };
        let mut history = History { attempts: vec![lost], ..History::default() };
        assert_eq!(history.apply_session(&payment_id(0), &order_id(), &paid_session()), Ok(()));
        settle(&mut history, RestockOutcome::Short);
        assert_eq!(history.order_state().status, status, "a Session does not say what the fee was");
        let ids = (&history.attempts[0].checkout_session_id, &history.attempts[0].payment_intent_id);
        assert_eq!(ids, (&Some(checkout_session_id(0)), &Some(payment_intent_id(0))));
    }
}

/// Given up or closed before its order's price changed, it turns out to be paid: the old price pays nothing.
#[test]
fn a_success_at_an_old_price_is_for_review() {
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
