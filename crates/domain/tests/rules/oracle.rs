//! An oracle for an order's state. It evaluates tables from the documentation over all observations, without
//! merging.

use std::collections::BTreeMap;

use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::dispute::{DisputeOutcome, DisputeStatus};
use quittance_domain::history::{CloseReason, RestockOutcome};
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::PaymentOutcome;
use quittance_domain::payment::{Attempt, Fact, ObservedState, OpenStatus, ReviewReason, Success};
use quittance_domain::refund::RefundStatus;

use crate::fixtures::{Step, payment_id};

type Wrong = fn(&Attempt, &Success) -> bool;
pub(crate) type Holds = fn(&OrderSummary) -> bool;

/// The mismatches of a success.
const WRONGS: [(ReviewReason, Wrong); 3] = [
    (ReviewReason::WrongCurrency, |asked, received| {
        asked.expected.amount.currency().to_string() != received.currency
    }),
    (ReviewReason::WrongAmount, |asked, received| {
        let price = asked.expected.amount.minor();
        [received.amount, received.amount_received] != [price, asked.capture.unwrap_or(price)]
    }),
    (ReviewReason::WrongFee, |asked, received| asked.expected.application_fee != received.application_fee),
];

/// Open states of one second in ascending precedence. The flag tells whether a failure came with it.
const RANKS: [(OpenStatus, bool); 7] = [
    (OpenStatus::RequiresPaymentMethod, false),
    (OpenStatus::RequiresConfirmation, false),
    (OpenStatus::RequiresAction, false),
    (OpenStatus::AwaitsTransfer, false),
    (OpenStatus::Processing, false),
    (OpenStatus::RequiresPaymentMethod, true),
    (OpenStatus::RequiresCapture, false),
];

/// Statuses of a Checkout Session in ascending precedence.
const SESSIONS: [SessionStatus; 4] =
    [SessionStatus::Open, SessionStatus::Expired, SessionStatus::Complete, SessionStatus::Failed];

/// Statuses of a dispute. The later stage counts, then the later second, then the later entry of this list.
const DISPUTES: [(u8, DisputeStatus, DisputeOutcome); 8] = [
    (1, DisputeStatus::WarningNeedsResponse, DisputeOutcome::Open),
    (1, DisputeStatus::WarningUnderReview, DisputeOutcome::Open),
    (2, DisputeStatus::WarningClosed, DisputeOutcome::Won),
    (3, DisputeStatus::NeedsResponse, DisputeOutcome::Open),
    (3, DisputeStatus::UnderReview, DisputeOutcome::Open),
    (4, DisputeStatus::Won, DisputeOutcome::Won),
    (4, DisputeStatus::Lost, DisputeOutcome::Lost),
    (4, DisputeStatus::Prevented, DisputeOutcome::Won),
];

/// The rules for an order's status. The first matching row counts.
pub(crate) const STATUSES: [(Holds, OrderStatus); 12] = [
    (|order| order.dispute_of_paid(DisputeOutcome::Lost), OrderStatus::ChargedBack),
    (|order| order.dispute_of_paid(DisputeOutcome::Open), OrderStatus::Disputed),
    (|order| order.payer().is_some_and(|payer| payer.returned >= payer.fits), OrderStatus::Refunded),
    (|order| order.payer().is_some_and(|payer| payer.returned > 0), OrderStatus::PartiallyRefunded),
    (|order| order.payer().is_some(), OrderStatus::Paid),
    (|order| order.attempts.iter().any(AttemptSummary::has_net_received), OrderStatus::Review),
    (|order| order.closed == Some(CloseReason::Canceled), OrderStatus::Canceled),
    (|order| order.closed == Some(CloseReason::Expired), OrderStatus::Expired),
    (|order| order.latest_with_status(OpenStatus::RequiresCapture).is_some(), OrderStatus::Authorized),
    (|order| order.latest_with_status(OpenStatus::Processing).is_some(), OrderStatus::Processing),
    (|order| order.attempts.last().is_some_and(|latest| latest.failed.is_some()), OrderStatus::PaymentFailed),
    (|_| true, OrderStatus::Pending),
];

/// The expected state of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedState {
    pub(crate) status: OrderStatus,
    /// The possible reasons for a review. Any of them is valid.
    pub(crate) reasons: Vec<ReviewReason>,
    pub(crate) amount_paid: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) outcome: Option<PaymentOutcome>,
    /// The index of the attempt in flight, if the status shows one.
    pub(crate) in_flight: Option<usize>,
    pub(crate) is_accepted: bool,
    pub(crate) closed: Option<CloseReason>,
}

/// An order with all its observations.
#[derive(Clone)]
pub(crate) struct Oracle<'a> {
    attempts: &'a [Attempt],
    /// The outcome if items must be reserved again.
    stock: RestockOutcome,
    observed: Vec<&'a Step>,
    paid_by: Option<usize>,
    closed: Option<CloseReason>,
    restocked: Option<RestockOutcome>,
}

/// Stripe's status of a PaymentIntent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Open(OpenStatus),
    Succeeded,
    Canceled,
}

/// The summary of an attempt.
struct AttemptSummary {
    word: Word,
    /// The failed charge, if it belongs to the latest open state.
    failed: Option<String>,
    /// The received amount and the mismatches of each success.
    successes: Vec<(i64, Vec<ReviewReason>)>,
    /// The amount that must be received.
    fits: i64,
    /// Whether Stripe refused to create it.
    is_refused: bool,
    /// Whether it is closed.
    is_over: bool,
    /// The refunded amount.
    returned: i64,
    /// The amount lost in disputes.
    lost: i64,
    disputes: Vec<DisputeOutcome>,
}

/// The summary of an order.
pub(crate) struct OrderSummary {
    attempts: Vec<AttemptSummary>,
    paid_by: Option<usize>,
    closed: Option<CloseReason>,
}

impl AttemptSummary {
    fn matches_expected(&self) -> bool {
        self.successes.iter().any(|(_, wrongs)| wrongs.is_empty())
    }

    /// Returns whether a success isn't fully refunded. A success with nothing received counts.
    fn has_net_received(&self) -> bool {
        self.successes.iter().any(|(received, _)| (*received).max(1) > self.returned + self.lost)
    }
}

impl OrderSummary {
    fn latest_with_status(&self, status: OpenStatus) -> Option<usize> {
        self.attempts.iter().rposition(|attempt| attempt.word == Word::Open(status))
    }

    fn payer(&self) -> Option<&AttemptSummary> {
        self.paid_by.map(|place| &self.attempts[place])
    }

    fn dispute_of_paid(&self, outcome: DisputeOutcome) -> bool {
        self.payer().is_some_and(|payer| payer.disputes.contains(&outcome))
    }
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(attempts: &'a [Attempt], stock: RestockOutcome) -> Self {
        Self { attempts, stock, observed: Vec::new(), paid_by: None, closed: None, restocked: None }
    }

    /// Applies steps of one transaction. Decisions are made then, permanently. Only an expired order can still
    /// be paid, if its items are available.
    pub(crate) fn apply_events(&mut self, steps: &[&'a Step]) {
        self.observed.extend(steps);
        if self.paid_by.is_some() {
            return;
        }
        let order = self.known();
        let asked = self.observed.iter().rev().find_map(|step| match step {
            Step::CloseRequest(closure) => Some(*closure),
            _ => None,
        });
        match (order.attempts.iter().position(AttemptSummary::matches_expected), self.closed) {
            (Some(place), None) => self.paid_by = Some(place),
            (Some(place), Some(CloseReason::Expired)) => {
                let restocked = *self.restocked.get_or_insert(self.stock);
                self.paid_by = (restocked == RestockOutcome::Taken).then_some(place);
            }
            (None, None) if order.attempts.iter().all(|one| one.is_over && !one.has_net_received()) => {
                self.closed = asked;
            }
            _ => {}
        }
    }

    pub(crate) fn expected_state(&self) -> ExpectedState {
        let order = self.known();
        let status = STATUSES
            .iter()
            .find(|(holds, _)| holds(&order))
            .map(|(_, status)| *status)
            .expect("the last row");
        let mut reasons = Vec::new();
        if status == OrderStatus::Review {
            let kept = order.attempts.iter().filter(|attempt| attempt.has_net_received());
            for (_, wrongs) in kept.flat_map(|attempt| &attempt.successes) {
                if wrongs.is_empty() {
                    reasons.push(match self.closed {
                        Some(CloseReason::Expired) => ReviewReason::SucceededAfterExpiry,
                        _ => ReviewReason::SucceededAfterCancel,
                    });
                }
                reasons.extend(wrongs);
            }
        }
        ExpectedState {
            status,
            reasons,
            amount_paid: order.payer().map_or(0, |payer| payer.fits),
            amount_refunded: order.payer().map_or(0, |payer| payer.returned.min(payer.fits)),
            outcome: order.outcome(),
            in_flight: match status {
                OrderStatus::Authorized => order.latest_with_status(OpenStatus::RequiresCapture),
                OrderStatus::Processing => order.latest_with_status(OpenStatus::Processing),
                _ => None,
            },
            is_accepted: self.paid_by.is_some(),
            closed: self.closed,
        }
    }

    /// Returns the status, the last failed charge and whether the attempt is closed, for each attempt.
    pub(crate) fn readings(&self) -> Vec<(&'static str, Option<String>, bool)> {
        let word = |word| match word {
            Word::Open(OpenStatus::RequiresPaymentMethod) => "requires_payment_method",
            Word::Open(OpenStatus::RequiresConfirmation) => "requires_confirmation",
            Word::Open(OpenStatus::RequiresAction | OpenStatus::AwaitsTransfer) => "requires_action",
            Word::Open(OpenStatus::Processing) => "processing",
            Word::Open(OpenStatus::RequiresCapture) => "requires_capture",
            Word::Succeeded => "succeeded",
            Word::Canceled => "canceled",
        };
        let attempts = self.known().attempts.into_iter();
        attempts.map(|attempt| (word(attempt.word), attempt.failed, attempt.is_over)).collect()
    }

    fn known(&self) -> OrderSummary {
        let attempts = (0..self.attempts.len()).map(|place| self.attempt_summary(place)).collect();
        OrderSummary { attempts, paid_by: self.paid_by, closed: self.closed }
    }

    fn attempt_summary(&self, place: usize) -> AttemptSummary {
        let attempt = &self.attempts[place];
        let session = self.session(place);
        let successes = self.successes(place);
        let open = self.latest_open(place);
        let is_canceled = self.observed.iter().any(|step| match step {
            Step::Event(of, fact) => *of == place && fact.state == ObservedState::Canceled,
            _ => false,
        });
        let word = if !successes.is_empty() {
            Word::Succeeded
        } else if is_canceled || session == Some(SessionStatus::Expired) {
            Word::Canceled
        } else if session == Some(SessionStatus::Failed) {
            Word::Open(OpenStatus::RequiresPaymentMethod)
        } else {
            Word::Open(open.map_or(OpenStatus::RequiresPaymentMethod, |(status, _)| status))
        };
        let failed = open.and_then(|(_, charge)| charge).filter(|_| successes.is_empty());
        let is_refused = attempt.refused.is_some()
            && !self.observed.iter().any(|step| observed_attempt(step) == Some(place));
        let is_over = is_refused
            || match (word, attempt.flow) {
                (Word::Succeeded, _) | (Word::Canceled, PaymentFlow::PaymentIntent) => true,
                (Word::Canceled, PaymentFlow::CheckoutSession) => {
                    !matches!(session, None | Some(SessionStatus::Open))
                }
                (Word::Open(_), _) => session == Some(SessionStatus::Failed),
            };
        let disputes = self.disputes(place);
        AttemptSummary {
            word,
            failed: failed.map(str::to_owned),
            successes,
            fits: attempt.capture.unwrap_or(attempt.expected.amount.minor()),
            is_refused,
            is_over,
            returned: self.refunded(place),
            lost: disputes
                .iter()
                .map(|(outcome, cents)| cents * i64::from(*outcome == DisputeOutcome::Lost))
                .sum(),
            disputes: disputes.into_iter().map(|(outcome, _)| outcome).collect(),
        }
    }

    fn session(&self, place: usize) -> Option<SessionStatus> {
        SESSIONS.into_iter().rev().find(|status| {
            self.observed.iter().any(
                |step| matches!(step, Step::Session(of, observed, _) if (*of, observed) == (place, status)),
            )
        })
    }

    fn successes(&self, place: usize) -> Vec<(i64, Vec<ReviewReason>)> {
        let attempt = &self.attempts[place];
        let received = self.observed.iter().filter_map(|step| match step {
            Step::Event(of, fact) if *of == place => match &fact.state {
                ObservedState::Succeeded(success) => Some(success),
                _ => None,
            },
            // A Session doesn't contain the fee, so it proves nothing if a fee is expected.
            Step::Session(of, _, paid) if *of == place && attempt.expected.application_fee.is_none() => {
                paid.as_ref()
            }
            _ => None,
        });
        let wrongs = |success: &Success| {
            let wrong = WRONGS.iter().filter(|(_, holds)| holds(attempt, success));
            wrong.map(|(reason, _)| *reason).collect()
        };
        received.map(|success| (success.amount_received, wrongs(success))).collect()
    }

    /// Returns the latest open state and its failed charge.
    fn latest_open(&self, place: usize) -> Option<(OpenStatus, Option<&str>)> {
        let states = self.observed.iter().filter_map(|step| match step {
            Step::Event(of, fact) if *of == place => match &fact.state {
                ObservedState::Open { status, failure } => {
                    let kind = (*status, failure.is_some() && *status == OpenStatus::RequiresPaymentMethod);
                    let rank = RANKS.iter().position(|row| *row == kind).expect("every state has a rank");
                    let key = (fact.provenance.created, rank, fact.provenance.event.as_str());
                    Some((key, *status, failure.as_ref().map(|failure| failure.id.as_str())))
                }
                _ => None,
            },
            _ => None,
        });
        states.max_by_key(|(key, ..)| *key).map(|(_, status, charge)| (status, charge))
    }

    /// Returns the amount of refunds that succeeded and didn't fail later.
    fn refunded(&self, place: usize) -> i64 {
        let observed = || {
            self.observed.iter().filter_map(|step| match step {
                Step::Refund(of, observed) if *of == place => Some(observed),
                _ => None,
            })
        };
        let mut numbers: Vec<usize> = observed().map(|observed| observed.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let returned = numbers.into_iter().map(|number| {
            let of_it = || observed().filter(|observed| observed.number == number);
            let was = |status| of_it().any(|observed| observed.status == status);
            let came_back = was(RefundStatus::Failed) || was(RefundStatus::Canceled);
            let is_released = of_it().any(|observed| observed.reason == Some("expired_uncaptured_charge"));
            let is_gone = was(RefundStatus::Succeeded) && !came_back && !is_released;
            of_it().next().map_or(0, |observed| observed.cents) * i64::from(is_gone)
        });
        returned.sum()
    }

    /// Returns the outcome and amount of each dispute. A dispute in another currency has the amount zero.
    fn disputes(&self, place: usize) -> Vec<(DisputeOutcome, i64)> {
        let came_in = |currency| {
            let successes = self.observed.iter().filter_map(|step| match step {
                Step::Event(of, Fact { state: ObservedState::Succeeded(received), .. }) if *of == place => {
                    Some(received)
                }
                Step::Session(of, _, paid) if *of == place => paid.as_ref(),
                _ => None,
            });
            successes.into_iter().any(|received| received.currency == currency)
        };
        let mut latest = BTreeMap::new();
        for step in &self.observed {
            let Step::Dispute(of, observed) = step else { continue };
            if *of != place {
                continue;
            }
            let row = DISPUTES
                .iter()
                .position(|(_, status, _)| *status == observed.status)
                .expect("a row for each");
            let (stage, _, outcome) = DISPUTES[row];
            let cents = observed.cents * i64::from(came_in(observed.currency));
            let seen = ((stage, observed.provenance.created, row), outcome, cents);
            let known = latest.entry(observed.number).or_insert(seen);
            if known.0 < seen.0 {
                *known = seen;
            }
        }
        latest.into_values().map(|(_, outcome, cents)| (outcome, cents)).collect()
    }
}

/// Returns the index of the attempt that a step observes.
fn observed_attempt(step: &Step) -> Option<usize> {
    match step {
        Step::Event(place, _) | Step::Session(place, ..) => Some(*place),
        _ => None,
    }
}

impl OrderSummary {
    /// Returns the outcome to show to a waiting customer: that of the attempt that paid, or else of the latest
    /// created one.
    fn outcome(&self) -> Option<PaymentOutcome> {
        if let Some(place) = self.paid_by {
            return Some(PaymentOutcome::Succeeded(payment_id(place)));
        }
        let Some(place) = self.attempts.iter().rposition(|attempt| !attempt.is_refused) else {
            return self.closed.map(|_| PaymentOutcome::Closed);
        };
        let id = payment_id(place);
        match (self.attempts[place].word, &self.attempts[place].failed) {
            (Word::Succeeded, _) => Some(PaymentOutcome::Succeeded(id)),
            (Word::Canceled, _) => Some(PaymentOutcome::Canceled(id)),
            (Word::Open(OpenStatus::Processing), _) => Some(PaymentOutcome::Processing(id)),
            (Word::Open(OpenStatus::RequiresCapture), _) => Some(PaymentOutcome::RequiresCapture(id)),
            (Word::Open(_), Some(charge)) => Some(PaymentOutcome::Failed(id, charge.clone())),
            (Word::Open(_), None) => None,
        }
    }
}
