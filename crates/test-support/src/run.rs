//! Running one test on both databases.

use std::time::{Duration, Instant};

use crate::database::{Kind, TestDatabase};

/// How long a test waits for a condition before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs a test on a fresh, migrated database of this kind, on a runtime like the service's own.
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

/// Waits until a condition holds, which something else brings about.
pub async fn wait_until(what: &str, condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Makes two tests of each of these functions, `sqlite::…` and `postgres::…`.
///
/// ```ignore
/// quittance_test_support::on_both_databases! { an_order_is_priced, a_key_is_replayed }
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
