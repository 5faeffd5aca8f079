//! What an order's standing has to be, read off tables that repeat the words of the design:
//! no merging, only all that was told, looked at as a whole.

use quittance_domain::history::Settled;
use quittance_domain::order::{OrderStatus, ReviewReason};
use quittance_domain::payment::{Attempt, Expected, OpenStatus, Seen, Success};

use crate::stage::{Step, payment_id};

type Wrong = fn(&Expected, &Success) -> bool;
type Holds = fn(&Known) -> bool;

/// What makes a success wrong.
const WRONGS: [(ReviewReason, Wrong); 3] = [
    (ReviewReason::WrongCurrency, |asked, got| asked.amount.currency().to_string() != got.currency),
    (ReviewReason::WrongAmount, |asked, got| {
        [got.amount, got.amount_received] != [asked.amount.minor(), asked.amount.minor()]
    }),
    (ReviewReason::WrongFee, |asked, got| asked.application_fee != got.application_fee),
];

/// Of two open states of one second, the later in this list counts. The flag says whether a failure came with it.
const RANKS: [(OpenStatus, bool); 6] = [
    (OpenStatus::RequiresPaymentMethod, false),
    (OpenStatus::RequiresConfirmation, false),
    (OpenStatus::RequiresAction, false),
    (OpenStatus::Processing, false),
    (OpenStatus::RequiresPaymentMethod, true),
    (OpenStatus::RequiresCapture, false),
];

/// The status of an order is that of the first row that holds.
const STATUSES: [(Holds, OrderStatus); 7] = [
    (|order| order.paid_by.is_some(), OrderStatus::Paid),
    (|order| order.attempts.iter().any(|attempt| !attempt.successes.is_empty()), OrderStatus::Review),
    (|order| order.closed, OrderStatus::Canceled),
    (|order| order.any_is(Word::Open(OpenStatus::RequiresCapture)), OrderStatus::Authorized),
    (|order| order.any_is(Word::Open(OpenStatus::Processing)), OrderStatus::Processing),
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
    pub(crate) settled: Option<Settled>,
}

/// An order, by all that was told of it.
#[derive(Clone)]
pub(crate) struct Oracle<'a> {
    attempts: &'a [Attempt],
    told: Vec<&'a Step>,
    paid_by: Option<usize>,
    closed: bool,
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
    /// For every success, what is wrong with it.
    successes: Vec<Vec<ReviewReason>>,
    refused: bool,
}

/// What is known of an order.
struct Known {
    attempts: Vec<KnownAttempt>,
    paid_by: Option<usize>,
    closed: bool,
}

impl Known {
    fn any_is(&self, word: Word) -> bool {
        self.attempts.iter().any(|attempt| attempt.word == word)
    }
}

impl<'a> Oracle<'a> {
    pub(crate) fn of(attempts: &'a [Attempt]) -> Self {
        Self { attempts, told: Vec::new(), paid_by: None, closed: false }
    }

    /// Hears what was committed together. How an order ends is decided then, once and for good.
    pub(crate) fn hear(&mut self, steps: &[&'a Step]) {
        self.told.extend(steps);
        let asked = self.told.iter().any(|step| matches!(step, Step::AskedToCancel));
        let order = self.known();
        if self.paid_by.is_none() && !self.closed {
            self.paid_by = order.attempts.iter().position(|a| a.successes.iter().any(Vec::is_empty));
            self.closed = self.paid_by.is_none()
                && asked
                && order.attempts.iter().all(|a| a.refused || a.word == Word::Canceled);
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
            for wrongs in order.attempts.iter().flat_map(|attempt| &attempt.successes) {
                if wrongs.is_empty() {
                    reasons.push(ReviewReason::SucceededAfterCancel);
                }
                reasons.extend(wrongs);
            }
        }
        let amount_paid = order.paid_by.map_or(0, |place| self.attempts[place].expected.amount.minor());
        Verdict { status, reasons, amount_paid, settled: order.settled() }
    }

    /// Of every attempt Stripe's word for it, and the charge that failed last.
    pub(crate) fn readings(&self) -> Vec<(&'static str, Option<String>)> {
        let word = |word| match word {
            Word::Open(OpenStatus::RequiresPaymentMethod) => "requires_payment_method",
            Word::Open(OpenStatus::RequiresConfirmation) => "requires_confirmation",
            Word::Open(OpenStatus::RequiresAction) => "requires_action",
            Word::Open(OpenStatus::Processing) => "processing",
            Word::Open(OpenStatus::RequiresCapture) => "requires_capture",
            Word::Succeeded => "succeeded",
            Word::Canceled => "canceled",
        };
        self.known().attempts.into_iter().map(|attempt| (word(attempt.word), attempt.failed)).collect()
    }

    fn known(&self) -> Known {
        let attempts = (0..self.attempts.len()).map(|place| self.known_attempt(place)).collect();
        Known { attempts, paid_by: self.paid_by, closed: self.closed }
    }

    fn known_attempt(&self, place: usize) -> KnownAttempt {
        let attempt = &self.attempts[place];
        let facts = || {
            self.told.iter().filter_map(|step| match step {
                Step::Told(of, fact) if *of == place => Some(fact),
                _ => None,
            })
        };
        let mut successes: Vec<Vec<ReviewReason>> = Vec::new();
        for fact in facts() {
            if let Seen::Succeeded(success) = &fact.seen {
                let wrongs = WRONGS.iter().filter(|(_, holds)| holds(&attempt.expected, success));
                successes.push(wrongs.map(|(reason, _)| *reason).collect());
            }
        }
        let latest_open = facts()
            .filter_map(|fact| match &fact.seen {
                Seen::Open { status, failure } => {
                    let kind = (*status, failure.is_some() && *status == OpenStatus::RequiresPaymentMethod);
                    let rank = RANKS.iter().position(|row| *row == kind).expect("every state has a rank");
                    Some(((fact.sighting.created, rank, fact.sighting.event.as_str()), *status, failure))
                }
                _ => None,
            })
            .max_by_key(|(key, ..)| *key);
        let word = if !successes.is_empty() {
            Word::Succeeded
        } else if facts().any(|fact| fact.seen == Seen::Canceled) {
            Word::Canceled
        } else {
            Word::Open(latest_open.map_or(OpenStatus::RequiresPaymentMethod, |(_, status, _)| status))
        };
        let failed = match latest_open {
            Some((.., Some(failure))) if successes.is_empty() => Some(failure.id.clone()),
            _ => None,
        };
        KnownAttempt { word, failed, successes, refused: attempt.refused.is_some() }
    }
}

impl Known {
    /// What a waiting customer wants to hear: of the attempt that paid, else of the latest that Stripe made.
    fn settled(&self) -> Option<Settled> {
        if let Some(place) = self.paid_by {
            return Some(Settled::Succeeded(payment_id(place)));
        }
        let Some(place) = self.attempts.iter().rposition(|attempt| !attempt.refused) else {
            return self.closed.then_some(Settled::Closed);
        };
        let id = payment_id(place);
        match (self.attempts[place].word, &self.attempts[place].failed) {
            (Word::Succeeded, _) => Some(Settled::Succeeded(id)),
            (Word::Canceled, _) => Some(Settled::Canceled(id)),
            (Word::Open(OpenStatus::Processing), _) => Some(Settled::Processing(id)),
            (Word::Open(OpenStatus::RequiresCapture), _) => Some(Settled::RequiresCapture(id)),
            (Word::Open(_), Some(charge)) => Some(Settled::Failed(id, charge.clone())),
            (Word::Open(_), None) => None,
        }
    }
}
