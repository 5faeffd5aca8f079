//! Tests that the order's state matches Stripe's objects in the end, for any actions at Stripe and any order of
//! events.

use proptest::prelude::*;
use quittance_domain::checkout::PaymentFlow;
use quittance_domain::history::{History, RestockOutcome};
use quittance_domain::money::Money;
use quittance_domain::payment::Attempt;

use crate::fixtures::{PRICE, Sampler, Step, apply_step, attempt, exhaustive, session_attempt};
use crate::sequences::SequenceRun;
use crate::stripe::{Act, Stripe};

/// Returns an order with one attempt and no observations. A capture is recorded before Stripe is called.
fn empty_history(flow: PaymentFlow, acts: &[Act]) -> History {
    let plain = match flow {
        PaymentFlow::PaymentIntent => attempt(0),
        PaymentFlow::CheckoutSession => session_attempt(0),
    };
    let capture = acts.iter().find_map(|act| match act {
        Act::Capture(_, cents) => Some(*cents),
        _ => None,
    });
    History { attempts: vec![Attempt { capture, ..plain }], ..History::default() }
}

/// Executes the actions that are possible, and returns them.
fn done(flow: PaymentFlow, acts: &[Act]) -> (Stripe, Vec<Act>) {
    let mut stripe = Stripe::new(&[flow]);
    let done = acts.iter().copied().filter(|act| stripe.act(*act)).collect();
    (stripe, done)
}

/// Applies all events in this order, in batches. Events about an unknown PaymentIntent are applied again in the
/// end, like a read at Stripe.
fn apply_in_order(stripe: &Stripe, history: &History, order: &[usize], batches: &mut Sampler) {
    let mut run = SequenceRun::new(history, RestockOutcome::Short);
    let mut undelivered = Vec::new();
    let mut rest = order;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(1 + batches.below(rest.len().min(3)));
        let mut trial = run.history.clone();
        let (applied, not): (Vec<&Step>, Vec<&Step>) = batch
            .iter()
            .map(|place| &stripe.events[*place])
            .partition(|step| apply_step(&mut trial, step).is_ok());
        run.take(&applied);
        undelivered.extend(not);
        rest = later;
    }
    if !undelivered.is_empty() {
        run.take(&undelivered);
    }
    assert_true(stripe, &run);
}

fn assert_true(stripe: &Stripe, run: &SequenceRun<'_>) {
    let order_state = run.history.order_state();
    assert_eq!(order_state.status, stripe.convergence());
    let is_paid = order_state.status.was_paid();
    assert_eq!(order_state.amount_paid, if is_paid { stripe.payments[0].received } else { 0 });
    assert_eq!(order_state.amount_refunded, if is_paid { stripe.refunded(0) } else { 0 });
    if is_paid {
        let left = run.history.refundable(&run.history.attempts[0].id).map(Money::minor);
        let gone = stripe.held(0) + stripe.charged_back(0);
        assert_eq!(left, Some((stripe.payments[0].received - gone).max(0)));
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        1 => Just(Act::Ask(0)),
        1 => Just(Act::Voucher(0)),
        3 => Just(Act::Debit(0)),
        3 => Just(Act::Decline(0)),
        2 => Just(Act::Hold(0)),
        4 => Just(Act::Succeed(0)),
        2 => Just(Act::Capture(0, PRICE)),
        2 => Just(Act::Capture(0, PRICE / 2)),
        1 => Just(Act::Cancel(0)),
        1 => Just(Act::ExpireSession(0)),
        5 => (1..=3_i64).prop_map(|part| Act::Refund(0, PRICE / part, false)),
        4 => (0..3_usize).prop_map(Act::RefundGoes),
        2 => (0..3_usize).prop_map(Act::RefundFails),
        1 => Just(Act::Inquire(0)),
        1 => Just(Act::CloseInquiry(0)),
        1 => Just(Act::Escalate(0)),
        2 => Just(Act::Dispute(0)),
        1 => Just(Act::Win(0)),
        1 => Just(Act::Lose(0)),
    ];
    proptest::collection::vec(act, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if exhaustive() { 100_000 } else { 1_500 }))]

    #[test]
    fn order_state_converges_to_the_state_at_stripe(
        flow in proptest::sample::select(vec![PaymentFlow::PaymentIntent, PaymentFlow::CheckoutSession]),
        acts in acts(),
        random in any::<u64>(),
    ) {
        let (stripe, done) = done(flow, &acts);
        let mut random = Sampler(random);
        let order = shuffled(stripe.events.len(), stripe.events.len() / 2, &mut random);
        apply_in_order(&stripe, &empty_history(flow, &done), &order, &mut random);
    }
}

/// Returns all indexes below `count` and `again` of them a second time, shuffled.
fn shuffled(count: usize, again: usize, random: &mut Sampler) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.extend((0..again).map(|_| random.below(count)));
    for place in (1..order.len()).rev() {
        order.swap(place, random.below(place + 1));
    }
    order
}

/// Checks all permutations if the number of events is small or if everything is to be run. Otherwise, checks a
/// sample with duplicates.
fn check_in_any_order(name: &str, flow: PaymentFlow, acts: &[Act]) {
    let (stripe, done) = done(flow, acts);
    assert_eq!(done, acts, "{name}: Stripe lets all of it be done");
    let history = empty_history(flow, acts);
    let count = stripe.events.len();
    if count <= 7 || (exhaustive() && count <= 9) {
        let mut observed = vec![false; count];
        permute(&stripe, &SequenceRun::new(&history, RestockOutcome::Short), &mut observed);
    }
    let mut random = Sampler(count as u64);
    for _ in 0..500 {
        let order = shuffled(count, 4, &mut random);
        apply_in_order(&stripe, &history, &order, &mut random);
    }
}

fn permute<'a>(stripe: &'a Stripe, run: &SequenceRun<'a>, observed: &mut [bool]) {
    let mut is_end = true;
    for place in 0..observed.len() {
        if observed[place] {
            continue;
        }
        is_end = false;
        let mut next = run.clone();
        // A refund of an unknown PaymentIntent can only be applied later.
        if apply_step(&mut next.history.clone(), &stripe.events[place]).is_ok() {
            observed[place] = true;
            next.take(&[&stripe.events[place]]);
            permute(stripe, &next, observed);
            observed[place] = false;
        }
    }
    if is_end {
        assert_true(stripe, run);
    }
}

#[test]
fn payment_with_refund_and_dispute_has_same_result_in_any_order() {
    check_in_any_order(
        "declined, paid, refunded twice, one refund fails, a dispute is won",
        PaymentFlow::PaymentIntent,
        &[
            Act::Debit(0),
            Act::Decline(0),
            Act::Succeed(0),
            Act::Refund(0, PRICE / 3, false),
            Act::Refund(0, PRICE / 2, false),
            Act::RefundFails(1),
            Act::Dispute(0),
            Act::Win(0),
        ],
    );
}

#[test]
fn refunds_have_same_result_in_any_order() {
    let paid = [Act::Succeed(0), Act::Refund(0, PRICE / 2, false), Act::RefundGoes(0)];
    for (name, then) in [
        ("refunded in part", vec![]),
        ("refunded in two parts", vec![Act::Refund(0, PRICE / 2, false), Act::RefundGoes(1)]),
        ("a refund fails after it had succeeded", vec![Act::RefundFails(0)]),
        ("and all is refunded then", vec![Act::RefundFails(0), Act::Refund(0, PRICE, false)]),
    ] {
        check_in_any_order(name, PaymentFlow::PaymentIntent, &[&paid[..], &then].concat());
    }
}

#[test]
fn disputes_have_same_result_in_any_order() {
    let paid = [Act::Debit(0), Act::Succeed(0)];
    for (name, then) in [
        ("opened", vec![Act::Dispute(0)]),
        ("won", vec![Act::Dispute(0), Act::Win(0)]),
        ("lost", vec![Act::Dispute(0), Act::Lose(0)]),
        ("won on appeal", vec![Act::Dispute(0), Act::Lose(0), Act::Win(0)]),
        ("asked, disputed and won", vec![Act::Inquire(0), Act::Escalate(0), Act::Win(0)]),
        ("asked, and no more", vec![Act::Inquire(0), Act::CloseInquiry(0)]),
        (
            "refunded in part, and disputed",
            vec![Act::Refund(0, 100, false), Act::RefundGoes(0), Act::Dispute(0)],
        ),
    ] {
        check_in_any_order(name, PaymentFlow::PaymentIntent, &[&paid[..], &then].concat());
    }
}

#[test]
fn checkout_sessions_have_same_result_in_any_order() {
    for (name, acts) in [
        ("paid at once", vec![Act::Succeed(0)]),
        ("declined, and paid", vec![Act::Decline(0), Act::Succeed(0)]),
        ("never paid", vec![Act::Ask(0), Act::ExpireSession(0)]),
        ("never touched", vec![Act::ExpireSession(0)]),
        ("paid by a bank debit", vec![Act::Debit(0), Act::Succeed(0)]),
        ("a bank debit fails", vec![Act::Debit(0), Act::Decline(0)]),
        ("a voucher is never paid", vec![Act::Voucher(0), Act::Decline(0)]),
        ("authorized, and captured in part", vec![Act::Hold(0), Act::Capture(0, PRICE / 2)]),
        ("held, and released", vec![Act::Hold(0), Act::Cancel(0)]),
        ("paid and refunded", vec![Act::Succeed(0), Act::Refund(0, PRICE, false), Act::RefundGoes(0)]),
    ] {
        check_in_any_order(name, PaymentFlow::CheckoutSession, &acts);
    }
}

#[test]
fn captures_have_same_result_in_any_order() {
    for (name, acts) in [
        ("taken", vec![Act::Hold(0), Act::Capture(0, PRICE)]),
        ("captured in part", vec![Act::Hold(0), Act::Capture(0, PRICE / 2)]),
        ("released", vec![Act::Hold(0), Act::Cancel(0)]),
        (
            "captured in part, and refunded",
            vec![
                Act::Hold(0),
                Act::Capture(0, PRICE / 2),
                Act::Refund(0, PRICE / 2, false),
                Act::RefundGoes(0),
            ],
        ),
    ] {
        check_in_any_order(name, PaymentFlow::PaymentIntent, &acts);
    }
}
