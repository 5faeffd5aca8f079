//! The crate's metrics.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const RESUMES: &str = "quittance_worker_resumes_total";
const REFRESHES: &str = "quittance_payment_refreshes_total";
const WAITING_ORDERS: &str = "quittance_waiting_orders";

/// Registers the descriptions shown on `/metrics`.
pub(crate) fn describe() {
    describe_counter!(RESUMES, Unit::Count, "Work items resumed by the worker, by kind and outcome");
    describe_counter!(REFRESHES, Unit::Count, "Payments read from Stripe for waiting callers");
    describe_gauge!(WAITING_ORDERS, Unit::Count, "Orders whose outcome a caller waits for");
}

/// Counts a work item of the worker.
pub(crate) fn count_resume(work: &'static str, is_done: bool) {
    let outcome = if is_done { "done" } else { "failed" };
    counter!(RESUMES, "work" => work, "outcome" => outcome).increment(1);
}

/// Counts a read from Stripe for a waiting caller.
pub(crate) fn count_refresh() {
    counter!(REFRESHES).increment(1);
}

/// Sets the number of orders whose outcome a caller waits for.
pub(crate) fn set_waiting_orders(orders: usize) {
    gauge!(WAITING_ORDERS).set(u32::try_from(orders).unwrap_or(u32::MAX));
}
