//! Runs tests on both databases and waits for conditions.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::database::{Kind, TestDatabase};

/// The time limit of [`wait_until`]. Longer than the lease of an idempotency key whose request was never answered.
const TIMEOUT: Duration = Duration::from_secs(100);

/// The time between two checks of [`wait_until`].
const POLL_PERIOD: Duration = Duration::from_millis(10);

/// Runs a test on a new, migrated database of this kind, on a runtime like the service's own.
///
/// Skips the test if PostgreSQL is excluded; see [`TestDatabase::empty`].
pub fn run_on(kind: Kind, test: impl AsyncFnOnce(&TestDatabase)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        if let Some(database) = TestDatabase::migrated(kind).await {
            test(&database).await;
        }
    });
}

/// The result of checking a condition once: a `bool`, an `Option` or a `Result`.
pub trait Probe {
    /// The value that [`wait_until`] returns once the condition holds.
    type Found;

    /// Returns the value if the condition holds, or the reason why it doesn't hold yet. The reason may be empty.
    ///
    /// # Errors
    ///
    /// If the condition doesn't hold yet.
    fn found(self) -> Result<Self::Found, String>;
}

impl Probe for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err(String::new()) }
    }
}

impl<T> Probe for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(String::new)
    }
}

impl<T, E: Display> Probe for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Polls until the probe finds something, and returns it. Panics after 100 seconds.
///
/// The condition is a clause that completes "waited until", such as `"the order is paid"`.
///
/// ```
/// # use std::time::{Duration, Instant};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use quittance_test_support::wait_until;
///
/// let start = Instant::now();
///
/// wait_until("20 ms have passed", async || start.elapsed() > Duration::from_millis(20)).await;
/// let first = wait_until("there is a first line", async || "total: 25.00 EUR".lines().next()).await;
///
/// assert_eq!(first, "total: 25.00 EUR");
/// # });
/// ```
pub async fn wait_until<P: Probe>(condition: &str, mut probe: impl AsyncFnMut() -> P) -> P::Found {
    let start = Instant::now();
    loop {
        let reason = match probe().await.found() {
            Ok(found) => return found,
            Err(reason) => reason,
        };
        assert!(start.elapsed() < TIMEOUT, "timed out waiting until {condition}: {reason}");
        tokio::time::sleep(POLL_PERIOD).await;
    }
}

/// Makes two tests of each of these functions: `sqlite::…` and `postgres::…`.
///
/// Each function is an `async fn(&TestDatabase)`.
///
/// ```
/// use quittance_test_support::{TestDatabase, on_both_databases, place};
///
/// on_both_databases! { order_placed_is_stored }
///
/// async fn order_placed_is_stored(database: &TestDatabase) {
///     let store = database.store().await;
///
///     let order = place(&store).await;
///
///     assert!(store.order(order.id).await.expect("a read").is_some());
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { $crate::run_on($crate::Kind::Sqlite, super::$test); })*
        }
        mod postgres {
            $(#[test] fn $test() { $crate::run_on($crate::Kind::Postgres, super::$test); })*
        }
    };
}
