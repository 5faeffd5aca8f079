//! Tests of attempts on a connected account. The seller can read the metadata there and copy it to other
//! objects.

use quittance_domain::checkout::SessionStatus;
use quittance_domain::history::{CloseReason, History, RestockOutcome};
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{
    Account, Attempt, ExpectedPayment, Mismatch, Observation, ObservedState, OpenStatus, Success,
};
use quittance_domain::refund::RefundTerms;

use crate::fixtures::{
    Step, apply_decisions, attempt, declined, event, observation, open, order_id, payment_id,
    payment_intent_id, right_success, session_attempt, session_observation,
};

const FEE: i64 = 126;

fn seller() -> Account {
    Account::connected("acct_seller")
}

/// Returns the attempt on the seller's account. Stripe's response to its creation was lost.
fn lost(plain: Attempt) -> Attempt {
    let expected = ExpectedPayment { account: seller(), application_fee: Some(FEE), ..plain.expected };
    Attempt { expected, payment_intent_id: None, checkout_session_id: None, ..plain }
}

fn success() -> ObservedState {
    ObservedState::Succeeded(Success { application_fee: Some(FEE), ..right_success() })
}

/// Returns an observation from an event on the seller's account.
fn observed(seen: ObservedState) -> Observation {
    Observation { account: seller(), ..observation(0, event(3, "told", seen)) }
}

/// Returns an observation from a response of Stripe.
fn answered(seen: ObservedState) -> Observation {
    let mut answer = observed(seen);
    answer.fact.provenance.event = String::new();
    answer
}

#[test]
fn event_on_connected_account_does_not_identify_attempt() {
    let unanswered = History { attempts: vec![lost(attempt(0))], ..History::default() };
    for seen in
        [open(OpenStatus::RequiresPaymentMethod), success(), ObservedState::Canceled, declined("ch_1")]
    {
        let mut history = unanswered.clone();
        let answer = history.apply_observation(&payment_id(0), &order_id(), &observed(seen));
        assert_eq!(answer, Err(Mismatch::UnknownAttempt));
        assert_eq!(history, unanswered);
    }
    let mut history = unanswered;
    let created = answered(open(OpenStatus::RequiresPaymentMethod));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &created), Ok(()));
    let forged = Observation { payment_intent_id: "pi_forged".to_owned(), ..observed(success()) };
    let answer = history.apply_observation(&payment_id(0), &order_id(), &forged);
    assert_eq!(answer, Err(Mismatch::OtherPaymentIntent));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &observed(success())), Ok(()));
    apply_decisions(&mut history, RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Paid);
}

#[test]
fn session_event_on_connected_account_does_not_identify_attempt() {
    let unanswered = History { attempts: vec![lost(session_attempt(0))], ..History::default() };
    let mut seen = session_observation(0, SessionStatus::Complete, Some(right_success()));
    seen.account = seller();
    let mut history = unanswered.clone();
    let answer = history.apply_session(&payment_id(0), &order_id(), &seen);
    assert_eq!(answer, Err(Mismatch::UnknownAttempt));
    // A PaymentIntent that no Session refers to doesn't identify the attempt either.
    let answer = history.apply_observation(&payment_id(0), &order_id(), &observed(success()));
    assert_eq!(answer, Err(Mismatch::UnknownAttempt));
    assert_eq!(history, unanswered);
    seen.event = String::new();
    assert_eq!(history.apply_session(&payment_id(0), &order_id(), &seen), Ok(()));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &observed(success())), Ok(()));
}

#[test]
fn event_on_own_account_identifies_attempt_by_metadata() {
    let unanswered = Attempt { payment_intent_id: None, ..attempt(0) };
    let mut history = History { attempts: vec![unanswered], ..History::default() };
    let seen = observation(0, event(3, "created", open(OpenStatus::RequiresPaymentMethod)));
    assert_eq!(history.apply_observation(&payment_id(0), &order_id(), &seen), Ok(()));
    assert_eq!(history.attempts[0].payment_intent_id, Some(payment_intent_id(0)));
}

#[test]
fn unreachable_attempt_does_not_block_closing_and_still_counts_if_paid() {
    for status in [OpenStatus::Processing, OpenStatus::RequiresCapture, OpenStatus::RequiresPaymentMethod] {
        let reachable = Attempt { payment_intent_id: Some(payment_intent_id(0)), ..lost(attempt(0)) };
        let mut history = History { attempts: vec![reachable], ..History::default() };
        history.apply_observation(&payment_id(0), &order_id(), &observed(open(status))).unwrap();
        history.attempts[0].refused = Some("seller_disconnected".to_owned());
        assert!(history.live_attempt().is_none(), "{status:?}");
        assert_eq!(history.order_state().status, OrderStatus::Pending, "{status:?}");

        history.closing = Some(CloseReason::Expired);
        apply_decisions(&mut history, RestockOutcome::Taken);
        assert_eq!(history.order_state().status, OrderStatus::Expired, "{status:?}");

        history.apply_observation(&payment_id(0), &order_id(), &observed(success())).unwrap();
        assert_eq!(history.attempts[0].refused, None, "it is in reach again");
        apply_decisions(&mut history, RestockOutcome::Taken);
        assert_eq!(history.order_state().status, OrderStatus::Paid, "{status:?}");
    }
}

#[test]
fn refund_terms_reverse_transfer_and_fee_if_present() {
    let plain = attempt(0);
    assert_eq!(RefundTerms::for_attempt(&plain), RefundTerms::default());
    let direct = lost(plain.clone());
    let fee_alone = RefundTerms { reverse_transfer: false, refund_application_fee: true };
    assert_eq!(RefundTerms::for_attempt(&direct), fee_alone);
    let destination = Attempt { destination: Some("acct_seller".to_owned()), ..plain };
    let transfer_alone = RefundTerms { reverse_transfer: true, refund_application_fee: false };
    assert_eq!(RefundTerms::for_attempt(&destination), transfer_alone);
}

/// The fixtures use the platform's own account, so they don't match an attempt on another account.
#[test]
fn event_of_own_account_does_not_match_attempt_on_connected_account() {
    let known = Attempt { payment_intent_id: Some(payment_intent_id(0)), ..lost(attempt(0)) };
    let mut history = History { attempts: vec![known], ..History::default() };
    let step = Step::Event(0, event(3, "own", success()));
    assert_eq!(crate::fixtures::apply_step(&mut history, &step), Err(Mismatch::WrongAccount));
}
