//! Scenarios that are applied in every order. Each has an expected result, and the oracle checks every
//! intermediate state.

use proptest::prelude::*;
use proptest::sample::select;
use quittance_domain::checkout::SessionStatus;
use quittance_domain::dispute::DisputeStatus;
use quittance_domain::history::{CloseReason, Decision, History, RestockOutcome};
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::PaymentOutcome;
use quittance_domain::payment::{
    Attempt, Fact, ObservedState, OpenStatus, Provenance, ReviewReason, Success,
};
use quittance_domain::refund::RefundStatus;

use crate::fixtures::{
    PRICE, START, Step, apply_steps, attempt, declined, disputed_in_part, event, exhaustive, history, open,
    payment_id, payment_intent_id, refunded, refused, right_success, session_attempt, standing_after,
};
use crate::sequences::{End, Scenario, SequenceRun};

fn observed(second: i64, id: &str, seen: ObservedState) -> Step {
    Step::Event(0, event(second, id, seen))
}

fn created(second: i64) -> Step {
    observed(second, "created", open(OpenStatus::RequiresPaymentMethod))
}

fn succeeded(second: i64) -> Step {
    observed(second, "succeeded", ObservedState::Succeeded(right_success()))
}

fn canceled(second: i64) -> Step {
    observed(second, "canceled", ObservedState::Canceled)
}

fn paid(place: usize) -> End {
    let outcome = Some(PaymentOutcome::Succeeded(payment_id(place)));
    End::Same { status: OrderStatus::Paid, reason: None, amount_paid: PRICE, outcome }
}

fn unpaid(status: OrderStatus, outcome: Option<PaymentOutcome>) -> End {
    End::Same { status, reason: None, amount_paid: 0, outcome }
}

fn failed(charge: &str) -> PaymentOutcome {
    PaymentOutcome::Failed(payment_id(0), charge.to_owned())
}

fn scenario(name: &'static str, steps: Vec<Step>, end: End) -> Scenario {
    Scenario { name, history: history(1), stock: RestockOutcome::Short, steps, end }
}

fn action(second: i64) -> Step {
    observed(second, "action", open(OpenStatus::RequiresAction))
}

fn processing(second: i64) -> Step {
    observed(second, "processing", open(OpenStatus::Processing))
}

/// One attempt without a success.
fn unfinished_payments() -> Vec<Scenario> {
    let processing_outcome = Some(PaymentOutcome::Processing(payment_id(0)));
    vec![
        scenario("placed", vec![created(0)], unpaid(OrderStatus::Pending, None)),
        scenario(
            "3D Secure is required",
            vec![created(0), observed(3, "confirmed", open(OpenStatus::RequiresConfirmation)), action(4)],
            unpaid(OrderStatus::Pending, None),
        ),
        scenario(
            "in flight at a bank",
            vec![created(0), action(4), processing(9)],
            unpaid(OrderStatus::Processing, processing_outcome.clone()),
        ),
        scenario(
            "all in one second",
            vec![created(0), action(0), processing(0)],
            unpaid(OrderStatus::Processing, processing_outcome.clone()),
        ),
        scenario(
            "declined",
            vec![created(0), processing(5), observed(5, "declined", declined("ch_1"))],
            unpaid(OrderStatus::PaymentFailed, Some(failed("ch_1"))),
        ),
        scenario(
            "declined twice",
            vec![
                created(0),
                observed(5, "declined", declined("ch_1")),
                observed(8, "declined_2", declined("ch_2")),
            ],
            unpaid(OrderStatus::PaymentFailed, Some(failed("ch_2"))),
        ),
        scenario(
            "declined, and one more try",
            vec![
                created(0),
                processing(4),
                observed(5, "declined", declined("ch_1")),
                observed(8, "again", open(OpenStatus::Processing)),
            ],
            unpaid(OrderStatus::Processing, processing_outcome),
        ),
        scenario(
            "declined, and a new card requires 3D Secure",
            vec![created(0), observed(5, "declined", declined("ch_1")), action(8)],
            unpaid(OrderStatus::Pending, None),
        ),
    ]
}

/// One attempt with a success.
fn payments() -> Vec<Scenario> {
    let received = |second, id: &str, amount_received| {
        observed(second, id, ObservedState::Succeeded(Success { amount_received, ..right_success() }))
    };
    vec![
        scenario("paid at once", vec![created(0), succeeded(0)], paid(0)),
        scenario(
            "paid after all that can come before",
            vec![
                created(0),
                action(1),
                observed(2, "declined", declined("ch_1")),
                observed(2, "declined_2", declined("ch_2")),
                processing(3),
                succeeded(3),
                observed(9, "", open(OpenStatus::Processing)),
            ],
            paid(0),
        ),
        scenario(
            "the same success as two events, and read by ourselves",
            vec![created(0), succeeded(5), received(6, "succeeded_2", PRICE), received(7, "", PRICE)],
            paid(0),
        ),
        scenario(
            "a part is received first",
            vec![created(0), received(5, "part", PRICE / 2), succeeded(8)],
            paid(0),
        ),
        scenario(
            "more is received later",
            vec![created(0), succeeded(5), received(8, "more", PRICE * 2)],
            paid(0),
        ),
    ]
}

/// Manual captures.
fn manual_captures() -> Vec<Scenario> {
    let held = |second| observed(second, "held", open(OpenStatus::RequiresCapture));
    let authorized_outcome = Some(PaymentOutcome::RequiresCapture(payment_id(0)));
    vec![
        scenario(
            "held for capture",
            vec![
                created(0),
                observed(1, "declined", declined("ch_1")),
                observed(6, "processing", open(OpenStatus::Processing)),
                held(6),
            ],
            unpaid(OrderStatus::Authorized, authorized_outcome),
        ),
        scenario("captured", vec![created(0), held(6), succeeded(60)], paid(0)),
        scenario(
            "the hold is released",
            vec![created(0), held(6), Step::CloseRequest(CloseReason::Canceled), canceled(60)],
            unpaid(OrderStatus::Canceled, Some(PaymentOutcome::Canceled(payment_id(0)))),
        ),
    ]
}

/// Canceled orders.
fn cancellations() -> Vec<Scenario> {
    let canceled_outcome = || Some(PaymentOutcome::Canceled(payment_id(0)));
    let without_attempt = History::default();
    vec![
        Scenario {
            name: "canceled before any attempt",
            history: without_attempt,
            stock: RestockOutcome::Short,
            steps: vec![Step::CloseRequest(CloseReason::Canceled)],
            end: unpaid(OrderStatus::Canceled, Some(PaymentOutcome::Closed)),
        },
        Scenario {
            name: "canceled after an attempt that Stripe refused to make",
            history: History { attempts: vec![refused(0)], ..History::default() },
            stock: RestockOutcome::Short,
            steps: vec![Step::CloseRequest(CloseReason::Canceled)],
            end: unpaid(OrderStatus::Canceled, Some(PaymentOutcome::Closed)),
        },
        scenario(
            "a cancel that Stripe has not confirmed",
            vec![created(0), Step::CloseRequest(CloseReason::Canceled)],
            unpaid(OrderStatus::Pending, None),
        ),
        scenario(
            "canceled",
            vec![
                created(0),
                observed(2, "declined", declined("ch_1")),
                Step::CloseRequest(CloseReason::Canceled),
                canceled(5),
            ],
            unpaid(OrderStatus::Canceled, canceled_outcome()),
        ),
        scenario(
            "canceled while it was thought to be in flight",
            vec![
                observed(9, "processing", open(OpenStatus::Processing)),
                Step::CloseRequest(CloseReason::Canceled),
                canceled(5),
            ],
            unpaid(OrderStatus::Canceled, canceled_outcome()),
        ),
    ]
}

/// Expired orders.
fn expirations() -> Vec<Scenario> {
    let expire = Step::CloseRequest(CloseReason::Expired);
    let on_a_page = |steps: Vec<Step>, end| Scenario {
        name: "a page of Stripe's expire",
        history: History { attempts: vec![session_attempt(0)], ..History::default() },
        stock: RestockOutcome::Short,
        steps,
        end,
    };
    let canceled_outcome = || Some(PaymentOutcome::Canceled(payment_id(0)));
    vec![
        scenario(
            "expired",
            vec![created(0), observed(2, "declined", declined("ch_1")), expire.clone(), canceled(5)],
            unpaid(OrderStatus::Expired, canceled_outcome()),
        ),
        on_a_page(
            vec![expire.clone(), Step::Session(0, SessionStatus::Expired, None)],
            unpaid(OrderStatus::Expired, canceled_outcome()),
        ),
        Scenario {
            stock: RestockOutcome::Taken,
            ..scenario(
                "paid after it had expired, and there are goods",
                vec![created(0), expire.clone(), canceled(5), succeeded(5)],
                paid(0),
            )
        },
        scenario(
            "paid after or before expiry, without stock",
            vec![
                created(0),
                expire,
                canceled(5),
                succeeded(5),
                refunded(0, 1, PRICE, 9, RefundStatus::Succeeded),
            ],
            End::ByOrder,
        ),
    ]
}

/// A cancel that crosses a success, or a cancel at Stripe.
fn crossings() -> Vec<Scenario> {
    vec![
        scenario(
            "only the PaymentIntent was canceled: the order can still be paid",
            vec![created(0), observed(3, "action", open(OpenStatus::RequiresAction)), canceled(5)],
            unpaid(OrderStatus::Pending, Some(PaymentOutcome::Canceled(payment_id(0)))),
        ),
        scenario(
            "the cancel was late",
            vec![
                created(0),
                observed(3, "action", open(OpenStatus::RequiresAction)),
                Step::CloseRequest(CloseReason::Canceled),
                succeeded(5),
            ],
            paid(0),
        ),
        scenario(
            "canceled and succeeded, in either order",
            vec![
                created(0),
                observed(3, "declined", declined("ch_1")),
                Step::CloseRequest(CloseReason::Canceled),
                canceled(5),
                succeeded(5),
            ],
            End::ByOrder,
        ),
        scenario(
            "succeeded beats canceled without a requested cancel",
            vec![created(0), canceled(5), succeeded(5)],
            paid(0),
        ),
        scenario(
            "a mismatch takes precedence over other review reasons",
            vec![
                Step::CloseRequest(CloseReason::Canceled),
                canceled(5),
                observed(
                    6,
                    "wrong",
                    ObservedState::Succeeded(Success { amount: 1, amount_received: 1, ..right_success() }),
                ),
            ],
            End::Same {
                status: OrderStatus::Review,
                reason: Some(ReviewReason::WrongAmount),
                amount_paid: 0,
                outcome: Some(PaymentOutcome::Succeeded(payment_id(0))),
            },
        ),
    ]
}

/// An attempt is closed, and the customer pays with another one.
fn several_attempts() -> Vec<Scenario> {
    let first = |seen: ObservedState, second, id: &str| Step::Event(0, event(second, id, seen));
    let second = |seen: ObservedState, at, id: &str| Step::Event(1, event(at, id, seen));
    let two =
        |name, steps, end| Scenario { name, history: history(2), stock: RestockOutcome::Short, steps, end };
    let new = || open(OpenStatus::RequiresPaymentMethod);
    let success = || ObservedState::Succeeded(right_success());
    vec![
        two(
            "the second attempt pays",
            vec![
                first(new(), 0, "a"),
                first(declined("ch_1"), 2, "b"),
                first(ObservedState::Canceled, 4, "c"),
                second(new(), 4, "d"),
                second(open(OpenStatus::Processing), 6, "e"),
                second(success(), 8, "f"),
            ],
            paid(1),
        ),
        two(
            "the first attempt was declined, the second is new",
            vec![
                first(declined("ch_1"), 2, "b"),
                first(ObservedState::Canceled, 4, "c"),
                second(new(), 4, "d"),
            ],
            unpaid(OrderStatus::Pending, None),
        ),
        two(
            "one of two attempts is canceled: that ends nothing",
            vec![
                Step::CloseRequest(CloseReason::Canceled),
                first(ObservedState::Canceled, 4, "c"),
                second(open(OpenStatus::RequiresAction), 4, "d"),
            ],
            unpaid(OrderStatus::Pending, None),
        ),
        two(
            "both attempts are canceled",
            vec![
                Step::CloseRequest(CloseReason::Canceled),
                first(ObservedState::Canceled, 4, "c"),
                second(new(), 4, "d"),
                second(ObservedState::Canceled, 9, "e"),
            ],
            unpaid(OrderStatus::Canceled, Some(PaymentOutcome::Canceled(payment_id(1)))),
        ),
        two(
            "both attempts succeed: the first observed one pays",
            vec![first(success(), 2, "a"), second(new(), 3, "b"), second(success(), 4, "c")],
            End::ByOrder,
        ),
        two(
            "a wrong success and a right one",
            vec![
                first(
                    ObservedState::Succeeded(Success { currency: "usd".to_owned(), ..right_success() }),
                    2,
                    "a",
                ),
                second(new(), 3, "b"),
                second(success(), 4, "c"),
            ],
            paid(1),
        ),
    ]
}

/// Stripe refused to create an attempt.
fn refused_attempts() -> Vec<Scenario> {
    let first = |seen: ObservedState, second, id: &str| Step::Event(0, event(second, id, seen));
    let second = |seen: ObservedState, at, id: &str| Step::Event(1, event(at, id, seen));
    let new = || open(OpenStatus::RequiresPaymentMethod);
    let success = || ObservedState::Succeeded(right_success());
    vec![
        Scenario {
            name: "Stripe refused one attempt and the other pays",
            history: History { attempts: vec![attempt(0), refused(1)], ..History::default() },
            stock: RestockOutcome::Short,
            steps: vec![
                first(new(), 0, "a"),
                first(open(OpenStatus::Processing), 2, "b"),
                first(success(), 4, "c"),
            ],
            end: paid(0),
        },
        Scenario {
            name: "Stripe refused one attempt and canceled the other",
            history: History { attempts: vec![refused(0), attempt(1)], ..History::default() },
            stock: RestockOutcome::Short,
            steps: vec![
                Step::CloseRequest(CloseReason::Canceled),
                second(new(), 0, "a"),
                second(ObservedState::Canceled, 4, "c"),
            ],
            end: unpaid(OrderStatus::Canceled, Some(PaymentOutcome::Canceled(payment_id(1)))),
        },
    ]
}

fn run(scenarios: Vec<Scenario>) {
    for scenario in scenarios {
        scenario.run();
    }
}

#[test]
fn payment_has_same_result_in_any_order() {
    run(unfinished_payments());
    run(payments());
}

#[test]
fn manual_capture_has_same_result_in_any_order() {
    run(manual_captures());
}

#[test]
fn cancellation_has_same_result_in_any_order() {
    run(cancellations());
    run(crossings());
    run(expirations());
}

#[test]
fn success_after_expiry_pays_only_if_stock_suffices() {
    for (stock, status, reason) in [
        (RestockOutcome::Taken, OrderStatus::Paid, None),
        (RestockOutcome::Short, OrderStatus::Review, Some(ReviewReason::SucceededAfterExpiry)),
    ] {
        let mut order = history(1);
        for step in [created(0), Step::CloseRequest(CloseReason::Expired), canceled(5)] {
            apply_steps(&mut order, &[&step], stock);
        }
        assert!(!order.needs_restock(), "no payment succeeded");
        assert_eq!(order.order_state().status, OrderStatus::Expired);
        let decided = apply_steps(&mut order, &[&succeeded(6)], stock);
        assert_eq!(decided.first(), Some(&Decision::RestockAttempted(stock)), "goods come before acceptance");
        assert_eq!((order.order_state().status, order.order_state().review_reason), (status, reason));
    }
}

#[test]
fn several_attempts_have_same_result_in_any_order() {
    run(several_attempts());
    run(refused_attempts());
}

#[test]
fn success_after_cancel_needs_review() {
    let steps = [
        created(0),
        Step::CloseRequest(CloseReason::Canceled),
        canceled(5),
        succeeded(6),
        canceled(5),
        created(7),
    ];
    let order_state = standing_after(history(1), &steps);
    assert_eq!(order_state.status, OrderStatus::Review);
    assert_eq!(order_state.review_reason, Some(ReviewReason::SucceededAfterCancel));
    assert_eq!(order_state.amount_paid, 0);

    let never_closed = [created(0), succeeded(6), Step::CloseRequest(CloseReason::Canceled), canceled(5)];
    assert_eq!(standing_after(history(1), &never_closed).status, OrderStatus::Paid);
}

/// An event ID has one content, so the failure is a part of the ID here.
fn named(event: &str, seen: &ObservedState) -> String {
    match seen {
        ObservedState::Open { failure: Some(failure), .. } => format!("{event}{}", failure.id),
        _ => event.to_owned(),
    }
}

/// Valid and invalid facts with frequent collisions.
fn any_fact() -> impl Strategy<Value = Step> {
    let seen = prop_oneof![
        2 => Just(open(OpenStatus::RequiresPaymentMethod)),
        1 => Just(open(OpenStatus::RequiresConfirmation)),
        2 => Just(open(OpenStatus::RequiresAction)),
        1 => Just(open(OpenStatus::AwaitsTransfer)),
        3 => Just(open(OpenStatus::Processing)),
        2 => Just(open(OpenStatus::RequiresCapture)),
        4 => select(vec!["ch_1", "ch_2"]).prop_map(declined),
        3 => Just(ObservedState::Canceled),
        2 => Just(ObservedState::Succeeded(right_success())),
        1 => wrong_successes().prop_map(ObservedState::Succeeded),
    ];
    let fact = (0..3_i64, select(vec!["", "evt_1", "evt_2"]), seen).prop_map(|(second, event, seen)| Fact {
        provenance: Provenance { created: START + second, event: named(event, &seen) },
        state: seen,
    });
    (0..2_usize, fact).prop_map(|(place, fact)| Step::Event(place, fact))
}

fn wrong_successes() -> impl Strategy<Value = Success> {
    prop_oneof![
        Just(Success { amount_received: PRICE - 1, ..right_success() }),
        Just(Success { currency: "usd".to_owned(), ..right_success() }),
        Just(Success { application_fee: Some(1), ..right_success() }),
    ]
}

/// Any step for an order whose second attempt is a Checkout Session. Each attempt has its own refunds and
/// dispute.
fn any_step() -> impl Strategy<Value = Step> {
    let paid =
        prop_oneof![2 => Just(None), 1 => Just(Some(right_success())), 1 => wrong_successes().prop_map(Some)];
    let session = prop_oneof![
        Just(SessionStatus::Open),
        Just(SessionStatus::Expired),
        Just(SessionStatus::Failed),
        Just(SessionStatus::Complete),
    ];
    let refund = (0..2_usize, 0..2_usize, 0..3_i64, select(RefundStatus::ALL.to_vec())).prop_map(
        |(place, number, second, status)| {
            let cents = [PRICE, PRICE / 3][number];
            refunded(place, 2 * place + number, cents, second, status)
        },
    );
    let dispute =
        (0..2_usize, 0..3_i64, select(DisputeStatus::ALL.to_vec())).prop_map(|(place, second, status)| {
            disputed_in_part(place, place, [PRICE, PRICE / 3][place], second, status)
        });
    prop_oneof![
        2 => select(vec![CloseReason::Canceled, CloseReason::Expired]).prop_map(Step::CloseRequest),
        10 => any_fact(),
        2 => (session, paid).prop_map(|(status, paid)| Step::Session(1, status, paid)),
        3 => refund,
        1 => dispute,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if exhaustive() { 100_000 } else { 2_000 }))]

    #[test]
    fn order_state_matches_the_oracle_for_any_steps(
        stock in select(vec![RestockOutcome::Taken, RestockOutcome::Short]),
        (steps, batches) in proptest::collection::vec(any_step(), 1..12)
            .prop_flat_map(|steps| { let count = steps.len(); (Just(steps), proptest::collection::vec(1..4_usize, count)) })
    ) {
        let on_a_page = Attempt { payment_intent_id: Some(payment_intent_id(1)), ..session_attempt(1) };
        let history = History { attempts: vec![attempt(0), on_a_page], ..History::default() };
        let mut run = SequenceRun::new(&history, stock);
        let mut rest = steps.iter().collect::<Vec<_>>();
        for size in batches {
            let later = rest.split_off(size.min(rest.len()));
            run.take(&rest);
            rest = later;
        }
    }
}
