//! The one way in which an order's payment history changes: lock, take in, settle, write.
//!
//! A phase locks the orders it is about (in the order of their ids, so that no two phases wait for each other),
//! reads their history as it is under the lock, changes it in memory by the rules of the domain, and writes
//! back whatever follows: payments, decisions, the cached status, and what must be told to the shop's systems.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::event::Outcome;
use quittance_domain::history::{
    Announcement, AnnouncementKind, Closure, Decision, Decisions, History, Limits, Standing,
};
use quittance_domain::id::{MessageId, OrderId, PaymentId};
use quittance_domain::order::Order;
use quittance_domain::payment::{Attempt, Observation};
use uuid::Uuid;

use super::super::batch;
use super::super::dialect::{Conn, for_update};
use super::rows::{DecisionRow, OrderRow, OutboxRow, PaymentRow, document, instant, parse};
use super::schema::{decisions, orders, payments};
use crate::Error;
use crate::model::AttemptAtWork;

/// How long a phase's caller has to do at Stripe what it just recorded, before a worker does it instead.
const GRACE: Duration = Duration::seconds(30);

/// The locked orders of a phase.
pub(super) struct Ledgers(BTreeMap<String, Ledger>);

/// One locked order with its history.
pub(super) struct Ledger {
    pub(super) order_id: OrderId,
    pub(super) order: OrderRow,
    pub(super) history: History,
    /// Row by row what stands in `history.attempts`.
    pub(super) payments: Vec<PaymentRow>,
    before: Before,
}

/// How an order was when it was locked.
struct Before {
    standing: Standing,
    shown: Shown,
    closing: Option<Closure>,
    payments: Vec<PaymentRow>,
}

/// What a reader sees of an order's payment.
type Shown = Option<(PaymentId, Option<String>, &'static str, Option<String>)>;

/// What a phase writes back.
#[derive(Default)]
pub(in super::super) struct Changes {
    pub(in super::super) orders: Vec<OrderRow>,
    pub(in super::super) payments: Vec<PaymentRow>,
    pub(in super::super) decisions: Vec<DecisionRow>,
    pub(in super::super) outbox: Vec<OutboxRow>,
}

impl Ledgers {
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

    pub(super) fn get(&self, order_id: &OrderId) -> Option<&Ledger> {
        self.0.get(order_id.as_str())
    }

    async fn open(conn: &mut Conn, rows: Vec<OrderRow>) -> Result<Self, Error> {
        let order_ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let payment_rows: Vec<PaymentRow> = payments::table
            .filter(payments::order_id.eq_any(&order_ids))
            .order(payments::id.asc())
            .select(PaymentRow::as_select())
            .load(conn)
            .await?;
        let decision_rows: Vec<DecisionRow> = decisions::table
            .filter(decisions::order_id.eq_any(&order_ids))
            .select(DecisionRow::as_select())
            .load(conn)
            .await?;
        let mut payments_of: BTreeMap<String, Vec<PaymentRow>> = BTreeMap::new();
        for row in payment_rows {
            payments_of.entry(row.order_id.clone()).or_default().push(row);
        }
        let mut decisions_of: BTreeMap<String, Vec<DecisionRow>> = BTreeMap::new();
        for row in decision_rows {
            decisions_of.entry(row.order_id.clone()).or_default().push(row);
        }
        let mut ledgers = BTreeMap::new();
        for row in rows {
            let payments = payments_of.remove(&row.id).unwrap_or_default();
            let decisions = decisions_of.remove(&row.id).unwrap_or_default();
            ledgers.insert(row.id.clone(), Ledger::open(row, payments, &decisions)?);
        }
        Ok(Self(ledgers))
    }

    /// Locks one order.
    pub(super) async fn lock_one(conn: &mut Conn, order_id: &OrderId) -> Result<Option<Ledger>, Error> {
        let Self(mut ledgers) = Self::lock(conn, vec![order_id.to_string()]).await?;
        Ok(ledgers.remove(order_id.as_str()))
    }

    /// Takes an observation in for the attempt it is of, and says what became of it.
    pub(super) fn absorb(&mut self, order_id: &str, payment_id: &str, seen: &Observation) -> Outcome {
        let Some(ledger) = self.0.get_mut(order_id) else {
            return Outcome::Ignored(quittance_domain::payment::Mismatch::UnknownAttempt);
        };
        let Some(payment_id) = payment_id.parse::<PaymentId>().ok() else { return Outcome::Failed };
        match ledger.history.absorb(&payment_id, &ledger.order_id, seen) {
            Ok(()) => Outcome::Applied,
            Err(mismatch) => Outcome::Ignored(mismatch),
        }
    }

    pub(super) fn settle(self, limits: &Limits, now: DateTime<Utc>) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        for mut ledger in self.0.into_values() {
            ledger.settle(limits, now, now, &mut changes)?;
        }
        Ok(changes)
    }
}

impl Ledger {
    fn open(order: OrderRow, payments: Vec<PaymentRow>, rows: &[DecisionRow]) -> Result<Self, Error> {
        let mut decisions = Decisions::default();
        for row in rows {
            decisions.record(&read_decision(row)?);
        }
        let attempts = payments.iter().map(PaymentRow::attempt).collect::<Result<Vec<_>, _>>()?;
        let history = History { attempts, decisions, closing: order.closing()? };
        let before = Before {
            standing: history.standing(),
            shown: shown(&history),
            closing: history.closing,
            payments: payments.clone(),
        };
        Ok(Self { order_id: order.order_id()?, order, history, payments, before })
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

    /// Settles and writes: for phases about one order, whose caller goes on to do at Stripe what is left.
    pub(super) async fn commit(
        &mut self,
        conn: &mut Conn,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Order, Error> {
        let mut changes = Changes::default();
        self.settle(limits, now, now + GRACE, &mut changes)?;
        batch::write(conn, changes, Vec::new()).await?;
        self.read()
    }

    /// The order as its readers see it.
    pub(super) fn read(&self) -> Result<Order, Error> {
        let current = self.order.current_payment_id.as_ref();
        let payment = current.and_then(|id| self.payments.iter().find(|row| row.id == *id));
        self.order.clone().read(payment)
    }

    /// The attempt with what is needed to work on it at Stripe.
    pub(super) fn at_work(&self, payment_id: &PaymentId, limits: &Limits) -> Result<AttemptAtWork, Error> {
        let (row, attempt) = self
            .payments
            .iter()
            .zip(&self.history.attempts)
            .find(|(row, _)| row.id == payment_id.as_str())
            .ok_or_else(|| Error::corrupt("order", "it lacks a payment that it was asked for"))?;
        Ok(AttemptAtWork {
            order_id: self.order_id.clone(),
            task: self.history.task(attempt, row.details(&self.order), limits),
            attempt: attempt.clone(),
            request: row.request.clone(),
            recorded_at: row.created_at,
            redrives: row.redrives,
            details_version: self.order.details_version,
            customer: self.order.customer(),
            shipping: self.order.shipping.clone().map(|text| super::rows::read("order", text)).transpose()?,
        })
    }

    /// Makes the decisions that are due, and brings every cached column up to what follows from them.
    fn settle(
        &mut self,
        limits: &Limits,
        now: DateTime<Utc>,
        redrive_at: DateTime<Utc>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        for decision in self.history.settle() {
            changes.decisions.push(decision_row(&self.order_id, &decision, now));
        }
        let standing = self.history.standing();
        let shown = shown(&self.history);
        let visible = standing != self.before.standing || shown != self.before.shown;
        let order = &mut self.order;
        let stale_cache =
            order.status != standing.status.as_str() || order.amount_paid != standing.amount_paid;
        if visible || stale_cache || self.history.closing != self.before.closing {
            order.version += 1;
            if standing.settled.is_some() && standing.settled != self.before.standing.settled {
                order.settled_version = order.version;
            }
            standing.status.as_str().clone_into(&mut order.status);
            order.review_reason = standing.review_reason.map(|reason| reason.as_str().to_owned());
            order.amount_paid = standing.amount_paid;
            order.current_payment_id = self.history.current_attempt().map(|attempt| attempt.id.to_string());
            order.closing = self.history.closing.map(|closure| closure.as_str().to_owned());
            order.updated_at = instant(now);
            changes.orders.push(order.clone());
        }
        if let Some(announcement) = standing.announcement_since(&self.before.standing) {
            changes.outbox.push(outbox_row(&self.order_id, order.version, announcement, now));
        }
        for (row, attempt) in self.payments.iter_mut().zip(&self.history.attempts) {
            row.payment_intent_id.clone_from(&attempt.payment_intent_id);
            row.facts = document("payment", &attempt.facts)?;
            row.refused.clone_from(&attempt.refused);
            // Once closed it stays closed here, whatever is heard later: a new attempt may have begun.
            row.closed |= attempt.is_closed();
            let task = self.history.task(attempt, row.details(&self.order), limits);
            row.redrive_at = task.map(|_| row.redrive_at.unwrap_or(redrive_at));
            if task.is_none() {
                row.redrives = 0;
            }
        }
        let known = |row: &&PaymentRow| !self.before.payments.contains(row);
        changes.payments.extend(self.payments.iter().filter(known).cloned());
        Ok(())
    }
}

fn shown(history: &History) -> Shown {
    history.current_attempt().map(|attempt| {
        (
            attempt.id.clone(),
            attempt.payment_intent_id.clone(),
            attempt.facts.status().as_str(),
            attempt.facts.last_failure().map(|failure| failure.id.clone()),
        )
    })
}

fn decision_row(order_id: &OrderId, decision: &Decision, now: DateTime<Utc>) -> DecisionRow {
    let (kind, subject) = match decision {
        Decision::Accepted(payment_id) => ("accepted", payment_id.to_string()),
        Decision::Closed(closure) => ("closed", closure.as_str().to_owned()),
    };
    DecisionRow { order_id: order_id.to_string(), kind: kind.to_owned(), subject, created_at: now }
}

fn read_decision(row: &DecisionRow) -> Result<Decision, Error> {
    match row.kind.as_str() {
        "accepted" => Ok(Decision::Accepted(parse("decision", &row.subject)?)),
        "closed" => Closure::from_word(&row.subject)
            .map(Decision::Closed)
            .ok_or_else(|| Error::corrupt("decision", "an unknown closure")),
        _ => Err(Error::corrupt("decision", "an unknown kind")),
    }
}

fn outbox_row(order_id: &OrderId, sequence: i64, told: Announcement, now: DateTime<Utc>) -> OutboxRow {
    OutboxRow {
        id: MessageId::from_uuid(Uuid::now_v7()).to_string(),
        order_id: order_id.to_string(),
        kind: told.kind.as_str(),
        subject: told.subject,
        sequence,
        created_at: now,
    }
}

/// What is told of an order that was just placed.
pub(super) fn created(order_id: &OrderId, now: DateTime<Utc>) -> OutboxRow {
    let told = Announcement { kind: AnnouncementKind::Created, subject: String::new() };
    outbox_row(order_id, 1, told, now)
}
