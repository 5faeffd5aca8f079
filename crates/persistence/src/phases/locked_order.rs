//! The one way in which an order's payment history changes: lock, take in, settle, write.
//!
//! A phase locks the orders it is about (in the order of their ids, so that no two phases wait for each other),
//! reads their history as it is under the lock, changes it in memory by the rules of the domain, and writes
//! back whatever follows (`settling`): payments, refunds, decisions, the cached status, and what must be told to
//! the shop's systems.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::event::EventOutcome;
use quittance_domain::history::{CloseReason, Decisions, History, Limits};
use quittance_domain::id::{OrderId, PaymentId, RefundId};
use quittance_domain::order::Order;
use quittance_domain::order_state::OrderState;
use quittance_domain::payment::{Attempt, Mismatch, PaymentStatus};

use super::super::dialect::{Conn, for_update, load_all};
use super::persist::read_decision;
use super::refund_rows::{DisputeRow, RefundRow};
use super::rows::{DecisionRow, OrderRow, PaymentRow, parse};
use super::schema::{decisions, disputes, orders, payments, refunds};
use super::seller_gate::is_outdated;
use crate::Error;
use crate::model::PendingAttempt;

/// The locked orders of a phase.
pub(super) struct LockedOrders(BTreeMap<String, LockedOrder>);

/// One locked order with its history.
pub(super) struct LockedOrder {
    pub(super) order_id: OrderId,
    pub(super) order: OrderRow,
    pub(super) history: History,
    /// Row by row what stands in `history.attempts`.
    pub(super) payments: Vec<PaymentRow>,
    /// Row by row what stands in `history.refunds`; what was added there follows when the order is settled.
    pub(super) refunds: Vec<RefundRow>,
    /// As `refunds`.
    pub(super) disputes: Vec<DisputeRow>,
    /// When a worker may ask Stripe for a refund that is new, where that is not what is usual.
    pub(super) send_at: BTreeMap<RefundId, DateTime<Utc>>,
    /// Products of which this order took the last.
    pub(super) emptied: Vec<String>,
    /// Whether Stripe has told that money moved and not how, or has told it where it proves nothing.
    pub(super) movement_reported: bool,
    pub(super) before: Before,
}

/// How an order was when it was locked.
pub(super) struct Before {
    pub(super) order_state: OrderState,
    pub(super) shown: Shown,
    pub(super) closing: Option<CloseReason>,
    pub(super) payments: Vec<PaymentRow>,
}

/// What a reader sees of an order's payment.
type Shown = Option<(PaymentId, Option<String>, Option<String>, &'static str, Option<String>)>;

/// What is kept of an order beside its own row, by the order.
#[derive(Default)]
struct Kept {
    payments: Vec<PaymentRow>,
    refunds: Vec<RefundRow>,
    disputes: Vec<DisputeRow>,
    decisions: Vec<DecisionRow>,
}

impl LockedOrders {
    pub(super) async fn lock(conn: &mut Conn, order_ids: Vec<String>) -> Result<Self, Error> {
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

    /// Reads orders with their histories, to look at only.
    pub(super) async fn read(conn: &mut Conn, order_ids: Vec<String>) -> Result<Self, Error> {
        let rows: Vec<OrderRow> = orders::table
            .filter(orders::id.eq_any(&order_ids))
            .select(OrderRow::as_select())
            .load(conn)
            .await?;
        Self::open(conn, rows).await
    }

    pub(super) fn get(&self, order_id: &OrderId) -> Option<&LockedOrder> {
        self.0.get(order_id.as_str())
    }

    pub(super) fn into_orders(self) -> impl Iterator<Item = LockedOrder> {
        self.0.into_values()
    }

    async fn open(conn: &mut Conn, rows: Vec<OrderRow>) -> Result<Self, Error> {
        let order_ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        if order_ids.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        // Nearly no order has refunds or disputes, and those that have some say so.
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
        let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
        for row in found.0 {
            kept.entry(row.order_id.clone()).or_default().payments.push(row);
        }
        for row in found.1 {
            kept.entry(row.order_id.clone()).or_default().decisions.push(row);
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
                kept.entry(row.order_id.clone()).or_default().refunds.push(row);
            }
            for row in returned.1 {
                kept.entry(row.order_id.clone()).or_default().disputes.push(row);
            }
        }
        let mut locked_orders = BTreeMap::new();
        for row in rows {
            let kept = kept.remove(&row.id).unwrap_or_default();
            locked_orders.insert(row.id.clone(), LockedOrder::open(row, kept)?);
        }
        Ok(Self(locked_orders))
    }

    /// Locks one order.
    pub(super) async fn lock_one(conn: &mut Conn, order_id: &OrderId) -> Result<Option<LockedOrder>, Error> {
        let Self(mut locked_orders) = Self::lock(conn, vec![order_id.to_string()]).await?;
        Ok(locked_orders.remove(order_id.as_str()))
    }

    /// Locks the order of an attempt that must be there, because we made it.
    pub(super) async fn lock_of_attempt(
        conn: &mut Conn,
        payment_id: &PaymentId,
    ) -> Result<LockedOrder, Error> {
        let order_id: String =
            payments::table.find(payment_id.as_str()).select(payments::order_id).first(conn).await?;
        let locked = Self::lock_one(conn, &parse("payment", &order_id)?).await?;
        locked.ok_or_else(|| Error::corrupt("payment", "its order is gone"))
    }

    /// Takes something in that was told of an attempt, and says what became of it.
    pub(super) fn apply_to_attempt(
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
    fn open(order: OrderRow, kept: Kept) -> Result<Self, Error> {
        let Kept { payments, refunds, disputes, decisions } = kept;
        let mut made = Decisions::default();
        for row in &decisions {
            made.record(&read_decision(row)?);
        }
        let mut attempts: Vec<Attempt> =
            payments.iter().map(PaymentRow::attempt).collect::<Result<_, _>>()?;
        // What was accepted was what the order cost then.
        for attempt in attempts.iter_mut().filter(|attempt| made.accepted.as_ref() != Some(&attempt.id)) {
            attempt.outdated = is_outdated(&attempt.expected, attempt.destination.as_deref(), &order)?;
        }
        let history = History {
            attempts,
            refunds: refunds.iter().map(RefundRow::refund).collect::<Result<_, _>>()?,
            disputes: disputes.iter().map(DisputeRow::dispute).collect::<Result<_, _>>()?,
            decisions: made,
            closing: order.closing()?,
        };
        let before = Before {
            order_state: history.order_state(),
            shown: shown(&history),
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
            emptied: Vec::new(),
            movement_reported: false,
            before,
        })
    }

    /// Whether Stripe has to be asked what became of the money: it told that some moved, or a PaymentIntent was
    /// paid whose id nobody knew, so that what was told of its refunds and disputes before was not understood. Of one
    /// that Stripe's page made, the id may have been learned since that was told, and before that it was paid; and of
    /// one with a fee, a complete Checkout Session tells the id, but not that it was paid.
    pub(super) fn needs_payment_refresh(&self) -> bool {
        let was_known = |attempt: &Attempt| {
            let id = attempt.id.as_str();
            let Some(row) = self.before.payments.iter().find(|row| row.id == id) else { return true };
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
    pub(super) fn add(&mut self, row: PaymentRow) -> Result<(), Error> {
        self.history.attempts.push(row.attempt()?);
        self.payments.push(row);
        Ok(())
    }

    /// The row of an attempt, to be changed in what is no fact.
    pub(super) fn payment_mut(&mut self, payment_id: &PaymentId) -> Option<&mut PaymentRow> {
        self.payments.iter_mut().find(|row| row.id == payment_id.as_str())
    }

    pub(super) fn attempt_mut(&mut self, payment_id: &PaymentId) -> Option<&mut Attempt> {
        self.history.attempts.iter_mut().find(|attempt| attempt.id == *payment_id)
    }

    /// Has an attempt closed at Stripe, because the customer is to pay in another way or another amount.
    pub(super) fn abandon(&mut self, payment_id: &PaymentId) {
        if let Some(attempt) = self.attempt_mut(payment_id) {
            attempt.abandoned = true;
        }
    }

    /// Whether the shop has chosen to take what is held.
    pub(super) fn is_being_captured(&self) -> bool {
        self.history.attempts.iter().any(|attempt| attempt.is_authorized() && attempt.capture.is_some())
    }

    /// The order as its readers see it.
    pub(super) fn read(&self) -> Result<Order, Error> {
        let current = self.order.current_payment_id.as_ref();
        let payment = current.and_then(|id| self.payments.iter().find(|row| row.id == *id));
        self.order.clone().read(payment)
    }

    /// The attempt with what is needed to work on it at Stripe.
    pub(super) fn at_work(&self, payment_id: &PaymentId, limits: &Limits) -> Result<PendingAttempt, Error> {
        let (row, attempt) = self
            .payments
            .iter()
            .zip(&self.history.attempts)
            .find(|(row, _)| row.id == payment_id.as_str())
            .ok_or_else(|| Error::corrupt("order", "it lacks a payment that it was asked for"))?;
        Ok(PendingAttempt {
            order_id: self.order_id.clone(),
            task: self.history.task(attempt, row.details(&self.order), limits),
            attempt: attempt.clone(),
            request: row.request.clone(),
            request_params: row.request_params.clone(),
            recorded_at: row.created_at,
            resume_count: row.resume_count,
            details_version: self.order.details_version,
            customer: self.order.customer(),
            shipping: self.order.shipping.clone().map(|text| super::rows::read("order", text)).transpose()?,
        })
    }
}

pub(super) fn shown(history: &History) -> Shown {
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
