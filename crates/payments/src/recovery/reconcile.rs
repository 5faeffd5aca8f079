//! Reconciles all orders with Stripe at once: the work that the worker otherwise spreads over time.

use chrono::{DateTime, Utc};
use quittance_domain::id::OrderId;
use quittance_domain::payment::Facts;
use quittance_persistence::{AttemptObservations, OrderToCheck};

use super::Worker;
use super::check::may_have_changed;
use crate::Error;
use crate::service::Payments;
use crate::time_limits::now;

/// The number of orders read at once.
const PAGE: u8 = 100;

/// The orders to reconcile.
#[derive(Debug, Clone, Copy)]
pub struct ReconcileScope {
    /// Orders that changed since then are compared with Stripe, and all orders without an outcome.
    pub since: DateTime<Utc>,
    /// If true, nothing changes in the database or at Stripe.
    pub dry_run: bool,
}

/// The number of objects that a reconciliation found and changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Payments and refunds that were resumed.
    pub resumed: usize,
    /// Orders compared with Stripe.
    pub compared: usize,
    /// Orders that were out of date.
    pub updated: usize,
    /// Orders whose cached columns were recomputed.
    pub recomputed: usize,
    /// Orders whose cached columns were wrong.
    pub repaired: usize,
    /// Orders that couldn't be compared with Stripe. The worker retries them.
    pub failed: usize,
}

impl Payments {
    /// Resumes pending work, compares orders with Stripe, and recomputes cached columns. Calls `on_progress` after
    /// each order.
    pub async fn reconcile(
        &self,
        scope: ReconcileScope,
        mut on_progress: impl FnMut(&ReconcileReport) + Send,
    ) -> Result<ReconcileReport, Error> {
        let mut report = ReconcileReport::default();
        if !scope.dry_run {
            let worker = Worker::new(self.clone());
            loop {
                let resumed = worker.run_once().await;
                report.resumed += resumed;
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
                self.reconcile_order(id, scope.dry_run, &mut report).await?;
                on_progress(&report);
            }
        }
        let mut after = None;
        loop {
            let page = self.store.recompute(after, PAGE, scope.dry_run, now()).await?;
            report.recomputed += page.checked_count;
            report.repaired += page.repaired.len();
            on_progress(&report);
            if page.last.is_none() {
                return Ok(report);
            }
            after = page.last;
        }
    }

    async fn reconcile_order(
        &self,
        id: OrderId,
        dry_run: bool,
        report: &mut ReconcileReport,
    ) -> Result<(), Error> {
        let Some(before) = self.store.order_to_check(id.clone()).await? else { return Ok(()) };
        report.compared += 1;
        let result = if dry_run {
            self.is_out_of_date(&before).await
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
            Ok(is_out_of_date) => report.updated += usize::from(is_out_of_date),
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) => {
                report.failed += 1;
                tracing::warn!(
                    order.id = %id,
                    error = &error as &dyn std::error::Error,
                    "failed to compare order with Stripe; the worker retries it"
                );
            }
        }
        Ok(())
    }

    /// Returns true if Stripe's state of an order differs from the recorded one. Changes nothing.
    async fn is_out_of_date(&self, found: &OrderToCheck) -> Result<bool, Error> {
        for work in found.attempts.iter().filter(|work| may_have_changed(work)) {
            let observations = match self.read_observations(work).await.map_err(Error::Stripe) {
                Err(error) if error.is_unreachable(&work.attempt) => continue,
                result => result?,
            };
            let refunds = self.store.refunds(found.order.id.clone()).await?;
            let disputes = self.store.disputes(found.order.id.clone()).await?;
            let has_all_refunds = observations.refunds.iter().all(|observed| {
                refunds.iter().any(|known| {
                    known.refund.stripe_refund_id.as_ref() == Some(&observed.stripe_refund_id)
                        && known.refund.status() == observed.status
                })
            });
            let has_all_disputes = observations.disputes.iter().all(|observed| {
                disputes.iter().any(|known| {
                    known.dispute.stripe_dispute_id == observed.stripe_dispute_id
                        && known.dispute.facts.state() == &observed.state
                })
            });
            if !has_all_refunds || !has_all_disputes || adds_facts(&work.attempt.facts, &observations) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns true if merging the observations would visibly change the known facts.
fn adds_facts(known: &Facts, observations: &AttemptObservations) -> bool {
    let mut merged = known.clone();
    if let Some(intent) = &observations.payment_intent {
        merged.merge(Facts::new(intent.fact.clone()));
    }
    if let Some(session) = &observations.session {
        merged.merge(Facts::from_session(session.status, None));
    }
    let visible = |facts: &Facts| (facts.status(), facts.session(), facts.failure_count(), facts.received());
    visible(&merged) != visible(known)
}
