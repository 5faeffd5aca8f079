//! The work of requests, which outlives its HTTP connection.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::Instrument;

use crate::problem::Problem;

/// The running work of this process. A client that hangs up doesn't cancel its work.
#[derive(Clone)]
pub(crate) struct RequestTasks {
    runtime: Handle,
    running: Arc<watch::Sender<usize>>,
}

impl RequestTasks {
    /// Creates the counter of running work. Work runs on this runtime.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, running: Arc::new(watch::Sender::new(0)) }
    }

    /// Runs work as a task of the process, and waits for its result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let guard = TaskGuard::new(Arc::clone(&self.running));
        let task = async move {
            let _guard = guard;
            work.await
        };
        match self.runtime.spawn(task.in_current_span()).await {
            Ok(result) => result,
            Err(error) => Err(Problem::internal(&error)),
        }
    }

    /// Waits until no work is running.
    pub(crate) async fn drained(&self) {
        let mut running = self.running.subscribe();
        // The sender lives as long as `self`.
        let _ = running.wait_for(|count| *count == 0).await;
    }
}

/// Counts a task for as long as it lives.
struct TaskGuard(Arc<watch::Sender<usize>>);

impl TaskGuard {
    fn new(running: Arc<watch::Sender<usize>>) -> Self {
        running.send_modify(|count| *count += 1);
        Self(running)
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
