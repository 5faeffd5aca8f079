//! When the system, or a person at the keyboard, wants the program to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Returns on SIGTERM and on Ctrl-C.
pub(crate) async fn stop_signal() {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened for at start");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
