//! What the shop's own systems are told. That `order.paid` is said once, and exactly once if the order ends paid,
//! is checked on every way of every scenario.

use quittance_domain::dispute::DisputeStatus;
use quittance_domain::history::{CloseReason, History, RestockOutcome};
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::{OrderEvent, OrderEventKind as Kind};
use quittance_domain::payment::{ObservedState, OpenStatus, Success};
use quittance_domain::refund::RefundStatus;

use crate::stage::{
    PRICE, START, Step, declined, dispute_id, disputed, event, happen, history, open, payment_id, refund_id,
    refunded, right_success, standing_after,
};

/// All that is announced when these things happen one by one.
fn announced(mut history: History, steps: &[Step]) -> Vec<(Kind, String)> {
    let mut all = Vec::new();
    for step in steps {
        let before = history.order_state();
        happen(&mut history, &[step], RestockOutcome::Short);
        let told = history.order_state().events_since(&before).into_iter();
        all.extend(told.map(|OrderEvent { kind, subject }| (kind, subject)));
    }
    all
}

fn told(second: i64, seen: ObservedState) -> Step {
    Step::Told(0, event(second, "e", seen))
}

#[test]
fn every_change_is_announced_with_what_it_is_about() {
    let attempt = payment_id(0).to_string();
    let steps = [
        told(0, open(OpenStatus::RequiresPaymentMethod)),
        told(1, open(OpenStatus::Processing)),
        told(2, declined("ch_1")),
        told(2, declined("ch_1")),
        told(3, declined("ch_2")),
        told(4, open(OpenStatus::RequiresAction)),
        told(5, open(OpenStatus::RequiresCapture)),
        told(6, ObservedState::Succeeded(Success { amount_received: 1, ..right_success() })),
        told(6, ObservedState::Succeeded(right_success())),
        told(7, ObservedState::Succeeded(right_success())),
    ];
    let expected = [
        (Kind::Processing, attempt.clone()),
        (Kind::PaymentFailed, "ch_1".to_owned()),
        (Kind::PaymentFailed, "ch_2".to_owned()),
        (Kind::Authorized, format!("{attempt} 2")),
        (Kind::ReviewRequired, attempt),
        (Kind::Paid, String::new()),
    ];
    assert_eq!(announced(history(1), &steps), expected);
}

#[test]
fn an_order_that_ends_unpaid_says_so_once_and_a_late_success_calls_a_person() {
    let steps = [
        Step::Asked(CloseReason::Canceled),
        told(5, ObservedState::Canceled),
        told(5, ObservedState::Canceled),
        told(9, ObservedState::Succeeded(right_success())),
        told(9, ObservedState::Succeeded(right_success())),
    ];
    let expected = [(Kind::Canceled, String::new()), (Kind::ReviewRequired, payment_id(0).to_string())];
    assert_eq!(announced(history(1), &steps), expected);
}

#[test]
fn what_becomes_of_the_money_is_told_once_each() {
    let none = String::new;
    let gone = |number, second| refunded(0, number, PRICE / 2, second, RefundStatus::Succeeded);
    let steps = [
        told(1, ObservedState::Succeeded(right_success())),
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
    assert_eq!(announced(history(1), &steps), expected);
}

#[test]
fn every_decision_about_a_dispute_is_told_once() {
    let seen = |second, status| disputed(0, 1, second, status);
    let steps = [
        told(1, ObservedState::Succeeded(right_success())),
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
    let announced = announced(history(1), &steps);
    assert_eq!(announced, expected);
    for (_, subject) in &announced[1..] {
        assert_eq!(OrderEvent::object(subject), id.as_str());
    }
}

#[test]
fn that_an_order_was_paid_is_told_whatever_its_status_is_by_then() {
    for (before, after) in [
        (refunded(0, 1, PRICE, 2, RefundStatus::Succeeded), OrderStatus::Refunded),
        (refunded(0, 1, 1, 2, RefundStatus::Succeeded), OrderStatus::PartiallyRefunded),
        (disputed(0, 1, 2, DisputeStatus::NeedsResponse), OrderStatus::Disputed),
        (disputed(0, 1, 2, DisputeStatus::Lost), OrderStatus::ChargedBack),
    ] {
        let steps = [before, told(1, ObservedState::Succeeded(right_success()))];
        assert_eq!(standing_after(history(1), &steps).status, after);
        let paid = announced(history(1), &steps).into_iter().filter(|(kind, _)| *kind == Kind::Paid);
        assert_eq!(paid.count(), 1, "{after:?}");
    }
}

#[test]
fn an_order_that_expires_says_so_and_a_late_payment_too() {
    let late = [
        Step::Asked(CloseReason::Expired),
        told(5, ObservedState::Canceled),
        told(9, ObservedState::Succeeded(right_success())),
    ];
    for (stock, then) in [(RestockOutcome::Taken, Kind::Paid), (RestockOutcome::Short, Kind::ReviewRequired)]
    {
        let mut history = history(1);
        let mut all = Vec::new();
        for step in &late {
            let before = history.order_state();
            happen(&mut history, &[step], stock);
            all.extend(history.order_state().events_since(&before).into_iter().map(|told| told.kind));
        }
        assert_eq!(all, [Kind::Expired, then]);
    }
}

#[test]
fn what_is_in_flight_is_told_of_the_attempt_that_is() {
    let mut history = history(2);
    let processing = Step::Told(0, event(1, "e", open(OpenStatus::Processing)));
    let before = history.order_state();
    happen(&mut history, &[&processing], RestockOutcome::Short);
    let told = history.order_state().events_since(&before);
    let expected = OrderEvent { kind: Kind::Processing, subject: payment_id(0).to_string() };
    assert_eq!(told, [expected], "also if there is a later one");
}

#[test]
fn a_second_debit_is_in_flight_anew() {
    let processing = |second, id: &str| Step::Told(0, event(second, id, open(OpenStatus::Processing)));
    let steps = [
        processing(1, "first"),
        processing(2, "first again"),
        Step::Told(0, event(3, "failed", declined("ch_1"))),
        processing(4, "second"),
    ];
    let announced = announced(history(1), &steps);
    let attempt = payment_id(0);
    assert_eq!(
        announced,
        [
            (Kind::Processing, attempt.to_string()),
            (Kind::PaymentFailed, "ch_1".to_owned()),
            (Kind::Processing, format!("{attempt} 1")),
        ]
    );
    assert_eq!(OrderEvent::object(&announced[2].1), attempt.as_str());
    // A failure that is heard of late makes nothing new of what is in flight.
    let late = [Step::Told(0, event(3, "failed", declined("ch_1")))];
    let mut history = history(1);
    happen(&mut history, &[&processing(4, "second")], RestockOutcome::Short);
    assert_eq!(self::announced(history, &late), []);
}

#[test]
fn a_second_review_is_told_of_too() {
    let wrong = |place| {
        let success = Success { amount: PRICE - 1, amount_received: PRICE - 1, ..right_success() };
        Step::Told(place, event(1, &format!("succeeded {place}"), ObservedState::Succeeded(success)))
    };
    let steps = [wrong(0), refunded(0, 1, PRICE - 1, 2, RefundStatus::Succeeded), wrong(1)];
    let reviews: Vec<_> = announced(history(2), &steps)
        .into_iter()
        .filter(|(kind, _)| *kind == Kind::ReviewRequired)
        .map(|(_, subject)| subject)
        .collect();
    assert_eq!(reviews, [payment_id(0).to_string(), payment_id(1).to_string()]);
}
