//! What is left to do for an attempt, and which one is live.

use quittance_domain::checkout::SessionStatus;
use quittance_domain::history::{
    CloseReason, DetailsVersions, History, Limits, RestockOutcome, ReviewRefund, Task,
};
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{ObservedState, OpenStatus};

use crate::stage::{
    Step, attempt, declined, event, happen, history, observation, open, order_id, payment_id, refused,
    right_success, session_attempt, settle,
};

const TOLD: DetailsVersions = DetailsVersions { current: 1, sent: 1 };
const LIMITS: Limits = Limits { max_declines: 2, max_open_orders: 1, review_refund: ReviewRefund::Never };

#[test]
fn an_attempt_that_was_made_after_all_is_not_refused() {
    let mut history = history(0);
    history.attempts.push(refused(0));
    assert_eq!(history.live_attempt(), None);
    let late = observation(0, event(1, "late", open(OpenStatus::Processing)));
    history.apply_observation(&payment_id(0), &order_id(), &late).unwrap();
    assert_eq!(history.live_attempt().map(|live| &live.id), Some(&payment_id(0)));
    assert_eq!(history.order_state().status, OrderStatus::Processing);
    history.closing = Some(CloseReason::Canceled);
    assert_eq!(history.decide(), None, "money is on its way: the order can not be closed");
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), Some(Task::Close));
}

#[test]
fn of_two_open_attempts_the_older_is_closed() {
    let history = history(2);
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), Some(Task::Close));
    assert_eq!(history.task(&history.attempts[1], TOLD, &LIMITS), None);
}

#[test]
fn an_attempt_at_an_old_price_is_closed() {
    let mut history = history(1);
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), None);
    history.attempts[0].outdated = true;
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), Some(Task::Close));
}

#[test]
fn an_attempt_is_made_first_then_closed_or_told() {
    let mut history = history(1);
    let details = DetailsVersions { current: 2, sent: 1 };
    history.attempts[0] = quittance_domain::payment::Attempt { payment_intent_id: None, ..attempt(0) };
    history.closing = Some(CloseReason::Canceled);
    assert_eq!(history.task(&history.attempts[0], details, &LIMITS), Some(Task::Create));
    history.attempts[0] = attempt(0);
    assert_eq!(history.task(&history.attempts[0], details, &LIMITS), Some(Task::Close));
    history.closing = None;
    assert_eq!(history.task(&history.attempts[0], details, &LIMITS), Some(Task::UpdateDetails));
    happen(&mut history, &[&Step::Told(0, event(1, "c", ObservedState::Canceled))], RestockOutcome::Short);
    assert_eq!(
        history.task(&history.attempts[0], details, &LIMITS),
        None,
        "nothing to do for what is closed"
    );
}

#[test]
fn after_too_many_declines_the_attempt_is_closed() {
    let mut history = history(1);
    happen(&mut history, &[&Step::Told(0, event(1, "a", declined("ch_1")))], RestockOutcome::Short);
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), None);
    happen(&mut history, &[&Step::Told(0, event(2, "b", declined("ch_2")))], RestockOutcome::Short);
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), Some(Task::Close));
    happen(
        &mut history,
        &[&Step::Told(0, event(3, "c", open(OpenStatus::Processing)))],
        RestockOutcome::Short,
    );
    assert_eq!(history.task(&history.attempts[0], TOLD, &LIMITS), None, "money on its way is not stopped");
}

#[test]
fn a_failure_is_told_also_when_the_cancelation_was_heard_first() {
    let mut history = history(1);
    happen(&mut history, &[&Step::Told(0, event(5, "c", ObservedState::Canceled))], RestockOutcome::Short);
    let before = history.order_state();
    happen(&mut history, &[&Step::Told(0, event(1, "a", declined("ch_1")))], RestockOutcome::Short);
    let told = history.order_state().events_since(&before);
    let told: Vec<_> = told.iter().map(|told| (told.kind.as_str(), told.subject.as_str())).collect();
    assert_eq!(told, [("order.payment_failed", "ch_1")]);
}

#[test]
fn an_order_that_is_paid_has_no_other_attempt_open() {
    let mut history = history(1);
    history.attempts.insert(0, refused(1));
    let late = observation(1, event(1, "late", ObservedState::Succeeded(right_success())));
    history.apply_observation(&payment_id(1), &order_id(), &late).unwrap();
    settle(&mut history, RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Paid);
    assert_eq!(history.current_attempt().map(|current| &current.id), Some(&payment_id(1)));
    assert_eq!(
        history.task(&history.attempts[1], TOLD, &LIMITS),
        Some(Task::Close),
        "nobody is to pay again"
    );
}

#[test]
fn a_page_whose_payment_failed_is_closed_and_another_attempt_can_begin() {
    let mut history = History { attempts: vec![session_attempt(0)], ..History::default() };
    let steps = [
        Step::Told(0, event(1, "debit", open(OpenStatus::Processing))),
        Step::Session(0, SessionStatus::Complete, None),
        Step::Session(0, SessionStatus::Failed, None),
    ];
    for (step, status) in
        steps.iter().zip([OrderStatus::Processing, OrderStatus::Processing, OrderStatus::Pending])
    {
        happen(&mut history, &[step], RestockOutcome::Short);
        assert_eq!(history.order_state().status, status);
    }
    assert_eq!(history.live_attempt(), None, "Stripe can neither expire nor cancel it");
    happen(&mut history, &[&Step::Asked(CloseReason::Expired)], RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Expired);
    assert_eq!(SessionStatus::Failed.as_str(), "complete");
}
