//! Whatever is done at Stripe, and in whatever order and how often Stripe tells of it: in the end the order stands
//! where Stripe's own objects say.

use proptest::prelude::*;
use quittance_domain::checkout::PaymentFlow;
use quittance_domain::history::{History, RestockOutcome};
use quittance_domain::money::Money;
use quittance_domain::payment::Attempt;

use crate::stage::{PRICE, Sampler, Step, attempt, exhaustive, session_attempt, tell};
use crate::stripe::{Act, Stripe};
use crate::walk::Walk;

/// An order of one attempt on this rail, of which nothing was told. A capture is recorded before Stripe hears of it.
fn untold(flow: PaymentFlow, acts: &[Act]) -> History {
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

/// Does what can be done of these acts, and returns those.
fn done(flow: PaymentFlow, acts: &[Act]) -> (Stripe, Vec<Act>) {
    let mut stripe = Stripe::of(&[flow]);
    let done = acts.iter().copied().filter(|act| stripe.act(*act)).collect();
    (stripe, done)
}

/// Tells all that Stripe has to tell in this order, each time a few things at once. What is of a PaymentIntent that
/// is not known yet is told again in the end: then Stripe is asked.
fn tell_in_order(stripe: &Stripe, history: &History, order: &[usize], batches: &mut Sampler) {
    let mut walk = Walk::of(history, RestockOutcome::Short);
    let mut unheard = Vec::new();
    let mut rest = order;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(1 + batches.below(rest.len().min(3)));
        let mut trial = walk.history.clone();
        let (heard, not): (Vec<&Step>, Vec<&Step>) =
            batch.iter().map(|place| &stripe.told[*place]).partition(|step| tell(&mut trial, step).is_ok());
        walk.take(&heard);
        unheard.extend(not);
        rest = later;
    }
    if !unheard.is_empty() {
        walk.take(&unheard);
    }
    assert_true(stripe, &walk);
}

fn assert_true(stripe: &Stripe, walk: &Walk<'_>) {
    let order_state = walk.history.order_state();
    assert_eq!(order_state.status, stripe.truth());
    let is_paid = order_state.status.was_paid();
    assert_eq!(order_state.amount_paid, if is_paid { stripe.payments[0].received } else { 0 });
    assert_eq!(order_state.amount_refunded, if is_paid { stripe.returned(0) } else { 0 });
    if is_paid {
        let left = walk.history.refundable(&walk.history.attempts[0].id).map(Money::minor);
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
    fn in_the_end_the_order_stands_where_stripes_objects_say(
        flow in proptest::sample::select(vec![PaymentFlow::PaymentIntent, PaymentFlow::CheckoutSession]),
        acts in acts(),
        lot in any::<u64>(),
    ) {
        let (stripe, done) = done(flow, &acts);
        let mut lot = Sampler(lot);
        let order = shuffled(stripe.told.len(), stripe.told.len() / 2, &mut lot);
        tell_in_order(&stripe, &untold(flow, &done), &order, &mut lot);
    }
}

/// All places below `count` and `again` of them once more, shuffled.
fn shuffled(count: usize, again: usize, lot: &mut Sampler) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.extend((0..again).map(|_| lot.below(count)));
    for place in (1..order.len()).rev() {
        order.swap(place, lot.below(place + 1));
    }
    order
}

/// Tells a story in every permutation, if it has so few events or if everything is to be run; else in a sample, with
/// repetitions.
fn told_in_every_order(name: &str, flow: PaymentFlow, acts: &[Act]) {
    let (stripe, done) = done(flow, acts);
    assert_eq!(done, acts, "{name}: Stripe lets all of it be done");
    let history = untold(flow, acts);
    let count = stripe.told.len();
    if count <= 7 || (exhaustive() && count <= 9) {
        let mut told = vec![false; count];
        permute(&stripe, &Walk::of(&history, RestockOutcome::Short), &mut told);
    }
    let mut lot = Sampler(count as u64);
    for _ in 0..500 {
        let order = shuffled(count, 4, &mut lot);
        tell_in_order(&stripe, &history, &order, &mut lot);
    }
}

fn permute<'a>(stripe: &'a Stripe, walk: &Walk<'a>, told: &mut [bool]) {
    let mut is_end = true;
    for place in 0..told.len() {
        if told[place] {
            continue;
        }
        is_end = false;
        let mut next = walk.clone();
        // A refund of a PaymentIntent that is not known yet can only be heard of later.
        if tell(&mut next.history.clone(), &stripe.told[place]).is_ok() {
            told[place] = true;
            next.take(&[&stripe.told[place]]);
            permute(stripe, &next, told);
            told[place] = false;
        }
    }
    if is_end {
        assert_true(stripe, walk);
    }
}

#[test]
fn a_payment_with_all_that_can_follow_ends_the_same_in_every_order() {
    told_in_every_order(
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
fn refunds_end_the_same_in_every_order() {
    let paid = [Act::Succeed(0), Act::Refund(0, PRICE / 2, false), Act::RefundGoes(0)];
    for (name, then) in [
        ("refunded in part", vec![]),
        ("refunded in two parts", vec![Act::Refund(0, PRICE / 2, false), Act::RefundGoes(1)]),
        ("a refund fails after it had succeeded", vec![Act::RefundFails(0)]),
        ("and all is refunded then", vec![Act::RefundFails(0), Act::Refund(0, PRICE, false)]),
    ] {
        told_in_every_order(name, PaymentFlow::PaymentIntent, &[&paid[..], &then].concat());
    }
}

#[test]
fn disputes_end_the_same_in_every_order() {
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
        told_in_every_order(name, PaymentFlow::PaymentIntent, &[&paid[..], &then].concat());
    }
}

#[test]
fn pages_of_stripes_end_the_same_in_every_order() {
    for (name, acts) in [
        ("paid at once", vec![Act::Succeed(0)]),
        ("declined, and paid", vec![Act::Decline(0), Act::Succeed(0)]),
        ("never paid", vec![Act::Ask(0), Act::ExpireSession(0)]),
        ("never touched", vec![Act::ExpireSession(0)]),
        ("paid by a bank debit", vec![Act::Debit(0), Act::Succeed(0)]),
        ("a bank debit fails", vec![Act::Debit(0), Act::Decline(0)]),
        ("a voucher is never paid", vec![Act::Voucher(0), Act::Decline(0)]),
        ("held, and taken in part", vec![Act::Hold(0), Act::Capture(0, PRICE / 2)]),
        ("held, and released", vec![Act::Hold(0), Act::Cancel(0)]),
        ("paid and refunded", vec![Act::Succeed(0), Act::Refund(0, PRICE, false), Act::RefundGoes(0)]),
    ] {
        told_in_every_order(name, PaymentFlow::CheckoutSession, &acts);
    }
}

#[test]
fn captures_end_the_same_in_every_order() {
    for (name, acts) in [
        ("taken", vec![Act::Hold(0), Act::Capture(0, PRICE)]),
        ("taken in part", vec![Act::Hold(0), Act::Capture(0, PRICE / 2)]),
        ("released", vec![Act::Hold(0), Act::Cancel(0)]),
        (
            "taken in part, and refunded",
            vec![
                Act::Hold(0),
                Act::Capture(0, PRICE / 2),
                Act::Refund(0, PRICE / 2, false),
                Act::RefundGoes(0),
            ],
        ),
    ] {
        told_in_every_order(name, PaymentFlow::PaymentIntent, &acts);
    }
}
