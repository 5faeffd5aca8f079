//! What goes back, by whose wish, and what has to go back although nobody asked: never twice, never more than came.

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

use crate::stage::{
    DisputeTold, PRICE, RefundTold, Sampler, Step, attempt, disputed, disputed_in_part, euros, event,
    exhaustive, happen, history, open, payment_id, provenance, refund, refund_id, refunded, right_success,
    session_attempt, settle, tell,
};
use crate::stripe::{Act, Stripe};

fn success(place: usize, success: Success) -> Step {
    Step::Told(place, event(5, "succeeded", ObservedState::Succeeded(success)))
}

fn right(place: usize) -> Step {
    success(place, right_success())
}

fn canceled(place: usize) -> Step {
    Step::Told(place, event(4, "canceled", ObservedState::Canceled))
}

/// A history of so many attempts, to which these things happened one by one.
fn after(attempts: usize, steps: &[Step]) -> History {
    let mut history = history(attempts);
    for step in steps {
        happen(&mut history, &[step], RestockOutcome::Short);
    }
    history
}

/// What is due: of which attempt, how much, and why.
fn due(history: &History, policy: ReviewRefund) -> Vec<(usize, i64, RefundCause)> {
    let place = |due: &DueRefund| (0..9).find(|place| payment_id(*place) == due.payment_id).unwrap();
    history.due_refunds(policy).iter().map(|due| (place(due), due.amount.minor(), due.cause)).collect()
}

fn surplus(history: &History) -> Vec<(usize, i64, RefundCause)> {
    due(history, ReviewRefund::Never)
}

#[test]
fn of_two_successes_the_second_goes_back_once() {
    let mut history = after(2, &[right(0)]);
    assert_eq!(surplus(&history), [], "nothing came too much");
    happen(&mut history, &[&right(1)], RestockOutcome::Short);
    assert_eq!(surplus(&history), [(1, PRICE, RefundCause::Surplus)]);
    history.refunds.push(refund(1, 1, PRICE, RefundCause::Surplus));
    assert_eq!(surplus(&history), [], "it is asked for");
    for status in [RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed] {
        let provenance = provenance(9, status.as_str());
        let told = RefundTold { number: 1, is_named: true, cents: PRICE, reason: None, provenance, status };
        happen(&mut history, &[&Step::Refund(1, told)], RestockOutcome::Short);
        assert_eq!(history.refunds.len(), 1, "it is the one that was asked for");
        assert_eq!(surplus(&history), [], "and never again, also if it fails");
        let order_state = history.order_state();
        assert_eq!(
            (order_state.status, order_state.amount_refunded),
            (OrderStatus::Paid, 0),
            "the order stays paid"
        );
    }
}

#[test]
fn what_comes_too_much_goes_back_also_if_it_does_not_fit() {
    let half = Success { amount_received: PRICE / 2, ..right_success() };
    assert_eq!(surplus(&after(2, &[success(0, half), right(1)])), [(0, PRICE / 2, RefundCause::Surplus)]);
    let nothing = Success { amount_received: 0, ..right_success() };
    assert_eq!(surplus(&after(2, &[right(0), success(1, nothing)])), [], "nothing came");
    let abandoned = Attempt { abandoned: true, ..attempt(0) };
    let mut both = History { attempts: vec![abandoned, attempt(1)], ..History::default() };
    happen(&mut both, &[&right(0)], RestockOutcome::Short);
    assert_eq!(both.order_state().status, OrderStatus::Paid, "an abandoned attempt can still pay");
    happen(&mut both, &[&right(1)], RestockOutcome::Short);
    assert_eq!(surplus(&both), [(1, PRICE, RefundCause::Surplus)]);
}

#[test]
fn only_what_nobody_gives_back_otherwise_is_due() {
    let in_part = [right(0), right(1), refunded(1, 3, 1_000, 6, RefundStatus::Pending)];
    assert_eq!(surplus(&after(2, &in_part)), [(1, PRICE - 1_000, RefundCause::Surplus)]);
    let all = [right(0), right(1), refunded(1, 3, PRICE, 6, RefundStatus::Pending)];
    assert_eq!(surplus(&after(2, &all)), []);

    let mut refused = after(2, &[right(0), right(1)]);
    refused.refunds.push(refund(9, 1, PRICE, RefundCause::Surplus));
    refused.refunds[0].refused = Some("charge_already_refunded".to_owned());
    assert_eq!(surplus(&refused), [], "what Stripe refused is not asked for in the same words");
    happen(&mut refused, &[&refunded(1, 3, 1_000, 6, RefundStatus::Pending)], RestockOutcome::Short);
    assert_eq!(surplus(&refused), [(1, PRICE - 1_000, RefundCause::Surplus)], "less was left than we knew");
}

#[test]
fn what_is_disputed_is_the_banks_to_give_back() {
    let mut history = after(2, &[right(0), right(1), disputed(1, 1, 6, DisputeStatus::NeedsResponse)]);
    assert_eq!(surplus(&history), []);
    assert_eq!(
        history.order_state().status,
        OrderStatus::Paid,
        "a dispute of what came too much is none of the order"
    );
    let mut lost = history.clone();
    happen(&mut lost, &[&disputed(1, 1, 7, DisputeStatus::Lost)], RestockOutcome::Short);
    assert_eq!(surplus(&lost), [], "it went back by the dispute");
    happen(&mut history, &[&disputed(1, 1, 7, DisputeStatus::Won)], RestockOutcome::Short);
    assert_eq!(surplus(&history), [(1, PRICE, RefundCause::Surplus)]);
}

/// What a success can have wrong, how the order had ended before, and which policies give it back.
#[test]
fn money_under_review_goes_back_as_the_policy_says() {
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
    for (closure, got, reason, policies) in cases {
        let end = closure.map(|closure| [Step::Asked(closure), canceled(0)]);
        let steps = end.into_iter().flatten().chain([success(0, got.clone())]).collect::<Vec<_>>();
        let mut history = after(1, &steps);
        assert_eq!(history.order_state().review_reason, Some(reason));
        for policy in [Never, Late, Always] {
            let expected =
                policies.contains(&policy).then_some((0, got.amount_received, RefundCause::Review));
            assert_eq!(due(&history, policy), Vec::from_iter(expected), "{reason:?}, {policy:?}");
        }
        let currency = history.due_refunds(Always)[0].amount.currency();
        assert_eq!(currency.code(), got.currency, "it goes back in the currency in which it came");
        assert_eq!(history.refundable_attempt().map(|it| &it.id), Some(&payment_id(0)));

        history.refunds.push(refund(1, 0, got.amount_received, RefundCause::Review));
        assert_eq!(due(&history, Always), [], "it is asked for");
        assert_eq!(history.order_state().status, OrderStatus::Review, "as long as the money is here");
        let provenance = provenance(9, "gone");
        let cents = got.amount_received;
        // The scenes' refunds are all in euros; what they are of is what counts.
        let gone = |status| RefundTold {
            number: 1,
            is_named: true,
            cents,
            reason: None,
            provenance: provenance.clone(),
            status,
        };
        happen(&mut history, &[&Step::Refund(0, gone(RefundStatus::Succeeded))], RestockOutcome::Short);
        let expected = match closure {
            None => OrderStatus::Pending,
            Some(CloseReason::Canceled) => OrderStatus::Canceled,
            Some(CloseReason::Expired) => OrderStatus::Expired,
        };
        assert_eq!(history.order_state().status, expected, "nothing is left to look at");
        assert_eq!(history.refundable_attempt(), None);
        happen(&mut history, &[&Step::Refund(0, gone(RefundStatus::Failed))], RestockOutcome::Short);
        assert_eq!(history.order_state().status, OrderStatus::Review, "the money is here again");
        assert_eq!(due(&history, Always), [], "now a person has to look");
    }
}

#[test]
fn all_that_is_under_review_goes_back_not_only_the_first() {
    let end = [Step::Asked(CloseReason::Canceled), canceled(0), canceled(1), canceled(2)];
    let wrong = Success { amount_received: 1, ..right_success() };
    let mut history = after(3, &[&end[..], &[success(0, wrong), right(1), right(2)]].concat());
    assert_eq!(history.order_state().review_reason, Some(ReviewReason::SucceededAfterCancel));
    assert_eq!(history.refundable_attempt().map(|it| &it.id), Some(&payment_id(1)), "what fits says more");
    let late = [(1, PRICE, RefundCause::Review), (2, PRICE, RefundCause::Review)];
    assert_eq!(due(&history, ReviewRefund::Late), late);
    assert_eq!(due(&history, ReviewRefund::Always), [&[(0, 1, RefundCause::Review)], &late[..]].concat());
    for place in [1, 2] {
        let told = refunded(place, place, PRICE, 9, RefundStatus::Succeeded);
        happen(&mut history, &[&told], RestockOutcome::Short);
    }
    assert_eq!(
        history.order_state().review_reason,
        Some(ReviewReason::WrongAmount),
        "that is left to look at"
    );
}

#[test]
fn nothing_is_due_before_it_is_decided() {
    let mut late = after(1, &[Step::Asked(CloseReason::Expired), canceled(0)]);
    tell(&mut late, &right(0)).unwrap();
    assert!(late.needs_restock());
    assert_eq!(due(&late, ReviewRefund::Always), [], "there may be goods for it");
    assert_eq!(settle(&mut late, RestockOutcome::Taken).len(), 2);
    assert_eq!((late.order_state().status, due(&late, ReviewRefund::Always)), (OrderStatus::Paid, vec![]));

    let mut unsettled = history(1);
    tell(&mut unsettled, &right(0)).unwrap();
    assert_eq!(due(&unsettled, ReviewRefund::Always), [], "it is about to be accepted");
}

#[test]
fn an_order_ends_unpaid_only_when_the_money_is_gone() {
    let wrong = Success { amount_received: 1, ..right_success() };
    let mut history = after(1, &[Step::Asked(CloseReason::Canceled), success(0, wrong)]);
    assert_eq!((history.order_state().status, history.decisions.closed), (OrderStatus::Review, None));
    let before = history.order_state();
    happen(&mut history, &[&refunded(0, 1, 1, 6, RefundStatus::Succeeded)], RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Canceled);
    let told = history.order_state().events_since(&before).into_iter().map(|told| told.kind);
    let expected = [OrderEventKind::Canceled, OrderEventKind::RefundSucceeded];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

/// What the bank took is gone as if it had been refunded, and comes back if the dispute is won on appeal.
#[test]
fn money_under_review_that_a_lost_dispute_took_needs_no_review() {
    let lost = |cents| disputed_in_part(0, 1, cents, 7, DisputeStatus::Lost);
    let to_cents = |history: &History| history.refundable(&payment_id(0)).map(Money::minor);
    let end = [Step::Asked(CloseReason::Canceled), canceled(0), right(0)];
    let mut history = after(1, &end);
    happen(&mut history, &[&disputed(0, 1, 6, DisputeStatus::NeedsResponse)], RestockOutcome::Short);
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Review, Some(PRICE)));
    happen(&mut history, &[&lost(PRICE)], RestockOutcome::Short);
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Canceled, Some(0)));
    happen(&mut history, &[&disputed(0, 1, 8, DisputeStatus::Won)], RestockOutcome::Short);
    assert_eq!(history.order_state().review_reason, Some(ReviewReason::SucceededAfterCancel));
    assert_eq!(to_cents(&history), Some(PRICE), "it has come back");

    // A part is left to look at, and to give back.
    let mut history = after(1, &[&end[..], &[lost(PRICE - 1)]].concat());
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Review, Some(1)));
    happen(&mut history, &[&refunded(0, 1, 1, 8, RefundStatus::Succeeded)], RestockOutcome::Short);
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Canceled, Some(0)));
    // More went back than came.
    happen(&mut history, &[&refunded(0, 2, PRICE, 8, RefundStatus::Succeeded)], RestockOutcome::Short);
    assert_eq!((history.order_state().status, to_cents(&history)), (OrderStatus::Canceled, Some(0)));

    // An order that is to end waits for that, too.
    let wrong = Success { amount_received: 1, ..right_success() };
    let history = after(1, &[Step::Asked(CloseReason::Canceled), success(0, wrong), lost(1)]);
    assert_eq!(
        (history.order_state().status, history.decisions.closed),
        (OrderStatus::Canceled, Some(CloseReason::Canceled))
    );

    let provenance = provenance(7, "lost");
    let told =
        DisputeTold { number: 1, cents: PRICE, currency: "usd", provenance, status: DisputeStatus::Lost };
    let history = after(1, &[&end[..], &[Step::Dispute(0, told)]].concat());
    assert_eq!(
        history.order_state().status,
        OrderStatus::Review,
        "of another currency, a person has to count"
    );
    assert_eq!(to_cents(&history), Some(PRICE));
}

#[test]
fn refunds_that_are_heard_of_before_the_success_count_when_it_comes() {
    let mut history = after(1, &[refunded(0, 1, 1_000, 6, RefundStatus::Succeeded)]);
    assert_eq!(history.order_state().status, OrderStatus::Pending);
    assert_eq!((history.refundable(&payment_id(0)), history.refundable_attempt()), (None, None));
    happen(&mut history, &[&right(0)], RestockOutcome::Short);
    let order_state = history.order_state();
    assert_eq!((order_state.status, order_state.amount_refunded), (OrderStatus::PartiallyRefunded, 1_000));
    assert_eq!(history.refundable(&payment_id(0)), Some(euros(PRICE - 1_000)));
    let too_much = refunded(0, 2, PRICE, 6, RefundStatus::Succeeded);
    happen(&mut history, &[&too_much], RestockOutcome::Short);
    assert_eq!(history.refundable(&payment_id(0)), Some(euros(0)), "never below nothing");
    assert_eq!(history.order_state().amount_refunded, PRICE, "never more than was paid");
}

#[test]
fn refunds_of_other_attempts_are_not_the_orders() {
    let steps = [right(0), right(1), refunded(1, 1, PRICE, 6, RefundStatus::Succeeded)];
    let order_state = after(2, &steps).order_state();
    assert_eq!((order_state.status, order_state.amount_refunded), (OrderStatus::Paid, 0));
    assert_eq!(order_state.refunds[&refund_id(1)], RefundStatus::Succeeded, "and yet it is told");
}

#[test]
fn a_refund_of_ours_is_known_by_its_metadata_only_if_the_amount_fits() {
    let mut history = after(1, &[right(0)]);
    history.refunds.push(refund(7, 0, 1_000, RefundCause::Requested));
    let told = |number, cents| {
        let provenance = provenance(6, "refund");
        let status = RefundStatus::Succeeded;
        RefundTold { number, is_named: true, cents, reason: None, provenance, status }
    };
    let mut other = history.clone();
    happen(&mut other, &[&Step::Refund(0, told(7, 999))], RestockOutcome::Short);
    assert_eq!(other.refunds.len(), 2, "it is another one, whatever it says");
    assert!(other.refunds[0].is_unsent());
    happen(&mut history, &[&Step::Refund(0, told(7, 1_000))], RestockOutcome::Short);
    assert_eq!((history.refunds.len(), history.refunds[0].is_unsent()), (1, false));
    assert_eq!(history.order_state().amount_refunded, 1_000);
}

#[test]
fn what_is_known_of_one_payment_is_not_changed_by_what_is_said_of_another() {
    let steps = [
        right(0),
        right(1),
        refunded(0, 1, 1_000, 6, RefundStatus::Pending),
        disputed(0, 1, 6, DisputeStatus::NeedsResponse),
    ];
    let mut history = after(2, &steps);
    let known = history.clone();
    for stranger in [refunded(1, 1, 1_000, 9, RefundStatus::Failed), disputed(1, 1, 9, DisputeStatus::Won)] {
        assert_eq!(tell(&mut history, &stranger), Err(Mismatch::OtherPaymentIntent), "{stranger:?}");
    }
    assert_eq!(history, known);
    history.attempts[1].payment_intent_id = None;
    let unknown = refunded(1, 2, 1_000, 9, RefundStatus::Succeeded);
    assert_eq!(
        tell(&mut history, &unknown),
        Err(Mismatch::OtherPaymentIntent),
        "it is not known whose it is"
    );
}

#[test]
fn a_refund_that_stripe_made_after_all_is_not_refused() {
    let mut history = after(1, &[right(0)]);
    history.refunds.push(refund(1, 0, PRICE, RefundCause::Requested));
    history.refunds[0].refused = Some("timeout".to_owned());
    assert_eq!(history.order_state().refunds[&refund_id(1)], RefundStatus::Failed);
    assert_eq!(history.refundable(&payment_id(0)), Some(euros(PRICE)));
    let status = RefundStatus::Succeeded;
    let provenance = provenance(6, "refund");
    let told = RefundTold { number: 1, is_named: true, cents: PRICE, reason: None, provenance, status };
    happen(&mut history, &[&Step::Refund(0, told)], RestockOutcome::Short);
    assert_eq!(history.order_state().status, OrderStatus::Refunded);
    assert_eq!(history.refundable(&payment_id(0)), Some(euros(0)));
}

#[test]
fn what_a_hold_released_is_no_refund() {
    let capture = Some(1_000);
    let mut history = History { attempts: vec![Attempt { capture, ..attempt(0) }], ..History::default() };
    let before = history.order_state();
    let status = RefundStatus::Succeeded;
    let reason = Some("expired_uncaptured_charge");
    let cents = PRICE - 1_000;
    let told =
        RefundTold { number: 1, is_named: false, cents, reason, provenance: provenance(6, "r"), status };
    let taken = Success { amount_received: 1_000, ..right_success() };
    happen(&mut history, &[&success(0, taken), &Step::Refund(0, told)], RestockOutcome::Short);
    let order_state = history.order_state();
    assert_eq!((order_state.status, order_state.amount_paid), (OrderStatus::Paid, 1_000));
    assert_eq!((order_state.amount_refunded, history.refundable(&payment_id(0))), (0, Some(euros(1_000))));
    let told = order_state.events_since(&before).into_iter().map(|told| told.kind);
    assert_eq!(told.collect::<Vec<_>>(), [OrderEventKind::Paid]);
}

#[test]
fn what_is_taken_of_a_hold_is_what_was_recorded() {
    let held = Step::Told(0, event(1, "held", open(OpenStatus::RequiresCapture)));
    for (capture, received, status) in [
        (None, PRICE, OrderStatus::Paid),
        (None, PRICE / 2, OrderStatus::Review),
        (Some(PRICE / 2), PRICE / 2, OrderStatus::Paid),
        (Some(PRICE / 2), PRICE, OrderStatus::Review),
        (Some(PRICE / 2), PRICE / 2 - 1, OrderStatus::Review),
        (Some(PRICE), PRICE, OrderStatus::Paid),
    ] {
        let recorded = Attempt { capture, ..attempt(0) };
        let mut history = History { attempts: vec![recorded], ..History::default() };
        let got = success(0, Success { amount_received: received, ..right_success() });
        happen(&mut history, &[&held, &got], RestockOutcome::Short);
        let order_state = history.order_state();
        assert_eq!(order_state.status, status, "{capture:?} was to be taken, {received} was");
        let paid = if status == OrderStatus::Paid { received } else { 0 };
        assert_eq!(order_state.amount_paid, paid);
        if status == OrderStatus::Paid {
            history.attempts[0].capture = None;
            assert_eq!(history.order_state(), order_state, "what was accepted stays accepted");
        }
    }
}

/// An order with an attempt on each rail, the service that asks for what is due, and Stripe, that carries it out.
struct Shop {
    stripe: Stripe,
    history: History,
    policy: ReviewRefund,
    stock: RestockOutcome,
    unheard: Vec<Step>,
    /// Of which attempt, and how much; and whether Stripe refused it.
    asked: Vec<(usize, i64, bool)>,
}

/// What happens to the shop.
#[derive(Debug, Clone, Copy)]
enum Happening {
    AtStripe(Act),
    /// Something that Stripe told is heard: drawn by this lot from what was not heard yet. Half of it is heard again.
    Heard(u64),
    Asked(CloseReason),
}

impl Shop {
    fn of(policy: ReviewRefund, stock: RestockOutcome) -> Self {
        let page =
            Attempt { payment_intent_id: Some(crate::stage::payment_intent_id(1)), ..session_attempt(1) };
        Self {
            stripe: Stripe::of(&[PaymentFlow::PaymentIntent, PaymentFlow::CheckoutSession]),
            history: History { attempts: vec![attempt(0), page], ..History::default() },
            policy,
            stock,
            unheard: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::AtStripe(act) => {
                self.stripe.act(act);
            }
            Happening::Asked(closure) => self.history.closing = Some(closure),
            Happening::Heard(lot) => {
                self.unheard.append(&mut self.stripe.told);
                let mut lot = Sampler(lot);
                if !self.unheard.is_empty() {
                    let place = lot.below(self.unheard.len());
                    let step = if lot.below(2) == 0 {
                        self.unheard[place].clone()
                    } else {
                        self.unheard.swap_remove(place)
                    };
                    tell(&mut self.history, &step).unwrap();
                }
            }
        }
        settle(&mut self.history, self.stock);
        self.ask_for_what_is_due();
    }

    fn ask_for_what_is_due(&mut self) {
        for (place, cents, cause) in due(&self.history, self.policy) {
            let number = self.stripe.refunds.len();
            let mut row = refund(number, place, cents, cause);
            let exists_at_stripe = self.stripe.act(Act::Refund(place, cents, true));
            if !exists_at_stripe {
                row.id = refund_id(900 + self.asked.len());
                row.refused = Some("charge_already_refunded".to_owned());
            }
            self.history.refunds.push(row);
            self.asked.push((place, cents, !exists_at_stripe));
            assert!(self.asked.len() < 50, "there is no end to it: {:?}", self.asked);
        }
    }

    /// Lets all refunds go, and hears all there is to hear.
    fn come_to_rest(&mut self) {
        loop {
            for number in 0..self.stripe.refunds.len() {
                self.stripe.act(Act::RefundGoes(number));
            }
            self.unheard.append(&mut self.stripe.told);
            let Some(step) = self.unheard.pop() else { return };
            tell(&mut self.history, &step).unwrap();
            settle(&mut self.history, self.stock);
            self.ask_for_what_is_due();
        }
    }

    fn assert_right(&self, by_hand: usize) {
        let came: Vec<i64> = self.stripe.payments.iter().map(|payment| payment.received).collect();
        let kept: Vec<i64> = (0..2).map(|place| came[place] - self.stripe.returned(place)).collect();
        let paid_by = (0..2).find(|place| self.history.decisions.accepted == Some(payment_id(*place)));
        for place in 0..2 {
            let asked = self.asked.iter().filter(|asked| asked.0 == place);
            let made: Vec<_> = asked.clone().filter(|(.., is_refused)| !is_refused).collect();
            assert!(made.len() <= 1, "asked for twice: {:?}", self.asked);
            assert!(asked.count() <= 1 + by_hand, "only what somebody else gave back can be refused");
            assert!(made.is_empty() || Some(place) != paid_by, "what was paid goes back by nobody's wish");
            let goes_back = match paid_by {
                Some(paid_by) => place != paid_by,
                None => self.policy != ReviewRefund::Never,
            };
            assert!(!goes_back || kept[place] == 0, "{kept:?} is kept of {came:?}");
            assert!(goes_back || made.is_empty(), "nobody asked for {:?}", self.asked);
        }
        if let (Some(paid_by), 0) = (paid_by, by_hand) {
            assert_eq!(kept.iter().sum::<i64>(), PRICE, "captured minus refunded is the total");
            assert_eq!(came[paid_by], PRICE);
        }
        let is_left = paid_by.is_none() && kept != [0, 0];
        assert_eq!(self.history.order_state().status == OrderStatus::Review, is_left);
    }
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let place = || 0..2_usize;
    let happening = prop_oneof![
        4 => place().prop_map(|place| Happening::AtStripe(Act::Succeed(place))),
        1 => place().prop_map(|place| Happening::AtStripe(Act::Debit(place))),
        1 => place().prop_map(|place| Happening::AtStripe(Act::Decline(place))),
        1 => Just(Happening::AtStripe(Act::Cancel(0))),
        1 => Just(Happening::AtStripe(Act::ExpireSession(1))),
        1 => (place(), 1..4_i64).prop_map(|(place, part)| Happening::AtStripe(Act::Refund(place, PRICE / part, false))),
        1 => (0..3_usize).prop_map(|number| Happening::AtStripe(Act::RefundGoes(number))),
        1 => select(vec![CloseReason::Canceled, CloseReason::Expired]).prop_map(Happening::Asked),
        8 => any::<u64>().prop_map(Happening::Heard),
    ];
    proptest::collection::vec(happening, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if exhaustive() { 100_000 } else { 3_000 }))]

    #[test]
    fn captured_minus_refunded_is_the_total_however_money_comes(
        policy in select(vec![ReviewRefund::Never, ReviewRefund::Late, ReviewRefund::Always]),
        stock in select(vec![RestockOutcome::Taken, RestockOutcome::Short]),
        happenings in happenings(),
    ) {
        let mut shop = Shop::of(policy, stock);
        for happening in happenings {
            shop.happen(happening);
        }
        shop.come_to_rest();
        let by_hand = shop.stripe.refunds.len() - shop.asked.iter().filter(|(.., is_refused)| !is_refused).count();
        shop.assert_right(by_hand);
    }
}
