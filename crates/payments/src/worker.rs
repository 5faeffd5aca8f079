//! The worker: drives on what a crash, or a Stripe that did not answer, left half-done.

use std::time::{Duration, Instant};

use quittance_persistence::{AttemptAtWork, WorkClaim};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Error, Payments, now, span};

/// How often the worker looks for work.
const PERIOD: Duration = Duration::from_secs(1);

/// How long a claimed attempt is this worker's alone; after that, it or another tries again.
const LEASE: chrono::Duration = chrono::Duration::seconds(60);

/// How often old answers are thrown away.
const SWEEP_PERIOD: Duration = Duration::from_hours(1);

/// How long the answer to a request with an `Idempotency-Key` is given again.
const REPLIES_KEPT: chrono::Duration = chrono::Duration::hours(24);

/// How many attempts are worked on at once.
const BATCH: u8 = 16;

/// After so many tries at one attempt, the log asks for a person.
const REDRIVES_BEFORE_ALARM: i32 = 5;

/// Drives on what was left half-done. Any number of processes may each run one.
pub struct Worker {
    payments: Payments,
}

impl Worker {
    /// A worker for these use cases.
    #[must_use]
    pub fn new(payments: Payments) -> Self {
        Self { payments }
    }

    /// Works until told to stop, and finishes what it has begun.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut swept_at = None;
        while !*stop.borrow() {
            if swept_at.is_none_or(|at: Instant| at.elapsed() >= SWEEP_PERIOD) {
                self.sweep().await;
                swept_at = Some(Instant::now());
            }
            let found = self.work_once().await;
            if found < usize::from(BATCH) {
                let _ = tokio::time::timeout(PERIOD, stop.wait_for(|stop| *stop)).await;
            }
        }
    }

    /// Throws away what nobody asks for any more.
    async fn sweep(&self) {
        if let Err(error) = self.payments.store.forget_replies(now() - REPLIES_KEPT).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "Old answers to idempotent requests could not be removed; it is tried again in an hour."
            );
        }
    }

    /// Takes what is due now and works on it; how much there was.
    pub async fn work_once(&self) -> usize {
        let claim = WorkClaim { now: now(), lease_until: now() + LEASE, limit: BATCH };
        let works = match self.payments.store.claim_work(claim).await {
            Ok(works) => works,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "The worker can not read what is left to do; it tries again."
                );
                return 0;
            }
        };
        let found = works.len();
        let mut tasks = JoinSet::new();
        for work in works {
            let payments = self.payments.clone();
            tasks.spawn(async move {
                let result = payments.drive(&work.attempt.id).await;
                report(&work, &result);
            });
        }
        tasks.join_all().await;
        found
    }
}

fn report(work: &AttemptAtWork, result: &Result<(), Error>) {
    let _entered = span(&work.order_id, &work.attempt.id).entered();
    let outcome = if result.is_ok() { "done" } else { "failed" };
    metrics::counter!("quittance_worker_redrives_total", "outcome" => outcome).increment(1);
    match result {
        Ok(()) => tracing::info!("A payment that was left half-done is complete."),
        // Asked to cancel, Stripe said that the money is on its way: the order goes on.
        Err(Error::NotCancelable(_) | Error::Refused(_)) => {
            tracing::info!("A payment that was left half-done came to nothing: Stripe refused it.");
        }
        Err(error) if work.redrives > REDRIVES_BEFORE_ALARM => tracing::error!(
            error = error as &dyn std::error::Error,
            redrives = work.redrives,
            "A payment can not be driven on. If Stripe is up, look at its request log for this payment id, \
             and at the key in STRIPE_SECRET_KEY."
        ),
        Err(error) => tracing::warn!(
            error = error as &dyn std::error::Error,
            redrives = work.redrives,
            "A payment could not be driven on; it is tried again in a minute."
        ),
    }
}
