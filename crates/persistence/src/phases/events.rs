//! Taking in verified events, many at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::event::{Content, Outcome};
use quittance_domain::history::Limits;
use quittance_domain::id::PaymentId;
use quittance_domain::payment::{Mismatch, Observation};

use super::super::dialect::Conn;
use super::super::{Database, batch};
use super::ledger::{Changes, Ledgers};
use super::rows::InboxRow;
use super::schema::{inbox, payments};
use crate::Error;
use crate::model::{Delivery, FailedEvent};

/// An attempt that an event may be of: `(id, order_id, account, payment_intent_id)`.
type Candidate = (String, String, String, Option<String>);

impl Database {
    /// One transaction for all of them: find and lock the orders they are about, fold, write, and take their
    /// ids. Facts merge, so an event that was here before changes nothing by being folded once more; the
    /// inbox says which ones those are.
    pub(crate) async fn apply(&self, deliveries: Vec<Delivery>) -> Result<Vec<Outcome>, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Folded { mut outcomes, changes, rows } = fold_all(conn, &deliveries, &limits).await?;
            let mut fresh = batch::write(conn, changes, rows).await?;
            for (delivery, outcome) in deliveries.iter().zip(&mut outcomes) {
                if !fresh.remove(&delivery.event.id) {
                    *outcome = Outcome::Duplicate;
                }
            }
            Ok(outcomes)
        })
        .await
    }

    pub(crate) async fn keep_failed(&self, delivery: Delivery, reason: String) -> Result<(), Error> {
        self.write(async |conn| {
            let row = row(&delivery, Outcome::Failed, Some(reason.clone()), None);
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
            .filter(inbox::outcome.eq(Outcome::Failed.as_str()))
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

    /// What was kept as failed is folded like a new event, and the inbox says from now on what became of it.
    pub(crate) async fn replay(&self, delivery: Delivery) -> Result<Outcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let folded = fold_all(conn, std::slice::from_ref(&delivery), &limits).await?;
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
            Ok(folded.outcomes.into_iter().next().unwrap_or(Outcome::Failed))
        })
        .await
    }
}

/// Events folded into the orders they are about: what became of each, what follows, and their rows for the inbox.
struct Folded {
    outcomes: Vec<Outcome>,
    changes: Changes,
    rows: Vec<InboxRow>,
}

async fn fold_all(conn: &mut Conn, deliveries: &[Delivery], limits: &Limits) -> Result<Folded, Error> {
    let candidates = Candidates::find(conn, deliveries).await?;
    let mut ledgers = Ledgers::lock(conn, candidates.order_ids()).await?;
    let mut outcomes = Vec::with_capacity(deliveries.len());
    let mut rows = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let (outcome, order_id) = fold(&mut ledgers, &candidates, delivery);
        rows.push(row(delivery, outcome, reason(delivery, outcome), order_id));
        outcomes.push(outcome);
    }
    let changes = match deliveries.iter().map(|delivery| delivery.received_at).max() {
        Some(now) => ledgers.settle(limits, now)?,
        None => Changes::default(),
    };
    Ok(Folded { outcomes, changes, rows })
}

fn fold(ledgers: &mut Ledgers, candidates: &Candidates, delivery: &Delivery) -> (Outcome, Option<String>) {
    match &delivery.event.content {
        Content::Unhandled => (Outcome::Unhandled, None),
        Content::Unreadable(_) => (Outcome::Failed, None),
        Content::Payment(seen) => match candidates.of(seen) {
            None => (Outcome::Ignored(Mismatch::UnknownAttempt), None),
            Some((payment_id, order_id)) => {
                (ledgers.absorb(order_id, payment_id, seen), Some(order_id.to_owned()))
            }
        },
    }
}

/// Why an event changed nothing, for whoever reads the inbox.
fn reason(delivery: &Delivery, outcome: Outcome) -> Option<String> {
    match &delivery.event.content {
        Content::Unreadable(reason) => Some(reason.clone()),
        Content::Payment(_) | Content::Unhandled => outcome.reason().map(str::to_owned),
    }
}

fn row(delivery: &Delivery, outcome: Outcome, reason: Option<String>, order_id: Option<String>) -> InboxRow {
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

/// The attempts that a batch of events may be of.
struct Candidates {
    by_id: HashMap<String, String>,
    by_payment_intent: HashMap<(String, String), (String, String)>,
}

impl Candidates {
    async fn find(conn: &mut Conn, deliveries: &[Delivery]) -> Result<Self, Error> {
        let seen: Vec<&Observation> = deliveries
            .iter()
            .filter_map(|delivery| match &delivery.event.content {
                Content::Payment(seen) => Some(seen.as_ref()),
                _ => None,
            })
            .collect();
        let mut found = Self { by_id: HashMap::new(), by_payment_intent: HashMap::new() };
        if seen.is_empty() {
            return Ok(found);
        }
        let ids = seen.iter().filter_map(|seen| seen.payment_id.as_ref()).map(PaymentId::as_str);
        let payment_intents = seen.iter().map(|seen| seen.payment_intent_id.as_str());
        let rows: Vec<Candidate> = payments::table
            .filter(
                payments::id
                    .eq_any(ids.collect::<Vec<_>>())
                    .or(payments::payment_intent_id.eq_any(payment_intents.collect::<Vec<_>>())),
            )
            .select((payments::id, payments::order_id, payments::account, payments::payment_intent_id))
            .load(conn)
            .await?;
        for (id, order_id, account, payment_intent_id) in rows {
            if let Some(payment_intent_id) = payment_intent_id {
                found.by_payment_intent.insert((account, payment_intent_id), (id.clone(), order_id.clone()));
            }
            found.by_id.insert(id, order_id);
        }
        Ok(found)
    }

    /// The attempt, as `(id, order_id)`: by the PaymentIntent on its account, else by what its metadata says.
    fn of<'a>(&'a self, seen: &'a Observation) -> Option<(&'a str, &'a str)> {
        let key = (seen.account.as_str().to_owned(), seen.payment_intent_id.clone());
        if let Some((id, order_id)) = self.by_payment_intent.get(&key) {
            return Some((id, order_id));
        }
        let id = seen.payment_id.as_ref()?.as_str();
        self.by_id.get(id).map(|order_id| (id, order_id.as_str()))
    }

    fn order_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.by_id.values().cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
