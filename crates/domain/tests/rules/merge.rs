//! Facts add up the same in any order, any grouping, and any number of times.

use proptest::prelude::*;
use proptest::sample::select;
use quittance_domain::payment::{Fact, Facts, Failure, OpenStatus, PaymentStatus, Seen, Sighting, Success};

const OPEN: [OpenStatus; 5] = [
    OpenStatus::RequiresPaymentMethod,
    OpenStatus::RequiresConfirmation,
    OpenStatus::RequiresAction,
    OpenStatus::Processing,
    OpenStatus::RequiresCapture,
];

/// Few ids and texts, so that failures with the same id and other content are common.
fn failures() -> impl Strategy<Value = Failure> {
    let word = || proptest::option::of(select(vec!["a", "b"]).prop_map(str::to_owned));
    (select(vec!["ch_1", "ch_2", ""]), word(), word(), word()).prop_map(
        |(id, code, decline_code, message)| Failure { id: id.to_owned(), code, decline_code, message },
    )
}

fn successes() -> impl Strategy<Value = Success> {
    let number = || select(vec![i64::MIN, -1, 0, 1, 100, i64::MAX]);
    (number(), select(vec!["eur", "usd", ""]), number(), proptest::option::of(number())).prop_map(
        |(amount, currency, amount_received, application_fee)| Success {
            amount,
            currency: currency.to_owned(),
            amount_received,
            application_fee,
        },
    )
}

/// Facts that meet as often as can be: a few seconds, a few event ids that also repeat with other content.
fn facts() -> impl Strategy<Value = Fact> {
    let seen = prop_oneof![
        6 => (select(OPEN.to_vec()), proptest::option::of(failures()))
            .prop_map(|(status, failure)| Seen::Open { status, failure }),
        1 => Just(Seen::Canceled),
        2 => successes().prop_map(Seen::Succeeded),
    ];
    let created = prop_oneof![9 => 0..3_i64, 1 => any::<i64>()];
    (created, select(vec!["", "evt_1", "evt_2"]), seen).prop_map(|(created, event, seen)| Fact {
        sighting: Sighting { created, event: event.to_owned() },
        seen,
    })
}

fn several() -> impl Strategy<Value = Vec<Fact>> {
    proptest::collection::vec(facts(), 0..7)
}

/// Facts, and the same ones shuffled, with some of them again.
fn retold() -> impl Strategy<Value = (Vec<Fact>, Vec<Fact>)> {
    proptest::collection::vec(facts(), 1..7).prop_flat_map(|known| {
        let again = proptest::collection::vec(select(known.clone()), 0..7);
        let all = known.clone();
        let told = again.prop_map(move |again| [all.clone(), again].concat()).prop_shuffle();
        (Just(known), told)
    })
}

fn sum(facts: &[Fact]) -> Facts {
    facts.iter().cloned().map(Facts::of).fold(Facts::default(), join)
}

fn join(mut left: Facts, right: Facts) -> Facts {
    left.merge(right);
    left
}

/// How final a status is: this never falls.
fn finality(status: PaymentStatus) -> u8 {
    match status {
        PaymentStatus::Open(_) => 0,
        PaymentStatus::Canceled => 1,
        PaymentStatus::Succeeded => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn merge_is_commutative(a in several(), b in several()) {
        let (a, b) = (sum(&a), sum(&b));
        prop_assert_eq!(join(a.clone(), b.clone()), join(b, a));
    }

    #[test]
    fn merge_is_associative(a in several(), b in several(), c in several()) {
        let (a, b, c) = (sum(&a), sum(&b), sum(&c));
        prop_assert_eq!(join(join(a.clone(), b.clone()), c.clone()), join(a, join(b, c)));
    }

    #[test]
    fn merge_is_idempotent_and_nothing_adds_nothing(a in several(), b in several()) {
        let (a, b) = (sum(&a), sum(&b));
        prop_assert_eq!(join(a.clone(), a.clone()), a.clone());
        prop_assert_eq!(join(a.clone(), Facts::default()), a.clone());
        prop_assert_eq!(join(Facts::default(), a.clone()), a.clone());
        let both = join(a.clone(), b.clone());
        prop_assert_eq!(join(both.clone(), a), both.clone());
        prop_assert_eq!(join(both.clone(), b), both);
    }

    #[test]
    fn facts_add_up_the_same_in_any_order_and_any_number_of_times((known, told) in retold()) {
        prop_assert_eq!(sum(&told), sum(&known));
    }

    #[test]
    fn what_is_known_only_grows(a in several(), fact in facts()) {
        let before = sum(&a);
        let after = join(before.clone(), Facts::of(fact));
        prop_assert!(finality(after.status()) >= finality(before.status()));
        prop_assert!(after.failure_count() >= before.failure_count());
        prop_assert!(before.successes().all(|known| after.successes().any(|success| success == known)));
        if before.successes().next().is_some() {
            prop_assert!(after.amount_received() >= before.amount_received());
        }
    }

    #[test]
    fn what_was_received_is_the_most_that_was_seen(a in several()) {
        let received = a.iter().filter_map(|fact| match &fact.seen {
            Seen::Succeeded(success) => Some(success.amount_received),
            _ => None,
        });
        prop_assert_eq!(sum(&a).amount_received(), received.max().unwrap_or(0));
    }

    #[test]
    fn every_failure_counts_once(a in several()) {
        let mut ids: Vec<&str> = a.iter().filter_map(|fact| match &fact.seen {
            Seen::Open { failure: Some(failure), .. } => Some(failure.id.as_str()),
            _ => None,
        }).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(sum(&a).failure_count(), ids.len());
    }
}
