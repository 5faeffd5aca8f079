//! The control API under `/_sandbox/`, for tests: actions of customers, banks, account owners and Stripe, fault
//! injection, and the clock.

pub(crate) mod accounts;
pub(crate) mod chaos;
pub(crate) mod clock;
pub(crate) mod payments;
