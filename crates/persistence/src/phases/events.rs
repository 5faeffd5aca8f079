//! Taking in verified events, many at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use quittance_domain::event::{EventContent, EventOutcome};
use quittance_domain::history::Limits;
use quittance_domain::id::{DisputeId, OrderId, PaymentId, RefundId};
use quittance_domain::payment::{Account, Mismatch};
use quittance_domain::seller::SupportedSellers;
use uuid::Uuid;

use super::super::dialect::Conn;
use super::super::{Database, batch};
use super::locked_order::{LockedOrder, LockedOrders};
use super::persist::Changes;
use super::rows::{InboxRow, instant};
use super::schema::{inbox, payments};
use super::seller_events::hear_all;
use crate::Error;
use crate::model::{Delivery, FailedEvent};

/// An attempt that an event may be of: `(id, order_id, account, payment_intent_id, checkout_session_id)`.
type Candidate = (String, String, String, Option<String>, Option<String>);

impl Database {
    /// One transaction for all of them: find and lock the orders they are about, fold, write, and take their
    /// ids. Facts merge, so an event that was here before changes nothing by being folded once more; the
    /// inbox says which ones those are.
    pub(crate) async fn apply(&self, deliveries: Vec<Delivery>) -> Result<Vec<EventOutcome>, Error> {
        let (limits, supported) = (self.limits, &self.sellers_supported);
        self.write(async |conn| {
            let Folded { mut outcomes, changes, rows } =
                fold_all(conn, &deliveries, &limits, supported).await?;
            let mut fresh = batch::write(conn, changes, rows).await?;
            for (delivery, outcome) in deliveries.iter().zip(&mut outcomes) {
                if !fresh.remove(&delivery.event.id) {
                    *outcome = EventOutcome::Duplicate;
                }
            }
            Ok(outcomes)
        })
        .await
    }

    pub(crate) async fn keep_failed(&self, delivery: Delivery, reason: String) -> Result<(), Error> {
        self.write(async |conn| {
            let row = row(&delivery, EventOutcome::Failed, Some(reason.clone()), None);
            batch::write(conn, Changes::default(), vec![row]).await?;
            Ok(())
        })
        .await
    }
}

impl Database {
    pub(crate) async fn failed_events(
        &self,
        after: Option<String>,
        limit: u8,
    ) -> Result<Vec<FailedEvent>, Error> {
        let mut conn = self.reader().await?;
        let rows: Vec<(String, Vec<u8>, DateTime<Utc>)> = inbox::table
            .filter(inbox::outcome.eq(EventOutcome::Failed.as_str()))
            .filter(inbox::event_id.gt(after.unwrap_or_default()))
            .order(inbox::event_id.asc())
            .limit(i64::from(limit))
            .select((inbox::event_id, inbox::payload, inbox::received_at))
            .load(&mut conn)
            .await?;
        let event = |(event_id, payload, received_at): (_, Vec<u8>, _)| FailedEvent {
            event_id,
            payload: payload.into(),
            received_at,
        };
        Ok(rows.into_iter().map(event).collect())
    }

    pub(crate) async fn forget_payloads(&self, before: DateTime<Utc>, limit: u16) -> Result<usize, Error> {
        self.write(async |conn| {
            // In the words of the index.
            let to_forget = sql::<Bool>("length(payload) > 0 AND outcome <> 'failed'");
            let old: Vec<String> = inbox::table
                .filter(to_forget)
                .filter(inbox::received_at.lt(instant(before)))
                .order(inbox::received_at.asc())
                .limit(i64::from(limit))
                .select(inbox::event_id)
                .load(conn)
                .await?;
            diesel::update(inbox::table.filter(inbox::event_id.eq_any(&old)))
                .set(inbox::payload.eq(Vec::<u8>::new()))
                .execute(conn)
                .await?;
            Ok(old.len())
        })
        .await
    }

    /// What was kept as failed is folded like a new event, and the inbox says from now on what became of it.
    pub(crate) async fn replay(&self, delivery: Delivery) -> Result<EventOutcome, Error> {
        let (limits, supported) = (self.limits, &self.sellers_supported);
        self.write(async |conn| {
            let folded = fold_all(conn, std::slice::from_ref(&delivery), &limits, supported).await?;
            batch::write(conn, folded.changes, Vec::new()).await?;
            for row in folded.rows {
                diesel::update(inbox::table.find(row.event_id))
                    .set((
                        inbox::kind.eq(row.kind),
                        inbox::outcome.eq(row.outcome),
                        inbox::reason.eq(row.reason),
                        inbox::order_id.eq(row.order_id),
                    ))
                    .execute(conn)
                    .await?;
            }
            Ok(folded.outcomes.into_iter().next().unwrap_or(EventOutcome::Failed))
        })
        .await
    }
}

/// Events folded into the orders and sellers they are about: what became of each, what follows, and their rows for the inbox.
struct Folded {
    outcomes: Vec<EventOutcome>,
    changes: Changes,
    rows: Vec<InboxRow>,
}

async fn fold_all(
    conn: &mut Conn,
    deliveries: &[Delivery],
    limits: &Limits,
    supported: &SupportedSellers,
) -> Result<Folded, Error> {
    let candidates = Candidates::find(conn, deliveries).await?;
    let mut locked_orders = LockedOrders::lock(conn, candidates.order_ids()).await?;
    let folded = deliveries.iter().map(|delivery| fold(&mut locked_orders, &candidates, delivery));
    let (mut outcomes, order_ids): (Vec<_>, Vec<_>) = folded.unzip();
    let mut changes = match deliveries.iter().map(|delivery| delivery.received_at).max() {
        Some(now) => locked_orders.settle(conn, limits, now).await?,
        None => Changes::default(),
    };
    changes.outbox.extend(hear_all(conn, deliveries, &mut outcomes, supported).await?);
    let row = |((delivery, outcome), order_id): ((&Delivery, &EventOutcome), _)| {
        row(delivery, *outcome, reason(delivery, *outcome), order_id)
    };
    let rows = deliveries.iter().zip(&outcomes).zip(order_ids).map(row).collect();
    Ok(Folded { outcomes, changes, rows })
}

fn fold(
    locked_orders: &mut LockedOrders,
    candidates: &Candidates,
    delivery: &Delivery,
) -> (EventOutcome, Option<String>) {
    let outcome = match &delivery.event.content {
        EventContent::Unhandled => return (EventOutcome::Unhandled, None),
        EventContent::Unreadable(_) => return (EventOutcome::Failed, None),
        EventContent::Seller(_) => EventOutcome::Ignored(Mismatch::UnknownSeller),
        _ => EventOutcome::Ignored(Mismatch::UnknownAttempt),
    };
    let Some(told) = Told::of(delivery) else { return (outcome, None) };
    match candidates.of(&told) {
        // The order that it names shows it on its timeline.
        None => (outcome, told.order_id.map(str::to_owned)),
        Some((payment_id, order_id)) => {
            let applied = locked_orders.apply_to_attempt(order_id, payment_id, |locked, payment_id| {
                apply_event(locked, payment_id, delivery)
            });
            (applied, Some(order_id.to_owned()))
        }
    }
}

/// Takes an event in for an attempt of this order.
fn apply_event(
    locked: &mut LockedOrder,
    payment_id: &PaymentId,
    delivery: &Delivery,
) -> Result<(), Mismatch> {
    let LockedOrder { order_id, history, .. } = locked;
    match &delivery.event.content {
        EventContent::Payment(seen) => {
            let applied = history.apply_observation(payment_id, order_id, seen);
            // It names this attempt on its account, which proves nothing there: what is ours is asked about.
            locked.movement_reported |= applied == Err(Mismatch::UnknownAttempt);
            applied
        }
        EventContent::Session(seen) => history.apply_session(payment_id, order_id, seen),
        EventContent::Refund(seen) => {
            history.apply_refund(payment_id, seen, RefundId::from_uuid(Uuid::now_v7()))
        }
        EventContent::Dispute(seen) => {
            history.apply_dispute(payment_id, seen, DisputeId::from_uuid(Uuid::now_v7()))
        }
        EventContent::MoneyMovement(moved) => {
            let attempt = history.attempt(payment_id).ok_or(Mismatch::UnknownAttempt)?;
            if attempt.expected.mode != moved.mode {
                return Err(Mismatch::WrongMode);
            }
            locked.movement_reported = true;
            Ok(())
        }
        EventContent::Seller(_) | EventContent::Unhandled | EventContent::Unreadable(_) => {
            Err(Mismatch::UnknownAttempt)
        }
    }
}

/// Why an event changed nothing, for whoever reads the inbox.
fn reason(delivery: &Delivery, outcome: EventOutcome) -> Option<String> {
    match &delivery.event.content {
        EventContent::Unreadable(reason) => Some(reason.clone()),
        _ => outcome.reason().map(str::to_owned),
    }
}

fn row(
    delivery: &Delivery,
    outcome: EventOutcome,
    reason: Option<String>,
    order_id: Option<String>,
) -> InboxRow {
    InboxRow {
        event_id: delivery.event.id.clone(),
        kind: delivery.event.kind.clone(),
        account: delivery.event.account.as_str().to_owned(),
        mode: delivery.event.mode.as_str(),
        created: delivery.event.created,
        payload: delivery.payload.to_vec(),
        outcome: outcome.as_str(),
        reason,
        order_id,
        received_at: delivery.received_at,
    }
}

/// By what an event says which attempt it is of.
struct Told<'a> {
    account: &'a Account,
    payment_intent_id: Option<&'a str>,
    checkout_session_id: Option<&'a str>,
    payment_id: Option<&'a PaymentId>,
    order_id: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn of(delivery: &'a Delivery) -> Option<Self> {
        let of_payment_intent = |account, id: &'a str| Self {
            account,
            payment_intent_id: Some(id),
            checkout_session_id: None,
            payment_id: None,
            order_id: None,
        };
        match &delivery.event.content {
            EventContent::Payment(seen) => Some(Self {
                payment_id: seen.payment_id.as_ref(),
                order_id: seen.order_id.as_ref().map(OrderId::as_str),
                ..of_payment_intent(&seen.account, &seen.payment_intent_id)
            }),
            EventContent::Session(seen) => Some(Self {
                account: &seen.account,
                payment_intent_id: seen.payment_intent_id.as_deref(),
                checkout_session_id: Some(&seen.checkout_session_id),
                payment_id: seen.payment_id.as_ref(),
                order_id: seen.order_id.as_ref().map(OrderId::as_str),
            }),
            EventContent::Refund(seen) => Some(of_payment_intent(&seen.account, &seen.payment_intent_id)),
            EventContent::Dispute(seen) => Some(of_payment_intent(&seen.account, &seen.payment_intent_id)),
            EventContent::MoneyMovement(seen) => {
                Some(of_payment_intent(&seen.account, &seen.payment_intent_id))
            }
            EventContent::Seller(_) | EventContent::Unhandled | EventContent::Unreadable(_) => None,
        }
    }
}

/// An attempt and its order.
type Known = (String, String);

/// The attempts that a batch of events may be of.
#[derive(Default)]
struct Candidates {
    known: HashMap<String, Known>,
    // By account and Stripe's id.
    of_payment_intents: HashMap<(String, String), Known>,
    of_checkout_sessions: HashMap<(String, String), Known>,
}

impl Candidates {
    async fn find(conn: &mut Conn, deliveries: &[Delivery]) -> Result<Self, Error> {
        let mut found = Self::default();
        let told: Vec<Told<'_>> = deliveries.iter().filter_map(Told::of).collect();
        if told.is_empty() {
            return Ok(found);
        }
        let ids = told.iter().filter_map(|told| told.payment_id).map(PaymentId::as_str);
        let payment_intents = told.iter().filter_map(|told| told.payment_intent_id);
        let checkout_sessions = told.iter().filter_map(|told| told.checkout_session_id);
        let rows: Vec<Candidate> = payments::table
            .filter(
                payments::id
                    .eq_any(ids.collect::<Vec<_>>())
                    .or(payments::payment_intent_id.eq_any(payment_intents.collect::<Vec<_>>()))
                    .or(payments::checkout_session_id.eq_any(checkout_sessions.collect::<Vec<_>>())),
            )
            .select((
                payments::id,
                payments::order_id,
                payments::account,
                payments::payment_intent_id,
                payments::checkout_session_id,
            ))
            .load(conn)
            .await?;
        for (id, order_id, account, payment_intent_id, checkout_session_id) in rows {
            let attempt = (id.clone(), order_id);
            if let Some(checkout_session_id) = checkout_session_id {
                found.of_checkout_sessions.insert((account.clone(), checkout_session_id), attempt.clone());
            }
            if let Some(payment_intent_id) = payment_intent_id {
                found.of_payment_intents.insert((account, payment_intent_id), attempt.clone());
            }
            found.known.insert(id, attempt);
        }
        Ok(found)
    }

    /// The attempt, as `(id, order_id)`: by Stripe's ids on its account, else by what its metadata says.
    fn of(&self, told: &Told<'_>) -> Option<(&str, &str)> {
        let on_account = |id: &str| (told.account.as_str().to_owned(), id.to_owned());
        let by_session = || self.of_checkout_sessions.get(&on_account(told.checkout_session_id?));
        let by_payment_intent = || self.of_payment_intents.get(&on_account(told.payment_intent_id?));
        let by_id = || self.known.get(told.payment_id?.as_str());
        let (id, order_id) = by_session().or_else(by_payment_intent).or_else(by_id)?;
        Some((id, order_id))
    }

    fn order_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.known.values().map(|(_, order_id)| order_id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
