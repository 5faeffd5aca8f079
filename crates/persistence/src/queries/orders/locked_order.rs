//! Changing the payment history of an order: lock, apply, persist.
//!
//! A transaction locks its orders in ID order and reads their histories under the lock. It changes them in memory with
//! the rules of the domain. Then `persist` writes the results: payments, refunds, decisions, the cached status, and events
//! for the shop's systems.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::event::EventOutcome;
use quittance_domain::history::{CloseReason, Decisions, History, Limits};
use quittance_domain::id::{OrderId, PaymentId, RefundId};
use quittance_domain::order::{Order, is_outdated};
use quittance_domain::order_state::OrderState;
use quittance_domain::payment::{Attempt, Mismatch, PaymentStatus};

use super::super::columns::{parse, read};
use super::super::dialect::{Conn, for_update, load_all};
use super::super::rows::decisions::{DecisionRow, decision_from_row};
use super::super::rows::disputes::DisputeRow;
use super::super::rows::orders::OrderRow;
use super::super::rows::payments::PaymentRow;
use super::super::rows::refunds::RefundRow;
use super::super::schema::{decisions, disputes, orders, payments, refunds};
use crate::Error;
use crate::model::PendingAttempt;

/// The orders that a transaction has locked.
pub(crate) struct LockedOrders(BTreeMap<String, LockedOrder>);

/// A locked order with its history.
pub(crate) struct LockedOrder {
    pub(crate) order_id: OrderId,
    pub(crate) order: OrderRow,
    pub(crate) history: History,
    /// The rows of `history.attempts`, in the same order.
    pub(crate) payments: Vec<PaymentRow>,
    /// The rows of `history.refunds`, in the same order. Rows of new refunds are added when the changes are
    /// persisted.
    pub(crate) refunds: Vec<RefundRow>,
    /// Like `refunds`.
    pub(crate) disputes: Vec<DisputeRow>,
    /// When a worker may send a new refund to Stripe, if not at the usual time.
    pub(crate) send_at: BTreeMap<RefundId, DateTime<Utc>>,
    /// Products that this order has sold out.
    pub(crate) sold_out: Vec<String>,
    /// Whether Stripe reported a money movement without details, or in an event that proves nothing.
    pub(crate) movement_reported: bool,
    pub(crate) initial: InitialState,
}

/// The state of an order when it was locked.
pub(crate) struct InitialState {
    pub(crate) order_state: OrderState,
    pub(crate) visible_payment: VisiblePayment,
    pub(crate) closing: Option<CloseReason>,
    pub(crate) payments: Vec<PaymentRow>,
}

/// The part of an order's payment that clients see.
type VisiblePayment = Option<(PaymentId, Option<String>, Option<String>, &'static str, Option<String>)>;

/// An order's rows in other tables.
#[derive(Default)]
struct OrderRecords {
    payments: Vec<PaymentRow>,
    refunds: Vec<RefundRow>,
    disputes: Vec<DisputeRow>,
    decisions: Vec<DecisionRow>,
}

impl LockedOrders {
    /// Locks orders in ID order, to avoid deadlocks, and reads their histories.
    pub(crate) async fn lock(conn: &mut Conn, order_ids: Vec<String>) -> Result<Self, Error> {
        if order_ids.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        let locked: Vec<OrderRow> = for_update!(
            orders::table
                .filter(orders::id.eq_any(&order_ids))
                .order(orders::id.asc())
                .select(OrderRow::as_select())
        )
        .load(conn)
        .await?;
        Self::open(conn, locked).await
    }

    /// Reads orders with their histories, without locks.
    pub(crate) async fn read(conn: &mut Conn, order_ids: Vec<String>) -> Result<Self, Error> {
        let rows: Vec<OrderRow> = orders::table
            .filter(orders::id.eq_any(&order_ids))
            .select(OrderRow::as_select())
            .load(conn)
            .await?;
        Self::open(conn, rows).await
    }

    pub(crate) fn get(&self, order_id: &OrderId) -> Option<&LockedOrder> {
        self.0.get(order_id.as_str())
    }

    pub(crate) fn into_orders(self) -> impl Iterator<Item = LockedOrder> {
        self.0.into_values()
    }

    async fn open(conn: &mut Conn, rows: Vec<OrderRow>) -> Result<Self, Error> {
        let order_ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        if order_ids.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        // Few orders have refunds or disputes, and those are marked.
        let marked = rows.iter().filter(|row| row.has_refunds_or_disputes);
        let marked: Vec<String> = marked.map(|row| row.id.clone()).collect();
        let found: (Vec<PaymentRow>, Vec<DecisionRow>) = load_all!(
            conn,
            payments::table
                .filter(payments::order_id.eq_any(&order_ids))
                .order(payments::id.asc())
                .select(PaymentRow::as_select()),
            decisions::table.filter(decisions::order_id.eq_any(&order_ids)).select(DecisionRow::as_select()),
        )?;
        let mut records: BTreeMap<String, OrderRecords> = BTreeMap::new();
        for row in found.0 {
            records.entry(row.order_id.clone()).or_default().payments.push(row);
        }
        for row in found.1 {
            records.entry(row.order_id.clone()).or_default().decisions.push(row);
        }
        if !marked.is_empty() {
            let returned: (Vec<RefundRow>, Vec<DisputeRow>) = load_all!(
                conn,
                refunds::table
                    .filter(refunds::order_id.eq_any(&marked))
                    .order(refunds::id.asc())
                    .select(RefundRow::as_select()),
                disputes::table
                    .filter(disputes::order_id.eq_any(&marked))
                    .order(disputes::id.asc())
                    .select(DisputeRow::as_select()),
            )?;
            for row in returned.0 {
                records.entry(row.order_id.clone()).or_default().refunds.push(row);
            }
            for row in returned.1 {
                records.entry(row.order_id.clone()).or_default().disputes.push(row);
            }
        }
        let mut locked_orders = BTreeMap::new();
        for row in rows {
            let records = records.remove(&row.id).unwrap_or_default();
            locked_orders.insert(row.id.clone(), LockedOrder::open(row, records)?);
        }
        Ok(Self(locked_orders))
    }

    /// Locks one order.
    pub(crate) async fn lock_one(conn: &mut Conn, order_id: &OrderId) -> Result<Option<LockedOrder>, Error> {
        let Self(mut locked_orders) = Self::lock(conn, vec![order_id.to_string()]).await?;
        Ok(locked_orders.remove(order_id.as_str()))
    }

    /// Locks the order of an attempt, which must exist.
    pub(crate) async fn lock_for_attempt(
        conn: &mut Conn,
        payment_id: &PaymentId,
    ) -> Result<LockedOrder, Error> {
        let order_id: String =
            payments::table.find(payment_id.as_str()).select(payments::order_id).first(conn).await?;
        let locked = Self::lock_one(conn, &parse("payment", &order_id)?).await?;
        locked.ok_or_else(|| Error::corrupt("payment", "its order doesn't exist"))
    }

    /// Applies an event to an attempt, and returns the outcome.
    pub(crate) fn apply_to_attempt(
        &mut self,
        order_id: &str,
        payment_id: &str,
        apply: impl FnOnce(&mut LockedOrder, &PaymentId) -> Result<(), Mismatch>,
    ) -> EventOutcome {
        let Some(locked) = self.0.get_mut(order_id) else {
            return EventOutcome::Ignored(Mismatch::UnknownAttempt);
        };
        let Some(payment_id) = payment_id.parse::<PaymentId>().ok() else { return EventOutcome::Failed };
        match apply(locked, &payment_id) {
            Ok(()) => EventOutcome::Applied,
            Err(mismatch) => EventOutcome::Ignored(mismatch),
        }
    }
}

impl LockedOrder {
    fn open(order: OrderRow, records: OrderRecords) -> Result<Self, Error> {
        let OrderRecords { payments, refunds, disputes, decisions } = records;
        let mut made = Decisions::default();
        for row in &decisions {
            made.record(&decision_from_row(row)?);
        }
        let mut attempts: Vec<Attempt> =
            payments.iter().map(PaymentRow::attempt).collect::<Result<_, _>>()?;
        // An accepted attempt matched the order at that time.
        let (total, seller_terms) = (order.total()?, order.seller_terms()?);
        for attempt in attempts.iter_mut().filter(|attempt| made.accepted.as_ref() != Some(&attempt.id)) {
            attempt.outdated =
                is_outdated(&attempt.expected, attempt.destination.as_deref(), total, seller_terms.as_ref());
        }
        let history = History {
            attempts,
            refunds: refunds.iter().map(RefundRow::refund).collect::<Result<_, _>>()?,
            disputes: disputes.iter().map(DisputeRow::dispute).collect::<Result<_, _>>()?,
            decisions: made,
            closing: order.closing()?,
        };
        let initial = InitialState {
            order_state: history.order_state(),
            visible_payment: visible_payment(&history),
            closing: history.closing,
            payments: payments.clone(),
        };
        Ok(Self {
            order_id: order.order_id()?,
            order,
            history,
            payments,
            refunds,
            disputes,
            send_at: BTreeMap::new(),
            sold_out: Vec::new(),
            movement_reported: false,
            initial,
        })
    }

    /// Reports whether Quittance must ask Stripe for the payment's outcome. One reason is a reported money
    /// movement. Another is that a PaymentIntent with an unknown ID was paid: its earlier refund and dispute events were ignored.
    ///
    /// Stripe's payment page creates its PaymentIntent itself. So its ID may have become known after those events and
    /// before the payment. With a fee, a complete Checkout Session reveals the ID, but not that it was paid.
    pub(crate) fn needs_payment_refresh(&self) -> bool {
        let was_known = |attempt: &Attempt| {
            let id = attempt.id.as_str();
            let Some(row) = self.initial.payments.iter().find(|row| row.id == id) else { return true };
            let was_paid =
                || row.attempt().is_ok_and(|attempt| attempt.facts.status() == PaymentStatus::Succeeded);
            row.payment_intent_id.is_some() && (attempt.flow == PaymentFlow::PaymentIntent || was_paid())
        };
        let may_be_paid = |attempt: &Attempt| {
            attempt.facts.status() == PaymentStatus::Succeeded
                || (attempt.expected.application_fee.is_some()
                    && attempt.facts.session() == Some(SessionStatus::Complete))
        };
        let learned = |attempt: &Attempt| {
            attempt.payment_intent_id.is_some() && may_be_paid(attempt) && !was_known(attempt)
        };
        self.movement_reported || self.history.attempts.iter().any(learned)
    }

    /// Adds an attempt that was just recorded.
    pub(crate) fn add(&mut self, row: PaymentRow) -> Result<(), Error> {
        self.history.attempts.push(row.attempt()?);
        self.payments.push(row);
        Ok(())
    }

    /// Returns the row of an attempt, to change columns other than facts.
    pub(crate) fn payment_mut(&mut self, payment_id: &PaymentId) -> Option<&mut PaymentRow> {
        self.payments.iter_mut().find(|row| row.id == payment_id.as_str())
    }

    pub(crate) fn attempt_mut(&mut self, payment_id: &PaymentId) -> Option<&mut Attempt> {
        self.history.attempts.iter_mut().find(|attempt| attempt.id == *payment_id)
    }

    /// Marks an attempt to be closed at Stripe, because the customer pays in another way or another amount.
    pub(crate) fn abandon(&mut self, payment_id: &PaymentId) {
        if let Some(attempt) = self.attempt_mut(payment_id) {
            attempt.abandoned = true;
        }
    }

    /// Reports whether the shop has requested to capture an authorized payment.
    pub(crate) fn is_capture_requested(&self) -> bool {
        self.history.attempts.iter().any(|attempt| attempt.is_authorized() && attempt.capture.is_some())
    }

    /// Returns the order as clients see it.
    pub(crate) fn read(&self) -> Result<Order, Error> {
        let current = self.order.current_payment_id.as_ref();
        let payment = current.and_then(|id| self.payments.iter().find(|row| row.id == *id));
        self.order.clone().read(payment.map(PaymentRow::current).transpose()?)
    }

    /// Returns an attempt with everything needed to continue it at Stripe.
    pub(crate) fn pending_attempt(
        &self,
        payment_id: &PaymentId,
        limits: &Limits,
    ) -> Result<PendingAttempt, Error> {
        let (row, attempt) = self
            .payments
            .iter()
            .zip(&self.history.attempts)
            .find(|(row, _)| row.id == payment_id.as_str())
            .ok_or_else(|| Error::corrupt("order", "it has no such payment"))?;
        Ok(PendingAttempt {
            order_id: self.order_id.clone(),
            task: self.history.task(attempt, row.details(self.order.details_version), limits),
            attempt: attempt.clone(),
            request: row.request.clone(),
            request_params: row.request_params.clone(),
            recorded_at: row.created_at,
            resume_count: row.resume_count,
            details_version: self.order.details_version,
            customer: self.order.customer(),
            shipping: self.order.shipping.clone().map(|text| read("order", text)).transpose()?,
        })
    }
}

pub(crate) fn visible_payment(history: &History) -> VisiblePayment {
    history.current_attempt().map(|attempt| {
        (
            attempt.id.clone(),
            attempt.payment_intent_id.clone(),
            attempt.checkout_session_id.clone(),
            attempt.facts.status().as_str(),
            attempt.facts.last_failure().map(|failure| failure.id.clone()),
        )
    })
}
