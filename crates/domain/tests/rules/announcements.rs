//! What the shop's own systems are told. That `order.paid` is said once, and exactly once if the order ends paid,
//! is checked on every way of every scenario.

use quittance_domain::history::{Closure, History, Restock};
use quittance_domain::payment::{OpenStatus, Seen, Success};
use quittance_domain::standing::{Announcement, AnnouncementKind as Kind};

use crate::stage::{Step, declined, event, happen, history, open, payment_id, right_success};

/// All that is announced when these things happen one by one.
fn announced(mut history: History, steps: &[Step]) -> Vec<(Kind, String)> {
    let mut all = Vec::new();
    for step in steps {
        let before = history.standing();
        happen(&mut history, &[step], Restock::Short);
        let told = history.standing().announcements_since(&before).into_iter();
        all.extend(told.map(|Announcement { kind, subject }| (kind, subject)));
    }
    all
}

fn told(second: i64, seen: Seen) -> Step {
    Step::Told(0, event(second, "e", seen))
}

#[test]
fn every_change_is_announced_with_what_it_is_about() {
    let (attempt, none) = (payment_id(0).to_string(), String::new());
    let steps = [
        told(0, open(OpenStatus::RequiresPaymentMethod)),
        told(1, open(OpenStatus::Processing)),
        told(2, declined("ch_1")),
        told(2, declined("ch_1")),
        told(3, declined("ch_2")),
        told(4, open(OpenStatus::RequiresAction)),
        told(5, open(OpenStatus::RequiresCapture)),
        told(6, Seen::Succeeded(Success { amount_received: 1, ..right_success() })),
        told(6, Seen::Succeeded(right_success())),
        told(7, Seen::Succeeded(right_success())),
    ];
    let expected = [
        (Kind::Processing, attempt.clone()),
        (Kind::PaymentFailed, "ch_1".to_owned()),
        (Kind::PaymentFailed, "ch_2".to_owned()),
        (Kind::Authorized, attempt),
        (Kind::ReviewRequired, none.clone()),
        (Kind::Paid, none),
    ];
    assert_eq!(announced(history(1), &steps), expected);
}

#[test]
fn an_order_that_ends_unpaid_says_so_once_and_a_late_success_calls_a_person() {
    let steps = [
        Step::Asked(Closure::Canceled),
        told(5, Seen::Canceled),
        told(5, Seen::Canceled),
        told(9, Seen::Succeeded(right_success())),
        told(9, Seen::Succeeded(right_success())),
    ];
    let expected = [(Kind::Canceled, String::new()), (Kind::ReviewRequired, String::new())];
    assert_eq!(announced(history(1), &steps), expected);
}
