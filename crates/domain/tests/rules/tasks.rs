//! Compares an attempt's next task with a decision table, for every combination of flow, facts and flags.

use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::history::{
    CloseReason, Decisions, DetailsVersions, History, Limits, ReviewRefund, Task,
};
use quittance_domain::payment::{Attempt, ObservedState, OpenStatus};

use crate::fixtures::{
    PRICE, Step, apply_step, attempt, declined, event, open, payment_id, payment_intent_id, right_success,
    session_attempt,
};

const LIMITS: Limits = Limits { max_declines: 1, max_open_orders: 1, review_refund: ReviewRefund::Never };

/// The state of the PaymentIntent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Untold,
    Declined,
    WithCustomer,
    Awaited,
    InFlightAttempt,
    Held,
    Succeeded,
    Canceled,
}

/// The reason why the order is closed, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndState {
    No,
    PaidByAnother,
    Unpaid,
}

/// All inputs of the decision.
#[expect(clippy::struct_excessive_bools, reason = "every combination of flags is tried")]
#[derive(Debug, Clone, Copy)]
struct Case {
    flow: PaymentFlow,
    intent: Intent,
    session: Option<SessionStatus>,
    /// Whether the object's ID at Stripe is known.
    exists_at_stripe: bool,
    is_refused: bool,
    is_capture_recorded: bool,
    is_abandoned: bool,
    is_closing: bool,
    is_latest: bool,
    ended: EndState,
    are_details_new: bool,
}

type Holds = fn(&Case) -> bool;

fn is_page(case: &Case) -> bool {
    case.flow == PaymentFlow::CheckoutSession
}

fn is_session(case: &Case, status: SessionStatus) -> bool {
    case.session == Some(status)
}

/// The decision table. The first matching row counts.
const TASKS: [(&str, Holds, Option<Task>); 17] = [
    ("Stripe would not make it", |case| case.is_refused, None),
    ("it is paid", |case| case.intent == Intent::Succeeded, None),
    ("it is closed", |case| !is_page(case) && case.intent == Intent::Canceled, None),
    ("the page has expired", |case| is_page(case) && is_session(case, SessionStatus::Expired), None),
    (
        "the money of the page failed to come",
        |case| is_page(case) && is_session(case, SessionStatus::Failed),
        None,
    ),
    (
        "the authorization of a complete Session was released",
        |case| is_page(case) && case.intent == Intent::Canceled && is_session(case, SessionStatus::Complete),
        None,
    ),
    ("its id is not known", |case| !case.exists_at_stripe, Some(Task::Create)),
    (
        "it is to be taken",
        |case| case.intent == Intent::Held && case.is_capture_recorded && case.ended == EndState::No,
        Some(Task::Capture),
    ),
    (
        "the page is complete, and its money unknown: Stripe would not close it",
        |case| {
            let is_unknown = matches!(case.intent, Intent::Untold | Intent::Declined | Intent::WithCustomer);
            is_page(case) && is_session(case, SessionStatus::Complete) && is_unknown
        },
        Some(Task::Refresh),
    ),
    ("the order has ended", |case| case.ended != EndState::No, Some(Task::Close)),
    ("the order is to end", |case| case.is_closing, Some(Task::Close)),
    ("the customer pays otherwise", |case| case.is_abandoned, Some(Task::Close)),
    ("there is a later one", |case| !case.is_latest, Some(Task::Close)),
    ("too many tries have failed", |case| case.intent == Intent::Declined, Some(Task::Close)),
    ("a Session gets no updates", is_page, None),
    ("Stripe has older details", |case| case.are_details_new, Some(Task::UpdateDetails)),
    ("no task", |_| true, None),
];

fn history_of(case: &Case) -> History {
    let plain = match case.flow {
        PaymentFlow::PaymentIntent => attempt(0),
        PaymentFlow::CheckoutSession => session_attempt(0),
    };
    let on_stripe = Attempt { payment_intent_id: Some(payment_intent_id(0)), ..plain };
    let mut attempts = vec![on_stripe];
    if !case.is_latest {
        attempts.push(attempt(1));
    }
    let mut history = History { attempts, ..History::default() };
    let seen = match case.intent {
        Intent::Untold => None,
        Intent::Declined => Some(declined("ch_1")),
        Intent::WithCustomer => Some(open(OpenStatus::RequiresAction)),
        Intent::Awaited => Some(open(OpenStatus::AwaitsTransfer)),
        Intent::InFlightAttempt => Some(open(OpenStatus::Processing)),
        Intent::Held => Some(open(OpenStatus::RequiresCapture)),
        Intent::Succeeded => Some(ObservedState::Succeeded(right_success())),
        Intent::Canceled => Some(ObservedState::Canceled),
    };
    let observed = seen.map(|seen| Step::Event(0, event(1, "seen", seen)));
    let session = case.session.map(|status| Step::Session(0, status, None));
    for step in observed.iter().chain(&session) {
        apply_step(&mut history, step).unwrap();
    }
    let known = &mut history.attempts[0];
    if !case.exists_at_stripe {
        known.checkout_session_id = None;
        if case.flow == PaymentFlow::PaymentIntent {
            known.payment_intent_id = None;
        }
    }
    known.refused = case.is_refused.then(|| "amount_too_small".to_owned());
    known.capture = case.is_capture_recorded.then_some(PRICE);
    known.abandoned = case.is_abandoned;
    history.closing = case.is_closing.then_some(CloseReason::Canceled);
    history.decisions = match case.ended {
        EndState::No => Decisions::default(),
        EndState::PaidByAnother => Decisions { accepted: Some(payment_id(9)), ..Decisions::default() },
        EndState::Unpaid => Decisions { closed: Some(CloseReason::Expired), ..Decisions::default() },
    };
    history
}

fn cases() -> Vec<Case> {
    const INTENTS: [Intent; 8] = [
        Intent::Untold,
        Intent::Declined,
        Intent::WithCustomer,
        Intent::Awaited,
        Intent::InFlightAttempt,
        Intent::Held,
        Intent::Succeeded,
        Intent::Canceled,
    ];
    let page: Vec<_> =
        [SessionStatus::Open, SessionStatus::Expired, SessionStatus::Complete, SessionStatus::Failed]
            .into_iter()
            .map(|status| (PaymentFlow::CheckoutSession, Some(status)))
            .collect();
    let flows =
        [&[(PaymentFlow::PaymentIntent, None), (PaymentFlow::CheckoutSession, None)][..], &page].concat();
    let mut cases = Vec::new();
    for (flow, session) in flows {
        for intent in INTENTS {
            for ended in [EndState::No, EndState::PaidByAnother, EndState::Unpaid] {
                for flags in 0..128_u8 {
                    let is = |flag: u8| flags & (1 << flag) != 0;
                    cases.push(Case {
                        flow,
                        intent,
                        session,
                        exists_at_stripe: is(0),
                        is_refused: is(1),
                        is_capture_recorded: is(2),
                        is_abandoned: is(3),
                        is_closing: is(4),
                        is_latest: is(5),
                        ended,
                        are_details_new: is(6),
                    });
                }
            }
        }
    }
    cases
}

#[test]
fn task_matches_the_decision_table() {
    let mut used = [0; TASKS.len()];
    for case in cases() {
        let row = TASKS.iter().position(|(_, holds, _)| holds(&case)).expect("the last row");
        used[row] += 1;
        let (why, _, expected) = TASKS[row];
        // An observation proves that the object was created.
        let was_told = case.intent != Intent::Untold || case.session.is_some();
        if case.is_refused && was_told {
            continue;
        }
        let history = history_of(&case);
        let details = DetailsVersions { current: 2, sent: if case.are_details_new { 1 } else { 2 } };
        let task = history.task(&history.attempts[0], details, &LIMITS);
        assert_eq!(task, expected, "{why}: {case:?}");
    }
    for ((why, ..), times) in TASKS.iter().zip(used) {
        assert!(times > 0, "no case for: {why}");
    }
}
