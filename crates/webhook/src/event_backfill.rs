//! Recovers undelivered events: lists Stripe's events, and applies those that the inbox doesn't contain.
//!
//! Stripe retries a delivery for three days, and an endpoint may be misconfigured for longer. The list contains the
//! last 30 days. See <https://docs.stripe.com/webhooks/process-undelivered-events>.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::event::EventOutcome;
use quittance_domain::payment::Account;
use quittance_persistence::{Delivery, Store};
use quittance_stripe_gateway::{Error as StripeError, Stripe, event};
use tokio::sync::watch;

use crate::{ReceiveError, Receiver, metrics};

/// The overlap of two backfills of an account. It covers events that Stripe lists late, and differing clocks.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// The time range of an account's first backfill. Stripe has stopped delivering older events, so an operator recovers
/// them with `quittance reconcile`.
const FIRST_RANGE: TimeDelta = TimeDelta::days(3);

/// The most connected accounts per period. Each needs at least one request. With many sellers, each account's turn
/// comes less often, which doesn't affect webhooks.
const ACCOUNTS_PER_PERIOD: u16 = 10;

/// Longer than any lease, so that a manual backfill includes accounts that another process has claimed.
const MAX_LEASE: TimeDelta = TimeDelta::days(2);

/// Recovers undelivered events of your own account and of connected accounts. Any number of processes may each run
/// one; a lease in the database lets one process at a time list an account.
pub struct EventBackfiller {
    store: Store,
    stripe: Stripe,
    receiver: Receiver,
}

/// The number of events that a backfill found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventBackfillReport {
    /// Events that Stripe listed.
    pub listed: usize,
    /// Listed events that the inbox didn't contain.
    pub missing: usize,
    /// Missing events that changed an order or seller.
    pub applied: usize,
}

/// The result of listing an account's events.
enum AccountBackfill {
    /// The list was read to its end. It contained every event before `listed_until`, by Stripe's clock.
    Complete { report: EventBackfillReport, listed_until: Option<DateTime<Utc>> },
    /// Stripe refused access to the account, perhaps after some pages.
    Unreachable(EventBackfillReport),
}

impl AccountBackfill {
    fn report(&self) -> EventBackfillReport {
        match self {
            Self::Complete { report, .. } | Self::Unreachable(report) => *report,
        }
    }
}

/// The reason why a backfill didn't finish. Events applied before stay applied.
#[derive(Debug, thiserror::Error)]
pub enum EventBackfillError {
    /// Stripe didn't list its events.
    #[error("failed to list Stripe's events")]
    Stripe(#[from] quittance_stripe_gateway::Error),
    /// The database failed.
    #[error("failed to read the inbox")]
    Store(#[from] quittance_persistence::Error),
    /// An event wasn't applied.
    #[error("failed to apply an event")]
    Receive(#[from] ReceiveError),
}

impl EventBackfillReport {
    fn plus(self, other: Self) -> Self {
        Self {
            listed: self.listed + other.listed,
            missing: self.missing + other.missing,
            applied: self.applied + other.applied,
        }
    }
}

impl EventBackfiller {
    /// Creates a backfiller that passes missing events to this receiver.
    #[must_use]
    pub fn new(store: Store, stripe: Stripe, receiver: Receiver) -> Self {
        Self { store, stripe, receiver }
    }

    /// Runs a backfill every `period` until `stop` is true.
    pub async fn run(self, period: Duration, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            report(&Account::own(), self.backfill_if_due(&Account::own(), period).await);
            self.backfill_connected_accounts(period).await;
            let _ = tokio::time::timeout(period, stop.wait_for(|stop| *stop)).await;
        }
    }

    /// Backfills the connected accounts with the oldest backfill.
    async fn backfill_connected_accounts(&self, period: Duration) {
        match self.store.accounts_due_for_backfill(ACCOUNTS_PER_PERIOD, Utc::now()).await {
            Ok(accounts) => {
                for account in accounts {
                    report(&account, self.backfill_if_due(&account, period).await);
                }
            }
            Err(error) => report(&Account::own(), Err(error.into())),
        }
    }

    /// Continues an account's backfill, unless another process did so within the period.
    async fn backfill_if_due(
        &self,
        account: &Account,
        period: Duration,
    ) -> Result<Option<EventBackfillReport>, EventBackfillError> {
        let began_at = Utc::now();
        let lease = TimeDelta::from_std(period).unwrap_or(TimeDelta::MAX);
        let claimed = self.store.claim_event_backfill(account.clone(), began_at, began_at + lease).await?;
        let Some(backfill) = claimed else { return Ok(None) };
        let since = backfill.seen_until.map_or(began_at - FIRST_RANGE, |until| until - OVERLAP);
        match self.backfill_account(account, since, false, |_| ()).await? {
            AccountBackfill::Complete { report, listed_until } => {
                self.store.record_event_backfill(account.clone(), listed_until.unwrap_or(began_at)).await?;
                Ok(Some(report))
            }
            // The progress isn't recorded, so the next backfill starts at the same time.
            AccountBackfill::Unreachable(report) => {
                self.store.schedule_account_refresh(account.clone(), Utc::now()).await?;
                Ok(Some(report))
            }
        }
    }

    /// Applies missing events since a time: events of your account and of all connected accounts with charges. With
    /// `dry_run`, only counts them. Calls `on_page` after each page of a list.
    pub async fn backfill_since(
        &self,
        since: DateTime<Utc>,
        dry_run: bool,
        mut on_page: impl FnMut(&EventBackfillReport) + Send,
    ) -> Result<EventBackfillReport, EventBackfillError> {
        let mut total = EventBackfillReport::default();
        let mut accounts = vec![Account::own()];
        accounts.extend(self.store.accounts_due_for_backfill(u16::MAX, Utc::now() + MAX_LEASE).await?);
        for account in accounts {
            let before = total;
            let on_account_page = |report: &EventBackfillReport| on_page(&before.plus(*report));
            let backfill = self.backfill_account(&account, since, dry_run, on_account_page).await?;
            total = before.plus(backfill.report());
        }
        Ok(total)
    }

    async fn backfill_account(
        &self,
        account: &Account,
        since: DateTime<Utc>,
        dry_run: bool,
        mut on_page: impl FnMut(&EventBackfillReport) + Send,
    ) -> Result<AccountBackfill, EventBackfillError> {
        let mut report = EventBackfillReport::default();
        let mut after: Option<String> = None;
        let mut began_s = None;
        loop {
            let page = match self.stripe.list_events(account, since, after.as_deref()).await {
                // The account's owner disconnected the platform, perhaps temporarily.
                Err(StripeError::Refused(refusal)) if refusal.is_account_unreachable() => {
                    return Ok(AccountBackfill::Unreachable(report));
                }
                page => page?,
            };
            began_s.get_or_insert(page.began_s);
            let ids = page.events.iter().map(|event| event.id.clone()).collect();
            let missing = self.store.unknown_events(ids).await?;
            report.listed += page.events.len();
            report.missing += missing.len();
            let payloads = page.events.into_iter().filter(|event| missing.contains(&event.id));
            let deliveries = payloads.filter_map(|listed| {
                let event = event::read(&listed.payload).ok()?;
                Some(Delivery { event, payload: listed.payload, received_at: Utc::now() })
            });
            if !dry_run {
                let outcomes = self.receiver.apply_listed(deliveries.collect()).await?;
                report.applied +=
                    outcomes.iter().filter(|outcome| **outcome == EventOutcome::Applied).count();
            }
            on_page(&report);
            let Some(last) = page.next else {
                let listed_until = began_s.and_then(|second| DateTime::from_timestamp(second, 0));
                return Ok(AccountBackfill::Complete { report, listed_until });
            };
            after = Some(last);
        }
    }
}

fn report(account: &Account, result: Result<Option<EventBackfillReport>, EventBackfillError>) {
    match result {
        Ok(Some(report)) => {
            metrics::count_backfill(report.applied);
            tracing::debug!(
                stripe.account = account.as_str(),
                listed = report.listed,
                missing = report.missing,
                applied = report.applied,
                "listed Stripe's events"
            );
        }
        Ok(None) => {}
        Err(error) => {
            metrics::count_failed_backfill();
            tracing::warn!(
                stripe.account = account.as_str(),
                error = &error as &dyn std::error::Error,
                "failed to backfill events; retrying in the next period"
            );
        }
    }
}
