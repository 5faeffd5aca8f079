//! The worker, which resumes work after a crash or an outage of Stripe, and checks orders and sellers on schedule.

use std::time::{Duration, Instant};

use quittance_domain::id::OrderId;
use quittance_persistence::WorkClaim;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::work_reports::{report_attempt, report_refund, report_seller};
use crate::service::Payments;
use crate::time_limits::{WORK_LEASE, now};

/// The polling period.
const PERIOD: Duration = Duration::from_secs(1);

/// The time between two deletions of old rows.
const SWEEP_PERIOD: Duration = Duration::from_hours(1);

/// The time between two recomputations of all cached columns.
const RECOMPUTE_PERIOD: Duration = Duration::from_hours(24);

/// The most orders recomputed at once. Between two parts, the worker does its other work.
const RECOMPUTE_PART: u8 = 50;

/// The time for which responses to requests with an `Idempotency-Key` are kept.
const REPLY_RETENTION: chrono::Duration = chrono::Duration::hours(24);

/// The time for which used and expired OAuth states are kept.
const STATE_RETENTION: chrono::Duration = chrono::Duration::hours(24);

/// The most items of each kind that are processed concurrently.
const BATCH: u8 = 16;

/// Resumes pending work. Any number of processes may each run one.
pub struct Worker {
    payments: Payments,
}

/// The progress of recomputing cached columns.
enum RecomputeProgress {
    /// All orders were recomputed at this time.
    Done(Instant),
    /// The orders up to this one were recomputed.
    After(Option<OrderId>),
}

impl Worker {
    /// Creates a worker.
    #[must_use]
    pub fn new(payments: Payments) -> Self {
        Self { payments }
    }

    /// Runs until `stop` is true, and finishes its running work.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut swept_at = None;
        let mut progress = RecomputeProgress::After(None);
        while !*stop.borrow() {
            if swept_at.is_none_or(|at: Instant| at.elapsed() >= SWEEP_PERIOD) {
                self.sweep().await;
                swept_at = Some(Instant::now());
            }
            progress = self.recompute_part(progress).await;
            let found = self.run_once().await;
            if found < usize::from(BATCH) {
                let _ = tokio::time::timeout(PERIOD, stop.wait_for(|stop| *stop)).await;
            }
        }
    }

    /// Deletes old responses and OAuth states.
    async fn sweep(&self) {
        let store = &self.payments.store;
        let sweep = async {
            store.delete_idempotency_keys(now() - REPLY_RETENTION).await?;
            store.delete_oauth_states(now() - STATE_RETENTION).await.map(drop)
        };
        if let Err(error) = sweep.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to delete old idempotent responses and OAuth states; retrying in an hour"
            );
        }
    }

    /// Recomputes the cached columns of the next orders, once a day.
    async fn recompute_part(&self, progress: RecomputeProgress) -> RecomputeProgress {
        let after = match progress {
            RecomputeProgress::Done(at) if at.elapsed() < RECOMPUTE_PERIOD => return progress,
            RecomputeProgress::Done(_) => None,
            RecomputeProgress::After(after) => after,
        };
        match self.payments.store.recompute(after.clone(), RECOMPUTE_PART, false, now()).await {
            Ok(part) => {
                for id in part.repaired {
                    tracing::error!(
                        order.id = %id,
                        "repaired an order whose cached status differed from its facts; please report this bug"
                    );
                }
                match part.last {
                    Some(last) => RecomputeProgress::After(Some(last)),
                    None => RecomputeProgress::Done(Instant::now()),
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to recompute orders; retrying"
                );
                RecomputeProgress::After(after)
            }
        }
    }

    /// Processes all work that is due. Returns the size of the largest batch.
    pub async fn run_once(&self) -> usize {
        let attempts = self.resume_attempts().await;
        let refunds = self.resume_refunds().await;
        let orders = self.check_orders().await;
        let sellers = self.resume_sellers().await;
        attempts.max(refunds).max(orders).max(sellers)
    }

    async fn resume_attempts(&self) -> usize {
        process(self.payments.store.claim_attempts(claim()).await, |work| {
            let payments = self.payments.clone();
            async move {
                let result = payments.resume(&work.attempt.id).await;
                report_attempt(&work, &result);
            }
        })
        .await
    }

    async fn resume_refunds(&self) -> usize {
        process(self.payments.store.claim_refunds(claim()).await, |work| {
            let payments = self.payments.clone();
            async move {
                let result = payments.send_refund(&work).await;
                report_refund(&work, result);
            }
        })
        .await
    }

    async fn resume_sellers(&self) -> usize {
        process(self.payments.store.claim_seller_checks(claim()).await, |work| {
            let payments = self.payments.clone();
            async move {
                let result = payments.resume_seller(&work).await;
                report_seller(&work, result.err());
            }
        })
        .await
    }

    async fn check_orders(&self) -> usize {
        process(self.payments.store.claim_checks(claim()).await, |order_id| {
            let payments = self.payments.clone();
            async move {
                if let Err(error) = payments.check(order_id.clone()).await {
                    tracing::warn!(
                        order.id = %order_id,
                        error = &error as &dyn std::error::Error,
                        "failed to compare order with Stripe; retrying in a minute"
                    );
                }
            }
        })
        .await
    }
}

fn claim() -> WorkClaim {
    WorkClaim { now: now(), lease_until: now() + WORK_LEASE, limit: BATCH }
}

/// Processes all claimed items concurrently. Returns their number.
async fn process<T, F>(claimed: Result<Vec<T>, quittance_persistence::Error>, work: impl Fn(T) -> F) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    let claimed = claimed.unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "failed to claim work; retrying");
        Vec::new()
    });
    let tasks: JoinSet<()> = claimed.into_iter().map(work).collect();
    let count = tasks.len();
    tasks.join_all().await;
    count
}
