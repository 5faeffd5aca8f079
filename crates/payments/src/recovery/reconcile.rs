//! Healing by hand: everything that the worker does over time, at once and with a tally.

use chrono::{DateTime, Utc};
use quittance_domain::id::OrderId;
use quittance_domain::payment::Facts;
use quittance_persistence::{AttemptObservations, OrderToCheck};

use crate::check::may_have_moved;
use crate::{Error, Payments, Worker, now};

/// How many orders are read at once.
const PAGE: u8 = 100;

/// What is reconciled.
#[derive(Debug, Clone, Copy)]
pub struct ReconcileScope {
    /// Stripe is asked about orders that changed since then, and about all that are not settled.
    pub since: DateTime<Utc>,
    /// Nothing is changed, neither here nor at Stripe.
    pub dry_run: bool,
}

/// What was found and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Payments and refunds that were left half-done and have been driven on.
    pub resumed: usize,
    /// Orders that Stripe was asked about.
    pub compared: usize,
    /// Orders of which Stripe knew more than we did.
    pub updated: usize,
    /// Orders whose cached columns were derived anew.
    pub recomputed: usize,
    /// Orders whose cached columns were wrong.
    pub repaired: usize,
    /// Orders that Stripe could not be asked about: they are tried again by the worker.
    pub failed: usize,
}

impl Payments {
    /// Drives on what is half-done, asks Stripe about every order that may have moved, and derives cached columns
    /// anew. `step` is called after each order.
    pub async fn reconcile(
        &self,
        scope: ReconcileScope,
        mut step: impl FnMut(&ReconcileReport) + Send,
    ) -> Result<ReconcileReport, Error> {
        let mut tally = ReconcileReport::default();
        if !scope.dry_run {
            let worker = Worker::new(self.clone());
            loop {
                let resumed = worker.run_once().await;
                tally.resumed += resumed;
                if resumed == 0 {
                    break;
                }
            }
        }
        let mut after = None;
        loop {
            let ids = self.store.orders_to_reconcile(scope.since, after.clone(), PAGE).await?;
            let Some(last) = ids.last() else { break };
            after = Some(last.clone());
            for id in ids {
                self.reconcile_order(id, scope.dry_run, &mut tally).await?;
                step(&tally);
            }
        }
        let mut after = None;
        loop {
            let part = self.store.recompute(after, PAGE, scope.dry_run, now()).await?;
            tally.recomputed += part.checked_count;
            tally.repaired += part.repaired.len();
            step(&tally);
            if part.last.is_none() {
                return Ok(tally);
            }
            after = part.last;
        }
    }

    async fn reconcile_order(
        &self,
        id: OrderId,
        dry_run: bool,
        tally: &mut ReconcileReport,
    ) -> Result<(), Error> {
        let Some(before) = self.store.order_to_check(id.clone()).await? else { return Ok(()) };
        tally.compared += 1;
        let result = if dry_run {
            self.is_behind(&before).await
        } else {
            match self.check(id.clone()).await {
                Ok(()) => {
                    let order = self.store.order(id.clone()).await?;
                    Ok(order.is_some_and(|order| order.version != before.order.version))
                }
                Err(error) => Err(error),
            }
        };
        match result {
            Ok(updated) => tally.updated += usize::from(updated),
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) => {
                tally.failed += 1;
                tracing::warn!(order.id = %id, error = &error as &dyn std::error::Error, "Stripe could not be asked.");
            }
        }
        Ok(())
    }

    /// Whether Stripe knows more of an order than we do; changes nothing.
    async fn is_behind(&self, found: &OrderToCheck) -> Result<bool, Error> {
        for work in found.attempts.iter().filter(|work| may_have_moved(work)) {
            let findings = match self.ask(work).await.map_err(Error::Stripe) {
                Err(error) if error.is_out_of_reach(&work.attempt) => continue,
                findings => findings?,
            };
            let refunds = self.store.refunds(found.order.id.clone()).await?;
            let disputes = self.store.disputes(found.order.id.clone()).await?;
            let is_told = findings.refunds.iter().all(|seen| {
                refunds.iter().any(|known| {
                    known.refund.stripe_refund_id.as_ref() == Some(&seen.stripe_refund_id)
                        && known.refund.status() == seen.status
                })
            }) && findings.disputes.iter().all(|seen| {
                disputes.iter().any(|known| {
                    known.dispute.stripe_dispute_id == seen.stripe_dispute_id
                        && known.dispute.facts.state() == &seen.state
                })
            });
            if !is_told || tells_more(&work.attempt.facts, &findings) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether what was read of an attempt shows something that we do not know.
fn tells_more(known: &Facts, findings: &AttemptObservations) -> bool {
    let mut merged = known.clone();
    if let Some(seen) = &findings.payment_intent {
        merged.merge(Facts::of(seen.fact.clone()));
    }
    if let Some(seen) = &findings.session {
        merged.merge(Facts::of_session(seen.status, None));
    }
    let shown = |facts: &Facts| (facts.status(), facts.session(), facts.failure_count(), facts.received());
    shown(&merged) != shown(known)
}
