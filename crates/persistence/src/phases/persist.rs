//! What follows from an order's history: decisions, refunds that are due, the cached columns, and what is told.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use quittance_domain::history::{Decision, Limits, RestockOutcome};
use quittance_domain::id::{MessageId, OrderId, PaymentId, RefundId};
use quittance_domain::order::Order;
use quittance_domain::order_state::{OrderEvent, OrderEventKind, OrderState};
use quittance_domain::payment::ReviewReason;
use quittance_domain::refund::{Refund, RefundFacts, RefundStatus, RefundTerms};
use uuid::Uuid;

use super::super::batch;
use super::super::dialect::Conn;
use super::locked_order::{LockedOrder, LockedOrders, shown};
use super::refund_rows::{DisputeRow, RefundRow};
use super::rows::{
    CheckRow, DecisionRow, OrderRow, OutboxRow, PaymentRow, ReturnsRow, document, instant, parse,
};
use super::stock::{self, Counts, Taken};
use crate::Error;

/// How long a phase's caller has to do at Stripe what it just recorded, before a worker does it instead.
const GRACE: Duration = Duration::seconds(30);

/// How long Stripe may take to tell of a refund before it is asked.
pub(super) const REFUND_PATIENCE: Duration = Duration::hours(6);

/// What a phase writes back.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) checks: Vec<CheckRow>,
    pub(crate) payments: Vec<PaymentRow>,
    pub(crate) new_refunds: Vec<RefundRow>,
    pub(crate) refunds: Vec<RefundRow>,
    pub(crate) new_disputes: Vec<DisputeRow>,
    pub(crate) disputes: Vec<DisputeRow>,
    pub(crate) decisions: Vec<DecisionRow>,
    pub(crate) outbox: Vec<OutboxRow>,
    /// Goes back to the stock; not written with the others, but in the order of the products.
    pub(crate) returned: Counts,
}

impl LockedOrders {
    /// Settles every order; events have told of what changed.
    pub(super) async fn settle(
        self,
        conn: &mut Conn,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        for mut locked in self.into_orders() {
            if locked.needs_payment_refresh() {
                locked.schedule_refresh(now, &mut changes);
            }
            locked.settle(conn, limits, now, now, &mut changes).await?;
        }
        changes.return_stock(conn).await?;
        Ok(changes)
    }
}

impl Changes {
    /// The orders of new refunds and disputes, in the order of their ids. Whatever inserts these marks those, because
    /// of an order that is not marked none are read.
    pub(crate) fn returns(&self) -> Vec<ReturnsRow> {
        let refunds = self.new_refunds.iter().map(|row| &row.order_id);
        let disputes = self.new_disputes.iter().map(|row| &row.order_id);
        let ids: BTreeSet<&String> = refunds.chain(disputes).collect();
        ids.into_iter().map(|id| ReturnsRow { id: id.clone() }).collect()
    }

    async fn return_stock(&mut self, conn: &mut Conn) -> Result<(), Error> {
        stock::give_back(conn, &std::mem::take(&mut self.returned)).await
    }
}

impl LockedOrder {
    /// Settles and writes: for phases about one order, whose caller goes on to do at Stripe what is left.
    pub(super) async fn commit(
        &mut self,
        conn: &mut Conn,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Order, Error> {
        let mut changes = Changes::default();
        self.settle(conn, limits, now, now + GRACE, &mut changes).await?;
        changes.return_stock(conn).await?;
        batch::write(conn, changes, Vec::new()).await?;
        self.read()
    }

    /// Makes the decisions that are due, and brings everything up to what follows from them.
    async fn settle(
        &mut self,
        conn: &mut Conn,
        limits: &Limits,
        now: DateTime<Utc>,
        resume_at: DateTime<Utc>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        self.decide(conn, now, changes).await?;
        self.begin_due_refunds(limits, now);
        self.cache_standing(now, changes);
        self.write_payments(limits, resume_at, changes)?;
        self.write_refunds(now, resume_at, changes)?;
        self.write_disputes(now, changes)
    }

    async fn decide(
        &mut self,
        conn: &mut Conn,
        now: DateTime<Utc>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let mut made = self.history.apply_decisions();
        if self.history.needs_restock() {
            let restock = self.take_again(conn).await?;
            made.push(Decision::RestockAttempted(restock));
            self.history.decisions.record(&Decision::RestockAttempted(restock));
            made.extend(self.history.apply_decisions());
        }
        for decision in made {
            if let Decision::Closed(_) = decision {
                for hold in self.order.holds()? {
                    stock::count(&mut changes.returned, &hold.product_id, hold.quantity);
                }
            }
            changes.decisions.push(decision_row(&self.order_id, &decision, now));
        }
        Ok(())
    }

    /// Takes what the order had given back from the stock again: all of it, or nothing.
    async fn take_again(&mut self, conn: &mut Conn) -> Result<RestockOutcome, Error> {
        let wanted = stock::counts_of(&self.order.holds()?);
        match stock::exchange(conn, &Counts::new(), &wanted).await? {
            Taken::All { emptied, .. } => {
                self.emptied.extend(emptied);
                Ok(RestockOutcome::Taken)
            }
            Taken::Short(_) => Ok(RestockOutcome::Short),
        }
    }

    /// Records the refunds that nobody asked for. A worker drives them: no caller waits for them.
    fn begin_due_refunds(&mut self, limits: &Limits, now: DateTime<Utc>) {
        for due in self.history.due_refunds(limits.review_refund) {
            let id = RefundId::from_uuid(Uuid::now_v7());
            self.send_at.insert(id.clone(), now);
            self.history.refunds.push(Refund {
                id,
                amount: due.amount,
                reason: None,
                terms: self
                    .history
                    .attempt(&due.payment_id)
                    .map(RefundTerms::for_attempt)
                    .unwrap_or_default(),
                payment_id: due.payment_id,
                cause: due.cause,
                stripe_refund_id: None,
                facts: RefundFacts::default(),
                refused: None,
            });
        }
    }

    /// Brings the cached columns up to where the order stands, and tells what is to be told. Every message has a
    /// version of its own, so that whoever gets them can put them in order.
    fn cache_standing(&mut self, now: DateTime<Utc>, changes: &mut Changes) {
        let order_state = self.history.order_state();
        let emptied = std::mem::take(&mut self.emptied).into_iter();
        let mut told = order_state.events_since(&self.before.order_state);
        told.extend(
            emptied.map(|product| OrderEvent { kind: OrderEventKind::ProductOutOfStock, subject: product }),
        );
        let visible = order_state != self.before.order_state
            || shown(&self.history) != self.before.shown
            || !told.is_empty();
        if !visible && self.caches(&order_state) && self.history.closing == self.before.closing {
            return;
        }
        let order = &mut self.order;
        order.version += 1;
        for (place, announcement) in told.into_iter().enumerate() {
            order.version += i64::from(place > 0);
            changes.outbox.push(outbox_row(&self.order_id, order.version, announcement, now));
        }
        if order_state.outcome.is_some() && order_state.outcome != self.before.order_state.outcome {
            order.outcome_version = order.version;
        }
        order_state.status.as_str().clone_into(&mut order.status);
        order.review_reason = order_state.review_reason.map(|reason| reason.as_str().to_owned());
        order.amount_paid = order_state.amount_paid;
        order.amount_refunded = order_state.amount_refunded;
        order.current_payment_id = self.history.current_attempt().map(|attempt| attempt.id.to_string());
        order.closing = self.history.closing.map(|closure| closure.as_str().to_owned());
        order.updated_at = instant(now);
        changes.orders.push(order.clone());
    }

    /// Whether the cached columns say where the order stands.
    pub(super) fn caches(&self, order_state: &OrderState) -> bool {
        let order = &self.order;
        let current = self.history.current_attempt().map(|attempt| attempt.id.as_str());
        order.status == order_state.status.as_str()
            && order.review_reason.as_deref() == order_state.review_reason.map(ReviewReason::as_str)
            && (order.amount_paid, order.amount_refunded)
                == (order_state.amount_paid, order_state.amount_refunded)
            && order.current_payment_id.as_deref() == current
    }

    fn write_payments(
        &mut self,
        limits: &Limits,
        resume_at: DateTime<Utc>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        for (row, attempt) in self.payments.iter_mut().zip(&self.history.attempts) {
            row.payment_intent_id.clone_from(&attempt.payment_intent_id);
            row.checkout_session_id.clone_from(&attempt.checkout_session_id);
            row.facts = document("payment", &attempt.facts)?;
            row.capture = attempt.capture;
            row.abandoned = attempt.abandoned;
            row.refused.clone_from(&attempt.refused);
            // Once closed it stays closed here, whatever is heard later: a new attempt may have begun.
            row.closed |= attempt.is_closed();
            let task = self.history.task(attempt, row.details(&self.order), limits);
            row.resume_at = task.map(|_| row.resume_at.unwrap_or(resume_at));
            if task.is_none() {
                row.resume_count = 0;
            }
        }
        let known = |row: &&PaymentRow| !self.before.payments.contains(row);
        changes.payments.extend(self.payments.iter().filter(known).cloned());
        Ok(())
    }

    fn write_refunds(
        &mut self,
        now: DateTime<Utc>,
        resume_at: DateTime<Utc>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let mut is_open = false;
        for (place, refund) in self.history.refunds.iter().enumerate() {
            let known = self.refunds.get(place);
            let send_at = self.send_at.get(&refund.id).copied().unwrap_or(resume_at);
            let sent = !refund.is_unsent();
            let mut row = RefundRow {
                id: refund.id.to_string(),
                order_id: self.order_id.to_string(),
                payment_id: refund.payment_id.to_string(),
                account: self.account_of(&refund.payment_id),
                amount: refund.amount.minor(),
                currency: refund.amount.currency().to_string(),
                reason: refund.reason.clone(),
                cause: refund.cause.as_str().to_owned(),
                reverse_transfer: refund.terms.reverse_transfer,
                refund_application_fee: refund.terms.refund_application_fee,
                stripe_refund_id: refund.stripe_refund_id.clone(),
                facts: document("refund", &refund.facts)?,
                refused: refund.refused.clone(),
                resume_at: (!sent).then(|| known.and_then(|row| row.resume_at).unwrap_or(send_at)),
                resume_count: known.filter(|_| !sent).map_or(0, |row| row.resume_count),
                key_number: known.map_or(0, |row| row.key_number),
                key_since: known.and_then(|row| row.key_since),
                created_at: known.map_or(instant(now), |row| row.created_at),
                updated_at: known.map_or(instant(now), |row| row.updated_at),
            };
            match known {
                None => {
                    is_open |=
                        matches!(refund.status(), RefundStatus::Pending | RefundStatus::RequiresAction);
                    changes.new_refunds.push(row.clone());
                    self.refunds.push(row);
                }
                Some(before) if *before != row => {
                    // That it was seen once more to be as it was is no change of it.
                    if shown_of(&before.refund()?) != shown_of(refund) {
                        row.updated_at = instant(now);
                    }
                    changes.refunds.push(row.clone());
                    self.refunds[place] = row;
                }
                Some(_) => {}
            }
        }
        if is_open {
            self.schedule_refresh(now + REFUND_PATIENCE, changes);
        }
        Ok(())
    }

    fn write_disputes(&mut self, now: DateTime<Utc>, changes: &mut Changes) -> Result<(), Error> {
        for (place, dispute) in self.history.disputes.iter().enumerate() {
            let facts = document("dispute", &dispute.facts)?;
            match self.disputes.get_mut(place) {
                Some(row) if row.facts == facts => {}
                Some(row) => {
                    if row.dispute()?.facts.state() != dispute.facts.state() {
                        row.updated_at = instant(now);
                    }
                    row.facts = facts;
                    changes.disputes.push(row.clone());
                }
                None => {
                    let row = DisputeRow {
                        id: dispute.id.to_string(),
                        order_id: self.order_id.to_string(),
                        payment_id: dispute.payment_id.to_string(),
                        account: self.account_of(&dispute.payment_id),
                        stripe_dispute_id: dispute.stripe_dispute_id.clone(),
                        facts,
                        created_at: instant(now),
                        updated_at: instant(now),
                    };
                    changes.new_disputes.push(row.clone());
                    self.disputes.push(row);
                }
            }
        }
        Ok(())
    }

    fn account_of(&self, payment_id: &PaymentId) -> String {
        let attempt = self.history.attempt(payment_id);
        attempt.map(|attempt| attempt.expected.account.as_str().to_owned()).unwrap_or_default()
    }

    /// Has the order looked at by then, if it is not to be looked at earlier.
    fn schedule_refresh(&mut self, at: DateTime<Utc>, changes: &mut Changes) {
        if self.order.check_at.is_none_or(|known| known > at) {
            self.order.check_at = Some(instant(at));
            changes.checks.push(CheckRow { id: self.order.id.clone(), check_at: instant(at) });
        }
    }
}

/// What a reader sees of a refund that can change.
fn shown_of(refund: &Refund) -> (RefundStatus, Option<&str>, Option<&str>) {
    (refund.status(), refund.failure_reason(), refund.stripe_refund_id.as_deref())
}

fn decision_row(order_id: &OrderId, decision: &Decision, now: DateTime<Utc>) -> DecisionRow {
    let (kind, subject) = match decision {
        Decision::Accepted(payment_id) => ("accepted", payment_id.to_string()),
        Decision::Closed(closure) => ("closed", closure.as_str().to_owned()),
        Decision::RestockAttempted(restock) => ("restocked", restock.as_str().to_owned()),
    };
    DecisionRow { order_id: order_id.to_string(), kind: kind.to_owned(), subject, created_at: now }
}

pub(super) fn read_decision(row: &DecisionRow) -> Result<Decision, Error> {
    match row.kind.as_str() {
        "accepted" => Ok(Decision::Accepted(parse("decision", &row.subject)?)),
        "closed" => parse("decision", &row.subject).map(Decision::Closed),
        "restocked" => parse("decision", &row.subject).map(Decision::RestockAttempted),
        _ => Err(Error::corrupt("decision", "it is a word that this version does not know")),
    }
}

fn outbox_row(order_id: &OrderId, sequence: i64, told: OrderEvent, now: DateTime<Utc>) -> OutboxRow {
    OutboxRow {
        id: MessageId::from_uuid(Uuid::now_v7()).to_string(),
        order_id: Some(order_id.to_string()),
        seller_id: None,
        kind: told.kind.as_str(),
        subject: told.subject,
        sequence,
        created_at: now,
    }
}

/// What is told of an order that was just placed, the first one with sequence 1: that, and what it took the
/// last of.
pub(super) fn told_of_new(order_id: &OrderId, emptied: Vec<String>, now: DateTime<Utc>) -> Vec<OutboxRow> {
    let created = OrderEvent { kind: OrderEventKind::Created, subject: String::new() };
    let emptied = emptied.into_iter();
    let last = emptied.map(|subject| OrderEvent { kind: OrderEventKind::ProductOutOfStock, subject });
    let told = std::iter::once(created).chain(last);
    told.zip(1..).map(|(announcement, sequence)| outbox_row(order_id, sequence, announcement, now)).collect()
}
