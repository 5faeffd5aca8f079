//! Tests of the events that changes of an order cause. Other tests check for every sequence of every scenario
//! that `order.paid` is sent at most once, and exactly once if the order is paid.

use quittance_domain::dispute::DisputeStatus;
use quittance_domain::history::{CloseReason, History, RestockOutcome};
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::{OrderEvent, OrderEventKind as Kind};
use quittance_domain::payment::{ObservedState, OpenStatus, Success};
use quittance_domain::refund::RefundStatus;

use crate::fixtures::{
    PRICE, START, Step, apply_steps, declined, dispute_id, disputed, event, history, open, payment_id,
    refund_id, refunded, right_success, standing_after,
};

/// Returns all events that these steps cause.
fn events(mut history: History, steps: &[Step]) -> Vec<(Kind, String)> {
    let mut all = Vec::new();
    for step in steps {
        let before = history.order_state();
        apply_steps(&mut history, &[step], RestockOutcome::Short);
        let observed = history.order_state().events_since(&before).into_iter();
        all.extend(observed.map(|OrderEvent { kind, subject }| (kind, subject)));
    }
    all
}

fn observed(second: i64, seen: ObservedState) -> Step {
    Step::Event(0, event(second, "e", seen))
}

#[test]
fn state_change_causes_event_with_subject() {
    let attempt = payment_id(0).to_string();
    let steps = [
        observed(0, open(OpenStatus::RequiresPaymentMethod)),
        observed(1, open(OpenStatus::Processing)),
        observed(2, declined("ch_1")),
        observed(2, declined("ch_1")),
        observed(3, declined("ch_2")),
        observed(4, open(OpenStatus::RequiresAction)),
        observed(5, open(OpenStatus::RequiresCapture)),
        observed(6, ObservedState::Succeeded(Success { amount_received: 1, ..right_success() })),
        observed(6, ObservedState::Succeeded(right_success())),
        observed(7, ObservedState::Succeeded(right_success())),
    ];
    let expected = [
        (Kind::Processing, attempt.clone()),
        (Kind::PaymentFailed, "ch_1".to_owned()),
        (Kind::PaymentFailed, "ch_2".to_owned()),
        (Kind::Authorized, format!("{attempt} 2")),
        (Kind::ReviewRequired, attempt),
        (Kind::Paid, String::new()),
    ];
    assert_eq!(events(history(1), &steps), expected);
}

#[test]
fn canceled_order_causes_one_event_and_late_success_requires_review() {
    let steps = [
        Step::CloseRequest(CloseReason::Canceled),
        observed(5, ObservedState::Canceled),
        observed(5, ObservedState::Canceled),
        observed(9, ObservedState::Succeeded(right_success())),
        observed(9, ObservedState::Succeeded(right_success())),
    ];
    let expected = [(Kind::Canceled, String::new()), (Kind::ReviewRequired, payment_id(0).to_string())];
    assert_eq!(events(history(1), &steps), expected);
}

#[test]
fn refund_and_dispute_changes_cause_one_event_each() {
    let none = String::new;
    let gone = |number, second| refunded(0, number, PRICE / 2, second, RefundStatus::Succeeded);
    let steps = [
        observed(1, ObservedState::Succeeded(right_success())),
        refunded(0, 1, PRICE / 2, 2, RefundStatus::Pending),
        gone(1, 3),
        gone(1, 3),
        gone(2, 4),
        refunded(0, 1, PRICE / 2, 5, RefundStatus::Failed),
        refunded(0, 1, PRICE / 2, 5, RefundStatus::Failed),
        disputed(0, 1, 6, DisputeStatus::WarningNeedsResponse),
        disputed(0, 1, 7, DisputeStatus::NeedsResponse),
        disputed(0, 1, 8, DisputeStatus::UnderReview),
        disputed(0, 1, 9, DisputeStatus::Won),
        disputed(0, 1, 9, DisputeStatus::Won),
    ];
    let expected = [
        (Kind::Paid, none()),
        (Kind::RefundSucceeded, refund_id(1).to_string()),
        (Kind::RefundSucceeded, refund_id(2).to_string()),
        (Kind::RefundFailed, refund_id(1).to_string()),
        (Kind::DisputeOpened, dispute_id(1).to_string()),
        (Kind::DisputeClosed, format!("{} won {}", dispute_id(1), START + 9)),
    ];
    assert_eq!(events(history(1), &steps), expected);
}

#[test]
fn dispute_decision_causes_one_event_each() {
    let seen = |second, status| disputed(0, 1, second, status);
    let steps = [
        observed(1, ObservedState::Succeeded(right_success())),
        seen(2, DisputeStatus::WarningNeedsResponse),
        seen(3, DisputeStatus::WarningClosed),
        seen(4, DisputeStatus::NeedsResponse),
        seen(5, DisputeStatus::UnderReview),
        seen(6, DisputeStatus::Lost),
        seen(7, DisputeStatus::Lost),
        seen(9, DisputeStatus::Won),
        seen(8, DisputeStatus::Lost),
        seen(9, DisputeStatus::Won),
        seen(10, DisputeStatus::Won),
        seen(11, DisputeStatus::Lost),
        seen(11, DisputeStatus::Lost),
    ];
    let id = dispute_id(1);
    let change = |status: &str, second| format!("{id} {status} {}", START + second);
    let expected = [
        (Kind::Paid, String::new()),
        (Kind::DisputeOpened, id.to_string()),
        (Kind::DisputeClosed, change("warning_closed", 3)),
        (Kind::DisputeOpened, change("needs_response", 4)),
        (Kind::DisputeClosed, change("lost", 6)),
        (Kind::DisputeClosed, change("won", 9)),
        (Kind::DisputeClosed, change("lost", 11)),
    ];
    let events = events(history(1), &steps);
    assert_eq!(events, expected);
    for (_, subject) in &events[1..] {
        assert_eq!(OrderEvent::object(subject), id.as_str());
    }
}

#[test]
fn paid_event_is_caused_even_if_status_has_changed_since() {
    for (before, after) in [
        (refunded(0, 1, PRICE, 2, RefundStatus::Succeeded), OrderStatus::Refunded),
        (refunded(0, 1, 1, 2, RefundStatus::Succeeded), OrderStatus::PartiallyRefunded),
        (disputed(0, 1, 2, DisputeStatus::NeedsResponse), OrderStatus::Disputed),
        (disputed(0, 1, 2, DisputeStatus::Lost), OrderStatus::ChargedBack),
    ] {
        let steps = [before, observed(1, ObservedState::Succeeded(right_success()))];
        assert_eq!(standing_after(history(1), &steps).status, after);
        let paid = events(history(1), &steps).into_iter().filter(|(kind, _)| *kind == Kind::Paid);
        assert_eq!(paid.count(), 1, "{after:?}");
    }
}

#[test]
fn expired_order_and_late_payment_cause_events() {
    let late = [
        Step::CloseRequest(CloseReason::Expired),
        observed(5, ObservedState::Canceled),
        observed(9, ObservedState::Succeeded(right_success())),
    ];
    for (stock, then) in [(RestockOutcome::Taken, Kind::Paid), (RestockOutcome::Short, Kind::ReviewRequired)]
    {
        let mut history = history(1);
        let mut all = Vec::new();
        for step in &late {
            let before = history.order_state();
            apply_steps(&mut history, &[step], stock);
            all.extend(history.order_state().events_since(&before).into_iter().map(|observed| observed.kind));
        }
        assert_eq!(all, [Kind::Expired, then]);
    }
}

#[test]
fn in_flight_event_names_the_attempt_in_flight() {
    let mut history = history(2);
    let processing = Step::Event(0, event(1, "e", open(OpenStatus::Processing)));
    let before = history.order_state();
    apply_steps(&mut history, &[&processing], RestockOutcome::Short);
    let observed = history.order_state().events_since(&before);
    let expected = OrderEvent { kind: Kind::Processing, subject: payment_id(0).to_string() };
    assert_eq!(observed, [expected], "even if a later one exists");
}

#[test]
fn second_debit_causes_another_processing_event() {
    let processing = |second, id: &str| Step::Event(0, event(second, id, open(OpenStatus::Processing)));
    let steps = [
        processing(1, "first"),
        processing(2, "first again"),
        Step::Event(0, event(3, "failed", declined("ch_1"))),
        processing(4, "second"),
    ];
    let events = events(history(1), &steps);
    let attempt = payment_id(0);
    assert_eq!(
        events,
        [
            (Kind::Processing, attempt.to_string()),
            (Kind::PaymentFailed, "ch_1".to_owned()),
            (Kind::Processing, format!("{attempt} 1")),
        ]
    );
    assert_eq!(OrderEvent::object(&events[2].1), attempt.as_str());
    // A failure that is observed late doesn't cause another event.
    let late = [Step::Event(0, event(3, "failed", declined("ch_1")))];
    let mut history = history(1);
    apply_steps(&mut history, &[&processing(4, "second")], RestockOutcome::Short);
    assert_eq!(self::events(history, &late), []);
}

#[test]
fn second_review_causes_another_event() {
    let wrong = |place| {
        let success = Success { amount: PRICE - 1, amount_received: PRICE - 1, ..right_success() };
        Step::Event(place, event(1, &format!("succeeded {place}"), ObservedState::Succeeded(success)))
    };
    let steps = [wrong(0), refunded(0, 1, PRICE - 1, 2, RefundStatus::Succeeded), wrong(1)];
    let reviews: Vec<_> = events(history(2), &steps)
        .into_iter()
        .filter(|(kind, _)| *kind == Kind::ReviewRequired)
        .map(|(_, subject)| subject)
        .collect();
    assert_eq!(reviews, [payment_id(0).to_string(), payment_id(1).to_string()]);
}
