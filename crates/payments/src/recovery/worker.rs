//! The worker: drives on what a crash, or a Stripe that did not answer, left half-done, and looks after orders
//! whose time has come.

use std::time::{Duration, Instant};

use quittance_domain::id::OrderId;
use quittance_persistence::{PendingAttempt, PendingRefund, PendingSeller, StoredRefund, WorkClaim};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Error, Payments, now, span};

/// How often the worker looks for work.
const PERIOD: Duration = Duration::from_secs(1);

/// How long claimed work is this worker's alone; after that, it or another tries again.
pub(crate) const LEASE: chrono::Duration = chrono::Duration::seconds(60);

/// How often old answers are thrown away.
const SWEEP_PERIOD: Duration = Duration::from_hours(1);

/// How often every order's cached columns are derived anew.
const RECOMPUTE_PERIOD: Duration = Duration::from_hours(24);

/// How many orders are derived anew at once. The worker does other work in between.
const RECOMPUTE_PART: u8 = 50;

/// How long the answer to a request with an `Idempotency-Key` is given again.
const REPLIES_KEPT: chrono::Duration = chrono::Duration::hours(24);

/// How long it is known of an authorization that it was used, or is over.
const STATES_KEPT: chrono::Duration = chrono::Duration::hours(24);

/// How many pieces of work of each kind are worked on at once.
const BATCH: u8 = 16;

/// After so many tries at one piece of work, the log asks for a person.
const REDRIVES_BEFORE_ALARM: i32 = 5;

/// Drives on what was left half-done. Any number of processes may each run one.
pub struct Worker {
    payments: Payments,
}

/// How far the cached columns have been derived anew.
enum Recompute {
    /// All of them, at this time.
    Done(Instant),
    /// Up to this order, or none yet.
    After(Option<OrderId>),
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
        let mut recompute = Recompute::After(None);
        while !*stop.borrow() {
            if swept_at.is_none_or(|at: Instant| at.elapsed() >= SWEEP_PERIOD) {
                self.sweep().await;
                swept_at = Some(Instant::now());
            }
            recompute = self.recompute_part(recompute).await;
            let found = self.run_once().await;
            if found < usize::from(BATCH) {
                let _ = tokio::time::timeout(PERIOD, stop.wait_for(|stop| *stop)).await;
            }
        }
    }

    /// Throws away what nobody asks for any more.
    async fn sweep(&self) {
        let store = &self.payments.store;
        let forgotten = async {
            store.forget_replies(now() - REPLIES_KEPT).await?;
            store.forget_oauth_states(now() - STATES_KEPT).await.map(drop)
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "Old answers to idempotent requests, and authorizations that nobody finished, could not be removed; it \
                 is tried again in an hour."
            );
        }
    }

    /// Derives the cached columns of the next orders anew, once a day.
    async fn recompute_part(&self, state: Recompute) -> Recompute {
        let after = match state {
            Recompute::Done(at) if at.elapsed() < RECOMPUTE_PERIOD => return state,
            Recompute::Done(_) => None,
            Recompute::After(after) => after,
        };
        match self.payments.store.recompute(after.clone(), RECOMPUTE_PART, false, now()).await {
            Ok(part) => {
                for id in part.repaired {
                    tracing::error!(
                        order.id = %id,
                        "An order's cached status was not what follows from its facts; it is repaired. Please report \
                         this."
                    );
                }
                part.last.map_or_else(|| Recompute::Done(Instant::now()), |last| Recompute::After(Some(last)))
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "Orders could not be derived anew.");
                Recompute::After(after)
            }
        }
    }

    /// Takes what is due now and works on it; how much there was.
    pub async fn run_once(&self) -> usize {
        let payments = self.attempts().await;
        let refunds = self.refunds().await;
        let checks = self.checks().await;
        let sellers = self.sellers().await;
        payments.max(refunds).max(checks).max(sellers)
    }

    async fn attempts(&self) -> usize {
        each(self.payments.store.claim_work(claim()).await, |work| {
            let payments = self.payments.clone();
            async move {
                let result = payments.resume(&work.attempt.id).await;
                report(&work, &result);
            }
        })
        .await
    }

    async fn refunds(&self) -> usize {
        each(self.payments.store.claim_refunds(claim()).await, |work| {
            let payments = self.payments.clone();
            async move {
                let result = payments.send_refund(&work).await;
                report_refund(&work, result);
            }
        })
        .await
    }

    async fn sellers(&self) -> usize {
        each(self.payments.store.claim_seller_checks(claim()).await, |work| {
            let payments = self.payments.clone();
            async move {
                let result = payments.work_on_seller(&work).await;
                report_seller(&work, result.err());
            }
        })
        .await
    }

    async fn checks(&self) -> usize {
        each(self.payments.store.claim_checks(claim()).await, |order_id| {
            let payments = self.payments.clone();
            async move {
                if let Err(error) = payments.check(order_id.clone()).await {
                    tracing::warn!(
                        order.id = %order_id,
                        error = &error as &dyn std::error::Error,
                        "An order could not be compared with what Stripe says; it is tried again in a minute."
                    );
                }
            }
        })
        .await
    }
}

/// Works on everything that was claimed, all of it at once; how much there was.
async fn each<T, F>(claimed: Result<Vec<T>, quittance_persistence::Error>, work: impl Fn(T) -> F) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: JoinSet<()> = taken(claimed).into_iter().map(work).collect();
    let found = tasks.len();
    tasks.join_all().await;
    found
}

fn claim() -> WorkClaim {
    WorkClaim { now: now(), lease_until: now() + LEASE, limit: BATCH }
}

/// What was claimed; nothing if the database can not be asked.
fn taken<T>(claimed: Result<Vec<T>, quittance_persistence::Error>) -> Vec<T> {
    claimed.unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "The worker can not read what is left to do; it tries again."
        );
        Vec::new()
    })
}

fn count(work: &'static str, is_done: bool) {
    let outcome = if is_done { "done" } else { "failed" };
    metrics::counter!("quittance_worker_resumes_total", "work" => work, "outcome" => outcome).increment(1);
}

fn report(work: &PendingAttempt, result: &Result<(), Error>) {
    let _entered = span(&work.order_id, &work.attempt.id).entered();
    count("payment", result.is_ok());
    match result {
        Ok(()) => tracing::info!("A payment that was left half-done is complete."),
        // Asked to cancel, Stripe said that the money is on its way: the order goes on.
        Err(Error::OrderNotCancelable(_) | Error::StripeRefusal(_)) => {
            tracing::info!("A payment that was left half-done came to nothing: Stripe refused it.");
        }
        Err(error) if work.resume_count > REDRIVES_BEFORE_ALARM => tracing::error!(
            error = error as &dyn std::error::Error,
            resume_count = work.resume_count,
            "A payment can not be driven on. If Stripe is up, look at its request log for this payment id, \
             and at the key in STRIPE_SECRET_KEY."
        ),
        Err(error) => tracing::warn!(
            error = error as &dyn std::error::Error,
            resume_count = work.resume_count,
            "A payment could not be driven on; it is tried again in a minute."
        ),
    }
}

fn report_seller(work: &PendingSeller, error: Option<Error>) {
    let _entered = tracing::info_span!("seller", seller.id = %work.seller.id).entered();
    count("seller", error.is_none());
    match error {
        None => tracing::debug!("What was due for a seller is done."),
        Some(Error::OpenSellerPayments(orders)) => tracing::warn!(
            orders,
            "A seller can not leave: money of its orders is on its way or held. It is connected again; ask once more \
             when that is settled, or with force."
        ),
        Some(error @ Error::StripeRefusal(_)) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "Stripe refused what was due for a seller. Look at Stripe's request log, and at the account in its \
             dashboard."
        ),
        Some(error) if work.checks > REDRIVES_BEFORE_ALARM => tracing::error!(
            error = &error as &dyn std::error::Error,
            checks = work.checks,
            "What is due for a seller can not be done. If Stripe is up, look at its request log, and at the key in \
             STRIPE_SECRET_KEY."
        ),
        Some(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            checks = work.checks,
            "What is due for a seller could not be done; it is tried again in a minute."
        ),
    }
}

fn report_refund(work: &PendingRefund, result: Result<StoredRefund, Error>) {
    let (order_id, refund) = (&work.stored.order_id, &work.stored.refund);
    let _entered = tracing::info_span!("refund", order.id = %order_id, refund.id = %refund.id).entered();
    let is_done = result.as_ref().is_ok_and(|stored| !stored.refund.is_unsent());
    count("refund", is_done);
    match result {
        Ok(_) if is_done => tracing::info!("A refund is with Stripe."),
        // Why it was put off was said where that was decided.
        Ok(_) => {}
        Err(error @ (Error::StripeRefusal(_) | Error::AccountUnreachable)) => tracing::error!(
            error = &error as &dyn std::error::Error,
            cause = refund.cause.as_str(),
            "Stripe refused a refund: the money was not given back. Look at the order's timeline, and give it back \
             in Stripe's dashboard if it must be."
        ),
        Err(error) if work.resume_count > REDRIVES_BEFORE_ALARM => tracing::error!(
            error = &error as &dyn std::error::Error,
            resume_count = work.resume_count,
            "A refund can not be carried out. If Stripe is up, look at its request log for this refund id, and at \
             the key in STRIPE_SECRET_KEY."
        ),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            resume_count = work.resume_count,
            "A refund could not be carried out; it is tried again in a minute."
        ),
    }
}
