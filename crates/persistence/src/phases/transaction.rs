//! The one place where transactions are opened and tried again.

use diesel_async::AsyncConnectionCore;

use super::super::Database;
use super::super::dialect::{Conn, transaction};
use crate::Error;

/// How often a phase is tried that lost against a concurrent one.
const TRIES: u32 = 8;

/// What happens within a transaction: an async closure over a connection whose future can move between
/// threads. (The bound on the future can not be said of `AsyncFn` itself yet.)
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
    /// Runs a phase in one transaction. When it loses against a concurrent one (a serialisation failure or a
    /// deadlock), it is tried again from its beginning.
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
                    tracing::debug!("A transaction lost against a concurrent one and is tried again.");
                    metrics::counter!("quittance_store_retries_total").increment(1);
                    tokio::time::sleep(std::time::Duration::from_millis(rand::random_range(1..20))).await;
                }
                result => return result,
            }
        }
    }
}
