//! A small model of Stripe: actions, events and final states. It doesn't use the domain's rules.

use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::dispute::DisputeStatus;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{ObservedState, OpenStatus, Success};
use quittance_domain::refund::RefundStatus;

use crate::fixtures::{
    DisputeStep, PRICE, RefundStep, Step, declined, event, open, provenance, right_success,
};

/// The status of a PaymentIntent.
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

/// A PaymentIntent with its Checkout Session, if it has one.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    flow: PaymentFlow,
    session: SessionStatus,
    /// Whether the PaymentIntent exists. A Session's PaymentIntent is created when the customer pays.
    exists_at_stripe: bool,
    pub(crate) intent: Intent,
    /// Whether the latest open state is a decline.
    is_declined: bool,
    pub(crate) received: i64,
}

/// An action at Stripe. The first number is the index of the payment, refund or dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// The customer must complete 3D Secure.
    Ask(usize),
    /// The customer gets a voucher.
    Voucher(usize),
    /// A bank debit starts.
    Debit(usize),
    Decline(usize),
    Hold(usize),
    Succeed(usize),
    /// Another amount is received, because it was changed at Stripe.
    SucceedWith(usize, i64),
    /// This amount is captured, in cents.
    Capture(usize, i64),
    Cancel(usize),
    ExpireSession(usize),
    /// This amount is refunded, in cents. The flag tells whether Quittance requested it.
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

/// Stripe's objects for one order.
#[derive(Debug, Clone)]
pub(crate) struct Stripe {
    second: i64,
    event_count: usize,
    pub(crate) payments: Vec<Payment>,
    pub(crate) refunds: Vec<RefundObject>,
    disputes: Vec<DisputeObject>,
    /// All events so far.
    pub(crate) events: Vec<Step>,
}

impl Stripe {
    /// Creates one payment for each flow.
    pub(crate) fn new(flows: &[PaymentFlow]) -> Self {
        let mut stripe = Self {
            second: 0,
            event_count: 0,
            payments: Vec::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            events: Vec::new(),
        };
        for flow in flows {
            stripe.add(*flow);
        }
        stripe
    }

    /// Adds a payment.
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
            self.create_intent(self.payments.len() - 1);
        }
    }

    /// Executes an action. Returns whether Stripe allows it.
    pub(crate) fn act(&mut self, act: Act) -> bool {
        let is_done = match act {
            Act::Ask(place) => self.advance(place, OpenStatus::RequiresAction),
            Act::Voucher(place) => {
                self.advance(place, OpenStatus::AwaitsTransfer) && self.complete(place, None)
            }
            Act::Debit(place) => self.advance(place, OpenStatus::Processing) && self.complete(place, None),
            Act::Hold(place) => {
                self.advance(place, OpenStatus::RequiresCapture) && self.complete(place, None)
            }
            Act::Decline(place) => self.decline(place),
            Act::Succeed(place) => !self.is_authorized(place) && self.succeed(place, PRICE),
            Act::SucceedWith(place, cents) => !self.is_authorized(place) && self.succeed(place, cents),
            Act::Capture(place, cents) => self.is_authorized(place) && self.succeed(place, cents),
            Act::Cancel(place) => self.is_cancelable(place) && self.cancel(place),
            Act::ExpireSession(place) => self.expire(place),
            Act::Refund(place, cents, is_named) => self.refund(place, cents, is_named),
            Act::RefundGoes(number) => {
                self.change_refund(number, &[RefundStatus::Pending], RefundStatus::Succeeded)
            }
            Act::RefundFails(number) => {
                let from = [RefundStatus::Pending, RefundStatus::Succeeded];
                self.change_refund(number, &from, RefundStatus::Failed)
            }
            Act::Inquire(place) => self.open_dispute(place, DisputeStatus::WarningNeedsResponse),
            Act::Dispute(place) => self.open_dispute(place, DisputeStatus::NeedsResponse),
            Act::CloseInquiry(number) => {
                let from = [DisputeStatus::WarningNeedsResponse];
                self.change_dispute(number, &from, DisputeStatus::WarningClosed)
            }
            Act::Escalate(number) => {
                let from = [DisputeStatus::WarningNeedsResponse];
                self.change_dispute(number, &from, DisputeStatus::NeedsResponse)
            }
            // A lost dispute can be won on appeal.
            Act::Win(number) => {
                let from = [DisputeStatus::NeedsResponse, DisputeStatus::Lost];
                self.change_dispute(number, &from, DisputeStatus::Won)
            }
            Act::Lose(number) => {
                self.change_dispute(number, &[DisputeStatus::NeedsResponse], DisputeStatus::Lost)
            }
        };
        if is_done && !matches!(act, Act::Refund(..) | Act::RefundGoes(_) | Act::RefundFails(_)) {
            // Two open states of one second can't be distinguished. Refunds can.
            self.second += 1;
        }
        is_done
    }

    /// Returns the amount of a payment that was refunded or may still be.
    pub(crate) fn held(&self, place: usize) -> i64 {
        let of_it = self.refunds.iter().filter(|refund| refund.place == place);
        of_it.filter(|refund| refund.status != RefundStatus::Failed).map(|refund| refund.cents).sum()
    }

    /// Returns the refunded amount of a payment.
    pub(crate) fn refunded(&self, place: usize) -> i64 {
        let of_it = self.refunds.iter().filter(|refund| refund.place == place);
        of_it.filter(|refund| refund.status == RefundStatus::Succeeded).map(|refund| refund.cents).sum()
    }

    /// Returns the amount lost in a dispute. A dispute covers the full received amount.
    pub(crate) fn charged_back(&self, place: usize) -> i64 {
        let is_lost =
            |dispute: &DisputeObject| dispute.place == place && dispute.status == DisputeStatus::Lost;
        if self.disputes.iter().any(is_lost) { self.payments[place].received } else { 0 }
    }

    /// Returns the expected status of an order with this payment.
    pub(crate) fn convergence(&self) -> OrderStatus {
        let [payment] = self.payments.as_slice() else { panic!("the convergence about one payment") };
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
            Intent::Succeeded => match self.refunded(0) {
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
        self.event_count += 1;
        self.event_count.to_string()
    }

    fn emit(&mut self, place: usize, seen: ObservedState) {
        let name = self.event();
        self.events.push(Step::Event(place, event(self.second, &name, seen)));
    }

    fn create_intent(&mut self, place: usize) {
        if !self.payments[place].exists_at_stripe {
            self.payments[place].exists_at_stripe = true;
            self.emit(place, open(OpenStatus::RequiresPaymentMethod));
            self.second += 1;
        }
    }

    fn is_authorized(&self, place: usize) -> bool {
        self.payments[place].intent == Intent::Open(OpenStatus::RequiresCapture)
    }

    /// Returns whether the customer can act: nothing is in flight, and the Session, if any, is open.
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
            // Rarely also possible while it is processing:
            // <https://docs.stripe.com/api/payment_intents/cancel>.
            PaymentFlow::PaymentIntent => matches!(intent, Intent::Open(_)),
        }
    }

    fn advance(&mut self, place: usize, status: OpenStatus) -> bool {
        let can = self.is_with_customer(place);
        if can {
            self.create_intent(place);
            self.payments[place].intent = Intent::Open(status);
            self.payments[place].is_declined = false;
            self.emit(place, open(status));
        }
        can
    }

    /// The customer has finished: the Session is complete, with this payment.
    fn complete(&mut self, place: usize, paid: Option<Success>) -> bool {
        if self.payments[place].flow == PaymentFlow::CheckoutSession {
            self.payments[place].session = SessionStatus::Complete;
            self.events.push(Step::Session(place, SessionStatus::Complete, paid));
        }
        true
    }

    fn decline(&mut self, place: usize) -> bool {
        let transfers = [OpenStatus::Processing, OpenStatus::AwaitsTransfer];
        let is_in_flight =
            transfers.iter().any(|status| self.payments[place].intent == Intent::Open(*status));
        if !is_in_flight && !self.is_with_customer(place) {
            return false;
        }
        self.create_intent(place);
        self.payments[place].intent = Intent::Open(OpenStatus::RequiresPaymentMethod);
        self.payments[place].is_declined = true;
        let charge = format!("ch_{}", self.event_count);
        self.emit(place, declined(&charge));
        if self.payments[place].session == SessionStatus::Complete {
            self.payments[place].session = SessionStatus::Failed;
            self.events.push(Step::Session(place, SessionStatus::Failed, None));
        }
        true
    }

    fn succeed(&mut self, place: usize, cents: i64) -> bool {
        let is_in_flight = matches!(
            self.payments[place].intent,
            Intent::Open(OpenStatus::Processing | OpenStatus::AwaitsTransfer | OpenStatus::RequiresCapture)
        );
        if !is_in_flight && !self.is_with_customer(place) {
            return false;
        }
        self.create_intent(place);
        self.payments[place].intent = Intent::Succeeded;
        self.payments[place].received = cents;
        let success = Success { amount_received: cents, ..right_success() };
        self.emit(place, ObservedState::Succeeded(success.clone()));
        self.complete(place, (cents == PRICE).then_some(success))
    }

    fn cancel(&mut self, place: usize) -> bool {
        self.payments[place].intent = Intent::Canceled;
        self.emit(place, ObservedState::Canceled);
        true
    }

    fn expire(&mut self, place: usize) -> bool {
        let payment = &mut self.payments[place];
        let can = payment.flow == PaymentFlow::CheckoutSession && payment.session == SessionStatus::Open;
        if can {
            payment.session = SessionStatus::Expired;
            payment.intent = Intent::Canceled;
            self.events.push(Step::Session(place, SessionStatus::Expired, None));
            if self.payments[place].exists_at_stripe {
                self.cancel(place);
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
            self.emit_refund(self.refunds.len() - 1);
        }
        can
    }

    fn change_refund(&mut self, number: usize, from: &[RefundStatus], to: RefundStatus) -> bool {
        let can = self.refunds.get(number).is_some_and(|refund| from.contains(&refund.status));
        if can {
            self.refunds[number].status = to;
            self.emit_refund(number);
        }
        can
    }

    fn emit_refund(&mut self, number: usize) {
        let provenance = provenance(self.second, &self.event());
        let RefundObject { place, cents, status, is_named } = self.refunds[number];
        self.events.push(Step::Refund(
            place,
            RefundStep { number, is_named, cents, reason: None, provenance, status },
        ));
    }

    /// A charge has at most one dispute.
    fn open_dispute(&mut self, place: usize, status: DisputeStatus) -> bool {
        let can = self.payments[place].intent == Intent::Succeeded
            && self.disputes.iter().all(|dispute| dispute.place != place);
        if can {
            self.disputes.push(DisputeObject { place, status });
            self.emit_dispute(self.disputes.len() - 1);
        }
        can
    }

    fn change_dispute(&mut self, number: usize, from: &[DisputeStatus], to: DisputeStatus) -> bool {
        let can = self.disputes.get(number).is_some_and(|dispute| from.contains(&dispute.status));
        if can {
            self.disputes[number].status = to;
            self.emit_dispute(number);
        }
        can
    }

    fn emit_dispute(&mut self, number: usize) {
        let provenance = provenance(self.second, &self.event());
        let DisputeObject { place, status } = self.disputes[number];
        let cents = self.payments[place].received;
        let observed = DisputeStep { number, cents, currency: "eur", provenance, status };
        self.events.push(Step::Dispute(place, observed));
    }
}
