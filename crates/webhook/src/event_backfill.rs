//! Events that never arrived: Stripe's own list of events is walked, and what the inbox has not seen goes the way of
//! a delivery.
//!
//! Stripe gives up on a delivery after three days, and an endpoint may be misconfigured for longer. Its list goes
//! back thirty days. See <https://docs.stripe.com/webhooks/process-undelivered-events>.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use metrics::counter;
use quittance_domain::event::EventOutcome;
use quittance_domain::payment::Account;
use quittance_persistence::{Delivery, Store};
use quittance_stripe_gateway::{Error as StripeError, Stripe, event};
use tokio::sync::watch;

use crate::{ReceiveError, Receiver};

/// How far a walk goes back behind the one before: for events that Stripe lists late, and for clocks that differ.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// How far back the first walk goes: what is older was given up by Stripe, and is healed by hand.
const FIRST_REACH: TimeDelta = TimeDelta::days(3);

/// How many connected accounts are walked in one turn, each by a request at least. With many sellers each is walked
/// less often; webhooks do not wait for it.
const ACCOUNTS_AT_ONCE: u16 = 10;

/// Longer than anybody takes a walk for: a walk by hand waits for nobody.
const ANY_LEASE: TimeDelta = TimeDelta::days(2);

/// Walks Stripe's list of events, of our own account and of connected ones. Any number of processes may each run one: they take turns.
pub struct EventBackfiller {
    store: Store,
    stripe: Stripe,
    receiver: Receiver,
}

/// What a walk found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventBackfillReport {
    /// Events that Stripe listed.
    pub listed: usize,
    /// Those of them that had not been taken in.
    pub missing: usize,
    /// Those of them that changed something.
    pub applied: usize,
}

/// How far an account's list could be read.
enum Listed {
    /// All of it: everything that was made before `seen_until`, at Stripe's clock, was seen.
    ToTheEnd { walked: EventBackfillReport, seen_until: Option<DateTime<Utc>> },
    /// Stripe would not show it, or not all of it.
    OutOfReach(EventBackfillReport),
}

impl Listed {
    fn record_event_backfill(&self) -> EventBackfillReport {
        match self {
            Self::ToTheEnd { walked, .. } | Self::OutOfReach(walked) => *walked,
        }
    }
}

/// Why a walk did not reach its end. What it has taken in stays.
#[derive(Debug, thiserror::Error)]
pub enum EventBackfillError {
    /// Stripe did not list its events.
    #[error("Stripe's list of events could not be read")]
    Stripe(#[from] quittance_stripe_gateway::Error),
    /// The store could not do its part.
    #[error("the inbox could not be asked")]
    Store(#[from] quittance_persistence::Error),
    /// An event could not be taken in.
    #[error("an event could not be taken in")]
    Receive(#[from] ReceiveError),
}

impl EventBackfillReport {
    fn and(self, other: Self) -> Self {
        Self {
            listed: self.listed + other.listed,
            missing: self.missing + other.missing,
            applied: self.applied + other.applied,
        }
    }
}

impl EventBackfiller {
    /// A walker that hands what it finds to this receiver.
    #[must_use]
    pub fn new(store: Store, stripe: Stripe, receiver: Receiver) -> Self {
        Self { store, stripe, receiver }
    }

    /// Walks every `period`, until told to stop.
    pub async fn run(self, period: Duration, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            report(&Account::own(), self.backfill_accounts(&Account::own(), period).await);
            self.backfill_connected_accounts(period).await;
            let _ = tokio::time::timeout(period, stop.wait_for(|stop| *stop)).await;
        }
    }

    /// Walks the connected accounts that were not walked for the longest time.
    async fn backfill_connected_accounts(&self, period: Duration) {
        match self.store.accounts_due_for_backfill(ACCOUNTS_AT_ONCE, Utc::now()).await {
            Ok(accounts) => {
                for account in accounts {
                    report(&account, self.backfill_accounts(&account, period).await);
                }
            }
            Err(error) => report(&Account::own(), Err(error.into())),
        }
    }

    /// Walks on from where the last walk of an account ended, unless another process has done so within the period.
    async fn backfill_accounts(
        &self,
        account: &Account,
        period: Duration,
    ) -> Result<Option<EventBackfillReport>, EventBackfillError> {
        let began_at = Utc::now();
        let lease = TimeDelta::from_std(period).unwrap_or(TimeDelta::MAX);
        let claimed = self.store.claim_event_backfill(account.clone(), began_at, began_at + lease).await?;
        let Some(walk) = claimed else { return Ok(None) };
        let since = walk.seen_until.map_or(began_at - FIRST_REACH, |until| until - OVERLAP);
        match self.backfill_account(account, since, false, |_| ()).await? {
            Listed::ToTheEnd { walked, seen_until } => {
                self.store.record_event_backfill(account.clone(), seen_until.unwrap_or(began_at)).await?;
                Ok(Some(walked))
            }
            // What could not be seen is not marked as seen: the next walk begins where this one did.
            Listed::OutOfReach(walked) => {
                self.store.schedule_account_refresh(account.clone(), Utc::now()).await?;
                Ok(Some(walked))
            }
        }
    }

    /// Takes in every event made since a time that had not arrived, of our own account and of connected ones on which
    /// something was charged; only counts them if `dry_run`. `step` is called after each page of a list.
    pub async fn backfill_since(
        &self,
        since: DateTime<Utc>,
        dry_run: bool,
        mut step: impl FnMut(&EventBackfillReport) + Send,
    ) -> Result<EventBackfillReport, EventBackfillError> {
        let mut all = EventBackfillReport::default();
        let mut accounts = vec![Account::own()];
        accounts.extend(self.store.accounts_due_for_backfill(u16::MAX, Utc::now() + ANY_LEASE).await?);
        for account in accounts {
            let before = all;
            let listed =
                self.backfill_account(&account, since, dry_run, |walked| step(&before.and(*walked))).await?;
            all = before.and(listed.record_event_backfill());
        }
        Ok(all)
    }

    async fn backfill_account(
        &self,
        account: &Account,
        since: DateTime<Utc>,
        dry_run: bool,
        mut step: impl FnMut(&EventBackfillReport) + Send,
    ) -> Result<Listed, EventBackfillError> {
        let mut walked = EventBackfillReport::default();
        let mut after: Option<String> = None;
        let mut began_s = None;
        loop {
            let page = match self.stripe.list_events(account, since, after.as_deref()).await {
                // Its owner has ended our access, perhaps for a while only.
                Err(StripeError::Refused(refusal)) if refusal.is_account_unreachable() => {
                    return Ok(Listed::OutOfReach(walked));
                }
                page => page?,
            };
            began_s.get_or_insert(page.began_s);
            let ids = page.events.iter().map(|event| event.id.clone()).collect();
            let missing = self.store.unknown_events(ids).await?;
            walked.listed += page.events.len();
            walked.missing += missing.len();
            let payloads = page.events.into_iter().filter(|event| missing.contains(&event.id));
            let deliveries = payloads.filter_map(|listed| {
                let event = event::read(&listed.payload).ok()?;
                Some(Delivery { event, payload: listed.payload, received_at: Utc::now() })
            });
            if !dry_run {
                let outcomes = self.receiver.take_in(deliveries.collect()).await?;
                walked.applied +=
                    outcomes.iter().filter(|outcome| **outcome == EventOutcome::Applied).count();
            }
            step(&walked);
            let Some(last) = page.next else {
                let seen_until = began_s.and_then(|second| DateTime::from_timestamp(second, 0));
                return Ok(Listed::ToTheEnd { walked, seen_until });
            };
            after = Some(last);
        }
    }
}

fn report(account: &Account, result: Result<Option<EventBackfillReport>, EventBackfillError>) {
    match result {
        Ok(Some(walked)) => {
            counter!("quittance_event_backfill_runs_total", "outcome" => "done").increment(1);
            counter!("quittance_event_backfill_recovered_total").increment(walked.applied as u64);
            tracing::debug!(?walked, account = account.as_str(), "Stripe's list of events was walked.");
        }
        Ok(None) => {}
        Err(error) => {
            counter!("quittance_event_backfill_runs_total", "outcome" => "failed").increment(1);
            tracing::warn!(
                account = account.as_str(),
                error = &error as &dyn std::error::Error,
                "Stripe's list of events could not be walked; it is tried again."
            );
        }
    }
}
