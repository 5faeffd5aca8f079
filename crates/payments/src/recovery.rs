//! Repairs the effects of crashes, outages and lost events.

mod check;
mod reconcile;
mod work_reports;
mod worker;

pub use reconcile::{ReconcileReport, ReconcileScope};
pub use worker::Worker;
