//! Checks that the database belongs to the Stripe account of the configured key.
//!
//! With another account's key, Stripe wouldn't find existing objects, sellers would look disconnected, and events of new
//! payments would never arrive. So the accounts are compared before any background work calls Stripe. If Stripe is
//! unavailable at startup, the service answers requests anyway and repeats the comparison until it succeeds.

use std::time::Duration;

use chrono::Utc;
use quittance_domain::payment::Mode;
use quittance_persistence::Store;
use quittance_sandbox::DEFAULT_ACCOUNT as SANDBOX_ACCOUNT;
use quittance_stripe_gateway::{Error as StripeError, Stripe};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Error;

/// The longest time that startup waits for Stripe to return the key's account.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(2);

/// The time between two comparisons while Stripe or the database is unavailable.
const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// The progress of the account comparison.
pub(crate) struct AccountCheck {
    /// The comparison, if it is still running.
    task: Option<JoinHandle<Result<(), Error>>>,
    /// Whether background work may call Stripe.
    is_done: watch::Receiver<bool>,
}

impl AccountCheck {
    /// Starts comparing the key's account with the database's account. If Stripe doesn't answer within
    /// [`STARTUP_TIMEOUT`], the comparison continues in the background. Fails if the accounts differ.
    pub(crate) async fn start(store: Store, stripe: Stripe) -> Result<Self, Error> {
        let (done, is_done) = watch::channel(false);
        let mut task = tokio::spawn(async move {
            compare_until_known(&store, &stripe).await?;
            done.send_replace(true);
            Ok(())
        });
        match tokio::time::timeout(STARTUP_TIMEOUT, &mut task).await {
            Ok(ended) => Self::completed(ended.map_err(Error::task)?),
            Err(_) => Ok(Self { task: Some(task), is_done }),
        }
    }

    /// Wraps the result of a comparison that has ended.
    pub(crate) fn completed(result: Result<(), Error>) -> Result<Self, Error> {
        result?;
        // A receiver still sees the last value after its channel is closed.
        let (_, is_done) = watch::channel(true);
        Ok(Self { task: None, is_done })
    }

    /// Delays background work that calls Stripe until the comparison has succeeded.
    pub(crate) fn delay<F>(
        &self,
        work: F,
        mut stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + use<F>
    where
        F: Future<Output = ()>,
    {
        let mut is_done = self.is_done.clone();
        async move {
            tokio::select! {
                known = is_done.wait_for(|is_done| *is_done) => {
                    // An error means that the accounts differ or that the comparison was stopped.
                    if known.is_err() {
                        return;
                    }
                }
                _ = stop.wait_for(|stop| *stop) => return,
            }
            work.await;
        }
    }

    /// Returns the error of a background comparison that found different accounts. Never returns otherwise.
    pub(crate) async fn mismatch(&mut self) -> Error {
        let Some(task) = &mut self.task else { return std::future::pending().await };
        match task.await {
            Ok(Ok(())) => std::future::pending().await,
            Ok(Err(error)) => {
                tracing::error!("{error}");
                error
            }
            Err(ended) => Error::task(ended),
        }
    }

    /// Stops the background comparison.
    pub(crate) fn stop(self) {
        if let Some(task) = self.task {
            task.abort();
        }
    }
}

/// Compares the accounts, and retries until Stripe and the database have answered.
async fn compare_until_known(store: &Store, stripe: &Stripe) -> Result<(), Error> {
    let mut is_first = true;
    loop {
        let error: Box<dyn std::error::Error + Send + Sync> =
            match compare(store, stripe, AccountRecord::ReadOrInsert).await {
                Err(Error::AccountUnknown(error)) => Box::new(error),
                Err(Error::Database(error)) => Box::new(error),
                known => return known,
            };
        if std::mem::take(&mut is_first) {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "failed to read the Stripe account of STRIPE_SECRET_KEY; retrying, and background work that calls Stripe \
                 waits until it succeeds"
            );
        }
        tokio::time::sleep(RETRY_PERIOD).await;
    }
}

/// A mode of access to the database's account record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountRecord {
    Read,
    /// Reads the record. If it doesn't exist for this mode, inserts it.
    ReadOrInsert,
}

/// Compares the key's account with the database's account. Accepts a key that isn't allowed to read its own account.
pub(crate) async fn compare(store: &Store, stripe: &Stripe, record: AccountRecord) -> Result<(), Error> {
    match stripe.own_account_id().await {
        Ok(account_id) => check(store, stripe.mode(), &account_id, record).await,
        Err(StripeError::Refused(refusal)) => {
            tracing::warn!(
                stripe.refusal = %refusal,
                "failed to read the Stripe account of STRIPE_SECRET_KEY; can't check that this database belongs to it. \
                 Restricted keys need permission to read Accounts. Stripe rejects every request with an invalid key."
            );
            Ok(())
        }
        Err(error) => Err(Error::AccountUnknown(error)),
    }
}

/// Compares an account with the database's account. Fails if they differ.
pub(crate) async fn check(
    store: &Store,
    mode: Mode,
    account_id: &str,
    record: AccountRecord,
) -> Result<(), Error> {
    let recorded = match record {
        AccountRecord::Read => store.stripe_account(mode).await?,
        AccountRecord::ReadOrInsert => {
            Some(store.bind_stripe_account(mode, account_id.to_owned(), Utc::now()).await?)
        }
    };
    match recorded {
        Some(recorded) if recorded != account_id => Err(account_mismatch(mode, &recorded, account_id)),
        _ => Ok(()),
    }
}

fn account_mismatch(mode: Mode, recorded: &str, account_id: &str) -> Error {
    let mode = mode.as_str();
    let problem = if account_id == SANDBOX_ACCOUNT {
        format!(
            "selects the sandbox ({account_id}), but this database belongs to the Stripe account {recorded} in {mode} \
             mode. Set the key of {recorded}, or another DATABASE_URL for the sandbox"
        )
    } else if recorded == SANDBOX_ACCOUNT {
        format!(
            "belongs to the Stripe account {account_id}, but this database contains sandbox data ({recorded}). Set \
             another DATABASE_URL for {account_id}, or unset the key to keep using the sandbox"
        )
    } else {
        format!(
            "belongs to the Stripe account {account_id}, but this database belongs to {recorded} in {mode} mode. Set the \
             key of {recorded}, or another DATABASE_URL for {account_id}"
        )
    };
    Error::setting("STRIPE_SECRET_KEY", problem)
}
