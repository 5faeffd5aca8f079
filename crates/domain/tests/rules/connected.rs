//! Attempts on a seller's own account: the seller sees our ids there, and may write them wherever it likes.

use quittance_domain::checkout::SessionStatus;
use quittance_domain::history::{CloseReason, History, RestockOutcome};
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{
    Account, Attempt, ExpectedPayment, Mismatch, Observation, ObservedState, OpenStatus, Success,
};
use quittance_domain::refund::RefundTerms;

use crate::stage::{
    Step, attempt, declined, event, observation, open, order_id, payment_id, payment_intent_id,
    right_success, session_attempt, session_observation, settle,
};

const FEE: i64 = 126;

fn seller() -> Account {
    Account::connected("acct_seller")
}

/// The attempt on the seller's account, of which Stripe's answer was lost.
fn lost(plain: Attempt) -> Attempt {
    let expected = ExpectedPayment { account: seller(), application_fee: Some(FEE), ..plain.expected };
    Attempt { expected, payment_intent_id: None, checkout_session_id: None, ..plain }
}

fn success() -> ObservedState {
    ObservedState::Succeeded(Success { application_fee: Some(FEE), ..right_success() })
}

/// As an event of the seller's account carries it.
fn told(seen: ObservedState) -> Observation {
    Observation { account: seller(), ..observation(0, event(3, "told", seen)) }
}

/// As Stripe answers to us.
fn answered(seen: ObservedState) -> Observation {
    let mut answer = told(seen);
    answer.fact.provenance.event = String::new();
    answer
}

#[test]
fn an_event_with_our_ids_proves_nothing_before_stripe_has_answered_us() {
    let unanswered = History { attempts: vec![lost(attempt(0))], ..History::default() };
    for seen in
        [open(OpenStatus::RequiresPaymentMethod), success(), ObservedState::Canceled, declined("ch_1")]
    {
        let mut history = unanswered.clone();
        let answer = history.apply_observation(&payment_id(0), &order_id(), &told(seen));
        assert_eq!(answer, Err(Mismatch::UnknownAttempt));
        assert_eq!(history, unanswered);
    }
    let mut history = unanswered;
    let created = answered(open(OpenStatus::RequiresPaymentMethod));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &created), Ok(()));
    let forged = Observation { payment_intent_id: "pi_forged".to_owned(), ..told(success()) };
    let answer = history.apply_observation(&payment_id(0), &order_id(), &forged);
    assert_eq!(answer, Err(Mismatch::OtherPaymentIntent));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &told(success())), Ok(()));
    settle(&mut history, RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Paid);
}

#[test]
fn nor_does_a_session() {
    let unanswered = History { attempts: vec![lost(session_attempt(0))], ..History::default() };
    let mut seen = session_observation(0, SessionStatus::Complete, Some(right_success()));
    seen.account = seller();
    let mut history = unanswered.clone();
    let answer = history.apply_session(&payment_id(0), &order_id(), &seen);
    assert_eq!(answer, Err(Mismatch::UnknownAttempt));
    // Nor does a PaymentIntent, of which the Session has not told.
    let answer = history.apply_observation(&payment_id(0), &order_id(), &told(success()));
    assert_eq!(answer, Err(Mismatch::UnknownAttempt));
    assert_eq!(history, unanswered);
    seen.event = String::new();
    assert_eq!(history.apply_session(&payment_id(0), &order_id(), &seen), Ok(()));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &told(success())), Ok(()));
}

#[test]
fn on_our_own_account_metadata_is_ours() {
    let unanswered = Attempt { payment_intent_id: None, ..attempt(0) };
    let mut history = History { attempts: vec![unanswered], ..History::default() };
    let seen = observation(0, event(3, "created", open(OpenStatus::RequiresPaymentMethod)));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &seen), Ok(()));
    assert_eq!(history.attempts[0].payment_intent_id, Some(payment_intent_id(0)));
}

#[test]
fn what_is_out_of_reach_keeps_no_order_from_ending_and_still_counts_if_it_comes_back() {
    for status in [OpenStatus::Processing, OpenStatus::RequiresCapture, OpenStatus::RequiresPaymentMethod] {
        let reachable = Attempt { payment_intent_id: Some(payment_intent_id(0)), ..lost(attempt(0)) };
        let mut history = History { attempts: vec![reachable], ..History::default() };
        history.apply_observation(&payment_id(0), &order_id(), &told(open(status))).unwrap();
        history.attempts[0].refused = Some("seller_disconnected".to_owned());
        assert!(history.live_attempt().is_none(), "{status:?}");
        assert_eq!(history.order_state().status, OrderStatus::Pending, "{status:?}");

        history.closing = Some(CloseReason::Expired);
        settle(&mut history, RestockOutcome::Taken);
        assert_eq!(history.order_state().status, OrderStatus::Expired, "{status:?}");

        history.apply_observation(&payment_id(0), &order_id(), &told(success())).unwrap();
        assert_eq!(history.attempts[0].refused, None, "it is in reach again");
        settle(&mut history, RestockOutcome::Taken);
        assert_eq!(history.order_state().status, OrderStatus::Paid, "{status:?}");
    }
}

#[test]
fn all_that_there_is_goes_back() {
    let plain = attempt(0);
    assert_eq!(RefundTerms::for_attempt(&plain), RefundTerms::default());
    let direct = lost(plain.clone());
    let fee_alone = RefundTerms { reverse_transfer: false, refund_application_fee: true };
    assert_eq!(RefundTerms::for_attempt(&direct), fee_alone);
    let destination = Attempt { destination: Some("acct_seller".to_owned()), ..plain };
    let transfer_alone = RefundTerms { reverse_transfer: true, refund_application_fee: false };
    assert_eq!(RefundTerms::for_attempt(&destination), transfer_alone);
}

/// Steps of the scenarios are of our own account: on another they count for nothing.
#[test]
fn an_event_of_our_own_account_is_none_of_a_sellers() {
    let known = Attempt { payment_intent_id: Some(payment_intent_id(0)), ..lost(attempt(0)) };
    let mut history = History { attempts: vec![known], ..History::default() };
    let step = Step::Told(0, event(3, "own", success()));
    assert_eq!(crate::stage::tell(&mut history, &step), Err(Mismatch::WrongAccount));
}
