//! Tests that merging facts is commutative, associative and idempotent.

use proptest::prelude::*;
use proptest::sample::select;
use quittance_domain::checkout::SessionStatus;
use quittance_domain::dispute::{DisputeFacts, DisputeOutcome, DisputeState, DisputeStatus};
use quittance_domain::payment::{
    Fact, Facts, Failure, ObservedState, OpenStatus, PaymentStatus, Provenance, Success,
};
use quittance_domain::refund::{RefundFacts, RefundStatus};

const OPEN: [OpenStatus; 6] = [
    OpenStatus::RequiresPaymentMethod,
    OpenStatus::RequiresConfirmation,
    OpenStatus::RequiresAction,
    OpenStatus::AwaitsTransfer,
    OpenStatus::Processing,
    OpenStatus::RequiresCapture,
];

const SESSION: [SessionStatus; 4] =
    [SessionStatus::Open, SessionStatus::Complete, SessionStatus::Failed, SessionStatus::Expired];

/// Failures from few IDs and texts, so that equal IDs with different content are common.
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

/// Provenances from few seconds and event IDs, so that collisions are common.
fn provenances() -> impl Strategy<Value = Provenance> {
    let created = prop_oneof![9 => 0..3_i64, 1 => any::<i64>()];
    (created, select(vec!["", "evt_1", "evt_2"]))
        .prop_map(|(created, event)| Provenance { created, event: event.to_owned() })
}

/// An observation of an attempt.
#[derive(Debug, Clone)]
enum Fragment {
    Payment(Fact),
    Session(SessionStatus, Option<Success>),
}

impl From<Fragment> for Facts {
    fn from(observed: Fragment) -> Self {
        match observed {
            Fragment::Payment(fact) => Self::new(fact),
            Fragment::Session(status, paid) => Self::from_session(status, paid),
        }
    }
}

impl Fragment {
    fn success(&self) -> Option<&Success> {
        match self {
            Self::Payment(Fact { state: ObservedState::Succeeded(success), .. }) => Some(success),
            Self::Session(_, paid) => paid.as_ref(),
            Self::Payment(_) => None,
        }
    }
}

fn payment_facts() -> impl Strategy<Value = Fragment> {
    let seen = prop_oneof![
        6 => (select(OPEN.to_vec()), proptest::option::of(failures()))
            .prop_map(|(status, failure)| ObservedState::Open { status, failure }),
        1 => Just(ObservedState::Canceled),
        2 => successes().prop_map(ObservedState::Succeeded),
    ];
    prop_oneof![
        4 => (provenances(), seen).prop_map(|(provenance, seen)| Fragment::Payment(Fact { provenance, state: seen })),
        1 => (select(SESSION.to_vec()), proptest::option::of(successes()))
            .prop_map(|(status, paid)| Fragment::Session(status, paid)),
    ]
}

/// Facts about a refund.
fn refund_facts() -> impl Strategy<Value = RefundFacts> {
    let reason = proptest::option::of(select(vec!["a", "b"]).prop_map(str::to_owned));
    (provenances(), select(RefundStatus::ALL.to_vec()), reason)
        .prop_map(|(provenance, status, reason)| RefundFacts::new(provenance, status, reason))
}

/// Facts about a dispute.
fn dispute_facts() -> impl Strategy<Value = (i64, DisputeStatus, DisputeFacts)> {
    let word = || proptest::option::of(select(vec!["a", "b"]).prop_map(str::to_owned));
    let due_by = proptest::option::of(0..2_i64);
    let state = (select(DisputeStatus::ALL.to_vec()), 0..2_i64, select(vec!["eur", "usd"]), word(), due_by);
    (provenances(), state).prop_map(|(provenance, (status, amount, currency, reason, evidence_due_by))| {
        let state = DisputeState { status, amount, currency: currency.to_owned(), reason, evidence_due_by };
        (provenance.created, status, DisputeFacts::new(provenance, state))
    })
}

/// A type whose values can be merged.
trait Join: Clone + PartialEq + std::fmt::Debug {
    fn merge(&mut self, other: Self);
}

impl Join for Facts {
    fn merge(&mut self, other: Self) {
        self.merge(other);
    }
}

impl Join for RefundFacts {
    fn merge(&mut self, other: Self) {
        self.merge(other);
    }
}

impl Join for DisputeFacts {
    fn merge(&mut self, other: Self) {
        self.merge(other);
    }
}

fn join<T: Join>(mut left: T, right: T) -> T {
    left.merge(right);
    left
}

/// Checks the laws of a join.
fn assert_joins<T: Join>(a: T, b: T, c: T) {
    assert_eq!(join(a.clone(), b.clone()), join(b.clone(), a.clone()), "commutative");
    let both = join(a.clone(), b.clone());
    assert_eq!(join(both.clone(), c.clone()), join(a.clone(), join(b.clone(), c)), "associative");
    assert_eq!(join(a.clone(), a.clone()), a, "idempotent");
    assert_eq!(join(both.clone(), a), both, "merging a part again changes nothing");
    assert_eq!(join(both.clone(), b), both, "merging a part again changes nothing");
}

fn several() -> impl Strategy<Value = Vec<Fragment>> {
    proptest::collection::vec(payment_facts(), 0..7)
}

fn sum(observed: &[Fragment]) -> Facts {
    observed.iter().cloned().map(Facts::from).fold(Facts::default(), join)
}

/// Returns values, and the same values shuffled with duplicates.
fn shuffled_with_duplicates<T: Clone + std::fmt::Debug + 'static>(
    one: impl Strategy<Value = T>,
) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    proptest::collection::vec(one, 1..7).prop_flat_map(|known| {
        let again = proptest::collection::vec(select(known.clone()), 0..7);
        let all = known.clone();
        let observed = again.prop_map(move |again| [all.clone(), again].concat()).prop_shuffle();
        (Just(known), observed)
    })
}

/// Merges facts about refunds or disputes.
fn total<T: Join>(facts: impl IntoIterator<Item = T>) -> T {
    facts.into_iter().reduce(join).expect("at least one")
}

/// Returns the finality of a status, which never decreases.
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
    fn payment_facts_form_a_join(a in several(), b in several(), c in several()) {
        let (a, b, c) = (sum(&a), sum(&b), sum(&c));
        prop_assert_eq!(join(a.clone(), Facts::default()), a.clone());
        prop_assert_eq!(join(Facts::default(), a.clone()), a.clone());
        assert_joins(a, b, c);
    }

    #[test]
    fn refund_facts_form_a_join(a in refund_facts(), b in refund_facts(), c in refund_facts()) {
        prop_assert_eq!(join(RefundFacts::default(), a.clone()), a.clone());
        assert_joins(a, b, c);
    }

    #[test]
    fn dispute_facts_form_a_join(a in dispute_facts(), b in dispute_facts(), c in dispute_facts()) {
        assert_joins(a.2, b.2, c.2);
    }

    #[test]
    fn payment_facts_with_duplicates_merge_equally_in_any_order((known, observed) in shuffled_with_duplicates(payment_facts())) {
        prop_assert_eq!(sum(&observed), sum(&known));
    }

    #[test]
    fn refund_facts_merge_equally_in_any_order((known, observed) in shuffled_with_duplicates(refund_facts())) {
        prop_assert_eq!(total(observed), total(known));
    }

    /// A refund only moves from open to succeeded to failed.
    #[test]
    fn refund_status_is_the_furthest_observed((known, _) in shuffled_with_duplicates(refund_facts())) {
        let ever = |statuses: &[RefundStatus]| known.iter().any(|one| statuses.contains(&one.status()));
        let expected: &[RefundStatus] = if ever(&[RefundStatus::Failed, RefundStatus::Canceled]) {
            &[RefundStatus::Failed, RefundStatus::Canceled]
        } else if ever(&[RefundStatus::Succeeded]) {
            &[RefundStatus::Succeeded]
        } else {
            &[RefundStatus::Pending, RefundStatus::RequiresAction]
        };
        prop_assert!(expected.contains(&total(known).status()));
    }

    #[test]
    fn dispute_facts_merge_equally_in_any_order((known, observed) in shuffled_with_duplicates(dispute_facts())) {
        let facts = |observed: Vec<(i64, DisputeStatus, DisputeFacts)>| total(observed.into_iter().map(|(.., facts)| facts));
        prop_assert_eq!(facts(observed), facts(known));
    }

    #[test]
    fn dispute_status_is_the_latest_decision_or_else_the_highest_stage((known, _) in shuffled_with_duplicates(dispute_facts())) {
        const DECIDED: [DisputeStatus; 3] = [DisputeStatus::Won, DisputeStatus::Lost, DisputeStatus::Prevented];
        const DISPUTED: [DisputeStatus; 2] = [DisputeStatus::NeedsResponse, DisputeStatus::UnderReview];
        let of = |statuses: &[DisputeStatus]| {
            let seen = known.iter().filter(|(_, status, _)| statuses.contains(status));
            let latest = seen.clone().map(|(created, ..)| *created).max();
            seen.filter(move |(created, ..)| Some(*created) == latest).map(|(_, status, _)| *status).collect::<Vec<_>>()
        };
        let candidates = [of(&DECIDED), of(&DISPUTED), of(&[DisputeStatus::WarningClosed]), of(&DisputeStatus::ALL)];
        let expected = candidates.into_iter().find(|seen| !seen.is_empty()).expect("one was seen");
        let status = total(known.into_iter().map(|(.., facts)| facts)).state().status;
        prop_assert!(expected.contains(&status), "{status:?} isn't in {expected:?}");
        prop_assert_eq!(status.outcome() == DisputeOutcome::Lost, status == DisputeStatus::Lost);
    }

    #[test]
    fn merged_facts_never_become_less_final(a in several(), observed in payment_facts()) {
        let before = sum(&a);
        let after = join(before.clone(), Facts::from(observed));
        // Stripe never reports an expired Session as complete. If it did, the payment could still be
        // processing.
        let is_revived = before.session() == Some(SessionStatus::Expired) && after.session() != before.session();
        prop_assert!(is_revived || finality(after.status()) >= finality(before.status()));
        prop_assert!(after.failure_count() >= before.failure_count());
        prop_assert!(before.successes().all(|known| after.successes().any(|success| success == known)));
        if before.successes().next().is_some() {
            let most = |facts: &Facts| facts.successes().map(|success| success.amount_received).max();
            prop_assert!(most(&after) >= most(&before));
        }
    }

    #[test]
    fn received_amount_is_the_highest_observed(a in several()) {
        let received = a.iter().filter_map(Fragment::success);
        let most = received.clone().map(|success| success.amount_received).max();
        if let Some(money) = sum(&a).received() {
            prop_assert_eq!(Some(money.minor()), most);
        } else {
            // The amount or the currency is invalid.
            let is_none = |success: &Success| success.amount_received < 0
                || success.amount_received == i64::MAX
                || success.currency.is_empty();
            let mut of_most = received.filter(|success| Some(success.amount_received) == most);
            prop_assert!(most.is_none() || of_most.any(is_none));
        }
    }

    #[test]
    fn repeated_failure_counts_once(a in several()) {
        let mut ids: Vec<&str> = a.iter().filter_map(|observed| match observed {
            Fragment::Payment(Fact { state: ObservedState::Open { failure: Some(failure), .. }, .. }) => Some(failure.id.as_str()),
            _ => None,
        }).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(sum(&a).failure_count(), ids.len());
    }
}
