//! What an order's standing has to be, read off tables that repeat the words of the design:
//! no merging, only all that was told, looked at as a whole.

use std::collections::BTreeMap;

use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::dispute::{DisputeOutcome, DisputeStatus};
use quittance_domain::history::{CloseReason, RestockOutcome};
use quittance_domain::order::OrderStatus;
use quittance_domain::order_state::PaymentOutcome;
use quittance_domain::payment::{Attempt, Fact, ObservedState, OpenStatus, ReviewReason, Success};
use quittance_domain::refund::RefundStatus;

use crate::stage::{Step, payment_id};

type Wrong = fn(&Attempt, &Success) -> bool;
pub(crate) type Holds = fn(&Known) -> bool;

/// What makes a success wrong.
const WRONGS: [(ReviewReason, Wrong); 3] = [
    (ReviewReason::WrongCurrency, |asked, got| asked.expected.amount.currency().to_string() != got.currency),
    (ReviewReason::WrongAmount, |asked, got| {
        let price = asked.expected.amount.minor();
        [got.amount, got.amount_received] != [price, asked.capture.unwrap_or(price)]
    }),
    (ReviewReason::WrongFee, |asked, got| asked.expected.application_fee != got.application_fee),
];

/// Of two open states of one second, the later in this list counts. The flag says whether a failure came with it.
const RANKS: [(OpenStatus, bool); 7] = [
    (OpenStatus::RequiresPaymentMethod, false),
    (OpenStatus::RequiresConfirmation, false),
    (OpenStatus::RequiresAction, false),
    (OpenStatus::AwaitsTransfer, false),
    (OpenStatus::Processing, false),
    (OpenStatus::RequiresPaymentMethod, true),
    (OpenStatus::RequiresCapture, false),
];

/// Of what was told of a Checkout Session, the last in this list counts.
const SESSIONS: [SessionStatus; 4] =
    [SessionStatus::Open, SessionStatus::Expired, SessionStatus::Complete, SessionStatus::Failed];

/// What was told of a dispute: the later stage counts, of one stage the later second, of one second the later in
/// this list.
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

/// The status of an order is that of the first row that holds.
pub(crate) const STATUSES: [(Holds, OrderStatus); 12] = [
    (|order| order.dispute_of_paid(DisputeOutcome::Lost), OrderStatus::ChargedBack),
    (|order| order.dispute_of_paid(DisputeOutcome::Open), OrderStatus::Disputed),
    (|order| order.payer().is_some_and(|payer| payer.returned >= payer.fits), OrderStatus::Refunded),
    (|order| order.payer().is_some_and(|payer| payer.returned > 0), OrderStatus::PartiallyRefunded),
    (|order| order.payer().is_some(), OrderStatus::Paid),
    (|order| order.attempts.iter().any(KnownAttempt::is_kept), OrderStatus::Review),
    (|order| order.closed == Some(CloseReason::Canceled), OrderStatus::Canceled),
    (|order| order.closed == Some(CloseReason::Expired), OrderStatus::Expired),
    (|order| order.latest_with_status(OpenStatus::RequiresCapture).is_some(), OrderStatus::Authorized),
    (|order| order.latest_with_status(OpenStatus::Processing).is_some(), OrderStatus::Processing),
    (|order| order.attempts.last().is_some_and(|latest| latest.failed.is_some()), OrderStatus::PaymentFailed),
    (|_| true, OrderStatus::Pending),
];

/// Where an order has to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: OrderStatus,
    /// In review: every reason that is true. One of them is to be given.
    pub(crate) reasons: Vec<ReviewReason>,
    pub(crate) amount_paid: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) settled: Option<PaymentOutcome>,
    /// The place of the attempt that is held or in flight, where the status says so.
    pub(crate) in_flight: Option<usize>,
    pub(crate) is_accepted: bool,
    pub(crate) closed: Option<CloseReason>,
}

/// An order, by all that was told of it.
#[derive(Clone)]
pub(crate) struct Oracle<'a> {
    attempts: &'a [Attempt],
    /// What is left of the goods, should they be wanted again.
    stock: RestockOutcome,
    told: Vec<&'a Step>,
    paid_by: Option<usize>,
    closed: Option<CloseReason>,
    restocked: Option<RestockOutcome>,
}

/// Where a PaymentIntent is, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Open(OpenStatus),
    Succeeded,
    Canceled,
}

/// What is known of an attempt.
struct KnownAttempt {
    word: Word,
    /// The charge that failed, if that is the last that was heard of it while it was open.
    failed: Option<String>,
    /// For every success, what was received, and what is wrong with it.
    successes: Vec<(i64, Vec<ReviewReason>)>,
    /// What has to be received.
    fits: i64,
    /// Whether Stripe never made it.
    is_refused: bool,
    /// Whether nothing can come of it any more.
    is_over: bool,
    /// What of its money went back by refunds.
    returned: i64,
    /// What of its money was lost by disputes.
    lost: i64,
    disputes: Vec<DisputeOutcome>,
}

/// What is known of an order.
pub(crate) struct Known {
    attempts: Vec<KnownAttempt>,
    paid_by: Option<usize>,
    closed: Option<CloseReason>,
}

impl KnownAttempt {
    fn is_fitting(&self) -> bool {
        self.successes.iter().any(|(_, wrongs)| wrongs.is_empty())
    }

    /// Whether it brought something of which not all has gone back. A success of nothing is something, too.
    fn is_kept(&self) -> bool {
        self.successes.iter().any(|(received, _)| (*received).max(1) > self.returned + self.lost)
    }
}

impl Known {
    fn latest_with_status(&self, status: OpenStatus) -> Option<usize> {
        self.attempts.iter().rposition(|attempt| attempt.word == Word::Open(status))
    }

    fn payer(&self) -> Option<&KnownAttempt> {
        self.paid_by.map(|place| &self.attempts[place])
    }

    fn dispute_of_paid(&self, outcome: DisputeOutcome) -> bool {
        self.payer().is_some_and(|payer| payer.disputes.contains(&outcome))
    }
}

impl<'a> Oracle<'a> {
    pub(crate) fn of(attempts: &'a [Attempt], stock: RestockOutcome) -> Self {
        Self { attempts, stock, told: Vec::new(), paid_by: None, closed: None, restocked: None }
    }

    /// Hears what was committed together. How an order ends is decided then, once and for good; only what has
    /// expired can still be paid, if its goods are there.
    pub(crate) fn hear(&mut self, steps: &[&'a Step]) {
        self.told.extend(steps);
        if self.paid_by.is_some() {
            return;
        }
        let order = self.known();
        let asked = self.told.iter().rev().find_map(|step| match step {
            Step::Asked(closure) => Some(*closure),
            _ => None,
        });
        match (order.attempts.iter().position(KnownAttempt::is_fitting), self.closed) {
            (Some(place), None) => self.paid_by = Some(place),
            (Some(place), Some(CloseReason::Expired)) => {
                let restocked = *self.restocked.get_or_insert(self.stock);
                self.paid_by = (restocked == RestockOutcome::Taken).then_some(place);
            }
            (None, None) if order.attempts.iter().all(|one| one.is_over && !one.is_kept()) => {
                self.closed = asked;
            }
            _ => {}
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let order = self.known();
        let status = STATUSES
            .iter()
            .find(|(holds, _)| holds(&order))
            .map(|(_, status)| *status)
            .expect("the last row");
        let mut reasons = Vec::new();
        if status == OrderStatus::Review {
            let kept = order.attempts.iter().filter(|attempt| attempt.is_kept());
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
        Verdict {
            status,
            reasons,
            amount_paid: order.payer().map_or(0, |payer| payer.fits),
            amount_refunded: order.payer().map_or(0, |payer| payer.returned.min(payer.fits)),
            settled: order.settled(),
            in_flight: match status {
                OrderStatus::Authorized => order.latest_with_status(OpenStatus::RequiresCapture),
                OrderStatus::Processing => order.latest_with_status(OpenStatus::Processing),
                _ => None,
            },
            is_accepted: self.paid_by.is_some(),
            closed: self.closed,
        }
    }

    /// Of every attempt Stripe's word for it, the charge that failed last, and whether nothing can come of it.
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

    fn known(&self) -> Known {
        let attempts = (0..self.attempts.len()).map(|place| self.known_attempt(place)).collect();
        Known { attempts, paid_by: self.paid_by, closed: self.closed }
    }

    fn known_attempt(&self, place: usize) -> KnownAttempt {
        let attempt = &self.attempts[place];
        let session = self.session(place);
        let successes = self.successes(place);
        let open = self.latest_open(place);
        let is_canceled = self.told.iter().any(|step| match step {
            Step::Told(of, fact) => *of == place && fact.state == ObservedState::Canceled,
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
        let is_refused = attempt.refused.is_some() && !self.told.iter().any(|step| of(step) == Some(place));
        let is_over = is_refused
            || match (word, attempt.flow) {
                (Word::Succeeded, _) | (Word::Canceled, PaymentFlow::PaymentIntent) => true,
                (Word::Canceled, PaymentFlow::CheckoutSession) => {
                    !matches!(session, None | Some(SessionStatus::Open))
                }
                (Word::Open(_), _) => session == Some(SessionStatus::Failed),
            };
        let disputes = self.disputes(place);
        KnownAttempt {
            word,
            failed: failed.map(str::to_owned),
            successes,
            fits: attempt.capture.unwrap_or(attempt.expected.amount.minor()),
            is_refused,
            is_over,
            returned: self.returned(place),
            lost: disputes
                .iter()
                .map(|(outcome, cents)| cents * i64::from(*outcome == DisputeOutcome::Lost))
                .sum(),
            disputes: disputes.into_iter().map(|(outcome, _)| outcome).collect(),
        }
    }

    fn session(&self, place: usize) -> Option<SessionStatus> {
        SESSIONS.into_iter().rev().find(|status| {
            self.told
                .iter()
                .any(|step| matches!(step, Step::Session(of, told, _) if (*of, told) == (place, status)))
        })
    }

    fn successes(&self, place: usize) -> Vec<(i64, Vec<ReviewReason>)> {
        let attempt = &self.attempts[place];
        let got = self.told.iter().filter_map(|step| match step {
            Step::Told(of, fact) if *of == place => match &fact.state {
                ObservedState::Succeeded(success) => Some(success),
                _ => None,
            },
            // A Session says nothing of a fee: where one is due, it proves nothing.
            Step::Session(of, _, paid) if *of == place && attempt.expected.application_fee.is_none() => {
                paid.as_ref()
            }
            _ => None,
        });
        let wrongs = |success: &Success| {
            let wrong = WRONGS.iter().filter(|(_, holds)| holds(attempt, success));
            wrong.map(|(reason, _)| *reason).collect()
        };
        got.map(|success| (success.amount_received, wrongs(success))).collect()
    }

    /// The latest open state, and the charge that failed with it.
    fn latest_open(&self, place: usize) -> Option<(OpenStatus, Option<&str>)> {
        let states = self.told.iter().filter_map(|step| match step {
            Step::Told(of, fact) if *of == place => match &fact.state {
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

    /// What went back of an attempt's money: refunds that succeeded, and did not fail later.
    fn returned(&self, place: usize) -> i64 {
        let told = || {
            self.told.iter().filter_map(|step| match step {
                Step::Refund(of, told) if *of == place => Some(told),
                _ => None,
            })
        };
        let mut numbers: Vec<usize> = told().map(|told| told.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let returned = numbers.into_iter().map(|number| {
            let of_it = || told().filter(|told| told.number == number);
            let was = |status| of_it().any(|told| told.status == status);
            let came_back = was(RefundStatus::Failed) || was(RefundStatus::Canceled);
            let is_released = of_it().any(|told| told.reason == Some("expired_uncaptured_charge"));
            let is_gone = was(RefundStatus::Succeeded) && !came_back && !is_released;
            of_it().next().map_or(0, |told| told.cents) * i64::from(is_gone)
        });
        returned.sum()
    }

    /// How each dispute stands, and what it is about of the money that came: of another currency, nothing.
    fn disputes(&self, place: usize) -> Vec<(DisputeOutcome, i64)> {
        let came_in = |currency| {
            let successes = self.told.iter().filter_map(|step| match step {
                Step::Told(of, Fact { state: ObservedState::Succeeded(got), .. }) if *of == place => {
                    Some(got)
                }
                Step::Session(of, _, paid) if *of == place => paid.as_ref(),
                _ => None,
            });
            successes.into_iter().any(|got| got.currency == currency)
        };
        let mut latest = BTreeMap::new();
        for step in &self.told {
            let Step::Dispute(of, told) = step else { continue };
            if *of != place {
                continue;
            }
            let row =
                DISPUTES.iter().position(|(_, status, _)| *status == told.status).expect("a row for each");
            let (stage, _, outcome) = DISPUTES[row];
            let cents = told.cents * i64::from(came_in(told.currency));
            let seen = ((stage, told.provenance.created, row), outcome, cents);
            let known = latest.entry(told.number).or_insert(seen);
            if known.0 < seen.0 {
                *known = seen;
            }
        }
        latest.into_values().map(|(_, outcome, cents)| (outcome, cents)).collect()
    }
}

/// Which attempt a step tells of itself.
fn of(step: &Step) -> Option<usize> {
    match step {
        Step::Told(place, _) | Step::Session(place, ..) => Some(*place),
        _ => None,
    }
}

impl Known {
    /// What a waiting customer wants to hear: of the attempt that paid, else of the latest that Stripe made.
    fn settled(&self) -> Option<PaymentOutcome> {
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
