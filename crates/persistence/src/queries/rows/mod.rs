//! Table rows and their conversions to domain types.

pub(crate) mod decisions;
pub(crate) mod disputes;
pub(crate) mod inbox;
pub(crate) mod orders;
pub(crate) mod outbound;
pub(crate) mod outbox;
pub(crate) mod payments;
pub(crate) mod products;
pub(crate) mod refunds;
pub(crate) mod sellers;
pub(crate) mod stock;
