//! Transactions. Only this module opens and retries them.

use diesel_async::AsyncConnectionCore;

use super::Database;
use super::dialect::{Conn, transaction};
use crate::Error;

/// The maximum number of tries of a transaction that conflicts with others.
const TRIES: u32 = 8;

/// The body of a transaction: an async closure over a connection, whose future is `Send`. (Rust can't express this
/// bound on `AsyncFn` yet.)
pub(super) trait Phase<C, R>: AsyncFnOnce(C) -> R + FnOnce(C) -> <Self as Phase<C, R>>::Fut {
    type Fut: Future<Output = R>;
}

impl<F, C, R, Fut> Phase<C, R> for F
where
    F: AsyncFnOnce(C) -> R + FnOnce(C) -> Fut,
    Fut: Future<Output = R>,
{
    type Fut = Fut;
}

impl Database {
    /// Runs a closure in one transaction. If it fails because of a concurrent transaction (a serialization failure or
    /// a deadlock), it runs again from the start.
    pub(super) async fn write<R, F>(&self, phase: F) -> Result<R, Error>
    where
        for<'c> F: AsyncFnOnce(&'c mut Conn) -> Result<R, Error>
            + Phase<&'c mut Conn, Result<R, Error>, Fut: Send>
            + Clone
            + Send,
        R: Send,
        Conn: AsyncConnectionCore,
    {
        let mut tries_left = TRIES;
        loop {
            let mut conn = self.writer().await?;
            let result = transaction!(&mut *conn, phase.clone()).await;
            drop(conn);
            tries_left -= 1;
            match result {
                Err(error) if error.is_contention() && tries_left > 0 => {
                    tracing::debug!("transaction conflicted with a concurrent one; retrying");
                    metrics::counter!("quittance_store_retries_total").increment(1);
                    tokio::time::sleep(std::time::Duration::from_millis(rand::random_range(1..20))).await;
                }
                result => return result,
            }
        }
    }
}
