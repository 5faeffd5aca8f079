//! Tests of an attempt's next task and of the live attempt.

use quittance_domain::checkout::SessionStatus;
use quittance_domain::history::{
    CloseReason, DetailsVersions, History, Limits, RestockOutcome, ReviewRefund, Task,
};
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{ObservedState, OpenStatus};

use crate::fixtures::{
    Step, apply_decisions, apply_steps, attempt, declined, event, history, observation, open, order_id,
    payment_id, refused, right_success, session_attempt,
};

const TOLD: DetailsVersions = DetailsVersions { current: 1, sent: 1 };
const LIMITS: Limits = Limits { max_declines: 2, max_open_orders: 1, review_refund: ReviewRefund::Never };

#[test]
fn refused_attempt_is_live_again_once_observed() {
    let mut history = history(0);
    history.attempts.push(refused(0));
    assert_eq!(history.live_attempt(), None);
    let late = observation(0, event(1, "late", open(OpenStatus::Processing)));
    history.apply_observation(&payment_id(0), &order_id(), &late).unwrap();
    assert_eq!(history.live_attempt().map(|live| &live.id), Some(&payment_id(0)));
    assert_eq!(history.order_state().status, OrderStatus::Processing);
    history.closing = Some(CloseReason::Canceled);
    assert_eq!(history.decide(), None, "a payment is processing, so the order can't be closed");
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), Some(Task::Close));
}

#[test]
fn older_of_two_open_attempts_is_closed() {
    let history = history(2);
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), Some(Task::Close));
    assert_eq!(history.task(&history.attempts[1], TOLD, &LIMITS), None);
}

#[test]
fn outdated_attempt_is_closed() {
    let mut history = history(1);
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), None);
    history.attempts[0].outdated = true;
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), Some(Task::Close));
}

#[test]
fn attempt_is_created_before_it_is_closed_or_updated() {
    let mut history = history(1);
    let details = DetailsVersions { current: 2, sent: 1 };
    history.attempts[0] = quittance_domain::payment::Attempt { payment_intent_id: None, ..attempt(0) };
    history.closing = Some(CloseReason::Canceled);
    assert_eq!(history.task(&history.attempts[0], details, &LIMITS), Some(Task::Create));
    history.attempts[0] = attempt(0);
    assert_eq!(history.task(&history.attempts[0], details, &LIMITS), Some(Task::Close));
    history.closing = None;
    assert_eq!(history.task(&history.attempts[0], details, &LIMITS), Some(Task::UpdateDetails));
    apply_steps(
        &mut history,
        &[&Step::Event(0, event(1, "c", ObservedState::Canceled))],
        RestockOutcome::Short,
    );
    assert_eq!(history.task(&history.attempts[0], details, &LIMITS), None, "a closed attempt has no task");
}

#[test]
fn attempt_is_closed_after_too_many_declines() {
    let mut history = history(1);
    apply_steps(&mut history, &[&Step::Event(0, event(1, "a", declined("ch_1")))], RestockOutcome::Short);
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), None);
    apply_steps(&mut history, &[&Step::Event(0, event(2, "b", declined("ch_2")))], RestockOutcome::Short);
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), Some(Task::Close));
    apply_steps(
        &mut history,
        &[&Step::Event(0, event(3, "c", open(OpenStatus::Processing)))],
        RestockOutcome::Short,
    );
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), None, "a processing payment isn't closed");
}

#[test]
fn failure_observed_after_cancellation_is_kept() {
    let mut history = history(1);
    apply_steps(
        &mut history,
        &[&Step::Event(0, event(5, "c", ObservedState::Canceled))],
        RestockOutcome::Short,
    );
    let before = history.order_state();
    apply_steps(&mut history, &[&Step::Event(0, event(1, "a", declined("ch_1")))], RestockOutcome::Short);
    let observed = history.order_state().events_since(&before);
    let observed: Vec<_> =
        observed.iter().map(|observed| (observed.kind.as_str(), observed.subject.as_str())).collect();
    assert_eq!(observed, [("order.payment_failed", "ch_1")]);
}

#[test]
fn other_attempts_of_paid_order_are_closed() {
    let mut history = history(1);
    history.attempts.insert(0, refused(1));
    let late = observation(1, event(1, "late", ObservedState::Succeeded(right_success())));
    history.apply_observation(&payment_id(1), &order_id(), &late).unwrap();
    apply_decisions(&mut history, RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Paid);
    assert_eq!(history.current_attempt().map(|current| &current.id), Some(&payment_id(1)));
    assert_eq!(
        history.task(&history.attempts[1], TOLD, &LIMITS),
        Some(Task::Close),
        "no further payment is expected"
    );
}

#[test]
fn failed_session_is_closed_and_allows_another_attempt() {
    let mut history = History { attempts: vec![session_attempt(0)], ..History::default() };
    let steps = [
        Step::Event(0, event(1, "debit", open(OpenStatus::Processing))),
        Step::Session(0, SessionStatus::Complete, None),
        Step::Session(0, SessionStatus::Failed, None),
    ];
    for (step, status) in
        steps.iter().zip([OrderStatus::Processing, OrderStatus::Processing, OrderStatus::Pending])
    {
        apply_steps(&mut history, &[step], RestockOutcome::Short);
        assert_eq!(history.order_state().status, status);
    }
    assert_eq!(history.live_attempt(), None, "Stripe can neither expire nor cancel it");
    apply_steps(&mut history, &[&Step::CloseRequest(CloseReason::Expired)], RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Expired);
    assert_eq!(SessionStatus::Failed.as_str(), "complete");
}
