//! A little model of Stripe's objects: what is done to them, what Stripe tells of it, and how they stand in the
//! end. It knows nothing of the domain's rules.

use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::dispute::DisputeStatus;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{ObservedState, OpenStatus, Success};
use quittance_domain::refund::RefundStatus;

use crate::stage::{DisputeTold, PRICE, RefundTold, Step, declined, event, open, provenance, right_success};

/// How a PaymentIntent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    Open(OpenStatus),
    Succeeded,
    Canceled,
}

#[derive(Debug, Clone)]
pub(crate) struct RefundObject {
    pub(crate) place: usize,
    pub(crate) cents: i64,
    pub(crate) status: RefundStatus,
    is_named: bool,
}

#[derive(Debug, Clone)]
struct DisputeObject {
    place: usize,
    status: DisputeStatus,
}

/// A PaymentIntent, and the Checkout Session that it is of, if it is.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    flow: PaymentFlow,
    session: SessionStatus,
    /// A Session's PaymentIntent is made when its customer tries to pay.
    exists_at_stripe: bool,
    pub(crate) intent: Intent,
    /// Whether the last thing that happened while it was open was a decline.
    is_declined: bool,
    pub(crate) received: i64,
}

/// Something that is done at Stripe, by whomever. The first number is the payment's place, or that of the refund or
/// the dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// The customer is asked for 3D Secure.
    Ask(usize),
    /// The customer gets a voucher to pay.
    Voucher(usize),
    /// A bank debit begins.
    Debit(usize),
    Decline(usize),
    Hold(usize),
    Succeed(usize),
    /// Another amount than was asked for is received: somebody had changed it at Stripe.
    SucceedWith(usize, i64),
    /// Of what is held, so many cents are taken.
    Capture(usize, i64),
    Cancel(usize),
    ExpireSession(usize),
    /// So many cents go back. The flag says whether we asked for it.
    Refund(usize, i64, bool),
    RefundGoes(usize),
    RefundFails(usize),
    Inquire(usize),
    CloseInquiry(usize),
    Dispute(usize),
    Escalate(usize),
    Win(usize),
    Lose(usize),
}

/// Stripe, as far as one order goes.
#[derive(Debug, Clone)]
pub(crate) struct Stripe {
    second: i64,
    events: usize,
    pub(crate) payments: Vec<Payment>,
    pub(crate) refunds: Vec<RefundObject>,
    disputes: Vec<DisputeObject>,
    /// What was told so far.
    pub(crate) told: Vec<Step>,
}

impl Stripe {
    /// One payment for each rail.
    pub(crate) fn of(rails: &[PaymentFlow]) -> Self {
        let mut stripe = Self {
            second: 0,
            events: 0,
            payments: Vec::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            told: Vec::new(),
        };
        for flow in rails {
            stripe.add(*flow);
        }
        stripe
    }

    /// One more payment.
    pub(crate) fn add(&mut self, flow: PaymentFlow) {
        self.payments.push(Payment {
            flow,
            session: SessionStatus::Open,
            exists_at_stripe: false,
            intent: Intent::Open(OpenStatus::RequiresPaymentMethod),
            is_declined: false,
            received: 0,
        });
        if flow == PaymentFlow::PaymentIntent {
            self.make(self.payments.len() - 1);
        }
    }

    /// Does something. Says whether Stripe lets it be done.
    pub(crate) fn act(&mut self, act: Act) -> bool {
        let is_done = match act {
            Act::Ask(place) => self.goes_on(place, OpenStatus::RequiresAction),
            Act::Voucher(place) => {
                self.goes_on(place, OpenStatus::AwaitsTransfer) && self.completes(place, None)
            }
            Act::Debit(place) => self.goes_on(place, OpenStatus::Processing) && self.completes(place, None),
            Act::Hold(place) => {
                self.goes_on(place, OpenStatus::RequiresCapture) && self.completes(place, None)
            }
            Act::Decline(place) => self.declines(place),
            Act::Succeed(place) => !self.is_authorized(place) && self.succeeds(place, PRICE),
            Act::SucceedWith(place, cents) => !self.is_authorized(place) && self.succeeds(place, cents),
            Act::Capture(place, cents) => self.is_authorized(place) && self.succeeds(place, cents),
            Act::Cancel(place) => self.is_cancelable(place) && self.cancels(place),
            Act::ExpireSession(place) => self.expires(place),
            Act::Refund(place, cents, is_named) => self.refund(place, cents, is_named),
            Act::RefundGoes(number) => {
                self.moves_refund(number, &[RefundStatus::Pending], RefundStatus::Succeeded)
            }
            Act::RefundFails(number) => {
                let from = [RefundStatus::Pending, RefundStatus::Succeeded];
                self.moves_refund(number, &from, RefundStatus::Failed)
            }
            Act::Inquire(place) => self.opens_dispute(place, DisputeStatus::WarningNeedsResponse),
            Act::Dispute(place) => self.opens_dispute(place, DisputeStatus::NeedsResponse),
            Act::CloseInquiry(number) => {
                let from = [DisputeStatus::WarningNeedsResponse];
                self.moves_dispute(number, &from, DisputeStatus::WarningClosed)
            }
            Act::Escalate(number) => {
                let from = [DisputeStatus::WarningNeedsResponse];
                self.moves_dispute(number, &from, DisputeStatus::NeedsResponse)
            }
            // A lost dispute may be won on appeal.
            Act::Win(number) => {
                let from = [DisputeStatus::NeedsResponse, DisputeStatus::Lost];
                self.moves_dispute(number, &from, DisputeStatus::Won)
            }
            Act::Lose(number) => {
                self.moves_dispute(number, &[DisputeStatus::NeedsResponse], DisputeStatus::Lost)
            }
        };
        if is_done && !matches!(act, Act::Refund(..) | Act::RefundGoes(_) | Act::RefundFails(_)) {
            // Two open states of one second can not be told apart; refunds can.
            self.second += 1;
        }
        is_done
    }

    /// What went back of a payment, or may still.
    pub(crate) fn held(&self, place: usize) -> i64 {
        let of_it = self.refunds.iter().filter(|refund| refund.place == place);
        of_it.filter(|refund| refund.status != RefundStatus::Failed).map(|refund| refund.cents).sum()
    }

    /// What went back of a payment.
    pub(crate) fn returned(&self, place: usize) -> i64 {
        let of_it = self.refunds.iter().filter(|refund| refund.place == place);
        of_it.filter(|refund| refund.status == RefundStatus::Succeeded).map(|refund| refund.cents).sum()
    }

    /// What the bank took of a payment: a dispute is of all that was received.
    pub(crate) fn charged_back(&self, place: usize) -> i64 {
        let is_lost =
            |dispute: &DisputeObject| dispute.place == place && dispute.status == DisputeStatus::Lost;
        if self.disputes.iter().any(is_lost) { self.payments[place].received } else { 0 }
    }

    /// How an order stands that this one payment is to pay, whatever was told of it.
    pub(crate) fn truth(&self) -> OrderStatus {
        let [payment] = self.payments.as_slice() else { panic!("the truth about one payment") };
        let disputed = |statuses: &[DisputeStatus]| {
            self.disputes.iter().any(|dispute| statuses.contains(&dispute.status))
        };
        match payment.intent {
            Intent::Succeeded if disputed(&[DisputeStatus::Lost]) => OrderStatus::ChargedBack,
            Intent::Succeeded
                if disputed(&[DisputeStatus::NeedsResponse, DisputeStatus::WarningNeedsResponse]) =>
            {
                OrderStatus::Disputed
            }
            Intent::Succeeded => match self.returned(0) {
                0 => OrderStatus::Paid,
                some if some < payment.received => OrderStatus::PartiallyRefunded,
                _ => OrderStatus::Refunded,
            },
            Intent::Open(OpenStatus::RequiresCapture) => OrderStatus::Authorized,
            Intent::Open(OpenStatus::Processing) => OrderStatus::Processing,
            Intent::Open(_) | Intent::Canceled if payment.is_declined => OrderStatus::PaymentFailed,
            Intent::Open(_) | Intent::Canceled => OrderStatus::Pending,
        }
    }

    fn event(&mut self) -> String {
        self.events += 1;
        self.events.to_string()
    }

    fn tell(&mut self, place: usize, seen: ObservedState) {
        let name = self.event();
        self.told.push(Step::Told(place, event(self.second, &name, seen)));
    }

    fn make(&mut self, place: usize) {
        if !self.payments[place].exists_at_stripe {
            self.payments[place].exists_at_stripe = true;
            self.tell(place, open(OpenStatus::RequiresPaymentMethod));
            self.second += 1;
        }
    }

    fn is_authorized(&self, place: usize) -> bool {
        self.payments[place].intent == Intent::Open(OpenStatus::RequiresCapture)
    }

    /// Whether the customer can do something: nothing is in flight, and the page, if there is one, is open.
    fn is_with_customer(&self, place: usize) -> bool {
        let payment = &self.payments[place];
        let status = [OpenStatus::RequiresPaymentMethod, OpenStatus::RequiresAction];
        let can_go_on = status.iter().any(|status| payment.intent == Intent::Open(*status));
        can_go_on && (payment.flow == PaymentFlow::PaymentIntent || payment.session == SessionStatus::Open)
    }

    fn is_cancelable(&self, place: usize) -> bool {
        let intent = self.payments[place].intent;
        match self.payments[place].flow {
            PaymentFlow::CheckoutSession => self.is_authorized(place),
            // In rare cases also while it is processing: <https://docs.stripe.com/api/payment_intents/cancel>.
            PaymentFlow::PaymentIntent => matches!(intent, Intent::Open(_)),
        }
    }

    fn goes_on(&mut self, place: usize, status: OpenStatus) -> bool {
        let can = self.is_with_customer(place);
        if can {
            self.make(place);
            self.payments[place].intent = Intent::Open(status);
            self.payments[place].is_declined = false;
            self.tell(place, open(status));
        }
        can
    }

    /// The customer has done their part: the page is complete, and `paid` is what was paid in it.
    fn completes(&mut self, place: usize, paid: Option<Success>) -> bool {
        if self.payments[place].flow == PaymentFlow::CheckoutSession {
            self.payments[place].session = SessionStatus::Complete;
            self.told.push(Step::Session(place, SessionStatus::Complete, paid));
        }
        true
    }

    fn declines(&mut self, place: usize) -> bool {
        let transfers = [OpenStatus::Processing, OpenStatus::AwaitsTransfer];
        let is_in_flight =
            transfers.iter().any(|status| self.payments[place].intent == Intent::Open(*status));
        if !is_in_flight && !self.is_with_customer(place) {
            return false;
        }
        self.make(place);
        self.payments[place].intent = Intent::Open(OpenStatus::RequiresPaymentMethod);
        self.payments[place].is_declined = true;
        let charge = format!("ch_{}", self.events);
        self.tell(place, declined(&charge));
        if self.payments[place].session == SessionStatus::Complete {
            self.payments[place].session = SessionStatus::Failed;
            self.told.push(Step::Session(place, SessionStatus::Failed, None));
        }
        true
    }

    fn succeeds(&mut self, place: usize, cents: i64) -> bool {
        let is_in_flight = matches!(
            self.payments[place].intent,
            Intent::Open(OpenStatus::Processing | OpenStatus::AwaitsTransfer | OpenStatus::RequiresCapture)
        );
        if !is_in_flight && !self.is_with_customer(place) {
            return false;
        }
        self.make(place);
        self.payments[place].intent = Intent::Succeeded;
        self.payments[place].received = cents;
        let success = Success { amount_received: cents, ..right_success() };
        self.tell(place, ObservedState::Succeeded(success.clone()));
        self.completes(place, (cents == PRICE).then_some(success))
    }

    fn cancels(&mut self, place: usize) -> bool {
        self.payments[place].intent = Intent::Canceled;
        self.tell(place, ObservedState::Canceled);
        true
    }

    fn expires(&mut self, place: usize) -> bool {
        let payment = &mut self.payments[place];
        let can = payment.flow == PaymentFlow::CheckoutSession && payment.session == SessionStatus::Open;
        if can {
            payment.session = SessionStatus::Expired;
            payment.intent = Intent::Canceled;
            self.told.push(Step::Session(place, SessionStatus::Expired, None));
            if self.payments[place].exists_at_stripe {
                self.cancels(place);
            }
        }
        can
    }

    fn refund(&mut self, place: usize, cents: i64, is_named: bool) -> bool {
        let is_disputed = self.disputes.iter().any(|dispute| {
            let taken = [DisputeStatus::NeedsResponse, DisputeStatus::Lost];
            dispute.place == place && taken.contains(&dispute.status)
        });
        let can = self.payments[place].intent == Intent::Succeeded
            && !is_disputed
            && (1..=self.payments[place].received - self.held(place)).contains(&cents);
        if can {
            self.refunds.push(RefundObject { place, cents, status: RefundStatus::Pending, is_named });
            self.tell_refund(self.refunds.len() - 1);
        }
        can
    }

    fn moves_refund(&mut self, number: usize, from: &[RefundStatus], to: RefundStatus) -> bool {
        let can = self.refunds.get(number).is_some_and(|refund| from.contains(&refund.status));
        if can {
            self.refunds[number].status = to;
            self.tell_refund(number);
        }
        can
    }

    fn tell_refund(&mut self, number: usize) {
        let provenance = provenance(self.second, &self.event());
        let RefundObject { place, cents, status, is_named } = self.refunds[number];
        self.told.push(Step::Refund(
            place,
            RefundTold { number, is_named, cents, reason: None, provenance, status },
        ));
    }

    /// A charge has one dispute, ever.
    fn opens_dispute(&mut self, place: usize, status: DisputeStatus) -> bool {
        let can = self.payments[place].intent == Intent::Succeeded
            && self.disputes.iter().all(|dispute| dispute.place != place);
        if can {
            self.disputes.push(DisputeObject { place, status });
            self.tell_dispute(self.disputes.len() - 1);
        }
        can
    }

    fn moves_dispute(&mut self, number: usize, from: &[DisputeStatus], to: DisputeStatus) -> bool {
        let can = self.disputes.get(number).is_some_and(|dispute| from.contains(&dispute.status));
        if can {
            self.disputes[number].status = to;
            self.tell_dispute(number);
        }
        can
    }

    fn tell_dispute(&mut self, number: usize) {
        let provenance = provenance(self.second, &self.event());
        let DisputeObject { place, status } = self.disputes[number];
        let cents = self.payments[place].received;
        let told = DisputeTold { number, cents, currency: "eur", provenance, status };
        self.told.push(Step::Dispute(place, told));
    }
}
