//! Signals that stop the process.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the process receives SIGTERM or Ctrl-C.
pub(crate) async fn stop_signal() {
    let mut terminate = signal(SignalKind::terminate()).expect("the SIGTERM handler can be installed");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
