//! One database is of one Stripe account: with the key of another, what was made is not found, sellers look as if they
//! had left, and what is made now is never heard of.
//!
//! So the account of the key is compared with the one that the database is of, before anything is asked of Stripe by
//! itself. Where Stripe can not say now, the service answers all the same, and Stripe is asked until it does.

use std::time::Duration;

use chrono::Utc;
use quittance_domain::payment::Mode;
use quittance_persistence::Store;
use quittance_sandbox::DEFAULT_ACCOUNT as SANDBOX_ACCOUNT;
use quittance_stripe_gateway::{Error as StripeError, Stripe};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Error;

/// How long a start waits for Stripe to say whose key it is.
const START_PATIENCE: Duration = Duration::from_secs(2);

/// How long until Stripe, or the database, is asked again.
const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// How far the comparison has come.
pub(crate) struct AccountCheck {
    /// Compares, where that is not done.
    task: Option<JoinHandle<Result<(), Error>>>,
    /// Whether nothing more is to be waited for before Stripe is asked for anything.
    is_done: watch::Receiver<bool>,
}

impl AccountCheck {
    /// Compares the account of the key with that of the database: to the end if Stripe answers in a moment, else in the
    /// background. The error is that they differ.
    pub(crate) async fn begin(store: Store, stripe: Stripe) -> Result<Self, Error> {
        let (done, is_done) = watch::channel(false);
        let mut task = tokio::spawn(async move {
            compare_until_known(&store, &stripe).await?;
            done.send_replace(true);
            Ok(())
        });
        match tokio::time::timeout(START_PATIENCE, &mut task).await {
            Ok(ended) => Self::passed(ended.map_err(Error::task)?),
            Err(_) => Ok(Self { task: Some(task), is_done }),
        }
    }

    /// For a comparison that has ended.
    pub(crate) fn passed(result: Result<(), Error>) -> Result<Self, Error> {
        result?;
        // A closed channel says what it said last.
        let (_, is_done) = watch::channel(true);
        Ok(Self { task: None, is_done })
    }

    /// For work that asks Stripe by itself: runs it once it is known that the key is the right one.
    pub(crate) fn hold<F>(
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
                    // An error means that the accounts differ, or that it is not asked any more.
                    if known.is_err() {
                        return;
                    }
                }
                _ = stop.wait_for(|stop| *stop) => return,
            }
            work.await;
        }
    }

    /// Waits for the news, in the background, that the accounts differ.
    pub(crate) async fn refused(&mut self) -> Error {
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

    /// Asks no more.
    pub(crate) fn stop(self) {
        if let Some(task) = self.task {
            task.abort();
        }
    }
}

/// Asks until there is an answer.
async fn compare_until_known(store: &Store, stripe: &Stripe) -> Result<(), Error> {
    let mut is_first = true;
    loop {
        let error: Box<dyn std::error::Error + Send + Sync> =
            match compare(store, stripe, Stored::Write).await {
                Err(Error::AccountUnknown(error)) => Box::new(error),
                Err(Error::Database(error)) => Box::new(error),
                known => return known,
            };
        if std::mem::take(&mut is_first) {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "Stripe could not be asked whose key STRIPE_SECRET_KEY is. Until it can be, nothing is asked of it but \
                 what requests need; it is tried again."
            );
        }
        tokio::time::sleep(RETRY_PERIOD).await;
    }
}

/// What becomes of the account in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is read.
    Read,
    /// It is read, and written if there was none.
    Write,
}

/// Compares the account of the key with the one that the database is of. A key that may not read its own account is
/// taken for the right one.
pub(crate) async fn compare(store: &Store, stripe: &Stripe, stored: Stored) -> Result<(), Error> {
    match stripe.own_account_id().await {
        Ok(account_id) => check(store, stripe.mode(), &account_id, stored).await,
        Err(StripeError::Refused(refusal)) => {
            tracing::warn!(
                stripe.refusal = %refusal,
                "Stripe does not say of which account the key in STRIPE_SECRET_KEY is, so it is not known whether this \
                 database is of that account. A restricted key needs to read Accounts for that; a wrong key is refused \
                 everything."
            );
            Ok(())
        }
        Err(error) => Err(Error::AccountUnknown(error)),
    }
}

/// Compares an account with the one that the database is of.
pub(crate) async fn check(store: &Store, mode: Mode, account_id: &str, stored: Stored) -> Result<(), Error> {
    let known = match stored {
        Stored::Read => store.stripe_account(mode).await?,
        Stored::Write => Some(store.tie_stripe_account(mode, account_id.to_owned(), Utc::now()).await?),
    };
    match known {
        Some(known) if known != account_id => Err(differs(mode, &known, account_id)),
        _ => Ok(()),
    }
}

fn differs(mode: Mode, known: &str, account_id: &str) -> Error {
    let mode = mode.as_str();
    let problem = if account_id == SANDBOX_ACCOUNT {
        format!(
            "leads to the sandbox ({account_id}), which stands in for Stripe where no key is set, and this database is of \
             the Stripe account {known} in {mode} mode. Use the key of {known}, or another DATABASE_URL for the sandbox"
        )
    } else if known == SANDBOX_ACCOUNT {
        format!(
            "is a key of the Stripe account {account_id}, and this database was filled by the sandbox ({known}). Use \
             another DATABASE_URL for {account_id}, or no key to go on with the sandbox"
        )
    } else {
        format!(
            "is a key of the Stripe account {account_id}, and this database is of {known} in {mode} mode. Use the key of \
             {known}, or another DATABASE_URL for {account_id}"
        )
    };
    Error::setting("STRIPE_SECRET_KEY", problem)
}
