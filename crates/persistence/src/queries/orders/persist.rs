//! Persists an order's changes: decisions, due refunds, cached columns and events.

use chrono::{DateTime, Duration, Utc};
use quittance_domain::history::{Decision, Limits, RestockOutcome};
use quittance_domain::id::{MessageId, OrderId, PaymentId, RefundId};
use quittance_domain::order::Order;
use quittance_domain::order_state::{OrderEvent, OrderEventKind, OrderState};
use quittance_domain::payment::ReviewReason;
use quittance_domain::refund::{Refund, RefundFacts, RefundStatus, RefundTerms};
use uuid::Uuid;

use super::super::batch;
use super::super::catalog::stock::{self, StockOutcome};
use super::super::changes::{Changes, CheckRow};
use super::super::columns::{document, instant};
use super::super::dialect::Conn;
use super::super::rows::decisions::decision_row;
use super::super::rows::disputes::DisputeRow;
use super::super::rows::outbox::OutboxRow;
use super::super::rows::payments::PaymentRow;
use super::super::rows::refunds::RefundRow;
use super::super::rows::stock::{Quantities, add_quantity, quantities_of};
use super::locked_order::{LockedOrder, LockedOrders, visible_payment};
use crate::Error;

/// The time that a caller has to continue at Stripe before a worker takes over.
const CALLER_GRACE_PERIOD: Duration = Duration::seconds(30);

/// The time to wait for Stripe's events about a refund before Quittance asks Stripe.
pub(crate) const REFUND_CHECK_DELAY: Duration = Duration::hours(6);

impl LockedOrders {
    /// Makes due decisions and collects the changes of all orders, after events were applied to them.
    pub(crate) async fn persist(
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
            locked.persist(conn, limits, now, now, &mut changes).await?;
        }
        release_stock(conn, &mut changes).await?;
        Ok(changes)
    }
}

async fn release_stock(conn: &mut Conn, changes: &mut Changes) -> Result<(), Error> {
    stock::release(conn, &std::mem::take(&mut changes.released_stock)).await
}

impl LockedOrder {
    /// Persists the changes of one order. The caller then sends the next request to Stripe.
    pub(crate) async fn commit(
        &mut self,
        conn: &mut Conn,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Order, Error> {
        let mut changes = Changes::default();
        self.persist(conn, limits, now, now + CALLER_GRACE_PERIOD, &mut changes).await?;
        release_stock(conn, &mut changes).await?;
        batch::write(conn, changes, Vec::new()).await?;
        self.read()
    }

    /// Makes the decisions that are due, and collects all changes that follow.
    async fn persist(
        &mut self,
        conn: &mut Conn,
        limits: &Limits,
        now: DateTime<Utc>,
        resume_at: DateTime<Utc>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        self.apply_decisions(conn, now, changes).await?;
        self.begin_due_refunds(limits, now);
        self.update_cached_state(now, changes);
        self.write_payments(limits, resume_at, changes)?;
        self.write_refunds(now, resume_at, changes)?;
        self.write_disputes(now, changes)
    }

    async fn apply_decisions(
        &mut self,
        conn: &mut Conn,
        now: DateTime<Utc>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let mut made = self.history.apply_decisions();
        if self.history.needs_restock() {
            let restock = self.reserve_again(conn).await?;
            made.push(Decision::RestockAttempted(restock));
            self.history.decisions.record(&Decision::RestockAttempted(restock));
            made.extend(self.history.apply_decisions());
        }
        for decision in made {
            if let Decision::Closed(_) = decision {
                for held in self.order.held_stock()? {
                    add_quantity(&mut changes.released_stock, &held.product_id, held.quantity);
                }
            }
            changes.decisions.push(decision_row(&self.order_id, &decision, now));
        }
        Ok(())
    }

    /// Reserves the items that the order had released: all of them, or none.
    async fn reserve_again(&mut self, conn: &mut Conn) -> Result<RestockOutcome, Error> {
        let wanted = quantities_of(&self.order.held_stock()?);
        match stock::exchange(conn, &Quantities::new(), &wanted).await? {
            StockOutcome::Taken { sold_out, .. } => {
                self.sold_out.extend(sold_out);
                Ok(RestockOutcome::Taken)
            }
            StockOutcome::Short(_) => Ok(RestockOutcome::Short),
        }
    }

    /// Records automatic refunds. A worker sends them, because no caller waits for them.
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

    /// Updates the cached columns and adds events for the shop's systems. Each event has its own version, so
    /// receivers can order them.
    fn update_cached_state(&mut self, now: DateTime<Utc>, changes: &mut Changes) {
        let order_state = self.history.order_state();
        let sold_out = std::mem::take(&mut self.sold_out).into_iter();
        let mut events = order_state.events_since(&self.initial.order_state);
        events.extend(
            sold_out.map(|product| OrderEvent { kind: OrderEventKind::ProductOutOfStock, subject: product }),
        );
        let visible = order_state != self.initial.order_state
            || visible_payment(&self.history) != self.initial.visible_payment
            || !events.is_empty();
        if !visible && self.cache_matches(&order_state) && self.history.closing == self.initial.closing {
            return;
        }
        let order = &mut self.order;
        order.version += 1;
        for (index, event) in events.into_iter().enumerate() {
            order.version += i64::from(index > 0);
            changes.outbox.push(outbox_row(&self.order_id, order.version, event, now));
        }
        if order_state.outcome.is_some() && order_state.outcome != self.initial.order_state.outcome {
            order.outcome_version = order.version;
        }
        order_state.status.as_str().clone_into(&mut order.status);
        order.review_reason = order_state.review_reason.map(|reason| reason.as_str().to_owned());
        order.amount_paid = order_state.amount_paid;
        order.amount_refunded = order_state.amount_refunded;
        order.current_payment_id = self.history.current_attempt().map(|attempt| attempt.id.to_string());
        order.closing = self.history.closing.map(|reason| reason.as_str().to_owned());
        order.updated_at = instant(now);
        changes.orders.push(order.clone());
    }

    /// Reports whether the cached columns match the derived state.
    pub(crate) fn cache_matches(&self, order_state: &OrderState) -> bool {
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
            // A closed attempt stays closed, even after later events: a new attempt may have begun.
            row.closed |= attempt.is_closed();
            let task = self.history.task(attempt, row.details(self.order.details_version), limits);
            row.resume_at = task.map(|_| row.resume_at.unwrap_or(resume_at));
            if task.is_none() {
                row.resume_count = 0;
            }
        }
        let is_changed = |row: &&PaymentRow| !self.initial.payments.contains(row);
        changes.payments.extend(self.payments.iter().filter(is_changed).cloned());
        Ok(())
    }

    fn write_refunds(
        &mut self,
        now: DateTime<Utc>,
        resume_at: DateTime<Utc>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let mut is_open = false;
        for (index, refund) in self.history.refunds.iter().enumerate() {
            let known = self.refunds.get(index);
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
                Some(initial) if *initial != row => {
                    // `updated_at` changes only if clients can see a difference.
                    if visible_refund(&initial.refund()?) != visible_refund(refund) {
                        row.updated_at = instant(now);
                    }
                    changes.refunds.push(row.clone());
                    self.refunds[index] = row;
                }
                Some(_) => {}
            }
        }
        if is_open {
            self.schedule_refresh(now + REFUND_CHECK_DELAY, changes);
        }
        Ok(())
    }

    fn write_disputes(&mut self, now: DateTime<Utc>, changes: &mut Changes) -> Result<(), Error> {
        for (index, dispute) in self.history.disputes.iter().enumerate() {
            let facts = document("dispute", &dispute.facts)?;
            match self.disputes.get_mut(index) {
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

    /// Schedules a check of the order by this time, unless an earlier one is due.
    fn schedule_refresh(&mut self, at: DateTime<Utc>, changes: &mut Changes) {
        if self.order.check_at.is_none_or(|known| known > at) {
            self.order.check_at = Some(instant(at));
            changes.checks.push(CheckRow { id: self.order.id.clone(), check_at: instant(at) });
        }
    }
}

/// Returns the changeable part of a refund that clients see.
fn visible_refund(refund: &Refund) -> (RefundStatus, Option<&str>, Option<&str>) {
    (refund.status(), refund.failure_reason(), refund.stripe_refund_id.as_deref())
}

fn outbox_row(order_id: &OrderId, sequence: i64, event: OrderEvent, now: DateTime<Utc>) -> OutboxRow {
    OutboxRow {
        id: MessageId::from_uuid(Uuid::now_v7()).to_string(),
        order_id: Some(order_id.to_string()),
        seller_id: None,
        kind: event.kind.as_str(),
        subject: event.subject,
        sequence,
        created_at: now,
    }
}

/// Returns the events of a new order: `order.created` with sequence 1, and one for each product that it sold out.
pub(crate) fn order_created_events(
    order_id: &OrderId,
    sold_out: Vec<String>,
    now: DateTime<Utc>,
) -> Vec<OutboxRow> {
    let created = OrderEvent { kind: OrderEventKind::Created, subject: String::new() };
    let sold_out = sold_out.into_iter();
    let out_of_stock =
        sold_out.map(|subject| OrderEvent { kind: OrderEventKind::ProductOutOfStock, subject });
    let events = std::iter::once(created).chain(out_of_stock);
    events.zip(1..).map(|(event, sequence)| outbox_row(order_id, sequence, event, now)).collect()
}
