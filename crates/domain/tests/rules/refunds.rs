//! Tests of refunds: requested and automatic ones are never made twice and never exceed the received amount.

use proptest::prelude::*;
use proptest::sample::select;
use quittance_domain::checkout::PaymentFlow;
use quittance_domain::dispute::DisputeStatus;
use quittance_domain::history::{CloseReason, DueRefund, History, RestockOutcome, ReviewRefund};
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::OrderEventKind;
use quittance_domain::payment::{Attempt, Mismatch, ObservedState, OpenStatus, ReviewReason, Success};
use quittance_domain::refund::{RefundCause, RefundStatus};

use crate::fixtures::{
    DisputeStep, PRICE, RefundStep, Sampler, Step, apply_decisions, apply_step, apply_steps, attempt,
    disputed, disputed_in_part, euros, event, exhaustive, history, open, payment_id, provenance, refund,
    refund_id, refunded, right_success, session_attempt,
};
use crate::stripe::{Act, Stripe};

fn success(place: usize, success: Success) -> Step {
    Step::Event(place, event(5, "succeeded", ObservedState::Succeeded(success)))
}

fn right(place: usize) -> Step {
    success(place, right_success())
}

fn canceled(place: usize) -> Step {
    Step::Event(place, event(4, "canceled", ObservedState::Canceled))
}

/// Returns a history with this number of attempts after these steps.
fn after(attempts: usize, steps: &[Step]) -> History {
    let mut history = history(attempts);
    for step in steps {
        apply_steps(&mut history, &[step], RestockOutcome::Short);
    }
    history
}

/// Returns the due refunds: attempt, amount and cause.
fn due(history: &History, policy: ReviewRefund) -> Vec<(usize, i64, RefundCause)> {
    let place = |due: &DueRefund| (0..9).find(|place| payment_id(*place) == due.payment_id).unwrap();
    history.due_refunds(policy).iter().map(|due| (place(due), due.amount.minor(), due.cause)).collect()
}

fn surplus(history: &History) -> Vec<(usize, i64, RefundCause)> {
    due(history, ReviewRefund::Never)
}

#[test]
fn second_success_is_refunded_once() {
    let mut history = after(2, &[right(0)]);
    assert_eq!(surplus(&history), [], "no surplus exists");
    apply_steps(&mut history, &[&right(1)], RestockOutcome::Short);
    assert_eq!(surplus(&history), [(1, PRICE, RefundCause::Surplus)]);
    history.refunds.push(refund(1, 1, PRICE, RefundCause::Surplus));
    assert_eq!(surplus(&history), [], "it is already requested");
    for status in [RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed] {
        let provenance = provenance(9, status.as_str());
        let observed =
            RefundStep { number: 1, is_named: true, cents: PRICE, reason: None, provenance, status };
        apply_steps(&mut history, &[&Step::Refund(1, observed)], RestockOutcome::Short);
        assert_eq!(history.refunds.len(), 1, "it is the requested refund");
        assert_eq!(surplus(&history), [], "it isn't requested again, even if it fails");
        let order_state = history.order_state();
        assert_eq!(
            (order_state.status, order_state.amount_refunded),
            (OrderStatus::Paid, 0),
            "the order stays paid"
        );
    }
}

#[test]
fn mismatched_surplus_is_refunded() {
    let half = Success { amount_received: PRICE / 2, ..right_success() };
    assert_eq!(surplus(&after(2, &[success(0, half), right(1)])), [(0, PRICE / 2, RefundCause::Surplus)]);
    let nothing = Success { amount_received: 0, ..right_success() };
    assert_eq!(surplus(&after(2, &[right(0), success(1, nothing)])), [], "nothing came");
    let abandoned = Attempt { abandoned: true, ..attempt(0) };
    let mut both = History { attempts: vec![abandoned, attempt(1)], ..History::default() };
    apply_steps(&mut both, &[&right(0)], RestockOutcome::Short);
    assert_eq!(both.order_state().status, OrderStatus::Paid, "an abandoned attempt can still pay");
    apply_steps(&mut both, &[&right(1)], RestockOutcome::Short);
    assert_eq!(surplus(&both), [(1, PRICE, RefundCause::Surplus)]);
}

#[test]
fn surplus_with_other_refunds_is_due_for_the_rest() {
    let in_part = [right(0), right(1), refunded(1, 3, 1_000, 6, RefundStatus::Pending)];
    assert_eq!(surplus(&after(2, &in_part)), [(1, PRICE - 1_000, RefundCause::Surplus)]);
    let all = [right(0), right(1), refunded(1, 3, PRICE, 6, RefundStatus::Pending)];
    assert_eq!(surplus(&after(2, &all)), []);

    let mut refused = after(2, &[right(0), right(1)]);
    refused.refunds.push(refund(9, 1, PRICE, RefundCause::Surplus));
    refused.refunds[0].refused = Some("charge_already_refunded".to_owned());
    assert_eq!(surplus(&refused), [], "a refused refund isn't requested again with the same amount");
    apply_steps(&mut refused, &[&refunded(1, 3, 1_000, 6, RefundStatus::Pending)], RestockOutcome::Short);
    assert_eq!(surplus(&refused), [(1, PRICE - 1_000, RefundCause::Surplus)], "less was left than we knew");
}

#[test]
fn disputed_surplus_is_not_refunded() {
    let mut history = after(2, &[right(0), right(1), disputed(1, 1, 6, DisputeStatus::NeedsResponse)]);
    assert_eq!(surplus(&history), []);
    assert_eq!(
        history.order_state().status,
        OrderStatus::Paid,
        "a dispute of a surplus payment doesn't change the order"
    );
    let mut lost = history.clone();
    apply_steps(&mut lost, &[&disputed(1, 1, 7, DisputeStatus::Lost)], RestockOutcome::Short);
    assert_eq!(surplus(&lost), [], "the dispute returned the money");
    apply_steps(&mut history, &[&disputed(1, 1, 7, DisputeStatus::Won)], RestockOutcome::Short);
    assert_eq!(surplus(&history), [(1, PRICE, RefundCause::Surplus)]);
}

/// Each mismatch of a success, the earlier close of the order, and the policies that refund the payment.
#[test]
fn payment_under_review_is_refunded_according_to_policy() {
    use ReviewRefund::{Always, Late, Never};
    let wrong = |change: fn(&mut Success)| {
        let mut success = right_success();
        change(&mut success);
        success
    };
    let half = || wrong(|it| it.amount_received = PRICE / 2);
    let cases: [(Option<CloseReason>, Success, ReviewReason, &[ReviewRefund]); 6] = [
        (None, half(), ReviewReason::WrongAmount, &[Always]),
        (None, wrong(|it| it.currency = "usd".to_owned()), ReviewReason::WrongCurrency, &[Always]),
        (None, wrong(|it| it.application_fee = Some(1)), ReviewReason::WrongFee, &[Always]),
        (Some(CloseReason::Canceled), half(), ReviewReason::WrongAmount, &[Always]),
        (Some(CloseReason::Canceled), right_success(), ReviewReason::SucceededAfterCancel, &[Late, Always]),
        (Some(CloseReason::Expired), right_success(), ReviewReason::SucceededAfterExpiry, &[Late, Always]),
    ];
    for (closure, received, reason, policies) in cases {
        let end = closure.map(|closure| [Step::CloseRequest(closure), canceled(0)]);
        let steps = end.into_iter().flatten().chain([success(0, received.clone())]).collect::<Vec<_>>();
        let mut history = after(1, &steps);
        assert_eq!(history.order_state().review_reason, Some(reason));
        for policy in [Never, Late, Always] {
            let expected =
                policies.contains(&policy).then_some((0, received.amount_received, RefundCause::Review));
            assert_eq!(due(&history, policy), Vec::from_iter(expected), "{reason:?}, {policy:?}");
        }
        let currency = history.due_refunds(Always)[0].amount.currency();
        assert_eq!(currency.code(), received.currency, "the refund has the currency of the payment");
        assert_eq!(history.refundable_attempt().map(|it| &it.id), Some(&payment_id(0)));

        history.refunds.push(refund(1, 0, received.amount_received, RefundCause::Review));
        assert_eq!(due(&history, Always), [], "it is already requested");
        assert_eq!(history.order_state().status, OrderStatus::Review, "as long as the money is here");
        let provenance = provenance(9, "gone");
        let cents = received.amount_received;
        // All refunds are in euros here. The amounts count.
        let gone = |status| RefundStep {
            number: 1,
            is_named: true,
            cents,
            reason: None,
            provenance: provenance.clone(),
            status,
        };
        apply_steps(&mut history, &[&Step::Refund(0, gone(RefundStatus::Succeeded))], RestockOutcome::Short);
        let expected = match closure {
            None => OrderStatus::Pending,
            Some(CloseReason::Canceled) => OrderStatus::Canceled,
            Some(CloseReason::Expired) => OrderStatus::Expired,
        };
        assert_eq!(history.order_state().status, expected, "nothing is left to look at");
        assert_eq!(history.refundable_attempt(), None);
        apply_steps(&mut history, &[&Step::Refund(0, gone(RefundStatus::Failed))], RestockOutcome::Short);
        assert_eq!(history.order_state().status, OrderStatus::Review, "the money is here again");
        assert_eq!(due(&history, Always), [], "now a person has to look");
    }
}

#[test]
fn all_payments_under_review_are_refunded() {
    let end = [Step::CloseRequest(CloseReason::Canceled), canceled(0), canceled(1), canceled(2)];
    let wrong = Success { amount_received: 1, ..right_success() };
    let mut history = after(3, &[&end[..], &[success(0, wrong), right(1), right(2)]].concat());
    assert_eq!(history.order_state().review_reason, Some(ReviewReason::SucceededAfterCancel));
    assert_eq!(history.refundable_attempt().map(|it| &it.id), Some(&payment_id(1)), "what fits says more");
    let late = [(1, PRICE, RefundCause::Review), (2, PRICE, RefundCause::Review)];
    assert_eq!(due(&history, ReviewRefund::Late), late);
    assert_eq!(due(&history, ReviewRefund::Always), [&[(0, 1, RefundCause::Review)], &late[..]].concat());
    for place in [1, 2] {
        let observed = refunded(place, place, PRICE, 9, RefundStatus::Succeeded);
        apply_steps(&mut history, &[&observed], RestockOutcome::Short);
    }
    assert_eq!(
        history.order_state().review_reason,
        Some(ReviewReason::WrongAmount),
        "that is left to look at"
    );
}

#[test]
fn refund_is_not_due_while_a_decision_is_due() {
    let mut late = after(1, &[Step::CloseRequest(CloseReason::Expired), canceled(0)]);
    apply_step(&mut late, &right(0)).unwrap();
    assert!(late.needs_restock());
    assert_eq!(due(&late, ReviewRefund::Always), [], "there may be goods for it");
    assert_eq!(apply_decisions(&mut late, RestockOutcome::Taken).len(), 2);
    assert_eq!((late.order_state().status, due(&late, ReviewRefund::Always)), (OrderStatus::Paid, vec![]));

    let mut undecided = history(1);
    apply_step(&mut undecided, &right(0)).unwrap();
    assert_eq!(due(&undecided, ReviewRefund::Always), [], "it is about to be accepted");
}

#[test]
fn order_under_review_closes_only_after_full_refund() {
    let wrong = Success { amount_received: 1, ..right_success() };
    let mut history = after(1, &[Step::CloseRequest(CloseReason::Canceled), success(0, wrong)]);
    assert_eq!((history.order_state().status, history.decisions.closed), (OrderStatus::Review, None));
    let before = history.order_state();
    apply_steps(&mut history, &[&refunded(0, 1, 1, 6, RefundStatus::Succeeded)], RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Canceled);
    let observed = history.order_state().events_since(&before).into_iter().map(|event| event.kind);
    let expected = [OrderEventKind::Canceled, OrderEventKind::RefundSucceeded];
    assert_eq!(observed.collect::<Vec<_>>(), expected);
}

/// A lost dispute counts like a refund, until it is won on appeal.
#[test]
fn payment_lost_in_dispute_needs_no_review() {
    let lost = |cents| disputed_in_part(0, 1, cents, 7, DisputeStatus::Lost);
    let to_cents = |history: &History| history.refundable(&payment_id(0)).map(Money::minor);
    let end = [Step::CloseRequest(CloseReason::Canceled), canceled(0), right(0)];
    let mut history = after(1, &end);
    apply_steps(&mut history, &[&disputed(0, 1, 6, DisputeStatus::NeedsResponse)], RestockOutcome::Short);
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Review, Some(PRICE)));
    apply_steps(&mut history, &[&lost(PRICE)], RestockOutcome::Short);
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Canceled, Some(0)));
    apply_steps(&mut history, &[&disputed(0, 1, 8, DisputeStatus::Won)], RestockOutcome::Short);
    assert_eq!(history.order_state().review_reason, Some(ReviewReason::SucceededAfterCancel));
    assert_eq!(to_cents(&history), Some(PRICE), "it has come back");

    // A part remains for review and refund.
    let mut history = after(1, &[&end[..], &[lost(PRICE - 1)]].concat());
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Review, Some(1)));
    apply_steps(&mut history, &[&refunded(0, 1, 1, 8, RefundStatus::Succeeded)], RestockOutcome::Short);
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Canceled, Some(0)));
    // More was refunded than received.
    apply_steps(&mut history, &[&refunded(0, 2, PRICE, 8, RefundStatus::Succeeded)], RestockOutcome::Short);
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Canceled, Some(0)));

    // An order to be closed waits for the refund too.
    let wrong = Success { amount_received: 1, ..right_success() };
    let history = after(1, &[Step::CloseRequest(CloseReason::Canceled), success(0, wrong), lost(1)]);
    assert_eq!(
        (history.order_state().status, history.decisions.closed),
        (OrderStatus::Canceled, Some(CloseReason::Canceled))
    );

    let provenance = provenance(7, "lost");
    let observed =
        DisputeStep { number: 1, cents: PRICE, currency: "usd", provenance, status: DisputeStatus::Lost };
    let history = after(1, &[&end[..], &[Step::Dispute(0, observed)]].concat());
    assert_eq!(
        history.order_state().status,
        OrderStatus::Review,
        "of another currency, a person has to count"
    );
    assert_eq!(to_cents(&history), Some(PRICE));
}

#[test]
fn refund_observed_before_success_counts() {
    let mut history = after(1, &[refunded(0, 1, 1_000, 6, RefundStatus::Succeeded)]);
    assert_eq!(history.order_state().status, OrderStatus::Pending);
    assert_eq!((history.refundable(&payment_id(0)), history.refundable_attempt()), (None, None));
    apply_steps(&mut history, &[&right(0)], RestockOutcome::Short);
    let order_state = history.order_state();
    assert_eq!((order_state.status, order_state.amount_refunded), (OrderStatus::PartiallyRefunded, 1_000));
    assert_eq!(history.refundable(&payment_id(0)), Some(euros(PRICE - 1_000)));
    let too_much = refunded(0, 2, PRICE, 6, RefundStatus::Succeeded);
    apply_steps(&mut history, &[&too_much], RestockOutcome::Short);
    assert_eq!(history.refundable(&payment_id(0)), Some(euros(0)), "never below nothing");
    assert_eq!(history.order_state().amount_refunded, PRICE, "never more than was paid");
}

#[test]
fn refund_of_other_attempt_does_not_change_status() {
    let steps = [right(0), right(1), refunded(1, 1, PRICE, 6, RefundStatus::Succeeded)];
    let order_state = after(2, &steps).order_state();
    assert_eq!((order_state.status, order_state.amount_refunded), (OrderStatus::Paid, 0));
    assert_eq!(order_state.refunds[&refund_id(1)], RefundStatus::Succeeded, "the refund is listed anyway");
}

#[test]
fn refund_is_identified_by_metadata_only_if_amount_matches() {
    let mut history = after(1, &[right(0)]);
    history.refunds.push(refund(7, 0, 1_000, RefundCause::Requested));
    let observed = |number, cents| {
        let provenance = provenance(6, "refund");
        let status = RefundStatus::Succeeded;
        RefundStep { number, is_named: true, cents, reason: None, provenance, status }
    };
    let mut other = history.clone();
    apply_steps(&mut other, &[&Step::Refund(0, observed(7, 999))], RestockOutcome::Short);
    assert_eq!(other.refunds.len(), 2, "it is another refund, despite its metadata");
    assert!(other.refunds[0].is_unsent());
    apply_steps(&mut history, &[&Step::Refund(0, observed(7, 1_000))], RestockOutcome::Short);
    assert_eq!((history.refunds.len(), history.refunds[0].is_unsent()), (1, false));
    assert_eq!(history.order_state().amount_refunded, 1_000);
}

#[test]
fn refund_or_dispute_of_another_payment_is_rejected() {
    let steps = [
        right(0),
        right(1),
        refunded(0, 1, 1_000, 6, RefundStatus::Pending),
        disputed(0, 1, 6, DisputeStatus::NeedsResponse),
    ];
    let mut history = after(2, &steps);
    let known = history.clone();
    for stranger in [refunded(1, 1, 1_000, 9, RefundStatus::Failed), disputed(1, 1, 9, DisputeStatus::Won)] {
        assert_eq!(apply_step(&mut history, &stranger), Err(Mismatch::OtherPaymentIntent), "{stranger:?}");
    }
    assert_eq!(history, known);
    history.attempts[1].payment_intent_id = None;
    let unknown = refunded(1, 2, 1_000, 9, RefundStatus::Succeeded);
    assert_eq!(
        apply_step(&mut history, &unknown),
        Err(Mismatch::OtherPaymentIntent),
        "it is not known whose it is"
    );
}

#[test]
fn refused_refund_counts_once_observed() {
    let mut history = after(1, &[right(0)]);
    history.refunds.push(refund(1, 0, PRICE, RefundCause::Requested));
    history.refunds[0].refused = Some("timeout".to_owned());
    assert_eq!(history.order_state().refunds[&refund_id(1)], RefundStatus::Failed);
    assert_eq!(history.refundable(&payment_id(0)), Some(euros(PRICE)));
    let status = RefundStatus::Succeeded;
    let provenance = provenance(6, "refund");
    let observed = RefundStep { number: 1, is_named: true, cents: PRICE, reason: None, provenance, status };
    apply_steps(&mut history, &[&Step::Refund(0, observed)], RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Refunded);
    assert_eq!(history.refundable(&payment_id(0)), Some(euros(0)));
}

#[test]
fn released_authorization_is_not_a_refund() {
    let capture = Some(1_000);
    let mut history = History { attempts: vec![Attempt { capture, ..attempt(0) }], ..History::default() };
    let before = history.order_state();
    let status = RefundStatus::Succeeded;
    let reason = Some("expired_uncaptured_charge");
    let cents = PRICE - 1_000;
    let observed =
        RefundStep { number: 1, is_named: false, cents, reason, provenance: provenance(6, "r"), status };
    let taken = Success { amount_received: 1_000, ..right_success() };
    apply_steps(&mut history, &[&success(0, taken), &Step::Refund(0, observed)], RestockOutcome::Short);
    let order_state = history.order_state();
    assert_eq!((order_state.status, order_state.amount_paid), (OrderStatus::Paid, 1_000));
    assert_eq!((order_state.amount_refunded, history.refundable(&payment_id(0))), (0, Some(euros(1_000))));
    let observed = order_state.events_since(&before).into_iter().map(|event| event.kind);
    assert_eq!(observed.collect::<Vec<_>>(), [OrderEventKind::Paid]);
}

#[test]
fn captured_amount_must_match_recorded_capture() {
    let held = Step::Event(0, event(1, "held", open(OpenStatus::RequiresCapture)));
    for (capture, amount, status) in [
        (None, PRICE, OrderStatus::Paid),
        (None, PRICE / 2, OrderStatus::Review),
        (Some(PRICE / 2), PRICE / 2, OrderStatus::Paid),
        (Some(PRICE / 2), PRICE, OrderStatus::Review),
        (Some(PRICE / 2), PRICE / 2 - 1, OrderStatus::Review),
        (Some(PRICE), PRICE, OrderStatus::Paid),
    ] {
        let recorded = Attempt { capture, ..attempt(0) };
        let mut history = History { attempts: vec![recorded], ..History::default() };
        let received = success(0, Success { amount_received: amount, ..right_success() });
        apply_steps(&mut history, &[&held, &received], RestockOutcome::Short);
        let order_state = history.order_state();
        assert_eq!(order_state.status, status, "captured {amount} instead of {capture:?}");
        let paid = if status == OrderStatus::Paid { amount } else { 0 };
        assert_eq!(order_state.amount_paid, paid);
        if status == OrderStatus::Paid {
            history.attempts[0].capture = None;
            assert_eq!(history.order_state(), order_state, "the payment stays accepted");
        }
    }
}

/// An order with an attempt of each flow, the service that requests due refunds, and a model of Stripe.
struct Shop {
    stripe: Stripe,
    history: History,
    policy: ReviewRefund,
    stock: RestockOutcome,
    undelivered: Vec<Step>,
    /// The attempt and amount of each request, and whether Stripe refused it.
    requested: Vec<(usize, i64, bool)>,
}

/// A step of the simulation.
#[derive(Debug, Clone, Copy)]
enum ShopStep {
    AtStripe(Act),
    /// Delivers a random pending event. The number is the seed. Half of the events are delivered twice.
    EventDelivered(u64),
    CloseRequest(CloseReason),
}

impl Shop {
    fn new(policy: ReviewRefund, stock: RestockOutcome) -> Self {
        let page =
            Attempt { payment_intent_id: Some(crate::fixtures::payment_intent_id(1)), ..session_attempt(1) };
        Self {
            stripe: Stripe::new(&[PaymentFlow::PaymentIntent, PaymentFlow::CheckoutSession]),
            history: History { attempts: vec![attempt(0), page], ..History::default() },
            policy,
            stock,
            undelivered: Vec::new(),
            requested: Vec::new(),
        }
    }

    fn run_step(&mut self, step: ShopStep) {
        match step {
            ShopStep::AtStripe(act) => {
                self.stripe.act(act);
            }
            ShopStep::CloseRequest(closure) => self.history.closing = Some(closure),
            ShopStep::EventDelivered(random) => {
                self.undelivered.append(&mut self.stripe.events);
                let mut random = Sampler(random);
                if !self.undelivered.is_empty() {
                    let place = random.below(self.undelivered.len());
                    let step = if random.below(2) == 0 {
                        self.undelivered[place].clone()
                    } else {
                        self.undelivered.swap_remove(place)
                    };
                    apply_step(&mut self.history, &step).unwrap();
                }
            }
        }
        apply_decisions(&mut self.history, self.stock);
        self.request_due_refunds();
    }

    fn request_due_refunds(&mut self) {
        for (place, cents, cause) in due(&self.history, self.policy) {
            let number = self.stripe.refunds.len();
            let mut row = refund(number, place, cents, cause);
            let exists_at_stripe = self.stripe.act(Act::Refund(place, cents, true));
            if !exists_at_stripe {
                row.id = refund_id(900 + self.requested.len());
                row.refused = Some("charge_already_refunded".to_owned());
            }
            self.history.refunds.push(row);
            self.requested.push((place, cents, !exists_at_stripe));
            assert!(self.requested.len() < 50, "the refunds never end: {:?}", self.requested);
        }
    }

    /// Completes all refunds and delivers all events.
    fn finish(&mut self) {
        loop {
            for number in 0..self.stripe.refunds.len() {
                self.stripe.act(Act::RefundGoes(number));
            }
            self.undelivered.append(&mut self.stripe.events);
            let Some(step) = self.undelivered.pop() else { return };
            apply_step(&mut self.history, &step).unwrap();
            apply_decisions(&mut self.history, self.stock);
            self.request_due_refunds();
        }
    }

    fn assert_right(&self, requested: usize) {
        let came: Vec<i64> = self.stripe.payments.iter().map(|payment| payment.received).collect();
        let kept: Vec<i64> = (0..2).map(|place| came[place] - self.stripe.refunded(place)).collect();
        let paid_by = (0..2).find(|place| self.history.decisions.accepted == Some(payment_id(*place)));
        for place in 0..2 {
            let asked = self.requested.iter().filter(|asked| asked.0 == place);
            let made: Vec<_> = asked.clone().filter(|(.., is_refused)| !is_refused).collect();
            assert!(made.len() <= 1, "asked for twice: {:?}", self.requested);
            assert!(
                asked.count() <= 1 + requested,
                "only refunds that conflict with requested ones can be refused"
            );
            assert!(
                made.is_empty() || Some(place) != paid_by,
                "the accepted payment isn't refunded automatically"
            );
            let is_expected = match paid_by {
                Some(paid_by) => place != paid_by,
                None => self.policy != ReviewRefund::Never,
            };
            assert!(!is_expected || kept[place] == 0, "{kept:?} is kept of {came:?}");
            assert!(is_expected || made.is_empty(), "unexpected refunds: {:?}", self.requested);
        }
        if let (Some(paid_by), 0) = (paid_by, requested) {
            assert_eq!(kept.iter().sum::<i64>(), PRICE, "captured minus refunded is the total");
            assert_eq!(came[paid_by], PRICE);
        }
        let is_left = paid_by.is_none() && kept != [0, 0];
        assert_eq!(self.history.order_state().status == OrderStatus::Review, is_left);
    }
}

fn shop_steps() -> impl Strategy<Value = Vec<ShopStep>> {
    let place = || 0..2_usize;
    let step = prop_oneof![
        4 => place().prop_map(|place| ShopStep::AtStripe(Act::Succeed(place))),
        1 => place().prop_map(|place| ShopStep::AtStripe(Act::Debit(place))),
        1 => place().prop_map(|place| ShopStep::AtStripe(Act::Decline(place))),
        1 => Just(ShopStep::AtStripe(Act::Cancel(0))),
        1 => Just(ShopStep::AtStripe(Act::ExpireSession(1))),
        1 => (place(), 1..4_i64).prop_map(|(place, part)| ShopStep::AtStripe(Act::Refund(place, PRICE / part, false))),
        1 => (0..3_usize).prop_map(|number| ShopStep::AtStripe(Act::RefundGoes(number))),
        1 => select(vec![CloseReason::Canceled, CloseReason::Expired]).prop_map(ShopStep::CloseRequest),
        8 => any::<u64>().prop_map(ShopStep::EventDelivered),
    ];
    proptest::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if exhaustive() { 100_000 } else { 3_000 }))]

    #[test]
    fn net_received_is_the_total_for_any_sequence(
        policy in select(vec![ReviewRefund::Never, ReviewRefund::Late, ReviewRefund::Always]),
        stock in select(vec![RestockOutcome::Taken, RestockOutcome::Short]),
        shop_steps in shop_steps(),
    ) {
        let mut shop = Shop::new(policy, stock);
        for step in shop_steps {
            shop.run_step(step);
        }
        shop.finish();
        let requested = shop.stripe.refunds.len() - shop.requested.iter().filter(|(.., is_refused)| !is_refused).count();
        shop.assert_right(requested);
    }
}
