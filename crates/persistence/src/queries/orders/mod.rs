//! Orders, payment attempts, refunds and disputes.

pub(crate) mod attempts;
pub(crate) mod captures;
pub(crate) mod change;
pub(crate) mod checks;
pub(crate) mod close;
pub(crate) mod locked_order;
pub(crate) mod persist;
pub(crate) mod place;
pub(crate) mod pricing;
pub(crate) mod read;
pub(crate) mod recompute;
pub(crate) mod refunds;
pub(crate) mod timeline;
