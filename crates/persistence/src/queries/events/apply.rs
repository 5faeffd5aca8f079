//! Applying batches of verified events.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::event::{EventContent, EventOutcome};
use quittance_domain::history::Limits;
use quittance_domain::id::{DisputeId, PaymentId, RefundId};
use quittance_domain::payment::Mismatch;
use quittance_domain::seller::SupportedSellers;
use uuid::Uuid;

use super::super::changes::Changes;
use super::super::dialect::Conn;
use super::super::orders::locked_order::{LockedOrder, LockedOrders};
use super::super::rows::inbox::InboxRow;
use super::super::schema::inbox;
use super::super::sellers::account_events::apply_account_events;
use super::super::{Database, batch};
use super::attempt_lookup::{AttemptIndex, AttemptRef};
use super::inbox::inbox_row;
use crate::Error;
use crate::model::Delivery;

impl Database {
    /// Applies events in one transaction: find and lock their orders, apply, write, and store the events. Facts
    /// merge, so applying a duplicate changes nothing; the inbox identifies duplicates.
    pub(crate) async fn apply(&self, deliveries: Vec<Delivery>) -> Result<Vec<EventOutcome>, Error> {
        let (limits, supported) = (self.limits, &self.sellers_supported);
        self.write(async |conn| {
            let AppliedEvents { mut outcomes, changes, rows } =
                apply_events(conn, &deliveries, &limits, supported).await?;
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

    /// Applies a failed event like a new one, and updates its outcome in the inbox.
    pub(crate) async fn replay(&self, delivery: Delivery) -> Result<EventOutcome, Error> {
        let (limits, supported) = (self.limits, &self.sellers_supported);
        self.write(async |conn| {
            let applied = apply_events(conn, std::slice::from_ref(&delivery), &limits, supported).await?;
            batch::write(conn, applied.changes, Vec::new()).await?;
            for row in applied.rows {
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
            Ok(applied.outcomes.into_iter().next().unwrap_or(EventOutcome::Failed))
        })
        .await
    }
}

/// Applied events: their outcomes, the resulting changes, and their inbox rows.
struct AppliedEvents {
    outcomes: Vec<EventOutcome>,
    changes: Changes,
    rows: Vec<InboxRow>,
}

async fn apply_events(
    conn: &mut Conn,
    deliveries: &[Delivery],
    limits: &Limits,
    supported: &SupportedSellers,
) -> Result<AppliedEvents, Error> {
    let attempts = AttemptIndex::load(conn, deliveries).await?;
    let mut locked_orders = LockedOrders::lock(conn, attempts.order_ids()).await?;
    let applied = deliveries.iter().map(|delivery| apply_to_order(&mut locked_orders, &attempts, delivery));
    let (mut outcomes, order_ids): (Vec<_>, Vec<_>) = applied.unzip();
    let mut changes = match deliveries.iter().map(|delivery| delivery.received_at).max() {
        Some(now) => locked_orders.persist(conn, limits, now).await?,
        None => Changes::default(),
    };
    changes.outbox.extend(apply_account_events(conn, deliveries, &mut outcomes, supported).await?);
    let row = |((delivery, outcome), order_id): ((&Delivery, &EventOutcome), _)| {
        inbox_row(delivery, *outcome, reason(delivery, *outcome), order_id)
    };
    let rows = deliveries.iter().zip(&outcomes).zip(order_ids).map(row).collect();
    Ok(AppliedEvents { outcomes, changes, rows })
}

fn apply_to_order(
    locked_orders: &mut LockedOrders,
    attempts: &AttemptIndex,
    delivery: &Delivery,
) -> (EventOutcome, Option<String>) {
    let outcome = match &delivery.event.content {
        EventContent::Unhandled => return (EventOutcome::Unhandled, None),
        EventContent::Unreadable(_) => return (EventOutcome::Failed, None),
        EventContent::Seller(_) => EventOutcome::Ignored(Mismatch::UnknownSeller),
        _ => EventOutcome::Ignored(Mismatch::UnknownAttempt),
    };
    let Some(attempt) = AttemptRef::from_delivery(delivery) else { return (outcome, None) };
    match attempts.find(&attempt) {
        // The named order shows the event on its timeline.
        None => (outcome, attempt.order_id.map(str::to_owned)),
        Some((payment_id, order_id)) => {
            let applied = locked_orders.apply_to_attempt(order_id, payment_id, |locked, payment_id| {
                apply_event(locked, payment_id, delivery)
            });
            (applied, Some(order_id.to_owned()))
        }
    }
}

/// Applies an event to an attempt of this order.
fn apply_event(
    locked: &mut LockedOrder,
    payment_id: &PaymentId,
    delivery: &Delivery,
) -> Result<(), Mismatch> {
    let LockedOrder { order_id, history, .. } = locked;
    match &delivery.event.content {
        EventContent::Payment(seen) => {
            let applied = history.apply_observation(payment_id, order_id, seen);
            // Its metadata names this attempt, which proves nothing on a connected account. Ask Stripe instead.
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

/// Returns why an event changed nothing, for readers of the inbox.
fn reason(delivery: &Delivery, outcome: EventOutcome) -> Option<String> {
    match &delivery.event.content {
        EventContent::Unreadable(reason) => Some(reason.clone()),
        _ => outcome.reason().map(str::to_owned),
    }
}
